"""Identities as officers write them, and signing at an instance that answers on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner
from sigstore.oidc import IdentityError

from bundler.errors import BundlerError, TrustError
from bundler.trust.attest import public_root
from bundler.trust.holders import (
    adopt_token_key,
    cannot_sign,
    load_holder,
    load_signers,
)
from bundler.trust.identities import TOKEN_VARIABLE, find_identity, whole_uri
from bundler.trust.keyless import KeylessKey
from bundler.trust.keyless_signing import KeylessSigner, find_token
from tests.fakes.keyless import (
    DORA,
    ISSUER,
    Instance,
    identity_token,
    keyless_key,
    sigstore_instance,
)
from tests.fakes.sigstore import FakeSigstore

PUBLIC = f"sigstore:?identity={DORA}&issuer={ISSUER}"
NOWHERE = Path("/nowhere")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with sigstore_instance(tmp_path_factory.mktemp("instance") / "with space & more") as made:
        yield made


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, and no CI service that could give one."""
    for name in (TOKEN_VARIABLE, "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "BUILDKITE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("bundler.trust.keyless_signing.detect_credential", lambda: None)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch, no_service: None) -> str:
    del no_service
    text = identity_token()
    monkeypatch.setenv(TOKEN_VARIABLE, text)
    return text


def ask(what: str) -> str:
    raise AssertionError(what)


@pytest.mark.usefixtures("token")
def test_an_identity_signs(instance: Instance) -> None:
    holder = load_holder(instance.uri(), NOWHERE, ask)
    (signer,), (key,) = holder.signers, holder.keys
    assert key == keyless_key(instance.sigstore)
    signature = signer.sign(b"what is signed")
    key.verify_signature(signature, b"what is signed")
    with pytest.raises(UnverifiedSignatureError, match="Bundle message digest mismatch"):
        key.verify_signature(signature, b"something else")
    assert instance.asked[-2:] == ["/api/v2/signingCert", "/api/v1/log/entries"]


def test_a_name_stands_for_an_identity(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = adopt_token_key(instance.uri(), "dora", tmp_path, ask)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dora.pub", "dora.uri"]
    assert (tmp_path / "dora.uri").read_text() == f"{held.reference.removeprefix('dora=')}\n"
    holder = load_holder("dora", tmp_path, ask)
    assert (holder.keys, holder.signers) == (held.keys, ())
    error = cannot_sign(holder)
    assert error.message == "dora: there is no identity token here"
    assert TOKEN_VARIABLE in str(error.hint)
    assert load_signers(["dora"], tmp_path, ask) == []
    monkeypatch.setenv(TOKEN_VARIABLE, identity_token())
    (signer,) = load_signers(["dora"], tmp_path, ask)
    assert signer.public_key == held.keys[0]
    with pytest.raises(BundlerError, match="a key of the name dora exists already"):
        adopt_token_key(instance.uri(), "dora", tmp_path, ask)


def test_a_name_that_a_key_has(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "dora.key").touch()
    with pytest.raises(BundlerError, match="a key of the name dora exists already"):
        adopt_token_key(instance.uri(), "dora", tmp_path, ask)
    assert [path.name for path in tmp_path.iterdir()] == ["dora.key"]


def test_the_public_half_is_for_others(instance: Instance, tmp_path: Path) -> None:
    adopt_token_key(instance.uri(), "dora", tmp_path, ask)
    holder = load_holder(str(tmp_path / "dora.pub"), NOWHERE, ask)
    (key,) = holder.keys
    assert isinstance(key, KeylessKey)
    assert (key.identity, key.issuer, holder.signers) == (DORA, ISSUER, ())
    assert "has no private half here" in cannot_sign(holder).message


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data[:-9], "is not a keyless key"),
        (lambda _data: b"{}", "is not a keyless key: 'keyval'"),
        (lambda _data: b'{"keyval":7}', "is not a keyless key"),
        (lambda data: b"{ " + data[1:], "is not as `bundle keygen --from sigstore:`"),
    ],
)
def test_a_public_half_that_is_damaged(
    instance: Instance, tmp_path: Path, change: Callable[[bytes], bytes], reason: str
) -> None:
    adopt_token_key(instance.uri(), "dora", tmp_path, ask)
    path = tmp_path / "dora.pub"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BundlerError, match=reason):
        load_holder("dora", tmp_path, ask)


def test_a_public_half_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "dora.pub").mkdir()
    with pytest.raises(BundlerError, match=r"dora\.pub cannot be read: Is a directory"):
        load_holder(str(tmp_path / "dora.pub"), NOWHERE, ask)


def test_the_public_instance_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, key = find_identity(PUBLIC)
    assert (whole, json.loads(key.trusted_root)) == (PUBLIC, json.loads(public_root()))
    # Nothing answers for it here: what it would be asked is seen.
    asked: list[str] = []

    def post(_self: object, url: str, **_words: object) -> object:
        asked.append(url)
        raise OSError("no network here")

    monkeypatch.setattr("requests.Session.post", post)
    monkeypatch.setenv(TOKEN_VARIABLE, identity_token())
    (signer,) = load_holder(PUBLIC, NOWHERE, ask).signers
    with pytest.raises(BundlerError, match="the Sigstore instance did not sign: no network here"):
        signer.sign(b"x")
    assert asked == ["https://fulcio.sigstore.dev/api/v2/signingCert"]


