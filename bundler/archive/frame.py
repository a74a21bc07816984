"""The zstd frames of a volume (RFC 8878), and the seek table behind them.

Every frame states its length, carries a checksum, and needs no dictionary. Long-distance matching
finds the files that the wheels of one release share. Jobs of one size are compressed side by side,
so the bytes of a frame depend on its content and the version of zstd alone, not on the threads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

import zstandard

FRAME_LIMIT = 256_000_000
"""A frame that is read has at most this many bytes before compression."""

FRAME_CUT = 128_000_000
"""A frame that is written has no more: that many must be in memory to be hashed before they are
decompressed. Longer ones would save nothing, as a match may not lie that far back."""

MAX_WINDOW_LOG = 27
"""The largest window that is read; stock decoders grant it without a flag."""

# A match may lie 64 MiB back, further than from one platform's wheel to the next. Twice the window
# takes twice the memory and saves 0.06 %; a higher level takes a third more time and saves 0.08 %.
_WINDOW_LOG = 26
_LEVEL = 1
_SMALLEST_WINDOW_LOG = 10
_JOB = 2 << 20
_MOST_THREADS = 8
"""Each holds some MB; and one thread that reads and hashes cannot feed more."""
_BLOCK = 128 << 10

# Zstandard Seekable Format, version 0.1.0.
_SEEK_HEADER = struct.Struct("<II")
_SEEK_ENTRY = struct.Struct("<II")
_SEEK_FOOTER = struct.Struct("<IBI")
_SEEK_HEADER_MAGIC, _SEEK_FOOTER_MAGIC = 0x184D2A5E, 0x8F92EAB1


def compressor(length: int, threads: int = 1) -> zstandard.ZstdCompressionObj:
    """Compresses exactly `length` bytes into one frame; at least one thread besides the caller's.

    Their number does not show in the bytes.
    """
    window_log = max(_SMALLEST_WINDOW_LOG, min(_WINDOW_LOG, (length - 1).bit_length()))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        source_size=length,
        window_log=window_log,
        enable_ldm=True,
        job_size=_JOB,
        threads=min(threads, _MOST_THREADS),
        write_content_size=True,
        write_checksum=True,
        write_dict_id=False,
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=length)


def size_bound(length: int) -> int:
    """No frame of `length` bytes is larger than this: three bytes a block, and head and checksum.

    A block that does not shrink is stored (RFC 8878, section 3.1.1.2).
    """
    return length + 3 * (length // _BLOCK + 1) + 32


def seek_table(frames: Iterable[tuple[int, int]]) -> bytes:
    """The last frame of a file in the Zstandard Seekable Format.

    `frames` are the sizes in the file and the lengths after decompression of all frames before it,
    skippable ones too (with length 0). Entries carry no checksums: the signed index has better.
    """
    entries = b"".join(_SEEK_ENTRY.pack(size, length) for size, length in frames)
    footer = _SEEK_FOOTER.pack(len(entries) // _SEEK_ENTRY.size, 0, _SEEK_FOOTER_MAGIC)
    return _SEEK_HEADER.pack(_SEEK_HEADER_MAGIC, len(entries) + len(footer)) + entries + footer
