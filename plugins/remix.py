"""The mode that makes a new video out of another: a remix, an edit, or what comes next."""

import re
from collections.abc import Sequence

from msgspec import Struct

from sora2api import modes
from sora2api.errors import InvalidValue, MissingParameter, UnsupportedFeature
from sora2api.modes import Change, Extend, Found, Known, Media, Plan, Reference, Request, Source, VideoReference

# Each part begins where its run of characters begins, so that a long prompt is read in linear time.
_SHARED = re.compile(
    rf"""
    (?:(?P<opening>^[ \t]*)|(?<![ \t])[ \t]*)?
    (?P<link>(?<![0-9A-Za-z.:/_~%-])[0-9A-Za-z.:/_~%-]*/p/)?
    (?P<id>{modes.SHARE_ID.pattern})
    (?(link)(?:[/?\#](?:[!-~]*[0-9A-Za-z/=&%_~+\#-])?)?)
    (?(opening)[ \t]*)
    """,
    re.MULTILINE | re.VERBOSE,
)
"""A share id, bare or in a link that ends in `/p/s_…`, with the link's query and the blanks that would be left over."""


class Target(Struct, frozen=True):
    remix_target_id: str | None = None


class RemixMode(modes.Mode):
    name = "remix"
    api_version = modes.API_VERSION
    priority = 30
    description = "A video made anew with a change, or continued."
    parameters = Target

    def accepts(self, request: Request) -> bool:
        if request.operation == "make":
            return bool(request.extra.get("remix_target_id")) or modes.SHARE_ID.search(request.prompt) is not None
        return request.operation in {"remix", "edit", "extend"}

    def references(self, request: Request) -> Sequence[Reference]:
        targets = (VideoReference(word) for word in _targets(request))
        return tuple(dict.fromkeys((*targets, *super().references(request))))

    def plan(self, request: Request, found: Found) -> Plan:
        if request.makes == "image":
            raise InvalidValue(f"{request.model} makes images; a video is remixed by a video model.", param="model")
        if request.images or (request.videos and _targets(request)):
            raise UnsupportedFeature("A remix takes no image or video beside the one that it changes.")
        prompt = modes.styled(_SHARED.sub("", request.prompt).strip())
        if not prompt:
            raise InvalidValue("The prompt is empty: say what to change, or how to go on.", param="prompt")
        source = _source(request, found)
        characters = tuple(map(Known, found.cast()))
        seconds = request.seconds or source.seconds
        extra = modes.engine_extra(request, Target)
        if request.operation == "extend":
            step = Extend(source=source, prompt=prompt, seconds=seconds, characters=characters, extra=extra)
            return Plan(steps=(step,))
        change = Change(
            source=source, prompt=prompt, size=request.size, seconds=seconds, characters=characters, extra=extra
        )
        return Plan(steps=(change,))


def _targets(request: Request) -> tuple[str, ...]:
    """The words by which *request* names the video that it changes, each once."""
    field = modes.own_extra(request, Target).remix_target_id or ""
    shared = modes.SHARE_ID.findall(f"{field}\n{request.prompt}")
    other = field if modes.SHARE_ID.search(field) is None else ""
    return tuple(dict.fromkeys(filter(None, (request.source, other, *shared))))


def _source(request: Request, found: Found) -> Source:
    named = {found.videos[word].video: found.videos[word] for word in _targets(request)}
    sources = [*named.values(), *(_sent(video, request) for video in request.videos)]
    if not sources:
        raise MissingParameter("Name the video to change: its id, share id or link.", param="video")
    if len(sources) > 1:
        raise InvalidValue("The request names several videos; a remix changes one.", param="prompt")
    return sources[0]


def _sent(video: Media, request: Request) -> Source:
    """A video that came with the request, which nobody here knows anything of."""
    return Source(
        video="", prompt="", model=request.model, size=request.size, seconds=video.seconds or 0.0, media=video
    )