def test_a_token_of_another_issuer_is_not_shown_to_anybody(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = identity_token(issuer="https://other.example.org")
    monkeypatch.setenv(TOKEN_VARIABLE, secret)
    (signer,) = load_holder(instance.uri(), NOWHERE, ask).signers
    before = list(instance.asked)
    with pytest.raises(
        BundlerError, match=f"the identity token is of https://other.example.org, not of {ISSUER}"
    ) as caught:
        signer.sign(b"x")
    assert instance.asked == before
    assert secret not in str(caught.value)


def test_a_token_of_somebody_else(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, identity_token("eve@example.org"))
    (signer,) = load_holder(instance.uri(), NOWHERE, ask).signers
    with pytest.raises(
        BundlerError, match=r"signed, but not as the key demands: .* it was signed by eve@"
    ):
        signer.sign(b"x")


def test_a_token_that_is_none(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    (signer,) = load_holder(instance.uri(), NOWHERE, ask).signers
    with pytest.raises(BundlerError, match="the identity token is not good") as caught:
        signer.sign(b"x")
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("token")
def test_an_instance_that_is_not_the_pinned_one(instance: Instance, tmp_path: Path) -> None:
    with sigstore_instance(tmp_path / "other", FakeSigstore()) as other:
        key = keyless_key(instance.sigstore)
        signer = KeylessSigner(key, identity_token(), other.signing_config)
        with pytest.raises(BundlerError, match="the Sigstore instance did not sign"):
            signer.sign(b"x")


def test_the_token_of_a_ci_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundler.trust.keyless_signing.detect_credential", lambda: "ambient")
    assert find_token() == "ambient"

    def refuse() -> str:
        raise IdentityError("no permission\nto ask")

    monkeypatch.setattr("bundler.trust.keyless_signing.detect_credential", refuse)
    with pytest.raises(BundlerError, match="gives no identity token: no permission to ask"):
        find_token()


def test_paths_are_remembered_whole(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(instance.trusted_root.parent)
    short = f"{PUBLIC}&trusted-root=trusted_root.json&signing-config=signing_config.json"
    whole = whole_uri(short)
    assert whole == whole_uri(instance.uri()) == whole_uri(whole)
    assert load_holder(short, NOWHERE, ask).reference == whole
    assert load_holder(f"dora={short}", NOWHERE, ask).reference == f"dora={whole}"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sigstore:", "(has|names) no identity"),
        ("sigstore:?", "(has|names) no identity"),
        ("sigstore:?identity", "names no identity"),
        (f"sigstore:?identity={DORA}", "has no issuer"),
        (f"sigstore:?identity=&issuer={ISSUER}", "has no identity"),
        (f"{PUBLIC}&issuer=https://x", "'it' is not understood, or stands twice"),
        (f"{PUBLIC}&trusted_root=x", "'trusted_root' is not understood"),
        (f"{PUBLIC}#part", "is not understood"),
        (PUBLIC.replace(":?", "://host?"), "is not understood"),
        (f"sigstore:?identity=a%20b&issuer={ISSUER}", "'a b' cannot be the identity"),
    ],
)
def test_a_uri_that_is_not_understood(uri: str, reason: str) -> None:
    with pytest.raises(BundlerError, match=reason):
        load_holder(uri, NOWHERE, ask)


def test_files_that_cannot_be_used(instance: Instance, tmp_path: Path) -> None:
    odd = tmp_path / "odd.json"
    odd.write_text("[]")
    with pytest.raises(BundlerError, match=r"missing\.json"):
        find_identity(f"{PUBLIC}&trusted-root={tmp_path}/missing.json")
    with pytest.raises(TrustError, match=r"the Sigstore trust root .* cannot be used"):
        find_identity(f"{PUBLIC}&trusted-root={odd}")
    signer = KeylessSigner(keyless_key(instance.sigstore), identity_token(), odd)
    with pytest.raises(BundlerError, match=r"odd\.json is no signing configuration"):
        signer.sign(b"x")


@pytest.mark.usefixtures("token")
def test_another_instance_is_not_replaced_by_the_public_one(instance: Instance) -> None:
    uri = instance.uri().partition("&signing-config")[0]
    with pytest.raises(BundlerError, match=r"nothing says where the instance of .* is") as caught:
        load_holder(uri, NOWHERE, ask)
    assert "&signing-config=PATH" in str(caught.value.hint)


def test_a_uri_file_of_another_identity(instance: Instance, tmp_path: Path) -> None:
    adopt_token_key(instance.uri(), "dora", tmp_path, ask)
    (tmp_path / "dora.uri").write_text(PUBLIC.replace("dora@", "eve@"))
    with pytest.raises(BundlerError, match="are not of one identity"):
        load_holder("dora", tmp_path, ask)


def test_it_is_not_made_from_the_librarys_uris() -> None:
    with pytest.raises(NotImplementedError):
        KeylessSigner.from_priv_key_uri(PUBLIC, CryptoSigner.generate_ed25519().public_key)
