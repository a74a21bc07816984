"""The commands in order, on a fake index: what each prints, and what each refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from bundler.archive.pack import VolumeWriter
from bundler.wheel import look
from bundler.wheel.check import check_whole_wheel
from bundler.wheel.examine import Examined
from tests.fakes.command import (
    LINUX,
    WINDOWS,
    Site,
    bundle,
    read_json,
    site,
    succeed,
    tree,
    without_journal,
)
from tests.fakes.index import Fault
from tests.fakes.wheels import build_wheel


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with one bundle, for tests that change nothing."""
    with site(tmp_path_factory.mktemp("site")) as made:
        assert made.create().exit_code == 0
        yield made


def test_the_whole_way(host: Site) -> None:
    created = host.create("--json")
    assert created.exit_code == 0
    assert read_json(created) == {
        "stream": "test",
        "sequence": 1,
        "volumes": [str(host.volume())],
        "locks": str(host.out / "test-000001.locks"),
        "projects": 2,
        "files": 3,
        "wheels-size": read_json(created)["wheels-size"],
        "volumes-size": host.volume().stat().st_size,
        "kind": "full",
        "since": None,
        "carried-files": 3,
        "carried-size": read_json(created)["wheels-size"],
        "targets": [f"cp312-{LINUX}", f"cp312-{WINDOWS}"],
    }
    assert sorted(path.name for path in host.out.iterdir()) == [
        "test-000001.locks",
        "test-000001.v01.tar.zst",
        "verify.py",
    ]
    assert sorted(path.name for path in (host.out / "test-000001.locks").iterdir()) == [
        f"pylock.test-cp312-{LINUX}.toml",
        f"pylock.test-cp312-{WINDOWS}.toml",
    ]
    before = host.volume().read_bytes()
    (unpacked,) = read_json(bundle("unpack", host.volume(), "--into", host.mirror, "--json"))[
        "sequences"
    ]
    assert unpacked["changed"] is True
    assert (unpacked["projects"], unpacked["files"], unpacked["new-files"]) == (2, 3, 3)
    assert (host.mirror / "simple" / "lib" / "index.html").is_file()
    assert host.volume().read_bytes() == before


def test_unpacking_again_changes_nothing(host: Site) -> None:
    host.create()
    succeed("unpack", host.volume(), "--into", host.mirror)
    before = tree(host.mirror)
    again = succeed("unpack", host.volume(), "--into", host.mirror)
    assert "test sequence 1 is live already" in again.stdout
    assert tree(host.mirror) == before


def test_next_sequence_replaces_the_first_and_the_first_is_refused_then(host: Site) -> None:
    host.create()
    host.index.add(*build_wheel("app", "2.0"))
    assert "test sequence 2" in host.create().stdout
    succeed("unpack", host.volume(2), "--into", host.mirror)
    assert not (host.mirror / "simple" / "lib").exists()
    before = tree(host.mirror)
    old = bundle("unpack", host.volume(1), "--into", host.mirror)
    assert old.exit_code == 4
    assert "sequence 1 is older than" in old.stderr
    assert without_journal(tree(host.mirror)) == without_journal(before)


def test_two_runs_give_identical_frames(host: Site) -> None:
    first = read_json(host.create("--json"))
    second = read_json(host.create("--json"))
    assert (first["sequence"], second["sequence"]) == (1, 2)
    one, two = host.volume(1).read_bytes(), host.volume(2).read_bytes()
    start = 8 + int.from_bytes(one[4:8], "little")
    assert start == 8 + int.from_bytes(two[4:8], "little")
    assert one[start:] == two[start:]


def test_a_second_run_downloads_nothing_again(host: Site) -> None:
    host.create()
    host.index.requests.clear()
    assert "3 from the cache" in host.create().stderr
    assert not [r for r in host.index.requests if r.path.endswith(".whl")]


