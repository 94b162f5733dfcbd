"""The pages' forms: each posts the fields of one operation to /admin/do/NAME, and comes back to a page that says so.

A form that was sent without a script loses nothing: what it asks for with a question is asked on a page of its own, and
what is refused comes back to be mended.
"""

from collections.abc import Mapping
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

_OWN: Final = ("csrf", "next", "ask", "confirm", "confirmed")
"""Fields of the form itself: *ask* is a question to be agreed to, *confirm* a name that has to be typed."""
_YES: Final = "yes"
_MENDABLE: Final = frozenset({400, 409, 413, 422})


def routes() -> list[web.AbstractRouteDef]:
    return [web.post("/do/{operation}", do, name="do")]


@signed_in
async def do(request: web.Request) -> web.Response:
    """Do what a form asks. A page's script, which asks for JSON and has put the question, gets that."""
    operation = BY_NAME.get(request.match_info["operation"])
    if operation is None:
        raise NotFound("There is no such operation.")
    if not scripted(request) and not _agreed(request[FORM]):
        return _question(request, operation)
    session = guard.session(request)
    desk = guard.desk(request, user=session.user, role=session.role)
    fields = given(request)
    try:
        change: Change = await perform(operation, desk, fields, typed=False)
    except Sora2ApiError as error:
        return _refused(request, operation, error)
    return _done(request, operation, change, fields)


def scripted(request: web.Request) -> bool:
    """Whether a page's script has sent the form, and not the browser by itself."""
    return "application/json" in request.headers.get(hdrs.ACCEPT, "")


def given(request: web.Request) -> dict[str, str]:
    """What was typed: the operation's fields."""
    return {name: value for name, value in request[FORM].items() if name not in _OWN}


def _agreed(form: Mapping[str, str]) -> bool:
    if "confirm" in form:
        return form.get("confirmed", "").strip() == form["confirm"]
    return "ask" not in form or form.get("confirmed") == _YES


def _question(request: web.Request, operation: Operation) -> web.Response:
    form = request[FORM]
    return _page(
        request,
        operation,
        "confirm.html",
        question=form.get("ask"),
        confirm=form.get("confirm"),
        summary=operation.summary,
        wrong="confirmed" in form,
        yes=_YES,
    )


def _refused(request: web.Request, operation: Operation, error: Sora2ApiError) -> web.Response:
    if scripted(request):
        return problem(error)
    if isinstance(error, ProofNeeded):  # to the page that asks for the password, and from there back
        where = URL("/admin/prove").with_query(next=_back(request))
        return web.Response(status=303, headers={hdrs.LOCATION: str(where)})
    if error.status not in _MENDABLE:
        raise error
    response = _page(request, operation, "refused.html", error=error)
    response.set_status(error.status)
    return response


def _page(request: web.Request, operation: Operation, template: str, **shown: object) -> web.Response:
    """A page that holds what was sent, to be sent again."""
    section = operation.name.partition(".")[0]
    again = {"operation": operation.name, "fields": given(request), "back": _back(request)}
    return shell(request, template, section=section, session=guard.session(request), **again, **shown)


def _done(request: web.Request, operation: Operation, change: Change, fields: dict[str, str]) -> web.Response:
    said = _said(operation, change, fields)
    if operation.shows is not None:
        section, session = operation.name.partition(".")[0], guard.session(request)
        return shell(request, operation.shows, section=section, session=session, said=said, value=change.value)
    encoded = msgspec.json.encode(said)
    if scripted(request):
        return web.Response(body=encoded, content_type="application/json")
    response = web.Response(status=303, headers={hdrs.LOCATION: _back(request)})
    response.set_cookie(SAID, quote(encoded), path="/admin", httponly=True, samesite="Strict")
    return response


def _said(operation: Operation, change: Change, fields: dict[str, str]) -> Said:
    undo = None if operation.undo is None else Undo(operation.undo, fields)
    return Said(gettext(operation.done).format(subject=change.subject), undo)


def _back(request: web.Request) -> str:
    """The page that the form names, or that it stands on; never one of another site."""
    return guard.inside(request[FORM].get("next", "") or request.headers.get(hdrs.REFERER, ""))
