from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.errors import BundlerError
from bundler.mirror.credentials import Credentials

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TOKEN = "0f" * 32
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()
SLOW = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
ARGON = argon2.PasswordHasher(1, 64, 1).hash("correct:horse")


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "names"
    path.write_text(
        f"# who may read\n\nann:{SLOW.replace('$2b$', '$2y$')}\nbob:{ARGON}\n"
        f"ci:{{SHA256}}{DIGEST}:2026-11-21\nann:{{SHA256}}{'0' * 64}\n"
    )
    return path


@pytest.fixture
def credentials(file: Path) -> Credentials:
    return Credentials.read(file, b"secret")


def test_names_and_passwords(credentials: Credentials) -> None:
    assert list(credentials.users()) == ["ann", "bob", "ci"]
    assert credentials.verify(basic("ann", "right"), NOW) == "ann"
    assert credentials.verify(basic("bob", "correct:horse"), NOW) == "bob"
    assert credentials.verify("bAsIc  " + basic("ann", "right")[6:], NOW) == "ann"
    for name, password in [
        ("ann", "wrong"), ("ann", ""), ("bob", "right"), ("", "right"), ("eve", "right"),
        ("ann", "right\0"), ("ann", "right" + "x" * 80), ("bob", "correct"),
    ]:  # fmt: skip
        assert credentials.verify(basic(name, password), NOW) is None


def test_what_bcrypt_would_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text("ann:" + bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode())
    credentials = Credentials.read(path, b"")
    assert credentials.verify(basic("ann", "x" * 72), NOW) == "ann"
    assert credentials.verify(basic("ann", "x" * 73), NOW) is None


def test_a_right_password_is_remembered_for_a_while(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = basic("ann", "right")
    assert credentials.known(sent, NOW) is None
    assert credentials.verify(sent, NOW) == "ann"

    def never(_password: bytes, _hashed: bytes) -> bool:
        raise AssertionError

    monkeypatch.setattr(bcrypt, "checkpw", never)
    assert credentials.known(sent, NOW) == "ann"
    assert credentials.verify(sent, NOW + timedelta(seconds=299)) == "ann"
    assert credentials.known(sent, NOW + timedelta(seconds=301)) is None
    assert credentials.known(basic("ann", "wrong"), NOW) is None
    # Neither name nor password is in what is remembered.
    assert b"right" not in repr(credentials._verified).encode()


def test_what_is_remembered_is_bounded(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundler.mirror.credentials._MAX_REMEMBERED", 1)
    assert credentials.verify(basic("ann", "right"), NOW) == "ann"
    assert credentials.verify(basic("bob", "correct:horse"), NOW) == "bob"
    assert len(credentials._verified) == 1


def test_tokens(credentials: Credentials) -> None:
    for sent in (f"Bearer {TOKEN}", basic("ci", TOKEN), basic("__token__", TOKEN)):
        assert credentials.known(sent, NOW) == "ci"
    assert credentials.known(basic("ann", TOKEN), NOW) is None
    assert credentials.verify("Bearer " + "1" * 64, NOW) is None
    later = NOW + timedelta(days=1)
    assert credentials.known(f"Bearer {TOKEN}", later) is None
    assert credentials.verify(basic("ci", TOKEN), later) is None


def test_tokens_alone(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text(f"ci:{{SHA256}}{DIGEST}\n")
    credentials = Credentials.read(path, b"")
    assert credentials.known(f"Bearer {TOKEN}", NOW + timedelta(days=9999)) == "ci"
    assert credentials.verify(basic("ci", "x"), NOW) is None


@pytest.mark.parametrize(
    "sent",
    [
        None, "", "Basic", "Basic !!!", "Basic Og", "Basic " + base64.b64encode(b"ann").decode(),
        "Basic " + base64.b64encode(b"\xff:x").decode(), "Bearer \xe9", "Digest x", "x" * 2000,
    ],
)  # fmt: skip
def test_what_nobody_sends(credentials: Credentials, sent: str | None) -> None:
    assert credentials.verify(sent, NOW) is None


@given(st.text())
def test_no_header_breaks_it(text: str) -> None:
    credentials = Credentials({}, {}, b"")
    for sent in (
        text,
        f"Basic {text}",
        f"Bearer {text}",
        basic("a", text) if text.isascii() else "",
    ):
        assert credentials.verify(sent, NOW) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ann", r"names:1: the hash of ann is of a kind that is not taken"),
        (":secret", r"names:1: not a name that a client could send"),
        ("a b:secret", r"names:1: not a name that a client could send"),
        ("ann:$apr1$zz$abcdefghijklmnopqrstu.", "not taken, or far too slow"),
        ("ann:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=", "not taken, or far too slow"),
        ("ann:plain", "not taken, or far too slow"),
        (f"ann:{SLOW.replace('$04$', '$31$')}", "not taken, or far too slow"),
        (f"ann:{ARGON.replace('m=64', 'm=99999999')}", "not taken, or far too slow"),
        (f"ann:{ARGON.replace('p=1', 'p=9999')}", "not taken, or far too slow"),
        (f"ann:{{SHA256}}{DIGEST}:2026-02-31", "names:1: 2026-02-31 is no date"),
        (f"ann:{{SHA256}}{DIGEST[1:]}", "not taken, or far too slow"),
        ("# nobody", "names names nobody"),
    ],
)
def test_lines_that_are_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "names"
    path.write_text(f"{line}\n")
    with pytest.raises(BundlerError, match=message) as caught:
        Credentials.read(path, b"")
    assert "a line is NAME:HASH" in (caught.value.hint or "")
    assert line.partition(":")[2] not in str(caught.value) or not line.partition(":")[2]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="cannot read the file of names"):
        Credentials.read(tmp_path / "absent", b"")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(BundlerError, match="cannot read the file of names"):
        Credentials.read(tmp_path / "binary", b"")


def test_a_broken_hash_matches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text(f"bob:{ARGON[:-3]}!!!\n")
    assert Credentials.read(path, b"").verify(basic("bob", "correct:horse"), NOW) is None
