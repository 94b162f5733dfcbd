"""Coming in and going out: login, the change of the default password, logout, and the choice of light or dark."""

from aiohttp import hdrs, web

from sora2api.auth import passwords
from sora2api.auth.first_start import FILE
from sora2api.auth.sessions import LONGEST, Session, WrongLogin
from sora2api.errors import InvalidValue, TooManyAttempts
from sora2api.web import words
from sora2api.web.guard import CALLER, COOKIE, FORM, SESSION, signed_in
from sora2api.web.keys import SESSIONS
from sora2api.web.pages import THEME_COOKIE, THEMES, page
from sora2api.web.words import LANGUAGES

YEAR = 365 * 86400


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/login", show_login, name="login"),
        web.post("/login", log_in),
        web.get("/password", show_password, name="password"),
        web.post("/password", change_password),
        web.post("/logout", log_out, name="logout"),
        web.post("/theme", choose_theme, name="theme"),
        web.post("/language", choose_language, name="language"),
    ]


async def show_login(request: web.Request) -> web.Response:
    if request[SESSION] is not None:
        raise web.HTTPSeeOther(request.app.router["overview"].url_for())
    return await _login_page(request)


async def log_in(request: web.Request) -> web.Response:
    form = request[FORM]
    name = form.get("username", "")
    try:
        token = await request.config_dict[SESSIONS].log_in(
            name, form.get("password", ""), caller=request[CALLER], origin=request.headers.get(hdrs.ORIGIN)
        )
    except (WrongLogin, TooManyAttempts) as error:
        response = await _login_page(request, status=error.status, error=error.message, name=name)
        if error.retry_after is not None:
            response.headers[hdrs.RETRY_AFTER] = str(max(1, round(error.retry_after)))
        return response
    return _enter(request, token)


async def show_password(request: web.Request) -> web.Response:
    return _password_page(request, _changing(request))


async def change_password(request: web.Request) -> web.Response:
    session = _changing(request)
    try:
        token = await request.config_dict[SESSIONS].change_password(session, _chosen(request))
    except InvalidValue as error:
        return _password_page(request, session, status=error.status, error=error.message)
    return _enter(request, token)


async def log_out(request: web.Request) -> web.Response:
    session = request[SESSION]
    if session is not None:
        await request.config_dict[SESSIONS].end(session)
    response = _go(request, "login")
    response.del_cookie(COOKIE, path=_root(request))
    return response


@signed_in
async def choose_theme(request: web.Request) -> web.Response:
    response = _go(request, "overview")
    theme = request[FORM].get("theme", "")
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=YEAR, path=_root(request), httponly=True, samesite="Strict")
    return response


@signed_in
async def choose_language(request: web.Request) -> web.Response:
    response = _go(request, "overview")
    language = request[FORM].get("language", "")
    if language in LANGUAGES:
        response.set_cookie(words.COOKIE, language, max_age=YEAR, path="/", httponly=True, samesite="Strict")
    return response


async def _login_page(
    request: web.Request, *, status: int = 200, error: str | None = None, name: str = ""
) -> web.Response:
    offers_default = await request.config_dict[SESSIONS].offers_default(request[CALLER])
    return page(
        request,
        "login.html",
        status=status,
        error=error,
        name=name,
        offers_default=offers_default,
        file=FILE,
    )


def _password_page(
    request: web.Request, session: Session, *, status: int = 200, error: str | None = None
) -> web.Response:
    return page(request, "password.html", status=status, session=session, error=error, shortest=passwords.SHORTEST)


def _chosen(request: web.Request) -> str:
    password = request[FORM].get("password", "")
    if password != request[FORM].get("again", ""):
        raise InvalidValue("The two passwords are not the same.", param="again")
    return password


def _changing(request: web.Request) -> Session:
    """The session that has to change the default password; others have nothing to do on that page."""
    session = request[SESSION]
    if session is None:
        raise web.HTTPSeeOther(request.app.router["login"].url_for())
    if not session.must_change:
        raise web.HTTPSeeOther(request.app.router["overview"].url_for())
    return session


def _enter(request: web.Request, token: str) -> web.Response:
    response = _go(request, "overview")
    response.set_cookie(
        COOKIE,
        token,
        path=_root(request),
        max_age=int(LONGEST),
        httponly=True,
        samesite="Strict",
        secure=request[CALLER].scheme == "https",
    )
    return response


def _go(request: web.Request, name: str) -> web.Response:
    return web.Response(status=303, headers={hdrs.LOCATION: str(request.app.router[name].url_for())})


def _root(request: web.Request) -> str:
    return str(request.app.router["overview"].url_for())
