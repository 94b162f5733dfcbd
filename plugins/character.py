"""The mode that makes a character out of a video: to keep it, or to show it in one new video."""

import re
from collections.abc import Sequence
from typing import Final

from sora2api import modes
from sora2api.errors import InvalidValue, MissingParameter
from sora2api.modes import Cast, Clip, Found, Kept, Known, Plan, Reference, Request, ShotList, Shots, Use

_NAME: Final = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")


class Wish(ShotList, frozen=True, kw_only=True):
    """The `@name` that the character shall have, what it is shown as, and what it shall play in."""

    name: str | None = None
    username: str | None = None
    display_name: str = ""


class CharacterMode(modes.Mode):
    name = "character"
    api_version = modes.API_VERSION
    priority = 40
    description = "A character out of a video, and with text a new video that shows it."
    parameters = Wish

    def accepts(self, request: Request) -> bool:
        return request.operation == "cast" or (request.operation == "make" and bool(request.videos))

    def references(self, request: Request) -> Sequence[Reference]:
        listed = modes.own_extra(request, Wish).shots or ()
        return (*super().references(request), *modes.mentions(*(shot.prompt for shot in listed)))

    def plan(self, request: Request, found: Found) -> Plan:
        _check(request)
        shown = bool(request.prompt.strip() or request.images or modes.is_storyboard(request))
        keep = request.operation == "cast" or not shown
        wish = modes.own_extra(request, Wish)
        cast = Cast(video=Kept(request.videos[0]), called=_called(wish), display_name=wish.display_name, keep=keep)
        return Plan(steps=(cast,) if keep else (cast, _scene(request, found, Use(cast.name))))


def _check(request: Request) -> None:
    if request.makes == "image":
        raise InvalidValue(f"{request.model} makes images; a character is made by a video model.", param="model")
    if not request.videos:
        raise MissingParameter("A character is made out of a video.", param="video")
    if len(request.videos) > 1:
        raise InvalidValue("A character is made out of one video, and there are several.", param="video")
    if request.source or request.extra.get("remix_target_id") or modes.SHARE_ID.search(request.prompt):
        raise InvalidValue(
            "A request either remixes a video or makes a character out of one: leave out the video or the id.",
            param="video",
        )


def _called(wish: Wish) -> str | None:
    called = wish.username or wish.name
    if not called:
        return None
    if _NAME.fullmatch(called):
        return called
    field = "username" if wish.username else "name"
    raise InvalidValue("A character's name has small letters a to z, digits, _ and single dots.", param=field)


def _scene(request: Request, found: Found, character: Use) -> Clip | Shots:
    """The step that shows the *character* in a new video."""
    characters: tuple[modes.CharacterInput, ...] = (character, *map(Known, found.cast()))
    images = tuple(map(Kept, request.images))
    extra = modes.engine_extra(request, Wish)
    if not modes.is_storyboard(request):
        return Clip(
            prompt=modes.styled(request.prompt),
            size=request.size,
            seconds=modes.seconds_of(request),
            images=images,
            characters=characters,
            extra=extra,
        )
    asked = modes.storyboard(request)
    return Shots(
        shots=asked.shots,
        size=request.size,
        direction=asked.direction,
        transition=asked.transition,
        images=images,
        characters=characters,
        extra=extra,
    )
