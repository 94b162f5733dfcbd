"""Writes docs/settings.md from the table of settings: `python docs/make_settings.py`."""

import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

from sora2api.settings import AT_ONCE, FILE, ON_RELOAD, PREFIX, table


def _listed(some: Collection[str]) -> str:
    """Settings by name, in the order of the table."""
    return textwrap.fill(", ".join(f"`{row.name}`" for row in table() if row.name in some), 120)


PAGE: Final = Path(__file__).with_name("settings.md")
INTRODUCTION: Final = f"""# Settings

<!-- Made by docs/make_settings.py; change sora2api/settings.py instead. -->

A value comes from the first of these that has one:

1. the command line: `sora2api serve --queue-limit 500`, `--no-share`
2. the environment: `{PREFIX}QUEUE_LIMIT=500`
3. the database: its table `settings` holds a JSON value a name
4. the file `{FILE}` in the data directory: `queue_limit = 500`
5. the default

Times are in seconds, sizes in bytes. Lists are written with commas on the command line and in the environment
(`{PREFIX}TRUSTED_PROXIES=10.0.0.0/8,192.168.1.5`), and as lists in the file. A wrong value or an unknown name stops the
start, and is named with where it came from.

A running server takes up a choice of {_listed(AT_ONCE)} at once. SIGHUP (`systemctl reload sora2api`) has it read all
settings again, and go by these:

{_listed(ON_RELOAD)}

Others keep their value until the server is started again; its log names those that have changed. If anything is wrong,
all stay as they are, and the log says why.

Two things are no settings, since they must be known before any can be read: the data directory (`--data-dir`, else
`{PREFIX}DATA_DIR`, else `~/.local/share/sora2api`) and the key by which secrets are sealed (`{PREFIX}SECRET_KEY`, any
text, or what is in the file that `{PREFIX}SECRET_KEY_FILE` names; else the file `secret.key` in the data directory).

| setting | default | |
|---|---|---|
"""


def page() -> str:
    """The page as it should be now."""
    rows = (f"| `{row.name}` | {_shown(row.default)} | {row.help}{_choices(row.choices)} |" for row in table())
    return INTRODUCTION + "\n".join(rows) + "\n"


def _choices(choices: Sequence[str]) -> str:
    return f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""


def _shown(default: Any) -> str:
    """A default as one would write it in the file."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:.10g}`"
    return f"`{default}`" if default else ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
