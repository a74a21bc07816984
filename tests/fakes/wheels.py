"""Tiny real wheels, the same bytes for the same arguments."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

UNTAKEN = bytes.fromhex("0581b10900000082ae151c84fedf52a91d")
"""Deflated, it is `hello` for decoders that are not strict; no installer takes it.

It is a block of dynamic codes (RFC 1951, 3.2.7), of which two for distances have two bits each: two
more could have stood there, and zlib takes no such set.
"""


def build_wheel(
    name: str,
    version: str,
    *,
    tags: str = "py3-none-any",
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    extras: Iterable[str] = (),
    files: Mapping[str, bytes] | None = None,
    build: str = "",
) -> tuple[str, bytes]:
    """The filename and the bytes of a wheel that pip and uv install.

    `files` are further entries by their path in the wheel; `build` is the build tag, such as "1".
    A path below the wheel's own `.dist-info/` replaces what would be there (to tell lies).
    """
    stem = canonicalize_name(name).replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    entries: dict[str, bytes] = {f"{stem}/__init__.py": f'VERSION = "{version}"\n'.encode()}
    extra = dict(files or {})
    entries |= {path: data for path, data in extra.items() if not path.startswith(info + "/")}
    entries[f"{info}/METADATA"] = _metadata(name, version, requires, requires_python, extras)
    entries[f"{info}/WHEEL"] = _wheel(tags, build)
    entries |= extra
    record = f"{info}/RECORD"
    if record not in extra:
        entries[record] = _record(entries, record)
    filename = "-".join(part for part in (stem, version, build, tags) if part) + ".whl"
    return filename, zip_of(entries)


def with_stream(wheel: bytes, member: str, packed: bytes) -> bytes:
    """The same wheel, in which other packed bytes stand for the content of a member."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        entries = {path: archive.read(path) for path in archive.namelist()}
    content = entries[member]
    raw = bytearray(zip_of(entries | {member: packed}, stored=member))
    facts = struct.pack("<3L", zlib.crc32(content), len(packed), len(content))
    local, central = raw.index(member.encode()) - 30, raw.rindex(member.encode()) - 46
    for at in (local + 8, central + 10):
        raw[at : at + 2] = zipfile.ZIP_DEFLATED.to_bytes(2, "little")
        raw[at + 6 : at + 18] = facts
    return bytes(raw)


def zip_of(entries: Mapping[str, bytes], stored: str = "") -> bytes:
    """A zip file of `entries` in their order, without any trace of the clock."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in entries.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100644 << 16
            method = zipfile.ZIP_STORED if path == stored else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data, method)
    return target.getvalue()


def _metadata(
    name: str,
    version: str,
    requires: Iterable[str],
    requires_python: str | None,
    extras: Iterable[str],
) -> bytes:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "".join(f"{line}\n" for line in lines).encode()


def _wheel(tags: str, build: str) -> bytes:
    pure = "true" if tags.endswith("-none-any") else "false"
    lines = ["Wheel-Version: 1.0", "Generator: fake", f"Root-Is-Purelib: {pure}"]
    lines += sorted(f"Tag: {tag}" for tag in parse_tag(tags))
    lines += [f"Build: {build}"] if build else []
    return "".join(f"{line}\n" for line in lines).encode()


def _record(entries: Mapping[str, bytes], record: str) -> bytes:
    lines = [f"{path},sha256={_urlsafe(data)},{len(data)}" for path, data in entries.items()]
    return "".join(f"{line}\n" for line in [*lines, f"{record},,"]).encode()


def _urlsafe(data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
