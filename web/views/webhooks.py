"""The webhooks: the endpoints of all keys, a drawer with what was delivered to one, and the operator's alerts."""

from aiohttp import web

from sora2api.errors import NotFound
from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import Desk, Nothing, decode
from sora2api.web.operations.webhooks import (
    DeliveriesAsked,
    DeliveryList,
    PageAsked,
    get_alerts,
    list_deliveries,
    list_endpoints,
)
from sora2api.web.pages import shell


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/webhooks", show, name="webhooks")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    found = await list_endpoints(desk, decode(PageAsked, request.query, typed=False))
    return shell(
        request,
        "webhooks.html",
        section="webhooks",
        session=session,
        endpoints=found.endpoints,
        older=found.next,
        alerts=await get_alerts(desk, Nothing()),
        details=await _details(desk, request.query.get("open", "")),
    )


async def _details(desk: Desk, endpoint_id: str) -> DeliveryList | None:
    if not endpoint_id:
        return None
    try:
        return await list_deliveries(desk, DeliveriesAsked(id=endpoint_id))
    except NotFound:
        return None
