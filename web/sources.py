"""What the share pages show, read from the parts of the server."""

import time

from sora2api.errors import NotFound
from sora2api.jobs import JobRecord, Jobs
from sora2api.media.links import Links
from sora2api.web.keys import SharedVideo


class SharedVideos:
    """Finished videos by their share ids, while sharing is on."""

    def __init__(self, jobs: Jobs, links: Links, *, on: bool) -> None:
        self._jobs = jobs
        self._links = links
        self._on = on

    async def find(self, share_id: str) -> SharedVideo | None:
        if not self._on:
            return None
        try:
            job = await self._jobs.shared(share_id)
        except NotFound:
            return None
        return await self._shown(job)

    async def _shown(self, job: JobRecord) -> SharedVideo | None:
        video = next((media for media in job.media() if media.kind == "video"), None)
        if video is None or (job.expires_at is not None and job.expires_at < time.time()):
            return None
        frame = await self._jobs.frame(job)
        return SharedVideo(
            title=job.prompt or "A video",
            model=job.model,
            video=self._links.path(video, until=job.expires_at),
            poster=self._links.path(frame) if frame else None,
            width=video.width,
            height=video.height,
            seconds=video.seconds or 0.0,
        )
