"""What the parts of a server tell its metrics and its traces, and what the metrics ask of them."""

import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from sora2api.accounts.book import Account
from sora2api.jobs import Jobs
from sora2api.jobs.live import LiveJob
from sora2api.jobs.records import TaskRecord
from sora2api.observe.metrics import EndedJob
from sora2api.observe.standing import Standing
from sora2api.observe.tracing import Piece
from sora2api.parts import Accounts, Parts, keep

if TYPE_CHECKING:
    from sora2api.observe.traces import Traces


def measure(stack: AsyncExitStack, parts: Parts) -> None:
    """Have the metrics told of what happens, and know how things stand, until the *stack* is left."""
    metrics = parts.metrics
    parts.base.database.meter = metrics
    parts.jobs.when_over(lambda job: metrics.job_ended(ended(job)))
    metrics.stands(lambda: standing(parts))
    keep(stack, metrics.watch_lag, name="lag of the event loop")
    if parts.traces is not None:
        _trace(parts.jobs, parts.traces)


def _trace(jobs: Jobs, traces: "Traces") -> None:
    """Have jobs traced, from when they are taken up to their end."""

    def taken(job: LiveJob) -> None:
        record = job.record
        traces.job_taken(job.id, mode=record.mode, model=record.model, at=record.created_at)

    def over(job: LiveJob) -> None:
        error, pieces = job.record.error, [_piece(task) for task in job.tasks if task.ended_at is not None]
        traces.job_ended(job.id, status=job.record.status, code=None if error is None else error.code, pieces=pieces)

    jobs.when_taken(taken)
    jobs.when_over(over)


def _piece(task: TaskRecord) -> Piece:
    facts = {"sora2api.task": task.id, "sora2api.account": task.account_id, "sora2api.make": task.make}
    return Piece(
        name=f"task {task.step}",
        begun=task.asked_at or task.intended_at,
        ended=task.ended_at or task.intended_at,
        code=None if task.error is None else task.error.code,
        facts=facts | {"sora2api.model": task.model, "sora2api.attempt": task.attempt},
    )


def ended(job: LiveJob) -> EndedJob:
    """A job that is over, by the times of its stages."""
    record = job.record
    answered = (task.made_at or task.submitted_at for task in job.tasks if task.result is not None)
    made = [at for at in answered if at is not None]  # some engines take a task by answering with what they made
    started, completed = record.started_at, record.completed_at
    return EndedJob(
        mode=record.mode,
        state=record.status,
        code="" if record.error is None else record.error.code,
        waiting=None if started is None else started - record.created_at,
        making=None if started is None or not made else max(made) - started,
        storing=None if completed is None or not made else completed - max(made),
    )


def standing(parts: Parts) -> Standing:
    """How things stand now: memory alone is read."""
    slots, used, accounts = _accounts(parts.accounts)
    return Standing(
        jobs=parts.jobs.unfinished(),
        slots=slots,
        used=used,
        accounts=accounts,
        waiting=parts.accounts.pool.waiting(),
        queue_limit=parts.base.settings.queue_limit,
        polls=parts.jobs.polls,
        webhooks=parts.webhooks.sender.outcomes,
        writes=parts.base.database.waiting(),
        plugins=Counter(plugin.status for plugin in parts.base.registry.plugins),
        folder=parts.base.folder,
        reserve=parts.base.settings.disk_reserve,
    )


Counts = Counter[tuple[str, ...]]


def _accounts(of: Accounts) -> tuple[Counts, Counts, Counts]:
    """Slots of accounts in use, slots that tasks hold, and accounts by state, each by kind of account."""
    slots, used, states = Counts(), Counts(), Counts()
    in_service = {account.id for account in of.pool.in_service()}
    now = time.time()
    for account in of.book.all():
        kind = "sandbox" if account.sandbox else account.driver
        for slot in ("image", "video"):
            used[kind, slot] += of.pool.in_use(account.id, slot)
            if account.id in in_service:
                slots[kind, slot] += account.slots(slot)
        if account.removed_at is None:
            states[kind, _state(account, now) if account.id in in_service else "off"] += 1
    return slots, used, states


def _state(account: Account, now: float) -> str:
    """`ready`, or the code of the error that it rests for."""
    if account.rests(now):
        return account.set_aside or "ready"
    return "account_expired" if account.expired(now) else "ready"
