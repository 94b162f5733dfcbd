"""The defaults of a first start: when they hold, for whom, and what ends them."""

import asyncio
import stat

import pytest
from sqlalchemy import insert, select

from sora2api.auth import passwords
from sora2api.auth.authenticate import Authenticator
from sora2api.auth.first_start import FILE, Ending, FirstStart, end_defaults
from sora2api.auth.keys import KeyBook
from sora2api.errors import Unauthenticated
from sora2api.store import database as store
from sora2api.store import tables
from sora2api.store.watch import RevisionWatch

HOME = "http://127.0.0.1:8000"


def account(*, sandbox: bool, **values: object):
    return insert(tables.accounts).values(
        id=f"acc_{sandbox}",
        name="box",
        driver="openai",
        base_url="http://127.0.0.1:9",
        image_slots=1,
        video_slots=1,
        weight=1.0,
        remake_lost=False,
        settings=b"{}",
        models=b"[]",
        sandbox=sandbox,
        enabled=True,
        created_at=1.0,
        **values,
    )


async def open_at_home(database, folder, **over):
    return await FirstStart.open(database, folder, **{"hosts": ["127.0.0.1"], "environment": {}} | over)


async def admin(database):
    async with database.reading() as connection:
        return (await connection.execute(select(tables.users))).one_or_none()


async def test_the_defaults_hold_for_local_callers_alone(database, folder, local, remote):
    first_start, issued = await open_at_home(database, folder)

    assert issued is None
    assert first_start.default_key_holds(local)
    assert not first_start.default_key_holds(remote)
    assert not (folder / FILE).exists()


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "https://localhost.evil.example"])
async def test_the_default_login_wants_a_page_of_this_machine(database, folder, local, origin):
    first_start, _issued = await open_at_home(database, folder)

    assert first_start.default_login_holds(local, HOME)
    assert not first_start.default_login_holds(local, origin)


@pytest.mark.parametrize(
    "over",
    [
        {"hosts": ["0.0.0.0"]},
        {"hosts": ["127.0.0.1", "192.168.0.7"]},
        {"hosts": [""]},
        {"hosts": ["::"]},
        {"environment": {"INVOCATION_ID": "3f"}},
        {"environment": {"NOTIFY_SOCKET": "/run/notify"}},
    ],
)
async def test_a_first_start_where_they_do_not_hold_makes_new_ones(database, folder, local, over):
    first_start, issued = await open_at_home(database, folder, **over)

    assert not first_start.default_key_holds(local)
    assert issued.key in (folder / FILE).read_text()
    assert issued.password in (folder / FILE).read_text()
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    user = await admin(database)
    assert await passwords.matches(user.password, issued.password)
    assert not user.must_change


async def test_what_was_made_is_shown_once_and_works_on(database, folder, remote):
    _first_start, issued = await open_at_home(database, folder, hosts=["0.0.0.0"])
    first_start, again = await open_at_home(database, folder, hosts=["0.0.0.0"])
    keys = KeyBook(database)
    await keys.load()

    found = Authenticator(keys, first_start).authenticate({"Authorization": f"Bearer {issued.key}"}, remote)

    assert again is None
    assert found.id == "default"


async def test_the_defaults_do_not_come_back(database, folder, local):
    await open_at_home(database, folder, hosts=["0.0.0.0"])

    first_start, issued = await open_at_home(database, folder)

    assert issued is None
    assert not first_start.default_key_holds(local)


@pytest.mark.parametrize("removed_at", [None, 2.0])
async def test_a_real_account_ends_them_though_it_was_removed(database, folder, local, removed_at):
    await database.write(lambda connection: connection.execute(account(sandbox=False, removed_at=removed_at)))

    first_start, issued = await open_at_home(database, folder)

    assert not first_start.default_key_holds(local)
    assert issued is not None


async def test_the_sandbox_ends_nothing(database, folder, local):
    await database.write(lambda connection: connection.execute(account(sandbox=True)))

    first_start, issued = await open_at_home(database, folder)

    assert first_start.default_key_holds(local)
    assert issued is None


