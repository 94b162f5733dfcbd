"""The proxies: each with its latency and the accounts on it, and forms to list, switch and remove them."""

import time

from aiohttp import web

from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Nothing
from sora2api.web.operations.proxies import list_proxies
from sora2api.web.pages import shell


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/proxies", show, name="proxies")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    found = await list_proxies(desk, Nothing())
    return shell(request, "proxies.html", section="proxies", session=session, proxies=found.proxies, now=time.time())
