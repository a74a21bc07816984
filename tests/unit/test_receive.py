from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bundler.archive.head import encode_head
from bundler.errors import BundlerError, DamagedError, TrustError
from bundler.events import ignore
from bundler.mirror.generations import Generation, Shown, live
from bundler.mirror.layout import Mirror
from bundler.model.artifact import Blob
from bundler.receive import read_volume_head, unpack, verify
from tests.fakes.command import bundle, site, succeed
from tests.fakes.trust import digest


def test_a_folder_is_no_volume(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="is a folder") as caught:
        read_volume_head(tmp_path)
    assert caught.value.hint == "give the volume's file: NAME.tar.zst"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="none: no such file or directory"):
        read_volume_head(tmp_path / "none")


def test_a_head_without_an_index_names_no_stream(tmp_path: Path) -> None:
    volume = tmp_path / "x.tar.zst"
    volume.write_bytes(encode_head({"manifest.json": b"{}"}, 1 << 16))
    with pytest.raises(DamagedError, match="has no index"):
        verify(volume, Mirror.create(tmp_path / "mirror"), observe=ignore)


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
        with pytest.raises(TrustError, match="sequence 1 is older than sequence 9, which is live"):
            unpack(host.volume(), mirror, observe=ignore)


def test_the_mirror_is_held_against_a_second_command(tmp_path: Path) -> None:
    with site(tmp_path) as host:
        host.create()
        with Mirror.open(host.mirror).locked():
            result = bundle("unpack", host.volume(), "--into", host.mirror)
    assert result.exit_code == 1
    assert f"another bundle command is using {host.mirror}" in result.stderr
