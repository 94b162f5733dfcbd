"""The image mode."""

import pytest

from sora2api.errors import InvalidValue
from sora2api.modes import Image, Kept
from sora2api.plugins.image import ImageMode
from sora2api.testing import PICTURE

MODE = ImageMode()


@pytest.fixture
def ask(ask):
    return lambda **fields: ask(**{"makes": "image", "size": "360x360", "seconds": None} | fields)


@pytest.mark.parametrize("prompt", ["Милый котёнок", "a cat {anime}", "一只猫", "[5s] a [5s] b", "cut at [3s] mark"])
def test_the_words_of_an_image_are_left_alone(ask, steps, prompt):
    assert steps(MODE, ask(prompt=prompt)) == (Image(prompt=prompt, size="360x360"),)


def test_an_image_carries_all_that_was_asked(ask, steps):
    request = ask(prompt="in oil", size="540x360", n=3, images=(PICTURE, PICTURE), mask=PICTURE, extra={"seed": 7})

    (image,) = steps(MODE, request)

    assert (image.size, image.n, image.extra) == ("540x360", 3, {"seed": 7})
    assert image.images == (Kept(PICTURE), Kept(PICTURE))
    assert image.mask == Kept(PICTURE)


def test_a_character_called_by_name_is_in_the_image(ask, steps):
    (image,) = steps(MODE, ask(prompt="@anna.k and @bob, mail x@y.org", characters=("char_bob",)))

    assert [known.character.name for known in image.characters] == ["char_bob", "anna.k", "bob"]


@pytest.mark.parametrize("images", [(), (PICTURE,)])
@pytest.mark.parametrize("prompt", ["", " \n\t"])
def test_an_image_needs_words(ask, steps, prompt, images):
    with pytest.raises(InvalidValue) as refused:
        steps(MODE, ask(prompt=prompt, images=images))

    assert refused.value.param == "prompt"


@pytest.mark.parametrize(
    ("makes", "operation", "accepted"),
    [("image", "make", True), ("image", "remix", False), ("image", "cast", False), ("video", "make", False)],
)
def test_it_is_for_making_images(ask, makes, operation, accepted):
    assert MODE.accepts(ask(makes=makes, operation=operation, prompt="a cat")) is accepted
