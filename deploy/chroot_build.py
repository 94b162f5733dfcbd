"""Builds an image's stages as directories: each instruction of a Dockerfile, in order, done by mount and chroot.

A stage lies as an overlay on the bare Debian. Who calls this is root in a mount namespace of its own, so that every
mount goes with the process.
"""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dockerfile import Instruction, Stage, Unreadable, context, expanded

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNREACHABLE: Final = re.compile(
    "Failed getting release file|Couldn't download|after connection broken by|Could not fetch URL"
)
_OF_PIP: Final = re.compile(r"[\w:]+\.(?P<name>[\w-]+)=(?P<value>'.*'|\".*\")")
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy")


class StepFailed(Exception):
    """A step ended with an error; its output comes along."""


class Unreachable(Exception):
    """A package archive could not be reached, so that nothing is known of the Dockerfile."""


@dataclass(slots=True)
class Image:
    """What a stage has made so far: its files, and how it is to be run."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: tuple[int, int] = (0, 0)
    volumes: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def bootstrapped(root: Path, *, suite: str, kept: Path | None) -> None:
    """Put a bare Debian with Python into *root*, out of the archive *kept* if that is there; else it is left there."""
    if kept is not None and kept.exists():
        done(["tar", "--extract", "--numeric-owner", "--file", str(kept), "--directory", str(root)])
        return
    packages = "--include=python3-venv,python3-pip"
    done(["debootstrap", "--variant=minbase", packages, suite, str(root)])
    if kept is not None:
        draft = kept.with_name(f"{kept.name}.new")
        done(["tar", "--create", "--numeric-owner", "--file", str(draft), "--directory", str(root), "."])
        draft.replace(kept)


def done(command: Sequence[str], *, environment: Mapping[str, str] = os.environ) -> None:
    """Run a command that has to succeed."""
    result = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode == 0:
        return
    kind = Unreachable if _UNREACHABLE.search(result.stdout) else StepFailed
    raise kind(f"{shlex.join(command)} ended with {result.returncode}:\n{result.stdout[-4000:]}")


@contextmanager
def mounted(*arguments: str | Path) -> Iterator[None]:
    """`mount` with these arguments, of which the last is where; and its undoing, though something may still use it."""
    done(["mount", *map(str, arguments)])
    try:
        yield
    finally:
        done(["umount", "--lazy", str(arguments[-1])])


class Build:
    """Makes stages in the folder *work*, on the directory *base*, of the files of the checkout *source*."""

    def __init__(self, *, work: Path, base: Path, source: Path) -> None:
        self._work = work
        self._base = base
        self._source = source
        self._images: dict[str, Image] = {}

    def stage(self, number: int, stage: Stage) -> Image:
        """Carry a stage out. Raises `StepFailed`, `Unreachable` and `Unreadable`."""
        image = Image(self._overlay(f"stage{number}"))
        self._images[stage.name or str(number)] = image
        for instruction in stage.instructions:
            print(f"  {instruction}", flush=True)
            self._carry_out(instruction, image)
        return image

    def _overlay(self, name: str) -> Path:
        upper, work, root = (self._work / name / part for part in ("upper", "work", "root"))
        for folder in (upper, work, root):
            folder.mkdir(parents=True)
        where = f"lowerdir={self._base},upperdir={upper},workdir={work}"
        done(["mount", "-t", "overlay", "overlay", "-o", where, str(root)])
        return root

    def _carry_out(self, instruction: Instruction, image: Image) -> None:
        match instruction.name:
            case "COPY":
                self._copy(instruction, image)
            case "RUN":
                _run(instruction, image)
            case "WORKDIR":
                image.folder = str(Path(image.folder, instruction.text))
                _inside(image.root, image.folder).mkdir(parents=True, exist_ok=True)
            case _:
                _configure(image, instruction)

    def _copy(self, instruction: Instruction, image: Image) -> None:
        source, to = shlex.split(instruction.text)
        target = _inside(image.root, str(Path(image.folder, to)))
        match dict(instruction.flags):
            case {"from": name, **others} if not others:
                shutil.copytree(_inside(self._images[name].root, source), target, symlinks=True, dirs_exist_ok=True)
            case {} as flags if not flags and source == ".":
                for file in context(self._source):
                    (target / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(self._source / file, target / file)
            case _:
                raise Unreadable(str(instruction))


def _inside(root: Path, path: str) -> Path:
    return root / os.path.normpath(path).lstrip("/")


def _configure(image: Image, instruction: Instruction) -> None:
    """Note how the image is to be run."""
    match instruction.name:
        case "ENV":
            before = dict(image.environment)
            image.environment |= {name: expanded(value, before) for name, value in instruction.pairs().items()}
        case "USER":
            image.user = _user(instruction)
        case "VOLUME":
            image.volumes.append(instruction.text)
        case "HEALTHCHECK":
            image.healthcheck = _command_of(instruction)
        case "ENTRYPOINT":
            image.entrypoint = instruction.words()
        case "CMD":
            image.command = instruction.words()
        case "LABEL":
            instruction.pairs()
        case _:
            pass  # EXPOSE, which changes nothing


def _user(instruction: Instruction) -> tuple[int, int]:
    user, _, group = instruction.text.partition(":")
    if not (user.isdecimal() and group.isdecimal()):
        raise Unreadable(f"{instruction} (wanted: two numbers)")
    return int(user), int(group)


def _command_of(instruction: Instruction) -> list[str]:
    kind, _, words = instruction.text.partition(" ")
    if kind != "CMD":
        raise Unreadable(str(instruction))
    return Instruction(instruction.line, "HEALTHCHECK CMD", {}, words).words()


def _run(instruction: Instruction, image: Image) -> None:
    """A RUN in shell form. This machine's names of hosts and configuration of pip are lent: nothing of them stays."""
    if instruction.flags or instruction.text.startswith("["):
        raise Unreadable(str(instruction))
    root = image.root
    with ExitStack() as stack:
        stack.enter_context(mounted("-t", "proc", "proc", root / "proc"))
        stack.enter_context(mounted("-t", "tmpfs", "tmpfs", root / "run"))
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            stack.enter_context(mounted("--bind", name, _inside(root, name)))
        environment = image.environment | _lent_pip(root / "run", stack)
        user = "{}:{}".format(*image.user)
        shell = ["sh", "-c", 'cd "$0" && exec sh -c "$1"', image.folder, instruction.text]
        done(["chroot", f"--userspec={user}", str(root), *shell], environment=environment)


def _lent_pip(run: Path, stack: ExitStack) -> dict[str, str]:
    """Lend this machine's configuration of pip, with the local files that it may name, by way of the folder *run*.

    Returns the environment by which pip finds it.
    """
    (run / "machine").mkdir()
    stack.enter_context(mounted("-o", "bind,ro", "/", run / "machine"))
    listed = [sys.executable, "-m", "pip", "config", "list"]
    said = subprocess.run(listed, stdout=subprocess.PIPE, text=True, check=True).stdout
    options = {found["name"]: ast.literal_eval(found["value"]) for found in _OF_PIP.finditer(said)}
    lines = [f"{name} = {' '.join(map(_lent, value.split()))}\n" for name, value in options.items()]
    (run / "pip.conf").write_text("".join(["[global]\n", *lines]), encoding="utf-8")
    proxies = {name: value for name, value in os.environ.items() if name.lower() in _PROXIES}
    return {"PIP_CONFIG_FILE": "/run/pip.conf", **proxies}


def _lent(word: str) -> str:
    """A word of pip's configuration; where it is a path of this machine, the one by which it can be read inside."""
    path = word.removeprefix("file://")
    return word.replace(path, f"/run/machine{path}") if path.startswith("/") else word
