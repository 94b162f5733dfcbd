"""Alive and ready: each of what makes a server unready is broken, and said to those who may know."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx2
import pytest
from rig import Rig
from served import Served

from sora2api.observe.health import seldom
from sora2api.store.database import FILE

STRANGER = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A server whose engine refuses its token."""
    rig = Rig(tmp_path_factory.mktemp("watched"))
    rig.start_sandbox()
    rig.connect("--set", "dialect=sandbox", token="a wrong one", name="refused")
    rig.start_server()
    yield rig
    rig.close()


@contextmanager
def broken(rig: Rig, *statements: str) -> Iterator[None]:
    """While another process has done this to the database; its transaction is left undone."""
    with closing(sqlite3.connect(rig.data / FILE, isolation_level=None, timeout=30)) as other:
        for statement in statements:
            other.execute(statement)
        yield
        if other.in_transaction:
            other.execute("ROLLBACK")


def until(rig: Rig, status: int) -> httpx2.Response:
    """What /readyz says as soon as it answers with this *status*: a trial of the database holds for a second."""
    end = time.monotonic() + 40
    while (ready := rig.get("/readyz")).status_code != status:
        assert time.monotonic() < end
        time.sleep(0.2)
    return ready


def test_ill_engines_are_listed_and_the_server_is_ready(watched):
    end = time.monotonic() + 40
    while (ready := watched.get("/readyz")).json()["engines"] != {"refused": "account_rejected"}:
        assert time.monotonic() < end
        time.sleep(0.2)

    assert (ready.status_code, ready.json()["status"], ready.json()["reasons"]) == (200, "ready", [])
    assert {"video", "image", "openai"} <= set(ready.json()["plugins"])
    assert ready.json()["plugins_set_aside"] == []


def test_a_database_that_takes_no_writes_makes_it_unready_and_leaves_it_alive(watched):
    until(watched, 200)
    with broken(watched, "BEGIN IMMEDIATE"):
        ready, alive = until(watched, 503), watched.get("/healthz")

    assert ready.json()["reasons"] == ["The database has taken no write for 4 s."]
    assert alive.status_code == 200
    until(watched, 200)


def test_a_schema_of_another_version_makes_it_unready(watched):
    until(watched, 200)
    with broken(
        watched, "CREATE TABLE kept AS SELECT * FROM alembic_version", "UPDATE alembic_version SET version_num = 9999"
    ):
        ready = watched.get("/readyz")
    with broken(watched, "UPDATE alembic_version SET version_num = (SELECT version_num FROM kept)", "DROP TABLE kept"):
        until(watched, 200)

    assert ready.status_code == 503
    assert "9999" in ready.json()["reasons"][0]


def test_strangers_are_told_the_state_alone(watched):
    until(watched, 200)
    told = [
        httpx2.get(f"{watched.server.url}/readyz", headers=headers).json()
        for headers in (STRANGER, STRANGER | watched.headers, {"Host": "rebound.example"})
    ]

    assert told == [{"status": "ready"}] * 3


async def test_a_full_disk_is_told_to_administrators_wherever_they_are(tmp_path):
    with Served(tmp_path, "--disk-reserve", str(10**18), "--metrics-token", "watchers") as served:
        await served.prepare()

        def told(authorization: str) -> tuple[int, list[str] | None]:
            reply = httpx2.get(f"{served.url}/readyz", headers=STRANGER | {"Authorization": authorization})
            return reply.status_code, reply.json().get("reasons")

        full = (503, ["The disk is nearly full."])
        assert told(served.api("administrator").headers["Authorization"]) == full
        assert told("Bearer watchers") == full
        assert told(served.api("operator").headers["Authorization"]) == (503, None)
        assert told("Bearer wrong") == (503, None)


async def test_what_costs_something_is_not_checked_for_everyone_who_asks():
    made = []

    async def check() -> str | None:
        made.append(1)
        return "It is not well."

    spared = seldom(check, seconds=60)

    assert [await spared(), await spared()] == ["It is not well."] * 2
    assert len(made) == 1
