"""The panel's words: each is translated, with the same gaps, and none is kept that nobody says."""

import re

import pytest
from babel.messages import Catalog, Message

from sora2api.web.make_words import catalog, words
from sora2api.web.words import LANGUAGES, SOURCE

OTHERS = [language for language in LANGUAGES if language != SOURCE]
GAPS = re.compile(r"%\(\w+\)[sd]|\{\w*\}")


def said(found: Catalog) -> dict[object, Message]:
    return {message.id: message for message in found if message.id}


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
    for word, message in said(catalog(language)).items():
        original = word if isinstance(word, str) else word[-1]
        for form in forms(message):
            assert gaps(form) <= gaps(original), original
        assert gaps(forms(message)[-1]) == gaps(original), original
