"""Setting accounts aside and taking them back: written down, and said in the log."""

import logging
import time

from sora2api.accounts.book import AccountBook
from sora2api.errors import EngineError

log = logging.getLogger(__name__)


async def set_aside(book: AccountBook, account_id: str, error: EngineError, *, until: float | None) -> None:
    """Let an account rest *until* then, or until somebody mends it; what holds longer already goes on."""
    account = book.get(account_id)
    if account.rests(time.time()):
        before = account.rests_until
        if before is None or (until is not None and until <= before):
            return
    await book.note(account_id, set_aside=error.code, set_aside_at=time.time(), rests_until=until)
    log.warning("account set aside", extra={"account": account.name, "code": error.code})


async def take_back(book: AccountBook, account_id: str) -> None:
    account = await book.note(account_id, set_aside=None, set_aside_at=None, rests_until=None)
    log.warning("account taken back", extra={"account": account.name})
