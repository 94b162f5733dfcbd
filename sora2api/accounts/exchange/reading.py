"""Reading accounts of a file, whatever its format: a row that cannot be read is a row with its trouble."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from sora2api.accounts.exchange import predecessor
from sora2api.accounts.exchange.envelope import VERSION, Envelope
from sora2api.accounts.given import Given
from sora2api.errors import InvalidValue

Format = Literal["auto", "json", "predecessor", "lines", "csv"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_COLUMNS: Final = frozenset(Given.__struct_fields__)


class Defaults(Struct, frozen=True, kw_only=True):
    """What holds for rows that do not say."""

    driver: str | None = None
    base_url: str | None = None
    settings: dict[str, Any] = {}


class Row(Struct, frozen=True, kw_only=True):
    """A row: *number* counts the lines of a text, or the items of an array, from 1.

    *trouble* says why it could not be read, *note* what is to be said once it is in; *new_only* are fields that change
    nothing of an account that is there.
    """

    number: int
    fields: dict[str, Any] = {}
    trouble: str | None = None
    note: str | None = None
    new_only: frozenset[str] = frozenset()


class _Document(Struct, frozen=True):
    sora2api: int
    accounts: list[Any] | None = None
    encrypted: Envelope | None = None


def encrypted(data: bytes) -> Envelope | None:
    """The envelope that *data* is, None where it is none."""
    if not data.lstrip().startswith(b"{"):
        return None
    return _document(data).encrypted


def rows(data: bytes, *, form: Format, defaults: Defaults) -> Sequence[Row]:
    """The rows of *data*, whose envelope was opened. Raises `InvalidValue` where it is not of that format at all."""
    if form == "auto":
        form = _form(data)
    if form == "json":
        return [_own(number, item, defaults) for number, item in enumerate(_items(data), 1)]
    if form == "predecessor":
        return [_theirs(number, item, defaults) for number, item in enumerate(_items(data), 1)]
    if form == "csv":
        return list(_cells(_lines(data), defaults))
    if defaults.driver is None or defaults.base_url is None:
        raise InvalidValue("One token a line needs a driver and a base URL for all of them.", param="driver")
    return [_with(number, {"token": line}, defaults) for number, line in _lines(data)]


def _form(data: bytes) -> Format:
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"{":
        return "json"
    if start == b"[":
        own = any(isinstance(item, dict) and "base_url" in item for item in _items(data))
        return "json" if own else "predecessor"
    _, first = next(iter(_lines(data)), (0, ""))
    return "csv" if {cell.strip() for cell in next(csv.reader([first]), [""])} <= _COLUMNS else "lines"


# JSON.


def _items(data: bytes) -> list[Any]:
    if data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"["):
        items: list[Any] = _decoded(data, list[Any])
        return items
    found = _document(data).accounts
    if found is None:
        raise InvalidValue('The JSON has no list "accounts".')
    return found


def _document(data: bytes) -> _Document:
    document: _Document = _decoded(data, _Document)
    if document.sora2api != VERSION:
        raise InvalidValue(f"The file has version {document.sora2api} of the format; version {VERSION} is understood.")
    return document


def _decoded(data: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidValue(f"The JSON cannot be read: {error}") from error


def _own(number: int, item: object, defaults: Defaults) -> Row:
    if not isinstance(item, dict):
        return Row(number=number, trouble="It is no JSON object.")
    return _with(number, item, defaults)


def _theirs(number: int, item: object, defaults: Defaults) -> Row:
    if not isinstance(item, dict):
        return Row(number=number, trouble="It is no JSON object.")
    try:
        fields, note = predecessor.translated(item, base_url=defaults.base_url)
    except msgspec.ValidationError as error:
        return Row(number=number, trouble=str(error))
    return Row(number=number, fields=fields, note=note, new_only=predecessor.FOR_NEW_ONES)


def _with(number: int, fields: Mapping[str, Any], defaults: Defaults) -> Row:
    given = {name: value for name, value in msgspec.structs.asdict(defaults).items() if value}
    return Row(number=number, fields=given | dict(fields))


# Text. Each line stands alone, so that a quote without its end costs no more than its line.


def _lines(data: bytes) -> Sequence[tuple[int, str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidValue(f"The file is no text in UTF-8: {error}") from error
    return [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def _cells(lines: Sequence[tuple[int, str]], defaults: Defaults) -> Iterator[Row]:
    if not lines:
        return
    columns = [cell.strip() for cell in next(csv.reader([lines[0][1]]))]
    unknown = [column for column in columns if column not in _COLUMNS]
    if unknown:
        raise InvalidValue(f"There is no column {', '.join(map(repr, unknown))}; there are: {', '.join(_COLUMNS)}.")
    for number, line in lines[1:]:
        try:
            (cells,) = csv.reader([line], strict=True)
            fields = _fields(columns, cells)
        except (csv.Error, ValueError) as error:
            yield Row(number=number, trouble=f"The line cannot be read: {error}.")
        else:
            yield _with(number, fields, defaults)


def _fields(columns: Sequence[str], cells: Sequence[str]) -> dict[str, Any]:
    """The fields of a line. Raises ValueError."""
    if len(cells) > len(columns):
        raise ValueError(f"it has {len(cells)} cells, for {len(columns)} columns")
    fields: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
    if "settings" in fields:
        fields["settings"] = msgspec.json.decode(fields["settings"])
    if "groups" in fields:
        fields["groups"] = [group.strip() for group in fields["groups"].split(",") if group.strip()]
    return fields
