"""The systemd units of an installation: those that are shipped, made to fit."""

import os
import pwd
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

from sora2api.errors import Sora2ApiError

NAME: Final = "sora2api"
STATE: Final = Path("/var/lib/sora2api")
"""What the service manager makes and gives to the service, where no other data directory is asked for."""
_HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - not used, named
"""What the service does not see: other people's files."""
_SYSTEMS_ALONE: Final = frozenset(
    (
        "DynamicUser",
        "StateDirectory",
        "StateDirectoryMode",
        "ProtectSystem",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "PrivateUsers",
        "ProtectHostname",
        "ProtectClock",
        "ProtectControlGroups",
        "ProtectKernelLogs",
        "ProtectKernelModules",
        "ProtectKernelTunables",
        "ProtectProc",
        "RemoveIPC",
        "AmbientCapabilities",
        "CapabilityBoundingSet",
        "Wants",
        "After",
    )
)
"""What a user's own manager may not do, or has no use for."""


class UnfitPlace(Sora2ApiError):
    """A service cannot be run from there."""

    code = "unfit_place"


@dataclass(frozen=True, slots=True)
class Program:
    """How this installation is run: the words of a command, and the files that it must be able to read."""

    words: tuple[str, ...]
    files: tuple[Path, ...]
    single_file: bool = False

    @classmethod
    def running(cls) -> "Program":
        """The one that runs: a console script, the single file, or else the package by its interpreter."""
        interpreter, script = Path(sys.executable), Path(sys.argv[0]).absolute()
        if pex := os.environ.get("PEX"):
            base = Path(sys.executable).resolve()
            return cls((str(base), pex), (base, Path(pex)), single_file=True)
        seen = (interpreter.resolve(), Path(__file__))
        if script.parent == interpreter.parent:
            return cls((str(script),), (script, *seen))
        return cls((str(interpreter), "-m", "sora2api"), (interpreter, *seen))


def socket_unit() -> str:
    return _shipped("socket")


def system_unit(program: Program, data: Path | None) -> str:
    """A service of the system's, with a user of its own; on *data*, as that directory's owner."""
    own = {} if data is None else _as_owner(data)
    cache = (f"CacheDirectory={NAME}", f"Environment=PEX_ROOT=%C/{NAME}") if program.single_file else ()
    return _fitted({"ExecStart": (_start(program, data or STATE), *cache), **own})


def user_unit(program: Program, data: Path) -> str:
    """A service of a user's own, which has all that the user has, but for what system calls can be denied."""
    gone: dict[str, Sequence[str]] = dict.fromkeys(_SYSTEMS_ALONE, ())
    return _fitted({**gone, "ExecStart": (_start(program, data),), "WantedBy": ("WantedBy=default.target",)})


def _as_owner(data: Path) -> Mapping[str, Sequence[str]]:
    if not data.is_dir():
        raise UnfitPlace(f"Make {data} first, for who shall run the server: install -d -m 700 -o USER {data}")
    owner = data.stat().st_uid
    if owner == 0:
        raise UnfitPlace(f"{data} is root's: give it to who shall run the server, as in chown -R USER: {data}")
    _check_place(data)
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    return {
        "DynamicUser": (f"User={name}",),
        "StateDirectory": (f"ReadWritePaths={_word(str(data))}",),
        "StateDirectoryMode": (),
    }


def check_seen(program: Program) -> None:
    """That a service of the system's, which runs as another user, finds and may read *program*."""
    for file in program.files:
        _check_place(file)
        closed = next((part for part in (file, *file.parents) if not _open_to_all(part)), None)
        if closed is not None:
            raise UnfitPlace(f"Others than its owner cannot read {closed}, so no service can run the program there.")


def _open_to_all(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IXOTH if path.is_dir() else stat.S_IROTH))


def _check_place(path: Path) -> None:
    if any(path.is_relative_to(hidden) for hidden in _HIDDEN):
        raise UnfitPlace(
            f"A service of the system's does not see {path}: use a place like /usr/local/lib/{NAME} for the program"
            " and /srv for data; or give --user."
        )


def _start(program: Program, data: Path) -> str:
    words = (*program.words, "serve", "--data-dir", str(data))
    return f"ExecStart={' '.join(_word(word).replace('$', '$$') for word in words)}"


def _word(text: str) -> str:
    """*text* as one word of a unit, whatever is in it."""
    escaped = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if escaped != text or any(each.isspace() or each == "'" for each in text) else text


def _fitted(other: Mapping[str, Sequence[str]]) -> str:
    """The shipped service with *other* lines in place of those of a name; none: without them."""
    lines: list[str] = []
    for line in _shipped("service").splitlines():
        name, is_set, _value = line.partition("=")
        fitting = other[name] if is_set and name in other else (line,)
        lines += fitting if line or lines[-1] else ()
    return "\n".join(lines) + "\n"


def _shipped(kind: str) -> str:
    return files("sora2api.cli").joinpath(f"units/{NAME}.{kind}").read_text(encoding="utf-8")
