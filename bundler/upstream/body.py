"""A body of bounded size: what is too much is neither read nor inflated."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from bundler.errors import NetworkError
from bundler.upstream.retry import TransientError

_GZIP = 31
"""zlib's window bits for a gzip wrapper."""


def read_body(
    chunks: Iterable[bytes], *, place: str, limit: int, announced: int | None, encoding: str
) -> bytes:
    """The body, decoded; memory holds at most `limit` bytes and one chunk.

    Args:
        chunks: As they come, still encoded.
        place: Begins every message.
        limit: In bytes, after decoding.
        announced: Content-Length, if there is one.
        encoding: Content-Encoding; "identity" or "gzip".

    Raises:
        TransientError: if gzip data are damaged, or do not end where the body does.
        NetworkError: if the body is larger than `limit`, or has another encoding.
    """
    if announced is not None and announced > limit:
        raise NetworkError(f"{place}: the answer has {announced} bytes, more than {limit}")
    if encoding not in {"identity", "gzip"}:
        raise NetworkError(f"{place}: the answer is encoded as {encoding!r:.40}, unasked")
    body = bytearray()
    inflate = zlib.decompressobj(wbits=_GZIP) if encoding == "gzip" else None
    for chunk in chunks:
        try:
            body += inflate.decompress(chunk, limit + 1 - len(body)) if inflate else chunk
        except zlib.error as error:
            raise TransientError(f"{place}: damaged gzip data: {error}") from error
        if len(body) > limit:
            raise NetworkError(f"{place}: the answer has more than {limit} bytes")
    if inflate is not None and (not inflate.eof or inflate.unused_data):
        raise TransientError(f"{place}: the gzip data ends too early or too late")
    return bytes(body)
