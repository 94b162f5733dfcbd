"""The driver contract: all that a plugin which knows how to ask one kind of engine must know.

A driver speaks for one account. It sends a `Work` to the engine, says how the engine's tasks stand, and brings what
they made. It keeps no state: the core stores what was sent and what came back, and decides about retries by the type
of the error that a driver raises (`sora2api.errors.EngineError` and its kin, nothing else).
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from msgspec import Struct

from sora2api.egress import Client
from sora2api.errors import EngineError

API_VERSION: Final = 1

Capability = Literal[
    # what a model makes: images from words, from images, within a mask; videos from words, on a first frame,
    # with several reference pictures
    "image", "image_edit", "mask", "clip", "first_frame", "references",
    # what it does with videos that it made, with characters, with several shots
    "remix", "edit", "extend", "characters", "shots",
    # what the engine tells and takes: a list of its tasks, a cancel
    "list", "cancel",
]  # fmt: skip

Make = Literal["image", "clip", "shots", "remix", "edit", "extend", "cast"]


class EngineModel(Struct, frozen=True, kw_only=True):
    """A model that an engine has, by the engine's own name, and what it can do."""

    name: str
    capabilities: frozenset[Capability]


class Account(Struct, frozen=True, kw_only=True):
    """What a driver knows of its account. The token and the proxy are the client's affair."""

    id: str
    name: str
    base_url: str
    settings: dict[str, Any] = {}


class File(Struct, frozen=True, kw_only=True):
    """A file to send along."""

    path: Path
    content_type: str
    name: str


class WorkShot(Struct, frozen=True, kw_only=True):
    """One shot of a storyboard, in seconds."""

    prompt: str
    seconds: float


class Work(Struct, frozen=True, kw_only=True):
    """One piece of work for an engine. *size* is "WxH"; *model* the engine's own name, None: the engine's only one.

    *source* and *characters* are the engine's own ids; the first of *images* is a clip's first frame, or the picture
    to change. *key* is the same at each try of the same work, for engines that take an idempotency key.
    """

    make: Make
    key: str
    model: str | None = None
    prompt: str = ""
    size: str | None = None
    seconds: float | None = None
    n: int = 1
    images: tuple[File, ...] = ()
    mask: File | None = None
    video: File | None = None
    source: str | None = None
    characters: tuple[str, ...] = ()
    shots: tuple[WorkShot, ...] = ()
    extra: dict[str, Any] = {}


class Remote(Struct, frozen=True, kw_only=True):
    """A finished file at the engine: its *url*, or the bytes where the engine sent them along."""

    url: str | None = None
    data: bytes | None = None


class Seen(Struct, frozen=True, kw_only=True):
    """What an engine's list tells of a task's parameters; it serves to find a submit whose answer was lost."""

    created_at: datetime
    prompt: str | None = None
    size: str | None = None
    seconds: float | None = None
    source: str | None = None


class TaskState(Struct, frozen=True, kw_only=True):
    """How a task stands. *progress* is 0 to 100, None where the engine does not say."""

    id: str
    status: Literal["queued", "in_progress", "completed", "failed", "lost"]
    progress: int | None = None
    error: EngineError | None = None
    outputs: tuple[Remote, ...] = ()
    seen: Seen | None = None


class EngineKind(Struct, frozen=True, kw_only=True):
    """A kind of engine that a driver speaks to, for who connects one: *title* is its own name, *base_url* an example.

    *about* is one sentence; *token*: whether it always wants one; *settings* are those that it is told by.
    """

    name: str
    title: str
    about: str
    base_url: str
    token: bool = False
    settings: dict[str, Any] = {}


class Driver(ABC):
    """Speaks to one kind of engine for one account."""

    kind: ClassVar[str]
    """The name that accounts name it by (`--driver`)."""
    api_version: ClassVar[int]
    settings_type: ClassVar[type[Struct]]
    """The account's settings beside base URL, token and proxy; forms and flags are made from it."""
    engines: ClassVar[Sequence[EngineKind]] = ()
    """What the panel offers to connect, where a driver speaks to several kinds of engine."""

    def __init__(self, account: Account, client: Client) -> None:
        self.account = account
        self.client = client

    @abstractmethod
    async def check(self) -> Sequence[EngineModel]:
        """Ask the engine for its models, and so whether it is there and takes the token."""

    def engine_model(
        self, public: str, makes: Literal["image", "video"], offered: Sequence[EngineModel]
    ) -> EngineModel | None:
        """Which of the *offered* models answers for a *public* name: the one so named, else the first that can."""
        able = [model for model in offered if ("image" if makes == "image" else "clip") in model.capabilities]
        return next((model for model in able if model.name == public), able[0] if able else None)

    async def expires_at(self) -> float | None:
        """When the account's token ends, in seconds since the epoch, where the engine tells; asked after a `check`."""
        return None

    @abstractmethod
    async def submit(self, work: Work) -> TaskState:
        """Send *work*. What an engine makes while one waits comes back completed, with its outputs.

        `NetworkFault` means that it is not known whether the engine took it (a broken connection, a time-out, 502,
        504); `ConnectFault` and every other error mean that it did not.
        """

    @abstractmethod
    async def poll(self, tasks: Sequence[str]) -> Mapping[str, TaskState]:
        """How the *tasks* stand, in as few calls as the engine allows. One that is not there is `lost`.

        Those that were heard of longest ago come first; one that is left out is asked after again the next time.
        """

    def lists(self) -> bool:
        """Whether `poll` answers for many tasks at once, where a model has the capability `list`.

        Else the core asks after each task by itself, as often as its age and the account's allowance want it.
        """
        return True

    @abstractmethod
    def fetch(self, task: TaskState, output: Remote, *, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes of an *output* of a completed *task*, from *offset* on.

        An engine that cannot begin there raises `BadRequest`, and the core begins anew.
        """

    async def recent(self, *, since: datetime) -> Sequence[TaskState]:
        """The tasks that the engine took *since* then, each with `seen`; for models with the capability `list`."""
        raise EngineError(f"{self.kind} lists no tasks; it must not claim the capability `list`.")

    async def cancel(self, task: str) -> None:
        """Ask the engine to stop a *task*; for models with the capability `cancel`."""
        raise EngineError(f"{self.kind} cannot cancel; it must not claim the capability `cancel`.")

    async def forget_character(self, character: str) -> None:
        """Remove a *character*, where the engine can."""

    def repeatable(self, work: Work) -> bool:
        """Whether a second submit of the very same *work* (same key) can never be made or paid twice."""
        return False
