"""`bundle create` and the shapes of what it makes, through the real command."""

from __future__ import annotations

import random
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bundler.errors import BundlerError
from bundler.model.volume import VolumeIndex, is_index_name
from bundler.model.volume_set import VolumeSet, is_set_name
from bundler.packing import sweep
from bundler.report.text import short_digest
from tests.fakes.command import Site, read_json, site, succeed
from tests.fakes.volumes import read_volume_head
from tests.fakes.wheels import build_wheel

SIZE = 600_000


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Site]:
    """Its wheel `big` fits into no volume of `SIZE`."""
    noise = random.Random(0).randbytes(900_000)  # noqa: S311 - so that nothing is compressed
    with site(tmp_path / "site") as made:
        made.index.add(*build_wheel("big", "1.0", files={"big/noise": noise}))
        made.write_profile(["app", "big"])
        yield made


def create(host: Site, *options: str) -> list[Path]:
    made = succeed("create", host.profile, "-o", host.out, *host.home, *options, "--json")
    return [Path(name) for name in read_json(made)["volumes"]]


def entries(volume: Path) -> dict[str, bytes]:
    return dict(read_volume_head(volume).entries)


def index_of(volume: Path) -> VolumeIndex:
    found = entries(volume)
    (name,) = filter(is_index_name, found)
    return VolumeIndex.from_bytes(found[name])


def set_of(volume: Path) -> VolumeSet:
    found = entries(volume)
    (name,) = filter(is_set_name, found)
    return VolumeSet.from_bytes(found[name])


def behind_the_head(volume: Path) -> bytes:
    return volume.read_bytes()[next(index_of(volume).frames()).offset :]


def test_volumes_of_a_size(host: Site) -> None:
    volumes = create(host, "--volume-size", "600kB")
    assert [path.name for path in volumes] == [f"test-000001.v0{n}.tar.zst" for n in (1, 2, 3)]
    described = set_of(volumes[0])
    assert described.kind == "full"
    indexes = [index_of(volume) for volume in volumes]
    for path, index, summary in zip(volumes, indexes, described.volumes, strict=True):
        assert set_of(path) == described
        assert path.stat().st_size == index.size == summary.size <= SIZE
        assert index.segments[0].label == "documents"
    assert indexes[0].segments[0] == replace(
        indexes[1].segments[0], frames=indexes[0].segments[0].frames
    )
    assert [each.projects for each in described.volumes] == [
        ("app", "big"),
        ("big",),
        ("big", "lib"),
    ]
    assert sum(len(index.slices) for index in indexes) == 3
    assert sorted(path.name for path in host.out.iterdir()) == sorted(
        [
            *(path.name for path in volumes),
            "test-000001.labels.html",
            "test-000001.locks",
            "verify.py",
        ]
    )
    sheet = (host.out / "test-000001.labels.html").read_text()
    for index in indexes:
        assert f"volume {index.volume} of 3" in sheet
        assert short_digest(index.to_bytes()) in sheet
        assert (
            short_digest(index.to_bytes()) in succeed("inspect", volumes[index.volume - 1]).stdout
        )
    succeed("unpack", *reversed(volumes), "--into", host.mirror)


def test_a_plain_tar(host: Site) -> None:
    (volume,) = create(host, "--plain")
    assert volume.name == "test-000001.v01.tar"
    with tarfile.open(volume, "r:") as tar:
        names = tar.getnames()
    blobs = [blob for segment in index_of(volume).segments for blob in segment.blobs]
    assert names == ["head.tar", *(f"blobs/sha256/{blob.sha256}" for blob in blobs)]
    succeed("unpack", volume, "--into", host.mirror)


def test_a_folder_of_files(host: Site) -> None:
    (volume,) = create(host, "--as-files")
    assert volume.name == "test-000001.v01"
    found = {str(path.relative_to(volume)) for path in volume.rglob("*") if path.is_file()}
    assert found == {
        "end",
        "head.tar",
        "documents/profile.toml",
        "documents/pylock.test-cp312-x86_64-manylinux_2_28.toml",
        "documents/pylock.test-cp312-x86_64-pc-windows-msvc.toml",
        "documents/project.app.json",
        "documents/project.big.json",
        "documents/project.lib.json",
        "files/app-1.0-py3-none-any.whl",
        "files/big-1.0-py3-none-any.whl",
        "files/lib-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
        "files/lib-1.0-cp312-cp312-win_amd64.whl",
    }
    succeed("unpack", volume, "--into", host.mirror)


