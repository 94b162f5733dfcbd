"""The panel's words in the reader's language: gettext catalogs, chosen by a cookie, else by the browser.

Babel is loaded where a function runs: a server whose panel nobody opens stays small.
"""

import gettext as catalogs
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from markupsafe import Markup

if TYPE_CHECKING:
    from babel.messages import Catalog

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "ru": "Русский", "zh": "中文"}
COOKIE: Final = "sora2api_language"
SOURCE: Final = "en"
"""What the words are written in."""
SENTENCE: Final = "sentence"
"""The context of what the server's parts say, who know nothing of languages (`sora2api.web.sentences`)."""

LANGUAGE: Final[ContextVar[str]] = ContextVar("language", default=SOURCE)


@cache
def _read(language: str) -> "Catalog":
    """The catalog of a *language*; read when somebody is first told something in it."""
    from babel.messages.pofile import read_po

    source = files("sora2api.web") / "locales" / f"{language}.po"
    return read_po(BytesIO(source.read_bytes()), locale=language)


@cache
def _translations(language: str) -> catalogs.NullTranslations:
    if language == SOURCE:
        return catalogs.NullTranslations()
    from babel.messages.mofile import write_mo

    compiled = BytesIO()
    write_mo(compiled, _read(language))
    compiled.seek(0)
    return catalogs.GNUTranslations(compiled)


def kept(context: str) -> Sequence[str]:
    """The originals in the catalogs that are said in a *context*."""
    catalog = _read(next(language for language in LANGUAGES if language != SOURCE))
    return [str(message.id) for message in catalog if message.context == context]


def choose(request: web.Request) -> str:
    """The language of a request's reader; a program, which has a key, is told all in English."""
    from babel import negotiate_locale

    if hdrs.AUTHORIZATION in request.headers:
        return SOURCE
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = [part.split(";")[0].strip() for part in request.headers.get("Accept-Language", "").split(",")]
    found = negotiate_locale([name for name in wanted if name], tuple(LANGUAGES), sep="-")
    return found or next((name[:2] for name in wanted if name[:2] in LANGUAGES), SOURCE)


@web.middleware
async def speak(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Have all that a request is answered with in the reader's language."""
    LANGUAGE.set(choose(request))
    return await handler(request)


def gettext(message: str) -> str:
    return _translations(LANGUAGE.get()).gettext(message)


def ngettext(one: str, many: str, number: int) -> str:
    return _translations(LANGUAGE.get()).ngettext(one, many, number)


def pgettext(context: str, message: str) -> str:
    return _translations(LANGUAGE.get()).pgettext(context, message)


_ = gettext


def word(message: str, /, **variables: object) -> Markup:
    """`gettext` as templates have it: the *variables* are escaped, the message is not."""
    text = _markup(LANGUAGE.get(), message)
    return text % variables if variables else text


@cache
def _markup(language: str, message: str) -> Markup:
    return Markup(_translations(language).gettext(message))  # noqa: S704 - what we have written ourselves


def words(one: str, many: str, num: int, /, **variables: object) -> Markup:
    return Markup(ngettext(one, many, num)) % {"num": num, **variables}  # noqa: S704


def N_(message: str) -> str:  # noqa: N802 - gettext's own name for a word that is translated later
    """Mark a *message* to be translated where it is shown."""
    return message
