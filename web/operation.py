"""What an operator can do: each operation once, with two faces, a page's form and the admin API."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct, inspect

from sora2api.auth.users import Role
from sora2api.errors import Forbidden, InvalidValue
from sora2api.web.office import Office

RANK: Final = {role: rank for rank, role in enumerate(get_args(Role))}

_MISSING: Final = re.compile(r"missing required field `(\w+)`")

Method = Literal["GET", "POST", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an operation is done: the server's parts, and who asks. *base* is what links begin with."""

    office: Office
    user: str
    role: Role
    address: str
    base: str
    proved: bool = True
    """Whether who asks has given the password a short time ago, or asks by a panel key."""


class Change(Struct, frozen=True, kw_only=True):
    """What an operation has changed: *value* is for who asked, the rest for the audit, and without secrets."""

    subject: str
    value: Any = None
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True)
class Download:
    """What is given as a file, made while it is sent; *name*, in plain letters, is what it is saved as."""

    name: str
    content_type: str
    lines: AsyncIterator[str]


class ProofNeeded(Forbidden):
    """Give your password again first: this shows or changes what is secret."""

    code = "proof_needed"


class Nothing(Struct, frozen=True):
    """No fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be done.

    *does* gets the desk and the decoded fields, those of the path, the query and the body together. One that changes
    something returns a `Change`, and is written to the audit. *done* is the sentence that a page shows afterwards, with
    `{subject}` in it; *undo* names the operation that takes the same fields and makes it as it was; *shows* is the
    template of a page that shows the value, where it is shown only once. *reads*: it changes nothing, though its fields
    come in a body, being too long for an address. *proven*: it shows or changes what is secret, so a session must have
    given its password a short time ago.
    """

    name: str
    method: Method
    path: str
    summary: str
    does: Callable[[Desk, Any], Awaitable[Any]]
    gives: Any
    takes: type[Struct] = Nothing
    role: Role = "viewer"
    done: str = ""
    undo: str | None = None
    shows: str | None = None
    reads: bool = False
    proven: bool = False

    @property
    def changes(self) -> bool:
        return self.method != "GET" and not self.reads


async def perform(operation: Operation, desk: Desk, fields: Mapping[str, Any], *, typed: bool) -> Any:
    """Do it, if the role allows; what it returns. Untyped *fields* are text, as forms and queries have them.

    A change is on record before it is tried, with its outcome after: the audit misses nothing that a crash cut short.
    """
    check_role(desk, operation.role)
    if operation.proven and not desk.proved:
        raise ProofNeeded
    asked = decode(operation.takes, fields, typed=typed)
    if not operation.changes:
        return await operation.does(desk, asked)
    return await recorded(desk, operation.name, partial(operation.does, desk, asked))


def check_role(desk: Desk, role: Role) -> None:
    """Raise `Forbidden` unless who asks has that *role*, or one above it."""
    if RANK[desk.role] < RANK[role]:
        raise Forbidden(f"This needs the role {role}; you are {desk.role}.")


async def recorded(desk: Desk, name: str, does: Callable[[], Awaitable[Change]]) -> Change:
    """Make the change that an operation of that *name* *does*, with what the audit keeps of it."""
    audit = desk.office.audit
    entry = await audit.begin(user=desk.user, address=desk.address, operation=name)
    try:
        change = await does()
    except Exception as error:
        await audit.failed(entry, type(error).__name__)
        raise
    await audit.done(entry, subject=change.subject, before=change.before, after=change.after)
    desk.office.news.tell(name.partition(".")[0])
    return change


def decode(kind: type[Struct], fields: Mapping[str, Any], *, typed: bool) -> Any:
    """The *fields* as a struct. Raises `InvalidValue`, with the field at fault."""
    known = {name: fields[name] for name in kind.__struct_fields__ if name in fields}
    if not typed:
        kinds = {field.name: inspect.type_info(field.type) for field in msgspec.structs.fields(kind)}
        known = {name: _untyped(kinds[name], value) for name, value in known.items()} | _mappings(kinds, fields)
    try:
        return msgspec.convert(known, kind, strict=typed)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        missing = _MISSING.search(message)
        field = missing[1] if missing else path.rstrip("`").partition("[")[0]
        raise InvalidValue(f"{message}.", param=field or None) from error


def _mappings(kinds: Mapping[str, inspect.Type], fields: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is given for fields that are mappings: a form has `name.key` for each of their keys."""
    found: dict[str, dict[str, Any]] = {}
    for field, value in fields.items():
        name, dot, key = field.partition(".")
        if dot and any(isinstance(each, inspect.DictType) for each in _kinds(kinds.get(name))):
            found.setdefault(name, {})[key] = value
    return found


def _kinds(kind: inspect.Type | None) -> tuple[inspect.Type | None, ...]:
    """The types of a union, or the one."""
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _untyped(kind: inspect.Type, value: Any) -> Any:
    """What a form's text stands for: an empty field is none where that may be; one that may be many is split."""
    kinds = _kinds(kind)
    if not isinstance(value, str):
        return value
    if any(isinstance(each, inspect.VarTupleType | inspect.ListType) for each in kinds):
        return [part.strip() for part in value.replace("\n", ",").split(",") if part.strip()]
    return None if not value and any(isinstance(each, inspect.NoneType) for each in kinds) else value
