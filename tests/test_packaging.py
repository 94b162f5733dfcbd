"""What setup.cfg, pyproject.toml, the README and CI say agrees with what is there. (test_wheel.py builds it really.)"""

import configparser
import re
import tomllib
from fnmatch import fnmatch
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"sora2api": "sora2api", **{name: f"sora2api.{name}" for name in ("plugins", "web", "migrations")}}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def _files() -> list[Path]:
    """What lies in the folders of the source, as paths from the checkout's root."""
    found = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    return sorted(path.relative_to(ROOT) for path in found if path.is_file() and "__pycache__" not in path.parts)


def _package(folder: Path) -> str:
    top, *rest = folder.parts
    return ".".join([FOLDERS[top], *rest])


def _set_up_commands() -> list[str]:
    return re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)


def test_every_folder_of_modules_is_a_package_that_ships():
    packages = _setup()["options"]["packages"].split()

    folders = {_package(file.parent) for file in _files() if file.name == "__init__.py"}

    assert sorted(packages) == sorted(folders)
    assert all((ROOT / file.parent / "__init__.py").exists() for file in _files() if file.suffix == ".py")


def test_every_other_file_ships_with_the_package_that_it_lies_in():
    data = {name: globs.replace(",", " ").split() for name, globs in _setup()["options.package_data"].items()}
    packages = _setup()["options"]["packages"].split()
    left = []
    for file in _files():
        if file.suffix == ".py":
            continue
        home = next(folder for folder in file.parents if _package(folder) in packages)
        inside = file.relative_to(home).as_posix()
        if not any(fnmatch(inside, glob) for glob in data.get(_package(home), [])):
            left.append(str(file))

    assert left == []


def test_each_folder_beside_the_core_is_mapped_to_its_import_name():
    mapped = dict(line.split(" = ") for line in _setup()["options"]["package_dir"].strip().splitlines())

    assert mapped == {name: folder for folder, name in FOLDERS.items() if folder != name}


@pytest.mark.parametrize("group", sorted(PROJECT["entry-points"]))
def test_each_entry_point_is_the_class_that_it_names(group):
    installed = {point.name: point for point in entry_points(group=group) if point.dist.name == PROJECT["name"]}

    assert {name: point.value for name, point in installed.items()} == PROJECT["entry-points"][group]
    for name, point in installed.items():
        plugin = point.load()
        assert name == getattr(plugin, "kind", None) or name == plugin.name


def test_the_readme_has_two_set_up_commands_one_to_run_and_one_to_test():
    serve, test = _set_up_commands()

    assert serve.endswith(".venv/bin/sora2api serve")
    assert test.endswith(".venv/bin/pytest")
    for extra in re.findall(r"\.\[(\w+)\]", serve + test):
        assert extra in PROJECT["optional-dependencies"]


def test_ci_runs_the_readmes_own_test_command():
    """The pattern by which CI takes the command out of the README finds that one and no other."""
    (pattern,) = re.findall(r"grep '(.+)' README\.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))

    assert [line for line in README.splitlines() if re.search(pattern, line)] == [_set_up_commands()[1]]
