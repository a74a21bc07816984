"""PKG-INFO of a source distribution: whose it is, and what it promises of its wheels (PEP 643)."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser
from typing import Final

from packaging.version import InvalidVersion, Version

from bundler.model.artifact import SdistName, header_block
from bundler.wheel.metadata import is_release

PKG_INFO: Final = "PKG-INFO"

# Since this version, what is not called dynamic is the same in every wheel.
_STATIC_SINCE = Version("2.2")
_OTHER_GRAMMAR = Version("3")
_NEEDED = frozenset({"requires-dist", "requires-python", "provides-extra"})


def has_static_needs(pkg_info: bytes, name: SdistName) -> bool:
    """Whether it has the dependencies that every wheel built from it will have.

    Raises:
        ValueError: if it is not of this project and version, or cannot be read.
    """
    headers = BytesHeaderParser().parsebytes(header_block(pkg_info))
    project, version = (_single(headers, field) for field in ("Name", "Version"))
    if not is_release(project, version, name):
        raise ValueError(f"its {PKG_INFO} says {project!r:.80} {version!r:.80}")
    return _is_static(headers)


def _is_static(headers: Message) -> bool:
    try:
        version = Version(_single(headers, "Metadata-Version"))
    except InvalidVersion:
        return False
    dynamic = {str(field).strip().lower() for field in headers.get_all("Dynamic", [])}
    return _STATIC_SINCE <= version < _OTHER_GRAMMAR and not dynamic & _NEEDED


def _single(headers: Message, field: str) -> str:
    values = headers.get_all(field, [""])
    if len(values) != 1:
        raise ValueError(f"its {PKG_INFO} has the field {field} {len(values)} times")
    return str(values[0]).strip()
