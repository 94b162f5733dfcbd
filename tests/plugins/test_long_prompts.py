"""A prompt as long as a client cares to send is read in linear time: what takes quadratic time ends at the time-out."""

import pytest

from sora2api.errors import ClientError
from sora2api.plugins.character import CharacterMode
from sora2api.plugins.remix import RemixMode
from sora2api.plugins.storyboard import StoryboardMode
from sora2api.plugins.video import VideoMode
from sora2api.testing import FILM, SHARE_ID

UNITS = [
    "a",
    " ",
    "\n",
    " \n",
    "a/p/",
    "s_0",
    "http://",
    "[5s",
    "[5s] a",
    "{",
    "{anime",
    "@a.",
    f"{SHARE_ID} ",
    f"/p/{SHARE_ID}?",
]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "mode", [CharacterMode(), RemixMode(), StoryboardMode(), VideoMode()], ids=lambda mode: mode.name
)
def test_a_long_prompt_is_read_at_once(ask, steps, mode, unit):
    request = ask(prompt=unit * (300_000 // len(unit)), videos=(FILM,) if mode.name == "character" else ())

    mode.accepts(request)
    try:
        planned = steps(mode, request)
    except ClientError:
        return

    assert planned
