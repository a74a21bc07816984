"""Keys in devices: a real PKCS#11 token in software; clouds as far as without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import AWSSigner, AzureSigner, GCPSigner, HSMSigner, VaultSigner

from bundler.errors import BundlerError
from bundler.trust.holders import adopt_token_key, load_holder, load_signers
from bundler.trust.tokens import KeyAwayError, find_token_key, is_token, token_signer
from tests.fakes.tokens import PIN, Token, soft_token


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    with (
        pytest.MonkeyPatch.context() as patch,
        soft_token(tmp_path_factory.mktemp("hsm"), patch) as made,
    ):
        made.make_key(1, "prime256v1")
        made.make_key(2, "secp384r1")
        yield made


def tell_pin(_what: str) -> str:
    return PIN


@pytest.mark.parametrize(
    ("number", "scheme"), [(1, "ecdsa-sha2-nistp256"), (2, "ecdsa-sha2-nistp384")]
)
def test_a_token_signs(token: Token, number: int, scheme: str) -> None:
    holder = load_holder(token.uri(number), Path("/nowhere"), tell_pin)
    (signer,), (key,) = holder.signers, holder.keys
    assert key.scheme == scheme
    signature = signer.sign(b"what is signed")
    key.verify_signature(signature, b"what is signed")
    with pytest.raises(UnverifiedSignatureError):
        key.verify_signature(signature, b"something else")


def test_a_name_stands_for_a_key_in_a_token(token: Token, tmp_path: Path) -> None:
    held = adopt_token_key(token.uri(1), "ana", tmp_path, tell_pin)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ana.pub", "ana.uri"]
    assert (tmp_path / "ana.uri").read_text() == f"{token.uri(1)}\n"
    holder = load_holder("ana", tmp_path, tell_pin)
    assert holder.keys == held.keys
    holder.keys[0].verify_signature(holder.signers[0].sign(b"x"), b"x")
    with pytest.raises(BundlerError, match="a key of the name ana exists already"):
        adopt_token_key(token.uri(2), "ana", tmp_path, tell_pin)


def test_the_pin_is_asked_for_once(token: Token) -> None:
    asked: list[str] = []

    def ask(what: str) -> str:
        asked.append(what)
        return PIN

    (signer,) = load_holder(token.uri(1), Path("/nowhere"), ask).signers
    for _ in range(3):
        signer.sign(b"x")
    assert asked == [f"pin of {token.uri(1)}"]


def test_a_token_that_is_not_there(token: Token) -> None:
    with pytest.raises(KeyAwayError, match="No PKCS#11 token found for label other") as caught:
        find_token_key("hsm:1?label=other", tell_pin)
    assert caught.value.hint == "put the token in"
    assert load_signers(["hsm:1?label=other"], Path("/nowhere"), tell_pin) == []
    assert token.label == "officers"


def test_a_key_that_is_not_in_the_token(token: Token) -> None:
    with pytest.raises(BundlerError, match="the key cannot be read: could not find ECDSA key"):
        find_token_key(token.uri(9), tell_pin)


def test_no_module_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pkcs11")
    monkeypatch.delenv("PYKCS11LIB", raising=False)
    with pytest.raises(KeyAwayError, match="no PKCS#11 module is named") as caught:
        find_token_key("hsm:", tell_pin)
    assert "PYKCS11LIB" in str(caught.value.hint)


def test_a_keys_number_is_a_number() -> None:
    with pytest.raises(BundlerError, match="'two' is no key's number"):
        find_token_key("hsm:two", tell_pin)


@pytest.mark.parametrize(
    ("uri", "extra", "module"),
    [
        ("awskms:alias/bundles", "awskms", "_aws_signer.AWS"),
        ("gcpkms:projects/p/cryptoKeyVersions/1", "gcpkms", "_gcp_signer.GCP"),
        ("azurekms://box.vault.azure.net/keys/bundles/1", "azurekms", "_azure_signer.AZURE"),
        ("hv:bundles/1", "vault", "_vault_signer.VAULT"),
    ],
)
def test_a_library_that_is_missing_is_named(
    uri: str, extra: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"securesystemslib.signer.{module}_IMPORT_ERROR", "not here")
    with pytest.raises(BundlerError, match="is not installed") as caught:
        find_token_key(uri, tell_pin)
    assert caught.value.hint == f"run: pip install 'airgap-bundler[{extra}]'"


def test_an_azure_uri_without_a_key() -> None:
    with pytest.raises(BundlerError, match="names no key"):
        find_token_key("azurekms://vault.vault.azure.net/secrets", tell_pin)


def test_the_service_is_asked_for_the_key_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(*words: Any) -> Any:
        asked.append(words)
        raise RuntimeError

    for signer in (AWSSigner, GCPSigner, AzureSigner, VaultSigner):
        monkeypatch.setattr(signer, "import_", refuse)
    for uri in ("awskms:arn:aws:kms:x:1:key/2", "gcpkms:projects/p", "hv:name/3",
                "azurekms://box.vault.azure.net/keys/name/4"):  # fmt: skip
        with pytest.raises(BundlerError, match="the key cannot be read: RuntimeError"):
            find_token_key(uri, tell_pin)
    assert asked == [("arn:aws:kms:x:1:key/2",), ("projects/p",), ("name",), ("box", "name")]


def test_a_signer_that_cannot_be_made(token: Token, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, key = find_token_key(token.uri(1), tell_pin)
    monkeypatch.setattr(key, "scheme", "rsassa-pss-sha256")
    with pytest.raises(BundlerError, match="the key cannot be used: unsupported scheme"):
        token_signer(uri, key, tell_pin)
    monkeypatch.setattr("securesystemslib.signer._hsm_signer.PKCS11_IMPORT_ERROR", "not here")
    with pytest.raises(BundlerError, match="for keys of the kind hsm: is not installed"):
        token_signer(uri, key, tell_pin)


def test_a_name_for_something_else(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="is neither the name of a key"):
        adopt_token_key("file.key", "ana", tmp_path, tell_pin)
    assert not is_token("hsm")
    assert is_token(f"{HSMSigner.SCHEME}:")


@pytest.mark.parametrize("text", ["", "ana", "file:x"])
def test_a_damaged_uri_file(token: Token, tmp_path: Path, text: str) -> None:
    adopt_token_key(token.uri(1), "ana", tmp_path, tell_pin)
    (tmp_path / "ana.uri").write_text(text)
    with pytest.raises(BundlerError, match=r"ana\.uri does not name a device's key"):
        load_holder("ana", tmp_path, tell_pin)
