"""Which plugins there are: found, checked, and set aside with a reason where they do not fit.

A plugin is a class that a distribution names in one of three entry point groups (modes, drivers, apps), or one in a
file of the plugins directory. One that is broken is never fatal.
"""

import importlib.util
import logging
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final, Literal, TypeVar

from aiohttp import web
from msgspec import Struct

from sora2api import drivers, modes
from sora2api.errors import NotInstalled

logger = logging.getLogger(__name__)

API_VERSION: Final = 1
"""What an app's `api_version` must be."""

OWN_DISTRIBUTION: Final = "sora2api"

T = TypeVar("T")

SLUG: Final = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
"""What a plugin's name looks like."""


class App(ABC):
    """A web application that is served beside the API, such as the panel."""

    name: ClassVar[str]
    api_version: ClassVar[int]

    @abstractmethod
    def mount(self, app: web.Application) -> None:
        """Add routes, sub-applications and clean-up contexts to *app*, before the server starts."""


class Plugin(Struct, frozen=True, kw_only=True):
    """A plugin that was found, and whether it can be used. A *reason* is given for one that is set aside.

    *group* is its entry point group; "directory" for a file of the plugins directory that could not be read.
    *distribution* is the path of the file for one found there.
    """

    group: str
    name: str
    distribution: str
    version: str
    status: Literal["ready", "set_aside"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """The plugins that can be used, by name, and all that were found."""

    modes: Mapping[str, type[modes.Mode]]
    drivers: Mapping[str, type[drivers.Driver]]
    apps: Mapping[str, type[App]]
    plugins: Sequence[Plugin]


def discover(*, folder: Path | None = None, disabled: Collection[str] = ()) -> Registry:
    """Load all plugins: our own, then those of others by the name of their distribution, then those in *folder*.

    Those *disabled* by name are set aside without being imported. Blocking. Raises `NotInstalled` where not even our
    own are found.
    """
    shelf = _Shelf(disabled)
    for contract, entry in _entries():
        shelf.add(contract, entry.name, _origin(entry), entry.load)
    for path in _files(folder):
        shelf.add_file(path)
    return Registry(
        modes=shelf.ready[_MODES.group],
        drivers=shelf.ready[_DRIVERS.group],
        apps=shelf.ready[_APPS.group],
        plugins=tuple(shelf.plugins),
    )


class _Unfit(Exception):
    """Why a plugin is set aside."""


@dataclass(frozen=True, slots=True)
class _Contract:
    group: str
    role: type
    api_version: int
    label: str
    """The class attribute that holds the plugin's name."""
    fields: Mapping[str, Callable[[Any], object]]
    """What else stands on the class, with a test of each that gives false, or raises, for a wrong one."""


def _is_struct(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Struct)


_MODES = _Contract(
    "sora2api.modes",
    modes.Mode,
    modes.API_VERSION,
    "name",
    {
        "priority": lambda value: isinstance(value, int),
        "models": lambda value: all(isinstance(model, modes.Model) for model in value),
        "parameters": lambda value: value is None or _is_struct(value),
        "settings_type": lambda value: value is None or (_is_struct(value) and value()),
    },
)
_DRIVERS = _Contract(
    "sora2api.drivers",
    drivers.Driver,
    drivers.API_VERSION,
    "kind",
    {"settings_type": lambda value: _is_struct(value) and value()},
)
_APPS = _Contract("sora2api.apps", App, API_VERSION, "name", {})
_CONTRACTS = (_MODES, _DRIVERS, _APPS)


@dataclass(frozen=True, slots=True)
class _Origin:
    distribution: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".rstrip()


class _Shelf:
    """The plugins taken up so far, and those set aside."""

    def __init__(self, disabled: Collection[str]) -> None:
        self.ready: dict[str, dict[str, Any]] = {contract.group: {} for contract in _CONTRACTS}
        self.plugins: list[Plugin] = []
        self._disabled = frozenset(disabled)
        self._owners: dict[tuple[str, str], _Origin] = {}

    def add(self, contract: _Contract, name: str, origin: _Origin, load: Callable[[], object]) -> None:
        try:
            self._check_name(contract.group, name)
            plugin = _guarded(lambda: _checked(contract, name, load()))
        except _Unfit as unfit:
            self._list(contract.group, name, origin, unfit)
        else:
            self.ready[contract.group][name] = plugin
            self._owners[contract.group, name] = origin
            self._list(contract.group, name, origin)

    def add_file(self, path: Path) -> None:
        origin = _Origin(str(path))
        try:
            self._check_name("directory", path.stem)
            found = _guarded(lambda: _plugins_in(_imported(path)))
        except _Unfit as unfit:
            self._list("directory", path.stem, origin, unfit)
            return
        for contract, plugin in found:
            name = str(getattr(plugin, contract.label, path.stem))
            self.add(contract, name, origin, _as_it_is(plugin))

    def _check_name(self, group: str, name: str) -> None:
        if name in self._disabled:
            raise _Unfit("disabled in the settings")
        if owner := self._owners.get((group, name)):
            raise _Unfit(f"the name {name!r} is taken by {owner}")

    def _list(self, group: str, name: str, origin: _Origin, unfit: _Unfit | None = None) -> None:
        if unfit is not None:
            logger.warning("%s %s of %s is set aside: %s", group, name, origin, unfit)
            logger.debug("The fault of %s", origin, exc_info=unfit.__cause__)
        self.plugins.append(
            Plugin(
                group=group,
                name=name,
                distribution=origin.distribution,
                version=origin.version,
                status="set_aside" if unfit else "ready",
                reason=str(unfit) if unfit else None,
            )
        )


def _as_it_is(plugin: type) -> Callable[[], type]:
    return lambda: plugin


def _guarded(load: Callable[[], T]) -> T:
    """The one place where whatever a plugin raises while it is loaded is caught: even `sys.exit`."""
    try:
        return load()
    except _Unfit:
        raise
    except (Exception, SystemExit) as error:
        raise _Unfit(f"{type(error).__name__}: {error}") from error


def _checked(contract: _Contract, name: str, plugin: Any) -> Any:
    """*plugin*, if it fulfils the *contract*; else raises `_Unfit`."""
    if not (isinstance(plugin, type) and issubclass(plugin, contract.role)):
        raise _Unfit(f"{plugin!r} is no subclass of {contract.role.__module__}.{contract.role.__name__}")
    version = getattr(plugin, "api_version", None)
    if version != contract.api_version:
        raise _Unfit(
            f"it is written for version {version} of the plugin API, and this is version {contract.api_version}"
        )
    own = getattr(plugin, contract.label, None)
    if own != name:
        raise _Unfit(f"its `{contract.label}` is {own!r}, but it is installed as {name!r}")
    if not SLUG.fullmatch(name):
        raise _Unfit(f"{name!r} is no name: small letters, digits, and single - or _ between them")
    if missing := sorted(getattr(plugin, "__abstractmethods__", ())):
        raise _Unfit(f"it does not define {', '.join(missing)}")
    for field, fits in contract.fields.items():
        if not fits(getattr(plugin, field, None)):
            raise _Unfit(f"its `{field}` is not what the plugin API says")
    return plugin


def _entries() -> list[tuple[_Contract, EntryPoint]]:
    """All entry points, our own first, then by distribution and name."""
    found = [(contract, entry) for contract in _CONTRACTS for entry in entry_points(group=contract.group)]
    if not any(_origin(entry).distribution == OWN_DISTRIBUTION for _, entry in found):
        raise NotInstalled
    return sorted(found, key=lambda each: _turn(each[1]))


def _turn(entry: EntryPoint) -> tuple[bool, str, str, str]:
    distribution = _origin(entry).distribution
    return distribution != OWN_DISTRIBUTION, distribution.lower(), entry.group, entry.name


def _origin(entry: EntryPoint) -> _Origin:
    return _Origin(entry.dist.name, entry.dist.version) if entry.dist else _Origin("unknown")


def _files(folder: Path | None) -> list[Path]:
    """The modules and packages in *folder* that may hold plugins."""
    if folder is None or not folder.is_dir():
        return []
    shown = (path for path in folder.iterdir() if not path.name.startswith(("_", ".")))
    return sorted(path for path in shown if path.suffix == ".py" or (path / "__init__.py").is_file())


def _imported(path: Path) -> ModuleType:
    """The module or package at *path*, under a name that no other module has."""
    name = f"_sora2api_directory_{path.stem}"
    package = path.is_dir()
    spec = importlib.util.spec_from_file_location(
        name,
        path / "__init__.py" if package else path,
        submodule_search_locations=[str(path)] if package else None,
    )
    if spec is None or spec.loader is None:
        raise _Unfit("it cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _plugins_in(module: ModuleType) -> list[tuple[_Contract, type]]:
    """The plugin classes that *module* itself defines; one whose name begins with _ is only a base of others."""
    own = [
        value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__.startswith(module.__name__) and not name.startswith("_")
    ]
    found = [(contract, value) for value in own for contract in _CONTRACTS if issubclass(value, contract.role)]
    if not found:
        raise _Unfit("it defines no mode, driver or app")
    return found
