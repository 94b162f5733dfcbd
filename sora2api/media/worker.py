"""What a worker process of the workshop does beside its work: it ends when its parent wants it, and only then."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection, wait
from typing import Any

ENDING_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})
"""They go to a whole process group, and mean the parent. It starts its workers with these blocked."""


def settle(leave: "Connection[Any, Any]") -> None:
    """Runs once as a worker starts. `leave` is the reading end of a pipe that the parent closes to end the worker."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    threading.Thread(target=_end_with_parent, args=(leave,), name="end-with-parent", daemon=True).start()


def _end_with_parent(leave: "Connection[Any, Any]") -> None:
    parent = multiprocessing.parent_process()
    wait([leave] if parent is None else [leave, parent.sentinel])
    os._exit(0)
