"""The engine itself: accepts tasks durably, renders each order once, and after a restart goes on with the rest."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from sora2api.errors import EngineFault, InvalidRequest, NotFound, Sora2ApiError
from sora2api.media.workshop import Workshop
from sora2api.sandbox import studio
from sora2api.sandbox.ledger import Ledger
from sora2api.sandbox.orders import Order, PictureOrder, Portrait, name_of
from sora2api.sandbox.shelf import Shelf
from sora2api.sandbox.tasks import Character, Fault, PictureRequest, Task

CAPABILITIES: Mapping[str, tuple[str, ...]] = {
    "sandbox-image": ("image", "image_edit", "mask"),
    "sandbox-video": ("clip", "first_frame", "remix", "edit", "extend", "characters", "shots", "list", "cancel"),
}
PICTURE_SHARE = 0.25
"""How long pictures take, as a share of the delay of clips."""
REPLAY_FOR = 24 * 3600.0
"""How long a picture request is remembered by its key, and its pictures are kept, in seconds."""
KEEP_UNUSED = 3600.0
"""How long a file that nothing needs any more is kept, in seconds; linked pictures are such files."""
FACES = 4
"""How many frames of a clip show a character."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a sandbox behaves: whose keys it takes, how long it takes in seconds, what it cannot do."""

    folder: Path
    keys: Sequence[str] = ("sk-sandbox",)
    delay: float = 4.0
    without: Collection[str] = ()

    def offers(self, capability: str) -> bool:
        return capability not in self.without