def test_a_second_run_looks_into_no_wheel_again(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.create()
    looked = host.folder / "looked"
    looked.touch()

    def note(wheel: IO[bytes], filename: str, *more: Any, **others: Any) -> tuple[bytes, Examined]:
        with looked.open("a") as file:  # in a fork, perhaps
            file.write("x")
        return check_whole_wheel(wheel, filename, *more, **others)

    monkeypatch.setattr(look, "check_whole_wheel", note)
    assert host.create().exit_code == 0
    assert looked.read_text() == ""
    # What the cache says of wheels is believed no longer when its secret is another.
    (host.folder / "home" / "cache.secret").unlink()
    assert host.create().exit_code == 0
    assert looked.read_text() == "xxx"


def test_attack_a_cached_wheel_that_changed_after_it_was_found_good(host: Site) -> None:
    host.create()
    (wheel, *_) = (
        path
        for path in (host.folder / "home" / "cache" / "sha256").rglob("*")
        if path.is_file() and path.read_bytes().startswith(b"PK")
    )
    good = wheel.read_bytes()
    wheel.write_bytes(good.replace(b"Version: 1", b"Version: 9") + b"evil")
    assert "2 from the cache" in host.create().stderr
    assert wheel.read_bytes() == good
    wheel.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    assert "2 from the cache" in host.create().stderr
    assert wheel.read_bytes() == good


@pytest.mark.parametrize("option", ["--trust", "--mirror"])
def test_verify(finished: Site, option: str) -> None:
    judge = finished.root if option == "--trust" else finished.mirror
    result = succeed("verify", finished.volume(), option, judge)
    assert f"{finished.volume()}: verified, test sequence 1" in result.stdout
    (found,) = read_json(succeed("verify", finished.volume(), option, judge, "--json"))["volumes"]
    assert found["newer"] is True


def test_verify_needs_a_judge(finished: Site) -> None:
    assert bundle("verify", finished.volume()).exit_code == 2
    both = bundle(
        "verify", finished.volume(), "--trust", finished.root, "--mirror", finished.mirror
    )
    assert both.exit_code == 2


def test_inspect_says_that_nothing_is_verified(finished: Site) -> None:
    result = succeed("inspect", finished.volume())
    assert "NOT VERIFIED" in result.stdout
    assert f"cp312-{LINUX}" in result.stdout
    found = read_json(succeed("inspect", finished.volume(), "--json"))
    assert found["verified"] is False
    assert [p["name"] for p in found["projects"]] == ["app", "lib"]


def test_a_folder_stands_for_the_volumes_in_it(host: Site) -> None:
    host.create()
    folder = host.volume().parent
    assert "NOT VERIFIED" in succeed("inspect", folder).stdout
    assert "test sequence 1 is live" in succeed("unpack", folder, "--into", host.mirror).stdout
    assert host.volume().name in succeed("verify", folder, "--mirror", host.mirror).stdout
    empty = bundle("verify", host.mirror, "--mirror", host.mirror)
    assert empty.exit_code == 4
    assert "a folder without a readable head.tar, and without volumes" in empty.stderr


def test_quiet_prints_the_result_only(finished: Site) -> None:
    result = succeed("verify", finished.volume(), "--trust", finished.root, "--quiet")
    assert result.stderr == ""
    assert "verified" in result.stdout


@pytest.mark.parametrize("name", ["verify", "inspect", "unpack"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"hello\nworld\n", "it is a text file"),
        (b"\x50\x2a\x4d\x18\xff\xff\x00\x00bundler-volume\0", "is damaged: the file ends after"),
    ],
)
def test_what_is_no_bundle(
    finished: Site, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / "x.tar.zst"
    path.write_bytes(content)
    option = {"verify": ("--mirror",), "unpack": ("--into",), "inspect": ()}[name]
    before = tree(finished.mirror)
    result = bundle(name, path, *option, *([finished.mirror] if option else []))
    assert result.exit_code == 4
    assert str(path) in result.stderr
    assert message in result.stderr
    assert without_journal(tree(finished.mirror)) == without_journal(before)


@pytest.mark.parametrize("name", ["verify", "unpack"])
@pytest.mark.parametrize("where", [0.0, 0.01, 0.5, 0.9, 0.99])
def test_a_flipped_byte_is_refused(finished: Site, tmp_path: Path, name: str, where: float) -> None:
    data = bytearray(finished.volume().read_bytes())
    data[int(len(data) * where)] ^= 1
    path = tmp_path / "flipped.tar.zst"
    path.write_bytes(data)
    before = tree(finished.mirror)
    option = "--mirror" if name == "verify" else "--into"
    result = bundle(name, path, option, finished.mirror)
    assert result.exit_code == 4
    assert "error: " in result.stderr
    assert not (finished.mirror / "simple").exists()
    assert live_parts(tree(finished.mirror)) == live_parts(before)


@pytest.mark.parametrize("where", [0.0, 0.3, 0.9, 0.99])
def test_a_truncated_volume_is_refused(finished: Site, tmp_path: Path, where: float) -> None:
    data = finished.volume().read_bytes()
    path = tmp_path / "cut.tar.zst"
    path.write_bytes(data[: int(len(data) * where)])
    result = bundle("unpack", path, "--into", finished.mirror)
    assert result.exit_code == 4
    assert not (finished.mirror / "simple").exists()


def live_parts(found: dict[str, tuple[str, int, bytes]]) -> dict[str, tuple[str, int, bytes]]:
    """Without blobs that arrived whole all the same, and the head that says what is missing."""
    return {
        name: value
        for name, value in without_journal(found).items()
        if not name.startswith((".bundler/blobs", ".bundler/arrived"))
    }


def test_a_bundle_of_another_authority_is_refused(finished: Site, tmp_path: Path) -> None:
    with site(tmp_path) as other:
        result = bundle("unpack", finished.volume(), "--into", other.mirror)
    assert result.exit_code == 4
    assert not (other.mirror / "simple").exists()


def test_a_mirror_without_a_root_refuses(finished: Site, tmp_path: Path) -> None:
    result = bundle("unpack", finished.volume(), "--into", tmp_path / "none")
    assert result.exit_code == 1
    assert "bundle trust pin" in result.stderr


def test_create_without_an_authority_says_what_to_run(host: Site) -> None:
    host.profile.write_text(host.profile.read_text().replace('"test"', '"other"'))
    result = host.create()
    assert result.exit_code == 1
    assert "there is no stream other" in result.stderr
    assert "`bundle trust init other --key NAME`" in result.stderr


def test_the_index_is_not_asked_for_a_stream_that_is_not_there(host: Site) -> None:
    host.profile.write_text(host.profile.read_text().replace('"test"', '"tset"'))
    words = ["create", str(host.profile), "-o", str(host.out), *host.home]
    result = subprocess.run(
        [sys.executable, "-m", "bundler", *words], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: there is no stream tset\nhint: did you mean test? ")
    assert not host.index.requests
    assert not host.out.exists()


def test_a_key_that_is_not_there_is_told_before_the_network(host: Site) -> None:
    (host.folder / "home" / "keys" / "officer.key").unlink()
    host.profile.write_text(host.profile.read_text().replace(host.index.url, "http://127.0.0.1:9/"))
    result = host.create()
    assert result.exit_code == 4
    assert result.stderr.startswith("error: 1 of the keys for timestamp must sign; 0 at hand")
    assert "127.0.0.1" not in result.stderr
    assert not host.out.exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[targets]", "[product]", "product: there is no such table; there are [profile], "),
        ('["3.12"]', "3.12", "targets.python: Input should be a valid list"),
        ('["app"]', '["app >>1"]', "profile.requirements[0]"),
        (LINUX, "amiga", "targets.platforms[0]: unknown platform 'amiga'"),
    ],
)
def test_a_wrong_profile(host: Site, old: str, new: str, message: str) -> None:
    host.profile.write_text(host.profile.read_text().replace(old, new))
    result = host.create()
    assert result.exit_code == 3
    assert f"{host.profile}: " in result.stderr
    assert message in result.stderr
    assert not host.out.exists()


