"""The users of the panel, their sessions, and the keys of the admin API."""

from typing import Final, get_args

from aiohttp import web

from sora2api.auth.sessions import public_id
from sora2api.auth.users import Role
from sora2api.web import guard
from sora2api.web.guard import signed_in
from sora2api.web.operation import perform
from sora2api.web.pages import shell
from sora2api.web.table import BY_NAME

ROLES: Final = tuple(reversed(get_args(Role)))


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/users", show, name="users")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    users = (await perform(BY_NAME["users.list"], desk, {}, typed=False)).users
    opened = request.query.get("open", "")
    return shell(
        request,
        "users.html",
        section="users",
        session=session,
        users=users,
        keys=(await perform(BY_NAME["panel_keys.list"], desk, {}, typed=False)).keys,
        sessions=(await perform(BY_NAME["sessions.list"], desk, {}, typed=False)).sessions,
        mine=public_id(session.hash),
        opened=opened,
        user=next((user for user in users if user.id == opened), None),
        role_names=ROLES,
    )
