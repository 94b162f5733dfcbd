"""How each step of a plan is done on the engine at hand: natively where it can, else composed of smaller steps.

The way chosen is recorded before anything is sent, and changes only while no engine has accepted anything of the step.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal

from msgspec import Struct

from sora2api.drivers import File, Work, WorkShot
from sora2api.errors import AccountUnavailable, EngineError, NotFound, PolicyRefusal, TaskLost, UnsupportedFeature
from sora2api.jobs.characters import CharacterBook
from sora2api.jobs.composed import Composed
from sora2api.jobs.ledger import Ledger
from sora2api.jobs.live import LiveJob
from sora2api.jobs.orders import Capabilities, OnProgress, Orders, able, able_to_show
from sora2api.jobs.pieces import Pieces
from sora2api.modes import (
    Cast,
    Change,
    Character,
    Clip,
    Extend,
    Image,
    Media,
    Result,
    Shots,
    WayChosen,
)

GoOn = Literal["remix", "edit", "extend"]

_FACES: Final = 4
"""How many frames show a character."""


class Inputs(Struct, frozen=True, kw_only=True):
    """A step's inputs, with the results of earlier steps in their places."""

    images: tuple[Media, ...] = ()
    mask: Media | None = None
    video: Media | None = None
    characters: tuple[Character, ...] = ()


class _Origin(Struct, frozen=True):
    """The task at an engine that a video came from, by the engine's own id."""

    account: str
    task: str


