"""The mode contract: all that a plugin which decides what to make must know.

A mode turns a `Request` into a `Plan`: an ordered list of named steps out of a closed vocabulary. The core carries the
plan out, on any engine, natively or composed of smaller steps, and survives a restart in the middle. Nothing here does
I/O.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Protocol, TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from sora2api.errors import InvalidValue

API_VERSION: Final = 1
"""What a mode's `api_version` must be. Additions do not change it; a removal does, after a release of warnings."""

PLAN_FORMAT: Final = 1
"""The format that plans are stored in."""

Kind = Literal["image", "video"]
Operation = Literal["make", "remix", "edit", "extend", "cast"]

T = TypeVar("T")
Fields = TypeVar("Fields", bound=Struct)


class Media(Struct, frozen=True, kw_only=True):
    """A kept file: *asset* is its id in the store; sizes are in pixels, *seconds* is None for an image."""

    asset: str
    kind: Kind
    content_type: str
    width: int
    height: int
    seconds: float | None = None


class Character(Struct, frozen=True, kw_only=True):
    """Somebody who can be shown: called by `@name`, known by reference pictures.

    *display_name* is what its owner calls it, in any letters; empty: nothing but the name.
    *accounts* maps an account's id to what its engine calls the character, where an engine knows it itself.
    """

    id: str
    name: str
    display_name: str = ""
    images: tuple[Media, ...] = ()
    accounts: dict[str, str] = {}


class Source(Struct, frozen=True, kw_only=True):
    """A video that a request refers to. *media* is None once its file has expired; then *frame* remains.

    *video* is the id of one made here, and empty for one that came with the request.
    """

    video: str
    prompt: str
    model: str
    size: str
    seconds: float
    media: Media | None = None
    frame: Media | None = None


class Cost(Struct, frozen=True, kw_only=True):
    """What a model's results cost, in millionths of the operator's currency."""

    per_second: int = 0
    """Of video."""
    per_image: int = 0

    def of(self, *, seconds: float, images: int) -> int:
        return round(self.per_second * seconds) + self.per_image * images


class Model(Struct, frozen=True, kw_only=True):
    """A public name that clients ask for. *size* is "WxH"; *seconds* the default length of a video."""

    name: str
    makes: Kind
    size: str
    seconds: float | None = None
    max_seconds: float | None = None
    sizes: tuple[str, ...] = ()
    """The sizes that a request may ask for besides the default; none: any."""
    aliases: tuple[str, ...] = ()
    description: str = ""
    cost: Cost | None = None
    """Set by the operator."""
    group: str | None = None
    """The accounts that serve it, set by the operator; None: any that can."""


class Request(Struct, frozen=True, kw_only=True):
    """What a client asked for, with its media already kept and the model's defaults filled in.

    *source* is the id of the video to change (`video_…` or a share id `s_…`) when the operation names one;
    *characters* are ids or names given beside the prompt; *extra* holds the body's fields that the API does not know.
    """

    model: str
    makes: Kind
    size: str
    operation: Operation = "make"
    prompt: str = ""
    seconds: float | None = None
    n: int = 1
    images: tuple[Media, ...] = ()
    mask: Media | None = None
    videos: tuple[Media, ...] = ()
    source: str | None = None
    characters: tuple[str, ...] = ()
    owner: str = ""
    mode: str | None = None
    callback_url: str | None = None
    """Who is told of the job's end, besides its owner's webhook endpoints."""
    extra: dict[str, Any] = {}


# What a request refers to.


class VideoReference(Struct, frozen=True, tag="video"):
    """A video by its id or share id. Unknown to this owner: 404."""

    id: str


class CharacterReference(Struct, frozen=True, tag="character"):
    """A character by id or name. One that *must_exist* and is unknown: 404; else it is just text."""

    name: str
    must_exist: bool = False


Reference = VideoReference | CharacterReference


class Found(Struct, frozen=True, kw_only=True):
    """What the references of a request turned out to be, by the words that referred to them."""

    videos: dict[str, Source] = {}
    characters: dict[str, Character] = {}

    def cast(self) -> tuple[Character, ...]:
        """All characters found, each once, in the order in which they were referred to."""
        return tuple({character.id: character for character in self.characters.values()}.values())


MENTION: Final = re.compile(r"(?<![\w@.])@([a-z0-9_]+(?:\.[a-z0-9_]+)*)")
"""A character's name in a prompt; a mail address is none."""

SHARE_ID: Final = re.compile(r"(?<![0-9A-Za-z_])s_[0-9a-f]{32}(?![0-9A-Za-z_])")
"""The id by which a video made here is shared."""

