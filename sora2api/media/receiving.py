"""How much all requests together are receiving: bytes in memory or on disk that are no job's and no file's yet."""

from typing import Final

from sora2api.errors import ReceivingFull
from sora2api.media.store import MediaStore

_RETRY_AFTER: Final = 5.0


class Receiving:
    """Refuses what would go beyond *limit* bytes, or into the disk's reserve."""

    def __init__(self, store: MediaStore, *, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._held = 0

    def claim(self, length: int) -> None:
        """Count bytes that have arrived. Raises `ReceivingFull` or `DiskFull`, and then they are not counted."""
        if self._held + length > self._limit:
            raise ReceivingFull(retry_after=_RETRY_AFTER)
        self._store.check_room()
        self._held += length

    def release(self, length: int) -> None:
        """Bytes that have been taken over, or dropped."""
        self._held -= length
