"""Keys of officers who keep no private key: each signs by an identity, by way of Sigstore.

The root of a stream pins the whole identity, who attests it, and the trust root of the Sigstore
instance; so the far side needs nothing else, and nothing that comes later can change one of them
under the same fingerprint. A signature is a Sigstore bundle. This module knows what such a key is;
`bundler.trust.keyless_proof` judges signatures, and is loaded when there is one to be judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, Signature

from bundler.model.canonical import Json, canonical

KEY_TYPE: Final = "sigstore-oidc"
SCHEME: Final = "fulcio-pinned"
"""Not `Fulcio`: whoever knows only that would judge by an instance that the root does not name."""

MAX_TRUST_ROOT: Final = 48 << 10
"""Bytes of a trust root in a key, in canonical JSON; that of the public instance has 6,000."""

MAX_BUNDLE: Final = 32 << 10
"""Bytes of a Sigstore bundle: thrice a certificate, a log entry with its proof and a timestamp."""

_MEMBERS: Final = {"identity", "issuer", "trusted-root"}
_LONGEST_WORD: Final = 1024
_MOST_REASONS: Final = 3


class KeylessError(UnverifiedSignatureError):
    """A signature of a keyless key that is not good; the text says why, for people."""


class KeylessKey(Key):
    """An identity that signs, as the metadata of a stream has it.

    Its id is the sha256 of its canonical JSON, so that its fingerprint stands for all of it.
    """

    def __init__(
        self,
        keyid: str,
        keytype: str,
        scheme: str,
        keyval: dict[str, Any],
        unrecognized_fields: dict[str, Any] | None = None,
    ) -> None:
        """As the library's dispatch calls it.

        Raises:
            ValueError: if it is not one that `of` would make.
        """
        super().__init__(keyid, keytype, scheme, keyval, unrecognized_fields)
        if keyval.keys() != _MEMBERS or not isinstance(keyval["trusted-root"], dict):
            raise ValueError("a keyless key has an identity, an issuer and a trusted-root")
        for word in ("identity", "issuer"):
            _check_word(word, keyval[word])
        size = len(canonical(keyval["trusted-root"]))
        if size > MAX_TRUST_ROOT:
            raise ValueError(
                f"the trust root of {keyval['identity']} has {size} bytes, {MAX_TRUST_ROOT} at most"
            )
        if keyid != _keyid(keyval):
            raise ValueError(
                f"the key {keyid[:16]!r} is not the one of {keyval['identity']} with this trust"
                " root: the id does not fit"
            )

    @classmethod
    def of(cls, identity: str, issuer: str, trusted_root: Mapping[str, Any]) -> KeylessKey:
        """The key of an identity.

        Args:
            identity: The whole subject alternative name of its certificates.
            issuer: Who attests it: the address of the OpenID provider.
            trusted_root: The trust root of the Sigstore instance, parsed.

        Raises:
            ValueError: if one of them cannot stand in a key.
        """
        keyval = {"identity": identity, "issuer": issuer, "trusted-root": dict(trusted_root)}
        return cls(_keyid(keyval), KEY_TYPE, SCHEME, keyval)

    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> KeylessKey:
        """As python-tuf reads it; what is left of `key_dict` are further fields."""
        keytype, scheme, keyval = cls._from_dict(key_dict)
        return cls(keyid, keytype, scheme, keyval, key_dict)

    def to_dict(self) -> dict[str, Any]:
        """As python-tuf writes it."""
        return self._to_dict()

    @property
    def identity(self) -> str:
        """The whole subject alternative name."""
        return str(self.keyval["identity"])

    @property
    def issuer(self) -> str:
        """Who attests the identity."""
        return str(self.keyval["issuer"])

    @property
    def trusted_root(self) -> bytes:
        """The trust root of the instance, in canonical JSON."""
        return canonical(self.keyval["trusted-root"])

    def verify_signature(self, signature: Signature, data: bytes) -> None:
        """Judge a signature without any network.

        Raises:
            KeylessError: if it is not good.
        """
        # Who has no such keys need not load the library, which takes 0.4 s.
        from bundler.trust.keyless_proof import prove  # noqa: PLC0415

        try:
            bundle = bytes.fromhex(signature.signature)
            prove(bundle, data, (self.identity, self.issuer), self.trusted_root)
        except ValueError as error:
            raise KeylessError(f"by {self.identity}: {error}") from error


def reasons(keys: Iterable[Key], signatures: Mapping[str, Signature], data: bytes) -> str:
    """Why signatures of keyless keys do not count, as the end of a sentence; empty without any."""
    found = []
    for key in keys:
        if isinstance(key, KeylessKey) and key.keyid in signatures:
            try:
                key.verify_signature(signatures[key.keyid], data)
            except KeylessError as error:
                found.append(str(error))
    return f" ({'; '.join(found[:_MOST_REASONS])})" if found else ""


def _keyid(keyval: Mapping[str, Any]) -> str:
    whole: Json = {"keytype": KEY_TYPE, "scheme": SCHEME, "keyval": keyval}
    return hashlib.sha256(canonical(whole)).hexdigest()


def _check_word(word: str, value: object) -> None:
    """It is shown to people, and compared with a certificate's."""
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= _LONGEST_WORD
        or not value.isprintable()
        or " " in value
    ):
        raise ValueError(f"{value!r:.80} cannot be the {word} of a keyless key")
