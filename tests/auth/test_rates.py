"""How often a key may call, whatever the time."""

import random

import pytest

from sora2api.auth.rates import Rates
from sora2api.errors import RateLimitExceeded


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_in_no_minute_are_there_more_requests_than_allowed(clock):
    rates, chance = Rates(clock=clock), random.Random(7)
    let_in: list[float] = []
    waits = []

    for _ in range(2000):
        clock.now += chance.expovariate(1 / 2)
        try:
            rates.count("key", 10)
        except RateLimitExceeded as error:
            waits.append(error.retry_after)
        else:
            let_in.append(clock.now)

    assert all(late - early >= 60 for early, late in zip(let_in, let_in[10:], strict=False))
    assert len(let_in) > 100
    assert all(0 < wait <= 60 for wait in waits)


def test_who_waits_as_told_is_let_in(clock):
    rates = Rates(clock=clock)
    for _ in range(3):
        rates.count("key", 3)
        clock.now += 7
    with pytest.raises(RateLimitExceeded) as refused:
        rates.count("key", 3)

    clock.now += refused.value.retry_after

    rates.count("key", 3)


def test_what_is_refused_is_not_counted(clock):
    rates = Rates(clock=clock)
    rates.count("key", 1)
    for _ in range(50):
        clock.now += 1
        with pytest.raises(RateLimitExceeded):
            rates.count("key", 1)

    clock.now += 10

    rates.count("key", 1)


def test_keys_do_not_share_their_minutes(clock):
    rates = Rates(clock=clock)
    rates.count("one", 1)
    rates.count("other", 1)

    assert rates.left("one", 1).remaining == rates.left("other", 1).remaining == 0


def test_a_limit_that_is_changed_holds_at_once(clock):
    rates = Rates(clock=clock)
    for _ in range(4):
        rates.count("key", 4)

    with pytest.raises(RateLimitExceeded):
        rates.count("key", 2)
    rates.count("key", 9)


def test_who_has_not_called_for_a_minute_is_forgotten(clock):
    rates = Rates(clock=clock)
    for number in range(100):
        rates.count(f"key {number}", 5)
    clock.now += 61
    rates.count("another", 5)

    assert list(rates._calls) == ["another"]
