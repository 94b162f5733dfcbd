"""A data directory whose owner is kept from it, as systemd keeps those of dynamic users: in a folder of root's."""

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Final, NoReturn

from sora2api.cli.ending import CommandFailed

_TRAVERSED: Final = stat.S_IXGRP | stat.S_IXOTH


def reached(folder: Path) -> Path:
    """*folder*, where this process can work on it as its owner.

    Where root runs a command, and the owner may not even get there, the command begins anew as that owner, with the one
    capability that it takes (to read, and to pass folders).
    """
    if os.geteuid() != 0 or not folder.exists():
        return folder
    owner = folder.stat()
    if owner.st_uid == 0 or all(_lets_pass(parent, owner.st_uid) for parent in folder.resolve().parents):
        return folder
    if shutil.which("setpriv") is None:
        raise CommandFailed(f"{folder} is where only root gets: setpriv (of util-linux) is needed to work on it.")
    return _begun_anew(owner)


def _lets_pass(parent: Path, user: int) -> bool:
    found = parent.stat()
    return found.st_uid == user or bool(found.st_mode & _TRAVERSED)


def _begun_anew(owner: os.stat_result) -> NoReturn:
    os.execvp("setpriv", ["setpriv", *_as(owner), "--", *sys.orig_argv])  # noqa: S606, S607 - the very same command


def _as(owner: os.stat_result) -> tuple[str, ...]:
    passing = "+dac_read_search"
    user = (f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups")
    return (*user, f"--inh-caps={passing}", f"--ambient-caps={passing}")
