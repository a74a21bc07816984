"""What people call a key: its fingerprint, and the name that the root gives it.

A name is written into the key's entry in the root, where the officers' signatures cover it. Keys of
one name belong to one person: a hybrid key is two of them, Ed25519 and ML-DSA.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from securesystemslib.signer import Key

from bundler.errors import BundlerError
from bundler.trust.keyless import KeylessKey

NAME_FIELD: Final = "x-bundler-name"
"""The field of a key in metadata (TUF §4.2 lets keys have further fields) with its name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)


def is_key_name(text: object) -> bool:
    """Whether this can be the name of a key: letters, digits, `-` and `_`, at most 64."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def check_key_name(text: str) -> None:
    """See that this can be the name of a key.

    Raises:
        BundlerError: if it cannot.
    """
    if not is_key_name(text):
        raise BundlerError(
            f"{text!r:.80} is no name for a key",
            hint="use letters, digits, - and _, at most 64, beginning with a letter or a digit",
        )


def fingerprint(key: Key) -> str:
    """The first 16 digits of the key's id, in groups of four: `1f0c 22ab 9d3e 4477`."""
    return grouped(key.keyid[:16], 4)


def grouped(digits: str, size: int) -> str:
    """`digits` in groups of `size`, for eyes and telephones."""
    return " ".join(digits[start : start + size] for start in range(0, len(digits), size))


def key_name(key: Key) -> str | None:
    """The name that metadata gives a key; one that could not have been given counts for nothing."""
    name = key.unrecognized_fields.get(NAME_FIELD)
    return name if is_key_name(name) else None


def named(key: Key) -> str:
    """A key for people: `1f0c 22ab 9d3e 4477 (ana)`; a keyless one with its identity."""
    words = [key_name(key), key.identity if isinstance(key, KeylessKey) else None]
    shown = ", ".join(word for word in words if word)
    return f"{fingerprint(key)} ({shown})" if shown else fingerprint(key)


def kind(key: Key) -> str:
    """How a key signs, for people; of a keyless one, all that a root pins."""
    if not isinstance(key, KeylessKey):
        return key.scheme
    root = hashlib.sha256(key.trusted_root).hexdigest()[:16]
    return f"{key.identity} by {key.issuer}, Sigstore instance {grouped(root, 4)}"


def people(keys: Iterable[Key]) -> list[list[Key]]:
    """Keys by the person that they belong to, in the order of each person's first key."""
    found: dict[str, list[Key]] = {}
    for key in keys:
        found.setdefault(key_name(key) or key.keyid, []).append(key)
    return list(found.values())