STYLES: Final = frozenset(
    ("anime", "comic", "festive", "golden", "handheld", "kakalaka", "news", "nostalgic", "retro", "selfie")
)
_STYLE = re.compile(r"(?<![ \t])[ \t]*\{(" + "|".join(sorted(STYLES)) + r")\}", re.IGNORECASE)


def mentions(*prompts: str) -> tuple[CharacterReference, ...]:
    """The characters that *prompts* call by `@name`, each once."""
    names = dict.fromkeys(name for prompt in prompts for name in MENTION.findall(prompt))
    return tuple(map(CharacterReference, names))


def unstyled(prompt: str) -> tuple[str, str]:
    """*prompt* without its first known style tag (`{anime}`), and that style in words; other braces stay."""
    tag = _STYLE.search(prompt)
    if tag is None:
        return prompt, ""
    return (prompt[: tag.start()] + prompt[tag.end() :]).strip(), f"{tag[1].lower()} style"


def styled(prompt: str) -> str:
    """*prompt* with its first known style tag put into words, at its end."""
    return ", ".join(filter(None, unstyled(prompt)))


def seconds_of(request: Request) -> float:
    """The length that *request* asks for, which for a video is never left open."""
    if request.seconds is None:
        raise InvalidValue("The model has no length of its own: say how many seconds.", param="seconds")
    return request.seconds


def engine_extra(request: Request, *own: type[Struct]) -> dict[str, Any]:
    """The request's *extra* without the fields that the mode takes itself: these go to the engine."""
    taken = {name for kind in own for name in kind.__struct_fields__}
    return {name: value for name, value in request.extra.items() if name not in taken}


def own_extra(request: Request, fields: type[Fields]) -> Fields:
    """The *fields* that the mode takes itself, out of the request's *extra*; wrong ones raise `InvalidValue`."""
    try:
        return msgspec.convert(request.extra, fields, strict=False)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        raise InvalidValue(message, param=path.rstrip("`") or None) from None


# A plan and its steps.


class Use(Struct, frozen=True, tag="use"):
    """The result of an earlier step, standing where a kept file or a character would."""

    step: str


class Kept(Struct, frozen=True, tag="kept"):
    """A kept file as a step's input."""

    media: Media


class Known(Struct, frozen=True, tag="known"):
    """A stored character as a step's input."""

    character: Character


MediaInput = Kept | Use
CharacterInput = Known | Use


class Shot(Struct, frozen=True, kw_only=True):
    """One shot of a storyboard; *seconds* rules over the model's length."""

    prompt: str
    seconds: float


Transition = Literal["continue", "cut"]
SHORTEST_SHOT: Final = 0.5
LONGEST_STORYBOARD: Final = 120.0
_SHOT_TAG = re.compile(r"\[([0-9]+(?:\.[0-9]+)?)s\]")
_OPENING_SHOT_TAG = re.compile(rf"^[ \t]*{_SHOT_TAG.pattern}", re.MULTILINE)


class ShotList(Struct, frozen=True, kw_only=True):
    """The extra fields of a request that gives its shots as a list. *shots* not given: they are in the prompt."""

    shots: tuple[Shot, ...] | None = None
    transition: Transition = "continue"


class Storyboard(Struct, frozen=True, kw_only=True):
    """The shots that a request asks for, and the *direction* common to all of them."""

    direction: str
    shots: tuple[Shot, ...]
    transition: Transition


def is_storyboard(request: Request) -> bool:
    """Whether *request* lists shots, or has a prompt made of shots, each begun by its seconds (`[5.0s]`).

    A length that neither opens a line nor has a second one beside it is running text ("cut at [3s] mark").
    """
    prompt, _ = unstyled(request.prompt)
    opened = _OPENING_SHOT_TAG.search(prompt) is not None or len(_SHOT_TAG.findall(prompt)) > 1
    return request.extra.get("shots") is not None or opened


def storyboard(request: Request) -> Storyboard:
    """The storyboard that *request* asks for. A style, and text before the first shot, are common to all shots.

    Raises `InvalidValue` for a shot without text and for lengths that cannot be meant.
    """
    given = own_extra(request, ShotList)
    if given.shots is not None:
        _check_shots(given.shots, param="shots")
        return Storyboard(direction=styled(request.prompt), shots=given.shots, transition=given.transition)
    prompt, style = unstyled(request.prompt)
    opening, *parts = _SHOT_TAG.split(prompt)
    pairs = zip(parts[::2], parts[1::2], strict=True)
    shots = tuple(Shot(prompt=text.strip(), seconds=float(seconds)) for seconds, text in pairs)
    _check_shots(shots, param="prompt")
    direction = ", ".join(filter(None, (opening.strip(), style)))
    return Storyboard(direction=direction, shots=shots, transition=given.transition)


