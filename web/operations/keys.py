"""The API keys of clients: what each may do, what it has used, and making, rotating and revoking them."""

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from sora2api.auth.keys import OVERLAP, ApiKey
from sora2api.auth.limits import UNLIMITED, Limits, Quota
from sora2api.auth.moments import moment
from sora2api.errors import InvalidValue
from sora2api.jobs.usage import Use
from sora2api.web.operation import Change, Desk, Operation
from sora2api.web.words import N_

State = Literal["ready", "used_up", "expired"]

_MILLION: Final = 1_000_000
_WINDOWS: Final = (("daily", "day"), ("monthly", "month"))


class KeyLimits(Struct, frozen=True, kw_only=True):
    """What a key is bound to; what is empty or null is open. Money is in your currency, seconds are those of video."""

    modes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    group: str | None = None
    networks: tuple[str, ...] = ()
    requests_a_minute: int | None = None
    jobs_in_flight: int | None = None
    daily_jobs: int | None = None
    daily_seconds: float | None = None
    daily_money: float | None = None
    monthly_jobs: int | None = None
    monthly_seconds: float | None = None
    monthly_money: float | None = None


class KeyUse(Struct, frozen=True, kw_only=True):
    """What a key's completed jobs made: *seconds* of video, *money* in your currency."""

    jobs: int
    seconds: float
    images: int
    money: float


class KeyView(Struct, frozen=True, kw_only=True):
    """A key without its secret, whose last four characters are the *hint*. Times are seconds since the epoch.

    *state*: `used_up` where a quota of the day or month is. *old_until*: how long its secret of before still holds.
    """

    id: str
    name: str
    hint: str
    state: State
    created_at: float
    expires_at: float | None
    old_until: float | None
    last_used_at: float | None
    limits: KeyLimits
    today: KeyUse
    this_month: KeyUse
    in_flight: int


class KeyList(Struct, frozen=True):
    """The newest first. *next*: what to ask for as `after` to get those that follow; null: there are none."""

    keys: tuple[KeyView, ...]
    next: str | None


class KeysAsked(Struct, frozen=True, kw_only=True):
    """*search* is part of a name, an id, or the last four characters of a secret."""

    search: str = ""
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class KeyId(Struct, frozen=True):
    id: str


class KeyCreate(KeyLimits, frozen=True, kw_only=True):
    """*expires*: `30d`, `12h`, `90m`, a day as in 2027-01-31, or an ISO time; null: never."""

    name: str
    expires: str | None = None


class KeyChange(Struct, frozen=True, kw_only=True):
    """The fields that are given are changed; null, or an empty list, takes a limit away."""

    id: str
    name: str | UnsetType = UNSET
    expires: str | UnsetType | None = UNSET
    modes: tuple[str, ...] | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType = UNSET
    group: str | UnsetType | None = UNSET
    networks: tuple[str, ...] | UnsetType = UNSET
    requests_a_minute: int | UnsetType | None = UNSET
    jobs_in_flight: int | UnsetType | None = UNSET
    daily_jobs: int | UnsetType | None = UNSET
    daily_seconds: float | UnsetType | None = UNSET
    daily_money: float | UnsetType | None = UNSET
    monthly_jobs: int | UnsetType | None = UNSET
    monthly_seconds: float | UnsetType | None = UNSET
    monthly_money: float | UnsetType | None = UNSET


class KeyRotate(Struct, frozen=True, kw_only=True):
    """*overlap*: for how many hours the secret until now still holds."""

    id: str
    overlap: Annotated[float, Meta(ge=0, le=30 * 24)] = OVERLAP / 3600


class KeyRevoke(Struct, frozen=True, kw_only=True):
    """*name*, where it is given, must be the key's: against revoking another by mistake."""

    id: str
    name: str | UnsetType = UNSET


class KeySecret(Struct, frozen=True):
    """A key with its *secret*, which is shown only now."""

    key: KeyView
    secret: str


async def list_keys(desk: Desk, asked: KeysAsked) -> KeyList:
    """Keys are held in memory, and what they used too."""
    word = asked.search.strip().lower()
    found = [key for key in reversed(desk.office.keys.list()) if _matches(key, word)]
    start = 0 if asked.after is None else 1 + next((at for at, key in enumerate(found) if key.id == asked.after), -1)
    shown = found[start : start + asked.limit]
    more = len(found) > start + asked.limit
    return KeyList(tuple(_view(desk, key) for key in shown), shown[-1].id if more else None)


async def get_key(desk: Desk, asked: KeyId) -> KeyView:
    return _view(desk, desk.office.keys.get(asked.id))


async def create_key(desk: Desk, asked: KeyCreate) -> Change:
    limits = _limits(UNLIMITED, msgspec.structs.asdict(asked))
    ends = None if asked.expires is None else moment(asked.expires)
    key, secret = await desk.office.keys.create(asked.name, expires_at=ends, limits=limits)
    made = _view(desk, key)
    return Change(subject=made.name, value=KeySecret(made, secret), after=_recorded(made))


async def change_key(desk: Desk, asked: KeyChange) -> Change:
    before = desk.office.keys.get(asked.id)
    given = {name: value for name, value in msgspec.structs.asdict(asked).items() if value is not UNSET}
    changes: dict[str, Any] = {"limits": _limits(before.limits, given)}
    if "name" in given:
        changes["name"] = given["name"]
    if "expires" in given:
        changes["expires_at"] = None if given["expires"] is None else moment(given["expires"])
    after = await desk.office.keys.change(msgspec.structs.replace(before, **changes))
    was, is_now = _view(desk, before), _view(desk, after)
    return Change(subject=is_now.name, value=is_now, before=_recorded(was), after=_recorded(is_now))


