"""`sora2api webhook`: the endpoints of all API keys, what was delivered to them, and the operator's alerts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec import Struct

from sora2api.cli.recorded import recorded
from sora2api.cli.state import open_state, print_json, print_table, run, state_options
from sora2api.errors import NotFound

if TYPE_CHECKING:
    from sora2api.auth.keys import KeyBook
    from sora2api.notify import Deliveries, Delivery, Endpoint, Endpoints
    from sora2api.store.database import Database


class Hooks(Struct, frozen=True):
    """What these commands work with."""

    database: "Database"
    endpoints: "Endpoints"
    deliveries: "Deliveries"
    keys: "KeyBook"


@click.group("webhook")
def command() -> None:
    """The webhook endpoints of all API keys. They are made over the API, by their owners."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many.")
@state_options
def list_(*, limit: int, data_dir: Path, as_json: bool) -> None:
    """List the endpoints."""
    found = run(_list(data_dir, limit))
    if as_json:
        print_json(found)
        return
    rows = ((each["id"], each["key"] or each["owner"], each["url"], _state(each)) for each in found)
    print_table(("id", "key", "URL", "state"), rows, empty="There are no endpoints.")


@command.command()
@click.argument("endpoint_id", metavar="ID")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many deliveries.")
@state_options
def show(*, endpoint_id: str, limit: int, data_dir: Path, as_json: bool) -> None:
    """Show an endpoint and what was delivered to it, the newest first."""
    endpoint, deliveries = run(_show(data_dir, endpoint_id, limit))
    if as_json:
        print_json(endpoint | {"deliveries": deliveries})
        return
    click.echo(f"{endpoint['id']}  {endpoint['url']}  {_state(endpoint)}")
    click.echo(f"  told of    {', '.join(endpoint['event_types'])}")
    rows = (
        (each["id"], _time(each["created_at"]), each["event"], each["status"], str(each["attempts"]), _outcome(each))
        for each in deliveries
    )
    print_table(("id", "made", "event", "status", "tries", "last"), rows, empty="Nothing was delivered yet.")


@command.command()
@click.argument("endpoint_id", metavar="ID")
@state_options
def enable(*, endpoint_id: str, data_dir: Path, as_json: bool) -> None:
    """Deliver to an endpoint again."""
    _say(run(_switch(data_dir, endpoint_id, on=True)), "is told again", as_json=as_json)


@command.command()
@click.argument("endpoint_id", metavar="ID")
@state_options
def disable(*, endpoint_id: str, data_dir: Path, as_json: bool) -> None:
    """Deliver nothing more to an endpoint; what is under way ends."""
    _say(run(_switch(data_dir, endpoint_id, on=False)), "is told nothing more", as_json=as_json)


@command.command()
@click.argument("endpoint_id", metavar="ID")
@state_options
def remove(*, endpoint_id: str, data_dir: Path, as_json: bool) -> None:
    """Remove an endpoint, with its deliveries."""
    _say(run(_remove(data_dir, endpoint_id)), "is removed", as_json=as_json)


@command.command()
@click.argument("endpoint_id", metavar="ID")
@click.argument("delivery_id", metavar="DELIVERY")
@state_options
def again(*, endpoint_id: str, delivery_id: str, data_dir: Path, as_json: bool) -> None:
    """Send a delivery again, with the same webhook-id; a running server does so within a minute."""
    sent = run(_again(data_dir, endpoint_id, delivery_id))
    if as_json:
        print_json(sent)
    else:
        click.echo(f"{sent['id']} is sent again.")


@command.command()
@state_options
def alerts(*, data_dir: Path, as_json: bool) -> None:
    """Show what the operator was told: first what is not over."""
    found = run(_alerts(data_dir))
    if as_json:
        print_json(found)
        return
    rows = (
        (
            _time(each["told_at"]),
            each["kind"],
            each["subject"],
            each["reason"],
            "over" if each["ended_at"] else "goes on",
        )
        for each in found
    )
    print_table(("told", "what", "of", "why", "state"), rows, empty="There was nothing to tell.")


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Hooks]:
    from sora2api.auth.keys import KeyBook
    from sora2api.notify import Deliveries, Endpoints, Signer
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database:
        endpoints = Endpoints(database, Signer(await asyncio.to_thread(Secrets.open, folder)))
        keys = KeyBook(database)
        await keys.load()
        yield Hooks(database, endpoints, Deliveries(database, endpoints), keys)


async def _list(folder: Path, limit: int) -> list[dict[str, Any]]:
    async with _opened(folder) as hooks:
        found, _ = await hooks.endpoints.of_all(after=None, limit=limit)
        return [_public(hooks, owner, endpoint) for owner, endpoint in found]


async def _show(folder: Path, endpoint_id: str, limit: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    async with _opened(folder) as hooks:
        owner, endpoint = await hooks.endpoints.of_any(endpoint_id)
        found, _ = await hooks.deliveries.page(endpoint_id, after=None, limit=limit, ascending=False)
        return _public(hooks, owner, endpoint), [_delivery(each) for each in found]


async def _switch(folder: Path, endpoint_id: str, *, on: bool) -> dict[str, Any]:
    async with _opened(folder) as hooks:
        owner, endpoint = await hooks.endpoints.of_any(endpoint_id)
        async with recorded(hooks.database, "webhooks.enable" if on else "webhooks.disable") as change:
            change.subject, change.before = endpoint.name, endpoint
            change.after = endpoint = await hooks.endpoints.change(endpoint_id, owner=owner, enabled=on)
        return _public(hooks, owner, endpoint)


async def _remove(folder: Path, endpoint_id: str) -> dict[str, Any]:
    async with _opened(folder) as hooks:
        owner, endpoint = await hooks.endpoints.of_any(endpoint_id)
        async with recorded(hooks.database, "webhooks.remove") as change:
            change.subject, change.before = endpoint.name, endpoint
            await hooks.endpoints.remove(endpoint_id, owner=owner)
        return _public(hooks, owner, endpoint)


async def _again(folder: Path, endpoint_id: str, delivery_id: str) -> dict[str, Any]:
    async with _opened(folder) as hooks, recorded(hooks.database, "webhooks.again") as change:
        change.subject, change.after = delivery_id, {"endpoint": endpoint_id, "delivery": delivery_id}
        return _delivery(await hooks.deliveries.again(delivery_id, endpoint_id=endpoint_id))


async def _alerts(folder: Path) -> list[dict[str, Any]]:
    from sora2api.notify import told

    async with open_state(folder) as database:
        found: list[dict[str, Any]] = msgspec.to_builtins(await told(database))
        return found


def _public(hooks: Hooks, owner: str, endpoint: "Endpoint") -> dict[str, Any]:
    """An endpoint, with whose it is; *key* is the name of the API key, null: it was revoked."""
    try:
        name = hooks.keys.get(owner).name
    except NotFound:
        name = None
    fields: dict[str, Any] = msgspec.to_builtins(endpoint)
    return fields | {"owner": owner, "key": name}


def _delivery(delivery: "Delivery") -> dict[str, Any]:
    event = msgspec.json.decode(delivery.body)
    fields: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(delivery, body=b""))
    del fields["body"]
    return fields | {"event": event["type"], "job": event.get("data", {}).get("id")}


def _say(endpoint: dict[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(endpoint)
    else:
        click.echo(f"{endpoint['id']} {what}.")


def _state(endpoint: dict[str, Any]) -> str:
    return "ready" if endpoint["disabled_at"] is None else "disabled"


def _outcome(delivery: dict[str, Any]) -> str:
    return str(delivery["error"] or delivery["status_code"] or "")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
