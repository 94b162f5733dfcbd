"""The remix mode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sora2api.errors import ClientError, InvalidValue, MissingParameter, UnsupportedFeature
from sora2api.modes import Change, CharacterReference, Extend, Found, Source, VideoReference
from sora2api.plugins.remix import RemixMode
from sora2api.testing import FILM, PICTURE, SHARE_ID

MODE = RemixMode()
OTHER = "s_" + "0" * 32
LINK = f"https://sora.chatgpt.com/p/{SHARE_ID}"


@pytest.mark.parametrize(
    ("prompt", "change"),
    [
        (f"{LINK} преобразовать в стиль тушевой живописи", "преобразовать в стиль тушевой живописи"),
        (f"{SHARE_ID} in ink", "in ink"),
        (f"make {SHARE_ID} blue", "make blue"),
        (f"make it blue {LINK}", "make it blue"),
        (f"HTTPS://Sora.ChatGPT.com/p/{SHARE_ID} in ink", "in ink"),
        (f"sora.chatgpt.com/p/{SHARE_ID} in ink", "in ink"),
        (f"http://localhost:8000/p/{SHARE_ID} in ink", "in ink"),
        (f"https://a.example/sub/p/{SHARE_ID}/ in ink", "in ink"),
        # the query goes with the link, the full stop stays
        (f"{LINK}?utm_source=share&x=%20#t=1 in ink", "in ink"),
        (f"as in {LINK}?a=1, but blue", "as in, but blue"),
        (f"as in {LINK}. Blue", "as in. Blue"),
        # Chinese has no blanks
        (f"把{LINK}变成水墨画", "把变成水墨画"),
        (f"把{SHARE_ID}变成水墨画", "把变成水墨画"),
        # lines stay
        (f"{LINK}\nin ink\n  and slow", "in ink\n  and slow"),
        (f"in ink\n{LINK} and slow\nat night", "in ink\nand slow\nat night"),
        # the same id twice is one video
        (f"{LINK} {SHARE_ID}\t{LINK} in ink", "in ink"),
        (f"{LINK} as {SHARE_ID} but blue", "as but blue"),
        (f"{LINK} in ink {{anime}}", "in ink, anime style"),
        (f"{LINK} [2s] a [2s] b", "[2s] a [2s] b"),
    ],
)
def test_the_link_is_taken_out_and_the_words_stay(ask, steps, prompt, change):
    request = ask(prompt=prompt)
    assert MODE.accepts(request)

    (step,) = steps(MODE, request)

    assert isinstance(step, Change)
    assert step.prompt == change
    assert step.source.video == f"video_of_{SHARE_ID}"


@pytest.mark.parametrize(
    "prompt",
    [
        "remix this",
        f"{SHARE_ID}0 has a digit too many",
        f"x{SHARE_ID} is another word",
        SHARE_ID.upper() + " is no hexadecimal id",
        SHARE_ID[:-1] + " is too short",
        "https://sora.chatgpt.com/p/",
        "",
    ],
)
def test_other_words_are_no_remix(ask, prompt):
    assert not MODE.accepts(ask(prompt=prompt))


@given(st.text(), st.text(alphabet="s_0af/p:.?# \n"), st.booleans())
def test_any_prompt_is_read(ask, steps, one, other, linked):
    request = ask(prompt=one + (LINK if linked else "") + other)

    assert not MODE.accepts(request) or _outcome(steps, request) in {f"video_of_{SHARE_ID}", "prompt"}


def _outcome(steps, request):
    """The video that is remixed, or the parameter that is refused."""
    try:
        return steps(MODE, request)[0].source.video
    except ClientError as refused:
        return refused.param


WORDS = st.lists(st.from_regex(r"[А-яa-z一-龥.,!-]{1,8}", fullmatch=True), max_size=5).map(" ".join)


@given(WORDS, WORDS, st.sampled_from([SHARE_ID, LINK, f"{LINK}?a=1"]))
def test_taking_the_link_out_loses_no_words(ask, steps, before, after, named):
    if not (before or after):
        return

    (step,) = steps(MODE, ask(prompt=f"{before} {named} {after}"))

    assert step.prompt.split() == [*before.split(), *after.split()]


@pytest.mark.parametrize("target", [SHARE_ID, LINK, f"{LINK}?a=1"])
def test_the_video_may_be_named_beside_the_prompt(ask, steps, target):
    request = ask(prompt="in ink", extra={"remix_target_id": target, "seed": 7})
    assert MODE.accepts(request)

    (step,) = steps(MODE, request)

    assert (step.source.video, step.prompt, step.extra) == (f"video_of_{SHARE_ID}", "in ink", {"seed": 7})


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_video_named_beside_the_prompt_is_no_remix(ask, nothing):
    assert not MODE.accepts(ask(prompt="in ink", extra={"remix_target_id": nothing}))


def test_a_target_that_is_no_text_is_refused(ask, steps):
    request = ask(prompt="in ink", extra={"remix_target_id": 7})
    assert MODE.accepts(request)

    with pytest.raises(InvalidValue) as refused:
        steps(MODE, request)

    assert refused.value.param == "remix_target_id"


@pytest.mark.parametrize(
    ("operation", "kind"), [("remix", Change), ("edit", Change), ("extend", Extend)], ids=["remix", "edit", "extend"]
)
def test_an_operation_names_its_video(ask, steps, operation, kind):
    request = ask(operation=operation, source="video_1", prompt="in ink", seconds=4.0)
    assert MODE.accepts(request)

    (step,) = steps(MODE, request)

    assert isinstance(step, kind)
    assert (step.source.video, step.prompt, step.seconds) == ("video_of_video_1", "in ink", 4.0)


def test_it_is_as_long_as_its_source_unless_a_length_is_asked(ask, steps):
    (step,) = steps(MODE, ask(prompt=f"{SHARE_ID} in ink", seconds=None))

    assert step.seconds == step.source.seconds


def test_it_refers_to_its_video_and_to_the_characters(ask):
    request = ask(prompt=f"{LINK} with @anna.k", characters=("bob",))

    assert set(MODE.references(request)) == {
        VideoReference(SHARE_ID),
        CharacterReference("bob", must_exist=True),
        CharacterReference("anna.k"),
    }


def test_a_character_called_by_name_is_in_it(ask, steps):
    (step,) = steps(MODE, ask(prompt=f"{LINK} with @anna.k"))

    assert [known.character.name for known in step.characters] == ["anna.k"]


@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": f"{SHARE_ID} and {OTHER}"},
        {"prompt": f"{SHARE_ID} in ink", "extra": {"remix_target_id": OTHER}},
        {"prompt": f"{SHARE_ID} in ink", "operation": "remix", "source": "video_1"},
    ],
)
def test_two_videos_are_refused(ask, steps, fields):
    with pytest.raises(InvalidValue, match="several"):
        steps(MODE, ask(**fields))


def test_two_names_of_one_video_are_one(ask):
    source = Source(video="video_1", prompt="a cat", model="m", size="1280x720", seconds=4.0)
    request = ask(operation="remix", source="video_1", prompt=f"{SHARE_ID} in ink")

    plan = MODE.plan(request, Found(videos={"video_1": source, SHARE_ID: source}))

    assert plan.steps[0].source == source


@pytest.mark.parametrize("prompt", [LINK, f" {SHARE_ID} \n", f"{LINK}?a=1 {SHARE_ID}"])
def test_a_remix_without_words_is_refused(ask, steps, prompt):
    with pytest.raises(InvalidValue) as refused:
        steps(MODE, ask(prompt=prompt))

    assert refused.value.param == "prompt"


def test_an_operation_without_its_video_is_refused(ask, steps):
    with pytest.raises(MissingParameter):
        steps(MODE, ask(operation="remix", prompt="in ink"))


def test_an_image_model_cannot_remix(ask, steps):
    request = ask(makes="image", seconds=None, prompt=f"{LINK} in ink")
    assert MODE.accepts(request)

    with pytest.raises(InvalidValue) as refused:
        steps(MODE, request)

    assert refused.value.param == "model"


@pytest.mark.parametrize("fields", [{"images": (PICTURE,)}, {"videos": (FILM,), "operation": "edit"}])
def test_other_files_beside_the_video_are_refused_rather_than_ignored(ask, steps, fields):
    with pytest.raises(UnsupportedFeature):
        steps(MODE, ask(prompt=f"{SHARE_ID} in ink", **fields))
