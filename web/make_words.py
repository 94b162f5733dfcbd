"""Brings the catalogs in web/locales up to date with the panel's words: `python -m sora2api.web.make_words`."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from pathlib import Path
from typing import Final

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from sora2api.web.find_sentences import sentences
from sora2api.web.sentences import CHECKS
from sora2api.web.words import LANGUAGES, SENTENCE, SOURCE

HERE: Final = files("sora2api.web")
_KEYWORDS: Final[dict[str, tuple[int, ...] | None]] = {"gettext": None, "ngettext": (1, 2), "N_": None}
_METHODS: Final = {".py": "python", ".html": "jinja2.ext:babel_extract"}
_WIDTH: Final = 120
_HEADER: Final = """msgid ""
msgstr ""
"Language: {language}\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: {plurals};\\n"

"""


def words() -> Catalog:
    """All that the pages say in words, and all that the server's parts say in sentences."""
    found = Catalog()
    for folder in (".", "operations", "views", "templates"):
        for file in sorted((HERE / folder).iterdir(), key=lambda file: file.name):
            method = _METHODS.get(Path(file.name).suffix)
            if method is not None:
                _add(found, file, f"{folder}/{file.name}".removeprefix("./"), method)
    for sentence in sentences():
        found.add(sentence.text, locations=[(sentence.place, 0)], context=SENTENCE)
    for check in CHECKS:
        found.add(check, locations=[("sentences.py", 0)], context=SENTENCE)
    return found


def catalog(language: str) -> Catalog:
    """The words of a language as they are kept."""
    return read_po(BytesIO((HERE / "locales" / f"{language}.po").read_bytes()), locale=language)


def _add(found: Catalog, file: Traversable, where: str, method: str) -> None:
    with file.open("rb") as source:
        for _line, message, _comments, _context in extract(method, source, keywords=_KEYWORDS):
            found.add(message, locations=[(where, 0)])


def main() -> None:
    current = words()
    for language in LANGUAGES:
        if language != SOURCE:
            kept = catalog(language)
            kept.update(current, no_fuzzy_matching=True, update_header_comment=False)
            written = BytesIO()
            write_po(written, kept, width=_WIDTH, include_lineno=False, ignore_obsolete=True, omit_header=True)
            header = _HEADER.format(language=language, plurals=kept.plural_forms.rstrip(";"))
            Path(str(HERE / "locales" / f"{language}.po")).write_text(header + written.getvalue().decode())


if __name__ == "__main__":
    main()