class Ways:
    """Does steps of one job. Those that an engine may lack are done in one of two ways."""

    def __init__(
        self,
        job: LiveJob,
        *,
        orders: Orders,
        pieces: Pieces,
        composed: Composed,
        ledger: Ledger,
        characters: CharacterBook,
    ) -> None:
        self._job = job
        self._orders = orders
        self._pieces = pieces
        self._composed = composed
        self._ledger = ledger
        self._characters = characters

    async def image(self, step: Image, inputs: Inputs, tell: OnProgress) -> Result:
        """Every engine does this by itself; a character is one more picture to draw from."""
        faces = [character.images[0] for character in inputs.characters if character.images]
        pictures = [await self._pieces.file(media) for media in (*inputs.images, *faces)]
        work = Work(
            make="image",
            key="",
            prompt=step.prompt,
            size=step.size,
            n=step.n,
            images=tuple(pictures),
            mask=await self._pieces.file(inputs.mask) if inputs.mask else None,
            extra=step.extra,
        )
        capabilities = able("image_edit" if pictures else "image") | (able("mask") if inputs.mask else able())
        return await self._orders.do(step.name, work, capabilities, tell)

    async def clip(self, step: Clip, inputs: Inputs, tell: OnProgress) -> Result:
        needs = able_to_show(inputs.images) | (able("characters") if inputs.characters else able())
        account = self._knows_all(step.name, inputs.characters, needs)

        async def native() -> Result:
            pictures = await self._fitted(inputs.images, step.size)
            names = _names(inputs.characters, account)
            return await self._orders.clip(
                step.name, step, pictures, tell, also=needs, characters=names, account=account
            )

        if not inputs.characters and len(inputs.images) <= 1:
            return await native()
        possible = account is not None if inputs.characters else self._orders.could(needs)
        return await self._either(
            step.name, native, lambda: self._composed.clip(step, inputs.images, inputs.characters, tell), possible
        )

    async def shots(self, step: Shots, inputs: Inputs, tell: OnProgress) -> Result:
        needs = able_to_show(inputs.images) | able("shots", *(("characters",) if inputs.characters else ()))
        account = self._knows_all(step.name, inputs.characters, needs)

        async def native() -> Result:
            work = Work(
                make="shots",
                key="",
                prompt=step.direction or " / ".join(shot.prompt for shot in step.shots),
                size=step.size,
                seconds=sum(shot.seconds for shot in step.shots),
                images=await self._fitted(inputs.images, step.size),
                characters=_names(inputs.characters, account),
                shots=tuple(WorkShot(prompt=shot.prompt, seconds=shot.seconds) for shot in step.shots),
                extra=step.extra,
            )
            return await self._orders.do(step.name, work, needs, tell, account=account, native=True)

        possible = account is not None if inputs.characters else self._orders.could(needs)
        return await self._either(
            step.name, native, lambda: self._composed.shots(step, inputs.images, inputs.characters, tell), possible
        )

    async def change(self, step: Change, inputs: Inputs, tell: OnProgress) -> Result:
        """An engine changes its own video only as it is: in another size or length it is made anew."""
        origin = await self._origin(step)
        as_it_is = (step.size, step.seconds) == (step.source.size, step.source.seconds)
        make: GoOn = "remix" if self._origin_could(origin, "remix") else "edit"
        return await self._either(
            step.name,
            lambda: self._go_on(make, origin, step, tell),
            lambda: self._composed.change(step, inputs.characters, tell),
            as_it_is and not inputs.characters and self._origin_could(origin, make),
        )

    async def extend(self, step: Extend, inputs: Inputs, tell: OnProgress) -> Result:
        origin = await self._origin(step)
        return await self._either(
            step.name,
            lambda: self._go_on("extend", origin, step, tell),
            lambda: self._composed.extend(step, inputs.characters, tell),
            not inputs.characters and self._origin_could(origin, "extend"),
        )

    async def cast(self, step: Cast, inputs: Inputs, tell: OnProgress) -> Result:
        """The best frames are kept in any case, so that the character can be shown on every engine."""
        if inputs.video is None:
            raise UnsupportedFeature("A character is made out of a video.", param="video")
        video = inputs.video
        character = await self._character(step, video)

        async def native() -> Result:
            work = Work(make="cast", key="", prompt=character.name, video=await self._pieces.file(video))
            made = await self._orders.do(step.name, work, able("characters"), tell, native=True)
            task = self._orders.begun(step.name)
            if task is None:
                raise TaskLost
            known = await self._characters.known_at(character, account_id=task.account_id, name=str(made.value))
            return Result(character=known)

        async def composed() -> Result:
            return Result(character=character)

        result = await self._either(step.name, native, composed, self._orders.could(able("characters")))
        if step.keep:
            await self._characters.keep(character)
        return result

    # The way.

    async def _either(
        self,
        step: str,
        native: Callable[[], Awaitable[Result]],
        composed: Callable[[], Awaitable[Result]],
        possible: bool,
    ) -> Result:
        """Do a step natively if that is possible, else composed; what an engine may have already is gone on with."""
        chosen = self._job.way(step)
        if self._orders.begun(step) is None:
            if chosen is not None and chosen.way == "composed":
                return await self._go(chosen, composed)
            if not possible:
                return await self._go(_composed(step, "no engine in use does it itself"), composed)
        try:
            return await self._go(WayChosen(step=step, way="native", reason="the engine does it itself"), native)
        except PolicyRefusal:
            raise
        except (AccountUnavailable, EngineError) as error:
            if self._orders.accepted(step):
                raise
            reason = error.message
        return await self._go(_composed(step, reason), composed)

    async def _go(self, chosen: WayChosen, way: Callable[[], Awaitable[Result]]) -> Result:
        await self._job.choose_way(chosen)
        return await way()

    def _knows_all(self, step: str, characters: Sequence[Character], needs: Capabilities) -> str | None:
        """An account whose engine knows all the characters by itself, and can show them."""
        if not characters:
            return None
        if (begun := self._orders.begun(step)) is not None:
            return begun.account_id
        known = set.intersection(*(set(character.accounts) for character in characters))
        return next((account for account in sorted(known) if self._orders.could(needs, account=account)), None)

    # Going on from another task.

    async def _origin(self, step: Change | Extend) -> _Origin | None:
        """The task whose file the source is, if a single one made it: then its engine may know it still."""
        begun = self._orders.begun(step.name)
        if begun is not None and begun.parameters.source is not None:
            return _Origin(begun.account_id, begun.parameters.source)
        try:
            made = {media.asset for media in (await self._ledger.get(step.source.video)).media()}
        except NotFound:  # it was deleted meanwhile, or never made here
            return None
        for task in await self._ledger.tasks(step.source.video):
            if task.engine_task and task.result and made & {media.asset for media in task.result.media}:
                return _Origin(task.account_id, task.engine_task)
        return None

    def _origin_could(self, origin: _Origin | None, make: GoOn) -> bool:
        return origin is not None and self._orders.could(able(make), account=origin.account)

    async def _go_on(self, make: GoOn, origin: _Origin | None, step: Change | Extend, tell: OnProgress) -> Result:
        if origin is None:
            raise TaskLost
        work = Work(
            make=make,
            key="",
            prompt=step.prompt,
            size=step.source.size,
            seconds=step.seconds,
            source=origin.task,
            extra=step.extra,
        )
        return await self._orders.do(step.name, work, able(make), tell, account=origin.account, native=True)

    # Pictures.

    async def _fitted(self, images: Sequence[Media], size: str) -> tuple[File, ...]:
        """Pictures for a clip: the first, which it begins on, in its size."""
        files = [await self._pieces.file(image) for image in images]
        return (await self._pieces.fitted(files[0], size), *files[1:]) if files else ()

    async def _character(self, step: Cast, video: Media) -> Character:
        """The character with its pictures: temporary until all is done, so that a failure leaves none."""
        made = await self._characters.of_step(self._job.id, step.name)
        if made is not None:
            return made
        frames = await self._pieces.best_frames(video, count=_FACES)
        return await self._characters.make(
            owner=self._job.owner,
            job_id=self._job.id,
            step=step.name,
            called=step.called,
            display_name=step.display_name,
            images=tuple([await self._job.keep(frame) for frame in frames]),
        )


def _composed(step: str, reason: str) -> WayChosen:
    return WayChosen(step=step, way="composed", reason=reason)


def _names(characters: Sequence[Character], account: str | None) -> tuple[str, ...]:
    """What the account's engine calls them."""
    return tuple(character.accounts[account] for character in characters) if account else ()
