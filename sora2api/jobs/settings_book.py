"""The settings as an operator sees them: what is in force, where it comes from, and what will be later."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from yarl import URL

from sora2api.errors import InvalidValue, NotFound
from sora2api.settings import AT_ONCE, ON_RELOAD, SEALED, SECRET, Described, InForce, Loaded, Source, load, parse, table
from sora2api.store.chosen import choose, chosen, unchoose
from sora2api.store.database import Database
from sora2api.store.secrets import Secrets

_HIDDEN: Final = "***"


class Setting(Struct, frozen=True, kw_only=True):
    """A setting. *value* is in force and comes from *source*; *later* is what it will be after a restart.

    *pinned*: it is given on the command line or in the environment, so nothing else can change it. *chosen*: the
    database has a value for it. *at_once*: a running server heeds a change; *on_reload*: it does after SIGHUP. *waits*:
    that, or a restart, will change it.
    Secrets, and passwords in URLs, are `***`.
    """

    name: str
    help: str
    choices: tuple[str, ...]
    default: Any
    value: Any
    source: Source
    later: Any
    pinned: bool
    chosen: bool
    at_once: bool
    on_reload: bool
    waits: bool


class SettingsBook:
    """Reads and changes what the database says of the settings. *in_force* is what the server goes by."""

    def __init__(self, database: Database, folder: Path, in_force: InForce) -> None:
        self._database = database
        self._folder = folder
        self._in_force = in_force

    async def all(self) -> Sequence[Setting]:
        """All settings, in the order of the table. A file that has become wrong raises `InvalidValue`."""
        said = await chosen(self._database, self._folder)
        beneath = await asyncio.to_thread(load, self._folder, environment={})
        return [self._setting(row, said, beneath) for row in table()]

    async def get(self, name: str) -> Setting:
        found = next((setting for setting in await self.all() if setting.name == name), None)
        if found is None:
            raise NotFound(f"There is no setting {name!r}.", param="name")
        return found

    async def set(self, name: str, value: Any) -> Setting:
        """Choose a *value*; text is understood as on the command line. What is wrong raises `InvalidValue`."""
        before = await self.get(name)
        self._check_free(before)
        if _HIDDEN in str(value):
            if value == before.later:
                return before
            raise InvalidValue("Write the password anew: *** only stands for it.", param="value")
        parsed = parse(name, value, source="database")
        vault = await asyncio.to_thread(Secrets.open, self._folder) if name in SEALED else None
        await choose(self._database, name, parsed, vault=vault)
        return await self.get(name)

    async def unset(self, name: str) -> Setting:
        """Take a choice back: the file's value holds again, or the default."""
        self._check_free(await self.get(name))
        await unchoose(self._database, name)
        return await self.get(name)

    def _check_free(self, setting: Setting) -> None:
        if setting.pinned:
            raise InvalidValue(f"{setting.name} is pinned by the {setting.source} of the server.", param="name")

    def _setting(self, row: Described, said: Mapping[str, Any], beneath: Loaded) -> Setting:
        name = row.name
        pinned = name in self._in_force.loaded.pinned()
        value, source = _of(self._in_force.loaded, name)
        later, later_source = (value, source) if pinned else _of(beneath, name)
        if not pinned and name in said:
            later, later_source = parse(name, said[name], source="database"), "database"
        if name in AT_ONCE:
            value, source = later, later_source
        return Setting(
            name=name,
            help=row.help,
            choices=row.choices,
            default=row.default,
            value=_shown(name, value),
            source=source,
            later=_shown(name, later),
            pinned=pinned,
            chosen=name in said,
            at_once=name in AT_ONCE,
            on_reload=name in ON_RELOAD,
            waits=later != value,
        )


def _of(loaded: Loaded, name: str) -> tuple[Any, Source]:
    return getattr(loaded.settings, name), loaded.sources[name]


def _shown(name: str, value: Any) -> Any:
    """A *value* without the password of a URL in it; nothing of one that is a secret."""
    if name in SECRET and value:
        return _HIDDEN
    if not (isinstance(value, str) and "@" in value and "://" in value):
        return value
    try:
        url = URL(value)
        return value if url.password is None else str(url.with_password(None)).replace("@", f":{_HIDDEN}@", 1)
    except ValueError:
        return _HIDDEN
