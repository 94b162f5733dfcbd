"""What else a video is shown by: a thumbnail (WebP) and a sprite sheet (JPEG), made when first asked for."""

import asyncio
from typing import Final, Literal

from sora2api.media import clips
from sora2api.media.store import MediaStore
from sora2api.modes import Media

Variant = Literal["thumbnail", "spritesheet"]

VARIANTS: Final[dict[str, Variant]] = {"thumbnail": "thumbnail", "spritesheet": "spritesheet"}
_MAKERS: Final = {"thumbnail": clips.poster, "spritesheet": clips.spritesheet}


class Variants:
    """Makes variants once, and keeps them as long as their video."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store
        self._making = asyncio.Lock()

    async def get(self, variant: Variant, *, video: Media, job_id: str, owner: str, expires_at: float | None) -> Media:
        async with self._making:
            kept = await self._store.of_job(job_id, variant)
            return kept or await self._make(variant, video, job_id=job_id, owner=owner, expires_at=expires_at)

    async def _make(
        self, variant: Variant, video: Media, *, job_id: str, owner: str, expires_at: float | None
    ) -> Media:
        source = await self._store.path(video)
        with self._store.scratch() as folder:
            target = folder / variant
            await self._store.workshop.run(_MAKERS[variant], source, target)
            return await self._store.keep(
                target, owner=owner, job_id=job_id, role=variant, expect="image", expires_at=expires_at
            )
