"""What the server's parts say in English, in the reader's language.

They know nothing of languages: an error, a reason or a help is an English sentence wherever it is told, kept or logged.
Its template stands in the source, where `find_sentences` finds it for the catalogs. By that a sentence is known again,
and its values stand in the translation as they did in the original. What engines and plugins say stays as they say it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final, NamedTuple

from sora2api.errors import Sora2ApiError
from sora2api.web.words import LANGUAGE, N_, SENTENCE, SOURCE, gettext, kept, pgettext

_GAP: Final = re.compile(r"(['\"]?)\{(\w+)\}\1")
_CUT: Final = re.compile(r"[.:] ")
_LONGEST: Final = 2000
"""A text of more characters is none of ours."""
_WORDS: Final = frozenset({"role", "role2", "source", "amount", "window"})
"""The gaps that are filled with words that a page says by itself too, and with those that follow."""
_MORE_WORDS: Final = (N_("jobs"), N_("seconds of video"), N_("money"), N_("day"), N_("month"))
_REMEMBERED: Final = 4096
_STOPS: Final = ".。"
_UNSPACED: Final = frozenset({"zh"})
"""The languages that set no space between sentences."""

CHECKS: Final = (
    "Expected `{kind}`, got `{other}`.",
    "Expected `{kind}` {bound}.",
    "Expected `{kind}` of length {bound}.",
    "Expected `{kind}` matching regex {pattern}.",
    "Object missing required field `{field}`.",
    "Object contains unknown field `{field}`.",
    "Invalid enum value {value}.",
)
"""What msgspec says of a value that does not fit; the full stop is ours."""


class _Template(NamedTuple):
    text: str
    pattern: re.Pattern[str]
    names: tuple[str, ...]


class _Known(NamedTuple):
    """A sentence that is ours: its template, and what stands in the gaps of that."""

    template: str
    values: Mapping[str, str]


def say(text: str) -> str:
    """A *text* of ours in the reader's language: a sentence, or several; what is not known stays as it is."""
    language = LANGUAGE.get()
    return text if language == SOURCE or len(text) > _LONGEST else _translated(text, language)


def meaning(code: str, message: str) -> str:
    """What an error's *code* means, in the reader's language, where its *message* is not our own; else nothing."""
    if _known(message) is not None:
        return ""
    said = next((each.__doc__ or "" for each in _errors(Sora2ApiError) if each.code == code), "")
    return say(said.splitlines()[0]) if said else ""


@lru_cache(_REMEMBERED)
def _translated(text: str, language: str) -> str:
    """*language* is that of the context; it is here for the cache."""
    whole = _whole(text)
    if whole is not None:
        return whole
    for cut in _CUT.finditer(text):
        after = _whole(text[cut.end() :])
        if after is not None:
            space = "" if language in _UNSPACED and cut[0] == ". " else " "
            return f"{_translated(text[: cut.start() + 1], language)}{space}{after}"
    return text


def _whole(text: str) -> str | None:
    """A single sentence translated, with what is said in its gaps; None where it is not known."""
    known = _known(text)
    if known is None and not text.endswith("."):
        whole = _whole(f"{text}.")
        return None if whole is None else whole.rstrip(_STOPS)
    if known is None:
        return None
    translated = pgettext(SENTENCE, known.template)
    filled = {name: gettext(value) if name in _WORDS else say(value) for name, value in known.values.items()}
    return re.sub(r"\{(\w+)\}", lambda gap: filled[gap[1]], translated)


@lru_cache(_REMEMBERED)
def _known(text: str) -> _Known | None:
    """What a sentence was made of; of several templates that fit the one with the most words of its own."""
    for template in _templates():
        found = template.pattern.fullmatch(text)
        if found is not None:
            return _Known(template.text, dict(zip(template.names, found.groups(), strict=True)))
    return None


@cache
def _templates() -> Sequence[_Template]:
    """The sentences that the catalogs have, those with the most words of their own first."""
    return [_template(text) for text in sorted(kept(SENTENCE), key=lambda text: -len(_GAP.sub("", text)))]


def _template(text: str) -> _Template:
    pattern, names, end = "", [], 0
    for gap in _GAP.finditer(text):
        quote = "['\"]" if gap[1] else ""
        pattern += f"{re.escape(text[end : gap.start()])}{quote}(.+?){quote}"
        names.append(gap[2])
        end = gap.end()
    return _Template(text, re.compile(pattern + re.escape(text[end:]), re.DOTALL), tuple(names))


def _errors(root: type[Sora2ApiError]) -> Iterator[type[Sora2ApiError]]:
    yield root
    for error in root.__subclasses__():
        yield from _errors(error)
