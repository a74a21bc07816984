"""Provenance of files, as an index keeps it: fetched raw, not read.

Where it is, a page says (PEP 740). Where the page does not, it is asked for at the integrity path
beside the index, `…/integrity/PROJECT/VERSION/FILENAME/provenance`. An index that also has the raw
Sigstore bundle beside it, as `bundle.json`, is asked for that: a provenance object has no place for
timestamps, without which newer logs prove nothing.
"""

from __future__ import annotations

import threading
from typing import Final
from urllib.parse import quote

from packaging.utils import NormalizedName
from packaging.version import Version

from bundler.errors import NotFoundError
from bundler.model.artifact import RemoteFile
from bundler.upstream.faults import AnswerError
from bundler.upstream.transport import Transport

MAX_PROVENANCE: Final = 2 * 1024 * 1024
"""Bytes; those of real files have about ten thousand."""

ACCEPT: Final = "application/vnd.pypi.integrity.v1+json, application/json;q=0.5"

_LAST, _RAW = "/provenance", "/bundle.json"
_BUNDLE_MARK: Final = b"application/vnd.dev.sigstore.bundle"

# 403: the index has the feature switched off. 406: it knows no such form of an answer.
_NONE_THERE: Final = frozenset({400, 403, 406, 410})


class ProvenanceReader:
    """Asks one index for the provenance of its files; for many threads."""

    def __init__(self, transport: Transport, index: str) -> None:
        """Nothing is asked yet.

        Args:
            transport: To ask with.
            index: The root of the simple API, without credentials.
        """
        root = index.rstrip("/")
        self._transport = transport
        self._integrity = (
            f"{root.removesuffix('/simple')}/integrity/" if root.endswith("/simple") else None
        )
        self._has_raw: bool | None = None

    def read(
        self, project: NormalizedName, version: Version, file: RemoteFile, stop: threading.Event
    ) -> bytes | None:
        """The provenance of a file; None when there is none.

        Raises:
            NetworkError: see `Transport.get`.
        """
        url = self._url(project, version, file)
        if url is None:
            return None
        if self._has_raw is not False and url.endswith(_LAST):
            raw = self._get(url.removesuffix(_LAST) + _RAW, stop)
            if raw is not None and _BUNDLE_MARK in raw:
                self._has_raw = True
                return raw
        found = self._get(url, stop)
        if found is not None and self._has_raw is None:
            self._has_raw = False  # it has the one and not the other: that is not asked again
        return found

    def _url(self, project: NormalizedName, version: Version, file: RemoteFile) -> str | None:
        if file.provenance is not None:
            return file.provenance or None
        if self._integrity is None:
            return None
        path = (project, str(version), file.filename)
        return self._integrity + "/".join(quote(part, safe="") for part in path) + _LAST

    def _get(self, url: str, stop: threading.Event) -> bytes | None:
        try:
            return self._transport.get(url, accept=ACCEPT, limit=MAX_PROVENANCE, stop=stop).body
        except NotFoundError:
            return None
        except AnswerError as error:
            if error.status in _NONE_THERE:
                return None
            raise
