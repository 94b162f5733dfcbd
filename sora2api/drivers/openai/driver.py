"""Sends work to an engine that speaks the OpenAI shape, and follows what becomes of it."""

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final, Literal

import msgspec
from yarl import URL

from sora2api import errors
from sora2api.drivers import API_VERSION, Account, Driver, EngineKind, EngineModel, Remote, TaskState, Work
from sora2api.drivers.openai import reading
from sora2api.drivers.openai.asking import Order, order, path_id
from sora2api.drivers.openai.dialects import DIALECTS, Dialect, of_answer, of_host
from sora2api.drivers.openai.engines import ENGINES
from sora2api.drivers.openai.models import engine_models
from sora2api.drivers.openai.refusals import refused
from sora2api.drivers.openai.settings import OpenAISettings, settings_of
from sora2api.egress import Client, Reply

logger = logging.getLogger(__name__)

_PAGE: Final = 100
"""The most that the shape allows in one page of a list."""
_PAGES_MORE: Final = 3
"""How many pages may be read beyond those that the tasks fill that are looked for."""
_ASKED: Final = 16
"""How many tasks that the list does not show are asked after in one poll; the others have their turn in the next."""
_ANSWER_WITHIN: Final = 15.0
"""Seconds that an answer for one task may take, since those for others wait for it."""
_VERSION: Final = re.compile(r"v\d+\w*")
_NO_SUCH_ROUTE: Final = frozenset({404, 405, 501})
_PLAIN: Final = frozenset({errors.BadRequest, errors.EngineFault})
"""What a refusal is called that says nothing more than its status does."""


class NoList(errors.EngineError):
    """The engine does not list its tasks."""


