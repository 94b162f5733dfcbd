"""The panel's words: each is translated, with the same gaps, and none is kept that nobody says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Catalog, Message

from sora2api import errors
from sora2api.web.find_sentences import sentences
from sora2api.web.make_words import catalog, words
from sora2api.web.sentences import meaning, say
from sora2api.web.words import LANGUAGE, LANGUAGES, SENTENCE, SOURCE

ROOT = Path(__file__).parents[2]
UNSEEN = {"api", "cli", "doctor", "sandbox", "store", "metrics.py", "monitoring.py"}
"""What speaks to clients of the API and of the metrics, at the command line, or is an engine."""

OTHERS = [language for language in LANGUAGES if language != SOURCE]
GAPS = re.compile(r"%\(\w+\)[sd]|\{\w*\}")


def said(found: Catalog) -> dict[object, Message]:
    return {(message.context, message.id): message for message in found if message.id}


def forms(message: Message) -> list[str]:
    """What a message is in each of its numbers."""
    return [message.string] if isinstance(message.string, str) else list(message.string)


def gaps(text: str) -> set[str]:
    return set(GAPS.findall(text))


@pytest.mark.parametrize("language", OTHERS)
def test_every_word_is_translated_and_none_is_unused(language):
    kept = said(catalog(language))

    assert sorted(map(str, kept)) == sorted(map(str, said(words())))
    assert [str(word) for word, message in kept.items() if not all(forms(message))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_gaps_of_its_original(language):
    for (_context, word), message in said(catalog(language)).items():
        original = word if isinstance(word, str) else word[-1]
        for form in forms(message):
            assert gaps(form) <= gaps(original), original
        assert gaps(forms(message)[-1]) == gaps(original), original


def test_no_translation_is_in_the_letters_of_another_language():
    chinese, russian = re.compile("[\u4e00-\u9fff]"), re.compile("[\u0400-\u04ff]")
    for language, foreign in (("ru", chinese), ("zh", russian)):
        strange = [message for message in said(catalog(language)).values() if any(map(foreign.search, forms(message)))]
        assert [message.id for message in strange] == []


@pytest.fixture(params=OTHERS)
def language(request):
    token = LANGUAGE.set(request.param)
    yield request.param
    LANGUAGE.reset(token)


def filled(template: str) -> str:
    """A sentence as its part of the server would say it."""
    return re.sub(r"\{(\w+)\}", r"<\1>", template)


def test_each_sentence_is_known_again_with_its_values_in_it(language):
    for message in catalog(language):
        if message.context == SENTENCE:
            assert say(filled(message.id)) == filled(message.string), message.id


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        (
            "The setting port (file) is wrong: Expected `int` <= 65535",
            "Неверная настройка port (файл): Ожидается `int` <= 65535",
        ),
        ("For videos: The engine is busy. It comes back by itself.", "Для видео: Движок занят. Вернётся сам."),
        ("task_retried step=clip: The engine is busy.", "task_retried step=clip: Движок занят."),
        ('There is no account "that\'s it".', "Аккаунта «that's it» нет."),
    ],
)
def test_sentences_within_sentences_are_said_too(text, translated):
    token = LANGUAGE.set("ru")
    try:
        assert say(text).startswith(translated)
    finally:
        LANGUAGE.reset(token)


def test_what_an_engine_says_stays_as_it_is_and_its_code_is_explained(language):
    words = "CUDA out of memory: tried to allocate 2 GiB"

    assert say(words) == words
    assert meaning("engine_fault", words) == say("The engine failed.") != "The engine failed."
    assert meaning("engine_busy", "The engine is busy.") == ""


def raised() -> Iterator[str]:
    """What errors are given to say, wherever a page may show it, without its values."""
    for folder in ("sora2api", "plugins", "web"):
        for file in (ROOT / folder).rglob("*.py"):
            if not UNSEEN & set(file.relative_to(ROOT).parts):
                yield from filter(None, map(literal, given(ast.parse(file.read_text()))))


def given(tree: ast.Module) -> Iterator[ast.expr]:
    """The first argument of each call of an error."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = getattr(errors, ast.unparse(node.func).rpartition(".")[2], None)
            if isinstance(called, type) and issubclass(called, errors.Sora2ApiError):
                yield node.args[0]


def literal(node: ast.expr) -> str | None:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) for part in parts if isinstance(part, ast.Constant)) or None


def test_no_error_is_given_words_that_are_not_translated():
    known = {re.sub(r"'?\{\w+\}'?", "", sentence.text) for sentence in sentences()}

    assert [text for text in raised() if " " in text and text not in known] == []
