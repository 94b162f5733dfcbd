"""The storyboard mode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sora2api.errors import InvalidValue
from sora2api.modes import LONGEST_STORYBOARD, SHORTEST_SHOT, Kept, Shot, Shots
from sora2api.plugins.storyboard import StoryboardMode
from sora2api.testing import PICTURE

MODE = StoryboardMode()
DOCUMENTED = "[5.0s]кот прыгает с парашютом с самолёта [5.0s]кот приземляется [10.0s]кот бежит по полю"
TEXT = st.text(min_size=1).filter(lambda text: text.strip() and not set(text) & set("[]{}"))
SECONDS = st.integers(1, 9)


def _shots(*pairs):
    return tuple(Shot(seconds=float(seconds), prompt=prompt) for seconds, prompt in pairs)


@pytest.mark.parametrize(
    ("prompt", "direction", "shots"),
    [
        ("[5.0s]a [5s] b\n[2.5s]c", "", [(5, "a"), (5, "b"), (2.5, "c")]),
        ("[5s] only one", "", [(5, "only one")]),
        ("  [3s] a tag that opens after blanks", "", [(3, "a tag that opens after blanks")]),
        ("In the rain.\n[3s] a", "In the rain.", [(3, "a")]),
        ("In the rain: [3s] a [4s] b", "In the rain:", [(3, "a"), (4, "b")]),
        ("日落时分\n[5s]猫醒来\n[5s]猫睡着", "日落时分", [(5, "猫醒来"), (5, "猫睡着")]),
        # brackets that are no tags belong to the shot
        ("[5s] c [note] d [5 s] e", "", [(5, "c [note] d [5 s] e")]),
        ("[5s] a [unclosed [4s] b] c", "", [(5, "a [unclosed"), (4, "b] c")]),
        # the lines of a shot stay
        ("[5s] a\nb\n\nc [1s] d", "", [(5, "a\nb\n\nc"), (1, "d")]),
        # a style is for all shots, wherever it stands
        ("{anime}[3s] a [4s] b", "anime style", [(3, "a"), (4, "b")]),
        ("rain [3s] a [4s] b {retro}", "rain, retro style", [(3, "a"), (4, "b")]),
    ],
)
def test_a_prompt_is_split_into_its_shots(ask, steps, prompt, direction, shots):
    request = ask(prompt=prompt)
    assert MODE.accepts(request)

    (step,) = steps(MODE, request)

    assert (step.direction, step.shots) == (direction, _shots(*shots))


@pytest.mark.parametrize("form", [DOCUMENTED, DOCUMENTED.replace(" [", "\n["), DOCUMENTED.replace(" [", "\r\n  [")])
def test_the_documented_storyboard_is_twenty_seconds_long(ask, steps, form):
    (step,) = steps(MODE, ask(model="sora-video-10s", prompt=form, seconds=10.0))

    assert [shot.seconds for shot in step.shots] == [5, 5, 10]
    assert step.shots[2].prompt == "кот бежит по полю"
    assert step.transition == "continue"


@pytest.mark.parametrize(
    "prompt",
    [
        "cut at [3s] mark",
        "кадр [3s] здесь",
        "剪辑[3s]",
        "a [note] b",
        "[s] a",
        "[-5s] a",
        "[5] a",
        "[5sec] a",
        "5s a",
        "",
    ],
)
def test_a_time_in_running_text_is_no_storyboard(ask, prompt):
    assert not MODE.accepts(ask(prompt=prompt))


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("[3s]", "Shot 1"),
        ("[3s] a [4s]", "Shot 2"),
        ("[3s] [4s] b", "Shot 1"),
        ("[0s] a", "Shot 1"),
        ("[5s] a [0.0s] b", "Shot 2"),
        ("[0.4s] a", "shorter than 0.5"),
        ("[121s] a", "longer than 120"),
        ("[60s] a [61s] b", "longer than 120"),
        (f"[{'9' * 400}s] a", "longer than 120"),
    ],
)
def test_shots_that_cannot_be_meant_are_refused(ask, steps, prompt, reason):
    request = ask(prompt=prompt)
    assert MODE.accepts(request)

    with pytest.raises(InvalidValue, match=reason) as refused:
        steps(MODE, request)

    assert refused.value.param == "prompt"


def test_the_bounds_themselves_are_allowed(ask, steps):
    (step,) = steps(MODE, ask(prompt=f"[{SHORTEST_SHOT}s] a [{LONGEST_STORYBOARD - SHORTEST_SHOT}s] b"))

    assert sum(shot.seconds for shot in step.shots) == LONGEST_STORYBOARD


@given(st.one_of(st.just(""), TEXT), st.lists(st.tuples(SECONDS, TEXT), min_size=2, max_size=9))
def test_splitting_loses_no_words(ask, steps, opening, shots):
    prompt = opening + "".join(f"[{seconds}s]{text}" for seconds, text in shots)

    (step,) = steps(MODE, ask(prompt=prompt))

    assert step.direction.split() == opening.split()
    assert [(shot.seconds, shot.prompt.split()) for shot in step.shots] == [(s, text.split()) for s, text in shots]


@given(st.text(alphabet="[]5.0s \n{anime}@a"))
def test_any_prompt_is_a_storyboard_or_is_not(ask, steps, prompt):
    request = ask(prompt=prompt)

    assert not MODE.accepts(request) or _outcome(steps, request) in {Shots, "prompt"}


def _outcome(steps, request):
    """The kind of step that is planned, or the parameter that is refused."""
    try:
        return type(steps(MODE, request)[0])
    except InvalidValue as refused:
        return refused.param


def test_shots_may_be_given_as_a_list(ask, steps):
    listed = [{"prompt": "[sic] @anna wakes", "seconds": 2}, {"prompt": "she runs", "seconds": "3.5"}]
    request = ask(prompt="in the rain {retro}", extra={"shots": listed, "transition": "cut", "seed": 7})
    assert MODE.accepts(request)

    (step,) = steps(MODE, request)

    assert step.shots == _shots((2, "[sic] @anna wakes"), (3.5, "she runs"))
    assert (step.direction, step.transition, step.extra) == ("in the rain, retro style", "cut", {"seed": 7})
    assert [known.character.name for known in step.characters] == ["anna"]


def test_tagged_shots_may_be_cut_too(ask, steps):
    (step,) = steps(MODE, ask(prompt="[2s] a [2s] b", extra={"transition": "cut"}))

    assert step.transition == "cut"


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"shots": 7}, "shots"),
        ({"shots": []}, "shots"),
        ({"shots": [{"prompt": "a"}]}, "shots[0]"),
        ({"shots": [{"prompt": "a", "seconds": "long"}]}, "shots[0].seconds"),
        ({"shots": [{"prompt": " ", "seconds": 5}]}, "shots"),
        ({"shots": [{"prompt": "a", "seconds": -5}]}, "shots"),
        ({"shots": [{"prompt": "a", "seconds": 5}], "transition": "fade"}, "transition"),
    ],
)
def test_a_wrong_list_is_refused_where_it_is_wrong(ask, steps, extra, param):
    request = ask(prompt="a cat", extra=extra)
    assert MODE.accepts(request)

    with pytest.raises(InvalidValue) as refused:
        steps(MODE, request)

    assert refused.value.param == param


def test_no_list_is_no_storyboard(ask):
    assert not MODE.accepts(ask(prompt="a cat", extra={"shots": None}))


def test_pictures_and_characters_are_in_it(ask, steps):
    (step,) = steps(MODE, ask(prompt="@bob\n[2s] @anna.k wakes [2s] @bob too", images=(PICTURE,)))

    assert step.images == (Kept(PICTURE),)
    assert [known.character.name for known in step.characters] == ["bob", "anna.k"]


@pytest.mark.parametrize(
    ("makes", "operation", "accepted"),
    [("video", "make", True), ("image", "make", False), ("video", "remix", False), ("video", "cast", False)],
)
def test_it_is_for_making_videos(ask, makes, operation, accepted):
    assert MODE.accepts(ask(makes=makes, operation=operation, prompt=DOCUMENTED)) is accepted
