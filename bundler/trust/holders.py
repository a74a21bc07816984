"""From what a user writes for a key to the key, and to a signer where the private half is here.

| written | means |
|---|---|
| `ana` | `ana.key` in the folder of keys; else `ana.uri` with `ana.pub`; else `ana.pub` alone |
| `/media/ana.key` | a private key file |
| `/media/ana.pub` | a public key file: somebody else signs |
| `hsm:2?label=ANA` and other URIs | a key in a device or a service, see `bundler.trust.tokens` |
| `sigstore:?identity=…&issuer=…` | an identity without a key, see `bundler.trust.identities` |
| `ana=` before any of the others | the same, under this name |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from securesystemslib.signer import Key, Signer

from bundler.disk import read_whole
from bundler.errors import BundlerError
from bundler.trust.identities import (
    find_identity,
    identity_file,
    identity_signers,
    is_identity,
    no_token,
    read_identity_file,
    whole_uri,
)
from bundler.trust.keyfiles import (
    KEY_SUFFIX,
    PUBLIC_SUFFIX,
    Secrets,
    public_pem,
    read_private,
    read_public,
    write_new,
)
from bundler.trust.keyless import KeylessKey
from bundler.trust.keys import NAME_FIELD, check_key_name, is_key_name
from bundler.trust.tokens import KeyAwayError, find_token_key, is_token, token_signer

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.ASCII)

URI_SUFFIX: Final = ".uri"
"""Of a file that names the device or service which has the private half."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Somebody's key: what was written for it, its public halves, and how to sign if that is here.

    A hybrid key has two of each.
    """

    reference: str
    keys: tuple[Key, ...]
    signers: tuple[Signer, ...] = ()

    @classmethod
    def of(cls, reference: str, *signers: Signer) -> KeyHolder:
        """The holder of signers that are at hand."""
        return cls(reference, tuple(signer.public_key for signer in signers), signers)


def load_holder(reference: str, folder: Path, secrets: Secrets) -> KeyHolder:
    """The key that `reference` means; see the table above. `folder` is that of the keys.

    Raises:
        KeyAwayError: if it is not on this host.
        BundlerError: if it cannot be read or used.
        TrustError: if others than its owner may read a private key.
    """
    name, _, rest = reference.partition("=")
    if rest and is_key_name(name):
        return _named(_load(rest, folder, secrets), name, f"{name}={_absolute(rest)}")
    if _is_uri(reference):
        return _load(_absolute(reference), folder, secrets)
    name = reference if is_key_name(reference) else Path(reference).stem
    return _named(_load(reference, folder, secrets), name, _absolute(reference))


def load_signers(references: Iterable[str], folder: Path, secrets: Secrets) -> list[Signer]:
    """The signers of those keys that are on this host; whether they are enough is seen on signing.

    Raises:
        BundlerError, TrustError: as `load_holder`, for a key that is there.
    """
    found: list[Signer] = []
    for reference in references:
        try:
            found += load_holder(reference, folder, secrets).signers
        except KeyAwayError:
            continue
    return found


def load_signer(reference: str, folder: Path, secrets: Secrets) -> Signer:
    """The one signer of a key that is here; a hybrid key has two and will not do.

    Raises:
        BundlerError: as `load_holder`; also if it has no private half here, or two.
    """
    holder = load_holder(reference, folder, secrets)
    if not holder.signers:
        raise cannot_sign(holder)
    if len(holder.signers) > 1:
        raise BundlerError(f"{reference} is a hybrid key", hint="take one that is not")
    return holder.signers[0]


def adopt_token_key(uri: str, name: str, folder: Path, secrets: Secrets) -> KeyHolder:
    """Let `name` stand for a key elsewhere, or an identity: write `NAME.pub` and `NAME.uri`.

    Raises:
        BundlerError: as `load_holder`; also if the name is taken.
    """
    check_key_name(name)
    if not _is_uri(uri):
        raise _not_understood(uri)
    whole, key, public = _find_key(uri, secrets)
    files = (
        (folder / f"{name}{PUBLIC_SUFFIX}", 0o644, public),
        (folder / f"{name}{URI_SUFFIX}", 0o600, f"{whole}\n".encode()),
    )
    if (folder / f"{name}{KEY_SUFFIX}").exists():
        raise BundlerError(f"a key of the name {name} exists already in {folder}")
    write_new(name, files)
    return _named(KeyHolder(whole, (key,)), name, whole)


def shared_name(holders: Sequence[KeyHolder]) -> str | None:
    """A name that two of these have, or None."""
    seen: set[str] = set()
    for holder in holders:
        name = holder.keys[0].unrecognized_fields.get(NAME_FIELD)
        if name in seen:
            return str(name)
        seen |= {name} if name else set()
    return None


def cannot_sign(holder: KeyHolder) -> BundlerError:
    """Why a holder has no signers here."""
    if isinstance(holder.keys[0], KeylessKey) and not holder.reference.endswith(PUBLIC_SUFFIX):
        return no_token(holder.reference)
    return BundlerError(
        f"{holder.reference} has no private half here", hint="sign where the key is"
    )


def _is_uri(reference: str) -> bool:
    return is_token(reference) or is_identity(reference)


def _find_key(uri: str, secrets: Secrets) -> tuple[str, Key, bytes]:
    """The whole URI, the public half, and what a `.pub` file has of it."""
    if is_identity(uri):
        whole, identity = find_identity(uri)
        return whole, identity, identity_file(identity)
    whole, key = find_token_key(uri, secrets)
    return whole, key, public_pem(key)


def _signers(uri: str, key: Key, secrets: Secrets) -> tuple[Signer, ...]:
    if is_identity(uri):
        return identity_signers(uri, key)
    return (token_signer(uri, key, secrets),)


def _read_public(path: Path) -> tuple[Key, ...]:
    return read_identity_file(path) or read_public(path)


def _load(reference: str, folder: Path, secrets: Secrets) -> KeyHolder:
    if _is_uri(reference):
        uri, key, _ = _find_key(reference, secrets)
        return KeyHolder(reference, (key,), _signers(uri, key, secrets))
    if is_key_name(reference):
        return _load_named(reference, folder, secrets)
    if _SCHEME.match(reference):
        raise _not_understood(reference)
    path = Path(reference).expanduser()
    try:
        if path.suffix == KEY_SUFFIX:
            return KeyHolder.of(reference, *read_private(path, secrets))
        if path.suffix == PUBLIC_SUFFIX:
            return KeyHolder(reference, _read_public(path))
    except FileNotFoundError as error:
        raise KeyAwayError(
            f"there is no key {reference!r}: {path} does not exist",
            hint=f"`bundle keygen {path.stem}` makes one",
        ) from error
    raise _not_understood(reference)


def _load_named(name: str, folder: Path, secrets: Secrets) -> KeyHolder:
    private = folder / f"{name}{KEY_SUFFIX}"
    public, uri = folder / f"{name}{PUBLIC_SUFFIX}", folder / f"{name}{URI_SUFFIX}"
    try:
        if private.exists():
            return KeyHolder.of(name, *read_private(private, secrets))
        keys = _read_public(public)
        if not uri.exists():
            return KeyHolder(name, keys)
        text = read_whole(uri).decode(errors="replace").strip()
        if len(keys) != 1 or not _is_uri(text):
            raise BundlerError(f"{uri} does not name a device's key, or {public} is not of one")
        return KeyHolder(name, keys, _signers(text, keys[0], secrets))
    except FileNotFoundError as error:
        raise KeyAwayError(
            f"there is no key {name!r}: {private} does not exist",
            hint=f"`bundle keygen {name}` makes one",
        ) from error


def _absolute(reference: str) -> str:
    """A path must mean the same from every folder, since it is remembered."""
    if is_identity(reference):
        return whole_uri(reference)
    if is_token(reference) or is_key_name(reference):
        return reference
    return str(Path(reference).expanduser().absolute())


def _named(holder: KeyHolder, name: str, reference: str) -> KeyHolder:
    """The same with a name in each key; a file's stem that cannot be one is left out."""
    if is_key_name(name):
        for key in holder.keys:
            key.unrecognized_fields[NAME_FIELD] = name
    return KeyHolder(reference, holder.keys, holder.signers)


def _not_understood(reference: str) -> BundlerError:
    return BundlerError(
        f"{reference!r:.120} is neither the name of a key, nor the path of a .key or .pub file,"
        " nor a URI that is known",
        hint="`bundle keygen NAME` makes one; hsm:, awskms:, gcpkms:, azurekms:, hv: and sigstore:"
        " are known",
    )
