"""The TUF metadata of a stream: which roles there are, and strict reading of one file.

There is one way to write a metadata file: canonical JSON of exactly what python-tuf understood.
So no byte of a file is without meaning, and a signature or a digest covers every meaning: all but
the signatures of the timestamp, which `read_metadata` therefore holds to one spelling, too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Role, Root, Snapshot, Targets, Timestamp

from bundler.errors import DamagedError
from bundler.model.canonical import canonical
from bundler.model.manifest import parse_stream
from bundler.trust.keyless import KEY_TYPE, MAX_BUNDLE, SCHEME, KeylessKey, reasons
from bundler.trust.keys import fingerprint, grouped, named

STREAM_FIELD = "x-bundler-stream"
"""The field of the signed root that names the stream (TUF §4.1 lets roots have further fields)."""

MANIFEST = "manifest.json"
PACKING = "packing"
PACKING_PATHS = "transport/*"

ROLES = ("timestamp", "snapshot", "targets", PACKING)
"""The roles below root, in the order in which TUF reads them."""

_OFFICERS = (Root.type, Targets.type)

# What odd JSON makes of python-tuf's and securesystemslib's constructors.
ODD_METADATA = (
    RepositoryError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)

# python-tuf makes keys by this table of its library, which is there to be extended. All metadata is
# read in this module, so that nobody reads any without it.
KEY_FOR_TYPE_AND_SCHEME[KEY_TYPE, SCHEME] = KeylessKey

_LONGEST_SIGNATURE = 2 * MAX_BUNDLE  # in digits; the longest of all kinds
_LARGEST_VERSION = 999_999_999  # of nine digits, as in the names of roots
_ROOT_NAME = re.compile(r"(?:metadata/)?([1-9]\d{0,8})\.root\.json", re.ASCII)

T = TypeVar("T", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFacts:
    """What a root says, for people.

    Attributes:
        fingerprint: Of the whole file (sha256), grouped; people compare it out of band.
        keys: Fingerprints of the officers' keys.
        officers: The same with the names that the root gives them.
        threshold: How many of them must sign.
    """

    stream: str
    version: int
    fingerprint: str
    keys: tuple[str, ...]
    officers: tuple[str, ...]
    threshold: int
    expires: datetime


def entry(name: str) -> str:
    """The name in a bundle's head of the metadata file `name`."""
    return f"metadata/{name}"


def root_version(name: str) -> int | None:
    """The version in the name of a root's file, or None when it is not one."""
    match = _ROOT_NAME.fullmatch(name)
    return int(match[1]) if match else None


def latest_root(files: Mapping[str, bytes]) -> bytes:
    """The root with the highest version among `files`.

    Raises:
        ValueError: if there is none.
    """
    versions = {version: name for name in files if (version := root_version(name))}
    return files[versions[max(versions)]]


def read_metadata(name: str, data: bytes, kind: type[T]) -> Metadata[T]:
    """Read one file strictly; no signature is checked.

    Raises:
        DamagedError: if it is not TUF metadata of this kind in its one form.
    """
    try:
        found = Metadata[T].from_bytes(data)
        if not isinstance(found.signed, kind):
            raise ValueError(f"its type is {found.signed.type}")  # noqa: TRY004 - mapped below
        version = found.signed.version  # python-tuf takes true for 1, and knows no largest one
        if isinstance(version, bool) or version > _LARGEST_VERSION:
            raise ValueError("its version is not a number")
        # What is signed is serialised in another way, which knows no fractions and raises on one.
        if canonical(found.to_dict()) != data or not found.signed_bytes:
            raise ValueError("it is not in canonical form")
        _check_signatures(found)
        _check_keys(found.signed)
    except ODD_METADATA as error:
        raise DamagedError(
            f"{name} is not {kind.type} metadata: {error.__cause__ or error}",
            hint="it is damaged, or not from a bundle: have it sent again",
        ) from error
    return found


def read_stream(name: str, root: Root) -> str:
    """The stream that a root is for.

    Raises:
        DamagedError: if it names none.
    """
    try:
        return parse_stream(root.unrecognized_fields.get(STREAM_FIELD))
    except ValueError as error:
        raise DamagedError(
            f"{name} does not say which stream it is for: {error}",
            hint="`bundle trust export STREAM` writes a root that can be pinned",
        ) from error


def read_root(name: str, data: bytes) -> RootFacts:
    """Read a root that vouches for itself (TUF §5.3.4).

    Raises:
        DamagedError: if it is not one, or if it is not signed by its own keys.
    """
    metadata = read_metadata(name, data, Root)
    root = metadata.signed
    stream = read_stream(name, root)
    try:
        root.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except ODD_METADATA as error:
        keys = [root.keys[keyid] for keyid in root.roles[Root.type].keyids]
        why = reasons(keys, metadata.signatures, metadata.signed_bytes)
        raise DamagedError(f"{name} is not signed by its own keys: {error}{why}") from error
    officers = root.roles[Root.type]
    return RootFacts(
        stream=stream,
        version=root.version,
        fingerprint=root_fingerprint(data),
        keys=tuple(fingerprint(root.keys[keyid]) for keyid in officers.keyids),
        officers=tuple(named(root.keys[keyid]) for keyid in officers.keyids),
        threshold=officers.threshold,
        expires=root.expires,
    )


def root_fingerprint(data: bytes) -> str:
    """The sha256 of a root's file, in eight groups of eight digits."""
    return grouped(hashlib.sha256(data).hexdigest(), 8)


def _check_signatures(metadata: Metadata[T]) -> None:
    """Nothing stands outside of what is signed but signatures, each in lowercase digits."""
    if metadata.unrecognized_fields:
        raise ValueError(f"unknown key {min(metadata.unrecognized_fields)!r:.80}")
    for signature in metadata.signatures.values():
        if signature.unrecognized_fields or not isinstance(signature.keyid, str):
            raise ValueError("a signature has other keys than keyid and sig")
        if len(signature.signature) > _LONGEST_SIGNATURE:
            raise ValueError(
                f"a signature has {len(signature.signature)} digits, {_LONGEST_SIGNATURE} at most"
            )
        if bytes.fromhex(signature.signature).hex() != signature.signature:
            raise ValueError("a signature is not in lowercase hexadecimal digits")


def _check_keys(signed: Root | Timestamp | Snapshot | Targets) -> None:
    """Roles have keys that are there; a threshold counts people, so no key stands under two ids."""
    keys: Mapping[str, Key] = {}
    roles: Mapping[str, Role] = {}
    if isinstance(signed, Root):
        keys, roles = signed.keys, signed.roles
    elif isinstance(signed, Targets) and signed.delegations:
        keys, roles = signed.delegations.keys, signed.delegations.roles or {}
    for name, role in roles.items():
        if not keys.keys() >= set(role.keyids):
            raise ValueError(f"the role {name!r:.40} names a key that is not there")
        if name not in _OFFICERS and any(isinstance(keys[k], KeylessKey) for k in role.keyids):
            raise ValueError(f"the role {name!r:.40} has a keyless key, which only officers have")
    # Compared without white space and case: PEM and hexadecimal digits have several spellings. An
    # identity is one person's, whichever instance it signs by.
    publics = ["".join(_public(key).split()).lower() for key in keys.values()]
    if len(set(publics)) != len(publics):
        raise ValueError("one public key stands under two ids")


def _public(key: Key) -> str:
    found: str = key.identity if isinstance(key, KeylessKey) else key.keyval["public"]
    return found
