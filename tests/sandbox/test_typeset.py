"""Words in pictures: every script is legible, lines break where they may, nothing runs over the edge."""

import pytest
from PIL import Image

from sora2api.sandbox.typeset import font, label, panel, wrap

SCRIPTS = {
    "English": "The quick brown fox — “it’s fine”, he said: 100%",
    "Russian": "Съешь же ещё этих мягких французских булок, да выпей чаю",
    "Ukrainian": "Ґанок, їжак, єдність",
    "Chinese": "一只橘猫在月光下的舞台上弹奏钢琴，镜头缓缓推进。",
    "Traditional Chinese": "龍與鳳凰在雲間飛舞",
    "Japanese": "猫がピアノを弾く",
    "Korean": "고양이가 피아노를 친다",
    "Greek": "Η γάτα παίζει πιάνο",
    "Vietnamese": "Con mèo chơi đàn dương cầm",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_the_font_has_every_letter(text):
    shapes = {character: bytes(font(40).getmask(character)) for character in text if not character.isspace()}

    assert all(map(any, shapes.values()))
    assert len(shapes) - 1 <= len(set(shapes.values()))  # no shape that stands for what is missing


def test_what_the_font_lacks_is_skipped():
    assert font(40).getlength("🐱") == 0
    assert wrap("a cat 🐱 sat", font(20), 500) == ["a cat sat"]
    assert wrap("🐱🐶", font(20), 500) == []


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_lines_fit_and_lose_nothing(text):
    lines = wrap(text * 5, font(20), 150)

    assert (text * 5).replace(" ", "") == "".join(lines).replace(" ", "")
    assert max(font(20).getlength(line) for line in lines) <= 150


def test_words_stay_whole_where_there_is_room():
    assert wrap("hello brave new world", font(20), font(20).getlength("hello brave")) == ["hello brave", "new world"]


def test_a_word_longer_than_a_line_is_broken():
    assert len(wrap("x" * 100, font(20), 100)) > 5


def test_no_line_begins_with_closing_punctuation():
    for width in range(60, 200, 7):
        lines = wrap("月光，月光，月光。「月光」月光！", font(20), width)

        assert not [line for line in lines if line[0] in "，。」！"]


@pytest.mark.parametrize("size", [(64, 64), (360, 360), (360, 540), (1280, 720), (720, 1280), (2048, 64)])
@pytest.mark.parametrize("text", ["", "short", "very long " * 400, "长" * 3000])
def test_plates_of_one_size_are_alike_and_within_the_picture(size, text):
    plate = panel(text, size, accent=(255, 0, 0), heading="1 / 3")

    assert panel("x", size, accent=(0, 0, 0)).size == plate.size
    assert plate.width <= size[0]
    assert plate.height <= max(size[1] // 2, 48)
    assert label(size).width <= size[0]


def test_a_covering_plate_hides_what_is_below():
    plate = panel("new", (400, 300), accent=(255, 0, 0), cover=True)
    middle = plate.getchannel("A").crop((20, 20, plate.width - 20, plate.height - 20))

    assert middle.getextrema() == (255, 255)
    assert isinstance(plate, Image.Image)
