"""Log lines for people: time, level, message, and the data of the record as `name=value`."""

import logging
import sys
from typing import Final

from sora2api.observe.requests import CURRENT

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Console(logging.Formatter):
    """`2026-11-22 10:00:00 WARNING account set aside account=wan code=engine_busy`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        request = CURRENT.get()
        said = {} if request is None else {"request": request}
        said |= {name: value for name, value in vars(record).items() if name not in _OWN}
        data = " ".join(f"{name}={value}" for name, value in said.items())
        return f"{super().formatMessage(record)} {data}".rstrip()


def set_up(level: str) -> None:
    """Log to standard error, so that standard output stays for what a command says."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Console())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("aiohttp.access", "aiosqlite"):  # the latter would tell every value that is written
        logging.getLogger(name).setLevel(logging.WARNING)
