"""How each step of a plan is done on the engine at hand: natively where it can, else composed of smaller steps.

The way chosen is recorded before anything is sent, and changes only while no engine has accepted anything of the step.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from sora2api.accounts import Need, Pool
from sora2api.drivers import Capability, File, Work, WorkShot
from sora2api.errors import (
    AccountUnavailable,
    BadRequest,
    Gone,
    NotServedHere,
    Sora2ApiError,
    TaskLost,
    UnsupportedFeature,
)
from sora2api.jobs.characters import CharacterBook
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.live import LiveJob
from sora2api.jobs.records import TaskRecord
from sora2api.jobs.tasks import Spec, Tasks
from sora2api.media import clips, pictures
from sora2api.media.sniff import EXTENSIONS
from sora2api.media.store import MediaStore
from sora2api.modes import (
    Cast,
    Change,
    Character,
    Clip,
    Extend,
    Image,
    Media,
    Result,
    Shot,
    Shots,
    Source,
    WayChosen,
)

OnProgress = Callable[[float], None]
"""Called with how far a step is, 0 to 1."""

_FACES: Final = 4
_FRAME: Final = 0.05


class Inputs(Struct, frozen=True, kw_only=True):
    """A step's inputs, with the results of earlier steps in their places."""

    images: tuple[Media, ...] = ()
    mask: Media | None = None
    video: Media | None = None
    characters: tuple[Character, ...] = ()