class OpenAIDriver(Driver):
    """Speaks the OpenAI shape, in the dialect that the settings name or the engine shows."""

    kind: ClassVar[str] = "openai"
    api_version: ClassVar[int] = API_VERSION
    settings_type: ClassVar[type[OpenAISettings]] = OpenAISettings
    engines: ClassVar[Sequence[EngineKind]] = ENGINES

    def __init__(self, account: Account, client: Client) -> None:
        super().__init__(account, client)
        self._settings = settings_of(account.settings)
        self._dialect = DIALECTS.get(self._settings.dialect) or of_host(URL(client.base_url).host or "")
        self._lists = True
        if self._dialect is not None:
            self.client = client.with_auth(header=self._dialect.auth_header, scheme=self._dialect.auth_scheme)
        self._root = _root(client.base_url, self._dialect)

    async def check(self) -> Sequence[EngineModel]:
        """Ask GET /models. An engine without it has the models that the settings name."""
        self._lists = True
        reply = await self._call("GET", "/models")
        if reply.status in _NO_SUCH_ROUTE:
            listed: list[dict[str, Any]] = []
        elif reply.status >= 400:
            raise refused(reply)
        else:
            listed = _items(reply.json())
        if self._dialect is None:
            self._dialect = of_answer(listed, reply.headers)
        return engine_models(listed, dialect=self._dialect, settings=self._settings)

    def engine_model(
        self, public: str, makes: Literal["image", "video"], offered: Sequence[EngineModel]
    ) -> EngineModel | None:
        """What `models` says, else the one so named, else what `image_model` or `video_model` says."""
        name = self._settings.models.get(public)
        if name is None and all(model.name != public for model in offered):
            name = self._settings.image_model if makes == "image" else self._settings.video_model
        return super().engine_model(name or public, makes, offered)

    async def submit(self, work: Work) -> TaskState:
        dialect = await self._speaks()
        wanted = await order(self._named(work), dialect)
        waits = work.make == "image" or dialect.waits
        reply = await self._call(
            "POST",
            wanted.path,
            order=wanted,
            headers={"Idempotency-Key": work.key},
            timeout=self._settings.image_timeout if waits else None,
        )
        body = _body(reply)
        if reading.is_video(body):
            return await reading.video(body)
        if reply.status >= 400:
            raise _not_taken(reply, work, dialect)
        return await _taken(body, work)

    async def poll(self, tasks: Sequence[str]) -> Mapping[str, TaskState]:
        if not tasks:
            return {}
        dialect = await self._speaks()
        states: dict[str, TaskState] = {}
        if self._lists and "list" in dialect.videos and len(tasks) > 1:
            try:
                states = await self._among_listed(set(tasks))
            except NoList:
                self._lists = False
        # What a list does not show may yet be there: it is old, or the list is short of it.
        missed = [task for task in tasks if task not in states]
        answers = await self._ask_each(missed[:_ASKED])
        faults = [answer for answer in answers if isinstance(answer, errors.EngineError)]
        known = states | {answer.id: answer for answer in answers if isinstance(answer, TaskState)}
        if faults and not known:
            raise faults[0]
        for fault in faults:  # one that is not told of keeps nothing from the others
            logger.warning("poll of a task failed: %s", fault.code)
        return known

    async def _ask_each(self, tasks: Sequence[str]) -> Sequence[TaskState | errors.EngineError]:
        """Ask after each task, a few at once; what each answer is, or why there is none in time."""
        slots = asyncio.Semaphore(self._settings.polls_at_once)

        async def ask(task: str) -> TaskState | errors.EngineError:
            try:
                async with slots, asyncio.timeout(_ANSWER_WITHIN):
                    return await self._ask(task)
            except TimeoutError:
                return errors.NetworkFault("The engine does not answer for a task.")
            except errors.EngineError as error:
                return error

        return await asyncio.gather(*map(ask, tasks))

    def lists(self) -> bool:
        return self._lists

    async def fetch(self, task: TaskState, output: Remote, *, offset: int = 0) -> AsyncIterator[bytes]:
        if output.data is not None:
            yield output.data[offset:]
            return
        url = output.url or self.client.url(f"{self._root}/videos/{path_id(task.id)}/content")
        async for chunk in self.client.stream(url, offset=offset):
            yield chunk

    async def recent(self, *, since: datetime) -> Sequence[TaskState]:
        await self._speaks()
        earliest = since.replace(microsecond=0)
        found: list[TaskState] = []
        async for page in self._pages():
            newer = [state for state in page if state.seen is not None and state.seen.created_at >= earliest]
            found += newer
            if not newer:
                break
        return found

    async def cancel(self, task: str) -> None:
        await self._remove(f"/videos/{path_id(task)}")

    async def forget_character(self, character: str) -> None:
        await self._remove(f"/videos/characters/{path_id(character)}")

    def repeatable(self, work: Work) -> bool:
        """Characters cost nothing; images only where the engine honours an idempotency key."""
        if work.make == "image":
            return self._dialect is not None and self._dialect.replays
        return work.make == "cast"

    async def _speaks(self) -> Dialect:
        """Return the engine's dialect, asking the engine the first time where nothing else tells."""
        if self._dialect is None:
            await self.check()
        return self._dialect or DIALECTS["plain"]

    def _named(self, work: Work) -> Work:
        fallback = self._settings.image_model if work.make == "image" else self._settings.video_model
        name = work.model or fallback
        return _with_model(work, self._settings.models.get(name or "", name))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        order: Order | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        return await self.client.request(
            method,
            self._root + path,
            json=order.json if order else None,
            form=order.form if order else None,
            params=params,
            headers=headers,
            timeout=self._settings.answer_timeout if timeout is None else timeout,
        )

    async def _ask(self, task: str) -> TaskState:
        """Ask after one task. 404 alone says that it is lost, and even then not if the answer is a Video object."""
        reply = await self._call("GET", f"/videos/{path_id(task)}")
        body = _body(reply)
        if reading.is_video(body):
            return _renamed(await reading.video(body), task)
        if reply.status in {404, 410}:
            return TaskState(id=task, status="lost", error=errors.TaskLost())
        if reply.status >= 400:
            raise refused(reply)
        if not isinstance(body, dict):
            raise errors.EngineFault("The engine's answer cannot be read.")
        return await reading.video({**body, "id": task})

    async def _among_listed(self, wanted: set[str]) -> dict[str, TaskState]:
        """Look for the *wanted* tasks in the engine's list, newest first, some pages of others' tasks among them."""
        found: dict[str, TaskState] = {}
        left = math.ceil(len(wanted) / _PAGE) + _PAGES_MORE
        async for page in self._pages():
            found |= {state.id: state for state in page if state.id in wanted}
            left -= 1
            if left == 0 or len(found) == len(wanted):
                break
        return found

    async def _pages(self) -> AsyncIterator[list[TaskState]]:
        """Yield the pages of GET /videos, or raise `NoList`; some engines tell neither `has_more` nor a cursor."""
        after: str | None = None
        seen: set[str] = set()
        while True:
            params = {"limit": str(_PAGE), "order": "desc", **({"after": after} if after else {})}
            reply = await self._call("GET", "/videos", params=params)
            if reply.status >= 400:
                raise _not_listed(reply, first=after is None)
            body = reply.json()
            page = [item for item in _items(body) if isinstance(item.get("id"), str) and item["id"] not in seen]
            apart = reading.clocks_apart(reply.headers)
            yield [reading.by_our_clock(await reading.video(item), apart) for item in page]
            # An engine that ignores the cursor shows the same page again, which leaves nothing new.
            if not page or not body.get("has_more", len(page) >= _PAGE):
                return
            seen |= {item["id"] for item in page}
            after = body.get("last_id") or page[-1]["id"]

    async def _remove(self, path: str) -> None:
        reply = await self._call("DELETE", path)
        if reply.status >= 400 and reply.status not in {404, 410}:
            raise refused(reply)


