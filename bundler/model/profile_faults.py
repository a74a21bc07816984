"""What is wrong with a profile's keys, in words that name the right ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

KEYS_HINT: Final = "docs/profile.md explains every key; bundle init writes a profile with comments"


def key_faults(error: ValidationError, profile: type[BaseModel]) -> Iterator[str]:
    """One line for each fault, with its place; `profile` is the model of a whole document."""
    for fault in error.errors():
        yield f"{_place(fault['loc'])}: {_message(fault, profile)}"


def _place(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        if part == "[key]":  # the path says already which key it is
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _message(fault: ErrorDetails, profile: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        return _unknown(fault["loc"], profile)
    is_table = len(fault["loc"]) == 1
    if fault["type"] == "missing":
        return f"this {'table' if is_table else 'key'} is missing"
    if is_table and fault["type"] in {"list_type", "model_type"}:
        return _of_another_kind(str(fault["loc"][0]), fault["input"], profile)
    return fault["msg"].removeprefix("Value error, ")


def _unknown(location: Sequence[int | str], profile: type[BaseModel]) -> str:
    """That there is no such key, and which one is near."""
    *above, last = location
    here, key = _table_at(above, profile), str(last)
    if near := get_close_matches(key, _fields(here), n=1):
        found = near[0] if above else _header(near[0], profile)
        return f"there is no such {'key' if above else 'table'}; did you mean {found}?"
    if key in _fields(profile):
        return f"there is no such key here; did you mean {_header(key, profile)}?"
    elsewhere = [
        _header(name, profile)
        for name, field in _fields(profile).items()
        for table in _tables(field.annotation)
        if key in _fields(table)
    ]
    if elsewhere:
        return f"there is no such key here; it belongs into {' or '.join(elsewhere)}"
    if above:
        return f"there is no such key; there are {', '.join(_fields(here))}"
    tables = ", ".join(_header(name, profile) for name in _fields(profile))
    return f"there is no such table; there are {tables}"


def _of_another_kind(name: str, given: object, profile: type[BaseModel]) -> str:
    """How the table is written, and one of a near name that has all the keys given."""
    first = given[0] if isinstance(given, list) and given else given
    keys = {*first} if isinstance(first, dict) else set()
    near = get_close_matches(name, _fields(profile))
    fitting = [each for each in near if keys <= {*_fields(_table_at([each], profile))}]
    other = (
        "" if name in fitting or not fitting else f"; did you mean {_header(fitting[0], profile)}?"
    )
    return f"this table is written {_header(name, profile)}{other}"


def _header(name: str, profile: type[BaseModel]) -> str:
    """As it stands in a profile."""
    is_array = get_origin(_fields(profile)[name].annotation) is list
    return f"[[{name}]]" if is_array else f"[{name}]"


def _table_at(location: Sequence[int | str], profile: type[BaseModel]) -> type[BaseModel]:
    """The model of the table in which a key stands."""
    table = profile
    for name in location:
        if isinstance(name, str):
            table = next(_tables(_fields(table)[name].annotation))
    return table


def _fields(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the keys that are written in a profile."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _tables(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401 - any type expression
    """The models in a type such as `list[IndexTable]` or `TargetsTable | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables(part)