def test_a_profile_that_is_not_there(host: Site) -> None:
    result = bundle("create", host.folder / "none.toml", "-o", host.out, *host.home)
    assert result.exit_code == 1
    assert f"{host.folder / 'none.toml'}: no such file or directory" in result.stderr


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\x28\xb5\x2f\xfd", "not UTF-8 text: "),
        (b"hello", "not TOML: "),
        (b"", "profile: this table"),
    ],
)
def test_what_is_no_profile(host: Site, content: bytes, fault: str) -> None:
    host.profile.write_bytes(content)
    result = host.create()
    assert result.exit_code == 3
    assert result.stderr.startswith(f"error: {host.profile}: {fault}")
    assert "hint: docs/profile.md explains every key; bundle init writes" in result.stderr


def test_a_folder_is_no_profile(host: Site) -> None:
    result = bundle("create", host.folder, "-o", host.out, *host.home)
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: {host.folder}: is a directory\nhint: it is a folder: name a file\n"
    )


@pytest.mark.parametrize("below", ["", "x/y"])
def test_what_cannot_be_a_folder_is_seen_before_anything_is_fetched(host: Site, below: str) -> None:
    host.out.write_text("")
    result = bundle("create", host.profile, "-o", host.out / below, *host.home)
    assert result.exit_code == 1
    assert result.stderr == f"error: {host.out} is not a folder\nhint: give a folder with -o\n"
    assert not host.index.requests
    result = bundle("lock", host.profile, "-o", host.out, *host.home)
    assert result.exit_code == 1
    assert result.stderr == f"error: {host.out} is not a folder\nhint: give a folder with -o\n"


def test_a_folder_that_is_not_ours_is_seen_before_anything_is_fetched(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests may run as root, who may write anywhere.
    monkeypatch.setattr(os, "access", lambda path, _mode: path != host.folder)
    result = host.create()
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: {host.folder}: this account may not write there\n"
        "hint: give another folder with -o\n"
    )
    assert not host.index.requests


def test_no_solution(host: Site) -> None:
    host.write_profile(["app", "lib>5"])
    result = host.create("--json")
    assert result.exit_code == 3
    assert read_json(result)["error"]["code"] == "no-solution"
    assert "lib>5 (required by the profile)" in result.stderr
    assert not host.out.exists()


