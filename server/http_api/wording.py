"""What is wrong with a value of a request, in plain words: "a whole number is expected, not a text".

The messages of msgspec name types of Python; readers of a problem document write in any language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec import inspect

RULE: Final = "rule"  # in the `extra` of a shape's field: what its pattern means
SHOWN_MAX: Final = 40  # of a wrong value
NAMES: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
WRONG_NAMES: Final = {**NAMES, "float": "a number with a point"}
SIZES: Final = {"str": "characters", "array": "elements"}
ENDS: Final = {"<=": "at most", ">=": "at least"}
MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)

Field = tuple[type[msgspec.Struct], str]  # a shape, and the name of its field that is wrong
Found = re.Match[str]


def plain(why: str, shape: type[msgspec.Struct], field: str) -> str:
    """A message of msgspec in plain words. `field` of `shape` is the wrong value, or holds it; "": the whole."""
    for pattern, say in _SAYINGS:
        if found := pattern.fullmatch(why):
            return say(found, (shape, field))
    return why


def _wrong_type(found: Found, _: Field) -> str:
    expected = " or ".join(NAMES.get(one.strip(), one.strip()) for one in found[1].split("|"))
    return f"{expected} is expected, not {WRONG_NAMES.get(found[2], found[2])}"


def _out_of_range(found: Found, _: Field) -> str:
    return f"a whole number of {ENDS[found[1]]} {found[2]} is expected"


def _wrong_length(found: Found, _: Field) -> str:
    return f"{ENDS[found[2]]} {found[3]} {SIZES[found[1]]} are allowed"


def _wrong_pattern(_: Found, field: Field) -> str:
    rules = (one.extra[RULE] for one in _types(field) if isinstance(one, inspect.Metadata) and one.extra)
    return next(rules, "the text does not have the expected form")


def _no_member(found: Found, field: Field) -> str:
    members = []
    for one in _types(field):
        if isinstance(one, inspect.EnumType):
            members += [str(member.value) for member in one.cls]
        elif isinstance(one, inspect.LiteralType):
            members += [str(value) for value in one.values if value != ""]
    return f"{found[1][:SHOWN_MAX]} is not one of {', '.join(members)}"


def _unknown(_: Found, field: Field) -> str:
    names = ", ".join(one.encode_name for one in msgspec.structs.fields(field[0])) or "none"
    return f"there is no such field here; the fields are: {names}"


_SAYINGS: Final[tuple[tuple[re.Pattern[str], Callable[[Found, Field], str]], ...]] = (
    (re.compile(r"Expected `([^`]*)`, got `([^`]*)`"), _wrong_type),
    (re.compile(r"Expected `int` ([<>]=) (-?\d+)"), _out_of_range),
    (re.compile(r"Expected `(str|array)` of length ([<>]=) (\d+)"), _wrong_length),
    (re.compile(r"Expected `str` matching regex .*", re.DOTALL), _wrong_pattern),
    (re.compile(r"Invalid enum value (.*)", re.DOTALL), _no_member),
    (MISSING, lambda _, __: "this field is missing"),
    (UNKNOWN, _unknown),
)


def _types(field: Field) -> Iterator[inspect.Type]:
    """The type of a field, and all that it is made of."""
    shape = inspect.type_info(field[0])
    assert isinstance(shape, inspect.StructType)
    for one in shape.fields:
        if one.encode_name == field[1]:
            yield from _parts(one.type)


def _parts(kind: inspect.Type) -> Iterator[inspect.Type]:
    yield kind
    if isinstance(kind, inspect.Metadata):
        yield from _parts(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _parts(one)
    elif isinstance(kind, inspect.CollectionType):
        yield from _parts(kind.item_type)
