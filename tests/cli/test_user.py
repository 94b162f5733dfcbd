"""`sora2api user` beside a running server: what is done to a user holds in the panel at once."""

import asyncio
from collections.abc import Iterator

import pytest
from commands import ran, told
from served import Page, Served


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("users"), "--sandbox-delay", "0") as server:
        asyncio.run(server.prepare())
        yield server


def user(served, *command: str, status: int = 0):
    done = ran("user", *command, "--data-dir", str(served.folder), status=status)
    return done.stderr if status else done.stdout


def listed(served):
    return {each["name"]: each for each in told("user", "list", "--data-dir", str(served.folder))}


def test_somebody_who_was_added_logs_in_with_the_password_that_was_printed(served):
    password = user(served, "add", "Anna", "--role", "operator").strip()

    assert _lets_in(served, "anna", password)
    assert (listed(served)["anna"]["role"], listed(served)["anna"]["must_change"]) == ("operator", True)
    assert listed(served)["anna"]["sessions"] == 1


def test_a_new_password_ends_the_old_one_and_its_sessions(served):
    old = user(served, "add", "ben", "--role", "viewer").strip()
    assert _lets_in(served, "ben", old)

    new = user(served, "reset-password", "ben").strip()

    assert listed(served)["ben"]["sessions"] == 0
    assert not _lets_in(served, "ben", old)
    assert _lets_in(served, "ben", new)


def test_somebody_who_was_removed_is_let_in_no_more(served):
    password = user(served, "add", "carl", "--role", "viewer").strip()
    assert _lets_in(served, "carl", password)

    user(served, "remove", "carl")

    assert "carl" not in listed(served)
    assert not _lets_in(served, "carl", password)


def test_sessions_can_be_ended_and_users_disabled(served):
    password = user(served, "add", "dora", "--role", "viewer").strip()
    assert _lets_in(served, "dora", password)

    assert user(served, "end-sessions", "dora") == "1 sessions of dora are ended.\n"
    assert listed(served)["dora"]["sessions"] == 0
    user(served, "disable", "dora")
    assert not _lets_in(served, "dora", password)
    user(served, "enable", "dora")
    assert _lets_in(served, "dora", password)


@pytest.mark.parametrize("command", [("remove",), ("disable",), ("change", "--role", "viewer")])
def test_the_last_administrator_stays(served, command):
    assert "the last administrator" in user(served, command[0], "admin", *command[1:], status=1)
    assert listed(served)["admin"]["role"] == "administrator"


def _lets_in(served, name: str, password: str) -> bool:
    page = Page(served.url)
    try:
        return page.log_in(name, password).status_code == 200
    finally:
        page.client.close()
