"""Asking again for what a job was asked for: its request, with files of its own."""

from pathlib import Path

from msgspec.structs import replace

from sora2api.media.store import Arrival, MediaStore
from sora2api.modes import Media, Request


async def anew(request: Request, store: MediaStore, folder: Path) -> tuple[Request, list[Arrival]]:
    """The *request* with its inputs as files that arrive anew, by way of a scratch *folder*.

    Raises `Gone` or `NotFound` where an input is not kept any more.
    """
    arrivals: list[Arrival] = []

    async def arrived(media: Media) -> Media:
        asset = await store.find(media.asset)
        arrivals.append(await store.again(asset, folder / str(len(arrivals))))
        return arrivals[-1].media

    asked = replace(
        request,
        images=tuple([await arrived(media) for media in request.images]),
        mask=None if request.mask is None else await arrived(request.mask),
        videos=tuple([await arrived(media) for media in request.videos]),
    )
    return asked, arrivals
