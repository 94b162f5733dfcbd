"""Making a page: its templates, and how figures are written in them."""

import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import aiohttp_jinja2
import jinja2
import msgspec
from aiohttp import web
from jinja2.ext import InternationalizationExtension
from msgspec import Struct
from yarl import URL

from sora2api.auth.sessions import Session
from sora2api.observe.requests import REQUEST_ID
from sora2api.web.browsers import browser
from sora2api.web.sentences import meaning, say
from sora2api.web.words import LANGUAGE, LANGUAGES, N_, gettext, word, words

SAID: Final = "sora2api_said"
"""The cookie that carries what is said of a form to the page after it."""
THEME_COOKIE: Final = "sora2api_theme"
THEMES: Final = ("system", "light", "dark")
HERE: Final[ContextVar[URL]] = ContextVar("HERE")
"""The path and query of the page that is being made."""

_STYLED: Final = frozenset(
    Path(file.name).stem for file in (files("sora2api.web") / "static").iterdir() if file.name.endswith(".css")
)
"""The sections that have a style of their own, static/SECTION.css."""
_ADMINISTRATORS: Final = frozenset({"settings", "users", "audit"})
"""The sections that are no use to others."""
_CURSORS: Final = ("after", "before")
_ID_LENGTH: Final = 16
_THIN: Final = "\N{NARROW NO-BREAK SPACE}"
_TITLES: Final = {
    400: N_("Bad Request"),
    401: N_("Unauthorized"),
    403: N_("Forbidden"),
    404: N_("Not Found"),
    405: N_("Method Not Allowed"),
    410: N_("Gone"),
    429: N_("Too Many Requests"),
    500: N_("Internal Server Error"),
    503: N_("Service Unavailable"),
}
"""What replies are called in HTTP; one that is not here has the name that everybody knows."""


class Undo(Struct, frozen=True):
    """The operation that takes another back, with its fields."""

    operation: str
    fields: dict[str, str]


class Said(Struct, frozen=True):
    """What is said of a form that was sent."""

    text: str
    undo: Undo | None = None


