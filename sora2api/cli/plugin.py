"""`sora2api plugin`: the plugins that are installed, and what became of each."""

import asyncio
import logging
from pathlib import Path

import click
import msgspec

from sora2api.cli.state import load_settings, open_state, plugins_folder, print_json, print_table, run, state_options
from sora2api.registry import Plugin, Registry, discover


@click.group("plugin")
def command() -> None:
    """The plugins that are installed, and what became of each."""


@command.command("list")
@state_options
def list_(data_dir: Path, as_json: bool) -> None:
    """List all plugins; for one that was set aside, the reason why."""
    plugins = run(_discovered(data_dir)).plugins
    if as_json:
        print_json(msgspec.to_builtins(plugins))
        return
    rows = ((p.group, p.name, f"{p.distribution} {p.version}", _standing(p)) for p in plugins)
    print_table(("group", "name", "from", "status"), rows, empty="There are no plugins.")


async def _discovered(folder: Path) -> Registry:
    async with open_state(folder) as database:
        settings = (await load_settings(folder, database)).settings
    logging.disable(logging.WARNING)  # what is set aside is about to be listed
    try:
        return await asyncio.to_thread(
            discover, folder=plugins_folder(folder, settings), disabled=settings.disabled_plugins
        )
    finally:
        logging.disable(logging.NOTSET)


def _standing(plugin: Plugin) -> str:
    return "ready" if plugin.reason is None else f"set aside: {plugin.reason}"
