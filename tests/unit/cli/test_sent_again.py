"""What did not arrive, from the list inside to the volume that brings it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.model.resend import LostBlob, LostVolume, parse_list
from bundler.records import packings
from bundler.trust.authority import Authority
from tests.fakes.command import Site, bundle, site, succeed
from tests.fakes.wheels import build_wheel


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - so that nothing is compressed


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A sequence in several volumes, over which `big` is spread; nothing is live."""
    with site(tmp_path_factory.mktemp("site")) as made:
        made.index.add(*build_wheel("big", "1.0", files={"big/noise": noise(900_000, 1)}))
        made.index.add(*build_wheel("other", "1.0", files={"other/noise": noise(200_000, 2)}))
        made.write_profile(["app", "big", "other"])
        assert made.create("--volume-size", "600kB").exit_code == 0
        yield made


@pytest.fixture
def host(finished: Site, tmp_path: Path) -> Site:
    shutil.copytree(finished.folder, tmp_path / "site", symlinks=True)
    return Site(tmp_path / "site", finished.index)


def volumes(host: Site) -> list[Path]:
    found = sorted(host.out.glob("test-000001.v*.tar.zst"))
    assert len(found) > 2
    return found


def asked(host: Site, code: int, *given: Path) -> Path:
    path = host.folder / "list.txt"
    result = bundle("unpack", *given, "--into", host.mirror, "--resend-list", path)
    assert result.exit_code == code, result.output
    assert f"note: {path} has " in result.stderr
    assert "outside: bundle create --resend list.txt -o DIR" in result.stderr
    return path


def sent_again(host: Site, path: Path) -> list[Path]:
    out = host.folder / "again"
    succeed("create", "--resend", path, "-o", out, *host.home)
    return sorted(out.glob("*.tar.zst"))


def test_a_lost_volume(host: Site) -> None:
    first, second, *rest = volumes(host)
    path = asked(host, 5, first, *rest)
    (packing,) = packings(Authority.open(host.folder / "home/streams/test"), 1)
    assert parse_list(path.read_text()) == (
        LostVolume(stream="test", sequence=1, volumes=packing.digest[:8], volume=2),
    )
    assert "# test-000001.v02: all of it, with files of big" in path.read_text()
    again = sent_again(host, path)
    assert "test sequence 1 is live" in succeed("unpack", *again, "--into", host.mirror).stdout
    assert second.exists()


def test_a_damaged_volume(host: Site) -> None:
    *others, last = volumes(host)
    data = bytearray(last.read_bytes())
    data[-30_000] ^= 1
    last.write_bytes(data)
    path = asked(host, 4, last, *others)
    ((lost),) = parse_list(path.read_text())
    assert isinstance(lost, LostVolume)
    assert lost.volume == len(others) + 1
    assert len(lost.segments) == 1
    again = sent_again(host, path)
    assert "test sequence 1 is live" in succeed("unpack", *again, "--into", host.mirror).stdout
    assert sum(each.stat().st_size for each in again) < sum(
        each.stat().st_size for each in (last, *others)
    )


def test_what_a_delta_of_another_base_lacks(host: Site) -> None:
    succeed("unpack", *volumes(host), "--into", host.mirror)
    host.index.add(*build_wheel("other", "2.0", files={"other/noise": noise(200_000, 3)}))
    assert host.create().exit_code == 0
    host.index.add(*build_wheel("app", "2.0", requires=["lib>=1"]))
    assert host.create("--since", "2").exit_code == 0
    delta = host.out / "test-000003.since-000002.v01.tar.zst"
    path = asked(host, 5, delta)
    found = parse_list(path.read_text())
    assert [type(lost) for lost in found] == [LostBlob]
    # Nobody over there can know what it names; its files come along.
    assert "# the document of other\n" in path.read_text()
    again = sent_again(host, path)
    assert "test sequence 3 is live" in succeed("unpack", *again, "--into", host.mirror).stdout


def test_nothing_is_written_where_nothing_is_missing(host: Site) -> None:
    path = host.folder / "list.txt"
    succeed("unpack", *volumes(host), "--into", host.mirror, "--resend-list", path)
    assert not path.exists()
    result = bundle("unpack", host.profile, "--into", host.mirror, "--resend-list", path)
    assert result.exit_code == 4
    assert not path.exists()


def test_only_an_older_list_is_replaced(host: Site) -> None:
    path = host.folder / "precious"
    path.write_text("precious")
    words = ("unpack", volumes(host)[0], "--into", host.mirror, "--resend-list")
    result = bundle(*words, path)
    assert result.exit_code == 1
    assert f"{path} exists and is something else" in result.stderr
    assert path.read_text() == "precious"
    again = bundle(*words, host.folder / "list.txt")
    assert again.exit_code == 5
    assert bundle(*words, host.folder / "list.txt").exit_code == 5


def test_bad_lists_are_found_before_anything_is_packed(host: Site) -> None:
    first, *_ = volumes(host)
    path = asked(host, 5, first)
    path.write_text(path.read_text().replace("\ntest 1 ", "\ntest 2 "))
    result = bundle("create", "--resend", path, "-o", host.folder / "again", *host.home)
    assert result.exit_code == 4
    assert "was mistyped" in result.stderr
    assert not (host.folder / "again").exists()
