"""Imports go one way: what each part of the house may import of the others."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "sora2api": "sora2api",
    "plugins": "sora2api.plugins",
    "web": "sora2api.web",
    "migrations": "sora2api.migrations",
}

# "media" is all of it, "media.clips" one module, "drivers:" the package's own face, "egress:GuardedFetch" one name.
OPEN = ("errors", "settings", ":__version__")
FREE = ("cli", "app", "measured", "parts", "testing")
RULES = {
    "__init__": (),
    "__main__": ("cli",),
    "api": (
        "jobs",
        "catalog",
        "media",
        "egress:GuardedFetch",
        "egress:Fetched",
        "auth",
        "notify",
        "modes",
        "observe.requests",  # the id of the request, for the log of a fault
        *OPEN,
    ),
    "web": ("jobs", "accounts", "catalog", "registry", "auth", "media", "notify", "observe", "modes", *OPEN),
    "jobs": (
        "accounts",
        "auth.limits",
        "catalog",
        "registry",
        "drivers:",
        "media",
        "egress",
        "store",
        "modes",
        "notify",
        *OPEN,
    ),
    "catalog": ("accounts", "registry", "store", "modes", *OPEN),
    "accounts": ("store", "egress", "drivers:", *OPEN),
    "media": ("store", "egress", "modes", *OPEN),  # `Media`, the word for a kept file, is part of the contract
    "auth": ("store", "egress", *OPEN),
    "notify": ("store", "egress", *OPEN),
    "backup": ("store", "media.places", "migrations:", *OPEN),
    "doctor": ("accounts", "auth.first_start", "egress", "migrations:", "registry", "store", *OPEN),
    "observe": ("store", "egress", *OPEN),
    "sandbox": ("media.sniff", "media.pictures", "media.clips", "media.workshop", *OPEN),
    "registry": ("modes", "drivers:", *OPEN),
    "egress": OPEN,
    "store": ("migrations:", "supervision", *OPEN),
    "migrations": ("store", *OPEN),
    "drivers": ("egress", "errors"),
    "drivers.*": ("drivers:", "egress", "errors"),
    "plugins.*": ("modes", "media:", "errors"),
    "modes": ("errors",),
    "settings": ("errors",),
    "errors": (),
    "supervision": (),
}


class Import(NamedTuple):
    file: Path
    line: int
    module: str
    """Without the leading `sora2api.`; empty for the root itself."""
    name: str


def _name_of(file: Path, root: Path) -> str:
    """The import name of a source file, without the leading `sora2api`."""
    folder, *rest = file.relative_to(root).with_suffix("").parts
    parts = [*FOLDERS[folder].split("."), *rest]
    return ".".join(parts[1:-1] if parts[-1] == "__init__" else parts[1:])


def _modules(root: Path) -> dict[str, Path]:
    return {_name_of(file, root): file for folder in FOLDERS for file in sorted((root / folder).rglob("*.py"))}


def _place(module: str) -> str:
    """The row of the table that *module* belongs to."""
    part, _, rest = module.partition(".")
    return f"{part}.*" if rest and part in {"drivers", "plugins"} else part or "__init__"


def _imports(name: str, file: Path, modules: dict[str, Path]) -> Iterator[Import]:
    """What *file* imports of ours, wherever in it."""
    package = ("sora2api." + name).rstrip(".") if file.name == "__init__.py" else f"sora2api.{name}".rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            source = ".".join(filter(None, (above, node.module)))
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                is_module = whole.removeprefix("sora2api.") in modules
                yield Import(file, node.lineno, whole if is_module else source, "" if is_module else alias.name)


def _allowed(place: str, module: str, name: str) -> bool:
    if place in FREE:
        return True
    for entry in RULES[place]:
        head, exact, one = entry.partition(":")
        if module == head and (not exact or one in {"", name}):
            return True
        if not exact and module.startswith(f"{head}."):
            return True
    return False


def _offences(root: Path) -> list[str]:
    """`file:line imports module`, for each import that the table does not allow."""
    modules = _modules(root)
    found = []
    for importer, file in modules.items():
        for item in _imports(importer, file, modules):
            if item.module != "sora2api" and not item.module.startswith("sora2api."):
                continue
            module = item.module.removeprefix("sora2api").removeprefix(".")
            if not _at_home(importer, module) and not _allowed(_place(importer), module, item.name):
                found.append(f"{file.relative_to(root)}:{item.line} imports {item.module} {item.name}".rstrip())
    return found


def _at_home(importer: str, module: str) -> bool:
    """Whether both are in the same part of the house; a mode is a house of its own, a driver's package too."""
    if not module or importer == module:
        return importer == module
    depth = 2 if _place(importer).endswith(".*") else 1
    return importer.split(".")[:depth] == module.split(".")[:depth]


def test_imports_go_one_way():
    assert _offences(ROOT) == []


def test_each_part_of_the_house_has_its_rule():
    places = {_place(name) for name in _modules(ROOT)}

    assert places - {"plugins"} <= {*RULES, *FREE}


PLANTED = [
    ("plugins/video.py", "import sora2api.settings", "sora2api.settings"),
    ("plugins/video.py", "from sora2api import store", "sora2api.store"),
    ("plugins/video.py", "from . import image", "sora2api.plugins.image"),
    ("plugins/video.py", "from sora2api.plugins.image import ImageMode", "sora2api.plugins.image ImageMode"),
    ("web/planted.py", "from sora2api.drivers import Driver", "sora2api.drivers Driver"),
    ("sora2api/jobs/planted.py", "from sora2api.drivers import openai", "sora2api.drivers.openai"),
    ("sora2api/jobs/planted.py", "from sora2api.drivers import Driver", None),
    ("sora2api/drivers/planted.py", "from sora2api.drivers.openai import x", "sora2api.drivers.openai x"),
    ("sora2api/drivers/planted.py", "if late: from .. import settings", "sora2api.settings"),
    ("sora2api/drivers/planted.py", "from . import Driver", None),
    ("sora2api/api/planted.py", "from sora2api.egress import Sessions", "sora2api.egress Sessions"),
    ("sora2api/api/planted.py", "from sora2api.egress import GuardedFetch", None),
    ("sora2api/errors.py", "import sora2api.modes", "sora2api.modes"),
]


def test_each_planted_import_is_named_with_its_line(tmp_path):
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "fonts"))
    before = set(_offences(tmp_path))
    expected = set()
    for file, line, named in PLANTED:
        planted = tmp_path / file
        text = planted.read_text(encoding="utf-8") if planted.exists() else ""
        planted.write_text(f"{text}\n{line}\n", encoding="utf-8")
        if named:
            expected.add(f"{file}:{text.count(chr(10)) + 2} imports {named}")

    assert set(_offences(tmp_path)) - before == expected
