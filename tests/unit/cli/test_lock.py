"""`bundle lock`, and what `bundle create` makes of its locks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bundler.archive.pack import VolumeWriter
from bundler.resolve.proof import BundledIndex
from tests.fakes.command import LINUX, WINDOWS, Site, bundle, read_json, site, succeed, tree
from tests.fakes.index import Fault
from tests.fakes.wheels import build_wheel

ON_LINUX, ON_WINDOWS = f"cp312-{LINUX}", f"cp312-{WINDOWS}"
NAMES = [f"pylock.test-{ON_LINUX}.toml", f"pylock.test-{ON_WINDOWS}.toml"]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        # Otherwise a page from the cache would hide what comes later in a test.
        made.index.page_headers["Cache-Control"] = "no-cache"
        yield made


def lock(host: Site, *words: str | Path) -> Result:
    return bundle("lock", host.profile, *host.home, *words)


def locked(host: Site, *words: str | Path) -> Any:
    result = lock(host, *words, "--json")
    assert result.exit_code == 0, result.output
    return read_json(result)


def folder(host: Site) -> Path:
    return host.folder / "test.locks"


def add_keys(host: Site, text: str) -> None:
    """Further lines for `[profile]`."""
    profile = host.profile.read_text()
    host.profile.write_text(profile.replace("[[index]]", f"{text}\n[[index]]"))


def test_locks_are_written_beside_the_profile(host: Site) -> None:
    found = locked(host)
    assert found == {
        "stream": "test",
        "folder": str(folder(host)),
        "targets": {
            ON_LINUX: {"lock": NAMES[0], "packages": 2},
            ON_WINDOWS: {"lock": NAMES[1], "packages": 2},
        },
        "projects": 2,
        "files": 3,
        "size": found["size"],
        "changes": [
            {"project": "app", "before": [], "after": ["1.0"]},
            {"project": "lib", "before": [], "after": ["1.0"]},
        ],
        "publishers": {},
        "delta": None,
    }
    assert found["size"] > 0
    assert sorted(path.name for path in folder(host).iterdir()) == NAMES
    assert not [path for path in host.index.paths() if path.endswith(".whl")]
    assert not host.out.exists()


def test_another_folder(host: Site) -> None:
    result = lock(host, "-o", host.folder / "deep" / "locks")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("test: 2 projects, 3 wheels for 2 targets, ")
    assert result.stdout.splitlines()[1:] == [f"locks: {host.folder / 'deep' / 'locks'}"]
    assert not folder(host).exists()


def test_what_is_unchanged_is_not_written_again(host: Site) -> None:
    succeed("lock", host.profile, *host.home)
    before = tree(folder(host))
    result = succeed("lock", host.profile, *host.home)
    assert "\nnothing changed\n" in result.stdout
    assert tree(folder(host)) == before
    succeed("lock", host.profile, *host.home, "--upgrade")
    assert tree(folder(host)) == before


def test_versions_stay_until_they_are_upgraded(host: Site) -> None:
    locked(host)
    host.index.add(*build_wheel("app", "2.0", requires=("lib", "new")))
    host.index.add(*build_wheel("lib", "2.0"))
    host.index.add(*build_wheel("new", "1.0"))
    assert locked(host)["changes"] == []
    assert locked(host, "-P", "LIB")["changes"] == [
        {"project": "lib", "before": ["1.0"], "after": ["2.0"]}
    ]
    upgraded = lock(host, "-U")
    assert upgraded.stdout.splitlines()[1:-1] == ["  app 1.0 → 2.0", "  + new 1.0"]
    host.index.add(*build_wheel("app", "3.0"))
    upgraded = lock(host, "--upgrade-package", "app")
    assert upgraded.stdout.splitlines()[1:-1] == ["  app 2.0 → 3.0", "  - lib 2.0", "  - new 1.0"]


def test_an_upgrade_asks_the_index_whatever_the_cache_has(host: Site) -> None:
    host.index.page_headers["Cache-Control"] = "max-age=600"
    locked(host)
    host.index.add(*build_wheel("lib", "2.0"))
    assert locked(host)["changes"] == []
    assert locked(host, "-P", "lib")["changes"] != []


def test_a_package_to_upgrade_that_no_lock_has(host: Site) -> None:
    assert "note" not in lock(host, "-P", "nosuch").stderr
    assert "note: --upgrade-package: no lock has nosuch" in lock(host, "-P", "nosuch").stderr
    wrong = lock(host, "-P", "lib>=2")
    assert wrong.exit_code == 2
    assert "'lib>=2' is not a project's name" in wrong.stderr


@pytest.mark.parametrize("words", [("--upgrade",), ("-P", "lib")])
def test_locked_and_upgrade_exclude_each_other(host: Site, words: tuple[str, ...]) -> None:
    result = lock(host, "--locked", *words)
    assert result.exit_code == 2
    assert "--locked and --upgrade exclude each other" in result.stderr


def test_locked_writes_nothing_and_fails_when_the_profile_has_changed(host: Site) -> None:
    locked(host)
    before = tree(folder(host))
    host.index.add(*build_wheel("lib", "2.0"))
    assert locked(host, "--locked")["changes"] == []
    host.write_profile(("app", "lib>1"))
    result = lock(host, "--locked")
    assert result.exit_code == 3
    for name in NAMES:
        assert f"{folder(host) / name} no longer fits the profile:" in result.stderr
    assert "lib>1 (required by the profile)" in result.stderr
    assert "hint: run `bundle lock` to make the locks anew" in result.stderr
    assert tree(folder(host)) == before


def test_locked_without_locks(host: Site) -> None:
    result = lock(host, "--locked")
    assert result.exit_code == 3
    assert f"error: {folder(host)} has no lock for {ON_LINUX}, {ON_WINDOWS}" in result.stderr
    assert not folder(host).exists()


def test_locked_and_a_lock_that_is_none(host: Site) -> None:
    locked(host)
    path = folder(host) / NAMES[0]
    path.write_text("<<<<<<< HEAD\n")
    result = lock(host, "--locked")
    assert result.exit_code == 3
    assert f"error: {path} is no lock for {ON_LINUX}: " in result.stderr
    assert "hint: run `bundle lock` to make it anew" in result.stderr


def test_a_lock_that_is_none_is_made_anew(host: Site) -> None:
    locked(host)
    path = folder(host) / NAMES[0]
    before = path.read_bytes()
    path.write_text("<<<<<<< HEAD\n")
    result = lock(host)
    assert result.exit_code == 0
    assert f"note: {path} is no lock for {ON_LINUX}: " in result.stderr
    assert "; it counts for nothing" in result.stderr
    assert path.read_bytes() == before


def test_the_lock_of_a_target_that_has_no_solution_any_more_is_removed(host: Site) -> None:
    profile = f"{host.profile.read_text()}may-be-missing = ['{ON_WINDOWS}']\n"
    host.profile.write_text(profile)
    assert list(locked(host)["targets"]) == [ON_LINUX, ON_WINDOWS]
    host.index.add(*build_wheel("lib", "2.0", tags="cp312-cp312-manylinux_2_17_x86_64"))
    host.profile.write_text(profile.replace('"app"', '"app", "lib>=2"'))
    result = lock(host)
    assert f"note: no solution for {ON_WINDOWS}:" in result.stderr
    assert [path.name for path in folder(host).iterdir()] == NAMES[:1]
    assert f"note: {ON_WINDOWS} has no lock" in lock(host, "--locked").stderr


def test_a_profile_that_names_requirement_files(host: Site) -> None:
    host.write_profile(())
    add_keys(host, 'requirement-files = ["requirements.txt"]')
    (host.folder / "requirements.txt").write_text("app  # the product\n-c bounds.txt\n")
    (host.folder / "bounds.txt").write_text("lib<2\n")
    host.index.add(*build_wheel("lib", "2.0"))
    assert locked(host)["projects"] == 2
    (host.folder / "requirements.txt").write_text("-e .\n")
    result = lock(host)
    assert result.exit_code == 3
    assert f"{host.folder / 'requirements.txt'}:1: --editable cannot be honoured" in result.stderr


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        ('overrides = ["app @ https://example.org/a"]', 3, "profile.overrides[0]: a URL"),
        ('exclude = ["a b"]', 3, "profile.exclude[0]: "),
        ('exclude = ["App"]', 3, "profile.exclude[0]: app stands in requirements too"),
        ('cutoff = "tomorrow"', 3, 'profile.cutoff: give an age such as "7 days"'),
        ("cutoff = true", 3, 'profile.cutoff: give an age such as "7 days"'),
        ("breadth = 0", 3, "profile.breadth: Input should be greater than or equal to 1"),
        ('wheels = "some"', 3, "profile.wheels: Input should be 'best' or 'all'"),
        ('align = "yes"', 3, "profile.align: Input should be a valid boolean"),
        ('cutoff = "1 day"', 3, "the index does not say when it was uploaded"),
        ('constraints = ["lib>1"]', 3, "lib>1 (a constraint)"),
    ],
)
def test_what_cannot_be_locked(host: Site, keys: str, code: int, message: str) -> None:
    add_keys(host, keys)
    result = lock(host)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not folder(host).exists()


def test_all_keys_together(host: Site) -> None:
    for version in ("2.0", "3.0"):
        filename, content = build_wheel("lib", version)
        host.index.add(filename, content, upload_time=f"2026-01-0{version[0]}T00:00:00Z")
    host.index.add(*build_wheel("app", "1.1", requires=("lib<2", "gone")))
    add_keys(
        host,
        'overrides = ["lib"]\nexclude = ["gone"]\ncutoff = 2026-01-02\nbreadth = 2\nalign = true\n'
        'wheels = "all"',
    )
    host.index.put_page(_with_times(host, "app"))
    found = locked(host)
    assert [(change["project"], change["after"]) for change in found["changes"]] == [
        ("app", ["1.1"]),
        ("lib", ["2.0"]),
    ]
    assert found["files"] == 3
    assert found["targets"][ON_LINUX]["packages"] == 2
    assert locked(host)["changes"] == []


def _with_times(host: Site, name: str) -> Any:
    page = host.index._pages[name]
    files = tuple(replace(file, upload_time="2025-01-01T00:00:00Z") for file in page.files)
    return replace(page, files=files)


def test_an_index_that_fails(host: Site) -> None:
    host.index.misbehave("/simple/lib/", Fault(status=403), times=9)
    result = lock(host)
    assert result.exit_code == 6
    assert "403" in result.stderr
    assert not folder(host).exists()


def test_a_folder_that_cannot_be_written(host: Site) -> None:
    folder(host).write_text("precious")
    result = lock(host)
    assert result.exit_code == 1
    assert f"error: {folder(host)} is not a folder\n" in result.stderr
    assert folder(host).read_text() == "precious"
    assert not host.index.requests


def test_a_lock_that_cannot_be_written(host: Site) -> None:
    lock(host)
    (path, *_) = sorted(folder(host).iterdir())
    path.unlink()
    path.mkdir()
    result = lock(host)
    assert result.exit_code == 1
    assert f"error: {path}" in result.stderr
    assert "hint: it is a folder: name a file\n" in result.stderr


@pytest.mark.parametrize("path", [".", "none.toml"])
def test_a_profile_that_is_none(host: Site, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(host.folder)
    result = bundle("lock", path, *host.home)
    assert result.exit_code == 1
    assert f"error: {path}: " in result.stderr


@pytest.mark.parametrize("password", ["", "name:s3cret@"])
def test_the_index_of_pip(host: Site, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    if password:
        host.index.credentials = ("name", "s3cret")
    monkeypatch.setenv("PIP_INDEX_URL", host.index.url.replace("://", f"://{password}"))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://example.org/more/")
    host.profile.write_text(host.profile.read_text().replace(host.index.url, "pip"))
    result = lock(host)
    assert result.exit_code == 0
    assert (
        "extra-index-url is not used: the profile names the indexes"
        in result.stderr.lower().replace("pip_extra_index_url", "extra-index-url")
    )
    assert "s3cret" not in result.output + (folder(host) / NAMES[0]).read_text()


# --why


def test_why(host: Site) -> None:
    for version in ("0.1", "0.2", "0.3", "0.4", "0.5"):
        host.index.add(*build_wheel("lib", version))
    result = lock(host, "--why", "Lib")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"lib 1.0 for {ON_LINUX}, {ON_WINDOWS}",
        "  required by",
        "    profile → app 1.0 → lib>=1",
        "  not taken",
        "    0.5, 0.4, 0.3, 0.2 and 1 more: app 1.0 requires lib>=1",
    ]
    assert not folder(host).exists()


def test_why_where_it_is_not_needed(host: Site) -> None:
    host.write_profile(("app", "lib; os_name == 'nt'"))
    host.index.add(*build_wheel("app", "2.0"))
    found = read_json(lock(host, "--why", "lib", "--json"))
    assert found == {
        "project": "lib",
        "stories": [
            {"targets": [ON_LINUX], "version": None, "required-by": [], "others": []},
            {
                "targets": [ON_WINDOWS],
                "version": "1.0",
                "required-by": ["profile → lib"],
                "others": [],
            },
        ],
    }
    told = lock(host, "--why", "lib").stdout.splitlines()
    assert told[0] == f"lib is not needed for {ON_LINUX}"
    assert "  not taken" not in told
    found = read_json(lock(host, "--why", "app", "--json"))
    assert found["stories"][0]["others"] == [{"version": "1.0", "reason": "older"}]


@pytest.mark.parametrize(
    ("name", "message"),
    [("nosuch", "nothing requires nosuch, for any target"), ("a b", "'a b' is not a project's")],
)
def test_why_of_nothing(host: Site, name: str, message: str) -> None:
    result = lock(host, "--why", name)
    assert result.exit_code == 1
    assert f"error: {message}" in result.stderr


# create


def versions(host: Site, sequence: int) -> list[str]:
    page = host.out / f"test-{sequence:06}.locks" / NAMES[0]
    return [line for line in page.read_text().splitlines() if line.startswith("version")]


def test_create_keeps_the_versions_of_locks_unless_told_otherwise(host: Site) -> None:
    locked(host)
    host.index.add(*build_wheel("lib", "2.0"))
    assert host.create().exit_code == 0
    assert versions(host, 1) == ['version = "1.0"', 'version = "1.0"']
    assert host.create("--locked").exit_code == 0
    assert versions(host, 2) == versions(host, 1)
    before = (folder(host) / NAMES[0]).read_bytes()
    assert (host.out / "test-000002.locks" / NAMES[0]).read_bytes() == before
    assert host.create("--upgrade").exit_code == 0
    assert versions(host, 3) == ['version = "1.0"', 'version = "2.0"']
    assert (folder(host) / NAMES[0]).read_bytes() == before


def test_create_takes_locks_from_elsewhere(host: Site) -> None:
    locked(host, "-o", host.folder / "mine")
    assert host.create("--locked").exit_code == 3
    assert host.create("--locked", "--locks", str(host.folder / "mine")).exit_code == 0


def test_create_with_locks_that_do_not_fit_makes_nothing(host: Site) -> None:
    locked(host)
    host.write_profile(("lib",))
    result = host.create("--locked")
    assert result.exit_code == 3
    assert "no longer fits the profile: nothing requires app" in result.stderr
    assert not host.out.exists()


def test_create_with_a_lock_whose_file_has_changed_is_refused(host: Site) -> None:
    locked(host)
    path = folder(host) / NAMES[0]
    lines = path.read_text().splitlines()
    digest = next(line for line in lines if line.startswith("sha256"))
    path.write_text(path.read_text().replace(digest, f'sha256 = "{"00" * 32}"'))
    result = host.create("--locked", "--json")
    assert result.exit_code == 4
    assert read_json(result)["error"]["code"] == "digest-mismatch"
    assert not host.out.exists()


def test_a_bundle_that_is_not_proven_is_not_signed(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = BundledIndex.__init__
    finished: list[bool] = []

    def lacking(self: BundledIndex, documents: Any, metadata: Any) -> None:
        whole(self, [each for each in documents if each.name != "lib"], metadata)

    def finish(self: VolumeWriter) -> Any:
        finished.append(True)
        return packed(self)

    packed = VolumeWriter.finish
    monkeypatch.setattr(BundledIndex, "__init__", lacking)
    monkeypatch.setattr(VolumeWriter, "finish", finish)
    streams = host.folder / "home" / "streams" / "test"
    before = {name: found[2] for name, found in tree(streams).items() if name != "lock"}
    result = host.create()
    assert result.exit_code == 1
    assert f"error: {ON_LINUX} cannot be installed from the bundle alone:" in result.stderr
    assert "the bundle has no project lib" in result.stderr
    assert "hint: please report this: the bundle was not signed" in result.stderr
    assert list(host.out.iterdir()) == []
    assert finished == [True]
    assert {n: f[2] for n, f in tree(streams).items() if n != "lock"} == before
    monkeypatch.undo()
    assert json.loads(host.create("--json").stdout)["sequence"] == 1
