"""A backup is restored whole or not at all, and nothing that was there before is lost."""

import io
import json
import random
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
from backup.conftest import picture, rows
from commands import until

from sora2api.backup.reading import BadBackup, Reader
from sora2api.cli.serve import locked
from sora2api.store import key_file
from sora2api.store.database import FILE
from sora2api.store.secrets import VARIABLE


@pytest.fixture
def whole(run, folder, file) -> bytes:
    """A backup with all that there is."""
    run(folder, "backup", file, "--with-key")
    return file.read_bytes()


def member(name: str, content: bytes = b"", **fields) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def rewritten(content: bytes, *more: tuple[tarfile.TarInfo, bytes], **changed: bytes) -> bytes:
    """A backup with further members before its manifest, and with other content in those named `changed`."""
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=target, mode="w") as new:
        for info in old:
            kept = changed.get(info.name.partition(".")[0], old.extractfile(info).read())
            if info.name == "manifest.json":
                for each, its in more:
                    new.addfile(each, io.BytesIO(its))
            info.size = len(kept)
            new.addfile(info, io.BytesIO(kept))
    return target.getvalue()


def label(content: bytes, **changed) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return json.dumps(json.load(tar.extractfile("backup.json")) | changed).encode()


# Where it may go.


def test_a_folder_that_is_not_empty_is_left_alone(run, whole, folder, file):
    before = picture(folder)

    done = run(folder, "restore", file, status=1)

    assert "is not empty" in done.output
    assert picture(folder) == before


def test_what_was_there_is_moved_aside_whole_where_that_is_asked_for(told, run, whole, folder, file):
    (folder / "mine.txt").write_text("not ours", encoding="utf-8")
    before = picture(folder)

    aside = Path(told(folder, "restore", file, "--force")["aside"])
    again = Path(told(folder, "restore", file, "--force")["aside"])

    assert picture(aside) == before
    assert FILE in picture(again)
    assert rows(folder / FILE) == rows(aside / FILE)
    assert not (folder / "mine.txt").exists()


def test_nothing_is_restored_where_a_server_runs(run, whole, folder, file, target):
    target.mkdir()
    with locked(target):
        done = run(target, "restore", file, status=1)

    assert "A server runs" in done.output
    assert picture(target) == {}


def test_a_restore_that_was_killed_leaves_nothing_in_the_way(run, whole, file, target):
    (target / ".restore-killed" / "media").mkdir(parents=True)

    run(target, "restore", file)

    assert not list(target.glob(".restore-*"))


# Whether the key fits.


