"""Receipts: what a mirror states, by which key, and what its journal says of it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import zxingcpp

from bundler.errors import BundlerError
from bundler.events import ignore
from bundler.mirror.journal import read_history
from bundler.mirror.layout import Mirror
from bundler.mirror.publish import publish
from bundler.mirror.receipt import issue_receipt
from bundler.model.receipt import MAX_RECEIPT, Live
from bundler.report.qr import LARGEST, qr_text, write_qr
from bundler.trust.keyfiles import generate_key
from bundler.trust.keys import fingerprint
from bundler.trust.receipt import open_receipt
from tests.fakes.command import Site, bundle, read_json, site, succeed
from tests.fakes.journals import OPERATOR
from tests.fakes.mirrors import deliver
from tests.fakes.wheels import build_wheel


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """With two streams."""
    made = Mirror.create(tmp_path / "mirror")
    for stream, sequence in (("web", 7), ("ops", 3)):
        publish(
            made, deliver(made, [build_wheel("a", "1.0")], stream=stream, sequence=sequence), ignore
        )
    return made


def digests(mirror: Mirror) -> dict[str, Live]:
    return dict(issue_receipt(mirror, OPERATOR).receipt.streams)


def test_a_receipt_states_what_is_live(mirror: Mirror, tmp_path: Path) -> None:
    issued = issue_receipt(mirror, OPERATOR)
    path = tmp_path / "receipt.json"
    path.write_bytes(issued.data + b"\r\n")
    receipt, key = open_receipt(path)
    assert receipt == issued.receipt
    assert key.keyid == issued.key.keyid
    assert receipt.created == "2026-01-31T12:00:00Z"
    assert {name: live.sequence for name, live in receipt.streams.items()} == {"ops": 3, "web": 7}
    assert len(issued.data) < 900


def test_the_key_is_made_once_and_for_its_owner_only(mirror: Mirror) -> None:
    first = issue_receipt(mirror, OPERATOR)
    assert stat.S_IMODE(mirror.receipt_key.stat().st_mode) == 0o600
    second = issue_receipt(mirror, OPERATOR)
    assert first.key == second.key
    assert first.data == second.data
    assert first.key.keytype == "ed25519"


def test_the_journal_says_what_was_stated(mirror: Mirror) -> None:
    issued = issue_receipt(mirror, OPERATOR, ["web"])
    (entry,) = read_history(mirror).entries
    assert (entry.phase, entry.result, entry.operator) == ("receipt", "ok", "olga")
    assert entry.note == "stated as live: web 7"
    assert entry.about.key == fingerprint(issued.key)


def test_of_one_stream_only(mirror: Mirror) -> None:
    assert list(issue_receipt(mirror, OPERATOR, ["web"]).receipt.streams) == ["web"]
    with pytest.raises(BundlerError, match="nothing of the stream none is live in") as caught:
        issue_receipt(mirror, OPERATOR, ["web", "none"])
    assert caught.value.hint == "live are: ops, web"


def test_an_empty_mirror_has_no_receipt(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path / "mirror")
    with pytest.raises(BundlerError, match="nothing is live in"):
        issue_receipt(mirror, OPERATOR)
    assert not mirror.receipt_key.exists()


@pytest.mark.parametrize("kind", ["ecdsa", "hybrid"])
def test_a_key_that_somebody_put_there(mirror: Mirror, tmp_path: Path, kind: str) -> None:
    pair = generate_key(tmp_path / "keys", "k", kind)  # type: ignore[arg-type] # parametrized
    pair.private.rename(mirror.receipt_key)
    with pytest.raises(BundlerError, match=r"receipt\.key is not the key that this program made"):
        issue_receipt(mirror, OPERATOR)


def test_a_key_with_a_passphrase(mirror: Mirror, tmp_path: Path) -> None:
    pair = generate_key(tmp_path / "keys", "k", "ed25519", "secret")
    pair.private.rename(mirror.receipt_key)
    with pytest.raises(BundlerError, match=r"nobody gave a passphrase of .*receipt\.key"):
        issue_receipt(mirror, OPERATOR)


def test_too_many_streams(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path / "mirror")
    names = [f"stream-{number:02}" for number in range(30)]
    for name in names:
        publish(mirror, deliver(mirror, [build_wheel("a", "1.0")], stream=name), ignore)
    with pytest.raises(BundlerError, match=f"{MAX_RECEIPT} at most") as caught:
        issue_receipt(mirror, OPERATOR)
    assert "--stream NAME" in str(caught.value.hint)
    assert len(issue_receipt(mirror, OPERATOR, names[:20]).data) <= MAX_RECEIPT


# As a QR code


def read_code(rows: list[list[int]]) -> bytes:
    """What a camera reads: dark modules are 1."""
    pixels = bytes(0 if module else 255 for row in rows for module in row for _ in range(1))
    image = memoryview(pixels).cast("B", [len(rows), len(rows[0])])
    (found,) = zxingcpp.read_barcodes(image)
    return bytes(found.bytes)


def modules(text: str) -> list[list[int]]:
    """Four pixels wide for each module of the text."""
    rows: list[list[int]] = []
    for line in text.splitlines():
        for half in (0, 1):
            dark = [int(char in {" ", "▀▄"[1 - half]}) for char in line]
            rows += [[pixel for module in dark for pixel in [module] * 4]] * 4
    return rows


def test_the_code_holds_the_whole_receipt(mirror: Mirror, tmp_path: Path) -> None:
    data = issue_receipt(mirror, OPERATOR).data
    text = qr_text(data)
    assert set(text) <= set("█▀▄ \n")
    assert read_code(modules(text)) == data
    path = tmp_path / "receipt.png"
    write_qr(data, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    write_qr(data, tmp_path / "receipt.svg")
    assert b"<svg" in (tmp_path / "receipt.svg").read_bytes()


def test_what_does_not_fit_into_a_code(tmp_path: Path) -> None:
    assert len(qr_text(b"x" * LARGEST).splitlines()) == 93
    with pytest.raises(
        BundlerError, match="2954 bytes do not fit into a QR code, which holds 2953"
    ):
        qr_text(b"x" * (LARGEST + 1))
    with pytest.raises(BundlerError, match="cannot be written: No such file"):
        write_qr(b"x", tmp_path / "none" / "x.svg")


# The command


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as made:
        assert made.create().exit_code == 0
        succeed("unpack", made.volume(), "--into", made.mirror)
        yield made


def test_the_command(finished: Site, tmp_path: Path) -> None:
    path, picture = tmp_path / "receipt.json", tmp_path / "receipt.svg"
    text = succeed("receipt", finished.mirror, "-o", path, "--qr", "--qr-file", picture).stdout
    receipt, key = open_receipt(path)
    live = receipt.streams["test"]
    assert text.splitlines()[-4:] == [
        f"{path}: {path.stat().st_size} bytes",
        f"  test sequence 1, manifest {live.manifest[:16]}…",
        f"signed by the mirror key {fingerprint(key)}",
        "outside: bundle create PROFILE --since receipt.json -o DIR",
    ]
    assert read_code(modules("\n".join(text.splitlines()[:-4]))) == path.read_bytes()
    assert picture.exists()
    assert "█" in succeed("receipt", finished.mirror, "-o", path, "--qr").stdout
    assert succeed("receipt", finished.mirror, "-o", path).stdout.startswith(f"{path}: ")
    said = read_json(succeed("receipt", finished.mirror, "-o", path, "--json"))
    assert said == {
        "receipt": str(path),
        "size": path.stat().st_size,
        "key": fingerprint(key),
        "created": said["created"],
        "streams": {"test": {"sequence": 1, "manifest": live.manifest}},
    }


def test_only_an_older_receipt_is_replaced(finished: Site, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("precious")
    result = bundle("receipt", finished.mirror, "-o", path)
    assert result.exit_code == 1
    assert f"{path} exists and is something else" in result.stderr
    assert path.read_text() == "precious"


def test_a_picture_of_another_kind(finished: Site, tmp_path: Path) -> None:
    words = ("receipt", finished.mirror, "-o", tmp_path / "r.json", "--qr-file", tmp_path / "r.gif")
    result = bundle(*words)
    assert result.exit_code == 2
    assert "--qr-file" in result.stderr
    assert list(tmp_path.iterdir()) == []