class Ways:
    """Does the steps of one job. *patience* bounds the wait of a native way for its account, in seconds."""

    def __init__(
        self,
        job: LiveJob,
        *,
        pool: Pool,
        tasks: Tasks,
        ledger: Ledger,
        store: MediaStore,
        characters: CharacterBook,
        patience: float,
        folder: Path,
    ) -> None:
        self._job = job
        self._pool = pool
        self._tasks = tasks
        self._ledger = ledger
        self._store = store
        self._characters = characters
        self._patience = patience
        self._folder = folder

    # The steps.

    async def image(self, step: Image, inputs: Inputs, tell: OnProgress) -> Result:
        pictures_ = (*inputs.images, *(face for character in inputs.characters for face in character.images[:1]))
        able = _able("image_edit" if pictures_ else "image") | (_able("mask") if inputs.mask else _able())
        work = Work(
            make="image",
            key="",
            prompt=step.prompt,
            size=step.size,
            n=step.n,
            images=tuple([await self._file(media) for media in pictures_]),
            mask=await self._file(inputs.mask) if inputs.mask else None,
            extra=step.extra,
        )
        task = await self._task(step.name, "image", able, work, tell)
        return _result(task)

    async def clip(self, step: Clip, inputs: Inputs, tell: OnProgress) -> Result:
        if not inputs.characters:
            return _result(await self._clip(step.name, step, inputs.images, (), tell))
        account = self._knows_all(step, inputs)

        async def native() -> Result:
            return _result(await self._clip(step.name, step, inputs.images, inputs.characters, tell, account=account))

        async def composed() -> Result:
            shown = await self._shown(inputs.images, inputs.characters, step.size, step.name)
            return _result(await self._clip(f"{step.name}/clip", step, shown, (), tell))

        return await self._either(step.name, native if account else None, composed)

    async def shots(self, step: Shots, inputs: Inputs, tell: OnProgress) -> Result:
        able = _of_clip(inputs.images) | _able("shots")
        account = self._knows_all(step, inputs, able) if inputs.characters else None
        possible = account is not None if inputs.characters else self._could(able)

        async def native() -> Result:
            work = Work(
                make="shots",
                key="",
                prompt=step.direction or " / ".join(shot.prompt for shot in step.shots),
                size=step.size,
                seconds=sum(shot.seconds for shot in step.shots),
                images=await self._fitted(inputs.images, step.size),
                characters=_known(inputs.characters, account),
                shots=tuple(WorkShot(prompt=shot.prompt, seconds=shot.seconds) for shot in step.shots),
                extra=step.extra,
            )
            need = able | (_able("characters") if inputs.characters else _able())
            return _result(await self._task(step.name, "video", need, work, tell, account=account, native=True))

        return await self._either(
            step.name, native if possible else None, lambda: self._composed_shots(step, inputs, tell)
        )

    async def change(self, step: Change, inputs: Inputs, tell: OnProgress) -> Result:
        origin = await self._origin(step.source)
        same = (step.size, step.seconds) == (step.source.size, step.source.seconds) and not inputs.characters

        async def native() -> Result:
            return await self._of_origin(step.name, "remix", origin, step, tell)

        async def composed() -> Result:
            frame = await self._frame(step.source)
            clip = Clip(
                name=step.name,
                prompt=f"{step.source.prompt}\n{step.prompt}".strip(),
                size=step.size,
                seconds=step.seconds,
                extra=step.extra,
            )
            shown = await self._shown((frame,), inputs.characters, step.size, step.name)
            return _result(await self._clip(f"{step.name}/clip", clip, shown, (), tell))

        possible = same and origin is not None and self._could(_able("remix"), account=origin.account_id)
        return await self._either(step.name, native if possible else None, composed)

    async def extend(self, step: Extend, inputs: Inputs, tell: OnProgress) -> Result:
        origin = await self._origin(step.source)

        async def native() -> Result:
            return await self._of_origin(step.name, "extend", origin, step, tell)

        possible = (
            not inputs.characters and origin is not None and self._could(_able("extend"), account=origin.account_id)
        )
        return await self._either(
            step.name, native if possible else None, lambda: self._composed_extend(step, inputs, tell)
        )

    async def cast(self, step: Cast, inputs: Inputs, tell: OnProgress) -> Result:
        """The best frames are kept in any case, so that the character can be shown on every engine."""
        if inputs.video is None:
            raise UnsupportedFeature("A character is made out of a video.", param="video")
        video = inputs.video
        character = await self._characters.of_job(self._job.id) or await self._character(step, video)

        async def native() -> Result:
            work = Work(make="cast", key="", prompt=character.name, video=await self._file(video))
            task = await self._task(step.name, "video", _able("characters"), work, tell, native=True)
            called = str(_result(task).value)
            known = await self._characters.known_at(character, account_id=task.account_id, name=called)
            return Result(character=known)

        async def composed() -> Result:
            return Result(character=character)

        return await self._either(step.name, native if self._could(_able("characters")) else None, composed)

    # The way.

    async def _either(
        self, step: str, native: Callable[[], Awaitable[Result]] | None, composed: Callable[[], Awaitable[Result]]
    ) -> Result:
        """Do a step natively if it can be, else composed; a way on which something was sent is kept."""
        way = self._job.way(step)
        if way != "composed" and native is not None:
            try:
                await self._choose(step, "native", "the engine does it itself")
                return await native()
            except (AccountUnavailable, BadRequest, NotServedHere, TaskLost) as error:
                if self._accepted(step):
                    raise
                await self._choose(step, "composed", error.message)
                return await composed()
        await self._choose(step, "composed", "no engine in use does it itself")
        return await composed()

    async def _choose(self, step: str, way: str, reason: str) -> None:
        await self._job.choose_way(step, way)
        await self._job.say(
            msgspec.convert({"type": "way_chosen", "step": step, "way": way, "reason": reason}, WayChosen)
        )

    def _accepted(self, step: str) -> bool:
        return any(task.engine_task is not None for task in self._job.tasks if task.step == step)

    def _could(self, able: frozenset[Capability], *, account: str | None = None) -> bool:
        need = Need(model=self._job.record.model, slot="video", capabilities=able, account=account)
        return self._pool.could_serve(need)

    def _knows_all(self, step: Clip | Shots, inputs: Inputs, able: frozenset[Capability] | None = None) -> str | None:
        """An account whose engine knows all the characters by itself, and can show them."""
        want = (able or _of_clip(inputs.images)) | _able("characters")
        known = set.intersection(*(set(character.accounts) for character in inputs.characters))
        return next((account for account in sorted(known) if self._could(want, account=account)), None)

    # Tasks.

    async def _task(
        self,
        name: str,
        slot: str,
        able: frozenset[Capability],
        work: Work,
        tell: OnProgress,
        *,
        account: str | None = None,
        engine_model: str | None = None,
        native: bool = False,
    ) -> TaskRecord:
        need = Need(
            model=self._job.record.model,
            slot="image" if slot == "image" else "video",
            capabilities=able,
            account=account,
            engine_model=engine_model,
        )
        fresh = all(task.step != name for task in self._job.tasks)
        if fresh and not self._pool.could_serve(need):
            raise UnsupportedFeature("No engine in use can do this: " + ", ".join(sorted(able)) + ".")
        spec = Spec(name=name, need=need, work=work, patience=self._patience if native else None)
        return await self._tasks.do(self._job, spec, lambda percent: tell(percent / 100))

    async def _clip(
        self,
        name: str,
        step: Clip,
        images: tuple[Media, ...] | tuple[File, ...],
        characters: tuple[Character, ...],
        tell: OnProgress,
        *,
        account: str | None = None,
        engine_model: str | None = None,
    ) -> TaskRecord:
        files = await self._fitted(images, step.size)
        able = _of_clip(files) | (_able("characters") if characters else _able())
        work = Work(
            make="clip",
            key="",
            prompt=step.prompt,
            size=step.size,
            seconds=step.seconds,
            images=files,
            characters=_known(characters, account),
            extra=step.extra,
        )
        return await self._task(
            name, "video", able, work, tell, account=account, engine_model=engine_model, native=bool(characters)
        )

    async def _of_origin(
        self, name: str, make: str, origin: TaskRecord | None, step: Change | Extend, tell: OnProgress
    ) -> Result:
        """A task that goes on from another task of the same account."""
        if origin is None:
            raise TaskLost
        work = Work(
            make="remix" if make == "remix" else "extend",
            key="",
            prompt=step.prompt,
            size=step.source.size,
            seconds=step.seconds,
            source=origin.engine_task,
            extra=step.extra,
        )
        able = _able("remix" if make == "remix" else "extend")
        return _result(await self._task(name, "video", able, work, tell, account=origin.account_id, native=True))

    async def _origin(self, source: Source) -> TaskRecord | None:
        """The one task that made a video whole, if one did: then its engine may know it still."""
        tasks = [task for task in await self._ledger.tasks(source.video) if task.result is not None]
        whole = [task for task in tasks if "/" not in task.step and task.slot == "video" and task.make != "cast"]
        return whole[0] if len(whole) == 1 and len(tasks) == 1 else None

    # Composed of smaller steps.

    async def _composed_shots(self, step: Shots, inputs: Inputs, tell: OnProgress) -> Result:
        """A clip a shot, each trimmed to its length, then joined. All on one model of an engine."""
        first = await self._shown(inputs.images, inputs.characters, step.size, step.name)
        done = [0.0] * len(step.shots)

        def telling(index: int) -> OnProgress:
            def tell_shot(fraction: float) -> None:
                done[index] = fraction
                tell(sum(done) / len(done))

            return tell_shot

        parts: list[Path] = []
        for index, shot in enumerate(step.shots):
            begun = first
            if index and step.transition == "continue":
                begun = (await self._last_frame(parts[-1], f"{step.name}-{index}"),)
            elif index:
                begun = await self._shown((), inputs.characters, step.size, step.name)
            parts.append(await self._shot(step, index, shot, begun, telling(index)))
            telling(index)(1.0)
        joined = self._folder / f"{step.name}-joined.mp4"
        await self._store.workshop.run(clips.join, parts, joined)
        return Result(media=(await self._keep(joined),))

    async def _shot(self, step: Shots, index: int, shot: Shot, begun: tuple[File, ...], tell: OnProgress) -> Path:
        name = f"{step.name}/shot {index + 1}"
        clip = Clip(
            prompt=f"{step.direction}\n{shot.prompt}" if step.direction else shot.prompt,
            size=step.size,
            seconds=shot.seconds,
            extra=step.extra,
        )
        before = [task.model for task in self._job.tasks if task.step.startswith(f"{step.name}/shot ")]
        try:
            task = await self._clip(name, clip, begun, (), tell, engine_model=before[0] if before else None)
        except Sora2ApiError as error:
            error.param = f"shots[{index}]"
            raise
        return await self._trimmed(_result(task).media[0], shot.seconds, name.replace("/", "-"))

    async def _composed_extend(self, step: Extend, inputs: Inputs, tell: OnProgress) -> Result:
        """A clip begun on the last frame of the source, then both joined."""
        if step.source.media is None:
            raise Gone("The video's file has expired, so it cannot be continued.", param="video")
        source = await self._store.path(step.source.media)
        last = await self._last_frame(source, step.name)
        clip = Clip(prompt=step.prompt, size=step.source.size, seconds=step.seconds, extra=step.extra)
        shown = await self._with_faces((last,), inputs.characters, step.source.size, step.name)
        task = await self._clip(f"{step.name}/clip", clip, shown, (), tell)
        more = await self._trimmed(_result(task).media[0], step.seconds, step.name)
        joined = self._folder / f"{step.name}-joined.mp4"
        await self._store.workshop.run(clips.join, [source, more], joined)
        return Result(media=(await self._keep(joined),))

    async def _character(self, step: Cast, video: Media) -> Character:
        source = await self._store.path(video)
        faces = self._folder / f"{step.name}-faces"
        faces.mkdir()
        frames = await self._store.workshop.run(clips.best_frames, source, faces, count=_FACES)
        kept = tuple([await self._keep(frame) for frame in frames])
        return await self._characters.make(
            owner=self._job.owner, job_id=self._job.id, called=step.called, images=kept, keep=step.keep
        )

    # Pictures and pieces.

    async def _shown(
        self, images: tuple[Media, ...], characters: tuple[Character, ...], size: str, name: str
    ) -> tuple[File, ...]:
        return await self._with_faces(await self._fitted(images, size), characters, size, name)

    async def _with_faces(
        self, files: tuple[File, ...], characters: tuple[Character, ...], size: str, name: str
    ) -> tuple[File, ...]:
        """The pictures for an engine that knows no characters: their faces are set into the first picture."""
        faces = [character.images[0] for character in characters if character.images]
        if not faces:
            return files
        if not files:
            files = await self._fitted((faces.pop(0),), size)
        if self._could(_able("clip", "first_frame", "references")) or not faces:
            return (*files, *[await self._file(face) for face in faces])
        target = self._folder / f"{name}-faces.png"
        paths = [await self._store.path(face) for face in faces]
        await self._store.workshop.run(pictures.inset, files[0].path, paths, target)
        return (_png(target), *files[1:])

    async def _fitted(self, images: tuple[Media, ...] | tuple[File, ...], size: str) -> tuple[File, ...]:
        """Pictures brought to the video's size: the first, since the video begins with it."""
        files = tuple([image if isinstance(image, File) else await self._file(image) for image in images])
        if not files or isinstance(images[0], File):
            return files
        width, height = map(int, size.split("x"))
        target = self._folder / f"{files[0].path.name}-{size}.png"
        await self._store.workshop.run(pictures.fit, files[0].path, target, size=(width, height))
        return (_png(target), *files[1:])

    async def _frame(self, source: Source) -> Media:
        """One frame of a source video, which outlives its file."""
        if source.frame is not None:
            return source.frame
        if source.media is None:
            raise Gone("The video's file has expired, and no frame of it was kept.", param="video")
        target = self._folder / "source-frame.png"
        path = await self._store.path(source.media)
        await self._store.workshop.run(clips.frame_at, path, target, seconds=source.seconds / 2)
        return await self._keep(target)

    async def _last_frame(self, video: Path, name: str) -> File:
        target = self._folder / f"{name}-last.png"
        await self._store.workshop.run(clips.last_frame, video, target)
        return _png(target)

    async def _trimmed(self, media: Media, seconds: float, name: str) -> Path:
        path = await self._store.path(media)
        if media.seconds is not None and media.seconds <= seconds + _FRAME:
            return path
        target = self._folder / f"{name}-trimmed.mp4"
        await self._store.workshop.run(clips.trim, path, target, seconds=seconds)
        return target

    async def _keep(self, path: Path) -> Media:
        return await self._store.keep(path, owner=self._job.owner, job_id=self._job.id, role="part")

    async def _file(self, media: Media) -> File:
        path = await self._store.path(media)
        return File(path=path, content_type=media.content_type, name=media.asset + EXTENSIONS[media.content_type])


def _result(task: TaskRecord) -> Result:
    if task.result is None:
        raise TaskLost
    return task.result


def _able(*capabilities: Capability) -> frozenset[Capability]:
    return frozenset(capabilities)


def _of_clip(images: tuple[Media, ...] | tuple[File, ...]) -> frozenset[Capability]:
    able = _able("clip")
    if images:
        able |= _able("first_frame")
    return able | _able("references") if len(images) > 1 else able


def _known(characters: tuple[Character, ...], account: str | None) -> tuple[str, ...]:
    return tuple(character.accounts[account] for character in characters) if account else ()


def _png(path: Path) -> File:
    return File(path=path, content_type="image/png", name=path.name)
