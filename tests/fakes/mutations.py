"""JSON documents with one thing changed, and metadata that is signed however odd it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["sha256", "md5", "root", "packing", "", "../x", "ed25519", "1.0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value within `value`."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def mutated(data: st.DataObject, document: Any) -> Any:
    path = data.draw(st.sampled_from(list(places(document))))
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    if data.draw(st.booleans()):
        parent[path[-1]] = data.draw(JSON)
    elif isinstance(parent, dict) and data.draw(st.booleans()):
        parent[data.draw(st.text(max_size=5))] = parent.pop(path[-1])
    else:
        del parent[path[-1]]
    return document


def written(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        errors="surrogatepass"
    )


def signed(document: Any, signer: CryptoSigner) -> bytes:
    """Sign as it is, without python-tuf, which would not write most of these."""
    try:
        payload = str(encode_canonical(document["signed"])).encode()
    except (FormatError, UnicodeEncodeError, KeyError, TypeError):
        return written(document)
    signature = signer.sign(payload)
    document["signatures"] = [{"keyid": signature.keyid, "sig": signature.signature}]
    return written(document)
