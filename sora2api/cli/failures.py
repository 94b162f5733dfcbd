"""What goes wrong in a command becomes one line, not a traceback."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sora2api.cli.ending import CommandFailed, message_of
from sora2api.errors import Sora2ApiError


@contextmanager
def failures_told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise CommandFailed(f"The database: {error.orig}") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise CommandFailed(f"The database: {error}") from error
    except BrokenPipeError:
        raise  # who read has seen enough: click ends the command, without a word
    except (Sora2ApiError, OSError) as error:
        raise CommandFailed(message_of(error)) from error
