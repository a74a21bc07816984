"""The tables of a profile that name its targets, and the targets that they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bundler.model.platforms import parse_platform
from bundler.model.pythons import parse_python
from bundler.model.target import Marker, Target, parse_target

T = TypeVar("T")

# It stands in `pylock.NAME.toml`, where PEP 751 allows no dot.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def _check_name(text: str) -> str:
    if _NAME.fullmatch(text):
        return text
    raise ValueError(
        f"{text!r:.120} is no target's name: letters, digits and inner underscores and hyphens,"
        " 100 at most"
    )


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TargetsTable(_Table):
    """`[targets]`: each Python on each platform."""

    python: Annotated[list[str], Field(min_length=1)]
    platforms: Annotated[list[str], Field(min_length=1)]
    markers: dict[Marker, str] = {}
    may_be_missing: Annotated[list[str], Field(alias="may-be-missing")] = []


class TargetTable(_Table):
    """`[[target]]`: one Python on one platform."""

    python: str
    platform: str
    name: Annotated[str, AfterValidator(_check_name)] | None = None
    markers: dict[Marker, str] = {}
    may_be_missing: Annotated[bool, Field(alias="may-be-missing")] = False


def matrix_targets(table: TargetsTable | None) -> tuple[Target, ...]:
    """The targets of `[targets]`, each once."""
    if table is None:
        return ()
    pairs = product(table.python, table.platforms)
    found = (parse_target(*pair, markers=table.markers.items()) for pair in pairs)
    return tuple({target.name: target for target in found}.values())


def single_target(table: TargetTable) -> Target:
    """The target of a `[[target]]`."""
    return parse_target(
        table.python, table.platform, name=table.name, markers=table.markers.items()
    )


def target_faults(matrix: TargetsTable | None, singles: Sequence[TargetTable]) -> Iterator[str]:
    """What is wrong with the targets that no single key shows, each with its place."""
    if matrix is None and not singles:
        yield "targets: there is no target: give [targets] or a [[target]]"
    faults = [*_word_faults(matrix, singles)]
    yield from faults
    if faults:
        return  # there are no names to compare
    names = {target.name for target in matrix_targets(matrix)}
    if matrix is not None:
        for number, name in enumerate(matrix.may_be_missing):
            if name not in names:
                yield (
                    f"targets.may-be-missing[{number}]: {name!r} is no target of this table;"
                    f" it has {', '.join(sorted(names))}"
                )
    # A file system may take capital letters for small ones.
    taken = {name.casefold() for name in names}
    for number, table in enumerate(singles):
        name = single_target(table).name
        if name.casefold() in taken:
            yield f"target[{number}]: {name!r} is another target's name; give this one its own"
        taken.add(name.casefold())


def _word_faults(matrix: TargetsTable | None, singles: Sequence[TargetTable]) -> Iterator[str]:
    """Words that are not known, and markers that do not fit the words."""
    if matrix is not None:
        faults = [
            *_faults_of("targets.python", parse_python, matrix.python),
            *_faults_of("targets.platforms", parse_platform, matrix.platforms),
        ]
        yield from faults or _fault_of("targets.markers", matrix_targets, matrix)
    for number, table in enumerate(singles):
        place = f"target[{number}]"
        faults = [
            *_fault_of(f"{place}.python", parse_python, table.python),
            *_fault_of(f"{place}.platform", parse_platform, table.platform),
        ]
        yield from faults or _fault_of(f"{place}.markers", single_target, table)


def _faults_of(place: str, parse: Callable[[T], object], values: Iterable[T]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield from _fault_of(f"{place}[{number}]", parse, value)


def _fault_of(place: str, parse: Callable[[T], object], value: T) -> Iterator[str]:
    try:
        parse(value)
    except ValueError as error:
        yield f"{place}: {error}"
