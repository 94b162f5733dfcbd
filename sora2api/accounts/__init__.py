"""The pool: whose credential is used at which engine, in how many slots, and how each of them is."""

from sora2api.accounts.book import Account, AccountBook
from sora2api.accounts.engines import Engines
from sora2api.accounts.health import Health
from sora2api.accounts.pool import Lease, Need, Pool
from sora2api.accounts.proxies import ProxyBook

__all__ = ["Account", "AccountBook", "Engines", "Health", "Lease", "Need", "Pool", "ProxyBook"]
