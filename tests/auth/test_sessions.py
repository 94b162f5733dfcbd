"""Panel logins: who gets in, for how long, and what ends a session."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from sora2api.auth import passwords
from sora2api.auth.attempts import Attempts
from sora2api.auth.first_start import FirstStart, end_defaults
from sora2api.auth.sessions import IDLE, LONGEST, SessionEnded, Sessions, WrongLogin
from sora2api.auth.totp import SecondFactors
from sora2api.errors import InvalidValue, TooManyAttempts
from sora2api.store import tables
from sora2api.store.database import FILE
from sora2api.store.secrets import Secrets

HOME = "http://127.0.0.1:8000"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def first_start(database, folder) -> FirstStart:
    opened, _issued = await FirstStart.open(database, folder, hosts=["127.0.0.1"], environment={})
    return opened


@pytest.fixture
async def sessions(database, first_start, clock) -> AsyncIterator[Sessions]:
    factors = SecondFactors(database, Secrets(b"k" * 32), clock=clock)
    return Sessions(database, first_start, factors, clock=clock, attempts=Attempts(clock=clock))


@pytest.fixture
async def token(sessions, local) -> str:
    """Of a session whose user has set a password."""
    first = await sessions.log_in("admin", "admin", caller=local, origin=HOME)
    return await sessions.change_password(await sessions.find(first, local), "correct horse")


async def test_the_default_login_opens_a_session_that_must_change_it(sessions, local):
    token = await sessions.log_in("admin", "admin", caller=local, origin=HOME)

    session = await sessions.find(token, local)

    assert (session.user, session.must_change) == ("admin", True)


async def test_the_default_login_is_refused_from_afar_and_from_other_pages(sessions, local, remote):
    with pytest.raises(WrongLogin):
        await sessions.log_in("admin", "admin", caller=remote, origin=HOME)
    with pytest.raises(WrongLogin):
        await sessions.log_in("admin", "admin", caller=local, origin="http://evil.example")


async def test_a_session_of_the_default_login_is_of_no_use_from_afar(sessions, local, remote):
    token = await sessions.log_in("admin", "admin", caller=local, origin=HOME)

    assert await sessions.find(token, remote) is None


async def test_a_changed_password_takes_the_defaults_place(sessions, local, remote, token):
    with pytest.raises(WrongLogin):
        await sessions.log_in("admin", "admin", caller=local, origin=HOME)

    again = await sessions.log_in("Admin ", "correct horse", caller=remote, origin=None)

    assert not (await sessions.find(again, remote)).must_change


async def test_the_default_key_outlives_the_default_password(first_start, local, token):
    await first_start.reload()

    assert first_start.default_key_holds(local)


async def test_what_ends_the_defaults_ends_their_sessions(sessions, database, folder, local):
    token = await sessions.log_in("admin", "admin", caller=local, origin=HOME)
    session = await sessions.find(token, local)

    issued = await end_defaults(database, folder)

    assert await sessions.find(token, local) is None
    with pytest.raises(SessionEnded):
        await sessions.change_password(session, "correct horse")
    assert await sessions.log_in("admin", issued.password, caller=local, origin=None)


async def test_a_changed_password_ends_all_sessions_but_the_new_one(sessions, local, token):
    other = await sessions.log_in("admin", "correct horse", caller=local, origin=None)

    new = await sessions.change_password(await sessions.find(token, local), "battery staple")

    assert await sessions.find(token, local) is None
    assert await sessions.find(other, local) is None
    assert await sessions.find(new, local) is not None


@pytest.mark.parametrize("password", ["", "short", "x" * 201, "my-Admin-password"])
async def test_a_password_that_will_not_do_is_refused(sessions, local, token, password):
    with pytest.raises(InvalidValue):
        await sessions.change_password(await sessions.find(token, local), password)


async def test_an_idle_session_ends(sessions, clock, local, token):
    clock.now += IDLE - 1
    assert await sessions.find(token, local) is not None
    clock.now += IDLE - 1
    assert await sessions.find(token, local) is not None
    clock.now += IDLE + 1
    assert await sessions.find(token, local) is None


async def test_a_session_in_use_ends_too_when_it_is_old(sessions, clock, local, token):
    began = clock.now
    while clock.now + IDLE / 2 < began + LONGEST:
        clock.now += IDLE / 2
        assert await sessions.find(token, local) is not None

    clock.now = began + LONGEST + 1

    assert await sessions.find(token, local) is None


async def test_ended_sessions_leave_the_database_at_the_next_login(sessions, database, clock, local, token):
    clock.now += LONGEST + 1
    await sessions.log_in("admin", "correct horse", caller=local, origin=None)

    async with database.reading() as connection:
        assert len((await connection.execute(select(tables.sessions))).all()) == 1


async def test_logging_out_ends_the_session(sessions, local, token):
    await sessions.end(await sessions.find(token, local))

    assert await sessions.find(token, local) is None


async def test_neither_token_nor_password_is_in_the_database(sessions, folder, local, token):
    stored = b"".join(path.read_bytes() for path in folder.glob(f"{FILE}*"))

    assert (await sessions.find(token, local)).hash.encode() in stored
    assert token.encode() not in stored
    assert b"correct horse" not in stored


async def test_guessing_is_slowed_down_more_and_more(sessions, clock, remote, token):
    waits = []
    while len(waits) < 5:
        try:
            await sessions.log_in("nobody", "guess", caller=remote, origin=None)
        except TooManyAttempts as refused:
            waits.append(refused.retry_after)
            clock.now += refused.retry_after
        except WrongLogin:
            continue

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]


async def test_many_guesses_at_once_count_each(sessions, remote, token):
    guesses = (sessions.log_in("admin", f"guess {n}", caller=remote, origin=None) for n in range(12))

    refusals = [type(error) for error in await asyncio.gather(*guesses, return_exceptions=True)]

    assert refusals.count(WrongLogin) == 4
    assert refusals.count(TooManyAttempts) == 8


async def test_a_success_forgives(sessions, remote, token):
    for _ in range(3):
        for _ in range(3):
            with pytest.raises(WrongLogin):
                await sessions.log_in("admin", "guess", caller=remote, origin=None)
        await sessions.log_in("admin", "correct horse", caller=remote, origin=None)


def test_a_name_is_never_barred_for_long():
    clock = Clock()
    attempts = Attempts(clock=clock)
    for guess in range(100):
        attempts.begin("admin", f"203.0.113.{guess}")
        clock.now += 30.0

    attempts.begin("admin", "198.51.100.1")
    with pytest.raises(TooManyAttempts) as refused:
        attempts.begin("admin", "198.51.100.2")

    assert refused.value.retry_after <= 30.0


def test_addresses_of_one_ipv6_network_count_as_one():
    attempts = Attempts(clock=Clock())
    for guess in range(4):
        attempts.begin(f"name {guess}", f"2001:db8::{guess}")

    with pytest.raises(TooManyAttempts):
        attempts.begin("another", "2001:db8::abcd")


async def test_a_hash_that_is_none_matches_nothing():
    assert not await passwords.matches("", "")
    assert not await passwords.matches(None, "guess")
