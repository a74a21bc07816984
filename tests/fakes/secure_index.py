"""Secure indexes: one shaped like Chainguard Libraries, one like Red Hat's Trusted Libraries.

What each does that the public index does not is in their own documentation: credentials on every
page and file, files that are redirected to an object store on another host, versions `+cgr.N`,
files that were not built but passed through, refusals with a reason in JSON, and provenance in
other forms and places.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec
from packaging.utils import parse_wheel_filename

from bundler.model.artifact import RemoteFile, Sha256
from tests.fakes.attestations import keyed, provenance, statement
from tests.fakes.fulcio import anybody, new_key
from tests.fakes.index import Answer, FakeIndex, Request
from tests.fakes.sigstore import FakeSigstore

CREDENTIALS = ("45a0c/6f1e", "a-pull-token")
ISSUER = "https://issuer.example.org"
REBUILDER = f"{ISSUER}/3fab4f"


class RebuildingIndex(FakeIndex):
    """Shaped like Chainguard Libraries; all is below `/python`, and the files lie at `storage`.

    Attributes:
        blocked: The reason, by project.
    """

    def __init__(self, storage: FakeIndex, sigstore: FakeSigstore) -> None:
        super().__init__(form="json", credentials=CREDENTIALS)
        self.storage = storage
        self.blocked: dict[str, tuple[str, str]] = {}
        self._sigstore = sigstore
        self._moved: dict[str, str] = {}

    @property
    def url(self) -> str:
        """Of its simple API."""
        return f"{self.origin}/python/simple/"

    def rebuild(self, filename: str, content: bytes, *, by: str = REBUILDER) -> None:
        """List a file that it built, with a raw bundle and a PEP 740 object beside it."""
        project, version, *_ = parse_wheel_filename(filename)
        digest = hashlib.sha256(content).hexdigest()
        place = f"/files/{digest[:16]}/{digest[16:32]}/{project}/{filename}"
        kept = f"/objects/{digest}"
        self._list(project, filename, place, content)
        self._moved[place] = self.storage.origin + kept
        self.storage.serve(kept, content)
        bundle = self._sigstore.bundle(statement(filename, digest), anybody(ISSUER, by))
        beside = f"/integrity/{project}/{version}/{filename}"
        self.serve(f"{beside}/bundle.json", json.dumps(bundle).encode())
        self.serve(f"{beside}/provenance", b'{"version": 1, "attestation_bundles": []}')

    def pass_through(self, filename: str, content: bytes) -> None:
        """List a file of the public index."""
        project, version, *_ = parse_wheel_filename(filename)
        place = f"/python-upstream/simple/{project}/{version}/{filename}"
        self._list(project, filename, place, content)
        self.serve(place, content)

    def _list(self, project: str, filename: str, place: str, content: bytes) -> None:
        digest = Sha256(hashlib.sha256(content).hexdigest())
        url, size = self.origin + place, len(content)
        self.list_file(RemoteFile(filename=filename, url=url, sha256=digest, size=size), project)

    def answer(self, request: Request) -> Answer:
        """As its kind does."""
        if request.path.startswith("/python/"):
            request = replace(request, path=unquote(request.path).removeprefix("/python"))
        path, found = request.path, super().answer(request)
        if found.status == HTTPStatus.UNAUTHORIZED:
            return found
        project = path.rstrip("/").rpartition("/")[2]
        if project in self.blocked:
            reason, message = self.blocked[project]
            text = {"error": "conflict", "reason": reason, "message": message}
            return Answer(409, json.dumps(text).encode(), {"Content-Type": "application/json"})
        if path in self._moved:
            return Answer(302, b"", {"Location": self._moved[path]})
        return found


class KeySigningIndex(FakeIndex):
    """Shaped like Red Hat's Trusted Libraries: a page names provenance that one key signed."""

    def __init__(self) -> None:
        super().__init__(form="json", credentials=CREDENTIALS)
        self.key: ec.EllipticCurvePrivateKey = new_key()

    def release(self, filename: str, content: bytes, **changed: Any) -> RemoteFile:
        """List a file with its DSSE envelope in a PEP 740 object without Sigstore's material."""
        project, version, *_ = parse_wheel_filename(filename)
        said = {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": "https://slsa.dev/provenance/v0.2",
            **changed,
        }
        payload = statement(filename, hashlib.sha256(content).hexdigest(), **said)
        path = f"/api/integrity/{project}/{version}/{filename}/provenance/"
        self.serve(path, provenance({"kind": "Vendor"}, keyed(self.key, payload)))
        return self.add(filename, content, provenance=path)
