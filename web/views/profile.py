"""What everybody may do with their own login: another password, a second factor, the sessions there are."""

from aiohttp import hdrs, web

from sora2api.auth import passwords, totp
from sora2api.auth.sessions import public_id
from sora2api.errors import InvalidValue
from sora2api.web import guard, login
from sora2api.web.guard import CALLER, FORM, inside, signed_in
from sora2api.web.office import OFFICE
from sora2api.web.pages import shell


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/me", show, name="profile"),
        web.post("/me/password", change_password, name="own_password"),
        web.get("/me/factor", show_factor, name="own_factor"),
        web.get("/me/factor.svg", factor_picture, name="factor_picture"),
        web.post("/me/factor", confirm_factor),
        web.post("/me/factor/remove", remove_factor, name="remove_factor"),
        web.post("/me/sessions/end", end_session, name="end_own_session"),
    ]


@signed_in
async def show(request: web.Request) -> web.Response:
    return await _page(request)


@signed_in
async def change_password(request: web.Request) -> web.Response:
    _prove_first(request)
    session, office = guard.session(request), request.config_dict[OFFICE]
    try:
        new = login.chosen(request)
        token = await office.sessions.change_password(
            session, new, address=request[CALLER].address, agent=login.agent(request)
        )
    except InvalidValue as error:
        return await _page(request, status=error.status, error=error)
    await _note(request, "profile.password")
    return login.enter(request, token, to="profile")


@signed_in
async def show_factor(request: web.Request) -> web.Response:
    """The secret to be put into a telephone, as a picture and as text."""
    _prove_first(request)
    return _factor_page(request)


@signed_in
async def factor_picture(request: web.Request) -> web.Response:
    _prove_first(request)
    session = guard.session(request)
    secret = request.config_dict[OFFICE].factors.begin(session.user_id)
    drawn = await totp.picture(totp.address(secret, user=session.user))
    return web.Response(body=drawn, content_type="image/svg+xml", headers={hdrs.CACHE_CONTROL: "no-store"})


@signed_in
async def confirm_factor(request: web.Request) -> web.Response:
    _prove_first(request)
    session = guard.session(request)
    try:
        codes = await request.config_dict[OFFICE].factors.confirm(session.user_id, request[FORM].get("code", ""))
    except InvalidValue as error:
        return _factor_page(request, status=error.status, error=error.message)
    await _note(request, "profile.second_factor_on")
    return shell(request, "recovery.html", section="profile", session=session, codes=codes)


@signed_in
async def remove_factor(request: web.Request) -> web.Response:
    _prove_first(request)
    await request.config_dict[OFFICE].factors.remove(guard.session(request).user_id)
    await _note(request, "profile.second_factor_off")
    return _back(request)


@signed_in
async def end_session(request: web.Request) -> web.Response:
    """End one of the own sessions, or all but this one."""
    session, sessions = guard.session(request), request.config_dict[OFFICE].sessions
    wanted = request[FORM].get("id", "")
    if wanted:
        await sessions.end_listed(wanted, user_id=session.user_id)
    else:
        await sessions.end_others(session)
    await _note(request, "profile.end_sessions")
    return _back(request)


async def _page(request: web.Request, *, status: int = 200, error: InvalidValue | None = None) -> web.Response:
    session = guard.session(request)
    response = shell(
        request,
        "profile.html",
        section="profile",
        session=session,
        sessions=await request.config_dict[OFFICE].sessions.list(session.user_id),
        mine=public_id(session.hash),
        proved=guard.proved(request, session),
        shortest=passwords.SHORTEST,
        error=error,
    )
    response.set_status(status)
    return response


def _factor_page(request: web.Request, *, status: int = 200, error: str | None = None) -> web.Response:
    session = guard.session(request)
    secret = request.config_dict[OFFICE].factors.begin(session.user_id)
    response = shell(request, "factor.html", section="profile", session=session, secret=secret, error=error)
    response.set_status(status)
    return response


def _prove_first(request: web.Request) -> None:
    """Ask for the password, unless it was given a short time ago."""
    if not guard.proved(request, guard.session(request)):
        here = request.app.router["profile"].url_for()
        raise web.HTTPSeeOther(request.app.router["prove"].url_for().with_query(next=str(here)))


async def _note(request: web.Request, operation: str) -> None:
    """Put on record that somebody has changed the own login."""
    session, audit = guard.session(request), request.config_dict[OFFICE].audit
    entry = await audit.begin(user=session.user, address=request[CALLER].address, operation=operation)
    await audit.done(entry, subject=session.user)


def _back(request: web.Request) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: inside(str(request.app.router["profile"].url_for()))})
