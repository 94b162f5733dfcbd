"""What each mode makes, on an engine that does all of it by itself and on one that makes only clips."""

import io
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import Image, ImageOps
from ways.films import clip_of, distance, photo
from ways.rigs import Made, becomes

pytestmark = pytest.mark.slow

ANNA = photo((320, 180), ("#101060", "#e0c020", "#20b0a0"))
BORIS = photo((320, 180), ("#601010", "#c0e020", "#b0a020"))
SQUARE = photo((300, 300), ("#d8d2c4", "#3d6b35", "#c9412b"))
STORYBOARD = "By the sea. [1.0s]a red kite [0.5s]rain on a roof\n[1.5s]a calm lake"
SHOTS = (("a red kite", 1.0), ("rain on a roof", 0.5), ("a calm lake", 1.5))

SAME = 0.03
"""How far apart pictures are at most that show the same, coded twice and with a mark drawn in."""
OTHER = 0.08
"""How far apart pictures are at least that show something else."""

natively = pytest.mark.parametrize("way", ["native"], indirect=True)
composed = pytest.mark.parametrize("way", ["composed"], indirect=True)


def picture(data: bytes) -> Image.Image:
    return ImageOps.fit(Image.open(io.BytesIO(data)).convert("RGB"), (320, 180))


@pytest.fixture(scope="module")
def source(rig):
    """A video to go on from."""
    return rig.make("a fox in snow", seconds=1.5)


@pytest.fixture(scope="module")
def anna(rig) -> str:
    """A character that is kept, by its @name."""
    reply = rig.ask("", ("video", clip_of(ANNA)), name="anna.k")
    assert reply.json()["choices"][0]["message"]["content"].startswith("@anna.k\n")
    return "@anna.k"


# Storyboards.


@dataclass(frozen=True)
class Story:
    """A storyboard that was made, and the tasks of the engine that it took."""

    made: Made
    tasks: list[dict[str, Any]]


def told(rig, **fields) -> Story:
    before = len(rig.tasks("box"))
    made = rig.make(STORYBOARD, **fields)
    return Story(made, rig.tasks("box")[before:])


@pytest.fixture(scope="module")
def story(rig) -> Story:
    return told(rig)


@pytest.fixture(scope="module")
def cut_story(rig) -> Story:
    return told(rig, transition="cut")


def test_a_storyboard_has_its_length_in_as_few_tasks_as_the_way_needs(story, way):
    assert story.made.ways == [way]
    assert abs(story.made.film.seconds - 3.0) < 0.1
    assert story.made.film.frames[0].size == (320, 180)
    assert len(story.tasks) == {"native": 1, "composed": 3}[way]


def test_progress_rises_and_never_falls(story):
    assert story.made.progress == sorted(story.made.progress)
    assert len(set(story.made.progress)) > 1
    assert story.made.job["progress"] == 100


@natively
def test_a_native_storyboard_shows_a_new_picture_for_each_shot(story):
    assert story.made.film.leaps(least=OTHER) == pytest.approx([1.0, 1.5], abs=0.05)


@composed
@pytest.mark.parametrize("which", ["story", "cut_story"])
def test_a_composed_storyboard_shows_what_the_engine_made_for_each_shot(rig, which, request):
    story = request.getfixturevalue(which)

    start = 0.0
    for task, (words, seconds) in zip(story.tasks, SHOTS, strict=True):
        assert task["prompt"] == f"By the sea.\n{words}"
        assert float(task["seconds"]) == seconds
        shot = rig.film_of("box", task)
        for moment in (0.05, seconds / 2, seconds - 0.05):
            assert distance(shot.at(moment), story.made.film.at(start + moment)) < SAME
        start += seconds


@composed
def test_composed_shots_go_on_from_the_last_frame_of_the_one_before(story):
    film = story.made.film

    for moment in (1.0, 1.5):
        assert distance(film.at(moment - 1 / 12), film.at(moment)) < SAME
    assert not film.leaps(least=OTHER)


@composed
def test_composed_shots_that_are_cut_begin_anew(cut_story):
    assert cut_story.made.film.leaps(least=OTHER) == pytest.approx([1.0, 1.5], abs=0.05)


def test_a_storyboard_of_many_shots_between_frames_has_its_length(rig, way):
    made = rig.make("", shots=[{"prompt": f"number {number}", "seconds": 0.55} for number in range(6)])

    assert abs(made.film.seconds - 6 * 0.55) < 0.1


def test_a_storyboard_begins_on_its_picture(rig, way):
    made = rig.make(STORYBOARD, ("image", SQUARE))

    assert made.ways == [way]
    assert distance(made.film.frames[0], picture(SQUARE)) < SAME


# Going on from a video.


