"""The pages' forms: each posts the fields of one operation to /admin/do/NAME, and comes back to a page that says so."""

from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import hdrs, web
from yarl import URL

from sora2api.errors import NotFound, Sora2ApiError
from sora2api.web import guard
from sora2api.web.api import problem
from sora2api.web.guard import FORM, signed_in
from sora2api.web.operation import Change, Operation, ProofNeeded, perform
from sora2api.web.pages import SAID, Said, Undo, shell
from sora2api.web.table import BY_NAME
from sora2api.web.words import gettext

_OWN: Final = ("csrf", "next")


def routes() -> list[web.AbstractRouteDef]:
    return [web.post("/do/{operation}", do, name="do")]


@signed_in
async def do(request: web.Request) -> web.Response:
    """Do what a form asks. A page's script, which asks for JSON, gets it in place of the next page."""
    scripted = "application/json" in request.headers.get(hdrs.ACCEPT, "")
    try:
        operation = BY_NAME[request.match_info["operation"]]
    except KeyError:
        raise NotFound("There is no such operation.") from None
    fields = {name: value for name, value in request[FORM].items() if name not in _OWN}
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    try:
        change: Change = await perform(operation, desk, fields, typed=False)
    except Sora2ApiError as error:
        if scripted:
            return problem(error)
        if isinstance(error, ProofNeeded):
            return _prove(request)
        raise
    said = _said(operation, change, fields)
    if operation.shows is not None:
        section = operation.name.partition(".")[0]
        return shell(request, operation.shows, section=section, session=session, said=said, value=change.value)
    encoded = msgspec.json.encode(said)
    if scripted:
        return web.Response(body=encoded, content_type="application/json")
    response = _next(request)
    response.set_cookie(SAID, quote(encoded), path="/admin", httponly=True, samesite="Strict")
    return response


def _said(operation: Operation, change: Change, fields: dict[str, str]) -> Said:
    undo = None if operation.undo is None else Undo(operation.undo, fields)
    return Said(gettext(operation.done).format(subject=change.subject), undo)


def _prove(request: web.Request) -> web.Response:
    """To the page that asks for the password, and from there back."""
    back = _next(request).headers[hdrs.LOCATION]
    return web.Response(status=303, headers={hdrs.LOCATION: str(URL("/admin/prove").with_query(next=back))})


def _next(request: web.Request) -> web.Response:
    """Back to the page that the form names, or that it stands on; never to another site."""
    wanted = request[FORM].get("next", "") or request.headers.get(hdrs.REFERER, "")
    return web.Response(status=303, headers={hdrs.LOCATION: guard.inside(wanted)})
