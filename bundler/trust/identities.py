"""Identities that sign by way of Sigstore: their URIs and the files of their public halves.

`sigstore:?identity=ana@example.org&issuer=https://id.example.org`, with these after `&` for another
instance than the public one, percent-encoded where the text has `&`, `%`, `+` or `#`:

| word | means |
|---|---|
| `trusted-root` | the path of the instance's `trusted_root.json`; needed for keygen alone |
| `signing-config` | the path of its signing configuration: whom to ask for certificates |

The private half is an identity token, which lives for minutes: from the variable
`SIGSTORE_ID_TOKEN`, or from the CI service that this runs on. No browser is opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from securesystemslib.signer import Key, Signer

from bundler.disk import read_whole
from bundler.errors import BundlerError
from bundler.model.canonical import canonical
from bundler.trust.keyless import KeylessKey

IDENTITY_SCHEME: Final = "sigstore"
TOKEN_VARIABLE: Final = "SIGSTORE_ID_TOKEN"  # noqa: S105 - the name of a variable

_ROOT: Final = "trusted-root"
_CONFIG: Final = "signing-config"
_PATHS: Final = (_ROOT, _CONFIG)
_WORDS: Final = ("identity", "issuer", *_PATHS)
_AS_IN: Final = "as in sigstore:?identity=ana@example.org&issuer=https://id.example.org"
_LARGEST_FILE: Final = 64 << 10


def is_identity(reference: str) -> bool:
    """Whether this is a URI of an identity."""
    return reference.startswith(f"{IDENTITY_SCHEME}:")


def whole_uri(uri: str) -> str:
    """The same with absolute paths, since it is remembered.

    Raises:
        BundlerError: if it is not understood.
    """
    words = _read_uri(uri)
    for name in _PATHS:
        if name in words:
            words[name] = str(Path(words[name]).expanduser().absolute())
    return f"{IDENTITY_SCHEME}:?{urlencode(words, safe='@:/')}"


def find_identity(uri: str) -> tuple[str, KeylessKey]:
    """The whole URI, and the key that pins the identity and the instance's trust root.

    Raises:
        BundlerError: if the URI is not understood, or a file that it names cannot be used.
        TrustError: if the trust root cannot be used.
    """
    # Only who makes such a key, or signs with one, needs the library.
    from bundler.trust.instance import public_root, verifier  # noqa: PLC0415

    words, whole = _read_uri(uri), whole_uri(uri)
    data = read_whole(Path(words[_ROOT]).expanduser()) if _ROOT in words else public_root()
    verifier(data)
    try:
        return whole, KeylessKey.of(words["identity"], words["issuer"], json.loads(data))
    except ValueError as error:
        raise BundlerError(f"{uri}: {error}", hint=_AS_IN) from error


def identity_signers(uri: str, key: Key) -> tuple[Signer, ...]:
    """The signer for an identity, if a token for it is at hand.

    Raises:
        BundlerError: if the URI is not understood, or a file that it names cannot be used.
    """
    words = _read_uri(uri)
    if not isinstance(key, KeylessKey) or (key.identity, key.issuer) != (
        words["identity"],
        words["issuer"],
    ):
        raise BundlerError(f"{uri} and the public key beside it are not of one identity")
    from bundler.trust.keyless_signing import KeylessSigner, find_token  # noqa: PLC0415 - as above

    token = find_token()
    if token is None:
        return ()
    return (KeylessSigner(key, token, _config_path(words)),)


def no_token(reference: str) -> BundlerError:
    """That an identity cannot sign here and now."""
    return BundlerError(
        f"{reference}: there is no identity token here",
        hint=f"get one for the audience `sigstore` from the issuer, and set {TOKEN_VARIABLE}",
    )


def identity_file(key: KeylessKey) -> bytes:
    """The contents of its `.pub` file."""
    return canonical(key.to_dict()) + b"\n"


def read_identity_file(path: Path) -> tuple[KeylessKey, ...]:
    """The key in a `.pub` file; none when the file has one of another kind.

    Raises:
        FileNotFoundError: if there is no such file.
        BundlerError: if it cannot be read or used.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE)
        if not data.startswith(b"{"):
            return ()
        fields = json.loads(data)
        key = KeylessKey.of(*(fields["keyval"][word] for word in ("identity", "issuer", _ROOT)))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BundlerError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BundlerError(
            f"{path} is not a keyless key: {error}", hint="have it sent again"
        ) from error
    if identity_file(key) != data:
        raise BundlerError(
            f"{path} is not as `bundle keygen --from sigstore:` writes it",
            hint="have it sent again",
        )
    return (key,)


def _read_uri(uri: str) -> dict[str, str]:
    parts = urlsplit(uri)
    try:
        pairs = parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True)
    except ValueError as error:
        raise BundlerError(f"{uri!r:.200} names no identity: {error}", hint=_AS_IN) from error
    words = dict(pairs)
    odd = [name for name, _ in pairs if name not in _WORDS]
    if odd or len(words) != len(pairs) or parts.path or parts.netloc or parts.fragment:
        raise BundlerError(
            f"{uri!r:.200}: {(odd or ['it'])[0]!r:.40} is not understood, or stands twice",
            hint=f"{_AS_IN}; also: {', '.join(_PATHS)}",
        )
    for name in ("identity", "issuer"):
        if not words.get(name):
            raise BundlerError(f"{uri!r:.200} has no {name}", hint=_AS_IN)
    return words


def _config_path(words: Mapping[str, str]) -> Path | None:
    """Where the instance is; None is the public one.

    An identity must not get into the public log by accident, where it stays for ever.
    """
    if _CONFIG in words:
        return Path(words[_CONFIG]).expanduser()
    if _ROOT in words:
        raise BundlerError(
            f"nothing says where the instance of {words[_ROOT]} is, which would have to sign",
            hint=f"add &{_CONFIG}=PATH to the URI",
        )
    return None
