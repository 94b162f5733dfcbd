"""A backup has all that is asked of it, whatever the server does meanwhile, and nothing that is not."""

import io
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
from backup.conftest import picture, rows
from commands import started, until

from sora2api.backup.taking import take, take_file
from sora2api.store import key_file
from sora2api.store.database import FILE
from sora2api.store.rotation import alone

OURS = (sys.executable, "-m", "sora2api")
KEPT = ("media/", "plugins/", "sora2api.toml", "secret.key")


def names(file) -> list[str]:
    with tarfile.open(file) as tar:
        return tar.getnames()


def manifest(file) -> dict:
    with tarfile.open(file) as tar:
        return json.load(tar.extractfile("manifest.json"))


def left_beside(file) -> set[str]:
    return {path.name for path in file.parent.iterdir()}


class Meanwhile(io.BytesIO):
    """Somewhere to write a backup to, where something happens as soon as it has begun."""

    def __init__(self, happens) -> None:
        super().__init__()
        self._happens = happens

    def write(self, data) -> int:
        happens, self._happens = self._happens, lambda: None
        happens()
        return super().write(data)


def test_what_was_backed_up_comes_back_as_it_was(run, folder, file, target):
    run(folder, "backup", file, "--with-key")

    run(target, "restore", file)

    assert rows(target / FILE) == rows(folder / FILE)
    before, after = picture(folder), picture(target)
    assert {name: before[name] for name in before if name.startswith(KEPT)} == {
        name: after[name] for name in after if name != FILE
    }
    assert stat.S_IMODE((target / FILE).stat().st_mode) == 0o600


def test_only_its_owner_reads_a_backup_and_nothing_else_is_left_beside_it(run, folder, file):
    file.write_text("an older one")

    run(folder, "backup", file)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert left_beside(file) == {file.name, folder.name}
    assert tarfile.is_tarfile(file)


def test_a_backup_says_what_is_in_it(told, folder, file):
    said = told(folder, "backup", file)

    inside = manifest(file)
    assert said == {
        "file": str(file),
        "version": inside["label"]["version"],
        "revision": inside["label"]["revision"],
        "created_at": inside["label"]["created_at"],
        "bytes": sum(part["bytes"] for part in inside["parts"]),
        "media": True,
        "files": len(list((folder / "media").glob("*/*"))),
        "key": False,
        "missing": [],
    }


def test_the_key_and_the_media_are_in_it_only_where_they_are_wanted(run, folder, file):
    without = run(folder, "backup", file, "--no-media")
    assert not [name for name in names(file) if name.startswith("media/") or name == "secret.key"]
    assert f"keep a copy of {folder}/secret.key elsewhere" in without.output

    with_key = run(folder, "backup", file, "--with-key")
    assert "secret.key" in names(file)
    assert "whoever has this file has the accounts' tokens" in with_key.output


def test_a_key_that_is_not_there_cannot_be_backed_up(run, folder, file):
    (folder / key_file.FILE).unlink()

    assert "There is no secret.key" in run(folder, "backup", file, "--with-key", status=1).output
    assert not file.exists()


def test_a_folder_without_a_database_is_not_backed_up(run, tmp_path, file):
    assert "no data directory" in run(tmp_path / "none", "backup", file, status=1).output
    assert "no database" in run(tmp_path, "backup", file, status=1).output
    assert not file.exists()


def test_a_file_that_is_not_on_the_disk_is_named(told, folder, file):
    lost = min((folder / "media").glob("*/*"))
    lost.unlink()

    said = told(folder, "backup", file)

    assert said["missing"] == [str(lost.relative_to(folder))]
    assert manifest(file)["missing"] == said["missing"]


def test_files_that_come_and_go_meanwhile_are_in_it_or_named(folder, tmp_path):
    *_, gone = sorted((folder / "media").glob("*/*"))
    come = folder / "media" / "00" / ("00" * 32)

    def happens() -> None:
        gone.unlink()
        come.parent.mkdir(exist_ok=True)
        come.write_bytes(b"new")
        with closing(sqlite3.connect(folder / FILE)) as connection, connection:
            (row,) = connection.execute("SELECT max(rowid) FROM assets").fetchone()
            connection.execute("UPDATE assets SET sha256 = ? WHERE rowid = ?", (come.name, row))

    taken = take(folder, Meanwhile(happens), media=True, key=False, scratch=tmp_path)

    with closing(sqlite3.connect(tmp_path / FILE)) as copy:
        known = {row[0] for row in copy.execute("SELECT sha256 FROM assets")}
    inside = {part.name.rpartition("/")[2] for part in taken.files()}
    assert come.name in inside & known
    assert {name.rpartition("/")[2] for name in taken.missing} == known - inside == {gone.name} & known


