"""Accounts and proxies in a copy of what the database has of them: to try them is to write down what is learned."""

import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from msgspec import Struct
from sqlalchemy import create_engine

from sora2api.accounts import AccountBook, Engines, ProxyBook
from sora2api.accounts.book import Account
from sora2api.accounts.probes import Probes
from sora2api.doctor.aside import aside
from sora2api.doctor.finding import Case, Unseen
from sora2api.doctor.looking import reading, there
from sora2api.doctor.secrets import right_key
from sora2api.egress import GuardedFetch, Sessions
from sora2api.registry import Registry
from sora2api.store.database import FILE, Database
from sora2api.store.secrets import rooted
from sora2api.store.tables import accounts, metadata, proxies, revision, secrets, spread

_COPIED: Final = (secrets, revision, accounts, proxies, spread)
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder in it is made for this user alone
PATIENCE: Final = 10.0
"""Seconds that a proxy or an engine may take."""


class Copy(Struct, frozen=True, kw_only=True):
    """What tries accounts and proxies. *renewable*: the ids of accounts whose token the server renews by itself."""

    proxies: ProxyBook
    probes: Probes
    engines: Engines
    sessions: Sessions
    used: tuple[Account, ...]
    renewable: frozenset[str]


@asynccontextmanager
async def copied(case: Case, registry: Registry) -> AsyncIterator[Copy]:
    """The accounts and proxies in *case*. Raises `Unseen` where they cannot be read."""
    memory = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="sora2api-doctor-") as name:
        folder = Path(name)
        renewable = await aside(_copy, case, folder)
        vault = await aside(lambda: rooted(right_key(case.folder), folder))
        database, sessions = Database(folder / FILE), Sessions()
        try:
            book = AccountBook(database, vault)
            await book.load()
            given = case.settings
            listed = ProxyBook(database, vault, default=given.default_proxy, failure=given.proxy_failure)
            await listed.load()
            yield Copy(
                proxies=listed,
                probes=Probes(book, listed, timeout=PATIENCE),
                engines=Engines(registry.drivers, sessions, book=book, proxies=listed, fetch=GuardedFetch()),
                sessions=sessions,
                used=tuple(filter(_used, book.all())),
                renewable=renewable,
            )
        finally:
            await sessions.close()
            await database.close()


def _used(account: Account) -> bool:
    return account.enabled and account.removed_at is None and not account.sandbox


def _copy(case: Case, folder: Path) -> frozenset[str]:
    """Copy what is needed, of any revision; the ids of accounts that could be renewed, which the copy cannot do."""
    engine = create_engine(f"sqlite:///{folder / FILE}")
    metadata.create_all(engine)
    engine.dispose()
    source = case.folder / FILE
    with closing(sqlite3.connect(folder / FILE)) as copy:
        if there(source):
            with reading(source) as original:
                _fill(copy, original)
        held = "SELECT id FROM accounts WHERE refresh_token IS NOT NULL AND refresh_url IS NOT NULL"
        renewable = frozenset(row[0] for row in copy.execute(held))
        # A refresh token can be good for one use, which is the server's.
        copy.execute("UPDATE accounts SET refresh_token = NULL")
        # What was found dead may be alive by now.
        copy.execute("UPDATE proxies SET down = NULL, down_at = NULL")
        copy.commit()
    return renewable


def _fill(copy: sqlite3.Connection, original: sqlite3.Connection) -> None:
    for table in _COPIED:
        known = {row[0] for row in original.execute("SELECT name FROM pragma_table_info(?)", (table.name,))}
        names = [column.name for column in table.columns if column.name in known]
        if not names:
            continue
        # all names are our own
        rows = original.execute(f"SELECT {', '.join(names)} FROM {table.name}")  # noqa: S608
        marks = ", ".join("?" * len(names))
        insert = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
        try:
            copy.executemany(insert, rows)
        except sqlite3.IntegrityError as error:
            raise Unseen("The database is of an older revision: `sora2api db upgrade` first.") from error
