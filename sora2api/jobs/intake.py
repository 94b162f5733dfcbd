"""Taking a request: the mode that makes it, what it refers to, its plan, and the stored job."""

import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgspec import Struct

from sora2api.auth.limits import UNLIMITED, Limits
from sora2api.catalog import Catalog, bound
from sora2api.errors import InvalidValue, NotFound, NotReady
from sora2api.jobs.allowance import admit, check_scope
from sora2api.jobs.characters import CharacterBook
from sora2api.jobs.ledger import Ledger, Numbered
from sora2api.jobs.records import JobKind, JobRecord
from sora2api.jobs.tally import Tally
from sora2api.media.store import Arrival, MediaStore
from sora2api.modes import (
    Accepted,
    AnyStep,
    Cast,
    Change,
    Character,
    Clip,
    Extend,
    Found,
    Image,
    Mode,
    Model,
    Plan,
    Request,
    Shots,
    Source,
    VideoReference,
    own_extra,
)

_PREFIX: Mapping[JobKind, str] = {"video": "video", "image": "image", "character": "cast"}


class Taken(Struct, frozen=True):
    """The job that a request got; itself and its first event where it was made just now."""

    job_id: str
    job: JobRecord | None = None
    first: Numbered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What is made of a request: by which mode and plan; what it refers to; the result's size and length."""

    mode: Mode
    model: Model
    found: Found
    plan: Plan
    size: str
    seconds: float | None

    def makes(self) -> AnyStep:
        """The step whose result is the job's."""
        return _output(self.plan)


