"""The character mode."""

import pytest

from sora2api.errors import InvalidValue, MissingParameter
from sora2api.modes import Cast, Clip, Kept, Shots, Use
from sora2api.plugins.character import CharacterMode
from sora2api.testing import FILM, PICTURE, SHARE_ID

MODE = CharacterMode()


@pytest.fixture
def ask(ask):
    return lambda **fields: ask(**{"videos": (FILM,)} | fields)


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_a_video_alone_becomes_a_character_that_stays(ask, steps, prompt):
    assert steps(MODE, ask(prompt=prompt)) == (Cast(video=Kept(FILM), keep=True),)


def test_a_video_with_text_becomes_a_character_that_plays_and_goes(ask, steps):
    cast, clip = steps(MODE, ask(prompt="Персонаж танцует {retro}", extra={"seed": 7}))

    assert cast == Cast(video=Kept(FILM), keep=False)
    assert clip == Clip(
        prompt="Персонаж танцует, retro style",
        size="1280x720",
        seconds=10.0,
        characters=(Use("character"),),
        extra={"seed": 7},
    )


def test_a_video_with_a_picture_becomes_a_character_that_plays(ask, steps):
    cast, clip = steps(MODE, ask(images=(PICTURE,)))

    assert not cast.keep
    assert clip.images == (Kept(PICTURE),)


def test_a_character_plays_in_a_storyboard(ask, steps):
    cast, shots = steps(MODE, ask(prompt="at night\n[2s]she wakes [3s]@bob comes", extra={"transition": "cut"}))

    assert not cast.keep
    assert isinstance(shots, Shots)
    assert (shots.direction, shots.transition, shots.extra) == ("at night", "cut", {})
    assert [(shot.seconds, shot.prompt) for shot in shots.shots] == [(2, "she wakes"), (3, "@bob comes")]
    assert shots.characters[0] == Use("character")
    assert shots.characters[1].character.name == "bob"


def test_a_character_plays_in_listed_shots(ask, steps):
    _, shots = steps(MODE, ask(extra={"shots": [{"prompt": "@bob comes", "seconds": 3}]}))

    assert [shot.prompt for shot in shots.shots] == ["@bob comes"]
    assert shots.characters[1].character.name == "bob"


def test_a_cast_makes_only_the_character(ask, steps):
    assert steps(MODE, ask(operation="cast", prompt="a dancer")) == (Cast(video=Kept(FILM), keep=True),)


@pytest.mark.parametrize("field", ["name", "username"])
@pytest.mark.parametrize("name", ["anna", "anna.k", "a_1.b_2.c", "_", "7"])
def test_a_character_gets_the_name_that_was_asked(ask, steps, field, name):
    assert steps(MODE, ask(extra={field: name}))[0].called == name


@pytest.mark.parametrize("field", ["name", "username"])
@pytest.mark.parametrize("name", ["Anna", "@anna", "anna k", "a..b", ".a", "a.", "анна", "安娜", "a\n", 7, ["a"]])
def test_a_name_that_nobody_could_call_is_refused(ask, steps, field, name):
    request = ask(extra={field: name})
    assert MODE.accepts(request)

    with pytest.raises(InvalidValue) as refused:
        steps(MODE, request)

    assert refused.value.param == field


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_name_left_empty_is_made_up(ask, steps, nothing):
    assert steps(MODE, ask(extra={"name": nothing}))[0].called is None


def test_several_videos_are_refused(ask, steps):
    with pytest.raises(InvalidValue, match="several") as refused:
        steps(MODE, ask(videos=(FILM, FILM)))

    assert refused.value.param == "video"


def test_a_cast_without_a_video_is_refused(ask, steps):
    request = ask(operation="cast", videos=())
    assert MODE.accepts(request)

    with pytest.raises(MissingParameter) as refused:
        steps(MODE, request)

    assert refused.value.param == "video"


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": f"https://sora.chatgpt.com/p/{SHARE_ID} in ink"},
        {"prompt": "in ink", "extra": {"remix_target_id": SHARE_ID}},
        {"prompt": "in ink", "source": "video_1"},
    ],
)
def test_a_remix_and_a_video_together_are_refused(ask, steps, fields):
    with pytest.raises(InvalidValue, match="remixes"):
        steps(MODE, ask(**fields))


def test_an_image_model_makes_no_character(ask, steps):
    request = ask(makes="image", seconds=None)
    assert MODE.accepts(request)

    with pytest.raises(InvalidValue) as refused:
        steps(MODE, request)

    assert refused.value.param == "model"


@pytest.mark.parametrize("operation", ["remix", "edit", "extend"])
def test_the_video_of_another_operation_is_not_its_affair(ask, operation):
    assert not MODE.accepts(ask(operation=operation, prompt="in ink"))


def test_no_video_is_not_its_affair(ask):
    assert not MODE.accepts(ask(videos=(), prompt="@anna dances"))
