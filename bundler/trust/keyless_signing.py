"""Signing by an identity: a certificate and a log entry of a Sigstore instance, over the network.

The instance's addresses come from a file that the officer pinned, or are those of the public one;
nothing is looked up. What comes back is judged at once, as the far side will judge it.
"""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from typing import Final

from securesystemslib.signer import Key, SecretsHandler, Signature, Signer
from sigstore.models import SigningConfig
from sigstore.oidc import IdentityError, IdentityToken, detect_credential
from sigstore.sign import SigningContext

from bundler.errors import BundlerError
from bundler.model.canonical import canonical
from bundler.trust.identities import IDENTITY_SCHEME, TOKEN_VARIABLE
from bundler.trust.instance import ODD_INPUT, plain, verifier
from bundler.trust.keyless import KeylessError, KeylessKey

_PUBLIC: Final = "sigstore_public_signing.json"


class KeylessSigner(Signer):
    """Signs once or often, while its identity token is good."""

    SCHEME = IDENTITY_SCHEME

    def __init__(self, key: KeylessKey, token: str, config: Path | None = None) -> None:
        """A signer for `key`; `config` is the path of a signing configuration.

        Without one, the public instance is asked.
        """
        self._key = key
        self._token = token
        self._config = config

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> KeylessSigner:
        """Not this way: see `bundler.trust.identities.identity_signers`."""
        raise NotImplementedError

    @property
    def public_key(self) -> KeylessKey:
        """What the root of a stream pins."""
        return self._key

    def sign(self, payload: bytes) -> Signature:
        """A signature: a Sigstore bundle, in the digits that TUF metadata has.

        Raises:
            BundlerError: if the instance does not sign, or signs as somebody else.
        """
        try:
            token = IdentityToken(self._token)
        except IdentityError as error:
            raise BundlerError(f"the identity token is not good: {plain(str(error))}") from error
        if token.federated_issuer != self._key.issuer:
            # Before anything is asked for: what is in a log stays there.
            raise BundlerError(
                f"the identity token is of {plain(token.federated_issuer)}, not of"
                f" {self._key.issuer}"
            )
        trusted, _ = verifier(self._key.trusted_root)
        config = _read_config(self._config)
        try:
            context = SigningContext(
                fulcio=config.get_fulcio(),
                rekor=config.get_tlogs()[0],
                trusted_root=trusted,
                tsa_clients=config.get_tsas(),
            )
            with context.signer(token) as signer:
                bundle = signer.sign_artifact(payload)
        except Exception as error:  # each client of the library has exceptions of its own
            text = plain(str(error)) or type(error).__name__
            raise BundlerError(f"the Sigstore instance did not sign: {text}") from error
        signature = Signature(self._key.keyid, canonical(json.loads(bundle.to_json())).hex())
        try:
            self._key.verify_signature(signature, payload)
        except KeylessError as error:
            raise BundlerError(f"it was signed, but not as the key demands: {error}") from error
        return signature


def find_token() -> str | None:
    """The identity token of this environment: the variable's, or the CI service's.

    Raises:
        BundlerError: if the CI service does not give one out, though it could.
    """
    if token := os.environ.get(TOKEN_VARIABLE):
        return token
    try:
        return detect_credential()
    except IdentityError as error:
        raise BundlerError(
            f"this CI service gives no identity token: {plain(str(error))}",
            hint=f"let the job ask for one, or set {TOKEN_VARIABLE}",
        ) from error


def _read_config(path: Path | None) -> SigningConfig:
    try:
        if path is not None:
            return SigningConfig.from_file(str(path))
        with resources.as_file(resources.files("bundler.trust").joinpath(_PUBLIC)) as public:
            return SigningConfig.from_file(str(public))
    except ODD_INPUT as error:
        raise BundlerError(
            f"{path or _PUBLIC} is no signing configuration: {plain(str(error))}",
            hint="take signing_config.v0.2.json from your Sigstore instance",
        ) from error
