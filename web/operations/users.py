"""The users of the panel, with their sessions, and the keys of its API."""

from msgspec import Struct

from sora2api.auth.panel_keys import PanelKey
from sora2api.auth.sessions import Login
from sora2api.auth.users import Role, User
from sora2api.errors import InvalidValue
from sora2api.web.operation import Change, Desk, Nothing, Operation
from sora2api.web.words import N_

_LONGEST_NAME = 100


class UserList(Struct, frozen=True):
    users: tuple[User, ...]


class UserAdd(Struct, frozen=True):
    name: str
    role: Role


class UserId(Struct, frozen=True):
    id: str


class UserChange(Struct, frozen=True):
    id: str
    role: Role


class UserPassword(Struct, frozen=True):
    """A user with the *password* for the next login, which is shown only now, and changed then."""

    user: User
    password: str


class LoginList(Struct, frozen=True):
    sessions: tuple[Login, ...]


class LoginsAsked(Struct, frozen=True):
    """*user*: the id of the one whose sessions are asked for; null: all."""

    user: str | None = None


class LoginId(Struct, frozen=True):
    id: str


class PanelKeyList(Struct, frozen=True):
    keys: tuple[PanelKey, ...]


class PanelKeyCreate(Struct, frozen=True):
    name: str
    role: Role


class PanelKeyId(Struct, frozen=True):
    id: str


class PanelKeySecret(Struct, frozen=True):
    """A panel key with its *secret*, which is shown only now."""

    key: PanelKey
    secret: str


async def list_users(desk: Desk, _asked: Nothing) -> UserList:
    return UserList(tuple(await desk.office.users.list()))


async def add_user(desk: Desk, asked: UserAdd) -> Change:
    user, password = await desk.office.users.add(asked.name, asked.role)
    return Change(subject=user.name, value=UserPassword(user, password), after=_recorded(user))


async def change_user(desk: Desk, asked: UserChange) -> Change:
    before = await desk.office.users.get(asked.id)
    after = await desk.office.users.change(asked.id, asked.role)
    return Change(subject=after.name, value=after, before=_recorded(before), after=_recorded(after))


async def disable_user(desk: Desk, asked: UserId) -> Change:
    after = await desk.office.users.disable(asked.id)
    return Change(subject=after.name, value=after, after=_recorded(after))


async def enable_user(desk: Desk, asked: UserId) -> Change:
    after = await desk.office.users.enable(asked.id)
    return Change(subject=after.name, value=after, after=_recorded(after))


async def reset_password(desk: Desk, asked: UserId) -> Change:
    user, password = await desk.office.users.reset_password(asked.id)
    return Change(subject=user.name, value=UserPassword(user, password))


async def remove_second_factor(desk: Desk, asked: UserId) -> Change:
    before = await desk.office.users.get(asked.id)
    await desk.office.factors.remove(asked.id)
    after = await desk.office.users.get(asked.id)
    return Change(subject=after.name, value=after, before=_recorded(before), after=_recorded(after))


async def list_sessions(desk: Desk, asked: LoginsAsked) -> LoginList:
    return LoginList(tuple(await desk.office.sessions.list(asked.user)))


async def end_session(desk: Desk, asked: LoginId) -> Change:
    ended = await desk.office.sessions.end_listed(asked.id)
    return Change(subject=ended.user, before=ended)


async def end_sessions(desk: Desk, asked: UserId) -> Change:
    user = await desk.office.users.get(asked.id)
    number = await desk.office.users.end_sessions(user.id)
    return Change(subject=user.name, before={"sessions": number}, after={"sessions": 0})


async def list_panel_keys(desk: Desk, _asked: Nothing) -> PanelKeyList:
    return PanelKeyList(tuple(await desk.office.panel_keys.list()))


async def create_panel_key(desk: Desk, asked: PanelKeyCreate) -> Change:
    name = asked.name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidValue(f"A key's name has 1 to {_LONGEST_NAME} printable characters.", param="name")
    key, secret = await desk.office.panel_keys.create(name, asked.role)
    return Change(subject=key.name, value=PanelKeySecret(key, secret), after=key)


