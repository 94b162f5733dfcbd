"""Coming in and going out: login in one step or two, a password given once more, logout, and choices of looks."""

from aiohttp import hdrs, web

from sora2api.auth import passwords
from sora2api.auth.first_start import ADMIN, FILE
from sora2api.auth.sessions import LONGEST, CodeNeeded, Session, WrongCode, WrongLogin
from sora2api.errors import InvalidValue, TooManyAttempts
from sora2api.web import words
from sora2api.web.guard import CALLER, COOKIE, FORM, SESSION, inside, session, signed_in
from sora2api.web.keys import SESSIONS
from sora2api.web.pages import THEME_COOKIE, THEMES, page
from sora2api.web.words import LANGUAGES

YEAR = 365 * 86400


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/login", show_login, name="login"),
        web.post("/login", log_in),
        web.post("/login/code", give_code, name="code"),
        web.get("/prove", show_proof, name="prove"),
        web.post("/prove", prove),
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
            name,
            form.get("password", ""),
            caller=request[CALLER],
            origin=request.headers.get(hdrs.ORIGIN),
            agent=agent(request),
        )
    except CodeNeeded as needed:
        return page(request, "code.html", ticket=needed.ticket, error=None)
    except (WrongLogin, TooManyAttempts) as error:
        return _later(await _login_page(request, status=error.status, error=error.message, name=name), error)
    return enter(request, token)


async def give_code(request: web.Request) -> web.Response:
    """The second step of a login."""
    ticket = request[FORM].get("ticket", "")
    try:
        token = await request.config_dict[SESSIONS].finish(
            ticket, request[FORM].get("code", ""), caller=request[CALLER], agent=agent(request)
        )
    except (WrongCode, TooManyAttempts) as error:
        return _later(page(request, "code.html", status=error.status, ticket=ticket, error=error.message), error)
    except WrongLogin as error:
        return await _login_page(request, status=error.status, error=error.message)
    return enter(request, token)


@signed_in
async def show_proof(request: web.Request) -> web.Response:
    """The page that asks for the password once more, before something secret."""
    return page(request, "prove.html", session=session(request), next=inside(request.query.get("next", "")), error=None)


@signed_in
async def prove(request: web.Request) -> web.Response:
    back, here = inside(request[FORM].get("next", "")), session(request)
    try:
        await request.config_dict[SESSIONS].prove(here, request[FORM].get("password", ""), caller=request[CALLER])
    except (WrongLogin, TooManyAttempts) as error:
        asked = page(request, "prove.html", status=error.status, session=here, next=back, error=error.message)
        return _later(asked, error)
    return web.Response(status=303, headers={hdrs.LOCATION: back})


async def show_password(request: web.Request) -> web.Response:
    return await _password_page(request, _changing(request))


async def change_password(request: web.Request) -> web.Response:
    changing = _changing(request)
    try:
        token = await request.config_dict[SESSIONS].change_password(
            changing, chosen(request), address=request[CALLER].address, agent=agent(request)
        )
    except InvalidValue as error:
        return await _password_page(request, changing, status=error.status, error=error)
    return enter(request, token)


async def log_out(request: web.Request) -> web.Response:
    ending = request[SESSION]
    if ending is not None:
        await request.config_dict[SESSIONS].end(ending)
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


async def _password_page(
    request: web.Request, changing: Session, *, status: int = 200, error: InvalidValue | None = None
) -> web.Response:
    default = await request.config_dict[SESSIONS].offers_default(request[CALLER])
    return page(
        request,
        "password.html",
        status=status,
        session=changing,
        error=error,
        shortest=passwords.SHORTEST,
        default=default and changing.user == ADMIN,
    )


def _later(response: web.Response, error: WrongLogin | TooManyAttempts) -> web.Response:
    if error.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(max(1, round(error.retry_after)))
    return response


def agent(request: web.Request) -> str:
    """What the browser calls itself."""
    return request.headers.get(hdrs.USER_AGENT, "")


def chosen(request: web.Request) -> str:
    """The new password that was typed twice. Raises `InvalidValue`."""
    password = request[FORM].get("password", "")
    if password != request[FORM].get("again", ""):
        raise InvalidValue("The two passwords are not the same.", param="again")
    return password


def _changing(request: web.Request) -> Session:
    """The session that has to change its password first; others have nothing to do on that page."""
    changing = request[SESSION]
    if changing is None:
        raise web.HTTPSeeOther(request.app.router["login"].url_for())
    if not changing.must_change:
        raise web.HTTPSeeOther(request.app.router["overview"].url_for())
    return changing


def enter(request: web.Request, token: str, *, to: str = "overview") -> web.Response:
    """Into the panel, with the session's cookie, to the page of that name."""
    response = _go(request, to)
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
