"""What an index said, kept from one run to the next: pages, and the METADATA of wheels.

A page is kept as it was parsed. It is used again without asking while it is fresh, after a 304, or
when the same bytes came again; see `freshness`. METADATA are kept for ever, by the digest of the
wheel and for the index that told them: no index can tell another's. Credentials are not kept, and
what came for some is never shown to who asks with others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from bundler.events import Observer, ignore
from bundler.model.artifact import Blob, RemoteFile, Sha256
from bundler.resolve.index import WheelFacts
from bundler.upstream.entries import Entries
from bundler.upstream.freshness import RELEVANT, conditions, is_fresh, may_keep, refreshed
from bundler.upstream.listing import FORMAT, Listing
from bundler.upstream.pages import ACCEPT, parse_page
from bundler.upstream.transport import Response

Get = Callable[[Mapping[str, str]], Response]
"""Asks for a page, with more headers."""

_ANSWERS: Final = "answers"
_PAGES: Final = "pages"
_METADATA: Final = "metadata"
_NOT_MODIFIED: Final = 304
_ASK_ALL_THE_WAY: Final = {"Cache-Control": "max-age=0"}


@dataclass(frozen=True, slots=True)
class _Kept:
    """A page that is kept.

    Attributes:
        asked: When, in seconds since 1970.
        headers: Those of the answer that matter.
        source: Of which bytes, from where, it was parsed.
        listing: The page.
    """

    asked: float
    headers: Mapping[str, str]
    source: str
    listing: Listing


class IndexCache:
    """A folder for many indexes, processes and threads; when it is lost, time is lost."""

    def __init__(
        self,
        folder: Path,
        secret: bytes,
        now: datetime,
        observe: Observer = ignore,
        *,
        refresh: bool = False,
    ) -> None:
        """Nothing is read or written yet.

        Args:
            folder: Made when it is needed; if it cannot be used, all goes on without.
            secret: Known to nobody who must not decide what an index is believed to say; not kept
                in that folder. What was kept with another one is not found.
            now: When this run began.
            observe: Hears, from any thread, that the folder cannot be used.
            refresh: Ask about each page, even if the index said that it stays as it is for a while.
        """
        self._entries = Entries(folder, secret, observe)
        self._now = now.timestamp()
        self._refresh = refresh

    def page(self, url: str, who: str, project: NormalizedName, get: Get) -> Listing:
        """The page at `url`, with as little asking as HTTP allows.

        Args:
            url: Where it is.
            who: Tells the credentials apart with which it is asked for.
            project: Whose page it is.
            get: How to ask.

        Raises:
            NetworkError: as `get` and `parse_page`.
        """
        key = _digest(str(FORMAT), url, ACCEPT, who)
        kept = self._kept(key)
        more = _ASK_ALL_THE_WAY if self._refresh else {}
        if kept is None:
            return self._take(key, project, get(more), None)
        if not self._refresh and is_fresh(kept.headers, kept.asked, self._now):
            return kept.listing
        answer = get(conditions(kept.headers) | more)
        if answer.status == _NOT_MODIFIED:
            headers = refreshed(kept.headers, _relevant(answer))
            if headers is not None and not answer.redirected:
                self._remember(key, headers, kept.source)
                return kept.listing
            answer = get(more)
        return self._take(key, project, answer, kept)

    def facts(self, root: str, file: RemoteFile) -> WheelFacts | None:
        """What the index at `root` told of a wheel, if it fits what its page says now."""
        if file.sha256 is None:
            return None
        found = self._entries.read(_METADATA, _digest(root, file.sha256))
        if found is None:
            return None
        size, _, metadata = found.partition(b"\n")
        facts = WheelFacts(metadata, Blob(file.sha256, int(size)))
        fits = file.size in {None, facts.blob.size}
        return facts if fits and file.metadata_sha256 in {None, facts.metadata_sha256} else None

    def keep_facts(self, root: str, facts: WheelFacts) -> None:
        """Keep what the index at `root` told of a wheel."""
        content = b"%d\n%b" % (facts.blob.size, facts.metadata)
        self._entries.write(_METADATA, _digest(root, facts.blob.sha256), content)

    def _take(
        self, key: str, project: NormalizedName, answer: Response, kept: _Kept | None
    ) -> Listing:
        """Parse a page and keep it, unless the same bytes were parsed already."""
        body = hashlib.sha256(answer.body).hexdigest()
        source = _digest(answer.url, answer.content_type, body)
        headers = _relevant(answer)
        if kept is not None and kept.source == source:
            listing = kept.listing
        else:
            listing = parse_page(answer.body, answer.content_type, answer.url, project)
            if may_keep(headers):
                self._entries.write(_PAGES, key, listing.to_bytes(), source)
        if answer.redirected and may_keep(headers):
            headers = {}  # they are about another address; this one is asked again
        self._remember(key, headers, source)
        return listing

    def _kept(self, key: str) -> _Kept | None:
        answer = self._entries.read(_ANSWERS, key)
        if answer is None:
            return None
        asked, headers, source = json.loads(answer)
        packed = self._entries.read(_PAGES, key, source)
        if packed is None:
            return None
        return _Kept(asked, headers, source, Listing.from_bytes(packed))

    def _remember(self, key: str, headers: Mapping[str, str], source: str) -> None:
        if may_keep(headers):
            content = json.dumps([self._now, headers, source]).encode()
            self._entries.write(_ANSWERS, key, content)
        else:
            self._entries.remove(_ANSWERS, key)
            self._entries.remove(_PAGES, key)


def _relevant(answer: Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name in RELEVANT}


def _digest(*parts: str) -> Sha256:
    return Sha256(hashlib.sha256(json.dumps(parts).encode()).hexdigest())
