"""Our platforms against the real uv: the same names, wheels and markers."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from functools import cache

import pytest

from bundler.model.platforms import NAMES, OLDEST_GLIBC, parse_platform
from bundler.model.target import parse_target
from tests.fakes.wheels import build_wheel

# Both sides of every border: the oldest and newest that count, and their neighbours. Without fat3
# of 32-bit times, which uv does not know.
TAGS = [
    *("win_amd64", "win32", "win_arm64", "pyodide_2024_0_wasm32", "pyodide_2025_0_wasm32"),
    *("pyemscripten_2024_0_wasm32", "pyemscripten_2025_0_wasm32"),
    *(
        f"{tag}_{machine}"
        for machine in ("x86_64", "aarch64", "riscv64")
        for tag in (
            "linux",
            *("manylinux1", "manylinux2010", "manylinux2014"),
            *(f"manylinux_2_{minor}" for minor in (4, 5, 16, 17, 28, 29, 31, 32, 39, 40, 41)),
            *("musllinux_1_0", "musllinux_1_2", "musllinux_1_3", "musllinux_2_0"),
        )
    ),
    *(
        f"macosx_{version}_{binary}"
        for version in ("10_3", "10_4", "10_16", "11_0", "12_3", "13_0", "14_0")
        for binary in ("x86_64", "arm64", "universal2", "intel", "fat64", "universal")
    ),
    *(f"android_{level}_{abi}" for level in (16, 24, 25) for abi in ("arm64_v8a", "x86_64")),
    *(
        f"ios_{version}_{abi}"
        for version in ("11_9", "12_0", "12_9", "13_0", "13_1")
        for abi in ("arm64_iphoneos", "arm64_iphonesimulator", "x86_64_iphonesimulator")
    ),
]


@cache
def names_of_uv() -> list[str]:
    """Every value that `--python-platform` has."""
    run = subprocess.run(
        ["uv", "pip", "compile", "--help"], capture_output=True, text=True, check=True
    )
    found = re.search(r"\[possiblevalues:(windows,linux,[^\]]+)\]", re.sub(r"\s", "", run.stdout))
    assert found is not None
    return found[1].split(",")


Compile = Callable[[str, list[str]], set[str]]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Resolve with uv for a platform, from wheels that are named after a tag each.

    `tagN` 2 is for the tag of that number only, `tagN` 1 for all; `yes` 1 is for all.
    """
    folder = tmp_path_factory.mktemp("uv")
    wheels = folder / "wheels"
    wheels.mkdir()
    made = [build_wheel("yes", "1", tags="py3-none-any")]
    for number, tag in enumerate(TAGS):
        made.append(build_wheel(f"tag{number}", "1", tags="py3-none-any"))
        made.append(build_wheel(f"tag{number}", "2", tags=f"cp312-cp312-{tag}"))
    for filename, content in made:
        (wheels / filename).write_bytes(content)

    def resolve(platform: str, requirements: list[str]) -> set[str]:
        run = subprocess.run(
            [
                *("uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate"),
                *("--no-config", "--offline", "--no-index", "--find-links", str(wheels)),
                *("--cache-dir", str(folder / "cache"), "--only-binary", ":all:"),
                *("--python-version", "3.12", "--python-platform", platform),
            ],
            input="\n".join(requirements),
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
        return set(run.stdout.split())

    return resolve


def test_every_name_of_uv_is_known() -> None:
    names = names_of_uv()
    assert len(names) >= 40
    for name in names:
        assert parse_platform(name).name == name


@pytest.mark.parametrize("name", [*NAMES, "aarch64-manylinux2014", "x86_64-manylinux_2_40"])
def test_the_wheels_and_markers_of_uv(compiled: Compile, name: str) -> None:
    if name not in names_of_uv():
        pytest.skip("this uv does not know the name")
    target = parse_target("3.12", name)
    chosen = compiled(
        name,
        [
            *(f"tag{number}" for number in range(len(TAGS))),
            "yes; " + " and ".join(f"{key} == '{val}'" for key, val in target.environment.items()),
        ],
    )
    assert "yes==1" in chosen
    theirs = {tag for number, tag in enumerate(TAGS) if f"tag{number}==2" in chosen}
    ours = {tag.platform for tag in target.tags} & set(TAGS)
    if target.platform.machine == "riscv64":
        # uv takes nothing older than glibc 2.31 there; pip, by `packaging`, everything from 2.17.
        ours -= {tag for tag in ours if re.search("manylinux(2014|_2_17|_2_28|_2_29)_", tag)}
    assert ours == theirs
    assert theirs


def test_uv_does_not_know_other_machines() -> None:
    """Else `OLDEST_GLIBC` could be held against it as well."""
    machines = {name.partition("-")[0] for name in names_of_uv() if "linux" in name} - {"linux"}
    assert machines == {"x86_64", "aarch64", "riscv64"} < set(OLDEST_GLIBC)
