from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signer

from bundler.errors import BundlerError, TrustError
from bundler.trust.holders import load_holder, load_signers
from bundler.trust.keyfiles import KeyKind, generate_key, public_pem, read_private, read_public
from bundler.trust.keys import fingerprint, key_name, named
from bundler.trust.pkcs8 import ROUNDS
from bundler.trust.tokens import KeyAwayError

SCHEMES: dict[KeyKind, str] = {
    "ed25519": "ed25519",
    "ecdsa": "ecdsa-sha2-nistp256",
    "ecdsa-p384": "ecdsa-sha2-nistp384",
    "ml-dsa": "ml-dsa-65/1",
    "ml-dsa-87": "ml-dsa-87/1",
}


def nobody(what: str) -> str:
    raise AssertionError(f"asked for {what}")


def load_signer(reference: str, folder: Path) -> Signer:
    (signer,) = load_holder(reference, folder, nobody).signers
    return signer


@pytest.mark.parametrize("kind", SCHEMES)
def test_a_generated_key_signs_and_verifies(tmp_path: Path, kind: KeyKind) -> None:
    pair = generate_key(tmp_path / "keys", "officer-1", kind)
    signer = load_signer("officer-1", tmp_path / "keys")
    signature = signer.sign(b"what is signed")
    signer.public_key.verify_signature(signature, b"what is signed")
    with pytest.raises(UnverifiedSignatureError):
        signer.public_key.verify_signature(signature, b"something else")
    assert signer.public_key.scheme == SCHEMES[kind]
    assert pair.fingerprints == (fingerprint(signer.public_key),)
    (public,) = read_public(pair.public)
    assert public.keyid == signer.public_key.keyid
    assert public_pem(public) == pair.public.read_bytes()
    assert pair.public.read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")


def test_only_the_owner_may_read_the_private_key(tmp_path: Path) -> None:
    pair = generate_key(tmp_path / "keys", "me", "ed25519")
    assert stat.S_IMODE(pair.private.stat().st_mode) == 0o600
    assert stat.S_IMODE(pair.public.stat().st_mode) & 0o600 == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_fingerprint_is_short_and_stable(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "me", "ed25519")
    keyid = load_signer("me", tmp_path).public_key.keyid
    assert pair.fingerprints[0].replace(" ", "") == keyid[:16]
    assert [len(group) for group in pair.fingerprints[0].split(" ")] == [4, 4, 4, 4]


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
    assert fingerprint(signer.public_key) == pair.fingerprints[0]


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


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "ml-dsa", "hybrid"])
def test_a_key_with_a_passphrase(tmp_path: Path, kind: KeyKind) -> None:
    pair = generate_key(tmp_path, "me", kind, "correct horse")
    asked: list[str] = []

    def tell(what: str) -> str:
        asked.append(what)
        return "correct horse"

    signers = read_private(pair.private, tell)
    assert asked == [f"passphrase of {pair.private}"]
    assert [fingerprint(each.public_key) for each in signers] == list(pair.fingerprints)
    assert b"BEGIN PRIVATE KEY" not in pair.private.read_bytes()
    with pytest.raises(BundlerError, match="the passphrase is wrong, or the file is damaged"):
        read_private(pair.private, lambda _: "wrong")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_openssl_reads_a_protected_key(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "me", "ecdsa", "pass word")
    text = subprocess.run(
        ["openssl", "pkey", "-in", pair.private, "-passin", "pass:pass word", "-pubout"],
        capture_output=True,
        check=True,
    ).stdout
    assert text == pair.public.read_bytes()
    shown = subprocess.run(
        ["openssl", "asn1parse", "-in", pair.private], capture_output=True, text=True, check=True
    ).stdout
    assert f":{ROUNDS:06X}" in shown
    assert "hmacWithSHA256" in shown


