"""`sora2api user`: those who may use the panel, their passwords and their sessions."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from sora2api.cli.recorded import Change, recorded
from sora2api.cli.state import open_state, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.auth.users import Role, User, Users

T = TypeVar("T")

_ROLES: Final = ("viewer", "operator", "administrator")
_role_option = click.option("--role", type=click.Choice(_ROLES), required=True, help="What the user may do.")


@click.group("user")
def command() -> None:
    """The users of the panel, by name or id. What is changed here holds at once, for a running server too."""


@command.command("list")
@state_options
def list_(*, data_dir: Path, as_json: bool) -> None:
    """List the users, with their roles and sessions."""
    found = run(_list(data_dir))
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    rows = (
        (user.id, user.name, user.role, _factor(user), str(user.sessions), _seen(user), _state(user)) for user in found
    )
    columns = ("id", "name", "role", "second factor", "sessions", "last seen", "state")
    print_table(columns, rows, empty="Nobody has logged in yet: the first login is admin.")


@command.command()
@click.argument("name")
@_role_option
@state_options
def add(*, name: str, role: "Role", data_dir: Path, as_json: bool) -> None:
    """Add a user, and print the password for the first login: it is shown only this once, and changed then."""

    async def add(users: "Users", change: Change) -> "tuple[User, str]":
        change.subject = name
        change.after, password = await users.add(name, role)
        return change.after, password

    _say_password(run(_changing(data_dir, "users.add", add)), as_json=as_json)


@command.command("reset-password")
@click.argument("name")
@state_options
def reset_password(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Give a user a new password and print it; it is changed at the next login. All their sessions end."""

    async def reset(users: "Users", change: Change) -> "tuple[User, str]":
        change.subject = name
        return await users.reset_password((await users.named(name)).id)

    _say_password(run(_changing(data_dir, "users.reset_password", reset)), as_json=as_json)


@command.command()
@click.argument("name")
@_role_option
@state_options
def change(*, name: str, role: "Role", data_dir: Path, as_json: bool) -> None:
    """Give a user another role."""
    _say(
        run(_changed(data_dir, name, "users.change", lambda users, of: users.change(of, role))),
        f"is {role} now",
        as_json=as_json,
    )


@command.command()
@click.argument("name")
@state_options
def disable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Let a user in no more, and end their sessions."""
    disabled = _changed(data_dir, name, "users.disable", lambda users, of: users.disable(of))
    _say(run(disabled), "is let in no more", as_json=as_json)


@command.command()
@click.argument("name")
@state_options
def enable(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Let a user in again."""
    enabled = _changed(data_dir, name, "users.enable", lambda users, of: users.enable(of))
    _say(run(enabled), "is let in again", as_json=as_json)


@command.command()
@click.argument("name")
@state_options
def remove(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Forget a user, and end their sessions."""

    async def removed(users: "Users", change: Change) -> "User":
        user = await users.named(name)
        change.subject, change.before = user.name, user
        await users.remove(user.id)
        return user

    _say(run(_changing(data_dir, "users.remove", removed)), "is removed", as_json=as_json)


@command.command("end-sessions")
@click.argument("name")
@state_options
def end_sessions(*, name: str, data_dir: Path, as_json: bool) -> None:
    """End all sessions of a user, who may log in again."""

    async def ended(users: "Users", change: Change) -> "tuple[User, int]":
        user = await users.named(name)
        count = await users.end_sessions(user.id)
        change.subject, change.before, change.after = user.name, {"sessions": count}, {"sessions": 0}
        return user, count

    user, count = run(_changing(data_dir, "users.end_sessions", ended))
    if as_json:
        print_json({"id": user.id, "name": user.name, "ended": count})
    else:
        click.echo(f"{count} sessions of {user.name} are ended.")


@command.command("remove-second-factor")
@click.argument("name")
@state_options
def remove_second_factor(*, name: str, data_dir: Path, as_json: bool) -> None:
    """Ask a user for no code any more, as when the telephone is lost."""
    _say(run(_without_factor(data_dir, name)), "is asked for no code any more", as_json=as_json)


async def _list(folder: Path) -> "Sequence[User]":
    from sora2api.auth.users import Users

    async with open_state(folder) as database:
        return await Users(database).list()


async def _changing(folder: Path, operation: str, act: "Callable[[Users, Change], Awaitable[T]]") -> T:
    """What *act* gives, which says what it changes."""
    from sora2api.auth.users import Users

    async with open_state(folder) as database, recorded(database, operation) as change:
        return await act(Users(database), change)


async def _changed(folder: Path, name: str, operation: str, act: "Callable[[Users, str], Awaitable[User]]") -> "User":
    """The user of that *name* as *act*, given the id, leaves them."""

    async def changed(users: "Users", change: Change) -> "User":
        change.before = user = await users.named(name)
        change.subject = user.name
        change.after = is_now = await act(users, user.id)
        return is_now

    return await _changing(folder, operation, changed)


async def _without_factor(folder: Path, name: str) -> "User":
    import asyncio

    from sora2api.auth.totp import SecondFactors
    from sora2api.auth.users import Users
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database:
        users = Users(database)
        user = await users.named(name)
        async with recorded(database, "users.remove_second_factor") as change:
            change.subject, change.before = user.name, user
            await SecondFactors(database, await asyncio.to_thread(Secrets.open, folder)).remove(user.id)
            change.after = user = await users.get(user.id)
        return user


def _say(user: "User", what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(user))
    else:
        click.echo(f"{user.name} {what}.")


def _say_password(given: "tuple[User, str]", *, as_json: bool) -> None:
    user, password = given
    if as_json:
        fields: dict[str, Any] = msgspec.to_builtins(user)
        print_json(fields | {"password": password})
        return
    click.echo(password)
    click.echo(f"This is the password of {user.name} for the next login. It is not shown again.", err=True)


def _factor(user: "User") -> str:
    return "yes" if user.second_factor else "no"


def _seen(user: "User") -> str:
    return "" if user.seen_at is None else datetime.fromtimestamp(user.seen_at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _state(user: "User") -> str:
    if user.disabled_at is not None:
        return "disabled"
    return "changes the password" if user.must_change else "ready"
