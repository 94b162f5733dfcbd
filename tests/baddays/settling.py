"""A bad day: what befalls, and the check that nothing is left of it when it is over."""

import itertools
import re
import time
from typing import Any, Final

import httpx2
from rig import Rig

_SETTLE_WITHIN: Final = 20.0
_TICK: Final = 0.1
_numbers = itertools.count(1)


class BadDay:
    """From now on, until it is `settled`."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self._creates = rig.creates()
        self._said = len(rig.log)

    def begin(self, prompt: str = "", **fields: Any) -> str:
        """Begin a small video, as different from all others as its *prompt*, which is a new one by default."""
        body = {"model": "sora-video", "prompt": prompt or f"a bad day, {next(_numbers)}", "size": "160x96"}
        reply = self.rig.http.post("/v1/videos", json={**body, "seconds": 1, **fields})
        assert reply.status_code == 200, reply.text
        return reply.json()["id"]

    def completed(self, job: str) -> list[dict[str, Any]]:
        """The events of a job that must end well."""
        events = self.rig.events(job)
        video = self.rig.get(f"/v1/videos/{job}").json()
        assert (video["status"], video["progress"]) == ("completed", 100), video
        return events

    def failed(self, job: str, code: str) -> list[dict[str, Any]]:
        """The events of a job that must fail."""
        events = self.rig.events(job)
        video = self.rig.get(f"/v1/videos/{job}").json()
        assert (video["status"], video["error"]["code"]) == ("failed", code), video
        return events

    def shown(self, job: str, wanted: Any) -> dict[str, Any]:
        """The job as soon as it is as *wanted*."""
        return until(lambda: (video := self.rig.get(f"/v1/videos/{job}").json()) and wanted(video) and video)

    @property
    def creates(self) -> int:
        """How many tasks the sandbox has accepted since this day began."""
        return self.rig.creates() - self._creates

    def settled(self, *, creates: int | None = None, says: tuple[str, ...] = (), tracebacks: bool = False) -> None:
        """All work is over and has left nothing, the account takes new work, and the log said what happened.

        *creates* is what the sandbox must have counted; *says* are patterns, each to be found in a line of the log;
        with *tracebacks* it may also have said where it broke off.
        """
        deadline = time.monotonic() + _SETTLE_WITHIN
        while (trouble := self.rig.unsettled()) is not None:
            assert time.monotonic() < deadline, trouble
            time.sleep(_TICK)
        if creates is not None:
            assert creates == self.creates
        said = self.rig.log[self._said :]
        for pattern in says:
            assert re.search(pattern, said), f"{pattern!r} is not in the log:\n{said}"
        assert tracebacks or "Traceback" not in said, said
        self._clear_faults()
        self.completed(self.begin())
        assert self.rig.unsettled() is None

    def _clear_faults(self) -> None:
        """Those that are left have not befallen anything: that must be meant."""
        httpx2.delete(f"{self.rig.sandbox.url}/_sandbox/faults", timeout=30).raise_for_status()


def until(look: Any, *, within: float = _SETTLE_WITHIN) -> Any:
    """What *look* finds as soon as it finds anything."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(_TICK)
    return found


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]