def _not_listed(reply: Reply, *, first: bool) -> errors.EngineError:
    error = refused(reply)
    if reply.status not in _NO_SUCH_ROUTE and not isinstance(error, errors.BadRequest):
        return error
    # Beyond the first page it is the cursor that is not there any more.
    return NoList() if first else errors.EngineFault("The engine's list changed while it was read.")


def _root(base_url: str, dialect: Dialect | None) -> str:
    """Return what stands between the base URL and "/videos": nothing where its path names a version already."""
    versioned = any(_VERSION.fullmatch(part) for part in URL(base_url).parts)
    return "" if versioned else (dialect or DIALECTS["plain"]).root


def _with_model(work: Work, model: str | None) -> Work:
    return msgspec.structs.replace(work, model=model)


def _renamed(state: TaskState, task: str) -> TaskState:
    """Keep the id that a task is known by here, should an engine answer with another spelling of it."""
    return msgspec.structs.replace(state, id=task)


def _body(reply: Reply) -> Any:
    try:
        return reply.json()
    except errors.EngineFault:
        return None


def _items(body: Any) -> list[dict[str, Any]]:
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, Iterable):
        raise errors.EngineFault("The engine's list cannot be read.")
    return [item for item in data if isinstance(item, dict)]


def _not_taken(reply: Reply, work: Work, dialect: Dialect) -> errors.EngineError:
    """What a refused order means. A path that the engine has not at all is our mistake, not the client's."""
    error = refused(reply, dialect=dialect)
    names_something = work.source is not None or work.characters
    if reply.status in _NO_SUCH_ROUTE and not names_something and type(error) in _PLAIN:
        return errors.NotServedHere(error.message)
    return error


async def _taken(body: Any, work: Work) -> TaskState:
    """Read the answer to an order; one that cannot be read leaves open whether the order was taken."""
    if work.make == "image":
        return await reading.images(body, key=work.key)
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise errors.NetworkFault("The engine's answer cannot be read; whether it took the request is not known.")
    if work.make == "cast":
        return TaskState(id=body["id"], status="completed", progress=100)
    return await reading.video(body)
