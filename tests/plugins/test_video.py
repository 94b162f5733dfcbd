"""The video mode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sora2api.errors import InvalidValue
from sora2api.modes import STYLES, Clip, Kept, styled
from sora2api.plugins.video import VideoMode
from sora2api.testing import PICTURE

MODE = VideoMode()
UNBRACED = st.text().filter(lambda text: not set(text) & set("{}"))


def _without_blanks(text):
    return "".join(text.split())


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Котёнок бегает по траве", "Котёнок бегает по траве"),
        ("一只猫在草地上奔跑", "一只猫在草地上奔跑"),
        ("cut at [3s] mark", "cut at [3s] mark"),
        ("a cat {anime}", "a cat, anime style"),
        ("{ANIME} a cat", "a cat, anime style"),
        ("{anime}一只猫", "一只猫, anime style"),
        ("{anime}", "anime style"),
        # only the tag that counts is taken out, and the lines stay
        ("{foo} {anime} x", "{foo} x, anime style"),
        ("{anime} a {foo} b", "a {foo} b, anime style"),
        ("{retro} a {comic} b", "a {comic} b, retro style"),
        ("a\n  b {news}\nc", "a\n  b\nc, news style"),
        ("{foo} a cat", "{foo} a cat"),
        ("{{anime}}", "{}, anime style"),
    ],
)
def test_a_style_is_put_into_words(ask, steps, prompt, said):
    assert steps(MODE, ask(prompt=prompt)) == (Clip(prompt=said, size="1280x720", seconds=10.0),)


@given(UNBRACED, st.sampled_from(sorted(STYLES)), UNBRACED)
def test_putting_a_style_into_words_loses_none(before, style, after):
    rest = _without_blanks(before + after)

    said = _without_blanks(styled(f"{before}{{{style}}}{after}"))

    assert said == f"{rest},{style}style" if rest else f"{style}style"


def test_a_video_carries_all_that_was_asked(ask, steps):
    request = ask(prompt="it dances", size="720x1280", seconds=4.0, images=(PICTURE, PICTURE), extra={"seed": 7})

    (clip,) = steps(MODE, request)

    assert (clip.size, clip.seconds, clip.extra) == ("720x1280", 4.0, {"seed": 7})
    assert clip.images == (Kept(PICTURE), Kept(PICTURE))


def test_a_character_called_by_name_is_in_the_video(ask, steps):
    (clip,) = steps(MODE, ask(prompt="@anna.k и @bob танцуют", characters=("char_bob",)))

    assert [known.character.name for known in clip.characters] == ["char_bob", "anna.k", "bob"]


def test_an_image_alone_is_set_in_motion(ask, steps):
    assert steps(MODE, ask(images=(PICTURE,)))[0].images == (Kept(PICTURE),)


@pytest.mark.parametrize("prompt", ["", " \n\t"])
def test_a_video_of_nothing_is_refused(ask, steps, prompt):
    with pytest.raises(InvalidValue) as refused:
        steps(MODE, ask(prompt=prompt))

    assert refused.value.param == "prompt"


def test_a_video_of_no_length_is_refused(ask, steps):
    with pytest.raises(InvalidValue) as refused:
        steps(MODE, ask(prompt="a cat", seconds=None))

    assert refused.value.param == "seconds"


@pytest.mark.parametrize(
    ("makes", "operation", "accepted"),
    [("video", "make", True), ("video", "remix", False), ("video", "cast", False), ("image", "make", False)],
)
def test_it_is_for_making_videos(ask, makes, operation, accepted):
    assert MODE.accepts(ask(makes=makes, operation=operation, prompt="a cat")) is accepted
