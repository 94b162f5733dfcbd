"""The versions: of Python, of SQLite, and of what the program is built on, by what its metadata asks for."""

import platform
import re
import sqlite3
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Final

from sora2api.doctor.finding import Case, Finding, well, wrong

_SQLITE: Final = (3, 35, 0)
"""The first with RETURNING and DROP COLUMN, which writes and migrations use."""
_REQUIREMENT: Final = re.compile(r"\s*([\w.-]+)\s*(?:\[[^]]*])?\s*\(?([^;)]*)\)?\s*(;.*)?")
"""A name, extras, bounds and a marker (https://packaging.python.org/en/latest/specifications/dependency-specifiers/)."""
_BOUND: Final = re.compile(r"\s*(>=|<=|==|!=|~=|>|<)\s*([0-9.]+)")


def look(_case: Case) -> list[Finding]:
    return [_python(), _sqlite(), _dependencies()]


def _python() -> Finding:
    try:
        asked = str(metadata("sora2api")["Requires-Python"])
    except PackageNotFoundError:
        return wrong("python", "sora2api is not installed.", "Install the program: `pip install sora2api`.")
    found = platform.python_version()
    if _fits(found, asked):
        return well("python", f"Python {found} is what is asked for ({asked}).")
    return wrong("python", f"Python is {found}, and {asked} is asked for.", "Install that one, and sora2api with it.")


def _sqlite() -> Finding:
    said = f"SQLite is {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info >= _SQLITE:
        return well("sqlite", f"{said}.")
    least = ".".join(map(str, _SQLITE))
    return wrong("sqlite", f"{said}, and {least} is asked for.", "Use a Python that is built with a newer SQLite.")


def _dependencies() -> Finding:
    wanted = list(_wanted())
    unfit = [said for name, bounds in wanted if (said := _unfit(name, bounds)) is not None]
    if not unfit:
        return well("dependencies", f"All {len(wanted)} are there, in versions that fit.")
    return wrong("dependencies", f"{'; '.join(unfit)}.", "Install the program again: `pip install --upgrade sora2api`.")


def _wanted() -> Iterator[tuple[str, str]]:
    """The names of distributions that are always needed, and the bounds of their versions."""
    try:
        lines = requires("sora2api") or []
    except PackageNotFoundError:
        return
    for line in lines:
        found = _REQUIREMENT.fullmatch(line)
        if found is not None and not found[3]:  # what has a marker is an extra's
            yield found[1], found[2].strip()


def _unfit(name: str, bounds: str) -> str | None:
    try:
        found = version(name)
    except PackageNotFoundError:
        return f"{name} is not installed"
    return None if _fits(found, bounds) else f"{name} is {found}, and {bounds} is asked for"


def _fits(found: str, bounds: str) -> bool:
    """Whether the version *found* is within all *bounds*."""
    return all(_within(_numbers(found), *bound) for bound in _BOUND.findall(bounds))


def _within(found: tuple[int, ...], sign: str, text: str) -> bool:
    asked = _numbers(text)
    found = found + (0,) * (len(asked) - len(found))
    if sign == "~=":
        return found >= asked and found[: len(asked) - 1] == asked[:-1]
    same = found[: len(asked)] == asked
    return {
        ">=": found >= asked,
        "<=": same or found < asked,
        ">": found > asked and not same,
        "<": found < asked,
        "==": same,
        "!=": not same,
    }[sign]


def _numbers(text: str) -> tuple[int, ...]:
    """The release of a version, without what makes it a pre-release or a local one."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()
