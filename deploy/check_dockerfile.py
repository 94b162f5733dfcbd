#!/usr/bin/env python3
"""Carries the Dockerfile out without a container engine, and tries what comes of it.

Its steps run in order in chroots that debootstrap makes. Then its program is started as its user, with a read-only root
and a data volume. It has to become healthy, to make a video, and to end at SIGTERM; no compiler may be in the image.
Needs root, debootstrap and iproute2. All mounts and processes are in namespaces that end with this one.

Exit status: 0 it holds, 1 it does not, 75 the package archives cannot be reached.
"""

import argparse
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from chroot_build import Build, Image, StepFailed, Unreachable, bootstrapped, done
from chroot_run import Container, running
from dockerfile import Stage, Unreadable, read

ROOT: Final = Path(__file__).resolve().parent.parent
UNREACHABLE: Final = 75
TOOLS: Final = ("chroot", "debootstrap", "ip", "mount", "nsenter", "setpriv", "tar", "unshare")
_BASE: Final = re.compile(r"python:[\d.]+-slim-([a-z]+)")
_HEALTHY_WITHIN: Final = 90.0
_TOLD_WITHIN: Final = 30.0
_BETWEEN_LOOKS: Final = 0.5
_STOPPED_WITHIN: Final = 30.0
_COMPILER: Final = re.compile(
    r"(?:[\w.]+-)*(?:cc|c89|c99|gcc|g\+\+|c\+\+|cpp|cc1|cc1plus|clang|clang\+\+|tcc|gfortran|rustc|as|ld)(?:-[\d.]+)?"
)
_CLIENT: Final = """
import json, sys
from urllib.request import Request, urlopen

asked = {"model": "sora-video-landscape-10s", "messages": [{"role": "user", "content": "A balloon ride"}]}
headers = {"Authorization": f"Bearer {sys.argv[1]}", "Content-Type": "application/json"}
request = Request("http://127.0.0.1:8000/v1/chat/completions", json.dumps(asked).encode(), headers)
reply = json.load(urlopen(request, timeout=120))
clip = urlopen(reply["sora2api"]["assets"][0]["url"], timeout=60).read()
sys.exit(None if clip[4:8] == b"ftyp" else "That is no MP4 file.")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--cache", type=Path, help="a .tar file to keep the bare Debian in, or to take it from")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside is not None:
        return _inside(given.inside, given.cache)
    if os.geteuid() != 0:
        parser.error("it needs root, for chroot and mounts")
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        parser.error(f"it needs {', '.join(missing)}")
    return _enter(sys.argv[1:])


def _enter(arguments: Sequence[str]) -> NoReturn:
    """Go on as process 1 of namespaces that have nothing else in them."""
    work = tempfile.mkdtemp(prefix="check-dockerfile-")
    own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    os.execvp("unshare", ["unshare", *own, sys.executable, __file__, *arguments, "--inside", work])


def _inside(work: Path, kept: Path | None) -> int:
    """The check itself, in namespaces of its own."""
    done(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(work)])
    try:
        _check(work, kept)
    except Unreachable as error:
        print(f"The package archives cannot be reached. {error}")
        return UNREACHABLE
    except (StepFailed, Unreadable) as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        done(["umount", "--lazy", str(work)])
        work.rmdir()
    return 0


def _check(work: Path, kept: Path | None) -> None:
    began = time.monotonic()
    stages = read((ROOT / "Dockerfile").read_text(encoding="utf-8"))
    base = work / "base"
    base.mkdir()
    bootstrapped(base, suite=_suite(stages), kept=kept)
    (base / "etc/hosts").touch()
    version = next(base.glob("usr/bin/python3.*[0-9]")).name
    _say(began, f"Debian is there. Its {version} stands for {stages[-1].image}, and may differ from it.")
    image = _built(Build(work=work, base=base, source=ROOT), stages)
    _say(began, "built")
    if found := compilers(image.root):
        raise StepFailed(f"There are compilers in it: {', '.join(found)}")
    log = work / "said.txt"
    with running(image, work=work, log=log) as container:
        try:
            _try(container, image, work / "volumes/data", log)
        except StepFailed:
            print(log.read_text(encoding="utf-8", errors="replace"))
            raise
    _say(began, "It became healthy, made a video, and ended at SIGTERM with 0; there is no compiler in it.")


def _suite(stages: list[Stage]) -> str:
    """The Debian that all stages begin with."""
    suites = {found[1] if (found := _BASE.fullmatch(stage.image)) else None for stage in stages}
    if len(suites) != 1 or None in suites:
        raise Unreadable(f"FROM {', '.join(stage.image for stage in stages)}")
    return str(suites.pop())


def _built(build: Build, stages: list[Stage]) -> Image:
    images = [build.stage(number, stage) for number, stage in enumerate(stages)]
    return images[-1]


def compilers(root: Path) -> list[str]:
    """What in *root* can be run and is named as compilers, assemblers and linkers are."""
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if _COMPILER.fullmatch(name) and path.lstat().st_mode & stat.S_IXUSR:
                found.append(str(path.relative_to(root)))
    return sorted(found)


def _try(container: Container, image: Image, data: Path, log: Path) -> None:
    """Use the container as its operator does at first."""
    container.wait_until_healthy(seconds=_HEALTHY_WITHIN)
    if "Read-only" not in container.inside(["touch", "/etc/probe"]).stderr:
        raise StepFailed("Its root can be written to.")
    login = data / "first-login.txt"
    status = login.stat()
    if (stat.S_IMODE(status.st_mode), status.st_uid) != (0o600, image.user[0]):
        raise StepFailed(f"{login.name} is not its user's alone")
    key = login.read_text(encoding="utf-8").partition("API key: ")[2].strip()
    _wait_until_told(log, key, seconds=_TOLD_WITHIN)
    made = container.inside(["python3", "-", key], said=_CLIENT)
    if made.returncode != 0:
        raise StepFailed(f"No video was made: {made.stderr}")
    if ended := container.stop(seconds=_STOPPED_WITHIN):
        raise StepFailed(f"At SIGTERM it ended with {ended}.")


def _wait_until_told(log: Path, key: str, *, seconds: float) -> None:
    """Wait until the *log* has the first API *key*: it is told once jobs are taken, which is later than healthy."""
    ends = time.monotonic() + seconds
    while not key or key not in log.read_text(encoding="utf-8"):
        if time.monotonic() > ends:
            raise StepFailed("The log does not have the first API key.")
        time.sleep(_BETWEEN_LOOKS)


def _say(began: float, text: str) -> None:
    print(f"[{time.monotonic() - began:.0f} s] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
