"""The commands of docs/verify-by-hand.md, as they stand there, on good volumes and bad ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner

from tests.fakes.command import site
from tests.fakes.documents import ROOT, blocks, section
from tests.fakes.forgery import MANIFEST, Forgery, make_volume
from tests.fakes.trust import digest, make_stream

TOOLS = ("zstd", "tar", "jq", "openssl", "basenc", "sha256sum", "dd", "od")
PAGE = (ROOT / "docs" / "verify-by-hand.md").read_text()

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"
)


def by_hand(volume: Path, root: Path, folder: Path) -> list[str]:
    """Every line that the commands print, on either stream."""
    folder.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", "".join(blocks(section(PAGE, "With stock tools"), "sh"))],
        cwd=folder,
        env={**os.environ, "V": str(volume), "R": str(root), "LC_ALL": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.splitlines()


def counted(lines: list[str]) -> dict[str, str]:
    """Role, and what was counted for it."""
    return {
        role: words for role, _, words in (line.partition(": ") for line in lines)
        if words.endswith(" needed")
    }  # fmt: skip


def test_a_bundle(tmp_path: Path) -> None:
    with site(tmp_path) as host:
        assert host.create().exit_code == 0
        lines = by_hand(host.volume(), host.root, tmp_path / "work")
    assert lines[0] == " 50 2a 4d 18"
    roles = ["root", "timestamp", "snapshot", "targets", "packing"]
    assert counted(lines) == dict.fromkeys(roles, "1 signatures, 1 needed")
    assert lines.count("test sequence 1") == 3
    assert [line for line in lines if "FAILED" in line] == []
    # Frames: documents, two releases, what is inside of wheels if anything, and the tail.
    assert lines.count("frame: OK") >= 4
    for name in ("manifest.json", "metadata/snapshot.json", "transport/test-000001.v01.json"):
        assert f"{name}: OK" in lines
    assert lines[-1] == lines[-2] == str(host.volume().stat().st_size)


def test_keys_on_curves_and_a_second_root(tmp_path: Path) -> None:
    officers = [CryptoSigner(ec.generate_private_key(ec.SECP256R1()))]
    officers += [CryptoSigner(ec.generate_private_key(ec.SECP384R1()))]
    packer = CryptoSigner.generate_ed25519()
    stream = make_stream(tmp_path, signers=officers, threshold=2, packing=packer)
    root = tmp_path / "root.json"
    root.write_bytes(stream.root)
    forged = Forgery.of(make_volume(tmp_path / "volume", stream))
    forged.sign("2.root", {**forged.signed("1.root"), "version": 2}, *officers)
    names = [name for name in forged.entries if name.endswith("root.json")]
    forged.replace(
        forged.index_name, {"head": {name: digest(forged.entries[name]) for name in names}}
    )
    forged.seal(packer)
    lines = by_hand(forged.write(tmp_path / "volume"), root, tmp_path / "good")
    assert lines.count("root: 2 signatures, 2 needed") == 3
    assert "targets: 2 signatures, 2 needed" in lines
    assert "metadata/2.root.json: OK" in lines
    assert [line for line in lines if "FAILED" in line] == []
    assert lines[-1] == lines[-2] == str((tmp_path / "volume").stat().st_size)

    forged.seal(packer, officers[0])
    lines = by_hand(forged.write(tmp_path / "one"), root, tmp_path / "bad")
    assert "targets: 1 signatures, 2 needed" in lines

    forged.seal(packer, *officers)
    forged.replace(MANIFEST, {"tool": "another"})
    lines = by_hand(forged.write(tmp_path / "other"), root, tmp_path / "worse")
    assert "manifest.json: FAILED" in lines


def test_a_changed_frame_and_one_byte_more(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    root = tmp_path / "root.json"
    root.write_bytes(stream.root)
    forged = Forgery.of(make_volume(tmp_path / "volume", stream))
    forged.rest = forged.rest[:-9] + b"\1" + forged.rest[-8:] + b"\0"
    lines = by_hand(forged.write(tmp_path / "volume"), root, tmp_path / "work")
    assert "frame: FAILED" in lines
    *_, stated, found = [int(line) for line in lines if line.isdecimal()]
    assert found == stated + 1


def test_a_folder_of_plain_files(tmp_path: Path) -> None:
    files = {"files/a-1-py3-none-any.whl": b"a", "documents/profile.toml": b"p", "end": bytes(1024)}
    folder, head = tmp_path / "web-000001.v01", tmp_path / "transport" / "web-000001.v01.json"
    blobs = {name: digest(data) for name, data in files.items()}
    index = {
        "paths": {sha256: name for name, sha256 in blobs.items() if name != "end"},
        "segments": [{"blobs": [{"sha256": blobs[name]} for name in files if name != "end"]}],
        "tail": {"sha256": blobs["end"]},
    }
    head.parent.mkdir()
    head.write_text(json.dumps(index))
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    subprocess.run(["tar", "-cf", folder / "head.tar", "transport"], cwd=tmp_path, check=True)
    commands = "".join(blocks(section(PAGE, "A folder of plain files"), "sh"))

    def run(name: str) -> list[str]:
        work = tmp_path / name
        work.mkdir()
        done = subprocess.run(
            ["/bin/sh", "-c", commands],
            cwd=work,
            env={**os.environ, "V": str(folder), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.splitlines()

    assert run("good") == [f"{name}: OK" for name in files]
    (folder / "files" / "more").touch()
    (folder / "link").symlink_to("end")
    (folder / "end").write_bytes(b"")
    lines = run("bad")
    assert lines[0] == str(folder / "link")
    assert lines[-2:] == ["end: FAILED", "files/more"]
