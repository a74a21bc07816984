"""Officers who sign by identities: in this process, and at an instance behind real sockets."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from securesystemslib.signer import Key, SecretsHandler, Signature, Signer

from bundler.model.canonical import canonical
from bundler.trust.keyless import KeylessKey
from tests.fakes.fulcio import SIGNED, anybody
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.trust import the_time

DORA: Final = "dora@example.org"
ISSUER: Final = "https://id.example.org"

Bundle = dict[str, Any]


def keyless_key(instance: FakeSigstore, identity: str = DORA, issuer: str = ISSUER) -> KeylessKey:
    """What a root pins."""
    return KeylessKey.of(identity, issuer, json.loads(instance.trusted_root))


def as_signature(key: Key, bundle: Mapping[str, Any]) -> Signature:
    """A Sigstore bundle as TUF metadata has it."""
    return Signature(key.keyid, canonical(bundle).hex())


@dataclass
class FakeKeylessSigner(Signer):
    """Signs at an instance, long ago; `lie` changes the bundle."""

    instance: FakeSigstore
    key: KeylessKey
    identity: str = DORA
    issuer: str = ISSUER
    lie: Callable[[Bundle], object] = field(default=lambda _bundle: None)
    late: timedelta = timedelta()

    @classmethod
    def of(cls, instance: FakeSigstore) -> FakeKeylessSigner:
        """Dora, honest."""
        return cls(instance, keyless_key(instance))

    @property
    def public_key(self) -> Key:
        return self.key

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> FakeKeylessSigner:
        raise NotImplementedError

    def sign(self, payload: bytes) -> Signature:
        """The bundle."""
        bundle = forged(self.instance, payload, self.identity, self.issuer, late=self.late)
        self.lie(bundle)
        return as_signature(self.key, bundle)


def forged(
    instance: FakeSigstore,
    payload: bytes,
    identity: str = DORA,
    issuer: str = ISSUER,
    *,
    late: timedelta = timedelta(),
) -> Bundle:
    """A bundle of an identity over bytes, logged when or after its certificate was made."""
    signer = anybody(issuer, identity)
    return instance.bundle(payload, signer, logged=SIGNED + late, kind=None)


def identity_token(identity: str = DORA, issuer: str = ISSUER, **claims: Any) -> str:
    """A token that nobody signed: whoever gets it believes it, as the fake instance does."""
    now = int(the_time().timestamp())
    usual = {"iss": issuer, "sub": identity, "aud": "sigstore", "iat": now, "exp": now + 600}
    parts = ({"alg": "HS256", "typ": "JWT"}, {**usual, **claims})
    words = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join((*words, b"c2ln")).decode()


@dataclass(frozen=True, slots=True)
class Instance:
    """A Sigstore instance that answers on loopback, and the files that an officer pins."""

    sigstore: FakeSigstore
    url: str
    trusted_root: Path
    signing_config: Path
    asked: list[str]

    def uri(self, identity: str = DORA, issuer: str = ISSUER) -> str:
        """What `keygen --from` takes."""
        root, config = quote(str(self.trusted_root)), quote(str(self.signing_config))
        return (
            f"sigstore:?identity={identity}&issuer={issuer}"
            f"&trusted-root={root}&signing-config={config}"
        )


@contextmanager
def sigstore_instance(folder: Path, sigstore: FakeSigstore | None = None) -> Iterator[Instance]:
    """An instance with the interfaces of Fulcio and Rekor v1; its files are in `folder`."""
    made = sigstore or FakeSigstore()
    asked: list[str] = []

    class Handler(_Handler):
        instance = made
        paths = asked

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        service = {
            "url": url,
            "majorApiVersion": 1,
            "validFor": {"start": "2020-01-01T00:00:00Z"},
            "operator": "example.org",
        }
        config = {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": [service],
            "rekorTlogUrls": [service],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        }
        root_file, config_file = folder / "trusted_root.json", folder / "signing_config.json"
        root_file.write_bytes(made.trusted_root)
        config_file.write_text(json.dumps(config))
        try:
            yield Instance(made, url, root_file, config_file, asked)
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    instance: FakeSigstore
    paths: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.paths.append(self.path)
        answer = {"/api/v2/signingCert": self._certify, "/api/v1/log/entries": self._log}
        data = json.dumps(answer[self.path](body)).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_words: object) -> None:
        """Nothing."""

    def _certify(self, body: Mapping[str, str]) -> object:
        token = self.headers["Authorization"].removeprefix("Bearer ").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        request = x509.load_pem_x509_csr(base64.b64decode(body["certificateSigningRequest"]))
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        signer = anybody(claims["iss"], claims["sub"])
        leaf = self.instance.certificate(key, signer, the_time())
        chain = [
            each.public_bytes(Encoding.PEM).decode() for each in (leaf, self.instance.authority)
        ]
        return {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}

    def _log(self, body: Mapping[str, Any]) -> object:
        entry = self.instance.entry(body["kind"], _some(body["spec"]), int(the_time().timestamp()))
        proof = entry["inclusionProof"]
        return {
            "ab" * 32: {
                "body": entry["canonicalizedBody"],
                "integratedTime": int(entry["integratedTime"]),
                "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
                "logIndex": int(entry["logIndex"]),
                "verification": {
                    "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
                    "inclusionProof": {
                        "logIndex": int(proof["logIndex"]),
                        "treeSize": int(proof["treeSize"]),
                        "rootHash": base64.b64decode(proof["rootHash"]).hex(),
                        "hashes": [],
                        "checkpoint": proof["checkpoint"]["envelope"],
                    },
                },
            }
        }


def _some(value: Any) -> Any:
    """Without what is null, as the log writes it."""
    if isinstance(value, dict):
        return {name: _some(inner) for name, inner in value.items() if inner is not None}
    return value