async def test_a_running_server_notices_an_account_added_beside_it(database, folder, local):
    first_start, _issued = await open_at_home(database, folder)
    watch = RevisionWatch(database)
    watch.register(first_start.reload)
    await watch.look()
    ending = await Ending.prepare(folder)
    command_line = store.Database(folder / store.FILE)

    async def add(connection):
        await connection.execute(account(sandbox=False))
        return await ending(connection)

    issued = await command_line.write(add)
    await command_line.close()
    await watch.look()

    assert issued.key in (folder / FILE).read_text()
    assert not first_start.default_key_holds(local)


async def test_an_account_that_is_not_added_ends_nothing(database, folder, local):
    first_start, _issued = await open_at_home(database, folder)
    ending = await Ending.prepare(folder)

    async def add(connection):
        await ending(connection)
        raise Unauthenticated

    with pytest.raises(Unauthenticated):
        await database.write(add)
    await first_start.reload()

    assert first_start.default_key_holds(local)
    assert await admin(database) is None


async def test_of_many_that_end_the_defaults_one_makes_new_ones(database, folder):
    beside = store.Database(folder / store.FILE)

    endings = await asyncio.gather(*(end_defaults(which, folder) for which in (database, beside, database, beside)))
    await beside.close()

    (issued,) = [ending for ending in endings if ending is not None]
    assert issued.key in (folder / FILE).read_text()
    assert await passwords.matches((await admin(database)).password, issued.password)


async def test_a_password_of_the_operators_own_is_kept(database, folder):
    own = await passwords.hashed("my own password")
    await database.write(
        lambda connection: connection.execute(
            insert(tables.users).values(id="admin", name="admin", password=own, must_change=False, created_at=1.0)
        )
    )

    issued = await end_defaults(database, folder)

    assert issued.password is None
    assert "password" not in (folder / FILE).read_text()
    assert (await admin(database)).password == own


async def test_a_default_password_in_use_is_replaced_and_its_sessions_end(database, folder):
    async def log_in(connection):
        await connection.execute(
            insert(tables.users).values(id="admin", name="admin", password="", must_change=True, created_at=1.0)
        )
        await connection.execute(
            insert(tables.sessions).values(hash="h", user_id="admin", csrf="c", created_at=1.0, seen_at=1.0)
        )

    await database.write(log_in)

    issued = await end_defaults(database, folder)

    async with database.reading() as connection:
        assert (await connection.execute(select(tables.sessions))).all() == []
    assert await passwords.matches((await admin(database)).password, issued.password)


async def test_a_revoked_first_key_does_not_bring_the_defaults_back(database, folder, local):
    issued = await end_defaults(database, folder)
    keys = KeyBook(database)
    await keys.load()
    await keys.revoke("default")

    first_start, again = await open_at_home(database, folder)

    assert again is None
    assert not first_start.default_key_holds(local)
    assert keys.find(issued.key) is None


@pytest.mark.parametrize("header", ["Authorization", "api-key", "x-api-key"])
async def test_a_key_may_come_in_any_of_three_headers(database, folder, local, remote, header):
    first_start, _issued = await open_at_home(database, folder)
    keys = KeyBook(database)
    key, secret = await keys.create("laptop")
    authenticator = Authenticator(keys, first_start)

    def headers(secret: str) -> dict[str, str]:
        return {header: f"Bearer {secret}" if header == "Authorization" else secret}

    assert authenticator.authenticate(headers(secret), remote) == key
    assert authenticator.authenticate(headers("han1234"), local).id == "default"
    with pytest.raises(Unauthenticated):
        authenticator.authenticate(headers("han1234"), remote)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": ""}, {"Authorization": "Basic c2stc2VjcmV0"}, {"Authorization": "Bearer sk-secret"}],
)
async def test_a_refused_key_is_not_repeated(database, folder, local, headers):
    first_start, _issued = await open_at_home(database, folder)

    with pytest.raises(Unauthenticated) as refused:
        Authenticator(KeyBook(database), first_start).authenticate(headers, local)

    assert "secret" not in refused.value.message
