"""What the panel shows, read from the parts of the server."""

import shutil
import time
from pathlib import Path

from sora2api import __version__
from sora2api.accounts import Account, AccountBook, Pool
from sora2api.errors import NotFound
from sora2api.jobs import JobRecord, Jobs
from sora2api.media.links import Links
from sora2api.registry import Registry
from sora2api.settings import Settings
from sora2api.web.keys import AccountState, Overview, SetAside, SharedVideo, SlotUse


class ServerOverview:
    """The server at a glance."""

    def __init__(
        self, *, folder: Path, settings: Settings, jobs: Jobs, book: AccountBook, pool: Pool, registry: Registry
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._jobs = jobs
        self._book = book
        self._pool = pool
        self._registry = registry

    async def overview(self) -> Overview:
        disk = shutil.disk_usage(self._folder)
        return Overview(
            version=__version__,
            jobs=await self._jobs.counts(),
            accounts=[self._state(account) for account in self._book.all() if self._shown(account)],
            disk_free=disk.free,
            disk_total=disk.total,
            disk_reserve=self._settings.disk_reserve,
            sandbox=self._pool.sandbox_in_use(),
            set_aside=[
                SetAside(plugin.name, plugin.distribution, plugin.reason or "")
                for plugin in self._registry.plugins
                if plugin.status == "set_aside" and plugin.name not in self._settings.disabled_plugins
            ],
        )

    def _shown(self, account: Account) -> bool:
        return account.removed_at is None and (not account.sandbox or self._pool.sandbox_in_use())

    def _state(self, account: Account) -> AccountState:
        ready = account.ready(time.time())
        resting = account.rests_until is not None
        return AccountState(
            name=account.name,
            engine=account.driver,
            state="ready" if ready else "disabled" if not account.enabled else "resting" if resting else "ill",
            reason=None if ready else account.set_aside,
            until=None if ready else account.rests_until,
            image=SlotUse(self._pool.in_use(account.id, "image"), account.image_slots),
            video=SlotUse(self._pool.in_use(account.id, "video"), account.video_slots),
        )


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
