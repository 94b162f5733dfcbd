"""A driver's settings as fields of a form, and read back from one."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta, Struct

from sora2api.errors import InvalidValue
from sora2api.web import driver_form


class Settings(Struct, kw_only=True):
    region: Literal["eu", "us"]
    cache: bool = True
    tries: Annotated[int, Meta(ge=1, title="Tries", description="How often.", examples=[1, 3])] = 3
    wait: float | None = None
    names: dict[str, str] = {}
    note: str = ""


FIELDS = {field.name: field for field in driver_form.fields(Settings)}


@pytest.mark.parametrize(
    ("name", "input_", "usual"),
    [
        ("region", "select", None),
        ("cache", "switch", True),
        ("tries", "number", 3),
        ("wait", "number", None),
        ("names", "pairs", {}),
        ("note", "text", ""),
    ],
)
def test_a_setting_is_asked_for_as_its_type_wants_it(name, input_, usual):
    assert (FIELDS[name].input, FIELDS[name].usual) == (input_, usual)


def test_a_setting_says_what_its_annotation_says():
    tries = FIELDS["tries"]

    assert (tries.label, tries.help, tries.examples) == ("Tries", "How often.", (1, 3))
    assert (FIELDS["region"].required, FIELDS["region"].examples) == (True, ("eu", "us"))
    assert FIELDS["names"].label == "Names"


def test_lines_become_a_mapping_and_what_is_empty_is_as_by_default():
    given = {"names": " a = b\n\nc=d = e\n", "note": "", "tries": "2"}

    read = driver_form.read(Settings, given)

    assert read == {"names": {"a": "b", "c": "d = e"}, "tries": "2"}
    assert driver_form.text(read["names"]) == "a = b\nc = d = e"


@pytest.mark.parametrize("line", ["alone", "= b", "a ="])
def test_a_line_that_is_no_pair_is_refused_at_its_field(line):
    with pytest.raises(InvalidValue) as caught:
        driver_form.read(Settings, {"names": line})

    assert caught.value.param == "settings.names"
