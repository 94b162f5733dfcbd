"""Webhooks: the endpoints of all keys, what was delivered to them, and the operator's alerts."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from sora2api.errors import NotFound
from sora2api.notify import ALERTS, Delivery, Endpoint, Told
from sora2api.web.operation import Change, Desk, Nothing, Operation
from sora2api.web.words import N_

_LATEST = 20


class EndpointView(Struct, frozen=True, kw_only=True):
    """An endpoint without its secret. *owner* is the id of its API key, *key* that one's name, null: revoked."""

    id: str
    owner: str
    key: str | None
    name: str
    url: str
    event_types: tuple[str, ...]
    created_at: float
    disabled_at: float | None


class DeliveryView(Struct, frozen=True, kw_only=True):
    """A delivery; *status_code* and *error* are of the last attempt, the next is *due_at*."""

    id: str
    event: str
    job: str | None
    status: str
    attempts: int
    status_code: int | None
    error: str | None
    created_at: float
    due_at: float | None
    ended_at: float | None


class EndpointList(Struct, frozen=True):
    """*next*: what to ask for as `after` to get those that follow; null: there are none."""

    endpoints: tuple[EndpointView, ...]
    next: str | None


class DeliveryList(Struct, frozen=True):
    """The newest first; *next* as in a list of endpoints."""

    endpoint: EndpointView
    deliveries: tuple[DeliveryView, ...]
    next: str | None


class AlertState(Struct, frozen=True):
    """*url*: whether a URL is set that alerts go to. *alerts* are those that are not over, then the last ones."""

    url: bool
    alerts: tuple[Told, ...]
    deliveries: tuple[DeliveryView, ...]


class PageAsked(Struct, frozen=True, kw_only=True):
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class EndpointId(Struct, frozen=True):
    id: str


class DeliveriesAsked(Struct, frozen=True, kw_only=True):
    id: str
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class DeliveryId(Struct, frozen=True):
    """*id* is the endpoint's."""

    id: str
    delivery: str


class _Data(Struct, frozen=True):
    id: str | None = None


class _Event(Struct, frozen=True):
    type: str
    data: _Data = _Data()


async def list_endpoints(desk: Desk, asked: PageAsked) -> EndpointList:
    found, more = await desk.office.webhooks.endpoints.of_all(after=asked.after, limit=asked.limit)
    shown = tuple(_view(desk, owner, endpoint) for owner, endpoint in found)
    return EndpointList(shown, shown[-1].id if more else None)


async def list_deliveries(desk: Desk, asked: DeliveriesAsked) -> DeliveryList:
    webhooks = desk.office.webhooks
    owner, endpoint = await webhooks.endpoints.of_any(asked.id)
    found, more = await webhooks.deliveries.page(asked.id, after=asked.after, limit=asked.limit, ascending=False)
    shown = tuple(_delivery(each) for each in found)
    return DeliveryList(_view(desk, owner, endpoint), shown, shown[-1].id if more else None)


async def get_alerts(desk: Desk, _asked: Nothing) -> AlertState:
    latest = await desk.office.webhooks.deliveries.latest(ALERTS, limit=_LATEST)
    url = bool(desk.office.settings().alert_url)
    return AlertState(url, tuple(await desk.office.alerts()), tuple(_delivery(each) for each in latest))


async def enable_endpoint(desk: Desk, asked: EndpointId) -> Change:
    return await _switch(desk, asked.id, on=True)


async def disable_endpoint(desk: Desk, asked: EndpointId) -> Change:
    return await _switch(desk, asked.id, on=False)


async def remove_endpoint(desk: Desk, asked: EndpointId) -> Change:
    owner, endpoint = await desk.office.webhooks.endpoints.of_any(asked.id)
    await desk.office.webhooks.endpoints.remove(asked.id, owner=owner)
    return Change(subject=endpoint.name, before=_view(desk, owner, endpoint))


async def send_again(desk: Desk, asked: DeliveryId) -> Change:
    sent = await desk.office.webhooks.deliveries.again(asked.delivery, endpoint_id=asked.id)
    return Change(subject=sent.id, value=_delivery(sent), after={"endpoint": asked.id, "delivery": sent.id})


async def _switch(desk: Desk, endpoint_id: str, *, on: bool) -> Change:
    endpoints = desk.office.webhooks.endpoints
    owner, before = await endpoints.of_any(endpoint_id)
    after = _view(desk, owner, await endpoints.change(endpoint_id, owner=owner, enabled=on))
    return Change(subject=after.name, value=after, before=_view(desk, owner, before), after=after)


def _view(desk: Desk, owner: str, endpoint: Endpoint) -> EndpointView:
    return EndpointView(
        id=endpoint.id,
        owner=owner,
        key=_key_name(desk, owner),
        name=endpoint.name,
        url=endpoint.url,
        event_types=endpoint.event_types,
        created_at=endpoint.created_at,
        disabled_at=endpoint.disabled_at,
    )


def _key_name(desk: Desk, owner: str) -> str | None:
    try:
        return desk.office.keys.get(owner).name
    except NotFound:
        return None


def _delivery(delivery: Delivery) -> DeliveryView:
    event = msgspec.json.decode(delivery.body, type=_Event)
    fields = {name: getattr(delivery, name) for name in DeliveryView.__struct_fields__ if name not in ("event", "job")}
    return DeliveryView(**fields, event=event.type, job=event.data.id)


TABLE = (
    Operation(
        name="webhooks.list",
        method="GET",
        path="/webhooks",
        summary="List the webhook endpoints of all API keys",
        does=list_endpoints,
        takes=PageAsked,
        gives=EndpointList,
    ),
    Operation(
        name="webhooks.alerts",
        method="GET",
        path="/webhooks/alerts",
        summary="Show what the operator was told, and whether it arrived",
        does=get_alerts,
        gives=AlertState,
    ),
    Operation(
        name="webhooks.deliveries",
        method="GET",
        path="/webhooks/{id}",
        summary="Show an endpoint and what was delivered to it",
        does=list_deliveries,
        takes=DeliveriesAsked,
        gives=DeliveryList,
    ),
    Operation(
        name="webhooks.enable",
        method="POST",
        path="/webhooks/{id}/enable",
        summary="Deliver to an endpoint again",
        does=enable_endpoint,
        takes=EndpointId,
        gives=EndpointView,
        role="operator",
        done=N_("{subject} is told again."),
        undo="webhooks.disable",
    ),
    Operation(
        name="webhooks.disable",
        method="POST",
        path="/webhooks/{id}/disable",
        summary="Deliver nothing more to an endpoint; what is under way ends",
        does=disable_endpoint,
        takes=EndpointId,
        gives=EndpointView,
        role="operator",
        done=N_("{subject} is told nothing more."),
    ),
    Operation(
        name="webhooks.remove",
        method="DELETE",
        path="/webhooks/{id}",
        summary="Remove an endpoint, with its deliveries",
        does=remove_endpoint,
        takes=EndpointId,
        gives=None,
        role="operator",
        done=N_("{subject} is removed."),
    ),
    Operation(
        name="webhooks.again",
        method="POST",
        path="/webhooks/{id}/deliveries/{delivery}/again",
        summary="Send a delivery again, with the same webhook-id",
        does=send_again,
        takes=DeliveryId,
        gives=DeliveryView,
        role="operator",
        done=N_("It is sent again."),
    ),
)
