"""Whether a key's limits allow a job, and what they leave."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from sora2api.auth.limits import UNLIMITED, Limits, Quota
from sora2api.errors import InsufficientQuota, ModelNotAllowed, ModeNotAllowed, TooManyJobs
from sora2api.jobs.records import JobRecord
from sora2api.jobs.tally import Tally
from sora2api.jobs.usage import Use, asked
from sora2api.jobs.windows import WINDOWS, Window, ends
from sora2api.modes import Model

Amount = Literal["jobs", "seconds", "money"]

_LOOK_AGAIN: Final = 5.0
"""When a client that has too many jobs under way may try again, in seconds."""
_GRAIN: Final = 1e-6
"""What sums of seconds may be off by."""
_WORDS: Final[dict[Amount, str]] = {"jobs": "jobs", "seconds": "seconds of video", "money": "money"}


class Left(Struct, frozen=True, kw_only=True):
    """What a limit leaves: of *limit* there is *remaining*, and all of it again in *reset* seconds.

    Money is in millionths of the operator's currency.
    """

    amount: Amount
    window: Window
    limit: float
    remaining: float
    reset: float


def check_scope(limits: Limits, *, mode: str, model: Model) -> None:
    """Raise `ModeNotAllowed` or `ModelNotAllowed`."""
    if limits.modes and mode not in limits.modes:
        raise ModeNotAllowed(f"This API key may not be used for the mode {mode!r}.", param="mode")
    if not limits.allow_model(model.name, *model.aliases):
        raise ModelNotAllowed(
            f"This API key may not ask for {model.name!r}; GET /v1/models lists what it may.", param="model"
        )


def admit(job: JobRecord, limits: Limits, tally: Tally) -> None:
    """Hold what a job will make, if the limits of its key allow it. One step: of many at once none is one too many.

    Raises `TooManyJobs` or `InsufficientQuota`, and then holds nothing.
    """
    now = time.time()
    most = limits.jobs_in_flight
    if most is not None and tally.in_flight(job.owner) >= most:
        raise TooManyJobs(f"This API key may have {most} jobs under way at once.", retry_after=_LOOK_AGAIN)
    wanted = asked(job)
    limited = _left(job.owner, limits, tally, now)
    short = [one for one in limited if _of(wanted, one.amount) > one.remaining + _GRAIN]
    if short:
        last = max(short, key=lambda one: one.reset)
        raise InsufficientQuota(_refusal(last), retry_after=last.reset)
    tally.hold(job)


def left(key_id: str, limits: Limits, tally: Tally) -> Sequence[Left]:
    """What the limits leave a key of each amount, in the window that leaves the least."""
    if limits is UNLIMITED:
        return ()
    tightest: dict[Amount, Left] = {}
    for one in _left(key_id, limits, tally, time.time()):
        if one.amount not in tightest or one.remaining < tightest[one.amount].remaining:
            tightest[one.amount] = one
    return tuple(tightest.values())


def _left(key_id: str, limits: Limits, tally: Tally, now: float) -> Iterator[Left]:
    for window in WINDOWS:
        quota: Quota = getattr(limits, window)
        if not quota:
            continue
        taken = tally.taken(key_id, window, at=now)
        reset = ends(window, now) - now
        for amount in _WORDS:
            limit = getattr(quota, amount)
            if limit is not None:
                remaining = max(0, limit - _of(taken, amount))
                yield Left(amount=amount, window=window, limit=limit, remaining=remaining, reset=reset)


def _of(use: Use, amount: Amount) -> float:
    return use.cost if amount == "money" else getattr(use, amount)


def _refusal(left: Left) -> str:
    unit = 1e6 if left.amount == "money" else 1
    limit, remaining = left.limit / unit, left.remaining / unit
    amount, window, anew = _WORDS[left.amount], left.window, math.ceil(left.reset)
    return (
        f"This API key allows {limit:g} {amount} a {window}, of which {remaining:g} are left; "
        f"it begins anew in {anew} s."
    )
