"""The log on the console: lines for people, or JSON; each says which request and which job it belongs to."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sora2api.egress.trace import JOB
from sora2api.observe.cut import text
from sora2api.observe.requests import CURRENT

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Console(logging.Formatter):
    """`2026-11-22 10:00:00 WARNING account set aside account=wan code=engine_busy`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        data = " ".join(f"{name}={value}" for name, value in _said(record).items())
        return text(f"{super().formatMessage(record)} {data}".rstrip())

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        return text(super().formatException(ei))


class Lines(logging.Formatter):
    """An object a line: `at` (UTC), `level`, `logger`, `message`, the data of the record, and `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        line = _said(record) | {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: _plain(value) for name, value in line.items()})


def _plain(value: Any) -> str | float | None:
    """A *value* as JSON has it: numbers stay what they are, anything else is text without secrets."""
    return value if value is None or isinstance(value, int | float) else text(str(value))


def _said(record: logging.LogRecord) -> dict[str, Any]:
    """What a line says besides its message: whose it is, and its data."""
    whose = {"request": CURRENT.get(), "job": JOB.get()}
    said = {name: value for name, value in whose.items() if value is not None}
    return said | {name: value for name, value in vars(record).items() if name not in _OWN}


def set_up(level: str, form: Literal["console", "json"] = "console") -> None:
    """Log to standard error, so that standard output stays for what a command says."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if form == "json" else Console())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(form == "json")  # what Python itself would write there is no JSON
    for name in ("aiohttp.access", "aiosqlite"):  # the latter would tell every value that is written
        logging.getLogger(name).setLevel(logging.WARNING)
