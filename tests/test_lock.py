"""The lock names what the program needs, all of it, by versions that are allowed and files that are known."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^(?P<name>[\w.-]+)(?:\[[^\]]*\])?==(?P<version>[^\s;]+)(?P<rest>(?:.*\\\n)+.*)", re.MULTILINE)


def _pins() -> dict[str, re.Match[str]]:
    return {canonicalize_name(pin["name"]): pin for pin in PIN.finditer((ROOT / "requirements.lock").read_text())}


def test_each_dependency_is_locked_in_a_version_that_is_allowed():
    pins = _pins()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    for line in project["dependencies"]:
        needed = Requirement(line)
        assert needed.specifier.contains(pins[canonicalize_name(needed.name)]["version"]), line


def test_each_locked_package_is_known_by_the_hashes_of_its_files():
    pins = _pins()

    assert len(pins) > 20
    assert [name for name, pin in pins.items() if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", pin["rest"])] == []