def test_a_write_that_is_not_committed_is_not_in_it_and_holds_nothing_up(run, folder, file, target):
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as writer:
        writer.execute("INSERT INTO settings (name, value) VALUES ('committed', '1')")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO settings (name, value) VALUES ('open', '1')")
        run(folder, "backup", file)
    run(target, "restore", file)

    with closing(sqlite3.connect(target / FILE)) as copy:
        assert copy.execute("SELECT name FROM settings").fetchall() == [("committed",)]


def drafts(file) -> list[Path]:
    """What backups that are not whole have beside their *file*."""
    return list(file.parent.glob(f".{file.name}.*/*"))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
def test_a_backup_that_is_ended_leaves_nothing_behind(folder, file, end):
    with alone(folder):  # so that it waits when it has written all but the database
        taking = started("backup", str(file), "--with-key", "--data-dir", str(folder))
        until(lambda: drafts(file))
        taking.send_signal(end)
        _, err = taking.communicate(timeout=60)

    assert (taking.returncode, err) == (128 + end, "")
    assert left_beside(file) == {folder.name}


def test_a_backup_that_was_killed_leaves_nothing_for_long(run, folder, file):
    other = file.with_name("other.tar")
    with alone(folder):
        taking = [started("backup", str(path), "--data-dir", str(folder)) for path in (file, other)]
        until(lambda: drafts(file) and drafts(other))
        for each in taking:
            each.kill()
            each.communicate(timeout=60)

    run(folder, "backup", file)

    assert drafts(file) == []
    assert drafts(other) != []


def test_a_backup_lets_another_one_to_the_same_file_go_on(run, folder, file):
    with alone(folder):
        taking = started("backup", str(file), "--data-dir", str(folder))
        until(lambda: drafts(file))
        second = started("backup", str(file), "--data-dir", str(folder))
        until(lambda: len({draft.parent for draft in drafts(file)}) == 2)

    for each in (taking, second):
        _, err = each.communicate(timeout=60)
        assert (each.returncode, err) == (0, "")
    assert left_beside(file) == {folder.name, file.name}


def test_a_key_that_is_just_being_changed_is_waited_for(folder, tmp_path, file):
    taking = Thread(target=take_file, args=(folder, file), kwargs={"media": False, "key": True})
    with alone(folder):
        taking.start()
        taking.join(0.5)
        assert taking.is_alive()
        (folder / key_file.FILE).write_bytes(b"the new key")
    taking.join()

    with tarfile.open(file) as tar:
        assert tar.extractfile("secret.key").read() == b"the new key"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to")
def test_a_full_disk_ends_it_with_a_sentence(folder):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*OURS, "backup", "-", "--data-dir", folder], stdout=full, stderr=subprocess.PIPE, check=False, text=True
        )

    assert (done.returncode, done.stderr) == (1, "error: No space left on device.\n")


def test_a_backup_that_nobody_reads_to_its_end_fails_with_a_sentence(folder):
    with started("backup", "-", "--data-dir", str(folder)) as taking:
        taking.stdout.close()
        said = taking.stderr.read()

    assert (taking.returncode, said) == (1, "error: Standard output was closed before the backup was whole.\n")


def test_a_folder_that_is_not_there_is_named(folder, tmp_path):
    done = subprocess.run(
        [*OURS, "backup", tmp_path / "none" / "x.tar", "--data-dir", folder],
        capture_output=True,
        check=False,
        text=True,
    )

    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path / 'none'}: There is no such folder.\n")


def test_a_backup_that_is_not_there_is_named(target):
    done = subprocess.run(
        [*OURS, "restore", "none.tar", "--data-dir", target], capture_output=True, check=False, text=True
    )

    assert (done.returncode, done.stderr) == (1, "error: none.tar: No such file or directory.\n")


def test_a_backup_goes_from_pipe_to_pipe(folder, target):
    with subprocess.Popen([*OURS, "backup", "-", "--data-dir", folder], stdout=subprocess.PIPE) as taking:
        subprocess.run([*OURS, "restore", "-", "--data-dir", target], stdin=taking.stdout, check=True)

    assert taking.returncode == 0
    assert rows(target / FILE) == rows(folder / FILE)
