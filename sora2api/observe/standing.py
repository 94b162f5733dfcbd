"""How things stand at a moment, as gauges and counters that are read from the parts when somebody asks."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class Standing(Struct, frozen=True, kw_only=True):
    """Counts at one moment.

    *jobs* that are not over, by mode and state; *slots* and *used* ones by kind of account and of slot; *accounts* by
    kind and state; *waiting* tasks, of *queue_limit*; *polls* and *webhooks* since the start, by outcome; *writes* that
    wait for their commit; *plugins* by status. *folder* lies on the disk whose *reserve* is in bytes.
    """

    jobs: Mapping[tuple[str, ...], int]
    slots: Mapping[tuple[str, ...], int]
    used: Mapping[tuple[str, ...], int]
    accounts: Mapping[tuple[str, ...], int]
    waiting: int
    queue_limit: int
    polls: Mapping[str, int]
    webhooks: Mapping[str, int]
    writes: int
    plugins: Mapping[str, int]
    folder: Path
    reserve: int


Look = Callable[[], Standing]


class StandingCollector:
    """Gives what was seen at the last `take`; that happens in the event loop, the rest may in a thread."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._seen: Standing | None = None

    def describe(self) -> Iterator[Metric]:
        """Nothing: to be registered it need not be asked."""
        return iter(())

    def take(self) -> None:
        self._seen = self._look()

    def collect(self) -> Iterator[Metric]:
        seen = self._seen
        if seen is None:
            return
        kinds = ("kind", "slot")
        yield _gauge("jobs", "Jobs that are not over.", ("mode", "state"), seen.jobs)
        yield _gauge("slots", "Slots of accounts that are in use.", kinds, seen.slots)
        yield _gauge("slots_used", "Slots that tasks hold.", kinds, seen.used)
        yield _gauge("accounts", "Accounts by kind and state.", ("kind", "state"), seen.accounts)
        yield _one("queue_length", "Tasks that wait for a slot.", seen.waiting)
        yield _one("queue_limit", "How many may wait.", seen.queue_limit)
        yield _one("database_waiting_writes", "Writes that wait for their commit.", seen.writes)
        yield _gauge("plugins", "Plugins by status.", ("status",), {(name,): n for name, n in seen.plugins.items()})
        yield _one("disk_free_bytes", "Free on the disk of the data directory.", shutil.disk_usage(seen.folder).free)
        yield _one("disk_reserve_bytes", "Free disk below which no job is taken.", seen.reserve)
        yield _counter("polls", "Questions to engines how tasks stand, by outcome.", seen.polls)
        yield _counter("webhooks", "Attempts to deliver webhooks, by outcome.", seen.webhooks)


def _gauge(name: str, help_: str, labels: tuple[str, ...], counts: Mapping[tuple[str, ...], int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"sora2api_{name}", help_, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _one(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sora2api_{name}", help_, value=value)


def _counter(name: str, help_: str, outcomes: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"sora2api_{name}", help_, labels=("outcome",))
    for outcome, count in outcomes.items():
        family.add_metric((outcome,), count)
    return family
