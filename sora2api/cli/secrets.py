"""`sora2api secrets`: the key that secrets are sealed with, and what alerts are signed with."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import click
from sqlalchemy.ext.asyncio import AsyncConnection

from sora2api.cli.recorded import recorded
from sora2api.cli.state import open_state, print_json, run, state_options


@click.group(name="secrets")
def command() -> None:
    """Secrets at rest."""


@command.command()
@click.option(
    "--signatures",
    is_flag=True,
    help="Change what links, callbacks and alerts are signed with, too: links that were given end at once.",
)
@state_options
def rotate(*, data_dir: Path, as_json: bool, signatures: bool) -> None:
    """Seal all secrets with a new key, while no server runs.

    The new key is made in a file, or is that of SORA2API_SECRET_KEY. The old one is the file's, or that of
    SORA2API_OLD_SECRET_KEY.
    """
    run(_rotate(data_dir, signatures=signatures, as_json=as_json))


@command.command()
@state_options
def alerts(*, data_dir: Path, as_json: bool) -> None:
    """Show the secret that alerts are signed with."""
    secret = run(_alerts(data_dir))
    if as_json:
        print_json({"signing_secret": secret})
    else:
        click.echo(secret)


async def _alerts(folder: Path) -> str:
    from sora2api.notify import ALERTS, Signer
    from sora2api.store.secrets import Secrets

    async with open_state(folder) as database, recorded(database, "secrets.alerts") as change:
        change.subject = "alerts"
        return Signer(await asyncio.to_thread(Secrets.open, folder)).callback_secret(ALERTS)


async def _rotate(folder: Path, *, signatures: bool, as_json: bool) -> None:
    from sora2api.jobs.faults import point
    from sora2api.store.rotation import begin

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_state(folder))
        stack.enter_context(_alone(folder))
        change = await stack.enter_async_context(recorded(database, "secrets.rotate"))
        rotation = await asyncio.to_thread(begin, folder)
        point("key")
        count = 0
        if rotation is not None:

            async def write(connection: AsyncConnection) -> int:
                sealed = await rotation.reseal(connection, new_root=signatures)
                point("reseal")
                return sealed

            count = await database.write(write)
            point("resealed")
            await asyncio.to_thread(rotation.end)
            point("replaced")
        change.subject, change.after = "secrets", {"sealed": count, "signatures": signatures}
    if as_json:
        print_json({"sealed": count})
    elif rotation is None:
        click.echo("Everything is sealed with this key already.")
    else:
        click.echo(f"Sealed {count} values with the new key. Backups made before open only with the old one.")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no server runs here and no other command has the secrets open."""
    from sora2api.cli.serve import AlreadyServed, locked
    from sora2api.store.rotation import SecretsInUse, alone

    try:
        with locked(folder), alone(folder):
            yield
    except AlreadyServed as error:
        raise SecretsInUse(f"A server runs on {folder}: stop it, rotate, and start it again.") from error
