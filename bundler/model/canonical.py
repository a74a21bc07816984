"""Canonical JSON (RFC 8785) for the documents that are signed, and strict reading of them.

Our documents hold strings, integers, booleans, null, arrays and objects with ASCII keys only. For
these, RFC 8785 is what `json.dumps` writes with sorted keys and no white space; a property test
holds it against an independent implementation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"


def canonical(value: Json) -> bytes:
    """The one serialisation of `value` (RFC 8785 §3.2)."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def parse_canonical(data: bytes, what: str) -> dict[str, object]:
    """Read a JSON object that must be in canonical form, so that there is one way to write it.

    Raises:
        ValueError: if `data` is not UTF-8, not JSON, not an object or not canonical; the message
            begins with `what`.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{what}: not a JSON object")  # noqa: TRY004 - one error type for callers
    try:
        same = canonical(value) == data
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: {error}") from error
    if not same:
        raise ValueError(f"{what}: not in canonical form (RFC 8785)")
    return value
