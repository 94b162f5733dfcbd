"""What is written out: nothing secret unless asked, and then only under a passphrase; and all of it comes in again."""

import csv
import io
import json
import os
import pty
import re
import sys

import msgspec
import pytest
from commands import until
from exchange.conftest import URL, Books, document, sora2api

from sora2api.accounts import Account
from sora2api.accounts.exchange import Envelope, as_csv, as_json, encrypted, opened, sealed
from sora2api.accounts.given import Given
from sora2api.errors import InvalidValue

SECRETS = ("sk-secret", "sesame", "rt-secret", "hunter2")
FULL = {
    "driver": "openai",
    "base_url": "http://user:hunter2@127.0.0.1:9/v1",
    "name": "full",
    "token": "sk-secret",
    "proxy": "http://ann:sesame@127.0.0.1:1",
    "groups": ["gold", "eu"],
    "settings": {"models": {"sora-2": "wan"}},
    "expires_at": 4_000_000_000.5,
    "refresh_token": "rt-secret",
    "refresh_url": "https://auth.example.org/token",
    "client_id": "app",
    "enabled": False,
    "weight": 0.5,
}
PLAIN = {"driver": "openai", "base_url": URL, "name": 'plain "quoted", 日本', "token": "sk-secret-2"}

_STATE = {
    "id",
    "sandbox",
    "models",
    "checked_at",
    "set_aside",
    "set_aside_at",
    "rests_until",
    "created_at",
    "removed_at",
}


def kept(books: Books) -> list[dict]:
    """The accounts, but for what each server knows of them itself."""
    rows = [msgspec.structs.asdict(account) for account in books.accounts.all()]
    return [{name: value for name, value in row.items() if name not in _STATE} for row in rows]


def test_all_that_is_said_of_an_account_can_be_given():
    assert {*Account.__struct_fields__} - _STATE == {*Given.__struct_fields__}


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_nothing_secret_is_written_unless_asked(books, form):
    await books.bring_in(document(FULL, PLAIN))

    text = as_csv(books.accounts.all()) if form == "csv" else as_json(books.accounts.all(), secrets=False).decode()

    assert not any(secret in text for secret in SECRETS)
    assert "http://127.0.0.1:1" in text


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_what_was_written_without_secrets_changes_nothing_of_what_it_was_written_from(books, form):
    await books.bring_in(document(PLAIN, PLAIN | {"name": "two", "token": "sk-3", "groups": ["a", "b"]}))
    before = kept(books)
    text = as_csv(books.accounts.all()) if form == "csv" else as_json(books.accounts.all(), secrets=False)

    outcomes = await books.bring_in(text, update=True)

    assert {outcome.why for outcome in outcomes} == {"Nothing differs."}
    assert kept(books) == before


async def test_neither_the_sandbox_nor_removed_accounts_are_written(books):
    await books.accounts.add(name="sandbox", driver="openai", base_url=URL, token="sk", sandbox=True)
    gone = await books.accounts.add(name="gone", driver="openai", base_url=URL, token="sk")
    await books.accounts.remove(gone.id)

    assert json.loads(as_json(books.accounts.all(), secrets=True)) == {"sora2api": 1, "accounts": []}
    assert list(csv.DictReader(io.StringIO(as_csv(books.accounts.all())))) == []


def test_what_was_exported_under_a_passphrase_is_the_same_accounts_in_an_empty_data_directory(tmp_path):
    first, second, phrase = tmp_path / "first", tmp_path / "second", tmp_path / "phrase"
    phrase.write_text("correct horse\n")
    sora2api(first, "import", "-", "--json", said=document(FULL, PLAIN))

    exported = sora2api(first, "export", "--with-secrets", "--passphrase-file", str(phrase))
    imported = sora2api(second, "import", "-", "--json", "--passphrase-file", str(phrase), said=exported.stdout)
    again = sora2api(second, "export", "--with-secrets", "--passphrase-file", str(phrase))

    assert not any(secret in exported.stdout for secret in SECRETS)
    assert imported.returncode == 0, imported.stderr
    assert _document(exported.stdout) == _document(again.stdout)
    assert [row["token"] for row in _document(again.stdout)["accounts"]] == ["sk-secret", "sk-secret-2"]
    assert re.search(r"WARNING accounts exported with their secrets by=\S+", exported.stderr)


