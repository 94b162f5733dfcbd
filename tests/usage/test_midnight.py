"""A day ends while the server runs: each day has what ended on it, and quotas begin anew."""

import math
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from keyed import SMALL, KeyedRig

from sora2api.auth.limits import Limits, Quota

pytestmark = pytest.mark.slow

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
DAY = 86400


class Clock:
    """The server's wall clock, in a file that it looks into once a second; durations stay true."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.midnight = (math.floor(time.time() / DAY) + 1) * DAY
        self.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def to_midnight(self, seconds: int) -> None:
        """Show a time so long before midnight, and go on from there."""
        self._ahead = self.midnight - seconds - time.time()
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._ahead:+.0f}")
        fresh.replace(self._file)

    def wait_for_midnight(self) -> None:
        time.sleep(max(0.0, self.midnight - self._ahead - time.time()) + 2)

    def days(self) -> tuple[str, str]:
        """The day that ends, and the one that begins."""
        before, after = (datetime.fromtimestamp(self.midnight + side, UTC) for side in (-1, 1))
        return before.strftime("%Y-%m-%d"), after.strftime("%Y-%m-%d")


@pytest.mark.skipif(LIBRARY is None, reason="libfaketime (Debian's package faketime) is not installed")
def test_a_day_that_ends_takes_its_use_with_it(tmp_path: Path, rig: KeyedRig):
    clock = Clock(tmp_path)
    clock.to_midnight(1800)
    keys = rig.make_keys(one=Limits(day=Quota(jobs=1)), free=Limits())
    rig.start_server(environment=clock.environment)
    rig.made("one")
    late = rig.post("one")
    assert (late.status_code, late.json()["error"]["code"]) == (429, "insufficient_quota")
    assert 0 < int(late.headers["retry-after"]) <= 1800

    rig.misbehave(method="POST", path="/v1/videos", delay=10)
    clock.to_midnight(4)
    with rig.client("free") as client:
        assert client.post("/v1/videos", json=SMALL).status_code == 200  # ends on the day that begins
    clock.wait_for_midnight()
    assert rig.made("one")["status"] == "completed"
    while not rig.rows(f"select 1 from usage where key_id = '{keys['free'].id}'"):
        time.sleep(0.1)

    ended, began = clock.days()
    counted = rig.rows("select key_id, day, jobs, seconds from usage")
    assert sorted(counted) == sorted(
        [(keys["one"].id, ended, 1, 1.0), (keys["one"].id, began, 1, 1.0), (keys["free"].id, began, 1, 1.0)]
    )