def _check_shots(shots: Sequence[Shot], *, param: str) -> None:
    if not shots:
        raise InvalidValue("A storyboard has shots, each begun by its length: `[5s] a cat wakes`.", param=param)
    for number, shot in enumerate(shots, 1):
        if not shot.prompt.strip():
            raise InvalidValue(f"Shot {number} of the storyboard has no text.", param=param)
        if shot.seconds < SHORTEST_SHOT:
            raise InvalidValue(f"Shot {number} of the storyboard is shorter than {SHORTEST_SHOT} seconds.", param=param)
    if sum(shot.seconds for shot in shots) > LONGEST_STORYBOARD:
        raise InvalidValue(f"The storyboard is longer than {LONGEST_STORYBOARD:.0f} seconds.", param=param)


class Image(Struct, frozen=True, kw_only=True, tag="image"):
    """Make *n* images; with *images* given, a change of them, within the *mask* if there is one."""

    name: str = "image"
    prompt: str
    size: str
    n: int = 1
    images: tuple[MediaInput, ...] = ()
    mask: MediaInput | None = None
    characters: tuple[CharacterInput, ...] = ()
    extra: dict[str, Any] = {}


class Clip(Struct, frozen=True, kw_only=True, tag="clip"):
    """Make a video. The first of *images* is its first frame, the others are references."""

    name: str = "video"
    prompt: str
    size: str
    seconds: float
    images: tuple[MediaInput, ...] = ()
    characters: tuple[CharacterInput, ...] = ()
    extra: dict[str, Any] = {}


class Shots(Struct, frozen=True, kw_only=True, tag="shots"):
    """Make one video of several shots; *direction* is common to all.

    Composed, a shot goes on from the last frame of the one before, or starts anew where *transition* is "cut".
    """

    name: str = "video"
    shots: tuple[Shot, ...]
    size: str
    direction: str = ""
    transition: Transition = "continue"
    images: tuple[MediaInput, ...] = ()
    characters: tuple[CharacterInput, ...] = ()
    extra: dict[str, Any] = {}


class Change(Struct, frozen=True, kw_only=True, tag="change"):
    """Make the *source* anew with a change (a remix or an edit)."""

    name: str = "video"
    source: Source
    prompt: str
    size: str
    seconds: float
    characters: tuple[CharacterInput, ...] = ()
    extra: dict[str, Any] = {}


class Extend(Struct, frozen=True, kw_only=True, tag="extend"):
    """Go on where the *source* ends, for *seconds* more; the result is both."""

    name: str = "video"
    source: Source
    prompt: str
    seconds: float
    characters: tuple[CharacterInput, ...] = ()
    extra: dict[str, Any] = {}


class Cast(Struct, frozen=True, kw_only=True, tag="cast"):
    """Make a character out of a video. Without *keep* it is removed when the job ends."""

    name: str = "character"
    video: MediaInput
    called: str | None = None
    """The `@name` it shall have, without the @; None: one is made of the *display_name*, or made up."""
    display_name: str = ""
    keep: bool = True


class Step(Struct, frozen=True, kw_only=True, tag="step"):
    """Call the mode's own async method *function*(job, results, **arguments); what it returns is kept, not made twice.

    *results* are those of the steps in *after*, by name. It returns a `Result`.
    """

    name: str
    function: str
    arguments: dict[str, Any] = {}
    after: tuple[str, ...] = ()


AnyStep = Image | Clip | Shots | Change | Extend | Cast | Step


class Plan(Struct, frozen=True, kw_only=True):
    """What a mode makes of a request. The last step's result is the job's, unless *output* names another."""

    steps: tuple[AnyStep, ...]
    output: str | None = None
    format: int = PLAN_FORMAT


def uses(step: AnyStep) -> tuple[str, ...]:
    """The names of the steps whose results *step* needs."""
    if isinstance(step, Step):
        return step.after
    fields = (getattr(step, field) for field in step.__struct_fields__)
    inputs: Iterable[Any] = (item for value in fields for item in (value if isinstance(value, tuple) else (value,)))
    return tuple(dict.fromkeys(item.step for item in inputs if isinstance(item, Use)))


class Result(Struct, frozen=True, kw_only=True):
    """What a step gave: files, a character, or any JSON value."""

    media: tuple[Media, ...] = ()
    character: Character | None = None
    value: Any = None


# What a job says of itself as it goes.


class Accepted(Struct, frozen=True, kw_only=True, tag="accepted", tag_field="type"):
    """The job is stored; it will be worked."""


class Started(Struct, frozen=True, kw_only=True, tag="started", tag_field="type"):
    """The job is being worked by this mode."""

    mode: str


class Waiting(Struct, frozen=True, kw_only=True, tag="waiting", tag_field="type"):
    """The job waits, and for what. Not kept: only its latest value counts."""

    reason: str


