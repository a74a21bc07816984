"""The file WHEEL (binary distribution format): for which tags a wheel says it was built."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from typing import Final

from packaging.tags import Tag, parse_tag

from bundler.model.artifact import MAX_TAGS, WheelName, header_block
from bundler.wheel.fault import Fault

_VERSION: Final = re.compile(r"1\.\d{1,4}", re.ASCII)

_TAG: Final = re.compile(r"[\w.]{1,40}-[\w.]{1,80}-[\w.]{1,160}", re.ASCII)
"""A compressed set of tags is a cross product: its length bounds it."""


def wheel_file_faults(data: bytes, path: str, name: WheelName) -> Iterator[Fault]:
    """Hold WHEEL against the filename."""
    try:
        headers = BytesHeaderParser().parsebytes(header_block(data))
    except ValueError as error:
        yield Fault("wheel-file", str(error), path)
        return
    versions = [str(value).strip() for value in headers.get_all("Wheel-Version", [])]
    if len(versions) != 1 or not _VERSION.fullmatch(versions[0]):
        yield Fault("wheel-version", f"its Wheel-Version is {', '.join(versions)!r:.40}", path)
    pure = [str(value).strip().lower() for value in headers.get_all("Root-Is-Purelib", [])]
    if pure not in (["true"], ["false"]):
        yield Fault("wheel-purelib", f"its Root-Is-Purelib is {', '.join(pure)!r:.40}", path)
    stated = [str(value).strip() for value in headers.get_all("Tag", [])]
    tags = set[Tag]()
    for text in stated[:MAX_TAGS]:
        if not _TAG.fullmatch(text):
            yield Fault("wheel-tags", f"its tag {text!r:.120} is none", path)
            return
        tags |= parse_tag(text)
    if tags != name.tags:
        some = ", ".join(sorted(str(tag) for tag in tags)[:6])
        yield Fault("wheel-tags", f"it is for {some or 'no tag'}, the filename is not", path)
