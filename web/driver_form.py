"""The settings of a driver as fields of a form, and read back from one."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import NODEFAULT, Struct, inspect

from sora2api.errors import InvalidValue

Input = Literal["text", "number", "switch", "select", "pairs"]

_NUMBERS: Final = (inspect.IntType, inspect.FloatType)


class FormField(Struct, frozen=True, kw_only=True):
    """One setting: how it is asked for, and what holds where nothing is given. *examples* are values to choose from."""

    name: str
    label: str
    help: str
    input: Input
    usual: Any = None
    required: bool = False
    examples: tuple[Any, ...] = ()


def fields(settings: type[Struct]) -> Sequence[FormField]:
    """A field for each setting, in the words of its annotation (`Meta(title=…, description=…, examples=…)`)."""
    return [_field(each, inspect.type_info(each.type)) for each in msgspec.structs.fields(settings)]


def usual(settings: type[Struct]) -> dict[str, Any]:
    """What holds for each setting that need not be given."""
    return {each.name: _usual(each) for each in msgspec.structs.fields(settings) if not each.required}


def text(value: Any) -> Any:
    """A setting as the form has it."""
    if isinstance(value, Mapping):
        return "\n".join(f"{name} = {each}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else value


def read(settings: type[Struct], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a form has *given*: a mapping of its lines; what is empty is left out. Raises `InvalidValue`."""
    mappings = {each.name for each in fields(settings) if each.input == "pairs"}
    return {
        name: _pairs(name, value) if isinstance(value, str) and name in mappings else value
        for name, value in given.items()
        if value != ""
    }


def _field(field: msgspec.structs.FieldInfo, kind: inspect.Type) -> FormField:
    said = kind.extra_json_schema or {} if isinstance(kind, inspect.Metadata) else {}
    kinds = _plain(kind)
    examples = next((each.values for each in kinds if isinstance(each, inspect.LiteralType)), said.get("examples", ()))
    return FormField(
        name=field.name,
        label=said.get("title") or field.name.replace("_", " ").capitalize(),
        help=said.get("description", ""),
        input=_input(kinds),
        usual=_usual(field),
        required=field.required,
        examples=tuple(examples),
    )


def _plain(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    """The types that a value may have, without what is said about them."""
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _input(kinds: Sequence[inspect.Type]) -> Input:
    if any(isinstance(each, inspect.LiteralType) for each in kinds):
        return "select"
    if any(isinstance(each, inspect.BoolType) for each in kinds):
        return "switch"
    if any(isinstance(each, inspect.DictType) for each in kinds):
        return "pairs"
    return "number" if any(isinstance(each, _NUMBERS) for each in kinds) else "text"


def _usual(field: msgspec.structs.FieldInfo) -> Any:
    if field.default is not NODEFAULT:
        return field.default
    return None if field.default_factory is NODEFAULT else field.default_factory()


def _pairs(setting: str, given: str) -> dict[str, str]:
    """A line each: a name, `=`, and what it stands for."""
    pairs = {}
    for line in filter(str.strip, given.splitlines()):
        name, _, value = (part.strip() for part in line.partition("="))
        if not name or not value:
            raise InvalidValue(f"{line.strip()!r} is no line as in NAME = VALUE.", param=f"settings.{setting}")
        pairs[name] = value
    return pairs
