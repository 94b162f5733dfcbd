"""The settings: whether the server would take them, and the limits that the system sets it."""

import os
import resource
import sqlite3
from pathlib import Path
from typing import Any, Final

import msgspec

from sora2api.doctor.finding import Case, Finding, Unseen, warning, well, wrong
from sora2api.doctor.looking import Unopened, reading
from sora2api.doctor.secrets import right_key
from sora2api.errors import InvalidValue
from sora2api.settings import FILE, PREFIX, Settings, load, names
from sora2api.store.database import FILE as DATABASE
from sora2api.store.secrets import Secrets

_OTHER_VARIABLES: Final = frozenset(
    {
        "data_dir",
        "fault",
        "key",
        "old_secret_key",
        "old_secret_key_file",
        "sandbox_key",
        "secret_key",
        "secret_key_file",
        "server",
    }
)
"""What else is read from the environment under the settings' prefix."""
_FILES: Final = 1024
"""Fewer open files than Linux gives by default are soon used up by streams."""


def configured(folder: Path) -> tuple[Settings, Finding]:
    """The settings in force, the defaults where they cannot be told, and what is to be said of them."""
    try:
        settings = load(folder, database=_chosen(folder / DATABASE)).settings
    except InvalidValue as error:
        advice = f"Mend it in {folder / FILE}, in the environment, or with `sora2api settings unset NAME`."
        return Settings(), wrong("settings", error.message, advice)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.reason
        return Settings(), wrong("settings", f"{FILE} cannot be read: {reason}.", "See its owner, mode and encoding.")
    known = {*names(), *_OTHER_VARIABLES}
    given = sorted(name for name in os.environ if name.startswith(PREFIX))
    unknown = [name for name in given if name.removeprefix(PREFIX).lower() not in known]
    if unknown:
        advice = "See docs/settings.md for what there is; what is not known does nothing."
        return settings, warning("settings", f"No settings are {', '.join(unknown)}, of the environment.", advice)
    return settings, well("settings", "All are known, and have values that they can have.")


def _chosen(path: Path) -> dict[str, Any]:
    """Those of the database, without what cannot be read or unsealed: that is told elsewhere."""
    try:
        with reading(path) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM settings")]
    except (Unopened, sqlite3.Error):
        return {}
    sealed = {row["name"]: row["sealed"] for row in rows if row.get("sealed") is not None}
    plain = {row["name"]: row["value"] for row in rows if row["name"] not in sealed}
    return {name: msgspec.json.decode(value) for name, value in (plain | _unsealed(path.parent, sealed)).items()}


def _unsealed(folder: Path, sealed: dict[str, bytes]) -> dict[str, str]:
    if not sealed:
        return {}
    try:
        vault = Secrets(right_key(folder))
    except Unseen:
        return {}
    return {name: vault.unseal(value) for name, value in sealed.items()}


def look_at_limits(_case: Case) -> list[Finding]:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{'Any number of' if soft == resource.RLIM_INFINITY else soft} files can be open at once."
    if soft != resource.RLIM_INFINITY and soft < _FILES:
        advice = "`ulimit -n 65536` before the start; LimitNOFILE=65536 in the unit."
        return [warning("open files", f"Only {said[0].lower()}{said[1:]}", advice)]
    return [well("open files", said)]
