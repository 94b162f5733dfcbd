"""The shapes of replies and of queries, as the OpenAPI document tells them; what is our own in them says so."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Moment = Annotated[int, Meta(description="Seconds since 1970, in UTC.")]
Status = Literal["queued", "in_progress", "completed", "failed"]

# Errors.


class ErrorObject(Struct, kw_only=True):
    """What went wrong; `docs/errors.md` has every `code` with its status and what to do."""

    message: str
    type: str
    param: str | None
    code: str


class JobNote(Struct, kw_only=True):
    """Our own: the job behind a reply, as GET /v1/videos/{id} shows it, and the files that it made."""

    job: str
    status: str | UnsetType = UNSET
    progress: int | UnsetType = UNSET
    assets: list[dict[str, Any]] | UnsetType = UNSET
    share_id: str | UnsetType = UNSET
    share_url: str | UnsetType = UNSET


class Error(Struct, kw_only=True):
    """The one form of all errors."""

    error: ErrorObject
    sora2api: JobNote | UnsetType = UNSET


# Videos.


class Video(Struct, kw_only=True):
    """OpenAI's Video. A cancelled one is failed, with the code `cancelled`. What may be missing is our own."""

    id: str
    object: Literal["video"]
    model: str
    status: Status
    progress: Annotated[int, Meta(ge=0, le=100)]
    created_at: Moment
    completed_at: Moment | None
    expires_at: Moment | None
    error: ErrorObject | None
    prompt: str | None
    size: str
    seconds: str
    remixed_from_video_id: str | None
    url: Annotated[str, Meta(description="A link to the file that needs no key.")] | UnsetType = UNSET
    share_id: str | UnsetType = UNSET
    share_url: str | UnsetType = UNSET
    events_url: str | UnsetType = UNSET
    cancel_url: str | UnsetType = UNSET
    waiting_for: Annotated[str, Meta(description="Why it has not started.")] | UnsetType = UNSET
    queue_position: Annotated[int, Meta(ge=1, description="1 is the next.")] | UnsetType = UNSET
    eta_seconds: Annotated[int, Meta(ge=1, description="By the jobs alike of late.")] | UnsetType = UNSET


class Page(Struct, kw_only=True):
    """A page of a list; `after` the last id of it comes the next one."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoList(Page):
    data: list[Video]


class Deleted(Struct, kw_only=True):
    """What was deleted."""

    id: str
    object: str
    deleted: Literal[True]


class Character(Struct, kw_only=True):
    """OpenAI's character; `mention` is our own, and calls it in a prompt."""

    id: str
    object: Literal["character"]
    created_at: Moment
    name: str
    mention: str


class CharacterList(Page):
    data: list[Character]


# Images.


class Image(Struct, kw_only=True):
    """One of the two, as `response_format` asks."""

    b64_json: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


class ImageReply(Struct, kw_only=True):
    """OpenAI's ImagesResponse."""

    created: Moment
    data: list[Image]
    background: str
    output_format: str
    quality: str
    size: str
    sora2api: JobNote


# Chat.


class ChatMessage(Struct, kw_only=True):
    role: Literal["assistant"]
    content: str
    refusal: None


class ChatChoice(Struct, kw_only=True):
    index: int
    message: ChatMessage
    finish_reason: Literal["stop"]
    logprobs: None


class ChatUsage(Struct, kw_only=True):
    """All zero: nothing here is counted in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatCompletion(Struct, kw_only=True):
    """OpenAI's chat completion: the content has links to what was made."""

    id: str
    object: Literal["chat.completion"]
    created: Moment
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage
    sora2api: JobNote | UnsetType = UNSET


# Models and files.


class Makes(Struct, kw_only=True):
    kind: Literal["image", "video"]
    size: str
    seconds: float | UnsetType = UNSET


