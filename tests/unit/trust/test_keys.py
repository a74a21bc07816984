from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from securesystemslib.exceptions import UnverifiedSignatureError

from bundler.errors import BundlerError, TrustError
from bundler.trust.keys import KeyKind, fingerprint, generate_key, load_signer, load_signers


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "ml-dsa"])
def test_a_generated_key_signs_and_verifies(tmp_path: Path, kind: KeyKind) -> None:
    pair = generate_key(tmp_path / "keys", "officer-1", kind)
    signer = load_signer("officer-1", tmp_path / "keys")
    signature = signer.sign(b"what is signed")
    signer.public_key.verify_signature(signature, b"what is signed")
    with pytest.raises(UnverifiedSignatureError):
        signer.public_key.verify_signature(signature, b"something else")
    assert signer.public_key.keytype == {"ml-dsa": "ml-dsa"}.get(kind, kind)
    assert pair.fingerprint == fingerprint(signer.public_key)
    assert pair.public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")


def test_only_the_owner_may_read_the_private_key(tmp_path: Path) -> None:
    pair = generate_key(tmp_path / "keys", "me", "ed25519")
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    assert stat.S_IMODE(pair.public.stat().st_mode) & 0o600 == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_fingerprint_is_short_and_stable(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "me", "ed25519")
    keyid = load_signer("me", tmp_path).public_key.keyid
    assert pair.fingerprint.replace(" ", "") == keyid[:16]
    assert [len(group) for group in pair.fingerprint.split(" ")] == [4, 4, 4, 4]


@pytest.mark.parametrize("taken", ["me.key", "me.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_bytes(b"precious")
    with pytest.raises(BundlerError, match="the name me exists already") as caught:
        generate_key(tmp_path, "me", "ed25519")
    assert "never overwritten" in str(caught.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_bytes() == b"precious"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BundlerError, match="the key me cannot be written to"):
        generate_key(tmp_path / "file" / "keys", "me", "ed25519")


def test_an_interrupted_key_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def interrupted(path: Path, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith(".pub"):
            raise KeyboardInterrupt
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate_key(tmp_path, "me", "ed25519")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "../me", "a/b", "-rf", "me.key", "mé", "x" * 65, "a b"])
def test_odd_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundlerError, match="is no name for a key"):
        generate_key(tmp_path / "keys", name, "ed25519")
    assert not (tmp_path / "keys").exists()


def test_a_key_is_found_by_its_path(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "me", "ecdsa")
    signer = load_signer(str(pair.private), Path("/nowhere"))
    assert fingerprint(signer.public_key) == pair.fingerprint


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="there is no key 'me'") as caught:
        load_signer("me", tmp_path)
    assert "bundle keygen me" in str(caught.value.hint)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    pair = generate_key(tmp_path, "me", "ed25519")
    pair.private.chmod(mode)
    with pytest.raises(TrustError, match=f"mode {mode:04o}") as caught:
        load_signer("me", tmp_path)
    assert caught.value.hint == f"run: chmod 600 {pair.private}"


def test_a_folder_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "me.key").mkdir(mode=0o700)
    with pytest.raises(BundlerError, match=r"me\.key cannot be read: Is a directory"):
        load_signer("me", tmp_path)


def _write_private(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)


def test_a_file_that_is_no_private_key(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "me", "ed25519")
    _write_private(tmp_path / "public.key", pair.public.read_bytes())
    _write_private(tmp_path / "text.key", b"hello")
    for name in ("public", "text"):
        with pytest.raises(BundlerError, match=rf"{name}\.key is not a private key") as caught:
            load_signer(name, tmp_path)
        assert "PKCS#8" in str(caught.value.hint)


def test_a_key_of_a_kind_that_cannot_sign(tmp_path: Path) -> None:
    pem = X25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    _write_private(tmp_path / "x.key", pem)
    with pytest.raises(BundlerError, match="is not a private key that can sign here"):
        load_signer("x", tmp_path)


def test_a_key_with_a_passphrase(tmp_path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    _write_private(tmp_path / "locked.key", pem)
    with pytest.raises(BundlerError, match="protected by a passphrase"):
        load_signer("locked", tmp_path)


def test_other_kinds_of_references_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="keys of the kind hsm: cannot be used yet"):
        load_signer("hsm:2?label=x", tmp_path)
    with pytest.raises(BundlerError, match=r"neither the name of a key nor the path of a \.key"):
        load_signer("keys/me.pem", tmp_path)


def test_signers_are_those_whose_keys_are_here(tmp_path: Path) -> None:
    generate_key(tmp_path, "here", "ed25519")
    (signer,) = load_signers(["away", "here"], tmp_path)
    assert signer.public_key == load_signer("here", tmp_path).public_key
