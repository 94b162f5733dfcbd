"""The API keys: a table with what each may do and has used, and a drawer to change, rotate and revoke one."""

from aiohttp import web

from sora2api.auth.keys import OVERLAP
from sora2api.errors import NotFound
from sora2api.web import guard
from sora2api.web.guard import CALLER, signed_in
from sora2api.web.keys import FIRST_START
from sora2api.web.operation import Desk, decode
from sora2api.web.operations.keys import KeyId, KeyLimits, KeysAsked, KeyView, get_key, list_keys
from sora2api.web.pages import shell

_PAGE = 20
NEW = "new"
"""What `open` asks for where a key is to be made."""


def routes() -> list[web.AbstractRouteDef]:
    return [web.get("/keys", show, name="keys")]


@signed_in
async def show(request: web.Request) -> web.Response:
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    found = await list_keys(desk, decode(KeysAsked, {"limit": str(_PAGE), **request.query}, typed=False))
    return shell(
        request,
        "keys.html",
        section="keys",
        session=session,
        keys=found.keys,
        older=found.next,
        open=await _open(desk, request.query.get("open", "")),
        unlimited=KeyLimits(),
        modes=sorted(desk.office.registry.modes),
        account_groups=sorted({group for account in desk.office.accounts.all() for group in account.groups}),
        overlap=OVERLAP / 3600,
        default_holds=request.config_dict[FIRST_START].default_key_holds(request[CALLER]),
    )


async def _open(desk: Desk, wanted: str) -> KeyView | str | None:
    """The key whose drawer is open; one that is no more has none."""
    if wanted in ("", NEW):
        return wanted or None
    try:
        return await get_key(desk, KeyId(wanted))
    except NotFound:
        return None
