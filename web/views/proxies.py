"""The proxies: each with its latency and the accounts on it, and forms to list, change, test and spread over them."""

from aiohttp import web

from sora2api.errors import NotFound
from sora2api.web import charts, guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Desk, Nothing
from sora2api.web.operations.account_shown import in_use
from sora2api.web.operations.proxies import ProxyId, ProxyView, get_proxy, list_proxies
from sora2api.web.pages import shell
from sora2api.web.views.accounts import latency

NEW = "new"
"""What `open` asks for where a proxy is to be listed."""


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/proxies", show, name="proxies")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    found = await list_proxies(desk, Nothing())
    opened = await _open(desk, request.query.get("open", ""))
    accounts = [account for account in in_use(desk) if not account.sandbox]
    return shell(
        request,
        "proxies.html",
        section="proxies",
        session=session,
        proxies=found.proxies,
        lines={proxy.id: _line(proxy) for proxy in found.proxies},
        open=opened,
        latency=latency(opened.name, opened.probes) if isinstance(opened, ProxyView) else None,
        many=len(accounts),
        known_groups=sorted({group for account in accounts for group in account.groups}),
        default=desk.office.settings().default_proxy,
    )


def _line(proxy: ProxyView) -> str | None:
    """How long its tries took of late, as small as a word."""
    return charts.sparkline([probe.took for probe in proxy.probes]) if len(proxy.probes) > 1 else None


async def _open(desk: Desk, wanted: str) -> ProxyView | str | None:
    """The proxy whose drawer is open; one that is no more has none."""
    if wanted in ("", NEW):
        return wanted or None
    try:
        return await get_proxy(desk, ProxyId(wanted))
    except NotFound:
        return None
