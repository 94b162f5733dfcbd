"""`sora2api usage`: what was made, for whom, by whom and what it cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sora2api.cli.limits import money
from sora2api.cli.state import open_state, print_json, print_table, run, state_options

if TYPE_CHECKING:
    from sora2api.jobs.usage import By, Usage


@click.command("usage")
@click.option("--by", type=click.Choice(("day", "key", "account", "model")), default="day", show_default=True)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d"]), help="The first day to count, in UTC; else from the first on."
)
@state_options
def command(by: "By", since: Any, data_dir: Path, as_json: bool) -> None:
    """What was made, by day, key, account or model. Days are those of UTC on which jobs ended."""
    day = "" if since is None else since.strftime("%Y-%m-%d")
    found = run(_summed(data_dir, by, day))
    if as_json:
        print_json([_public(usage, by) for usage in found])
        return
    rows = (
        (
            usage.name or usage.of or "-",
            str(usage.use.jobs),
            ", ".join(f"{code} {count}" for code, count in usage.failures.items()),
            f"{usage.use.seconds:g}",
            str(usage.use.images),
            str(usage.use.bytes),
            money(usage.use.cost),
        )
        for usage in found
    )
    print_table((by, "jobs", "failures", "seconds", "images", "bytes", "cost"), rows, empty="Nothing was made yet.")


def _public(usage: "Usage", by: str) -> dict[str, Any]:
    use = usage.use
    named = {} if by in ("day", "model") else {"name": usage.name}
    counts = {"jobs": use.jobs, "failures": usage.failures, "seconds": use.seconds, "images": use.images}
    return {by: usage.of, **named, **counts, "bytes": use.bytes, "cost": use.cost / 1e6}


async def _summed(folder: Path, by: "By", since: str) -> "Sequence[Usage]":
    from sora2api.jobs.usage import UsageBook

    async with open_state(folder) as database:
        return await UsageBook(database).summed(by, since=since)