def test_a_remix_shows_its_source_changed(rig, way, source):
    before = rig.creates()

    made = rig.make(f"{source.job['share_id']} at night", seconds=1.5)

    assert made.ways == [way]
    assert rig.creates() - before == 1
    assert made.job["remixed_from_video_id"] == source.job["id"]
    assert abs(made.film.seconds - 1.5) < 0.1
    assert distance(made.film.at(1.4), source.film.at(1.4)) > SAME
    nearest = min(distance(grey(made.film.at(0)), grey(frame)) for frame in source.film.frames)
    assert nearest < min(OTHER * 2, distance(grey(made.film.at(0)), grey(picture(SQUARE))))


def grey(image: Image.Image) -> Image.Image:
    """The forms without the colours, as far apart as they go."""
    return ImageOps.equalize(image.convert("L")).convert("RGB")


@composed
def test_a_composed_remix_begins_on_a_frame_of_its_source(rig, source):
    made = rig.make(f"{source.job['share_id']} at night", seconds=1.5)

    assert distance(made.film.frames[0], source.film.at(0.75)) < SAME
    assert rig.tasks("box")[-1]["prompt"] == "a fox in snow\nat night"


@natively
def test_a_remix_in_another_size_and_length_is_made_anew(rig, source):
    made = rig.make(f"{source.job['share_id']} at night", size="180x320", seconds=0.5)

    assert made.ways == ["composed"]
    assert made.film.frames[0].size == (180, 320)
    assert abs(made.film.seconds - 0.5) < 0.1


def test_a_composed_video_can_be_remixed_in_turn(rig, way, source):
    first = rig.make(f"{source.job['share_id']} at night", size="160x96", seconds=0.5)

    second = rig.make(f"{first.job['share_id']} in fog", size="160x96", seconds=0.5)

    assert second.ways == [way]
    if way == "composed":
        assert rig.tasks("box")[-1]["prompt"] == "a fox in snow\nat night\nin fog"


def test_an_edit_changes_the_video_as_a_remix_does(rig, way, source):
    made = rig.ended(rig.edit(source, "at night"))

    assert made.ways == [way]
    assert abs(made.film.seconds - 1.5) < 0.1
    assert distance(made.film.at(1.4), source.film.at(1.4)) > SAME


def test_an_extension_goes_on_where_its_source_ends(rig, way, source):
    before = rig.creates()

    made = rig.ended(rig.extend(source, "a bear comes", seconds=1))

    assert made.ways == [way]
    assert rig.creates() - before == 1
    assert abs(made.film.seconds - 2.5) < 0.1
    for number in range(0, 18, 4):
        assert distance(made.film.frames[number], source.film.frames[number]) < SAME
    assert distance(made.film.frames[18], source.film.frames[-1]) < SAME
    assert made.job["seconds"] == "2.5"


# Pictures.


@natively
def test_a_video_begins_on_its_picture_whatever_size_that_has(rig):
    made = rig.make("it comes to life", ("image", SQUARE))

    assert made.ways == []
    assert distance(made.film.frames[0], picture(SQUARE)) < SAME
    assert distance(made.film.frames[-1], made.film.frames[0]) > 0.01


@natively
def test_a_changed_image_is_another_and_still_the_same(rig):
    made = rig.make("as a painting", ("image", SQUARE), model="sora-image", size="300x300")

    before = Image.open(io.BytesIO(SQUARE)).convert("RGB")
    assert made.image.size == (300, 300)
    assert distance(made.image, before) > OTHER
    assert distance(grey(made.image), grey(before)) < distance(grey(picture(ANNA)), grey(before))


@natively
def test_pictures_beyond_the_first_are_set_into_it_where_an_engine_takes_one(rig):
    made = rig.make("both of them", ("image", SQUARE), ("image", BORIS))

    assert made.ways == ["composed"]
    assert distance(made.film.frames[0].crop((110, 0, 320, 180)), picture(SQUARE).crop((110, 0, 320, 180))) < SAME
    assert distance(inset(made.film.frames[0]), picture(BORIS)) < 2 * SAME


def inset(frame: Image.Image) -> Image.Image:
    """What a composed way sets into a picture, at its lower left."""
    return frame.crop((6, 117, 106, 173))


def portrait(frame: Image.Image, place: int = 0) -> Image.Image:
    """What the sandbox shows of a character that it knows, at the upper left."""
    return frame.crop((8 + 60 * place, 8, 58 + 60 * place, 38))


# Characters.


def test_a_kept_character_is_shown_wherever_its_name_stands(rig, way, anna):
    made = rig.make(f"{anna} on a beach")

    assert made.ways == [way]
    if way == "native":
        assert distance(portrait(made.film.frames[0]), square(ANNA)) < 2 * SAME
    else:
        assert distance(made.film.frames[0], picture(ANNA)) < SAME
    assert distance(made.film.frames[0], rig.make("anna.k on a beach").film.frames[0]) > SAME


def square(data: bytes) -> Image.Image:
    """The part of a picture that a portrait of the sandbox shows, without the name at its foot."""
    return ImageOps.fit(picture(data), (100, 100)).crop((0, 0, 100, 60))


