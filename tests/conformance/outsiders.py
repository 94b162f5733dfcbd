"""Software of others, installed once into a folder for temporary files by its own package manager."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

PATIENCE: Final = 600
_SHELF: Final = Path(tempfile.gettempdir()) / f"sora2api-outsiders-{os.getuid()}"


def npm_packages(*packages: str) -> Path:
    """A folder whose node_modules has *packages*."""
    npm = shutil.which("npm")
    assert npm, "These tests need npm."
    return _installed("npm", packages, lambda folder: [[npm, "install", "--no-audit", "--no-fund", "--prefix", folder]])


def pip_packages(*packages: str) -> Path:
    """The folder of the programs of a virtual environment with *packages*."""

    def commands(folder: str) -> list[list[str]]:
        pip = [f"{folder}/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        return [[sys.executable, "-m", "venv", folder], pip]

    return _installed("pip", packages, commands) / "bin"


def _installed(kind: str, packages: Sequence[str], commands: Callable[[str], list[list[str]]]) -> Path:
    """The folder made by *commands*, the last of which takes the packages; made anew unless it was finished."""
    name = "".join(letter if letter.isalnum() else "-" for letter in "-".join((kind, *packages)))
    folder = _SHELF / name
    finished = folder / "finished"
    if not finished.exists():
        shutil.rmtree(folder, ignore_errors=True)
        _SHELF.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir()
        *before, last = commands(str(folder))
        for command in (*before, [*last, *packages]):
            subprocess.run(command, check=True, timeout=PATIENCE, cwd=folder)
        finished.touch()
    return folder