def test_a_key_that_another_program_protected(tmp_path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    _write_private(tmp_path / "locked.key", pem)
    assert read_private(tmp_path / "locked.key", lambda _: "secret")


def test_a_hybrid_key_is_two_keys_of_one_person(tmp_path: Path) -> None:
    generate_key(tmp_path, "ana", "hybrid")
    holder = load_holder("ana", tmp_path, nobody)
    assert [key.scheme for key in holder.keys] == ["ed25519", "ml-dsa-65/1"]
    assert [key_name(key) for key in holder.keys] == ["ana", "ana"]
    assert len(holder.signers) == 2
    public = load_holder(str(tmp_path / "ana.pub"), Path("/nowhere"), nobody)
    assert (public.keys, public.signers) == (holder.keys, ())


def test_half_a_protected_hybrid_key_is_refused(tmp_path: Path) -> None:
    first = generate_key(tmp_path, "a", "ed25519", "x").private.read_bytes()
    second = generate_key(tmp_path, "b", "ml-dsa").private.read_bytes()
    for data in (first + second, second + first):
        path = tmp_path / "c.key"
        path.unlink(missing_ok=True)
        _write_private(path, data)
        with pytest.raises(BundlerError, match="protected as a whole or not at all"):
            read_private(path, lambda _: "x")


@pytest.mark.parametrize("count", [0, 3])
def test_a_file_has_one_key_or_two(tmp_path: Path, count: int) -> None:
    pair = generate_key(tmp_path, "me", "ed25519")
    pair.public.write_bytes(pair.public.read_bytes() * count)
    with pytest.raises(BundlerError, match=r"me\.pub is not a public key here"):
        read_public(pair.public)


def test_a_public_key_that_cannot_verify(tmp_path: Path) -> None:
    pem = (
        X25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "x.pub").write_bytes(pem)
    with pytest.raises(BundlerError, match="is not a public key that can be used here"):
        read_public(tmp_path / "x.pub")
    (tmp_path / "y.pub").mkdir()
    with pytest.raises(BundlerError, match=r"y\.pub cannot be read"):
        read_public(tmp_path / "y.pub")


# What a user may write for a key


def test_a_name_is_given_in_front(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "file", "ed25519")
    holder = load_holder(f"ana={pair.public}", tmp_path, nobody)
    assert named(holder.keys[0]) == f"{pair.fingerprints[0]} (ana)"
    assert holder.reference == f"ana={pair.public}"
    assert key_name(load_holder("file", tmp_path, nobody).keys[0]) == "file"


def test_a_files_name_that_cannot_be_a_keys_name_is_left_out(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "me", "ed25519")
    odd = tmp_path / "my key.pub"
    odd.write_bytes(pair.public.read_bytes())
    holder = load_holder(str(odd), tmp_path, nobody)
    assert named(holder.keys[0]) == pair.fingerprints[0]


def test_a_name_in_metadata_that_could_not_have_been_given_counts_for_nothing(
    tmp_path: Path,
) -> None:
    generate_key(tmp_path, "me", "ed25519")
    (key,) = load_holder("me", tmp_path, nobody).keys
    for odd in ("\x1b[2J", "", 7, None):
        key.unrecognized_fields["x-bundler-name"] = odd
        assert named(key) == fingerprint(key)


def test_a_public_key_alone_cannot_sign(tmp_path: Path) -> None:
    pair = generate_key(tmp_path, "me", "ed25519")
    pair.private.unlink()
    holder = load_holder("me", tmp_path, nobody)
    assert (len(holder.keys), holder.signers) == (1, ())
    assert load_signers(["me"], tmp_path, nobody) == []


def test_other_kinds_of_references_are_refused(tmp_path: Path) -> None:
    for odd in ("tkey:x", "keys/me.pem", "file2:/x.key", "a b"):
        with pytest.raises(BundlerError, match="is neither the name of a key"):
            load_holder(odd, tmp_path, nobody)


def test_signers_are_those_whose_keys_are_here(tmp_path: Path) -> None:
    generate_key(tmp_path, "here", "ed25519")
    found = load_signers(["away", "here", "/nowhere/at/all.key"], tmp_path, nobody)
    assert [each.public_key for each in found] == [load_signer("here", tmp_path).public_key]
    with pytest.raises(KeyAwayError, match=r"there is no key '/nowhere/at/all\.pub'"):
        load_holder("/nowhere/at/all.pub", tmp_path, nobody)
