"""What a chat asks for: the body of POST /v1/chat/completions, and its last user message (wire format: OpenAI's)."""

from collections.abc import Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from sora2api.api.asking import number_of
from sora2api.errors import InvalidValue

DEFAULT_MODEL: Final = "sora-video-landscape-10s"


class Address(Struct):
    url: str


class Attached(Struct):
    """An image or a video: a file of /v1/files, or a data URL."""

    file_id: str | None = None
    file_data: str | None = None


class Part(Struct):
    """A part of a message; kinds that are not known here are passed over."""

    type: str = "text"
    text: str | None = None
    image_url: Address | str | None = None
    video_url: Address | str | None = None
    file: Attached | None = None


class Message(Struct):
    role: str
    content: str | list[Part] | None = None

    def parts(self) -> Sequence[Part]:
        return [Part(text=self.content)] if isinstance(self.content, str) else self.content or []

    def text(self) -> str:
        return "\n".join(part.text for part in self.parts() if part.text).strip()


class StreamOptions(Struct):
    include_usage: bool | None = False


class Chat(Struct):
    """The body. *image* and *video* (URLs or base64), *mode*, *callback_url* and the fields of modes are our own."""

    messages: list[Message]
    model: str = DEFAULT_MODEL
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=10)] | None = None
    size: str | None = None
    seconds: float | str | None = None
    mode: str | None = None
    callback_url: str | None = None
    image: str | None = None
    video: str | None = None

    def length(self) -> float | None:
        """The *seconds* asked for, as a number."""
        return number_of(self.seconds)


class Given(Struct, frozen=True):
    """The URL of a file, or its base64, and the parameter that it came in."""

    url: str
    param: str


class Asked(Struct, frozen=True):
    """What the last user message says; its own files go before those beside it in the body."""

    text: str
    images: Sequence[Given]
    videos: Sequence[Given]
    files: Sequence[Attached]


def asked(chat: Chat) -> Asked:
    said = next((message for message in reversed(chat.messages) if message.role == "user"), None)
    if said is None:
        raise InvalidValue("`messages` holds no message of the user.", param="messages")
    images = [_given(part.image_url, part.type) for part in said.parts() if part.type == "image_url"]
    videos = [_given(part.video_url, part.type) for part in said.parts() if part.type == "video_url"]
    return Asked(
        text=said.text(),
        images=images or ([Given(chat.image, "image")] if chat.image else []),
        videos=videos or ([Given(chat.video, "video")] if chat.video else []),
        files=[_attached(part.file) for part in said.parts() if part.type == "file"],
    )


def _given(address: Address | str | None, kind: str) -> Given:
    url = address.url if isinstance(address, Address) else address
    if not url:
        raise InvalidValue(f"A part of the type {kind} has no URL.", param="messages")
    return Given(url, "messages")


def _attached(file: Attached | None) -> Attached:
    if file is None or bool(file.file_id) == bool(file.file_data):
        raise InvalidValue("A part of the type file has either file_id or file_data.", param="messages")
    return file
