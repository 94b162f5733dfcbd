"""The engines: whether each lets its account in, asked by its driver and through its proxy, which costs nothing."""

import asyncio
from typing import Final

from yarl import URL

from sora2api.accounts.book import Account
from sora2api.accounts.reasons import advice
from sora2api.doctor.copy import PATIENCE, Copy
from sora2api.doctor.finding import Case, Finding, warning, well, wrong
from sora2api.errors import AccountExpired, AccountRejected, EngineError, NetworkFault, NoEngine, NotServedHere

_AT_ONCE: Final = 400
"""How many accounts are asked about at once, so that files enough can be open by the usual limit of 1024."""


async def look(case: Case, copy: Copy) -> list[Finding]:
    if not copy.used:
        return [well("engines", "There are no accounts in use: the built-in sandbox answers.")]
    turn = asyncio.Semaphore(_AT_ONCE)
    found = list(await asyncio.gather(*(_asked(copy, account, turn) for account in copy.used)))
    if case.settings.sandbox:
        found.append(_sandboxed())
    trouble = [finding for finding in found if finding.state != "well"]
    return trouble or [well("engines", f"{len(found)} of {len(found)} accounts are let in.")]


async def _asked(copy: Copy, account: Account, turn: asyncio.Semaphore) -> Finding:
    try:
        async with turn, asyncio.timeout(PATIENCE):
            models = await copy.engines.driver(account).check()
    except TimeoutError:
        return _ill(account, NetworkFault("It does not answer in time."))
    except (AccountRejected, AccountExpired) as error:
        if account.id in copy.renewable:
            said = f"{_where(account)} does not take its token any more; the server renews it."
            return warning("engines", said, f"While the server runs: `sora2api account test {account.name}`.")
        return _ill(account, error)
    except (EngineError, NoEngine) as error:
        return _ill(account, error)
    if not models:
        said = f"{_where(account)} names no models, so it gets no work."
        naming = f"Or say what it has: `sora2api account change {account.name} --set video_model=…` (or image_model)."
        return warning("engines", said, f"{advice(NotServedHere.code)} {naming}")
    return well("engines", f"{_where(account)} offers {len(models)} models.")


def _ill(account: Account, error: EngineError | NoEngine) -> Finding:
    said = f"{_where(account)}: {error.message} ({error.code})"
    return wrong("engines", said, advice(error.code).replace("NAME", account.name))


def _where(account: Account) -> str:
    """The account and its engine, without what an address can have that is secret."""
    return f"{account.name} at {URL(account.base_url).origin()}"


def _sandboxed() -> Finding:
    said = "The built-in sandbox answers all requests, though there are accounts."
    return warning("engines", said, "`sora2api settings unset sandbox`, and start the server anew.")