class Model(Struct, kw_only=True):
    """OpenAI's Model; as our own what it makes by default, and what the engines in use do with it by themselves."""

    id: str
    object: Literal["model"]
    created: Moment
    owned_by: str
    makes: Makes
    capabilities: list[str]
    description: str


class ModelList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Model]


class File(Struct, kw_only=True):
    """OpenAI's File."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: Moment
    expires_at: Moment
    filename: str
    purpose: str
    status: Literal["processed"]


class FileList(Page):
    data: list[File]


# Webhooks.


class EventTypes(Struct, kw_only=True):
    object: Literal["list"]
    data: list[str]


class WebhookEndpoint(Struct, kw_only=True):
    """OpenAI's webhook endpoint; its `status` is our own."""

    id: str
    object: Literal["webhook_endpoint"]
    name: str
    url: str
    event_types: list[str]
    signing_secret_hint: str
    created_at: Moment
    updated_at: Moment
    status: Literal["enabled", "disabled"]


class WebhookEndpointWithSecret(WebhookEndpoint):
    """A webhook endpoint with its secret, which is shown this once."""

    signing_secret: str


class WebhookEndpointList(Page):
    data: list[WebhookEndpoint]


class WebhookTest(Struct, kw_only=True):
    """What the endpoint answered to a sample."""

    object: Literal["webhook_endpoint.test"]
    webhook_endpoint_id: str
    event_type: str
    status_code: int
    success: Literal[True]


class CallbackSecret(Struct, kw_only=True):
    """What signs the deliveries to this key's `callback_url`s."""

    object: Literal["webhook_endpoint.callback_secret"]
    signing_secret: str


class WebhookDelivery(Struct, kw_only=True):
    """A delivery; `status_code` and `error` are of the last attempt."""

    id: str
    object: Literal["webhook_endpoint.delivery"]
    webhook_endpoint_id: str
    event: dict[str, Any]
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    status_code: int | None
    error: str | None
    created_at: Moment
    next_attempt_at: Moment | None
    ended_at: Moment | None


class WebhookDeliveryList(Page):
    data: list[WebhookDelivery]


# Queries and headers.


class PageQuery(Struct, kw_only=True):
    after: Annotated[str, Meta(description="The last id of the page before.")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=0, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"


class VideoQuery(PageQuery, kw_only=True):
    """With the filters of our own."""

    status: Literal["queued", "in_progress", "completed", "failed"] | UnsetType = UNSET
    model: str | UnsetType = UNSET


class FileQuery(Struct, kw_only=True):
    after: Annotated[str, Meta(description="The last id of the page before.")] | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    purpose: str | UnsetType = UNSET


class ContentQuery(Struct, kw_only=True):
    variant: Literal["video", "thumbnail", "spritesheet"] = "video"


class EventsQuery(Struct, kw_only=True):
    after: Annotated[int, Meta(ge=0, description="The number of the last event known.")] = 0


class JobHeaders(Struct, kw_only=True, rename={"key": "Idempotency-Key", "cancel_after": "Cancel-After"}):
    """What requests that make a job may say of it."""

    key: (
        Annotated[
            str,
            Meta(min_length=1, max_length=255, description="The same request with the same key is one job, for a day."),
        ]
        | UnsetType
    ) = UNSET
    cancel_after: (
        Annotated[
            str,
            Meta(
                pattern=r"^([1-9][0-9]?h)?([1-9][0-9]?m)?[1-9][0-9]?[smh]$",
                description="When to cancel the job if it is not over: 90s, 5m, 1h30m.",
            ),
        ]
        | UnsetType
    ) = UNSET


class WaitHeaders(JobHeaders, rename={"key": "Idempotency-Key", "cancel_after": "Cancel-After", "prefer": "Prefer"}):
    prefer: (
        Annotated[
            str, Meta(pattern=r"^wait=[0-9]{1,4}$", description="`wait=N`: reply once it is over, or after N seconds.")
        ]
        | UnsetType
    ) = UNSET
