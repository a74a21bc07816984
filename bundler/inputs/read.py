"""A profile and the files that it names → everything that is asked for."""

from __future__ import annotations

from pathlib import Path, PurePath

from packaging.pylock import is_valid_pylock_path

from bundler.errors import ProfileError
from bundler.inputs.gathered import Gathered
from bundler.inputs.pylock import read_pylock
from bundler.inputs.pyproject import read_pyproject
from bundler.inputs.requirements_txt import RequirementsReader
from bundler.inputs.uv_lock import read_uv_lock
from bundler.model.asked import THE_PROFILE, AskedRequirement, Inputs
from bundler.model.profile import Profile, RequirementFile

_NOT_READ = frozenset({".cfg", ".json", ".lock", ".py", ".toml", ".yaml", ".yml"})
_READ = "pyproject.toml, pylock.toml, pylock.NAME.toml, uv.lock and requirements files"


def read_inputs(profile: Profile, folder: Path, *, sdists: bool = False) -> Inputs:
    """Read the files that a profile names, and those that they name.

    Args:
        profile: What is wanted; its targets decide what a lock gives.
        folder: The profile's; paths are seen from there.
        sdists: Source distributions may be carried; without it a lock that has nothing else of a
            project is at fault.

    Raises:
        ProfileError: naming every fault with its file and line or key; also if nothing is asked.
    """
    gathered = Gathered(folder)
    gathered.requirements += (
        AskedRequirement(requirement, THE_PROFILE) for requirement in profile.parsed_requirements()
    )
    gathered.constraints += (
        AskedRequirement(constraint, THE_PROFILE) for constraint in profile.parsed_constraints()
    )
    reader = RequirementsReader(gathered)
    for number, wanted in enumerate(profile.profile.requirement_files):
        _read(wanted, f"profile.requirement-files[{number}]", profile, reader, sdists=sdists)
    for number, name in enumerate(profile.profile.constraint_files):
        place = f"profile.constraint-files[{number}]"
        if _is_toml(name) or _is_unknown(name):
            gathered.faults.append(f"{place}: {name} is no requirements file")
        else:
            reader.read(folder / name, "constraint", place)
    if not (gathered.faults or gathered.requirements or gathered.locks):
        names = ", ".join(file.path for file in profile.profile.requirement_files)
        gathered.faults.append(f"neither the profile nor {names} asks for anything")
    if gathered.faults:
        raise ProfileError("\n".join(gathered.faults))
    return Inputs(
        requirements=tuple(gathered.requirements),
        constraints=tuple(gathered.constraints),
        require_hashes=gathered.require_hashes,
        locks=tuple(gathered.locks),
        files=tuple(gathered.files.values()),
    )


def _read(
    wanted: RequirementFile,
    place: str,
    profile: Profile,
    reader: RequirementsReader,
    *,
    sdists: bool,
) -> None:
    """Read one file as what its name says it is."""
    gathered = reader.gathered
    path = gathered.folder / wanted.path
    if _is_unknown(wanted.path):
        gathered.faults.append(f"{place}: {wanted.path} is not one of {_READ}; export one of them")
        return
    if not _is_toml(wanted.path):
        if wanted.extras or wanted.groups:
            gathered.faults.append(f"{place}: {wanted.path} has neither extras nor groups")
            return
        reader.read(path, "requirement", place)
        return
    source = gathered.read(path, place)
    if source is None:
        return
    if path.name == "pyproject.toml":
        read_pyproject(source, wanted, gathered)
    elif path.name == "uv.lock":
        read_uv_lock(source, wanted, profile.parsed_targets(), gathered, sdists=sdists)
    else:
        read_pylock(source, wanted, profile.parsed_targets(), gathered, sdists=sdists)


def _is_toml(name: str) -> bool:
    path = PurePath(name)
    return path.name in {"pyproject.toml", "uv.lock"} or is_valid_pylock_path(Path(name))


def _is_unknown(name: str) -> bool:
    """Whether it is a file of some other tool, which would make odd faults line by line."""
    return not _is_toml(name) and PurePath(name).suffix.lower() in _NOT_READ