async def rotate_key(desk: Desk, asked: KeyRotate) -> Change:
    key = desk.office.keys.get(asked.id)
    key, secret = await desk.office.keys.rotate(key.id, overlap=asked.overlap * 3600)
    after = _view(desk, key)
    kept = {"hint": after.hint, "old_until": after.old_until}
    return Change(subject=after.name, value=KeySecret(after, secret), after=kept)


async def revoke_key(desk: Desk, asked: KeyRevoke) -> Change:
    key = _view(desk, desk.office.keys.get(asked.id))
    if asked.name is not UNSET and asked.name.strip() != key.name:
        raise InvalidValue(f"This is not its name: it is called {key.name!r}.", param="name")
    await desk.office.keys.revoke(key.id)
    return Change(subject=key.name, before=_recorded(key))


def _matches(key: ApiKey, word: str) -> bool:
    return word in key.name.lower() or word in (key.id, key.hint.lower())


def _view(desk: Desk, key: ApiKey) -> KeyView:
    jobs, now = desk.office.jobs, time.time()
    today, month = jobs.made(key.id, "day"), jobs.made(key.id, "month")
    spent = _spent(key.limits.day, today) or _spent(key.limits.month, month)
    ended = key.expires_at is not None and key.expires_at <= now
    overlaps = key.old_until is not None and key.old_until > now
    return KeyView(
        id=key.id,
        name=key.name,
        hint=key.hint,
        state="expired" if ended else "used_up" if spent else "ready",
        created_at=key.created_at,
        expires_at=key.expires_at,
        old_until=key.old_until if overlaps else None,
        last_used_at=key.last_used_at,
        limits=_flat(key.limits),
        today=_use(today),
        this_month=_use(month),
        in_flight=jobs.in_flight(key.id),
    )


def _spent(quota: Quota, used: Use) -> bool:
    amounts = ((quota.jobs, used.jobs), (quota.seconds, used.seconds), (quota.money, used.cost))
    return any(most is not None and so_far >= most for most, so_far in amounts)


def _use(used: Use) -> KeyUse:
    return KeyUse(jobs=used.jobs, seconds=used.seconds, images=used.images, money=used.cost / _MILLION)


def _flat(limits: Limits) -> KeyLimits:
    quotas: dict[str, Any] = {}
    for often, window in _WINDOWS:
        quota: Quota = getattr(limits, window)
        money = None if quota.money is None else quota.money / _MILLION
        quotas |= {f"{often}_jobs": quota.jobs, f"{often}_seconds": quota.seconds, f"{often}_money": money}
    plain = ("modes", "models", "group", "networks", "requests_a_minute", "jobs_in_flight")
    return KeyLimits(**{name: getattr(limits, name) for name in plain}, **quotas)


def _limits(limits: Limits, given: Mapping[str, Any]) -> Limits:
    """The *limits* with what is *given* by the names of `KeyLimits`."""
    for name, value in given.items():
        if isinstance(value, int | float) and value < 0:
            raise InvalidValue("A limit is not below 0.", param=name)
    changes = {name: given[name] for name in Limits.__struct_fields__ if name in given}
    for often, window in _WINDOWS:
        amounts = {name: given[key] for name in Quota.__struct_fields__ if (key := f"{often}_{name}") in given}
        if amounts.get("money") is not None:
            amounts["money"] = round(amounts["money"] * _MILLION)
        # What is without limit is left out of JSON only as the default itself.
        changes[window] = msgspec.structs.replace(getattr(limits, window), **amounts) or getattr(UNLIMITED, window)
    return msgspec.structs.replace(limits, **changes)


def _recorded(key: KeyView) -> dict[str, Any]:
    """What the audit keeps of a key."""
    bound = {name: value for name, value in msgspec.structs.asdict(key.limits).items() if value not in (None, ())}
    return {"id": key.id, "name": key.name, "hint": key.hint, "expires_at": key.expires_at, "limits": bound}


TABLE = (
    Operation(
        name="keys.list",
        method="GET",
        path="/keys",
        summary="List the API keys, with what they have used",
        does=list_keys,
        takes=KeysAsked,
        gives=KeyList,
    ),
    Operation(
        name="keys.get",
        method="GET",
        path="/keys/{id}",
        summary="Show an API key",
        does=get_key,
        takes=KeyId,
        gives=KeyView,
    ),
    Operation(
        name="keys.create",
        method="POST",
        path="/keys",
        summary="Make an API key; its secret is in this reply alone",
        does=create_key,
        takes=KeyCreate,
        gives=KeySecret,
        role="operator",
        done=N_("{subject} is made."),
        shows="key_secret.html",
    ),
    Operation(
        name="keys.change",
        method="PATCH",
        path="/keys/{id}",
        summary="Change an API key's name, expiry and limits",
        does=change_key,
        takes=KeyChange,
        gives=KeyView,
        role="operator",
        done=N_("{subject} is changed."),
    ),
    Operation(
        name="keys.rotate",
        method="POST",
        path="/keys/{id}/rotate",
        summary="Give an API key a new secret; it is in this reply alone",
        does=rotate_key,
        takes=KeyRotate,
        gives=KeySecret,
        role="operator",
        done=N_("{subject} has a new secret."),
        shows="key_secret.html",
    ),
    Operation(
        name="keys.revoke",
        method="DELETE",
        path="/keys/{id}",
        summary="End an API key for good, with all its secrets",
        does=revoke_key,
        takes=KeyRevoke,
        gives=None,
        role="operator",
        done=N_("{subject} is revoked."),
    ),
)