def _document(exported: str) -> dict:
    envelope = encrypted(exported.encode())
    assert envelope is not None
    return json.loads(opened(envelope, "correct horse"))


def test_a_wrong_passphrase_is_a_clear_error_and_brings_nothing_in(tmp_path):
    phrase = tmp_path / "phrase"
    phrase.write_text("wrong")

    done = sora2api(
        tmp_path / "data",
        *("import", "-", "--passphrase-file", str(phrase)),
        said=sealed(document(PLAIN).encode(), "right").decode(),
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: The passphrase is wrong, or the file is damaged.\n"
    assert json.loads(sora2api(tmp_path / "data", "list", "--json").stdout) == []


def test_an_envelope_that_was_changed_does_not_open():
    envelope = encrypted(sealed(b"{}", "phrase"))

    for change in ({"salt": bytes(16)}, {"nonce": bytes(12)}, {"data": bytes(18)}, {"n": 2**16}, {"n": 3}):
        with pytest.raises(InvalidValue):
            opened(msgspec.structs.replace(envelope, **change), "phrase")


@pytest.mark.parametrize("change", [{"n": 2**30}, {"r": 10**6}, {"p": 10**6}, {"kdf": "none"}, {"nonce": b""}])
def test_an_envelope_that_would_take_all_memory_is_not_tried(change):
    bare = Envelope(salt=bytes(16), nonce=bytes(12), data=b"")
    data = msgspec.json.encode({"sora2api": 1, "encrypted": msgspec.to_builtins(bare) | msgspec.to_builtins(change)})

    with pytest.raises(InvalidValue):
        encrypted(data)


def test_secrets_are_never_written_as_csv(tmp_path):
    done = sora2api(tmp_path, "export", "--with-secrets", "--format", "csv")

    assert (done.returncode, done.stdout) == (2, "")


def test_a_dry_run_reports_and_writes_nothing(tmp_path):
    bad = {"driver": "openai", "base_url": "nowhere"}

    dry = sora2api(tmp_path, "import", "-", "--json", "--dry-run", said=document(PLAIN, bad))
    listed = sora2api(tmp_path, "list", "--json")
    real = sora2api(tmp_path, "import", "-", "--json", said=document(PLAIN, bad))

    assert (dry.returncode, real.returncode) == (1, 1)
    assert json.loads(dry.stdout)["rows"] == json.loads(real.stdout)["rows"]
    assert [row["result"] for row in json.loads(real.stdout)["rows"]] == ["added", "failed"]
    assert json.loads(listed.stdout) == []
    assert json.loads(dry.stdout)["issued"] is None
    assert json.loads(real.stdout)["issued"]["key"].startswith("sk-")


def test_the_report_for_people_has_a_line_a_row_and_the_totals(tmp_path):
    options = ("--driver", "openai", "--base-url", URL, "--set", "dialect=sandbox", "--name-prefix", "rented")

    done = sora2api(tmp_path, "import", "-", *options, said="sk-1\nsk-1\nsk-2\n")

    assert done.returncode == 0
    assert done.stdout.splitlines()[:4] == [
        "1: rented-1: added",
        "2: rented-1: skipped: Its token is that of rented-1.",
        "3: rented-2: added",
        "2 added, 0 updated, 1 skipped, 0 failed",
    ]


def test_ctrl_c_ends_the_question_for_the_passphrase(tmp_path):
    phrase = tmp_path / "phrase"
    phrase.write_text("correct horse", encoding="utf-8")
    sealed = tmp_path / "sealed.json"
    sealed.write_text(sora2api(tmp_path, "export", "--with-secrets", "--passphrase-file", str(phrase)).stdout)
    command = [sys.executable, "-m", "sora2api", "account", "import", str(sealed), "--data-dir", str(tmp_path)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command)
    asked = b""
    while b"Passphrase" not in asked:
        asked += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    _, status = until(lambda: (ended := os.waitpid(pid, os.WNOHANG))[0] and ended)
    os.close(terminal)

    assert os.waitstatus_to_exitcode(status) == 130
