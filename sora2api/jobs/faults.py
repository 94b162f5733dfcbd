"""Fault points: where a test can have the process killed, to see that nothing is lost there.

`SORA2API_FAULT=record:2` kills the process, as `kill -9` would, when it comes to the point `record`
for the second time.
"""

import os
import signal
from collections import Counter
from typing import Final, Literal

Point = Literal["intent", "submit", "record", "fetch", "store", "step", "key", "reseal", "resealed", "replaced"]

_VARIABLE: Final = "SORA2API_FAULT"
_reached: Counter[str] = Counter()


def point(name: Point) -> None:
    """The work has come to the point *name*, in the order of `Point`: each stands right after what it is called for."""
    wanted = os.environ.get(_VARIABLE)
    if wanted is None:
        return
    _reached[name] += 1
    where, _, nth = wanted.partition(":")
    if where == name and _reached[name] == int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
