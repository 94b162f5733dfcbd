"""What stands before every page: who asks, from which page, and what a browser may do with the answer."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import BodyPartReader, hdrs, web

from sora2api.auth.address import Caller, caller, networks, public_base
from sora2api.auth.passwords import same
from sora2api.auth.sessions import Session
from sora2api.auth.users import Role
from sora2api.errors import (
    Forbidden,
    InvalidRequest,
    Sora2ApiError,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
)
from sora2api.web.keys import SESSIONS, SETTINGS
from sora2api.web.office import OFFICE
from sora2api.web.operation import Desk
from sora2api.web.pages import problem
from sora2api.web.sentences import say

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

COOKIE: Final = "sora2api_session"
UNASKED: Final = "X-Unasked"
"""What a page's script says of what it fetches by itself: only what a person does keeps a session from ending."""
CALLER: Final = web.RequestKey("CALLER", Caller)
SESSION: Final[web.RequestKey[Session | None]] = web.RequestKey("SESSION")
FORM: Final[web.RequestKey[Mapping[str, str]]] = web.RequestKey("FORM")

BARE_POLICY: Final = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
"""What every page of ours needs; media and scripts are added where there are any."""
POLICY: Final = (
    f"{BARE_POLICY}; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:"
)
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers say `Origin: null` when a form is sent.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}
_ONLY_TLS: Final = "max-age=31536000"
"""For a year, and for this host alone: what else runs beside it may not have TLS."""
_LARGEST_FORM: Final = 64 * 1024
_LARGEST_UPLOAD: Final = 8 * 1024 * 1024
_UPLOADS: Final = frozenset({"accounts.preview"})
"""The operations whose form may have a file in it."""
_CHOSEN: Final = "ids"
_WHY: Final = {404: "There is no such page.", 405: "This page cannot be used this way."}

_log = logging.getLogger(__name__)


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the browser what this page may not do; a page that has said so itself is left alone."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if CALLER in request and request[CALLER].scheme == "https":
        response.headers.setdefault("Strict-Transport-Security", _ONLY_TLS)


@web.middleware
async def errors_as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = problem(request, error.status, say(_WHY.get(error.status, error.reason)))
        if hdrs.ALLOW in error.headers:
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return response
    except Sora2ApiError as error:
        return problem(request, error.status, say(error.message), retry_after=error.retry_after)
    except Exception:  # noqa: BLE001 - the last boundary before the browser
        _log.exception("A page failed: %s %s", request.method, request.path)
        return problem(request, 500, say("The server made a mistake; its log says which."))


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who calls, and in which session."""
    settings = request.config_dict[SETTINGS]()
    request[CALLER] = caller(request, networks(settings.trusted_proxies))
    token = request.cookies.get(COOKIE)
    sessions = request.config_dict[SESSIONS]
    used = UNASKED not in request.headers and request.match_info.route.name != "live"
    request[SESSION] = await sessions.find(token, request[CALLER], used=used) if token else None
    return await handler(request)


@web.middleware
async def refuse_forgeries(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take a form only from one of our own pages: by what the browser says, and by the session's token in the form."""
    if request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
        return await handler(request)
    if not _from_own_page(request):
        raise Forbidden("This form was sent by a page of another site.")
    request[FORM] = await _form(request)
    session = request[SESSION]
    if session is not None:
        check_csrf(request, session, request[FORM].get("csrf", ""))
    return await handler(request)


def check_csrf(request: web.Request, session: Session, given: str) -> None:
    """Raise `Forbidden` where a change does not come from a page of ours, in that session."""
    if not _from_own_page(request):
        raise Forbidden("This form was sent by a page of another site.")
    if not same(given, session.csrf):
        raise Forbidden("This form is out of date: go back, load the page again, and send it once more.")


def desk(request: web.Request, *, user: str, role: Role) -> Desk:
    """The desk at which *user* works."""
    office = request.config_dict[OFFICE]
    who = request[CALLER]
    here = request.get(SESSION)
    return Desk(
        office=office,
        user=user,
        role=role,
        address=who.address,
        base=public_base(who, office.settings().public_url),
        proved=here is None or proved(request, here),
    )


def proved(request: web.Request, session: Session) -> bool:
    """Whether the *session*'s user gave the password within the last five minutes, so that a secret may be shown."""
    return request.config_dict[SESSIONS].proved(session)


def signed_in(handler: Handler) -> Handler:
    """For pages that want a session; one that was made with the default password must change it first."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        session = request[SESSION]
        if session is None:
            raise web.HTTPSeeOther(request.app.router["login"].url_for())
        if session.must_change:
            raise web.HTTPSeeOther(request.app.router["password"].url_for())
        return await handler(request)

    return guarded


def session(request: web.Request) -> Session:
    """The session of a page that is for those who have `signed_in`."""
    found = request[SESSION]
    if found is None:
        raise Unauthenticated("Log in first.")
    return found


def inside(address: str) -> str:
    """The path of an *address* in the panel; of any other, the overview's."""
    path = address.partition("://")[2].partition("/")[2] if "://" in address else address.removeprefix("/")
    return f"/{path}" if path.startswith("admin/") and "\\" not in path else "/admin/"


def _from_own_page(request: web.Request) -> bool:
    """Browsers say Sec-Fetch-Site over TLS and on loopback, Origin always; what says neither is no browser."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is None or origin.partition("://")[2].lower() == request[CALLER].host.lower()


async def _form(request: web.Request) -> Mapping[str, str]:
    uploads = request.match_info.get("operation") in _UPLOADS
    if request.content_length is None or request.content_length > (_LARGEST_UPLOAD if uploads else _LARGEST_FORM):
        raise TooLarge
    if uploads and request.content_type == "multipart/form-data":
        return await _parts(request)
    if request.content_length and request.content_type != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType
    try:
        fields = await request.post()
    except (UnicodeDecodeError, LookupError) as error:
        raise InvalidRequest from error
    given = {name: value for name, value in fields.items() if isinstance(value, str)}
    if _CHOSEN in given:  # a field for each chosen row
        given[_CHOSEN] = "\n".join(str(value) for value in fields.getall(_CHOSEN))
    return given


async def _parts(request: web.Request) -> Mapping[str, str]:
    """The fields of a form with a file in it, which is taken as text."""
    given = {}
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name is not None:
                given[part.name] = (await part.read()).decode()
    except ValueError as error:
        raise InvalidRequest(f"The form, or the file in it, cannot be read as text: {error}") from error
    return given
