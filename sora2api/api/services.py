"""What the handlers work with, under keys of the application."""

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from sora2api.auth.address import Caller, caller, networks, public_base
from sora2api.auth.authenticate import Authenticator
from sora2api.auth.keys import ApiKey
from sora2api.catalog import Catalog
from sora2api.egress import GuardedFetch
from sora2api.jobs import Jobs
from sora2api.media.files import FileBook
from sora2api.media.links import Links
from sora2api.media.receiving import Receiving
from sora2api.media.store import MediaStore
from sora2api.media.variants import Variants
from sora2api.modes import Media
from sora2api.notify import Webhooks
from sora2api.settings import InForce, Settings

CALLER: Final = web.RequestKey("CALLER", Caller)


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the server that the API stands on. *parameters* are the body's fields that modes understand."""

    in_force: InForce
    authenticator: Authenticator
    catalog: Catalog
    jobs: Jobs
    store: MediaStore
    links: Links
    variants: Variants
    files: FileBook
    receiving: Receiving
    fetch: GuardedFetch
    webhooks: Webhooks
    parameters: frozenset[str]

    @property
    def settings(self) -> Settings:
        """Those in force: read them when they are used, since a reload changes some."""
        return self.in_force.settings

    def caller(self, request: web.BaseRequest) -> Caller:
        """Who calls; found out once a request."""
        if CALLER not in request:
            request[CALLER] = caller(request, networks(self.settings.trusted_proxies))
        return request[CALLER]

    def link(self, request: web.BaseRequest, path: str) -> str:
        """An absolute link to a *path* of this server."""
        return public_base(self.caller(request), self.settings.public_url) + path

    def media_link(self, request: web.BaseRequest, media: Media, *, until: float | None) -> str:
        return self.link(request, self.links.path(media, until=until))


SERVICES: Final = web.AppKey("SERVICES", Services)
KEY: Final = web.RequestKey("KEY", ApiKey)