def test_a_character_is_shown_in_a_storyboard(rig, way, anna):
    made = rig.make(f"[0.5s]{anna} wakes [0.5s]she runs")

    assert made.ways == [way]
    shown = portrait(made.film.at(0.9)) if way == "native" else made.film.at(0.2)
    assert distance(shown, square(ANNA) if way == "native" else picture(ANNA)) < 2 * SAME


@composed
def test_a_character_is_shown_in_each_shot_that_begins_anew(rig, anna):
    film = rig.make(f"[0.5s]{anna} wakes [0.5s]she runs", transition="cut").film

    assert distance(film.at(0.5), picture(ANNA)) < SAME


@natively
def test_a_character_in_a_remix_is_set_into_the_source(rig, source, anna):
    made = rig.make(f"{source.job['share_id']} with {anna}", seconds=1.5)

    assert made.ways == ["composed"]
    assert distance(inset(made.film.frames[0]), picture(ANNA)) < 2 * SAME


@natively
def test_a_character_in_an_extension_is_set_into_where_it_begins(rig, source, anna):
    made = rig.ended(rig.extend(source, f"{anna} comes", seconds=1))

    assert made.ways == ["composed"]
    assert distance(inset(made.film.frames[18]), picture(ANNA)) < 2 * SAME


def test_a_character_is_shown_with_a_picture(rig, way, anna):
    made = rig.make(f"{anna} in the yard", ("image", SQUARE))

    assert made.ways == [way]
    frame = made.film.frames[0]
    assert distance(frame.crop((110, 0, 320, 180)), picture(SQUARE).crop((110, 0, 320, 180))) < SAME
    if way == "native":
        assert distance(portrait(frame), square(ANNA)) < 2 * SAME
    else:
        assert distance(inset(frame), picture(ANNA)) < 2 * SAME


@natively
def test_a_character_can_be_drawn(rig, anna):
    made = rig.make(f"{anna} in oil", model="sora-image", size="320x180")

    assert made.image.size == (320, 180)
    assert distance(grey(made.image), grey(picture(ANNA))) < distance(grey(made.image), grey(picture(SQUARE)))


def test_a_video_with_text_shows_who_is_in_it_and_leaves_no_character(rig, way):
    known = rig.knows("box")

    made = rig.make("dances", ("video", clip_of(BORIS)))

    assert made.ways == [way, way]
    shown = portrait(made.film.frames[0]) if way == "native" else made.film.frames[0]
    assert distance(shown, square(BORIS) if way == "native" else picture(BORIS)) < 2 * SAME
    assert becomes(lambda: rig.left_of(made.job["id"]) == 0 and rig.knows("box") == known)


def test_several_characters_are_shown_together(rig, way):
    made = rig.make("they meet", ("video", clip_of(BORIS)), ("video", clip_of(ANNA)), mode="together")

    assert made.ways == [way, way, way]
    frame = made.film.frames[0]
    if way == "native":
        assert distance(portrait(frame, 0), square(BORIS)) < 2 * SAME
        assert distance(portrait(frame, 1), square(ANNA)) < 2 * SAME
    else:
        assert distance(inset(frame), picture(ANNA)) < 2 * SAME
        assert distance(frame.crop((110, 0, 320, 180)), picture(BORIS).crop((110, 0, 320, 180))) < SAME


# Steps, progress, refusals.


@natively
def test_a_mode_reads_and_keeps_files_in_a_step_of_its_own(rig):
    before = rig.creates()

    made = rig.make("a hill", mode="again", seconds=0.5)

    assert rig.creates() - before == 2
    first, second = (rig.film_of("box", task) for task in rig.tasks("box")[-2:])
    assert distance(second.frames[0], first.frames[-1]) < SAME
    assert [event["step"] for event in made.events if event["type"] == "step_done"] == ["first", "last", "second"]


def test_a_refusal_names_the_shot_that_it_is_about(rig, way):
    before = rig.creates()

    ended = rig.ended(rig.begin("[0.5s]a cat [0.5s]a dog [0.5s]a bomb [refuse] [0.5s]a bird"))

    assert ended.job["status"] == "failed"
    assert (ended.job["error"]["code"], ended.job["error"]["param"]) == ("moderation_blocked", "shots[2]")
    assert ended.ways == [way]
    assert rig.creates() - before == {"native": 1, "composed": 3}[way]
    assert len(rig.rows("SELECT id FROM assets WHERE job_id = ?", ended.job["id"])) == {"native": 0, "composed": 2}[way]


@natively
def test_a_name_that_is_taken_is_refused_before_anything_is_made(rig, anna):
    before, known = rig.creates(), rig.knows("box")

    reply = rig.ask("dances", ("video", clip_of(BORIS)), name=anna[1:])

    assert reply.status_code == 400
    assert (reply.json()["error"]["code"], reply.json()["error"]["param"]) == ("invalid_value", "name")
    assert (rig.creates(), rig.knows("box")) == (before, known)
