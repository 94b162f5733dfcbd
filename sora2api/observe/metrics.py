"""The metrics in Prometheus' format: what happens is counted as it does, how things stand is asked at each reading."""

import asyncio
import platform
from typing import Final

from aiohttp import web
from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from sora2api import __version__
from sora2api.egress.trace import Call
from sora2api.observe.standing import Look, StandingCollector

_SERVED_WITHIN: Final = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0, 300.0)
_WAITED: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_MADE_WITHIN: Final = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 3600.0)
"""A picture takes seconds, a video minutes."""
_STORED_WITHIN: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_CALLED_WITHIN: Final = (0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_COMMITTED_WITHIN: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_LAG: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

_LAG_EVERY: Final = 0.5
"""Seconds between two looks at how late the event loop is."""
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_MOST_PROXIES: Final = 50


class EndedJob(Struct, frozen=True, kw_only=True):
    """A job that is over. *code* is that of its error, empty where it has none; None: it never came so far."""

    mode: str
    state: str
    code: str
    waiting: float | None
    making: float | None
    storing: float | None


class Metrics:
    """The metrics of one server, in a registry of their own, so that several servers in a process do not mix."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._proxies: set[str] = set()
        self._reading = asyncio.Lock()
        self._standing: StandingCollector | None = None
        self._jobs = self._counter("jobs_ended", "Jobs that ended.", "mode", "state", "code")
        self._waiting = self._histogram("job_waiting_seconds", "From a job's request to its start.", _WAITED, "mode")
        self._making = self._histogram(
            "job_making_seconds", "From a job's start until engines had made all of it.", _MADE_WITHIN, "mode"
        )
        self._storing = self._histogram(
            "job_storing_seconds", "From then until its files were kept and it ended.", _STORED_WITHIN, "mode"
        )
        self._calls = self._counter("egress_calls", "Calls to engines.", "proxy", "status")
        self._call_seconds = self._histogram("egress_seconds", "How long they took.", _CALLED_WITHIN, "proxy")
        self._batches = self._histogram("database_batch_writes", "Writes that shared a transaction.", _BATCH)
        self._commits = self._histogram("database_commit_seconds", "How long commits took.", _COMMITTED_WITHIN)
        self._rollbacks = self._counter("database_rollbacks", "Transactions that were rolled back.")
        self._lag = self._histogram("event_loop_lag_seconds", "How late the event loop was.", _LAG)
        self._requests = self._histogram(
            "request_seconds", "Requests, by template of route.", _SERVED_WITHIN, "route", "method", "status"
        )
        self._served: dict[tuple[str, str, int], Histogram] = {}
        build = Gauge("sora2api_build_info", "Always 1.", ("version", "python"), registry=self._registry)
        build.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self._registry)

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(f"sora2api_{name}", help_, labels, registry=self._registry)

    def _histogram(self, name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"sora2api_{name}", help_, labels, buckets=buckets, registry=self._registry)

    # What happens.

    def job_ended(self, job: EndedJob) -> None:
        self._jobs.labels(job.mode, job.state, job.code).inc()
        stages = ((self._waiting, job.waiting), (self._making, job.making), (self._storing, job.storing))
        for histogram, seconds in stages:
            if seconds is not None:
                histogram.labels(job.mode).observe(max(0.0, seconds))

    def called(self, call: Call) -> None:
        """A call to an engine (`sora2api.egress.trace.Trace`)."""
        proxy = self._proxy(call.proxy)
        self._calls.labels(proxy, "none" if call.status is None else _class(call.status)).inc()
        self._call_seconds.labels(proxy).observe(call.took)

    def _proxy(self, name: str | None) -> str:
        """The name of a proxy of the list; those that stand with their accounts are not told apart."""
        if name is None:
            return "direct"
        if "://" in name:
            return "own"
        if name not in self._proxies and len(self._proxies) >= _MOST_PROXIES:
            return "other"
        self._proxies.add(name)
        return name

    def committed(self, writes: int, seconds: float) -> None:
        self._batches.observe(writes)
        self._commits.observe(seconds)

    def rolled_back(self) -> None:
        self._rollbacks.inc()

    def served(self, request: web.Request, status: int, seconds: float) -> None:
        """A request was answered; *status* is 0 where its client had gone."""
        resource = request.match_info.route.resource
        key = ("none" if resource is None else resource.canonical, request.method, status // 100)
        histogram = self._served.get(key)
        if histogram is None:
            method = request.method if request.method in _METHODS else "other"
            histogram = self._requests.labels(key[0], method, _class(status) if status else "none")
            if method != "other":
                self._served[key] = histogram
        histogram.observe(seconds)

    async def watch_lag(self) -> None:
        """Measure how late the event loop does what is due, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_EVERY
            await asyncio.sleep(_LAG_EVERY)
            self._lag.observe(max(0.0, loop.time() - due))

    # Who reads.

    def stands(self, look: Look) -> None:
        """Ask *look* from now on, at each reading, how things stand."""
        self._standing = StandingCollector(look)
        self._registry.register(self._standing)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """All metrics, and of which content type they are: the one that a reader *accepts*."""
        encode, content_type = choose_encoder(accept)
        async with self._reading:
            if self._standing is not None:
                self._standing.take()
            return await asyncio.to_thread(encode, self._registry), content_type


def _class(status: int) -> str:
    return f"{status // 100}xx"
