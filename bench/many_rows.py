"""Fills a data directory with as many jobs, requests and accounts as asked for, made in SQL out of the first ones."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sora2api.store.database import FILE

JOB_SPACING: Final = 4.0
REQUEST_SPACING: Final = 0.5
"""So many seconds lie between a job, or a request, and the next."""
KEYS: Final = 200
PROMPTS: Final = (
    "a paper boat",
    "a lantern on the water",
    "a dog runs along the shore",
    "rain over a harbour at night",
)
MODELS: Final = ("sora-2", "sora-2-pro", "sora-video", "sora-image")
GROUPS: Final = ("day", "night", "studio", "cheap")

_BATCH: Final = 100_000
"""So many rows are added in one transaction."""
_OF_JOB: Final = ("tasks", "events", "assets", "steps")
"""The tables that have rows of the first job."""
_MADE: Final = 10
"""One in so many requests made a job."""
_LATER: Final = 365 * 86400
_HEX: Final = "printf('%08x%024x', ({n} * 2654435761) % 4294967296, {n})"
"""An id's 32 digits, with neighbours far from each other in its index, as those of random ids are."""
_FAILURE: Final = '{"code":"engine_failed","message":"The engine could not make it."}'


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows there are to be."""

    jobs: int
    requests: int
    accounts: int


def fill(folder: Path, size: Size) -> None:
    """Add so many rows to what the first job left."""
    connection = sqlite3.connect(folder / FILE, isolation_level=None)
    for pragma in ("synchronous=OFF", "cache_size=-2000000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    accounts = max(1, size.accounts)
    _multiply(connection, "accounts", size.accounts, _account())
    connection.executemany(
        "INSERT INTO keys (id, name, hash, hint, created_at) VALUES (?, ?, ?, '…', 0)",
        [(f"key_{number}", f"key {number}", f"{number:064x}") for number in range(KEYS)],
    )
    _multiply(connection, "jobs", size.jobs, _job())
    for table in _OF_JOB:
        _multiply(connection, table, size.jobs, _of_job(table, accounts))
    _multiply(connection, "requests", size.requests, _request(size))
    made = min(size.jobs, size.requests // _MADE)
    _multiply(connection, "request_bodies", made, {"request_id": _request_id(f"(n * {_MADE})")})
    _multiply(connection, "calls", made, _call(accounts), models="job_id IS NOT NULL LIMIT 1")
    _count(connection)
    connection.close()


def _multiply(
    connection: sqlite3.Connection, table: str, count: int, changes: Mapping[str, str], *, models: str = "1"
) -> None:
    """Add *count* times the table's first rows, with *changes*: SQL by column, of `n` and of the model `m`."""
    connection.execute(f"CREATE TEMP TABLE models AS SELECT * FROM {table} WHERE {models}")
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    names = [name for name in names if changes.get(name) != ""]
    values = ", ".join(changes.get(name, f'm."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    for begin in range(0, count, _BATCH):
        connection.execute(
            f"""WITH RECURSIVE numbers(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)
            INSERT INTO {table} ({columns}) SELECT {values} FROM numbers CROSS JOIN temp.models AS m""",
            (begin, min(begin + _BATCH, count)),
        )
    connection.execute("DROP TABLE temp.models")


def _one_of(words: tuple[str, ...], by: str = "n") -> str:
    cases = " ".join(f"WHEN {at} THEN '{word}'" for at, word in enumerate(words))
    return f"CASE {by} % {len(words)} {cases} END"


def _account() -> dict[str, str]:
    """Nobody is asked for its models while pages are timed: that is not theirs."""
    return {
        "id": "printf('acc_%016x', n)",
        "name": "printf('account %d', n)",
        "base_url": "printf('http://engine-%d.example/v1', n % 50)",
        "token": "NULL",
        "sandbox": "0",
        "enabled": "n % 10 > 0",
        "groups": f"""CAST('["' || {_one_of(GROUPS)} || '"]' AS BLOB)""",
        "priority": "n % 3",
        "checked_at": f"m.checked_at + {_LATER}",
        "set_aside": "CASE n % 20 WHEN 3 THEN 'account_rejected' WHEN 7 THEN 'rate_limited' END",
        "set_aside_at": "CASE WHEN n % 20 IN (3, 7) THEN m.created_at END",
        "rests_until": f"CASE n % 20 WHEN 7 THEN m.created_at + {_LATER} END",
        "daily_videos": "CASE n % 2 WHEN 0 THEN 30 END",
    }


def _job_id(number: str = "n") -> str:
    return f"'video_' || {_HEX.format(n=number)}"


def _job() -> dict[str, str]:
    back = f"{JOB_SPACING} * (n + 1)"
    return {
        "id": _job_id(),
        "owner": f"'key_' || (n % {KEYS})",
        "model": _one_of(MODELS, "(n / 3)"),
        "prompt": f"{_one_of(PROMPTS, '(n / 7)')} || ' ' || n",
        "status": "CASE n % 10 WHEN 8 THEN 'failed' WHEN 9 THEN 'cancelled' ELSE 'completed' END",
        "error": f"CASE n % 10 WHEN 8 THEN CAST('{_FAILURE}' AS BLOB) END",
        "share_id": "NULL",
        "digest": "printf('%064x', n)",
        "request_id": f"CASE WHEN n % {_MADE} = 0 THEN {_request_id()} END",
        **{name: f"m.{name} - {back}" for name in ("created_at", "started_at", "completed_at")},
    }


def _of_job(table: str, accounts: int) -> dict[str, str]:
    of_table = {
        "tasks": {
            "account_id": f"printf('acc_%016x', n % {accounts})",
            "engine_task": "'task_' || n",
            "error": f"CASE n % 10 WHEN 8 THEN CAST('{_FAILURE}' AS BLOB) END",
            **{
                name: f"m.{name} - {JOB_SPACING} * (n + 1)"
                for name in ("asked_at", "intended_at", "submitted_at", "progressed_at", "made_at", "ended_at")
            },
        },
        "assets": {"owner": f"'key_' || (n % {KEYS})", "expires_at": f"m.expires_at + {_LATER}"},
    }
    named = {} if table in ("events", "steps") else {"id": f"'{table}_' || {_HEX.format(n='n')} || m.rowid"}
    return {"job_id": _job_id()} | named | of_table.get(table, {})


def _request_id(number: str = "n") -> str:
    """The newest first, as the ids of requests begin with their time."""
    return f"printf('req_%024x', 99999999 - {number})"


def _request(size: Size) -> dict[str, str]:
    made = f"n % {_MADE} = 0 AND n / {_MADE} < {size.jobs}"
    asked = _job_id(f"(n % {max(1, size.jobs)})")

    def of_made(value: str) -> str:
        return f"CASE WHEN {made} THEN {value} END"

    return {
        "id": _request_id(),
        "at": f"m.at - {REQUEST_SPACING} * (n + 1)",
        "key_id": f"'key_' || (n % {KEYS})",
        "method": f"CASE WHEN {made} THEN 'POST' ELSE 'GET' END",
        "path": f"CASE WHEN {made} THEN '/v1/videos' ELSE '/v1/videos/' || {asked} END",
        "status": "CASE WHEN n % 97 = 0 THEN 429 WHEN n % 1009 = 0 THEN 502 ELSE 200 END",
        "code": "CASE WHEN n % 97 = 0 THEN 'rate_limited' WHEN n % 1009 = 0 THEN 'engine_failed' END",
        "job_id": of_made(_job_id(f"(n / {_MADE})")),
        "mode": of_made("'video'"),
        "model": of_made(_one_of(MODELS, f"(n / {3 * _MADE})")),
        "account": of_made(f"'account ' || (n % {max(1, size.accounts)})"),
        "prompt": of_made(f"{_one_of(PROMPTS, f'(n / {7 * _MADE})')} || ' ' || n"),
    }


def _call(accounts: int) -> dict[str, str]:
    return {
        "id": "",
        "at": f"m.at - {JOB_SPACING} * (n + 1)",
        "request_id": _request_id(f"(n * {_MADE})"),
        "job_id": _job_id(),
        "account_id": f"printf('acc_%016x', n % {accounts})",
    }


def _count(connection: sqlite3.Connection) -> None:
    """What is counted where a job ends, of all that were added."""
    hour, day = "CAST(completed_at / 3600 AS INTEGER)", "date(completed_at, 'unixepoch')"
    added = "jobs WHERE owner <> 'default'"
    step = "'%d'"
    for of, name, seconds, condition in (
        ("mode", "mode", 0, "1"),
        ("failure", "coalesce(json_extract(error, '$.code'), 'cancelled')", 0, "status <> 'completed'"),
        ("model", "model", 4, "status = 'completed'"),
        ("waited", f"printf({step}, 1 + abs(random() % 6))", 0, "1"),
        ("worked", f"printf({step}, 8 + abs(random() % 6))", 0, "status = 'completed'"),
    ):
        connection.execute(
            f"""INSERT INTO figures (hour, "of", name, jobs, seconds, cost)
            SELECT {hour} AS h, '{of}', {name} AS word, count(*), count(*) * {seconds}, 0 FROM {added} AND {condition}
            GROUP BY h, word ON CONFLICT DO NOTHING"""
        )
    connection.execute(
        f"""INSERT INTO usage (key_id, day, account_id, model, code, jobs, seconds, images, bytes, cost)
        SELECT jobs.owner, {day} AS d, tasks.account_id, jobs.model,
            CASE jobs.status WHEN 'completed' THEN '' WHEN 'failed' THEN 'engine_failed' ELSE 'cancelled' END AS how,
            count(*), count(*) * 4, 0, 0, 0
        FROM jobs JOIN tasks ON tasks.job_id = jobs.id WHERE jobs.owner <> 'default'
        GROUP BY jobs.owner, d, tasks.account_id, jobs.model, how"""
    )
