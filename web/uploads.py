"""Files for the studio: received as they come, and kept for an hour as those of the API key that will use them."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from sora2api.auth.users import Role
from sora2api.errors import InvalidImage
from sora2api.media.store import receive
from sora2api.modes import Kind
from sora2api.web.operation import Change, Desk, check_role, recorded
from sora2api.web.operations.studio import using

OPERATION: Final = "studio.upload"
ROLE: Final[Role] = "operator"
LIFETIME: Final = 3600.0
_LONGEST_NAME: Final = 255


class Uploaded(Struct, frozen=True, kw_only=True):
    """A file that has come in; *seconds* are those of a video."""

    id: str
    kind: Kind
    name: str
    width: int
    height: int
    seconds: float | None


async def keep(desk: Desk, chunks: AsyncIterator[bytes], *, key: str | None, name: str) -> Uploaded:
    """Receive an image or a video for the *key*, by its id. Raises what speaks against it; then nothing is kept.

    It is no `Operation`, since its body is a file, and yet allowed and recorded as those are.
    """
    check_role(desk, ROLE)
    change = await recorded(desk, OPERATION, partial(_keep, desk, chunks, key=key, name=name))
    uploaded: Uploaded = change.value
    return uploaded


async def _keep(desk: Desk, chunks: AsyncIterator[bytes], *, key: str | None, name: str) -> Change:
    office, owner = desk.office, using(desk, key).id
    claimed = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal claimed
        async for chunk in chunks:
            office.receiving.claim(len(chunk))
            claimed += len(chunk)
            yield chunk

    try:
        with office.store.scratch() as folder:
            if not await receive(counted(), folder / "upload", limit=office.settings().upload_limit):
                raise InvalidImage("The file is empty.")
            arrival = await office.store.examine(folder / "upload")
            arrival = replace(arrival, name=name[:_LONGEST_NAME])
            kept = await office.files.keep(arrival, owner=owner, purpose="user_data", lifetime=LIFETIME)
    finally:
        office.receiving.release(claimed)
    media = arrival.media
    uploaded = Uploaded(
        id=kept.id, kind=media.kind, name=kept.name, width=media.width, height=media.height, seconds=media.seconds
    )
    return Change(subject=kept.id, value=uploaded, after=uploaded)
