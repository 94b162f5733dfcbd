"""Characters by the Videos API: made of a video, used by id and by @name, listed, and forgotten everywhere."""

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from PIL import Image, ImageOps
from ways.films import clip_of, distance, film, photo
from ways.rigs import becomes

from sora2api.modes import MENTION

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")

FACE = photo((320, 180), ("#101060", "#e0c020", "#20b0a0"))
FILM = ("mossy.mp4", clip_of(FACE), "video/mp4")
SMALL = {"model": "sora-video", "size": "320x180", "seconds": "1"}
UNKNOWN = "char_" + "0" * 32


def _made(client: OpenAI, prompt: str, **fields: Any) -> bytes:
    video = client.videos.create_and_poll(prompt=prompt, extra_body=SMALL | fields, poll_interval_ms=30)
    assert video.status == "completed", video.error
    return client.videos.download_content(video.id).content


def _shown(content: bytes) -> bool:
    """Whether the sandbox's portrait of a character, at the upper left, is the face."""
    portrait = film(content).frames[0].crop((8, 8, 58, 38))
    face = ImageOps.fit(Image.open(io.BytesIO(FACE)).convert("RGB"), (100, 100)).crop((0, 0, 100, 60))
    return distance(portrait, face) < 0.1


def test_a_character_keeps_its_name_and_gets_one_that_prompts_can_call(client):
    made = client.videos.create_character(name="Mossy the Fox", video=FILM)

    assert made.id.startswith("char_")
    assert (made.name, made.object, made.mention) == ("Mossy the Fox", "character", "@mossy_the_fox")
    assert client.videos.get_character(made.id).to_dict() == made.to_dict()


def test_a_character_appears_where_its_id_or_its_mention_stands(client):
    made = client.videos.create_character(name="Captain Blue", video=FILM)

    assert _shown(_made(client, "a walk", characters=[{"id": made.id}]))
    assert _shown(_made(client, f"{made.mention} on a walk"))
    assert not _shown(_made(client, "a walk"))


@pytest.mark.parametrize("name", ["Анна", "Élodie", "狐狸", "x", "9" * 80, "[Bob]", '{"a": 1}', "  two   words "])
def test_any_name_will_do_and_can_be_called(client, name):
    made = client.videos.create_character(name=name, video=FILM)

    assert made.name == " ".join(name.split())
    assert MENTION.fullmatch(made.mention)


def test_characters_of_the_same_name_are_told_apart(other):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: other.videos.create_character(name="Rex", video=FILM), range(4)))

    assert {one.name for one in made} == {"Rex"}
    assert {one.mention for one in made} == {"@rex", "@rex_2", "@rex_3", "@rex_4"}


def test_two_owners_may_have_the_same_name_and_see_their_own_alone(client, other):
    mine = client.videos.create_character(name="Twin", video=FILM)
    theirs = other.videos.create_character(name="Twin", video=FILM)

    assert mine.mention == theirs.mention
    with pytest.raises(NotFoundError):
        other.videos.get_character(mine.id)
    with pytest.raises(NotFoundError):
        other.delete(f"/videos/characters/{mine.id}", cast_to=object)
    with pytest.raises(NotFoundError) as unknown:
        other.videos.create(prompt="a walk", extra_body=SMALL | {"characters": [{"id": mine.id}]})
    assert unknown.value.param == "characters"
    assert [one["id"] for one in other.get("/videos/characters", cast_to=object)["data"]] == [theirs.id]


def test_characters_are_listed_in_pages(other):
    made = [other.videos.create_character(name=name, video=FILM).id for name in "abc"]

    def page(**query: Any) -> dict[str, Any]:
        return other.get("/videos/characters", cast_to=object, options={"params": query})

    first = page(limit=2)
    rest = page(limit=2, after=first["last_id"])
    assert [one["id"] for one in (*first["data"], *rest["data"])] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert [one["id"] for one in page(order="asc")["data"]] == made


def test_a_deleted_character_is_gone_here_and_at_the_engine(client, rig):
    before = rig.knows("box")
    made = client.videos.create_character(name="Ghost", video=FILM)
    pictures = "SELECT count(*) FROM assets WHERE role = 'character'"
    kept = rig.rows(pictures)[0][0]

    gone = client.delete(f"/videos/characters/{made.id}", cast_to=object)

    assert gone == {"id": made.id, "object": "character.deleted", "deleted": True}
    assert becomes(lambda: rig.knows("box") == before)
    assert rig.rows(pictures)[0][0] < kept
    with pytest.raises(NotFoundError):
        client.videos.get_character(made.id)
    with pytest.raises(NotFoundError):
        client.delete(f"/videos/characters/{made.id}", cast_to=object)
    assert not _shown(_made(client, "@ghost on a walk"))
    assert client.videos.create_character(name="Ghost", video=FILM).mention == "@ghost"


def test_a_video_that_is_to_show_a_character_is_made_though_that_is_deleted_meanwhile(client, rig):
    made = client.videos.create_character(name="Farewell", video=FILM)
    rig.faults("box", {"method": "POST", "path": "/v1/videos", "delay": 1})
    video = client.videos.create(prompt="a walk", extra_body=SMALL | {"characters": [{"id": made.id}]})

    client.delete(f"/videos/characters/{made.id}", cast_to=object)

    assert client.videos.poll(video.id, poll_interval_ms=30).status == "completed"


def test_a_character_is_made_of_a_video_made_here(client, other):
    video = client.videos.create_and_poll(prompt="a fox", extra_body=SMALL, poll_interval_ms=30)

    made = client.post("/videos/characters", body={"name": "Fox", "video": {"id": video.id}}, cast_to=object)
    client.videos.delete(video.id)

    assert made["name"] == "Fox"
    assert _made(client, f"{made['mention']} on a walk")
    assert made["id"] in [one["id"] for one in client.get("/videos/characters", cast_to=object)["data"]]
    for client_, video_id in ((client, video.id), (client, "video_unknown"), (other, video.id)):
        with pytest.raises(NotFoundError) as unknown:
            client_.post("/videos/characters", body={"name": "Fox", "video": {"id": video_id}}, cast_to=object)
        assert unknown.value.param == "video"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": "", "video": FILM}, "name"),
        ({"name": " ", "video": FILM}, "name"),
        ({"name": "x" * 81, "video": FILM}, "name"),
        ({"name": "Rex", "video": ("a.mp4", b"")}, "video"),
        ({"name": "Rex", "video": ("a.mp4", FACE)}, "video"),
        ({"name": "Rex", "video": ("a.mp4", b"I am no film")}, "video"),
        ({"name": "Rex", "video": FILM, "extra_body": {"model": "sora-image"}}, "model"),
    ],
)
def test_a_character_that_cannot_be_made_is_refused(client, rig, fields, param):
    before = rig.rows("SELECT count(*) FROM jobs")

    with pytest.raises(BadRequestError) as refused:
        client.videos.create_character(**fields)

    assert refused.value.param == param
    assert rig.rows("SELECT count(*) FROM jobs") == before


def test_an_unknown_character_is_not_found(client):
    with pytest.raises(NotFoundError):
        client.videos.get_character(UNKNOWN)


async def test_the_async_client_makes_characters_too(rig):
    async with AsyncOpenAI(api_key=rig.key, base_url=f"{rig.server.url}/v1", max_retries=0) as client:
        made = await asyncio.gather(*(client.videos.create_character(name="Ace", video=FILM) for _ in range(2)))

        assert {one.mention for one in made} == {"@ace", "@ace_2"}
        assert (await client.videos.get_character(made[0].id)).name == "Ace"
