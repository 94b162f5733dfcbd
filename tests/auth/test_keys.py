"""API keys: made, found, ended, and noticed by a running server."""

import sqlite3
import time
from contextlib import closing

import pytest

from sora2api.auth.keys import KeyBook
from sora2api.auth.limits import Limits, Quota
from sora2api.errors import InvalidValue, KeyExpired, NotFound
from sora2api.store.database import FILE, Database, revision
from sora2api.store.watch import RevisionWatch


async def test_a_created_key_is_found_by_its_secret(database):
    book = KeyBook(database)

    key, secret = await book.create("laptop")

    assert book.find(secret) == key
    assert (key.name, key.hint) == ("laptop", secret[-4:])
    assert secret.startswith("sk-")
    assert len(secret) >= 43


async def test_a_secret_is_not_in_the_database(database, folder):
    _key, secret = await KeyBook(database).create("laptop")

    stored = b"".join(path.read_bytes() for path in folder.glob(f"{FILE}*"))

    assert b"laptop" in stored
    assert secret.encode() not in stored


async def test_a_revoked_key_is_not_found(database):
    book = KeyBook(database)
    key, secret = await book.create("laptop")

    await book.revoke(key.id)

    assert book.find(secret) is None
    assert book.list() == ()


async def test_revoking_a_key_that_is_not_in_force_is_refused(database):
    book = KeyBook(database)
    key, _secret = await book.create("laptop")
    await book.revoke(key.id)

    with pytest.raises(NotFound):
        await book.revoke(key.id)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "two\nlines"])
async def test_a_key_without_a_proper_name_is_refused(database, name):
    with pytest.raises(InvalidValue):
        await KeyBook(database).create(name)


async def test_a_header_that_is_not_text_finds_no_key(database):
    assert KeyBook(database).find("sk-\udcff") is None


async def test_every_change_bumps_the_revision(database):
    book = KeyBook(database)
    before = await revision(database)

    key, _secret = await book.create("laptop")
    created = await revision(database)
    await book.revoke(key.id)

    assert (created - before, await revision(database) - created) == (1, 1)


async def test_a_key_made_beside_a_running_server_is_noticed(database, folder):
    book = KeyBook(database)
    watch = RevisionWatch(database)
    watch.register(book.load)
    await watch.look()
    command_line = Database(folder / FILE)

    key, secret = await KeyBook(command_line).create("beside")
    await command_line.close()
    await watch.look()

    assert book.find(secret) == key


async def test_a_look_without_a_change_loads_nothing(database):
    loads = []

    async def reload() -> None:
        loads.append(1)

    watch = RevisionWatch(database)
    watch.register(reload)
    await watch.look()
    await watch.look()

    assert loads == [1]


async def test_a_watch_outlives_a_database_that_cannot_be_read(database, folder, caplog):
    book = KeyBook(database)
    watch = RevisionWatch(database, interval=0.01)
    watch.register(book.load)
    key, secret = await KeyBook(database).create("beside")

    with closing(sqlite3.connect(folder / FILE)) as spoiler:
        spoiler.execute("ALTER TABLE keys RENAME TO elsewhere")
        async with watch:
            while "could not be read" not in caplog.text:
                await revision(database)
            spoiler.execute("ALTER TABLE elsewhere RENAME TO keys")
            while book.find(secret) is None:
                await revision(database)

    assert book.find(secret) == key


# What keys are bound to, when they end, and a new secret for the same key.


async def test_limits_and_expiry_are_kept(database):
    book = KeyBook(database)
    limits = Limits(models=("sora-2",), day=Quota(jobs=3), networks=("192.0.2.0/24",))

    key, secret = await book.create("laptop", expires_at=2e9, limits=limits)

    assert (key.limits, key.expires_at) == (limits, 2e9)
    assert book.find(secret) == key


@pytest.mark.parametrize(
    "limits",
    [
        Limits(networks=("192.0.2.300",)),
        Limits(requests_a_minute=0),
        Limits(jobs_in_flight=-1),
        Limits(month=Quota(seconds=-0.5)),
    ],
)
async def test_limits_that_make_no_sense_are_refused(database, limits):
    with pytest.raises(InvalidValue):
        await KeyBook(database).create("laptop", limits=limits)


async def test_a_key_that_has_expired_says_so(database):
    book = KeyBook(database)
    key, secret = await book.create("laptop", expires_at=time.time() - 1)

    with pytest.raises(KeyExpired):
        book.find(secret)
    assert book.list() == (key,)


async def test_a_rotated_key_is_the_same_key_by_both_secrets(database):
    book = KeyBook(database)
    key, old = await book.create("laptop")

    rotated, new = await book.rotate(key.id)

    assert (rotated.id, rotated.hint) == (key.id, new[-4:])
    assert book.find(old) == book.find(new) == rotated


async def test_the_old_secret_ends_with_the_overlap(database):
    book = KeyBook(database)
    key, old = await book.create("laptop")

    _key, new = await book.rotate(key.id, overlap=0)

    assert book.find(old) is None
    assert book.find(new) is not None


async def test_a_second_rotation_ends_the_first_secret(database):
    book = KeyBook(database)
    key, first = await book.create("laptop")
    _key, second = await book.rotate(key.id)
    _key, third = await book.rotate(key.id)

    assert book.find(first) is None
    assert book.find(second) == book.find(third)


async def test_revoking_ends_the_old_secret_too(database):
    book = KeyBook(database)
    key, old = await book.create("laptop")
    await book.rotate(key.id)

    await book.revoke(key.id)

    assert book.find(old) is None


async def test_the_last_use_is_written_down_later(database):
    book = KeyBook(database)
    key, _secret = await book.create("laptop")
    other, _secret = await book.create("phone")
    before = await revision(database)

    book.used(key)
    await book.note_uses()
    await book.load()

    assert book.get(key.id).last_used_at == pytest.approx(time.time(), abs=5)
    assert book.get(other.id).last_used_at is None
    assert await revision(database) == before


async def test_a_key_is_found_by_its_name_where_that_is_its_own(database):
    book = KeyBook(database)
    key, _secret = await book.create("laptop")
    await book.create("twin")
    await book.create("twin")

    assert book.get("laptop") == book.get(key.id) == key
    with pytest.raises(NotFound):
        book.get("twin")
