"""`bundle revolume`: other sizes and forms, the same sequence, no officer."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.command import Site, bundle, read_json, site, succeed
from tests.fakes.volumes import noise
from tests.fakes.wheels import build_wheel


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        wheel = build_wheel("app", "1.5", files={"app/noise": noise(1_500_000)}, requires=["lib"])
        found.index.add(*wheel)
        assert found.create("--volume-size", "600kB").exit_code == 0
        yield found


def volumes(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if ".v" in path.name)


def again(host: Site, *words: str | Path) -> list[Path]:
    out = host.folder / "again"
    succeed("revolume", *volumes(host.out), "-o", out, *words, *host.home)
    return volumes(out)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["test-000001.v01.tar.zst"]),
        (("--volume-size", "3MB"), ["test-000001.v01.tar.zst"]),
        (("--plain",), ["test-000001.v01.tar"]),
        (("--as-files",), ["test-000001.v01"]),
        (("--parity", "1"), ["test-000001.v01.tar.zst", "test-000001.v02.tar.zst"]),
    ],
)
def test_the_same_bundle_in_another_shape(
    host: Site, words: tuple[str, ...], names: list[str]
) -> None:
    """Also when the cache is lost: what the volumes have is taken from them."""
    shutil.rmtree(host.folder / "home" / "cache")
    host.index.requests.clear()
    made = again(host, *words)
    assert [path.name for path in made] == names
    assert host.index.requests == []
    succeed("unpack", *made, "--into", host.mirror)
    shown = read_json(succeed("verify", made[0], "--mirror", host.mirror, "--json"))
    assert shown["volumes"][0]["sequence"] == 1


def test_old_and_new_volumes_together_are_whole(host: Site) -> None:
    made = again(host, "--volume-size", "800kB")
    assert len(made) > 1
    old = volumes(host.out)
    first = bundle("unpack", old[0], "--into", host.mirror)
    assert first.exit_code == 5
    assert "volume 2 of" in first.stderr
    succeed("unpack", *old[1:-1], made[-1], made[-2], "--into", host.mirror)


def test_only_the_last_sequence(host: Site) -> None:
    first = volumes(host.out)
    host.index.add(*build_wheel("app", "2.0"))
    host.create()
    result = bundle("revolume", *first, "-o", host.folder / "again", *host.home)
    assert result.exit_code == 4
    assert "is sequence 1 of test; only the last one, 2, can be packed again" in result.stderr
    assert not (host.folder / "again").exists()


def test_a_delta_stays_one(host: Site) -> None:
    host.index.add(*build_wheel("lib", "1.7"))
    assert host.create("--since", "1", "--upgrade").exit_code == 0
    delta = [path for path in volumes(host.out) if "since" in path.name]
    out = host.folder / "again"
    mixed = bundle("revolume", *delta, volumes(host.out)[0], "-o", out, *host.home)
    assert mixed.exit_code == 4
    succeed("revolume", *delta, "--plain", "-o", out, *host.home)
    assert [path.name for path in volumes(out)] == ["test-000002.since-000001.v01.tar"]
    succeed(
        "unpack", *[p for p in volumes(host.out) if "since" not in p.name], "--into", host.mirror
    )
    succeed("unpack", *volumes(out), "--into", host.mirror)


def test_what_is_no_volume(host: Site) -> None:
    result = bundle("revolume", host.profile, "-o", host.folder / "again", *host.home)
    assert result.exit_code == 4
    assert "is not a bundle volume" in result.stderr


def test_what_is_no_folder_is_seen_before_anything_is_read(host: Site, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = bundle("revolume", *volumes(host.out), "-o", tmp_path / "file", *host.home)
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: {tmp_path / 'file'} is not a folder\nhint: give a folder with -o\n"
    )


def test_a_damaged_volume(host: Site) -> None:
    path = volumes(host.out)[1]
    shutil.rmtree(host.folder / "home" / "cache")
    data = bytearray(path.read_bytes())
    data[-2000] ^= 1
    path.write_bytes(bytes(data))
    result = bundle("revolume", *volumes(host.out), "-o", host.folder / "again", *host.home)
    assert result.exit_code == 4
    assert "its bytes are not those that were signed" in result.stderr


def test_options_that_do_not_go_together(host: Site) -> None:
    for words, reason in (
        (("--plain", "--as-files"), "give one of --plain and --as-files"),
        (("--as-files", "--parity", "1"), "a folder of files is one volume"),
        (("--volume-size", "4.7GiB"), "give a medium"),
    ):
        result = bundle("revolume", *volumes(host.out), "-o", host.folder / "x", *words, *host.home)
        assert result.exit_code == 2
        assert reason in " ".join(result.stderr.split())
