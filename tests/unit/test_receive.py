from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bundler import packable, packing, receive
from bundler.archive.head import encode_head
from bundler.archive.store import BlobStore
from bundler.archive.wanted import Wanted
from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.events import ignore
from bundler.mirror.generations import Generation, Shown, live
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob
from bundler.receive import Inside, unpack, verify
from bundler.trust.attest import Attestor
from tests.fakes.command import bundle, site, succeed
from tests.fakes.journals import OPERATOR
from tests.fakes.trust import digest
from tests.fakes.volumes import read_volume_head
from tests.fakes.wheels import build_wheel


def test_any_folder_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(
        DamagedError, match=r"it is a folder without a readable head\.tar"
    ) as caught:
        read_volume_head(tmp_path)
    assert caught.value.hint is not None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="none: no such file or directory"):
        read_volume_head(tmp_path / "none")


def test_a_head_without_an_index_names_no_stream(tmp_path: Path) -> None:
    volume = tmp_path / "x.tar.zst"
    volume.write_bytes(encode_head({"manifest.json": b"{}"}, 1 << 16))
    with pytest.raises(DamagedError, match="has no index"):
        verify([volume], Mirror.create(tmp_path / "mirror"), pipe=BytesIO(), observe=ignore)


def test_what_is_live_is_never_older_than_it_was(tmp_path: Path) -> None:
    """Also where the gate's memory was lost, as when the folder of its state was restored."""
    with site(tmp_path) as host:
        host.create()
        succeed("unpack", host.volume(), "--into", host.mirror)
        mirror = Mirror.open(host.mirror)
        generation = live(mirror)
        assert generation is not None
        newer = replace(
            generation, streams={"test": Shown(9, Blob(digest(b"another manifest"), 1))}
        )
        assert isinstance(newer, Generation)
        record = mirror.generations / "000001" / "generation.json"
        record.write_bytes(newer.to_bytes())
        with pytest.raises(TrustError, match="sequence 1 is older than 9, which was"):
            unpack(
                [host.volume()],
                mirror,
                Inside(make_judge=_no_judge, operator=OPERATOR, observe=ignore),
            )


def _no_judge(_root: bytes, _profile: bytes) -> Attestor:
    raise AssertionError("there is nothing to judge")


def test_the_mirror_is_held_against_a_second_command(tmp_path: Path) -> None:
    with site(tmp_path) as host:
        host.create()
        with Mirror.open(host.mirror).locked():
            result = bundle("unpack", host.volume(), "--into", host.mirror)
    assert result.exit_code == 1
    assert f"another bundle command is using {host.mirror}" in result.stderr


def test_the_packing_host_cannot_bring_in_other_blobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packable.releases

    def with_another(*arguments: Any) -> Iterator[Wanted]:
        yield from real(*arguments)
        evil = BlobStore(tmp_path / "home" / "cache").put(b"MZ evil")
        yield Wanted(label="evil 1.0", blobs=(evil,))

    monkeypatch.setattr(packing, "releases", with_another)
    with site(tmp_path) as host:
        assert host.create().exit_code == 0
        result = bundle("unpack", host.volume(), "--into", host.mirror)
    assert result.exit_code == 4
    assert f"the volume brings {digest(b'MZ evil')} (evil 1.0), which the manifest" in result.stderr
    assert not Mirror.open(host.mirror).store.has(Blob(digest(b"MZ evil"), 7))
    assert not (host.mirror / "simple").exists()


def test_a_blob_that_is_brought_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = packable.releases

    def doubled(*arguments: Any) -> Iterator[Wanted]:
        found = list(real(*arguments))
        yield from [*found, found[-1]]

    monkeypatch.setattr(packing, "releases", doubled)
    with site(tmp_path) as host:
        assert host.create().exit_code == 0
        result = bundle("unpack", host.volume(), "--into", host.mirror)
    assert result.exit_code == 4
    assert "the volume brings a blob twice (lib 1.0)" in result.stderr


def test_wheels_without_their_documents_are_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "documents", lambda *_words: None)
    with site(tmp_path) as host:
        assert host.create().exit_code == 0
        result = bundle("unpack", host.volume(), "--into", host.mirror)
    assert result.exit_code == 5


def test_one_sequence_never_has_two_contents_even_after_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash is between going live and remembering it."""
    with site(tmp_path) as host:
        host.create()
        streams = host.folder / "home" / "streams" / "test"
        monkeypatch.setattr(receive, "commit", interrupted)
        assert bundle("unpack", host.volume(), "--into", host.mirror).exit_code == 130
        monkeypatch.undo()
        for role in ("targets", "packing", "snapshot", "timestamp"):
            (streams / f"{role}.json").unlink()
        host.index.add(*build_wheel("app", "2.0"))
        shutil.rmtree(host.out)
        host.create()
        result = bundle("unpack", host.volume(), "--into", host.mirror)
    assert result.exit_code == 4
    assert "sequence 1 was accepted before with other content" in result.stderr


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_roots_are_remembered_before_anything_can_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a key that was replaced would count again until some bundle goes live."""
    seen: list[Path] = []
    monkeypatch.setattr(receive, "remember_roots", lambda _admission, trust: seen.append(trust))
    monkeypatch.setattr(receive, "unpack_volume", interrupted)
    with site(tmp_path) as host:
        host.create()
        assert bundle("unpack", host.volume(), "--into", host.mirror).exit_code == 130
    assert seen == [Mirror.open(host.mirror).trust]
