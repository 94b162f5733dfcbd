"""The composed ways: steps that an engine lacks, made of clips on any video engine."""

from collections.abc import Sequence
from pathlib import Path

from sora2api.drivers import File
from sora2api.errors import EngineError
from sora2api.jobs.live import LiveJob
from sora2api.jobs.orders import Capabilities, OnProgress, Orders, able, able_to_show
from sora2api.jobs.pieces import Part, Pieces
from sora2api.modes import Change, Character, Clip, Extend, Media, Result, Shots


class Composed:
    """Composes steps of one job. Its tasks are called after the step: `video/clip`, `video/shot 2`."""

    def __init__(self, job: LiveJob, *, orders: Orders, pieces: Pieces) -> None:
        self._job = job
        self._orders = orders
        self._pieces = pieces

    async def clip(
        self, step: Clip, images: Sequence[Media], characters: Sequence[Character], tell: OnProgress
    ) -> Result:
        """A clip that begins on a picture with everything in it that it shall show."""
        begun = await self._beginning(await self._files(images), characters, step.size)
        return await self._orders.clip(f"{step.name}/clip", step, begun, tell)

    async def change(self, step: Change, characters: Sequence[Character], tell: OnProgress) -> Result:
        """A new clip in the source's words and the change's, that begins on a frame of the source."""
        clip = Clip(
            prompt=f"{step.source.prompt}\n{step.prompt}".strip(),
            size=step.size,
            seconds=step.seconds,
            extra=step.extra,
        )
        begun = await self._beginning([await self._pieces.frame(step.source)], characters, step.size)
        return await self._orders.clip(f"{step.name}/clip", clip, begun, tell)

    async def extend(self, step: Extend, characters: Sequence[Character], tell: OnProgress) -> Result:
        """A clip that begins on the last frame of the source, joined to it."""
        source = await self._pieces.whole(step.source)
        clip = Clip(prompt=step.prompt, size=step.source.size, seconds=step.seconds, extra=step.extra)
        begun = await self._beginning([await self._pieces.last_frame(source)], characters, clip.size)
        made = await self._orders.clip(f"{step.name}/clip", clip, begun, tell)
        more = await self._pieces.trimmed(made.media[0], step.seconds)
        return await self._kept(await self._pieces.joined([source, more]))

    async def shots(
        self, step: Shots, images: Sequence[Media], characters: Sequence[Character], tell: OnProgress
    ) -> Result:
        """A clip a shot, joined. Each is trimmed to where it must end, so that what frames round off never adds up."""
        first = await self._beginning(await self._files(images), characters, step.size, like=step)
        parts: list[Part] = []
        due = 0.0
        for index, shot in enumerate(step.shots):
            begun = first if not parts else await self._next_beginning(step, parts[-1], characters)
            made = await self._shot(step, index, begun, self._needs(step, first), _share(tell, index, len(step.shots)))
            due += shot.seconds
            parts.append(await self._pieces.trimmed(made.media[0], due - sum(part.seconds for part in parts)))
        return await self._kept(await self._pieces.joined(parts))

    # Shots.

    async def _next_beginning(self, step: Shots, before: Part, characters: Sequence[Character]) -> Sequence[File]:
        if step.transition == "cut":
            return await self._beginning((), characters, step.size, like=step)
        return (await self._pieces.last_frame(before),)

    def _needs(self, step: Shots, first: Sequence[File]) -> Capabilities:
        """What all shots need together, since they are made on one model."""
        continued = step.transition == "continue" and len(step.shots) > 1
        return able_to_show(first) | (able("first_frame") if continued else able())

    async def _shot(
        self, step: Shots, index: int, begun: Sequence[File], needs: Capabilities, tell: OnProgress
    ) -> Result:
        shot = step.shots[index]
        prompt = f"{step.direction}\n{shot.prompt}" if step.direction else shot.prompt
        clip = Clip(prompt=prompt, size=step.size, seconds=shot.seconds, extra=step.extra)
        try:
            made = await self._orders.clip(
                _shot_name(step, index), clip, begun, tell, also=needs, engine_model=self._model(step)
            )
        except EngineError as error:
            error.param = f"shots[{index}]"
            raise
        tell(1.0)
        return made

    def _model(self, step: Shots) -> str | None:
        """The engine's model that the first shot was made by, and so all others are."""
        task = self._orders.begun(_shot_name(step, 0))
        return task.model if task is not None else None

    # Pictures.

    async def _beginning(
        self, pictures: Sequence[File], characters: Sequence[Character], size: str, *, like: Shots | None = None
    ) -> Sequence[File]:
        """The pictures that a clip is given: the first is what it begins on; characters are known by theirs.

        All are set into the first where no engine takes several; *like* names the step whose model counts.
        """
        faces = await self._files([character.images[0] for character in characters if character.images])
        if not (shown := [*pictures, *faces]):
            return ()
        first = await self._pieces.fitted(shown[0], size)
        model = self._model(like) if like is not None else None
        if len(shown) == 1 or self._orders.could(able_to_show(shown), engine_model=model):
            return (first, *shown[1:])
        return (await self._pieces.inset(first, shown[1:]),)

    async def _files(self, images: Sequence[Media]) -> Sequence[File]:
        return [await self._pieces.file(image) for image in images]

    async def _kept(self, path: Path) -> Result:
        return Result(media=(await self._job.keep(path),))


def _shot_name(step: Shots, index: int) -> str:
    return f"{step.name}/shot {index + 1}"


def _share(tell: OnProgress, index: int, count: int) -> OnProgress:
    """Tells how far *count* equal parts are, of which this is one."""
    return lambda fraction: tell((index + fraction) / count)
