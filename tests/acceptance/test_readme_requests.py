"""The requests of the predecessor's readme, sent as they stand there, each end in the right kind of file."""

import json
from itertools import pairwise
from string import Template

import httpx2
import pytest

HEADERS = {"Authorization": "Bearer han1234", "Content-Type": "application/json"}

TEXT_TO_IMAGE = """{
    "model": "sora-image",
    "messages": [
      {
        "role": "user",
        "content": "Милый котёнок"
      }
    ]
  }"""
IMAGE_TO_IMAGE = """{
    "model": "sora-image",
    "messages": [
      {
        "role": "user",
        "content": [
          {
            "type": "text",
            "text": "Преобразовать это изображение в стиль масляной живописи"
          },
          {
            "type": "image_url",
            "image_url": {
              "url": "$image"
            }
          }
        ]
      }
    ],
    "stream": true
  }"""
TEXT_TO_VIDEO = """{
    "model": "sora-video-landscape-10s",
    "messages": [
      {
        "role": "user",
        "content": "Котёнок бегает по траве"
      }
    ],
    "stream": true
  }"""
IMAGE_TO_VIDEO = """{
    "model": "sora-video-landscape-10s",
    "messages": [
      {
        "role": "user",
        "content": [
          {
            "type": "text",
            "text": "Этот кот танцует"
          },
          {
            "type": "image_url",
            "image_url": {
              "url": "$image"
            }
          }
        ]
      }
    ],
    "stream": true
  }"""
REMIX = """{
    "model": "sora-video-landscape-10s",
    "messages": [
      {
        "role": "user",
        "content": "https://sora.chatgpt.com/p/$share преобразовать в стиль тушевой живописи"
      }
    ]
  }"""
STORYBOARD = """{
    "model": "sora-video-landscape-10s",
    "messages": [
      {
        "role": "user",
        "content": "[5.0s]кот прыгает с парашютом с самолёта [5.0s]кот приземляется [10.0s]кот бежит по полю"
      }
    ]
  }"""
CHARACTER = """{
    "model": "sora-video-landscape-10s",
    "messages": [
      {
        "role": "user",
        "content": [
          {
            "type": "video_url",
            "video_url": {
              "url": "$video"
            }
          }
        ]
      }
    ],
    "stream": true
  }"""
CHARACTER_AND_VIDEO = """{
    "model": "sora-video-landscape-10s",
    "messages": [
      {
        "role": "user",
        "content": [
          {
            "type": "video_url",
            "video_url": {
              "url": "$video"
            }
          },
          {
            "type": "text",
            "text": "Персонаж танцует"
          }
        ]
      }
    ],
    "stream": true
  }"""


@pytest.fixture
def reply(server, photo, film, url_of, links):
    """The text of the reply to a request, and the file behind its only link."""

    def sent(body, **values):
        files = {"image": url_of(photo, "image/png"), "video": url_of(film, "video/mp4")}
        body = Template(body).substitute(files, **values)
        response = httpx2.post(f"{server.url}/v1/chat/completions", headers=HEADERS, content=body.encode(), timeout=120)
        assert response.status_code == 200, response.text
        text = _streamed(response) if '"stream": true' in body else _whole(response)
        (link,) = links(text)
        return text, link, server.file(link)

    return sent


def _whole(response) -> str:
    return response.json()["choices"][0]["message"]["content"]


def _streamed(response) -> str:
    *events, end, last = response.text.split("\n\n")
    assert (end, last) == ("data: [DONE]", "")
    deltas = [json.loads(event[6:])["choices"][0]["delta"] for event in events if event.startswith("data: ")]
    return "".join(delta.get("content") or "" for delta in deltas)


@pytest.mark.parametrize("body", [TEXT_TO_IMAGE, IMAGE_TO_IMAGE], ids=["text", "image"])
def test_an_image_is_made_of_text_or_an_image(reply, look, body):
    text, link, data = reply(body)

    assert text == f"![image]({link})"
    assert link.endswith(".png")
    kind, size, _ = look(data)
    assert (kind, size) == ("png_pipe", (360, 360))


@pytest.mark.parametrize("body", [TEXT_TO_VIDEO, IMAGE_TO_VIDEO], ids=["text", "image"])
def test_a_video_is_made_of_text_or_an_image(reply, look, body):
    text, link, data = reply(body)

    assert text == f"[video]({link})"
    assert link.endswith(".mp4")
    kind, size, seconds = look(data)
    assert (kind, size) == ("mp4", (1280, 720))
    assert seconds == pytest.approx(10, abs=0.2)


def test_a_video_made_here_is_remixed_by_its_link(reply, server, look):
    made = server.stream("тихая река", size="1280x720", seconds=10)

    _, _, data = reply(REMIX, share=made.outcome["share_id"])

    assert look(data)[:2] == ("mp4", (1280, 720))
    assert look(data)[2] == pytest.approx(10, abs=0.2)
    assert data != server.file(made.outcome["assets"][0]["url"])
    assert server.http.get("/v1/videos", params={"limit": 1}).json()["data"][0]["remixed_from_video_id"] == made.job


def test_a_storyboard_has_its_three_shots_in_twenty_seconds(reply, look, frames):
    _, link, data = reply(STORYBOARD)

    kind, size, seconds = look(data)
    assert link.endswith(".mp4")
    assert (kind, size) == ("mp4", (1280, 720))
    assert seconds == pytest.approx(20, abs=0.2)
    assert _cuts(frames(data), rate=len(frames(data)) / seconds) == [5.0, 10.0]


def _cuts(pictures, *, rate) -> list[float]:
    """The seconds at which the picture changes more than it ever does within a shot."""
    pixels = [picture.tobytes() for picture in pictures]
    steps = [sum(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in pairwise(pixels)]
    usual = sorted(steps)[-3]
    return [round((index + 1) / rate, 1) for index, step in enumerate(steps) if step > 1.5 * usual]


def test_a_video_alone_makes_a_character(reply, look):
    text, link, data = reply(CHARACTER)

    name, card = text.splitlines()[0], json.loads(text.partition("```json\n")[2].removesuffix("\n```"))
    assert link.endswith(".png")
    assert look(data)[0] == "png_pipe"
    assert name == f"@{card['card']['username']}"
    assert ("character_card", link) == (card["event"], card["card"]["avatar_url"])


def test_a_video_with_text_makes_a_video_of_its_character(reply, look):
    _, link, data = reply(CHARACTER_AND_VIDEO)

    assert link.endswith(".mp4")
    assert look(data)[:2] == ("mp4", (1280, 720))
    assert look(data)[2] == pytest.approx(10, abs=0.2)
