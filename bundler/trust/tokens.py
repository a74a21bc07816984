"""Keys that never leave their device or service: PKCS#11, cloud key management, Vault.

Each is named by a URI of securesystemslib, which also does the signing.

| URI | where | extra of this program |
|---|---|---|
| `hsm:[KEYID][?label=TOKEN]` | PKCS#11; the variable `PYKCS11LIB` names the module | `hsm` |
| `awskms:KEY_ID` | AWS | `awskms` |
| `gcpkms:projects/…/cryptoKeyVersions/1` | Google Cloud | `gcpkms` |
| `azurekms://VAULT.vault.azure.net/keys/NAME/VERSION` | Azure | `azurekms` |
| `hv:NAME/VERSION` | HashiCorp Vault | `vault` |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias
from urllib.parse import parse_qsl, urlsplit

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import (
    AWSSigner,
    AzureSigner,
    GCPSigner,
    HSMSigner,
    Key,
    Signer,
    SSlibKey,
    VaultSigner,
)

from bundler.errors import BundlerError
from bundler.trust.keyfiles import Secrets

_Import: TypeAlias = Callable[[str, Secrets], tuple[str, SSlibKey]]


class KeyAwayError(BundlerError):
    """A key is not on this host: no such file, or no such token."""


def is_token(reference: str) -> bool:
    """Whether this is a URI of a key in a device or a service."""
    return reference.partition(":")[0] in _IMPORTS and ":" in reference


def find_token_key(uri: str, secrets: Secrets) -> tuple[str, SSlibKey]:
    """The whole URI of the key that `uri` names, and its public half, as the device tells it.

    Raises:
        KeyAwayError: if the device is not there.
        BundlerError: if its library is not installed, or the key cannot be read.
    """
    scheme = uri.partition(":")[0]
    try:
        return _IMPORTS[scheme](uri, secrets)
    except BundlerError:
        raise
    except UnsupportedLibraryError as error:
        raise _library_missing(uri, scheme) from error
    except Exception as error:  # each device's library has exceptions of its own
        text = str(error) or type(error).__name__
        if scheme == HSMSigner.SCHEME and isinstance(error, ValueError) and "token found" in text:
            raise KeyAwayError(f"{uri}: {text}", hint="put the token in") from error
        if "PYKCS11LIB" in text:
            raise KeyAwayError(
                f"{uri}: no PKCS#11 module is named",
                hint="set PYKCS11LIB to the path of the token's module, a file that ends with .so",
            ) from error
        raise BundlerError(f"{uri}: the key cannot be read: {text}") from error


def token_signer(uri: str, key: Key, secrets: Secrets) -> Signer:
    """A signer for the key that `uri` names; `key` is its public half.

    Raises:
        BundlerError: if its library is not installed, or it cannot be reached.
    """
    scheme = uri.partition(":")[0]
    asked: dict[str, str] = {}

    def ask_once(what: str) -> str:
        # A token asks for each signature, and a bundle has four.
        return asked.setdefault(what, asked.get(what) or secrets(f"{what} of {uri}"))

    try:
        return Signer.from_priv_key_uri(uri, key, ask_once)
    except UnsupportedLibraryError as error:
        raise _library_missing(uri, scheme) from error
    except Exception as error:  # as above
        text = str(error) or type(error).__name__
        raise BundlerError(f"{uri}: the key cannot be used: {text}") from error


def _library_missing(uri: str, scheme: str) -> BundlerError:
    extra = _EXTRAS[scheme]
    return BundlerError(
        f"{uri}: the library for keys of the kind {scheme}: is not installed",
        hint=f"run: pip install 'airgap-bundler[{extra}]'",
    )


def _import_hsm(uri: str, secrets: Secrets) -> tuple[str, SSlibKey]:
    parts = urlsplit(uri)
    label = dict(parse_qsl(parts.query)).get("label")
    if parts.path and not parts.path.isdecimal():
        raise BundlerError(
            f"{uri}: {parts.path!r:.40} is no key's number", hint="as in hsm:2?label=TOKEN"
        )
    number = int(parts.path) if parts.path else None
    return HSMSigner.import_(number, label, lambda what: secrets(f"{what} of {uri}"))


def _import_aws(uri: str, _secrets: Secrets) -> tuple[str, SSlibKey]:
    return AWSSigner.import_(uri.partition(":")[2])


def _import_gcp(uri: str, _secrets: Secrets) -> tuple[str, SSlibKey]:
    return GCPSigner.import_(uri.partition(":")[2])


def _import_azure(uri: str, _secrets: Secrets) -> tuple[str, SSlibKey]:
    parts = urlsplit(uri)
    words = parts.path.strip("/").split("/")
    if not parts.hostname or words[0] != "keys" or len(words) == 1:
        raise BundlerError(
            f"{uri} names no key", hint="as in azurekms://VAULT.vault.azure.net/keys/NAME/VERSION"
        )
    return AzureSigner.import_(parts.hostname.partition(".")[0], words[1])


def _import_vault(uri: str, _secrets: Secrets) -> tuple[str, SSlibKey]:
    return VaultSigner.import_(uri.partition(":")[2].partition("/")[0])


_IMPORTS: Mapping[str, _Import] = MappingProxyType(
    {
        HSMSigner.SCHEME: _import_hsm,
        AWSSigner.SCHEME: _import_aws,
        GCPSigner.SCHEME: _import_gcp,
        AzureSigner.SCHEME: _import_azure,
        VaultSigner.SCHEME: _import_vault,
    }
)

_EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        HSMSigner.SCHEME: "hsm",
        AWSSigner.SCHEME: "awskms",
        GCPSigner.SCHEME: "gcpkms",
        AzureSigner.SCHEME: "azurekms",
        VaultSigner.SCHEME: "vault",
    }
)
