"""Strict reading of our signed JSON documents: every error names its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from packaging.utils import NormalizedName, is_normalized_name

from bundler.model.artifact import Blob, Sha256, parse_sha256
from bundler.model.canonical import parse_canonical

FORMAT = 1
"""The version of every document and of the volume; a reader refuses any other."""

_LARGEST = (1 << 53) - 1
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


class Reader:
    """Takes the keys of one JSON object, one by one, by type.

    Every method raises `ValueError` with the place when the key is absent or of another type;
    `finish` does when keys are left.
    """

    __slots__ = ("_rest", "place")

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{place}: not an object")  # noqa: TRY004 - one error type for callers
        self._rest = dict(value)
        self.place = place

    @classmethod
    def over(cls, data: bytes, place: str) -> Reader:
        """A reader over canonical JSON whose `format` is ours."""
        reader = cls(parse_canonical(data, place), place)
        if reader.size("format") != FORMAT:
            raise ValueError(f"{place}.format: this version of bundle reads format {FORMAT} only")
        return reader

    def finish(self) -> None:
        """No key is left that nobody asked for."""
        if self._rest:
            raise ValueError(f"{self.place}: unknown key {min(self._rest)!r:.80}")

    def holds(self, value: object) -> bool:
        """Whether what is left is just `value`."""
        return self._rest == value

    def has(self, key: str) -> bool:
        """Whether a key that may be absent is there."""
        return key in self._rest

    def _take(self, key: str) -> object:
        try:
            return self._rest.pop(key)
        except KeyError:
            raise ValueError(f"{self.place}: no key {key!r}") from None

    def _takes_null(self, key: str) -> bool:
        """Whether the value is null; then it is taken."""
        if self._rest.get(key, key) is not None:
            return False
        del self._rest[key]
        return True

    def text(self, key: str) -> str:
        """A string."""
        value = self._take(key)
        if isinstance(value, str):
            return value
        raise ValueError(f"{self.place}.{key}: not a string")

    def optional_text(self, key: str) -> str | None:
        """A string or null."""
        value = self._take(key)
        if value is None or isinstance(value, str):
            return value
        raise ValueError(f"{self.place}.{key}: neither a string nor null")

    def texts(self, key: str) -> tuple[str, ...]:
        """An array of strings."""
        value = self._take(key)
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError(f"{self.place}.{key}: not an array of strings")

    def truth(self, key: str) -> bool:
        """True or false."""
        value = self._take(key)
        if isinstance(value, bool):
            return value
        raise ValueError(f"{self.place}.{key}: neither true nor false")

    def size(self, key: str) -> int:
        """An integer, 0 or more, that every reader of JSON understands (RFC 8259 §6)."""
        value = self._take(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST:
            return value
        raise ValueError(f"{self.place}.{key}: not an integer of 0 or more")

    def optional_size(self, key: str) -> int | None:
        """As `size`, or null."""
        return None if self._takes_null(key) else self.size(key)

    def positive(self, key: str) -> int:
        """An integer, 1 or more."""
        value = self.size(key)
        if value < 1:
            raise ValueError(f"{self.place}.{key}: not an integer of 1 or more")
        return value

    def time(self, key: str) -> str:
        """A time in UTC, to the second."""
        value = self.text(key)
        if not _TIME.fullmatch(value):
            raise ValueError(f"{self.place}.{key}: not a time like 2026-01-31T12:00:00Z")
        try:
            datetime.fromisoformat(value)
        except ValueError as error:  # such as the 31st of February
            raise ValueError(f"{self.place}.{key}: not a time: {error}") from error
        return value

    def optional_time(self, key: str) -> str | None:
        """As `time`, or null."""
        return None if self._takes_null(key) else self.time(key)

    def digest(self, key: str) -> Sha256:
        """A sha256 digest."""
        value = self._take(key)
        try:
            return parse_sha256(value)
        except ValueError as error:
            raise ValueError(f"{self.place}.{key}: {error}") from error

    def name(self, key: str) -> NormalizedName:
        """A project's name, normalised."""
        return normalized(self.text(key), f"{self.place}.{key}")

    def object(self, key: str) -> Reader:
        """An object, to be read in turn."""
        return Reader(self._take(key), f"{self.place}.{key}")

    def optional_object(self, key: str) -> Reader | None:
        """An object, to be read in turn, or null."""
        return None if self._takes_null(key) else self.object(key)

    def objects(self, key: str) -> Iterator[Reader]:
        """An array of objects, each to be read in turn."""
        value = self._take(key)
        if not isinstance(value, list):
            raise ValueError(f"{self.place}.{key}: not an array")  # noqa: TRY004 - as above
        for number, item in enumerate(value):
            yield Reader(item, f"{self.place}.{key}[{number}]")

    def left(self) -> tuple[str, ...]:
        """The keys that nobody has taken yet."""
        return tuple(self._rest)

    def members(self, key: str) -> Iterator[tuple[str, Reader]]:
        """An object whose values are objects, each to be read in turn."""
        inner = self.object(key)
        for name in tuple(inner._rest):  # noqa: SLF001 - same class
            yield name, inner.object(name)

    def blob(self, key: str) -> Blob:
        """`{"sha256": …, "size": …}`."""
        return self.object(key).whole_blob()

    def optional_blob(self, key: str) -> Blob | None:
        """As `blob`, or null."""
        return None if self._takes_null(key) else self.blob(key)

    def digests(self, key: str) -> dict[str, Sha256]:
        """An object whose values are sha256 digests."""
        inner = self.object(key)
        return {name: inner.digest(name) for name in tuple(inner._rest)}  # noqa: SLF001 - same class

    def all_texts(self, key: str) -> dict[str, str]:
        """An object whose values are strings."""
        inner = self.object(key)
        return {name: inner.text(name) for name in tuple(inner._rest)}  # noqa: SLF001 - same class

    def blobs(self, key: str) -> dict[str, Blob]:
        """An object whose values are blobs."""
        inner = self.object(key)
        return {name: inner.blob(name) for name in tuple(inner._rest)}  # noqa: SLF001 - same class

    def whole_blob(self) -> Blob:
        """This object as a blob."""
        blob = Blob(self.digest("sha256"), self.size("size"))
        self.finish()
        return blob


def normalized(name: str, place: str) -> NormalizedName:
    """`name`, if it is a normalised project name (PEP 503).

    Raises:
        ValueError: if it is not.
    """
    if is_normalized_name(name):
        return NormalizedName(name)
    raise ValueError(f"{place}: {name!r:.80} is not a normalised project name")