async def revoke_panel_key(desk: Desk, asked: PanelKeyId) -> Change:
    key = await desk.office.panel_keys.revoke(asked.id)
    return Change(subject=key.name, before=key)


def _recorded(user: User) -> dict[str, object]:
    """What the audit keeps of a user."""
    kept = ("id", "name", "role", "second_factor")
    return {name: getattr(user, name) for name in kept} | {"disabled": user.disabled_at is not None}


TABLE = (
    Operation(
        name="users.list",
        method="GET",
        path="/users",
        summary="List the users of the panel",
        does=list_users,
        gives=UserList,
        role="administrator",
    ),
    Operation(
        name="users.add",
        method="POST",
        path="/users",
        summary="Add a user; the password for the first login is in this reply alone",
        does=add_user,
        takes=UserAdd,
        gives=UserPassword,
        role="administrator",
        done=N_("{subject} may log in."),
        shows="user_password.html",
        proven=True,
    ),
    Operation(
        name="users.change",
        method="PATCH",
        path="/users/{id}",
        summary="Give a user another role",
        does=change_user,
        takes=UserChange,
        gives=User,
        role="administrator",
        done=N_("The role of {subject} is changed."),
        proven=True,
    ),
    Operation(
        name="users.disable",
        method="POST",
        path="/users/{id}/disable",
        summary="Let a user in no more, and end the sessions",
        does=disable_user,
        takes=UserId,
        gives=User,
        role="administrator",
        done=N_("{subject} is let in no more."),
        undo="users.enable",
    ),
    Operation(
        name="users.enable",
        method="POST",
        path="/users/{id}/enable",
        summary="Let a user in again",
        does=enable_user,
        takes=UserId,
        gives=User,
        role="administrator",
        done=N_("{subject} is let in again."),
        undo="users.disable",
    ),
    Operation(
        name="users.reset_password",
        method="POST",
        path="/users/{id}/reset_password",
        summary="Give a user a new password; it is in this reply alone",
        does=reset_password,
        takes=UserId,
        gives=UserPassword,
        role="administrator",
        done=N_("{subject} has a new password."),
        shows="user_password.html",
        proven=True,
    ),
    Operation(
        name="users.remove_second_factor",
        method="POST",
        path="/users/{id}/remove_second_factor",
        summary="Ask a user for no code any more, as when the telephone is lost",
        does=remove_second_factor,
        takes=UserId,
        gives=User,
        role="administrator",
        done=N_("{subject} is asked for no code any more."),
        proven=True,
    ),
    Operation(
        name="users.end_sessions",
        method="POST",
        path="/users/{id}/end_sessions",
        summary="End all sessions of a user",
        does=end_sessions,
        takes=UserId,
        gives=None,
        role="administrator",
        done=N_("The sessions of {subject} are ended."),
    ),
    Operation(
        name="sessions.list",
        method="GET",
        path="/sessions",
        summary="List the sessions, with address and browser",
        does=list_sessions,
        takes=LoginsAsked,
        gives=LoginList,
        role="administrator",
    ),
    Operation(
        name="sessions.end",
        method="DELETE",
        path="/sessions/{id}",
        summary="End a session",
        does=end_session,
        takes=LoginId,
        gives=None,
        role="administrator",
        done=N_("A session of {subject} is ended."),
    ),
    Operation(
        name="panel_keys.list",
        method="GET",
        path="/panel_keys",
        summary="List the keys of the admin API",
        does=list_panel_keys,
        gives=PanelKeyList,
        role="administrator",
    ),
    Operation(
        name="panel_keys.create",
        method="POST",
        path="/panel_keys",
        summary="Make a key of the admin API; its secret is in this reply alone",
        does=create_panel_key,
        takes=PanelKeyCreate,
        gives=PanelKeySecret,
        role="administrator",
        done=N_("{subject} is made."),
        shows="panel_key_secret.html",
        proven=True,
    ),
    Operation(
        name="panel_keys.revoke",
        method="DELETE",
        path="/panel_keys/{id}",
        summary="End a key of the admin API",
        does=revoke_panel_key,
        takes=PanelKeyId,
        gives=None,
        role="administrator",
        done=N_("{subject} is revoked."),
    ),
)
