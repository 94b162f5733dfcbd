"""The proxies: those listed, those that accounts name by URL, and the default."""

import asyncio
from collections.abc import Sequence

from sora2api.accounts.book import Account
from sora2api.doctor.copy import Copy
from sora2api.doctor.finding import Case, Finding, well, wrong
from sora2api.egress.proxies import shown
from sora2api.errors import InvalidValue, ProxyFault


async def look(case: Case, copy: Copy) -> list[Finding]:
    try:
        copy.proxies.default_route()
    except (InvalidValue, ProxyFault) as error:
        advice = "`sora2api settings set default_proxy NAME`, one of `sora2api proxy list`, or a URL."
        return [wrong("proxies", f"default_proxy is {_word(case)!r}: {error.message}", advice)]
    uses = copy.probes.uses()
    if not uses:
        return [well("proxies", "None is used.")]
    found = await asyncio.gather(*(_tried(copy, url, accounts) for url, accounts in uses.items()))
    dead = [finding for finding in found if finding.state != "well"]
    return dead or [well("proxies", f"{len(found)} of {len(found)} let us through.")]


def _word(case: Case) -> str:
    """The default proxy as it may be shown: a URL can have a password."""
    word = case.settings.default_proxy
    return f"{word.partition('://')[0]}://…" if "://" in word else word


async def _tried(copy: Copy, url: str, accounts: Sequence[Account]) -> Finding:
    name = next((proxy.name for proxy in copy.proxies.all() if proxy.url == url), None)
    where = shown(url) if name is None else f"{name} ({shown(url)})"
    try:
        await copy.probes.probe(url, accounts)
    except ProxyFault as error:
        said = f"{where} does not let us through{_reason(error)}; {_users(accounts)}."
        return wrong("proxies", said, f"See that it runs and takes our name and password; then {_mending(name)}.")
    return well("proxies", f"{where} lets us through.")


def _reason(error: ProxyFault) -> str:
    """What the system says; what a proxy says is its own affair."""
    cause = error.__cause__
    if isinstance(cause, TimeoutError):
        return ": it does not answer in time"
    return f": {cause.strerror}" if isinstance(cause, OSError) and cause.strerror else ""


def _users(accounts: Sequence[Account]) -> str:
    names = ", ".join(account.name for account in accounts[:3])
    more = f" (+{len(accounts) - 3})" if len(accounts) > 3 else ""
    return f"{names}{more} would use it" if accounts else "no account is on it"


def _mending(name: str | None) -> str:
    if name is None:
        return "`sora2api account change NAME --proxy URL`, or `sora2api settings set default_proxy URL`"
    return f"`sora2api proxy test {name}`, else `sora2api proxy change {name} --url URL`"