def set_up(app: web.Application, *, static: str) -> None:
    """Give *app* the templates, each compiled when it is first shown; its static files lie at the path *static*."""
    filters: dict[str, Callable[..., str]] = {
        "size": size,
        "count": count,
        "exact": exact,
        "span": span,
        "seconds": seconds,
        "milliseconds": milliseconds,
        "figure": figure,
        "say": say,
        "ago": ago,
        "middle": middle,
        "browser": browser,
    }
    templates = aiohttp_jinja2.setup(
        app,
        loader=jinja2.PackageLoader("sora2api.web"),
        filters=filters,
        undefined=jinja2.StrictUndefined,
        extensions=[InternationalizationExtension],
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Not by `install_gettext_callables`: its functions take the context, and a page calls them some hundred times.
    templates.globals.update(here=here, asked=asked, meaning=meaning, gettext=word, ngettext=words)
    app[aiohttp_jinja2.static_root_key] = static


def page(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """The HTML page of a *template*. Never stored: it may show what the next user of the browser must not see."""
    theme = request.cookies.get(THEME_COOKIE, "")
    HERE.set(request.rel_url)
    shown = context | {
        "theme": theme if theme in THEMES else "system",
        "language": LANGUAGE.get(),
        "languages": LANGUAGES,
        "styled": _STYLED,
        "request_id": request.get(REQUEST_ID),
    }
    response = aiohttp_jinja2.render_template(template, request, shown, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def shell(request: web.Request, template: str, *, section: str, session: Session, **context: Any) -> web.Response:
    """A page within the panel's navigation, in the *section* it belongs to; with what was said of the last form."""
    said = request.cookies.get(SAID)
    hidden = _ADMINISTRATORS if session.role != "administrator" else frozenset()
    mounted = frozenset(request.app.router.named_resources()) - hidden
    shown: dict[str, Any] = {"section": section, "session": session, "mounted": mounted, "said": _said(said)}
    response = page(request, template, **(shown | context))
    if said is not None:
        response.del_cookie(SAID, path="/admin")
    return response


def _said(cookie: str | None) -> Said | None:
    """What was said of a form; nothing where the cookie is none of ours."""
    try:
        return None if cookie is None else msgspec.json.decode(unquote(cookie), type=Said)
    except msgspec.DecodeError:
        return None


def problem(request: web.Request, status: int, why: str, *, retry_after: float | None = None) -> web.Response:
    """The page that says what went wrong."""
    response = page(request, "problem.html", status=status, title=_title(status), why=why)
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(retry_after)))
    return response


def _title(status: int) -> str:
    return gettext(_TITLES[status]) if status in _TITLES else HTTPStatus(status).phrase


def size(amount: float) -> str:
    """Bytes, in the largest unit that leaves a figure of one or more."""
    units = [*map(gettext, (N_("B"), N_("KB"), N_("MB"), N_("GB"), N_("TB"), N_("PB")))]
    unit = 0
    while amount >= 1000 and unit < len(units) - 1:
        amount /= 1000
        unit += 1
    digits = 0 if unit == 0 or amount >= 100 else 1
    return f"{figure(f'{amount:.{digits}f}')}{_THIN}{units[unit]}"


def count(number: int) -> str:
    return f"{number:,}".replace(",", _THIN)


def span(length: float) -> str:
    """A length of time, to the second, the minute or the hour; of a few seconds the first two figures."""
    if 0 < length < 1:
        return milliseconds(length)
    if length < 90:
        short = f"{max(length, 0):{'.2g' if length < 9.5 else '.0f'}}"
        return f"{figure(short)}{_THIN}{gettext('s')}"
    minutes = length / 60
    return f"{minutes:.0f}{_THIN}{gettext('min')}" if minutes < 90 else f"{minutes / 60:.0f}{_THIN}{gettext('h')}"


def seconds(length: float, digits: int = 1) -> str:
    """A length of time in seconds, with so many *digits* after the point as it has."""
    return f"{figure(f'{round(length, digits):g}')}{_THIN}{gettext('s')}"


def milliseconds(length: float) -> str:
    return f"{length * 1000:.0f}{_THIN}{gettext('ms')}"


def figure(written: str) -> str:
    """A number that is *written* with a point, as the reader's language writes it."""
    from babel.numbers import get_decimal_symbol  # loaded for who looks, as in `sora2api.web.words`

    return written.replace(".", get_decimal_symbol(LANGUAGE.get()))


def exact(at: float) -> str:
    """A moment as a `<time>` wants it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def ago(at: float) -> str:
    """A moment as seen from now, in the reader's language: `5 minutes ago`, `in 2 hours`."""
    from babel.dates import format_timedelta  # loaded for who looks, as in `sora2api.web.words`

    away = timedelta(seconds=round(at - time.time()))
    return format_timedelta(away, threshold=1, add_direction=True, format="long", locale=LANGUAGE.get())


def middle(text: str) -> str:
    """An id without its middle: its kind and its end tell it from others."""
    return text if len(text) <= _ID_LENGTH else f"{text[:8]}…{text[-5:]}"


def here(**changes: str | None) -> str:
    """The page's own address with the query's fields changed, or removed by None.

    What else is shown has pages of its own: a cursor stays only where another drawer opens.
    """
    query = {name: value for name, value in HERE.get().query.items() if name not in changes}
    if changes.keys() - {"open"}:
        query = {name: value for name, value in query.items() if name not in _CURSORS}
    query |= {name: value for name, value in changes.items() if value}
    return str(URL.build(path=HERE.get().path).with_query(query))


def asked(name: str) -> str:
    """What the page's address asks for in a field of its query."""
    return HERE.get().query.get(name, "")
