"""A database that a newer version has made is refused by all of this one, with what to do, and left as it is."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from sora2api.cli import main
from sora2api.migrations import HEAD
from sora2api.store.database import FILE
from sora2api.store.migrate import migrate

SAID = f"error: The database is at revision 9999; this program knows up to {HEAD}: use the version that made it,"
NO_DATABASE = {"install-service", "sandbox"}
"""Commands with a data directory that do not open its database."""


def leaves(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The commands that work on a data directory."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from leaves(found, *path, name)
    elif any(parameter.name == "data_dir" for parameter in command.params) and path[0] not in NO_DATABASE:
        yield path, command


def needed(command: click.Command, file: Path) -> Iterator[str]:
    """What has to be said to a command for it to begin."""
    for parameter in command.params:
        if parameter.required:
            if isinstance(parameter, click.Option):
                yield parameter.opts[0]
            yield _some(parameter.type, file)


def _some(kind: Any, file: Path) -> str:
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    if isinstance(kind, click.Path | click.File):
        return str(file)
    return "1"


COMMANDS = {" ".join(path): command for path, command in leaves(main)}
OTHERWISE = {"doctor", "restore"}
"""What finds that among other things, or refuses for another reason first, and has a test of its own."""
MORE = {"job cancel": ("1",), "proxy change": ("--name", "other")}
"""What has to be said besides what is required."""


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    migrate(folder)
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    return folder


@pytest.mark.parametrize("words", sorted(COMMANDS.keys() - OTHERWISE))
def test_every_command_refuses_a_newer_database(words, folder, tmp_path):
    before = (folder / FILE).read_bytes()
    some_file = tmp_path / "file"
    some_file.write_text('{"sora2api": 1, "accounts": []}', encoding="utf-8")

    done = CliRunner().invoke(
        main,
        [*words.split(), *needed(COMMANDS[words], some_file), *MORE.get(words, ()), "--data-dir", str(folder)],
        env={"COLUMNS": "200"},
    )

    assert (done.exit_code, done.output.startswith(SAID)) == (1, True), done.output
    assert (folder / FILE).read_bytes() == before
