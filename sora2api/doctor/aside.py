"""Blocking work in threads that nothing waits for when the program ends: a dead disk hangs them for ever."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What *work* returns, or raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if done.done() else settled())

    def run() -> None:
        try:
            result = work(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            trouble = error
            settle(lambda: done.set_exception(trouble))
        else:
            settle(lambda: done.set_result(result))

    threading.Thread(target=run, daemon=True, name=f"doctor: {work.__module__}").start()
    return await done
