"""The plugins: which were set aside, and why."""

import os
from pathlib import Path

from sora2api.doctor.finding import Case, Finding, warning, well, wrong
from sora2api.errors import NotInstalled
from sora2api.registry import Registry, discover


def discovered(case: Case) -> Registry:
    """What is installed. Raises `NotInstalled` where not even our own plugins are."""
    given = case.settings.plugins_folder
    folder = Path(given) if given else case.folder / "plugins"
    seen = folder if os.access(folder, os.R_OK | os.X_OK) else None
    return discover(folder=seen, disabled=case.settings.disabled_plugins)


def look(case: Case) -> list[Finding]:
    try:
        plugins = discovered(case).plugins
    except NotInstalled as error:
        return [wrong("plugins", error.message, "Install the program: `pip install sora2api`.")]
    aside = [
        plugin
        for plugin in plugins
        if plugin.status == "set_aside" and plugin.name not in case.settings.disabled_plugins
    ]
    if not aside:
        return [well("plugins", f"{len(plugins)} are ready.")]
    advice = "Mend or remove it, or name it in disabled_plugins."
    said = (f"{plugin.name} of {plugin.distribution} is set aside: {plugin.reason}" for plugin in aside)
    return [warning("plugins", each, advice) for each in said]