class Engine:
    """Everything that was accepted, and those at work on it."""

    def __init__(self, options: Options, ledger: Ledger, shelf: Shelf, workshop: Workshop) -> None:
        self.options = options
        self.ledger = ledger
        self.shelf = shelf
        self.tasks: dict[str, Task] = {}
        self.characters: dict[str, Character] = {}
        self._requests: dict[str, PictureRequest] = {}
        self.workshop = workshop
        self._renders: dict[str, asyncio.Task[None]] = {}
        self._carried: dict[str, asyncio.Task[None]] = {}
        self._accepting = asyncio.Lock()
        self._tidied = 0.0

    # Start and stop.

    async def take_up(self) -> None:
        """Reads what was accepted and goes on with what is unfinished."""
        self.tasks = {
            name: msgspec.json.decode(body, type=Task) for name, body in (await self.ledger.all("task")).items()
        }
        characters = await self.ledger.all("character")
        self.characters = {name: msgspec.json.decode(body, type=Character) for name, body in characters.items()}
        requests = await self.ledger.all("request")
        self._requests = {name: msgspec.json.decode(body, type=PictureRequest) for name, body in requests.items()}
        await self._tidy()
        for task in self.tasks.values():
            if task.ended is None:
                self._carry(task)

    async def stop(self) -> None:
        working = [*self._carried.values(), *self._renders.values()]
        for work in working:
            work.cancel()
        await asyncio.gather(*working, return_exceptions=True)

    # Clips.

    def task(self, name: str) -> Task:
        if name not in self.tasks:
            raise NotFound(f"There is no video {name!r} here.")
        return self.tasks[name]

    async def accept(self, task: Task) -> Task:
        """Keeps a new task and sets to work; it is durable when this returns."""
        await self.ledger.accept("task", task.id, msgspec.json.encode(task))
        self.tasks[task.id] = task
        self._carry(task)
        return task

    async def delete(self, task: Task) -> None:
        """Forgets a task, which stops it if it runs, and what was made for it alone."""
        if work := self._carried.get(task.id):
            work.cancel()
            await asyncio.wait([work])
        await self.ledger.drop("task", task.id)
        self.tasks.pop(task.id, None)
        await asyncio.to_thread(self.shelf.remove, task.made_files() - self._in_use())
        await self._tidy()

    async def clip(self, task: Task) -> Path:
        """The file of a completed task."""
        if await asyncio.to_thread(self.shelf.has, task.clip):
            return self.shelf.path(task.clip)
        return await self.rendered(task.order)

    def due(self, created: float) -> float:
        return created + self.options.delay

    # Characters.

    async def cast(self, name: str, clip: Path) -> Character:
        """Makes a character of a clip's best frames. Raises InvalidVideo."""
        pictures = await self.workshop.run(studio.faces, clip, self.shelf.folder, FACES)
        character = Character(f"char_{secrets.token_hex(12)}", time.time(), Portrait(name, pictures))
        await self.ledger.keep("character", character.id, msgspec.json.encode(character))
        self.characters[character.id] = character
        return character

    def character(self, name: str, *, param: str | None = None) -> Character:
        if name not in self.characters:
            raise NotFound(f"There is no character {name!r} here.", param=param)
        return self.characters[name]

    async def dismiss(self, character: Character) -> None:
        await self.ledger.drop("character", character.id)
        self.characters.pop(character.id, None)
        await self._tidy()

    # Pictures.

    async def draw(self, orders: tuple[PictureOrder, ...], *, key: str | None) -> tuple[float, list[Path]]:
        """Renders pictures; the same *key* is one request, however often it comes. Returns its time and the files."""
        request = await self._request(orders, key or secrets.token_hex(16), lasting=key is not None)
        files = await asyncio.gather(*(self.rendered(order) for order in request.orders))
        await asyncio.sleep(request.created + self.options.delay * PICTURE_SHARE - time.time())
        return request.created, files

    async def _request(self, orders: tuple[PictureOrder, ...], key: str, *, lasting: bool) -> PictureRequest:
        digest = hashlib.sha256(msgspec.json.encode(orders)).hexdigest()
        async with self._accepting:
            if known := self._requests.get(key):
                if known.digest != digest:
                    raise InvalidRequest(
                        "This Idempotency-Key came with another request before.", param="Idempotency-Key"
                    )
                return known
            request = PictureRequest(time.time(), digest, orders)
            if lasting:
                await self._tidy()
                await self.ledger.accept("request", key, msgspec.json.encode(request))
                self._requests[key] = request
            else:
                await self.ledger.count_create()
            return request

    # Files.

    async def keep(self, data: IO[bytes], *, ending: str) -> str:
        """Puts what a client sent on the shelf; returns its name there."""
        return await asyncio.to_thread(self.shelf.put, data, ending=ending)

    async def rendered(self, order: Order) -> Path:
        """The file that *order* renders to; several who want it wait for the one rendering."""
        name = name_of(order)
        if not await asyncio.to_thread(self.shelf.has, name):
            if name not in self._renders:
                self._renders[name] = asyncio.create_task(self._render(order, name))
            await asyncio.shield(self._renders[name])
        return self.shelf.path(name)

    async def derived(self, source: Path, ending: str, function: Callable[[Path, Path], object]) -> Path:
        """A file made of *source* by `function(source, target)` and kept beside it."""
        name = source.stem + ending
        if not await asyncio.to_thread(self.shelf.has, name):
            await self.workshop.run(studio.derive, function, source, self.shelf.path(name))
        return self.shelf.path(name)

    async def _render(self, order: Order, name: str) -> None:
        try:
            await self.workshop.run(studio.render, order, self.shelf.folder, self.shelf.path(name))
        finally:
            del self._renders[name]

    # Work.

    def _carry(self, task: Task) -> None:
        work = asyncio.create_task(self._carried_out(task))
        self._carried[task.id] = work
        work.add_done_callback(lambda _: self._carried.pop(task.id, None))

    async def _carried_out(self, task: Task) -> None:
        fault = task.refusal or await self._fault(task)
        await asyncio.sleep(task.due - time.time())
        ended = msgspec.structs.replace(task, ended=time.time(), error=fault, made=name_of(task.order))
        await self.ledger.keep("task", task.id, msgspec.json.encode(ended))
        self.tasks[task.id] = ended

    async def _fault(self, task: Task) -> Fault | None:
        """Renders a task; whatever goes wrong is the task's fault, so that none goes on for ever."""
        (outcome,) = await asyncio.gather(self.rendered(task.order), return_exceptions=True)
        if isinstance(outcome, Sora2ApiError):
            return Fault(outcome.code, outcome.message)
        if isinstance(outcome, Exception):
            logger.error("Video %s could not be rendered.", task.id, exc_info=outcome)
            return Fault(EngineFault.code, "The video could not be rendered.")
        if isinstance(outcome, BaseException):
            raise outcome
        return None

    def _in_use(self) -> set[str]:
        used = {name for character in self.characters.values() for name in character.portrait.pictures}
        for task in self.tasks.values():
            used |= task.made_files()
            if task.ended is None:
                used |= task.sources()
        for request in self._requests.values():
            used |= {name_of(order) for order in request.orders}
        return used | set(self._renders)

    async def _tidy(self) -> None:
        """Forgets requests that came long ago, and removes files that nothing has needed for a while."""
        old = [name for name, request in self._requests.items() if request.created < time.time() - REPLAY_FOR]
        for name in old:
            await self.ledger.drop("request", name)
            self._requests.pop(name, None)
        if time.time() > self._tidied + KEEP_UNUSED / 6:
            self._tidied = time.time()
            await asyncio.to_thread(self.shelf.sweep, self._in_use(), unused_since=time.time() - KEEP_UNUSED)


@asynccontextmanager
async def engine_in(options: Options) -> AsyncIterator[Engine]:
    """An engine at work on its folder, which must be held for it alone (shelf.sole_use)."""
    folder = options.folder / "files"
    folder.mkdir(exist_ok=True)
    ledger = await Ledger.open(options.folder / "sandbox.db")
    engine = Engine(options, ledger, Shelf(folder), Workshop())
    flushing = asyncio.create_task(ledger.flush_for_ever())
    try:
        await engine.take_up()
        yield engine
    finally:
        flushing.cancel()
        await engine.stop()
        await engine.workshop.close()
        await ledger.close()
