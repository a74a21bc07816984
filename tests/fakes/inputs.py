"""Profiles that name files, and the files: texts as people and tools write them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bundler.errors import ProfileError
from bundler.inputs.read import read_inputs
from bundler.model.artifact import Sha256
from bundler.model.asked import Inputs
from bundler.model.profile import Profile, parse_profile

LINUX, WINDOWS, MAC = "x86_64-manylinux_2_28", "x86_64-pc-windows-msvc", "aarch64-apple-darwin"


def digest(name: str) -> Sha256:
    """A digest that belongs to a name, as if a file of that name had it."""
    return Sha256(hashlib.sha256(name.encode()).hexdigest())


def profile_of(
    *files: str,
    requirements: Sequence[str] = (),
    constraints: Sequence[str] = (),
    constraint_files: Sequence[str] = (),
    python: Sequence[str] = ("3.12",),
    platforms: Sequence[str] = (LINUX,),
) -> Profile:
    """A profile that names files; each is TOML, such as `"a.txt"` in quotes or a table."""
    text = (
        f'[profile]\nname = "web"\nrequirements = {json.dumps([*requirements])}\n'
        f"requirement-files = [{', '.join(files)}]\n"
        f"constraints = {json.dumps([*constraints])}\n"
        f"constraint-files = {json.dumps([*constraint_files])}\n"
        f"[targets]\npython = {json.dumps([*python])}\nplatforms = {json.dumps([*platforms])}\n"
    )
    return parse_profile(text.encode(), "web.toml")


def write(folder: Path, **texts: str | bytes) -> None:
    """Write files; "__" in a name is a dot, and "___" a slash."""
    for name, text in texts.items():
        path = folder / name.replace("___", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def read(folder: Path, *files: str, **profile: Sequence[str]) -> Inputs:
    """Read a profile's files."""
    return read_inputs(profile_of(*files, **profile), folder)


def faults(folder: Path, *files: str, **profile: Sequence[str]) -> list[str]:
    """The faults, the folder left out of them."""
    with pytest.raises(ProfileError) as caught:
        read(folder, *files, **profile)
    assert caught.value.exit_code == 3
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def asked(inputs: Inputs) -> list[str]:
    """Each requirement and where it was written."""
    return [f"{item.requirement} ({item.origin})" for item in inputs.requirements]
