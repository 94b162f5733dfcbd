"""The data directory: whether it is there, can be written, belongs to one user, and is closed to others."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sora2api.auth.first_start import FILE as FIRST_LOGIN
from sora2api.doctor.finding import Case, Finding, Unseen, warning, well, wrong
from sora2api.settings import FILE as SETTINGS
from sora2api.store.database import FILE as DATABASE
from sora2api.store.key_file import FILE as KEY

_OVER_NETWORK: Final = frozenset(
    {
        *(
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "gfs2",
            "glusterfs",
            "lustre",
            "nfs",
            "nfs4",
            "ocfs2",
            "smb3",
            "smbfs",
        ),
        *("fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"),
    }
)
"""Where SQLite's locks and its shared memory cannot be relied on (https://sqlite.org/wal.html)."""
_PRIVATE: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", KEY, FIRST_LOGIN, SETTINGS)
_OF_THE_DISK: Final = "lost+found"
"""What a data directory that is a disk of its own has in it, and is root's."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def look(case: Case) -> list[Finding]:
    folder = case.folder
    if not folder.is_dir():
        return [_absent(folder)]
    return [_writable(folder), _file_system(folder)]


def look_inside(case: Case) -> list[Finding]:
    folder = case.folder
    if not folder.is_dir():
        return []
    if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
        raise Unseen(f"{folder} cannot be opened.")
    return [_owners(folder), _modes(folder), _first_login(folder)]


def _absent(folder: Path) -> Finding:
    if folder.exists():
        return wrong("directory", f"{folder} is no directory.", "Name another one: --data-dir or SORA2API_DATA_DIR.")
    advice = "The first start makes it; if you have one elsewhere, name it: --data-dir or SORA2API_DATA_DIR."
    return warning("directory", f"{folder} is not there.", advice)


def _writable(folder: Path) -> Finding:
    who = _name(os.geteuid())
    if os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return well("directory", f"{folder} can be written by {who}.")
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return wrong("directory", f"{folder} is on a disk that is mounted read-only.", "Mount it for writing.")
    owner = _name(folder.stat().st_uid)
    if owner == who:
        return wrong("directory", f"{folder} cannot be written by {who}.", f"`chmod u+rwx {folder}`.")
    advice = f"Run as {owner}, or give it to {who}: `chown -R {who} {folder}`."
    return wrong("directory", f"{folder} cannot be written by {who}; it belongs to {owner}.", advice)


def _file_system(folder: Path) -> Finding:
    kind = _kind(folder.resolve())
    if kind in _OVER_NETWORK:
        advice = "Keep the data directory on a disk of this machine, and backups on the network."
        return warning("file system", f"{folder} is on {kind}, where SQLite can lose what was written.", advice)
    return well("file system", f"{folder} is on {kind}.")


def _kind(folder: Path) -> str:
    """The file system that *folder* is on, by the longest mount point above it (proc(5), mountinfo)."""
    best = (-1, "an unknown file system")
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if folder.is_relative_to(point):  # the last of those mounted on one point is what is seen
            best = max(best, (len(point), right.split()[0]), key=lambda each: each[0])
    return best[1]


def _owners(folder: Path) -> Finding:
    owner = folder.stat().st_uid
    foreign = [path for path in _entries(folder) if path.lstat().st_uid != owner]
    if not foreign:
        return well("owners", f"All in {folder} belongs to {_name(owner)}.")
    whose = ", ".join(f"{path.relative_to(folder)} to {_name(path.lstat().st_uid)}" for path in foreign[:3])
    more = f" (+{len(foreign) - 3})" if len(foreign) > 3 else ""
    said = f"{folder} belongs to {_name(owner)}, but {whose}{more}: the server cannot use that."
    return wrong("owners", said, f"As root: `chown -R {_name(owner)} {folder}`.")


def _entries(folder: Path) -> Iterator[Path]:
    """What lies in *folder*, and in its folders; not deeper, where there can be a great many."""
    for path in sorted(path for path in folder.iterdir() if path.name != _OF_THE_DISK):
        yield path
        if path.is_dir() and not path.is_symlink() and os.access(path, os.R_OK | os.X_OK, effective_ids=True):
            yield from sorted(path.iterdir())


def _modes(folder: Path) -> Finding:
    if not folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH):
        return well("modes", f"{folder} is closed to other users.")
    open_ = [name for name in _PRIVATE if (path := folder / name).exists() and path.stat().st_mode & _OTHERS]
    if not open_:
        return well("modes", "What is private is closed to other users.")
    advice = f"`chmod 700 {folder} && chmod 600 {' '.join(str(folder / name) for name in open_)}`."
    if KEY in open_:
        advice += " If somebody may have read the key: `sora2api secrets rotate`."
    return warning("modes", f"Other users can open {', '.join(open_)}.", advice)


def _first_login(folder: Path) -> Finding:
    path = folder / FIRST_LOGIN
    if not path.exists():
        return well("first login", "No first password lies about.")
    advice = f"Keep what it says in a safe place, and remove it: `rm {path}`."
    return warning("first login", f"{path} has the first password and key in plain text.", advice)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