@pytest.mark.parametrize(
    ("path", "fault", "code", "message"),
    [
        ("/simple/lib/", Fault(status=403), 6, "403"),
        ("/simple/lib/", Fault(body=b"{"), 6, "/simple/lib/"),
        ("/simple/lib/", Fault(headers={"Content-Type": "text/plain"}), 6, "text/plain"),
        ("lib-1.0-cp312-cp312-win_amd64.whl", Fault(status=404), 6, "lib-1.0"),
        ("lib-1.0-cp312-cp312-win_amd64.whl", Fault(body=b"evil"), 4, "lib-1.0"),
    ],
)
def test_an_index_that_fails_leaves_nothing(
    host: Site, path: str, fault: Fault, code: int, message: str
) -> None:
    found = path if path.startswith("/") else host.index.file_path(path)
    host.index.misbehave(found, fault, times=50)
    result = host.create()
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert not host.out.exists() or not list(host.out.iterdir())


def test_a_download_that_is_cut_goes_on(host: Site) -> None:
    wheel = host.index.file_path("lib-1.0-cp312-cp312-win_amd64.whl")
    host.index.misbehave(wheel, Fault(cut=100), times=1)
    assert host.create().exit_code == 0
    succeed("verify", host.volume(), "--trust", host.root)


def test_an_existing_volume_is_never_overwritten(host: Site) -> None:
    host.out.mkdir()
    host.volume().write_bytes(b"precious")
    result = host.create()
    assert result.exit_code == 1
    assert f"{host.volume()} exists already" in result.stderr
    assert host.volume().read_bytes() == b"precious"
    assert sorted(host.out.iterdir()) == [host.volume()]


def test_existing_locks_are_never_overwritten(host: Site) -> None:
    (host.out / "test-000001.locks").mkdir(parents=True)
    result = host.create()
    assert result.exit_code == 1
    assert "test-000001.locks exists already" in result.stderr


def test_interrupted(host: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(VolumeWriter, "finish", interrupt)
    result = host.create("--json")
    assert result.exit_code == 130
    assert read_json(result)["error"]["code"] == "interrupted"
    assert list(host.out.iterdir()) == []
    monkeypatch.undo()
    assert "3 from the cache" in host.create().stderr


def test_missing_keys_are_told_before_anything_is_fetched(host: Site) -> None:
    (host.folder / "home" / "keys" / "officer.key").unlink()
    host.index.requests.clear()
    result = host.create()
    assert result.exit_code == 4
    assert "1 of the keys for timestamp must sign; 0 at hand, missing: " in result.stderr
    assert host.index.requests == []
    assert not host.out.exists()


def test_a_key_given_by_its_path_is_found_from_every_folder(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(host.folder)
    succeed("trust", "init", "other", "--key", "home/keys/officer.key", *host.home)
    host.profile.write_text(host.profile.read_text().replace('"test"', '"other"'))
    monkeypatch.chdir("/")
    assert host.create().exit_code == 0


def test_export_overwrites_nothing_else(host: Site) -> None:
    before = host.profile.read_bytes()
    result = bundle("trust", "export", "test", "-o", host.profile, *host.home)
    assert result.exit_code == 1
    assert f"{host.profile} exists and is something else" in result.stderr
    assert host.profile.read_bytes() == before
    succeed("trust", "export", "test", "-o", host.root, *host.home)
    lost = bundle("trust", "export", "test", "-o", host.folder / "no" / "root.json", *host.home)
    assert lost.exit_code == 1
    assert not (host.folder / "no").exists()


def test_output_that_is_a_file(host: Site) -> None:
    host.out.write_text("precious")
    host.index.requests.clear()
    result = host.create()
    assert result.exit_code == 1
    assert f"{host.out} is not a folder" in result.stderr
    assert host.out.read_text() == "precious"
    assert host.index.requests == []


def test_what_a_killed_run_has_left_is_removed_and_nothing_else(host: Site) -> None:
    host.out.mkdir()
    (host.out / "test-000009.v01.tar.zst.part").write_text("")
    (host.out / ".test-000009.locks.part").mkdir()
    (host.out / ".test-000009.verify.part").write_text("")
    (host.out / "another-000009.v01.tar.zst.part").write_text("")
    assert host.create().exit_code == 0
    assert sorted(path.name for path in host.out.iterdir()) == [
        "another-000009.v01.tar.zst.part",
        "test-000001.locks",
        "test-000001.v01.tar.zst",
        "verify.py",
    ]


def test_verify_by_what_is_no_root_names_the_file(finished: Site) -> None:
    result = bundle("verify", finished.volume(), "--trust", finished.profile)
    assert result.exit_code == 4
    assert f"{finished.profile} is not root metadata" in result.stderr
