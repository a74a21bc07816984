"""What inflates the members of a zip file (RFC 1951): two libraries behind one seam.

Outside decides what may cross, and wants what installers can read. Inside looks at the same wheels
again, so it needs the same bytes, sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, cast

from isal import igzip_lib
from zlib_ng import zlib_ng


class Inflater(Protocol):
    """Inflates one stream.

    Attributes:
        eof: Whether the stream has ended.
        unused_data: What was given to it behind the end.
    """

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most so many of the next bytes; what it has not inflated of `data`, it keeps.

        Empty when it needs more, or the stream has ended. Any of `ERRORS` if it is none.
        """
        ...


Inflate: TypeAlias = Callable[[], Inflater]
"""Begins a stream."""

# The stubs take the classes for instances.
ERRORS: Final = cast("tuple[type[Exception], ...]", (zlib_ng.error, igzip_lib.error))


def strict() -> Inflater:
    """Takes what zlib takes, and so installers."""
    # `decompressobj` doubles its room up to each piece, and takes a tenth longer. zlib has this
    # one under the same name, for its own readers.
    return zlib_ng._ZlibDecompressor(wbits=-zlib_ng.MAX_WBITS)  # type: ignore[no-untyped-call]  # noqa: SLF001 - see above


def quick() -> Inflater:
    """For what was read strictly before: all that zlib takes, to the same bytes, and some more.

    More are streams with sets of codes that are not complete.
    """
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
