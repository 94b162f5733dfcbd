"""Reads a Dockerfile and a .dockerignore: as much of them as ours use, and an error for all else."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_KNOWN: Final = frozenset(
    ("COPY", "RUN", "ENV", "WORKDIR", "USER", "LABEL", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")
)
_FROM: Final = re.compile(r"(?P<image>[^\s$]+)(?:\s+AS\s+(?P<name>\w+))?", re.IGNORECASE)
_FLAG: Final = re.compile(r"--([a-z-]+)=(\S+)\s+")
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


class Unreadable(Exception):
    """Something stands there that this reader does not know."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a stage; *text* is what follows its flags, on one line."""

    line: int
    name: str
    flags: Mapping[str, str]
    text: str

    def words(self) -> list[str]:
        """The exec form's words; any other form is an error where these are asked for."""
        try:
            words = json.loads(self.text)
        except ValueError:
            words = None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise Unreadable(f"line {self.line}: {self.name} is not in exec form")
        return words

    def pairs(self) -> dict[str, str]:
        """NAME=VALUE pairs, as ENV and LABEL have them."""
        split = [word.partition("=") for word in shlex.split(self.text)]
        if not all(equals for _, equals, _ in split):
            raise Unreadable(f"line {self.line}: {self.name} wants NAME=VALUE")
        return {name: value for name, _, value in split}

    def __str__(self) -> str:
        flags = "".join(f"--{name}={value} " for name, value in self.flags.items())
        return f"line {self.line}: {self.name} {flags}{self.text}"


@dataclass(frozen=True, slots=True)
class Stage:
    image: str
    name: str | None
    instructions: list[Instruction] = field(default_factory=list)


def read(text: str) -> list[Stage]:
    """The stages of a Dockerfile, in order."""
    stages: list[Stage] = []
    for line, said in _logical_lines(text):
        name, _, rest = said.partition(" ")
        name, rest = name.upper(), rest.strip()
        if name == "FROM":
            stages.append(_stage(line, rest))
        elif name in _KNOWN and stages:
            stages[-1].instructions.append(_instruction(line, name, rest))
        else:
            raise Unreadable(f"line {line}: {name}")
    return stages


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """*text* with its $NAME and ${NAME} replaced; one that is not set is empty."""
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), text)


def context(folder: Path) -> Iterator[Path]:
    """The files that a build in *folder* is given, as paths in it: those that its .dockerignore leaves."""
    rules = [_rule(line) for line in (folder / ".dockerignore").read_text(encoding="utf-8").splitlines() if _says(line)]
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        ignored = False
        for kept, pattern in rules:
            if pattern.fullmatch(inside.as_posix()):
                ignored = not kept
        if not ignored and path.is_file():
            yield inside


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with what is continued put together, without comments; each with the number that it begins at."""
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not _says(line):
            continue
        begun = begun or number
        parts.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            yield begun, " ".join(parts)
            begun, parts = 0, []
    if parts:
        raise Unreadable(f"line {begun} goes on behind the end")


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _stage(line: int, text: str) -> Stage:
    found = _FROM.fullmatch(text)
    if found is None:
        raise Unreadable(f"line {line}: FROM {text}")
    return Stage(found["image"], found["name"])


def _instruction(line: int, name: str, text: str) -> Instruction:
    flags = {}
    while found := _FLAG.match(text):
        flags[found[1]] = found[2]
        text = text[found.end() :]
    return Instruction(line, name, flags, text)


def _rule(line: str) -> tuple[bool, re.Pattern[str]]:
    """Whether a line of .dockerignore takes files back in, and the paths that it speaks of, with all below them."""
    kept, pattern = line.startswith("!"), line.strip().removeprefix("!")
    if set(pattern) & set("?[\\"):
        raise Unreadable(f".dockerignore: {line}")
    parts = re.split(r"(\*\*/|\*)", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return kept, re.compile("".join(known.get(part) or re.escape(part) for part in parts) + "(?:/.*)?")