def test_what_a_command_makes_meanwhile_is_not_written_over(told, whole, target):
    command = [sys.executable, "-m", "sora2api", "restore", "-", "--data-dir", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as restoring:
        restoring.stdin.write(whole[: len(whole) // 2])
        restoring.stdin.flush()
        until(lambda: list(target.glob(".restore-*")))
        told(target, "user", "add", "anna", "--role", "viewer")
        _, err = restoring.communicate(whole[len(whole) // 2 :])

    assert restoring.returncode == 1
    assert b"is not empty" in err
    assert [user["name"] for user in told(target, "user", "list")] == ["anna"]


def test_it_is_said_whether_the_key_fits(told, run, folder, file, target, monkeypatch):
    run(folder, "backup", file, "--no-media")

    assert told(target, "restore", file)["key"] == "missing"
    assert "put the old server's secret.key into" in run(target, "restore", file, "--force").output
    assert "secret.key is missing" in run(target, "account", "list", status=1).output
    monkeypatch.setenv(VARIABLE, "not that one")
    assert told(target, "restore", file, "--force")["key"] == "wrong"
    monkeypatch.delenv(VARIABLE)
    (target / key_file.FILE).write_bytes((folder / key_file.FILE).read_bytes())
    assert told(target, "restore", file, "--force")["key"] == "fits"
    assert "box" in run(target, "account", "list").output


def test_a_key_that_was_put_there_before_stays(told, run, folder, file, target):
    run(folder, "backup", file)
    target.mkdir()
    (target / key_file.FILE).write_bytes((folder / key_file.FILE).read_bytes())

    assert told(target, "restore", file)["key"] == "fits"


# What is no backup.


def test_a_backup_that_is_cut_anywhere_changes_nothing(run, whole, file, target):
    chance = random.Random(1)
    ends = [0, 1, 511, 512, 1024, *(chance.randrange(len(whole)) for _ in range(12))]

    for end in ends:
        file.write_bytes(whole[: end if end < whole.rindex(b"manifest.json") else end // 2])
        done = run(target, "restore", file, status=1)
        assert done.output.startswith("error: This ")
        assert done.output.count("\n") == 1
        assert not target.exists()


def test_a_flipped_bit_is_found_or_does_no_harm(run, whole, folder, file, tmp_path):
    chance = random.Random(2)
    right = rows(folder / FILE)

    for number in range(30):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        target = tmp_path / f"target-{number}"
        with file.open("rb") as source:
            target.mkdir()
            try:
                Reader(source).extract(target)
            except BadBackup:
                continue
        run(tmp_path / f"restored-{number}", "restore", file)
        assert rows(tmp_path / f"restored-{number}" / FILE) == right


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x89PNG\r\n" * 500, bytes(20_000)])
def test_a_foreign_file_is_refused_in_a_sentence(run, file, target, content):
    file.write_bytes(content)

    assert run(target, "restore", file, status=1).output == "error: This file is no backup of sora2api.\n"
    assert not target.exists()


def test_a_foreign_tar_is_refused(run, folder, file, target):
    with tarfile.open(file, "w") as tar:
        tar.add(folder / FILE, FILE)

    assert "no backup of sora2api" in run(target, "restore", file, status=1).output


STRANGE = [
    member("../evil", b"x"),
    member("/tmp/evil", b"x"),
    member("plugins/../../evil", b"x"),
    member("media/../evil", b"x"),
    member("media/ab/evil", b"x"),
    member("evil", b"x"),
    member("plugins/link", type=tarfile.SYMTYPE, linkname="/etc"),
    member("plugins/link", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    member("plugins/pipe", type=tarfile.FIFOTYPE),
    member("plugins", type=tarfile.DIRTYPE),
]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda each: f"{each[0].name} {each[0].type.decode()}")
def test_nothing_gets_out_of_the_folder(run, whole, file, target, strange):
    file.write_bytes(rewritten(whole, strange))

    done = run(target, "restore", file, status=1)

    assert "which is no part of a backup" in done.output
    assert not list(target.parent.rglob("evil"))
    assert not target.exists()


def test_what_the_manifest_does_not_name_is_refused(run, whole, file, target):
    file.write_bytes(rewritten(whole, member("plugins/more.py", b"x")))

    assert "plugins/more.py is not as it was" in run(target, "restore", file, status=1).output


def test_a_member_cannot_come_twice(run, whole, file, target):
    file.write_bytes(rewritten(whole, member("sora2api.toml", b"")))

    assert "'sora2api.toml' too many" in run(target, "restore", file, status=1).output


def test_another_database_than_the_manifest_tells_is_refused(run, whole, file, target):
    file.write_bytes(rewritten(whole, sora2api=b""))

    assert "This backup is damaged" in run(target, "restore", file, status=1).output
    assert not target.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"revision": "9999"}, "at revision 9999; this program knows up to"), ({"format": 2}, "of a newer form")],
)
def test_a_newer_backup_is_refused_with_what_to_do(run, whole, file, target, changed, said):
    file.write_bytes(rewritten(whole, backup=label(whole, **changed)))

    done = run(target, "restore", file, status=1)

    assert said in done.output
    assert "newer" in done.output
    assert not target.exists()


def test_a_backup_of_a_newer_database_cannot_even_be_made(run, folder, file):
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    assert "revision 9999" in run(folder, "backup", file, status=1).output


def test_a_broken_pipe_ends_it_with_a_sentence(target):
    restore = [sys.executable, "-m", "sora2api", "restore", "-", "--data-dir", target]

    done = subprocess.run(restore, input=b"", capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (1, b"error: This file is no backup of sora2api.\n")
