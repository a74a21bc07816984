"""Tiny real source distributions, the same bytes for the same arguments."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name

BACKEND = """
import pathlib, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    text = pathlib.Path("PKG-INFO").read_text()
    info = dict(line.split(": ", 1) for line in text.splitlines())
    stem = info["Name"].replace("-", "_").lower()
    name = f"{stem}-{info['Version']}"
    wheel = pathlib.Path(folder) / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{stem}.py", pathlib.Path(__file__).read_text())
        archive.writestr(f"{name}.dist-info/METADATA", text)
        kind = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        archive.writestr(f"{name}.dist-info/WHEEL", kind)
        archive.writestr(f"{name}.dist-info/RECORD", "")
    return wheel.name
"""
"""A build backend as a module; whatever it builds is a module with the same text."""


def build_sdist(
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    extras: Iterable[str] = (),
    requires_python: str | None = None,
    build: Iterable[str] | None = (),
    backend: str = "flat",
    in_tree: bool = False,
    metadata_version: str = "2.2",
    dynamic: Iterable[str] = (),
    project: str = "",
    files: Mapping[str, bytes] | None = None,
) -> tuple[str, bytes]:
    """The filename and the bytes of a source distribution that pip can build.

    Args:
        name, version, requires, extras, requires_python, metadata_version, dynamic: For PKG-INFO.
        build: `[build-system] requires`; None for no pyproject.toml.
        backend: The module that builds it.
        in_tree: The backend is part of it, as `BACKEND`.
        project: The text of `[project]` in pyproject.toml.
        files: Further entries below its folder, or instead of those that would be there.
    """
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python is not None else []
    lines += [f"Dynamic: {field}" for field in dynamic]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    entries = {"PKG-INFO": "".join(f"{line}\n" for line in lines).encode()}
    if build is not None:
        system = f'[build-system]\nrequires = {list(build)}\nbuild-backend = "{backend}"\n'
        system += 'backend-path = ["."]\n' if in_tree else ""
        table = f"[project]\n{project}" if project else ""
        entries["pyproject.toml"] = (system + table).encode()
    entries |= {f"{backend}.py": BACKEND.encode()} if in_tree else {}
    entries |= files or {}
    stem = f"{canonicalize_name(name).replace('-', '_')}-{version}"
    return f"{stem}.tar.gz", tar_gz([file_entry(f"{stem}/{n}", d) for n, d in entries.items()])


Entry = tuple[tarfile.TarInfo, bytes]


def file_entry(name: str, data: bytes = b"") -> Entry:
    """A regular file."""
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    return entry, data


def other_entry(name: str, kind: bytes, link: str = "") -> Entry:
    """A folder, a link, a device."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry, b""


def tar_gz(entries: Iterable[Entry], *, behind: bytes = b"") -> bytes:
    """A gzipped tar; `behind` follows its end."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(target.getvalue() + behind, mtime=0)
