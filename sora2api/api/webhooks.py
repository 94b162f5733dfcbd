"""/v1/webhook_endpoints: who is told when jobs end (wire format: OpenAI's), and, as our own, what was delivered."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
import orjson
from aiohttp import web
from msgspec import Meta, Struct

from sora2api.api.asking import postable
from sora2api.api.body import decoded, json_object
from sora2api.api.paging import listed, page
from sora2api.api.replies import reply
from sora2api.api.services import KEY, SERVICES
from sora2api.errors import InvalidValue, MissingParameter, NotFound
from sora2api.notify import EVENT_TYPES, Delivery, Endpoint, Webhooks

Fields = TypeVar("Fields", bound=Struct)
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class EndpointCreate(Struct):
    """The body of POST /v1/webhook_endpoints."""

    name: Name
    url: str
    event_types: list[str]


class EndpointChange(Struct):
    """The body of POST /v1/webhook_endpoints/{id}; *status* is our own."""

    name: Name | None = None
    url: str | None = None
    event_types: list[str] | None = None
    status: Literal["enabled", "disabled"] | None = None


class SecretRotation(Struct):
    """The body of POST /v1/webhook_endpoints/{id}/rotate_secret."""

    keep_old_secret_active_for_24_hours: bool | None = False


class EndpointTest(Struct):
    """The body of POST /v1/webhook_endpoints/{id}/test."""

    event_type: str


async def list_event_types(_request: web.Request) -> web.StreamResponse:
    return reply({"object": "list", "data": EVENT_TYPES})


async def create_endpoint(request: web.Request) -> web.StreamResponse:
    asked = await _asked(request, EndpointCreate)
    services = request.config_dict[SERVICES]
    await postable(services, asked.url, param="url")
    endpoint, secret = await services.webhooks.endpoints.create(
        owner=request[KEY].id, name=asked.name, url=asked.url, event_types=asked.event_types
    )
    return reply(_shown(endpoint) | {"signing_secret": secret})


async def list_endpoints(request: web.Request) -> web.StreamResponse:
    wanted = page(request, default=20, largest=100)
    try:
        found, more = await _webhooks(request).endpoints.page(
            owner=request[KEY].id, after=wanted.after, limit=wanted.limit, ascending=wanted.ascending
        )
    except NotFound as error:
        error.param = "after"
        raise
    return listed([_shown(endpoint) for endpoint in found], more=more)


async def get_endpoint(request: web.Request) -> web.StreamResponse:
    return reply(_shown(await _endpoint(request)))


async def change_endpoint(request: web.Request) -> web.StreamResponse:
    asked = await _asked(request, EndpointChange)
    await postable(request.config_dict[SERVICES], asked.url, param="url")
    endpoint = await _webhooks(request).endpoints.change(
        request.match_info["id"],
        owner=request[KEY].id,
        name=asked.name,
        url=asked.url,
        event_types=asked.event_types,
        enabled=None if asked.status is None else asked.status == "enabled",
    )
    return reply(_shown(endpoint))


async def delete_endpoint(request: web.Request) -> web.StreamResponse:
    endpoint_id = request.match_info["id"]
    await _webhooks(request).endpoints.remove(endpoint_id, owner=request[KEY].id)
    return reply({"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True})


async def rotate_secret(request: web.Request) -> web.StreamResponse:
    asked = await _asked(request, SecretRotation)
    endpoint, secret = await _webhooks(request).endpoints.rotate(
        request.match_info["id"], owner=request[KEY].id, keep_old=bool(asked.keep_old_secret_active_for_24_hours)
    )
    return reply(_shown(endpoint) | {"signing_secret": secret})


async def test_endpoint(request: web.Request) -> web.StreamResponse:
    """Send a sample now, and tell what the endpoint answered; no answer is an error."""
    asked = await _asked(request, EndpointTest)
    if asked.event_type not in EVENT_TYPES:
        raise InvalidValue(f"`event_type` is one of {', '.join(EVENT_TYPES)}.", param="event_type")
    endpoint_id = request.match_info["id"]
    status = await _webhooks(request).sender.test(endpoint_id, asked.event_type, owner=request[KEY].id)
    result = {"event_type": asked.event_type, "status_code": status, "success": True}
    return reply({"object": "webhook_endpoint.test", "webhook_endpoint_id": endpoint_id} | result)


async def callback_secret(request: web.Request) -> web.StreamResponse:
    """What signs the deliveries to this key's `callback_url`s."""
    secret = _webhooks(request).signer.callback_secret(request[KEY].id)
    return reply({"object": "webhook_endpoint.callback_secret", "signing_secret": secret})


# Deliveries.


async def list_deliveries(request: web.Request) -> web.StreamResponse:
    wanted = page(request, default=20, largest=100)
    endpoint = await _endpoint(request)
    try:
        found, more = await _webhooks(request).deliveries.page(
            endpoint.id, after=wanted.after, limit=wanted.limit, ascending=wanted.ascending
        )
    except NotFound as error:
        error.param = "after"
        raise
    return listed([_told(endpoint, delivery) for delivery in found], more=more)


async def redeliver(request: web.Request) -> web.StreamResponse:
    endpoint = await _endpoint(request)
    delivery = await _webhooks(request).deliveries.again(request.match_info["delivery"], endpoint_id=endpoint.id)
    return reply(_told(endpoint, delivery))


# Decoding and showing.


def _webhooks(request: web.Request) -> Webhooks:
    return request.config_dict[SERVICES].webhooks


async def _endpoint(request: web.Request) -> Endpoint:
    return await _webhooks(request).endpoints.get(request.match_info["id"], owner=request[KEY].id)


async def _asked(request: web.Request, fields: type[Fields]) -> Fields:
    """The body; none at all is an empty one."""
    body = await json_object(request) if request.can_read_body else {}
    for field in msgspec.structs.fields(fields):
        if field.required and field.encode_name not in body:
            raise MissingParameter(f"`{field.encode_name}` is missing.", param=field.encode_name)
    return decoded(body, fields)


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    """OpenAI's WebhookEndpoint, and our *status* beside it: a disabled one is told nothing."""
    return {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "name": endpoint.name,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "signing_secret_hint": endpoint.hint,
        "created_at": int(endpoint.created_at),
        "updated_at": int(endpoint.updated_at),
        "status": "enabled" if endpoint.disabled_at is None else "disabled",
    }


def _told(endpoint: Endpoint, delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "object": "webhook_endpoint.delivery",
        "webhook_endpoint_id": endpoint.id,
        "event": orjson.loads(delivery.body),
        "status": delivery.status,
        "attempts": delivery.attempts,
        "status_code": delivery.status_code,
        "error": delivery.error,
        "created_at": int(delivery.created_at),
        "next_attempt_at": None if delivery.due_at is None else int(delivery.due_at),
        "ended_at": None if delivery.ended_at is None else int(delivery.ended_at),
    }
