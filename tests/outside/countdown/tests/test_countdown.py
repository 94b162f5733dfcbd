"""The countdown keeps the mode contract, as its author would test it."""

from sora2api_countdown import CountdownMode

from sora2api.modes import Request
from sora2api.testing import ModeContract


def _asked(**fields):
    return Request(model="sora-2", makes="video", size="640x360", seconds=4.0, **fields)


class TestCountdown(ModeContract):
    mode = CountdownMode
    requests = (_asked(prompt="countdown: a rocket"), _asked(prompt="a rocket", mode="countdown"))
