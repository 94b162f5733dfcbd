"""What changes with the day: R26, and the half of R11 that is a quota of our own."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from baddays.settling import until
from baddays.test_clock import LIBRARY, Clock
from rig import Rig
from scenarios.asking import Asker

HOUR = 3600
DAY = 24 * HOUR
IMAGE = {"model": "sora-image", "size": None, "seconds": None}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LIBRARY is None, reason="libfaketime (Debian's package faketime) is not installed"),
]


class TwoDays:
    """A server whose account may make two videos a day: three are asked for, and midnight comes; then more."""

    def __init__(self, rig: Rig, clock: Clock) -> None:
        now = int(time.time())
        before = DAY - now % DAY - HOUR  # what there is from now to 23:00 in UTC
        self.first, self.second = (_date(now + before + hours * HOUR) for hours in (0, 1))
        clock.set(before)
        rig.start_sandbox("--delay", "0.4")
        rig.connect("--set", "dialect=sandbox", "--daily-videos", "2")
        rig.start_server("--poll-interval", "0.3", environment=clock.environment)
        self._asker = Asker(rig)
        self._make("a picture before midnight", **IMAGE)
        self._make("a video before midnight")
        self._make("another video before midnight")
        late = rig.ask("a video too many")
        self.waiting = self._asker.day.shown(late, lambda video: video.get("waiting_for"))
        self.before = rig.run("usage")

        clock.set(before + HOUR)
        until(lambda: _date_of(rig) == self.second)
        self.late = rig.ended(late)
        self._make("a picture after midnight", **IMAGE)
        rig.ended(rig.ask("a video that is refused [refuse]"))
        rig.server.stop()
        rig.start_server(environment=clock.environment)
        self.after = rig.run("usage")

    def _make(self, prompt: str, **fields: Any) -> None:
        assert self._asker.chat(prompt, **fields).status_code == 200


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _date_of(rig: Rig) -> str:
    """The server's day."""
    return parsedate_to_datetime(rig.get("/healthz").headers["Date"]).strftime("%Y-%m-%d")


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    folder = tmp_path_factory.mktemp("days")
    rig = Rig(folder)
    yield TwoDays(rig, Clock(folder))
    rig.close()


def counts(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["day"], row["jobs"], row["seconds"], row["images"], row["failures"]) for row in rows]


def test_r26_each_day_has_a_row_of_its_own_that_midnight_and_a_restart_leave_alone(days):
    assert counts(days.before) == [(days.first, 3, 2.0, 1, {})]
    assert counts(days.after) == [
        (days.first, 3, 2.0, 1, {}),
        (days.second, 2, 1.0, 1, {"moderation_blocked": 1}),
    ]
    assert days.after[0] == days.before[0]


def test_r11_an_account_whose_daily_quota_is_used_up_is_used_again_after_midnight(days):
    assert "daily quota" in days.waiting["waiting_for"]
    assert days.late["status"] == "completed"
