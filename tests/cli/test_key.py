"""`sora2api key` as an operator runs it: processes of their own, on a data directory."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


def key(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sora2api", "key", *arguments, "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | environment,
    )


def told(*arguments: str, folder: Path):
    done = key(*arguments, "--json", folder=folder)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_a_key_is_made_listed_and_revoked(tmp_path):
    folder = tmp_path / "new"

    made = told("create", "--name", "laptop", folder=folder)
    (listed,) = told("list", folder=folder)
    revoked = told("revoke", made["id"], folder=folder)

    assert set(made) == {"id", "key"}
    assert made["key"].startswith("sk-")
    assert (listed["id"], listed["name"], listed["hint"]) == (made["id"], "laptop", made["key"][-4:])
    assert revoked == {"id": made["id"], "revoked": True}
    assert told("list", folder=folder) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_list_cuts_no_id_off_and_is_a_line_a_row_where_no_person_reads_it(tmp_path):
    name = "the laptop that is on the table in the kitchen"
    made = told("create", "--name", name, folder=tmp_path)

    read = key("list", folder=tmp_path).stdout
    seen = key("list", folder=tmp_path, FORCE_COLOR="1", COLUMNS="80").stdout  # as on a terminal

    assert [line.startswith(f"{made['id']}  {name}  ") for line in read.splitlines()] == [False, True]
    assert f"{made['id']}  " in seen
    assert max(map(len, seen.splitlines()[1:])) <= 80


def test_a_person_is_shown_the_key_once(tmp_path):
    made = key("create", "--name", "[bold]laptop", folder=tmp_path)
    listed = key("list", folder=tmp_path)

    assert made.stdout.startswith("sk-")
    assert made.stdout.strip() not in made.stderr + listed.stdout
    assert "[bold]laptop" in listed.stdout


@pytest.mark.parametrize("name", ["a#b", "a?b", "100%41", "o'brien & sons"])
def test_a_data_directory_may_have_any_name(tmp_path, name):
    folder = tmp_path / name

    made = told("create", "--name", "laptop", folder=folder)

    assert [each["id"] for each in told("list", folder=folder)] == [made["id"]]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_goes_wrong_is_one_line(tmp_path):
    unknown = key("revoke", "key_unknown", folder=tmp_path)
    usage = key("create", folder=tmp_path)
    (tmp_path / "sora2api.db").write_text("this is no database, " * 50)
    spoiled = key("list", folder=tmp_path)

    assert (unknown.returncode, unknown.stderr) == (1, "error: There is no API key 'key_unknown'.\n")
    assert usage.returncode == 2
    assert (spoiled.returncode, spoiled.stderr) == (1, "error: The database: file is not a database\n")


@pytest.fixture
def of_nobody() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_root_works_as_the_owner_of_the_directory(of_nobody):
    made = key("create", "--name", "laptop", folder=of_nobody)

    if made.returncode:  # where root's Python is root's alone, that is said, and nothing is left behind
        assert "cannot read the program" in made.stderr
        assert not any(of_nobody.iterdir())
    assert {path.stat().st_uid for path in of_nobody.iterdir()} <= {NOBODY}