class Intake:
    """Makes jobs of requests. *share*: whether others may refer to a video by its share id."""

    def __init__(
        self,
        *,
        modes: Mapping[str, Mode],
        versions: Mapping[str, str],
        ledger: Ledger,
        store: MediaStore,
        characters: CharacterBook,
        catalog: Catalog,
        tally: Tally,
        share: bool,
        worker: str,
    ) -> None:
        self._modes = modes
        self._versions = versions
        self._ledger = ledger
        self._store = store
        self._characters = characters
        self._catalog = catalog
        self._tally = tally
        self._share = share
        self._worker = worker

    async def take(
        self,
        request: Request,
        arrivals: Collection[Arrival],
        *,
        digest: str = "",
        key: str | None = None,
        cancel_at: float | None = None,
        limits: Limits = UNLIMITED,
        request_id: str | None = None,
        sandbox: bool = False,
    ) -> Taken:
        """Store a job, with its inputs. Refuses what is wrong, or beyond the key's *limits*; then nothing is stored.

        One for the *sandbox* is bound to no group of accounts, and has no price.

        Where the idempotency *key* stands for a job already, that one is what the request gets.
        """
        outline = await self.outline(request, limits=limits)
        job = self._job(outline, request)
        job.digest, job.cancel_at = digest, cancel_at
        job.sandbox = sandbox
        if not sandbox:
            job.groups, job.price = bound(outline.model, limits.group), outline.model.cost
        job.request_id, job.worker = request_id, self._worker
        first = Numbered(number=1, at=job.created_at, event=Accepted())
        admit(job, limits, self._tally)
        there: str | None = job.id
        try:
            there = await self._stored(job, arrivals, first, key=key)
        finally:
            if there is not None:
                self._tally.release(job)
        return Taken(job.id, job, first) if there is None else Taken(there)

    async def outline(self, request: Request, *, limits: Limits = UNLIMITED) -> Outline:
        """What would be made of a request, and how. Refuses what is wrong; nothing is stored."""
        if request.n > 1 and request.makes == "video":
            raise InvalidValue("A video is made one at a time: `n` is 1.", param="n")
        mode = self.choose(request)
        model = self._catalog.resolve(request.model)
        check_scope(limits, mode=mode.name, model=model)
        if limits.group is not None:
            self._catalog.check_served(model, group=limits.group)
        if mode.parameters is not None:
            own_extra(request, mode.parameters)  # raises what is wrong in them, before anything else
        found = await self._find(mode, request)
        plan = mode.plan(request, found)
        for name in (step.called for step in plan.steps if isinstance(step, Cast) and step.called):
            await self._characters.check_free(request.owner, name)
        size, seconds = _form(request, _output(plan))
        return Outline(mode=mode, model=model, found=found, plan=plan, size=size, seconds=seconds)

    async def _stored(
        self, job: JobRecord, arrivals: Collection[Arrival], first: Numbered, *, key: str | None
    ) -> str | None:
        """None, or the id of the job that the idempotency *key* stands for already; then nothing is stored."""
        with self._store.arriving(arrivals):
            for arrival in arrivals:
                await self._store.settle(arrival)
            there = await self._ledger.create(job, arrivals, first, key=key)
        if there is not None:
            await self._store.unsettle(arrivals)
        return there

    def choose(self, request: Request) -> Mode:
        """The mode that *request* forces, else the one of highest priority that accepts it."""
        if request.mode is not None:
            forced = self._modes.get(request.mode)
            if forced is None:
                raise InvalidValue(f"There is no mode {request.mode!r} here.", param="mode")
            if not forced.accepts(request):
                raise InvalidValue(f"The mode {request.mode!r} does not take this request.", param="mode")
            return forced
        willing = [mode for mode in self._modes.values() if mode.accepts(request)]
        if not willing:
            raise InvalidValue("No mode that is installed takes this request.", param="model")
        return min(willing, key=lambda mode: (-mode.priority, mode.name))

    # What a request refers to.

    async def _find(self, mode: Mode, request: Request) -> Found:
        videos: dict[str, Source] = {}
        characters: dict[str, Character] = {}
        for reference in mode.references(request):
            if isinstance(reference, VideoReference):
                videos[reference.id] = await self._video(reference.id, request.owner)
                continue
            character = await self._characters.find(request.owner, reference.name)
            if character is not None:
                characters[reference.name] = character
            elif reference.must_exist:
                raise NotFound(f"There is no character {reference.name!r} here.", param="characters")
        return Found(videos=videos, characters=characters)

    async def _video(self, word: str, owner: str) -> Source:
        try:
            job = await self._ledger.shared(word) if word.startswith("s_") else await self._ledger.get(word)
        except NotFound:
            raise NotFound(f"There is no video {word!r} here.", param="prompt") from None
        if job.owner != owner and not (self._share and word == job.share_id):
            raise NotFound(f"There is no video {word!r} here.", param="prompt")
        if job.status != "completed" or job.kind != "video":
            raise NotReady(f"The video {word!r} is not completed, so nothing can be made of it.")
        return await self._source(job)

    async def _source(self, job: JobRecord) -> Source:
        made = next((media for media in job.media() if media.kind == "video"), None)
        kept = made is not None and (job.expires_at is None or job.expires_at > time.time())
        return Source(
            video=job.id,
            prompt=_words(_output(job.plan)) or job.prompt,
            model=job.model,
            size=f"{made.width}x{made.height}" if made else job.size,
            seconds=job.seconds or 0.0,
            media=made if kept else None,
            frame=await self._store.of_job(job.id, "frame"),
        )

    # The job.

    def _job(self, outline: Outline, request: Request) -> JobRecord:
        mode, made = outline.mode, outline.makes()
        kind: JobKind = "character" if isinstance(made, Cast) else request.makes
        return JobRecord(
            id=f"{_PREFIX[kind]}_{secrets.token_hex(16)}",
            kind=kind,
            owner=request.owner,
            mode=mode.name,
            mode_version=self._versions.get(mode.name, ""),
            model=request.model,
            prompt=request.prompt,
            size=outline.size,
            seconds=outline.seconds,
            source=made.source.video or None if isinstance(made, Change | Extend) else None,
            request=request,
            plan=outline.plan,
            status="queued",
            progress=0,
            error=None,
            outputs=(),
            engine=None,
            share_id=None,
            created_at=time.time(),
            started_at=None,
            completed_at=None,
            expires_at=None,
        )


def _output(plan: Plan) -> AnyStep:
    named = {step.name: step for step in plan.steps}
    return named[plan.output or plan.steps[-1].name]


def _words(made: AnyStep) -> str:
    """What a step's result shows, in words: over a chain of changes, all that was asked for."""
    match made:
        case Clip():
            return made.prompt
        case Shots():
            return "\n".join(filter(None, (made.direction, *(shot.prompt for shot in made.shots))))
        case Change() | Extend():
            return f"{made.source.prompt}\n{made.prompt}"
        case _:
            return ""


def _form(request: Request, made: AnyStep) -> tuple[str, float | None]:
    """The size and length that the job's result will have."""
    match made:
        case Clip() | Change():
            return made.size, made.seconds
        case Shots():
            return made.size, sum(shot.seconds for shot in made.shots)
        case Extend():
            return made.source.size, made.source.seconds + made.seconds
        case Image():
            return made.size, None
        case _:
            return request.size, request.seconds