class WayChosen(Struct, frozen=True, kw_only=True, tag="way_chosen", tag_field="type"):
    """How a step is done on the engine at hand."""

    step: str
    way: Literal["native", "composed"]
    reason: str


class TaskSubmitted(Struct, frozen=True, kw_only=True, tag="task_submitted", tag_field="type"):
    """An engine took a task."""

    step: str
    task: str
    account: str


class TaskRetried(Struct, frozen=True, kw_only=True, tag="task_retried", tag_field="type"):
    """An engine did not take a task, or lost it; it is tried again."""

    step: str
    task: str
    account: str
    code: str
    message: str


class Progress(Struct, frozen=True, kw_only=True, tag="progress", tag_field="type"):
    """How far the job is, 0 to 100. Not kept: only its latest value counts."""

    percent: int


class StepDone(Struct, frozen=True, kw_only=True, tag="step_done", tag_field="type"):
    """A step's result is kept."""

    step: str


class Note(Struct, frozen=True, kw_only=True, tag="note", tag_field="type"):
    """Anything a mode wants to say to the client."""

    text: str


class Output(Struct, frozen=True, kw_only=True, tag="output", tag_field="type"):
    """Something that the job was to make."""

    media: tuple[Media, ...] = ()
    character: Character | None = None
    text: str | None = None


class Failure(Struct, frozen=True, kw_only=True):
    """Why a job failed: *code* and *message* as in the errors of the API."""

    code: str
    message: str
    param: str | None = None
    status: int = 500


class Ended(Struct, frozen=True, kw_only=True, tag="ended", tag_field="type"):
    """The job is over; nothing follows."""

    status: Literal["completed", "failed", "cancelled"]
    error: Failure | None = None


Event = (
    Accepted | Started | Waiting | WayChosen | TaskSubmitted | TaskRetried | Progress | StepDone | Note | Output | Ended
)


class Job(Protocol):
    """A job as its mode sees it."""

    @property
    def id(self) -> str: ...
    @property
    def request(self) -> Request: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def http(self) -> aiohttp.ClientSession:
        """For a mode's own calls: through the default proxy. The core closes it."""

    def carry_out(self, plan: Plan) -> AsyncIterator[Event]:
        """Do the plan's steps; a step done before a restart is not done again. Raises what the steps raise."""

    async def step(self, name: str, function: Callable[[], Awaitable[T]], result: type[T]) -> T:
        """Call *function* once in the job's life; its *result* (a type that msgspec encodes) is kept under *name*."""

    async def result(self, step: str) -> Result:
        """What a step of a plan that was carried out gave."""

    async def keep(self, file: Path) -> Media:
        """Move an image or video file into the store, as the owner's."""

    async def path(self, media: Media) -> Path:
        """Where a kept file can be read."""


class Mode(ABC):
    """Decides what to make of a request, and yields what happens."""

    name: ClassVar[str]
    """A slug; unique among the modes installed."""
    api_version: ClassVar[int]
    priority: ClassVar[int] = 0
    """Of the modes that accept a request the highest wins, then the name."""
    description: ClassVar[str] = ""
    deadline: ClassVar[float] = 3600.0
    """The seconds that a job may be worked, from when an engine is first asked; what takes longer fails."""
    models: ClassVar[Sequence[Model]] = ()
    """Public models that this mode brings along."""
    parameters: ClassVar[type[Struct] | None] = None
    """The request's *extra* fields that this mode understands; wrong ones are answered with 400."""
    settings_type: ClassVar[type[Struct] | None] = None
    """The mode's own settings: a struct whose fields all have defaults."""

    def __init__(self, settings: Mapping[str, Any] | None = None) -> None:
        """*settings* are the values set by the operator, by field name of `settings_type`."""
        self.settings: Struct | None = self.settings_type(**(settings or {})) if self.settings_type else None

    @abstractmethod
    def accepts(self, request: Request) -> bool:
        """Whether this mode is for *request*: by syntax only; pure, and never raises."""

    def references(self, request: Request) -> Sequence[Reference]:
        """What *request* refers to: here its source, its characters and each `@name` of its prompt. Pure."""
        source = () if request.source is None else (VideoReference(request.source),)
        given = tuple(CharacterReference(name, must_exist=True) for name in request.characters)
        return (*source, *given, *mentions(request.prompt))

    @abstractmethod
    def plan(self, request: Request, found: Found) -> Plan:
        """The steps that make what *request* asks for. Pure; raises `sora2api.errors.InvalidRequest` and its kin."""

    async def run(self, job: Job) -> AsyncIterator[Event]:
        """Work the job. After a restart it runs anew; what it did by durable steps is not done again."""
        async for event in job.carry_out(job.plan):
            yield event

    async def open(self) -> None:
        """Set up what the mode holds while the server runs."""

    async def close(self) -> None:
        """Give back what `open` took."""
