"""Becomes a command behind the walls that the service's unit builds, as far as they can be built without systemd.

`python walls.py UNIT FOLDER COMMAND…`, as root: the file system is read-only but for FOLDER, /proc shows processes
alone, no capability is left, and the unit's system call filters hold.
"""

import ctypes
import errno
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ALLOW: Final = 0x7FFF0000
_MASKED: Final = 7
_EQUAL: Final = 4
_GREATER: Final = 6
_NO_EXECUTION: Final = 4
_NEW_NAMESPACES: Final = 0x7E020080
_LAST_UNIX_FAMILY: Final = 10
"""AF_INET6: after AF_UNIX and AF_INET; none of those that systemd would refuse between them is in use."""
_NOT_FROM_HERE: Final = frozenset(("mount", "umount2", "unshare", "setns"))


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp of libseccomp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class Filter:
    """A filter of system calls, by libseccomp. What no rule is for gets *otherwise*."""

    def __init__(self, otherwise: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, call: str, *comparisons: Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:  # another architecture's
            return
        several = (Comparison * len(comparisons))(*comparisons)
        done = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(comparisons), several
        )
        assert done == 0, (call, os.strerror(-done))

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def refused(number: int) -> int:
    return 0x00050000 | number


def calls(named: str) -> set[str]:
    """The system calls of a set, as this system's systemd has them; a call is a set of itself."""
    if not named.startswith("@"):
        return {named}
    said = subprocess.run(["systemd-analyze", "syscall-filter", named], capture_output=True, text=True, check=True)
    lines = [line.strip() for line in said.stdout.splitlines()[1:]]
    return set().union(*(calls(line) for line in lines if line and not line.startswith("#")))


def allowed(unit: str) -> set[str]:
    """What the unit's SystemCallFilter lines leave."""
    left: set[str] = set()
    for listed in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        several = set().union(*(calls(each) for each in listed.lstrip("~").split()))
        left = left - several if listed.startswith("~") else left | several
    return left | calls("@default")


def filters(unit: str) -> list[Filter]:
    calls_ = Filter(refused(errno.EPERM))
    for call in allowed(unit):
        calls_.add(ALLOW, call)
    families = Filter(ALLOW)
    families.add(refused(errno.EAFNOSUPPORT), "socket", Comparison(0, _GREATER, _LAST_UNIX_FAMILY))
    return [families, memory(), namespaces(), calls_]


def memory() -> Filter:
    """MemoryDenyWriteExecute."""
    found, no = Filter(ALLOW), refused(errno.EPERM)
    found.add(no, "mmap", Comparison(2, _MASKED, 6, 6))
    for call in ("mprotect", "pkey_mprotect"):
        found.add(no, call, Comparison(2, _MASKED, _NO_EXECUTION, _NO_EXECUTION))
    found.add(no, "shmat", Comparison(2, _MASKED, 0o100000, 0o100000))
    return found


def namespaces() -> Filter:
    """RestrictNamespaces."""
    found, no = Filter(ALLOW), refused(errno.EPERM)
    found.add(refused(errno.ENOSYS), "clone3")
    for bit in range(64):
        if _NEW_NAMESPACES >> bit & 1:
            found.add(no, "clone", Comparison(0, _MASKED, 1 << bit, 1 << bit))
    found.add(no, "unshare")
    found.add(no, "setns")
    return found


def shut(folder: str) -> None:
    """ProtectSystem=strict, ReadWritePaths, PrivateTmp and ProtectProc, in a mount namespace of our own."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(0x00020000) == 0, os.strerror(ctypes.get_errno())
    for command in (
        ("mount", "--make-rprivate", "/"),
        ("mount", "--bind", folder, folder),
        ("mount", "-o", "remount,bind,ro", "/"),
        ("mount", "-t", "proc", "-o", "hidepid=invisible", "proc", "/proc"),
    ):
        subprocess.run(command, check=True)


def main() -> None:
    unit, folder, *command = sys.argv[1:]
    text = Path(unit).read_text(encoding="utf-8")
    walls = filters(text)
    shut(folder)
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    for wall in walls:
        wall.load()
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
