"""TOML that other tools wrote, read key by key: every error names its place."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator


class Table:
    """One TOML table, of which only the keys that are asked for matter.

    Every method raises `ValueError` with the place when a key is of another type, and gives nothing
    (None, or no items) when it is absent.
    """

    __slots__ = ("_values", "place")

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{place}: not a table")  # noqa: TRY004 - one error type for callers
        self._values = value
        self.place = place

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def at(self, key: str) -> str:
        """The place of a key, for messages."""
        return f"{self.place}.{key}" if self.place else key

    def text(self, key: str) -> str:
        """A string that has to be there."""
        value = self._values.get(key)
        if isinstance(value, str):
            return value
        raise ValueError(f"{self.at(key)}: not a string")

    def optional_text(self, key: str) -> str | None:
        """A string."""
        return self.text(key) if key in self else None

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of strings."""
        value = self._values.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError(f"{self.at(key)}: not an array of strings")

    def table(self, key: str) -> Table:
        """A table, empty when absent."""
        return Table(self._values.get(key, {}), self.at(key))

    def tables(self, key: str) -> Iterator[Table]:
        """An array of tables; a single table counts as one."""
        value = self._values.get(key, [])
        items = value if isinstance(value, list) else [value]
        for number, item in enumerate(items):
            yield Table(item, f"{self.at(key)}[{number}]")

    def as_dict(self) -> dict[str, object]:
        """A copy for a library that reads tables itself."""
        return dict(self._values)


def parse_toml(data: bytes) -> Table:
    """A whole document.

    Raises:
        ValueError: if it is not TOML.
    """
    try:
        return Table(tomllib.loads(data.decode()), "")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from error
