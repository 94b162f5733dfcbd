"""Runs media functions in worker processes, so that no file or CPU work is ever done in the event loop."""

import asyncio
import functools
import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from sora2api.errors import WorkerDied
from sora2api.media.worker import ENDING_SIGNALS, settle

P = ParamSpec("P")
T = TypeVar("T")

CALLS_A_POOL = 500
"""After so many calls fresh workers take over, so that what codecs leak does not grow for ever."""


class Workshop:
    """A pool of worker processes that starts with the first call."""

    def __init__(self, *, workers: int = 2) -> None:
        self._workers = workers
        self._free = asyncio.Semaphore(workers)
        self._lock = threading.Lock()  # guards what follows: processes are started and ended in threads
        self._pools: set[_Pool] = set()
        self._shared: _Pool | None = None
        self._closed = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls the function in a worker; it, its arguments and its result must be picklable.

        Errors come back as they were raised. If the worker dies, the call is made once more in a process of its
        own, where it can take no other call with it; if that dies too, WorkerDied is raised. A caller that is
        cancelled is free at once; the worker finishes what nobody waits for.
        """
        if self._closed:
            raise RuntimeError("The workshop is closed.")
        call = functools.partial(function, *args, **kwargs)
        async with self._free:
            try:
                return await _result(await asyncio.to_thread(self._submit, call))
            except BrokenProcessPool as error:
                self._cancel_if_closed(error)
            try:
                return await _result(await asyncio.to_thread(self._submit, call, alone=True))
            except BrokenProcessPool as error:
                self._cancel_if_closed(error)
                raise WorkerDied from error

    async def close(self) -> None:
        """Ends all workers at once; the calls under way are cancelled."""
        self._closed = True
        await asyncio.to_thread(self._end_all)

    def _cancel_if_closed(self, error: BrokenProcessPool) -> None:
        if self._closed:
            raise asyncio.CancelledError from error

    def _submit(self, call: Callable[[], T], *, alone: bool = False) -> "Future[T]":
        with self._lock:
            if self._closed:
                raise BrokenProcessPool("The workshop is closed.")
            pool = self._add(1) if alone else self._current()
            future = pool.submit(call)
            if alone:
                self._let_go(pool)
            return future

    def _current(self) -> "_Pool":
        """The pool that calls share, made anew if it is broken or has served long enough."""
        if self._shared is not None and self._shared.worn:
            self._let_go(self._shared)
            self._shared = None
        if self._shared is None:
            self._shared = self._add(self._workers)
        return self._shared

    def _add(self, workers: int) -> "_Pool":
        pool = _Pool(workers)
        self._pools.add(pool)
        return pool

    def _let_go(self, pool: "_Pool") -> None:
        """The pool finishes what it has to do, and takes no more calls."""
        threading.Thread(target=self._see_off, args=(pool,), name="see-off-workers").start()

    def _see_off(self, pool: "_Pool") -> None:
        pool.finish()
        with self._lock:
            self._pools.discard(pool)

    def _end_all(self) -> None:
        with self._lock:
            pools = tuple(self._pools)
        for pool in pools:
            pool.end()


class _Pool:
    """One set of worker processes, and the pipe that ends them."""

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        reader, self._leave = context.Pipe(duplex=False)
        self._executor = ProcessPoolExecutor(workers, context, settle, (reader,))
        self._leaving, self._ending = threading.Lock(), threading.Lock()
        self._calls = 0
        self._broken = False

    @property
    def worn(self) -> bool:
        return self._broken or self._calls >= CALLS_A_POOL

    def submit(self, call: Callable[[], T]) -> "Future[T]":
        """Starts a worker if need be, which takes a moment."""
        self._calls += 1
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        try:
            future = self._executor.submit(call)
        except BrokenProcessPool:
            self._give_up()
            raise
        except OSError as error:  # it breaks at this moment: its pipes are closed before it says so
            self._give_up()
            raise BrokenProcessPool("The workers cannot be started.") from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        future.add_done_callback(self._look)
        return future

    def finish(self) -> None:
        """Waits until all calls are done, then ends the workers."""
        with self._ending:
            self._executor.shutdown()
        self._send_away()

    def end(self) -> None:
        """Ends the workers at once; the calls under way raise BrokenProcessPool."""
        self._send_away()
        with self._ending:
            self._executor.shutdown()

    def _look(self, future: "Future[T]") -> None:
        if isinstance(future.exception(), BrokenProcessPool):
            self._give_up()

    def _give_up(self) -> None:
        """When one worker has died, the executor waits for the others to end, and SIGTERM does not make them."""
        self._broken = True
        self._send_away()

    def _send_away(self) -> None:
        with self._leaving:
            self._leave.close()


async def _result(future: "Future[T]") -> T:
    # Shielded, because an executor that breaks with a cancelled call in it fails to tell the other calls.
    outcome = asyncio.wrap_future(future)
    outcome.add_done_callback(asyncio.Future.exception)  # known, even if the caller has gone
    return await asyncio.shield(outcome)