@pytest.mark.parametrize(
    "options", [[], ["--volume-size", "600kB"], ["--plain"], ["--plain", "--volume-size", "0.6MB"]]
)
def test_one_lock_makes_the_same_bytes(host: Site, options: list[str]) -> None:
    """But for the heads: the second bundle has another sequence, and signatures of its own."""
    first, second = create(host, *options), create(host, *options)
    assert [path.name.replace("000001", "000002") for path in first] == [p.name for p in second]
    for one, two in zip(first, second, strict=True):
        assert behind_the_head(one) == behind_the_head(two)
        assert one.stat().st_size == two.stat().st_size


def test_one_lock_makes_the_same_files(host: Site) -> None:
    (one,), (two,) = create(host, "--as-files"), create(host, "--as-files")
    names = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert len(names) == 12
    for name in names:
        assert name.name == "head.tar" or (one / name).read_bytes() == (two / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--volume-size", "100kB"], "a volume of 100000 bytes is too small: its head and the"),
        (["--volume-size", "4 apples"], "give a medium (cd, dvd,"),
        (["--plain", "--as-files"], "give one of --plain and --as-files"),
        (["--as-files", "--volume-size", "cd"], "a folder of files is one volume"),
    ],
)
def test_what_cannot_be_made(host: Site, options: list[str], said: str) -> None:
    result = host.create(*options)
    assert result.exit_code == (2 if "too small" not in said else 1)
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert not host.out.exists() or list(host.out.iterdir()) == []
    # Nothing was signed: the next one is the first.
    assert [path.name for path in create(host)] == ["test-000001.v01.tar.zst"]


def test_a_name_that_is_taken_is_kept(host: Site) -> None:
    host.out.mkdir()
    taken = host.out / "test-000001.v02.tar.zst"
    taken.write_bytes(b"precious")
    result = host.create("--volume-size", "600kB")
    assert result.exit_code == 1
    assert f"{taken} exists already" in result.stderr
    assert list(host.out.iterdir()) == [taken]
    assert taken.read_bytes() == b"precious"


LEFTOVERS = [
    "test-000007.v01.tar.zst.part",
    "test-000007.v123.tar.part",
    "test-1000007.v01.part",
    "test-000008.since-000007.v02.tar.zst.part",
    "test-000008.again.v02.tar.part",
    ".test-000007.locks.part",
    ".test-000007.verify.part",
    ".test-000007.parity.part",
    ".test-000008.since-000007.locks.part",
    ".test-000008.again.verify.part",
]
KEPT = [
    "test-000007.v01.tar.zst",
    "test-000007.v01.zip.part",
    "test-7.v01.tar.part",
    "other-000007.v01.tar.zst.part",
    "test-000007.v01.tar.zst.part2",
    "test-000008.until-000007.v02.tar.zst.part",
    ".test-000007.other.part",
    "test-000007.locks.part",
    "notes.part",
]


@pytest.mark.parametrize("folders", [(), LEFTOVERS])
def test_what_a_killed_run_has_left_is_removed(tmp_path: Path, folders: list[str]) -> None:
    for name in [*LEFTOVERS, *KEPT]:
        if name in folders:
            (tmp_path / name / "files").mkdir(parents=True)
            (tmp_path / name / "files" / "a.whl").touch()
        else:
            (tmp_path / name).touch()
    sweep(tmp_path, "test")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(KEPT)


def test_nothing_is_swept_from_what_is_no_folder(tmp_path: Path) -> None:
    sweep(tmp_path / "new", "test")
    (tmp_path / "file").touch()
    with pytest.raises(BundlerError, match="file is not a folder") as info:
        sweep(tmp_path / "file", "test")
    assert info.value.hint == "give a folder with -o"
