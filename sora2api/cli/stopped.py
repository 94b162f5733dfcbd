"""What some commands need: that no server runs on the data directory, and no command has its secrets open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sora2api.cli.serve import AlreadyServed, locked
from sora2api.store.rotation import alone


@contextmanager
def stopped(folder: Path) -> Iterator[None]:
    """Keep servers off *folder*. Raises `AlreadyServed` where one runs, `SecretsInUse` where a command is at work."""
    try:
        with locked(folder), alone(folder):
            yield
    except AlreadyServed as error:
        raise AlreadyServed(f"A server runs on {folder}: stop it first.") from error
