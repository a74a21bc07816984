"""Changes of good bytes, where no fuzzer is at hand to find better ones."""

from __future__ import annotations

import json
import random
from typing import Any

from bundler.model.canonical import canonical

_VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2**53 - 1, 10**15, True, False, None, "", "a", "ab" * 32, "files/a", "tar"),
    *([], {}, ["a"], {"a": 1}),
)


def changed(data: bytes, chosen: random.Random) -> bytes:
    """One to three changes: a flipped bit, bytes that go, come or are doubled."""
    found = bytearray(data)
    for _ in range(chosen.randint(1, 3)):
        at, much = chosen.randrange(len(found) + 1), chosen.choice((1, 8, 512))
        match chosen.randrange(4):
            case 0 if at < len(found):
                found[at] ^= 1 << chosen.randrange(8)
            case 1:
                del found[at : at + much]
            case 2:
                found[at:at] = chosen.randbytes(much)
            case _:
                found[at:at] = found[at : at + much]
    return bytes(found)


def respelled(data: bytes, chosen: random.Random) -> bytes:
    """A document with one to three values changed, taken out or doubled, in canonical form."""
    document = json.loads(data)
    for _ in range(chosen.randint(1, 3)):
        _change(document, chosen)
    return canonical(document)


def _change(node: Any, chosen: random.Random) -> None:
    """Go down to a value of an object or array, at random."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = chosen.choice(keys)
        below = node[key]
        if isinstance(below, (dict, list)) and chosen.randrange(4):
            node = below
            continue
        break
    match chosen.randrange(4):
        case 0:
            del node[key]
        case 1 if isinstance(node, list):
            node.insert(key, below)
        case 2 if isinstance(below, int):
            node[key] = below + chosen.choice((-1, 1, 512))
        case _:
            node[key] = chosen.choice(_VALUES)
