"""A simple repository index (PEP 503, 691) as the resolver sees it: asked early, asked once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Self, TypeVar

from packaging.utils import NormalizedName

from bundler.archive.store import BlobStore
from bundler.errors import NetworkError, NotFoundError
from bundler.model.artifact import RemoteFile, is_sdist
from bundler.model.page import ProjectPage
from bundler.resolve.index import WheelFacts
from bundler.upstream.cache import IndexCache
from bundler.upstream.metadata import read_remote_facts
from bundler.upstream.pages import ACCEPT, parse_page
from bundler.upstream.transport import Response, Transport

MAX_PAGE: Final = 64 * 1024 * 1024
"""Bytes; the longest pages of the public index have about 4 MB."""

MAX_HELD: Final = 2 * 1024**3
"""Bytes of pages and METADATA in one run; a thousand projects have some hundred MB."""

_THREADS: Final = 12
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class SimpleIndex:
    """Implements `bundler.resolve.index.Index` over HTTP.

    A task in the pool never waits for another one, so a full pool cannot lock up. Close it, or use
    it in a `with`: what is queued is cancelled then, an index that is silent is not waited for, and
    no thread is left.
    """

    def __init__(
        self,
        name: str,
        url: str,
        transport: Transport,
        store: BlobStore,
        *,
        cache: IndexCache | None = None,
        page_limit: int = MAX_PAGE,
        held_limit: int = MAX_HELD,
        threads: int = _THREADS,
    ) -> None:
        """Nothing is asked yet.

        Args:
            name: As the profile calls it.
            url: The root of the simple API, without credentials.
            transport: To ask with, over connections of our own; it stays the caller's to close.
            store: Receives wheels whose METADATA cannot be had without them.
            cache: Remembers from one run to the next.
            page_limit: In bytes.
            held_limit: For all pages and METADATA together, in bytes.
            threads: How many requests are under way at once.
        """
        self.name = name
        self._root = url.rstrip("/") + "/"
        self._transport = transport.branch()
        self._store = store
        self._cache = cache
        self._who = transport.identity(self._root) if cache else ""
        self._page_limit = page_limit
        self._left = held_limit
        self._pages: dict[NormalizedName, Future[ProjectPage]] = {}
        self._facts: dict[RemoteFile, Future[WheelFacts]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"index-{name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what is queued, cut off what is under way, and forget the answers."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._transport.interrupt()
        self._pool.shutdown(wait=True)
        self._transport.close()
        self._pages.clear()
        self._facts.clear()

    def page(self, project: NormalizedName) -> Future[ProjectPage]:
        """The page of a project.

        `result()` raises NotFoundError if the index has none, NetworkError for the rest.
        """
        return self._once(self._pages, project, self._load_page)

    def facts(self, file: RemoteFile) -> Future[WheelFacts]:
        """METADATA, digest and size of a file; for errors see `read_remote_facts`."""
        return self._once(self._facts, file, self._load_facts)

    def origin(self, _project: NormalizedName) -> str:
        """Itself."""
        return self.name

    def _once(
        self, known: dict[_Key, Future[_Value]], key: _Key, load: Callable[[_Key], _Value]
    ) -> Future[_Value]:
        with self._lock:
            future = known.get(key)
            if future is None:
                future = known[key] = self._pool.submit(load, key)
            return future

    def _load_page(self, project: NormalizedName) -> ProjectPage:
        url = f"{self._root}{project}/"

        def get(more: Mapping[str, str]) -> Response:
            return self._transport.get(
                url, accept=ACCEPT, limit=self._page_limit, more=more, stop=self._stop
            )

        try:
            if self._cache is None:
                answer = get({})
                listing = parse_page(answer.body, answer.content_type, answer.url, project)
            else:
                listing = self._cache.page(url, self._who, project, get)
        except NotFoundError as error:
            raise NotFoundError(
                f"the index {self.name!r} has no project {project}: {error.message}",
                hint="check the spelling, and that the index carries this project",
            ) from error
        self._hold(sum(map(len, listing.lines)))
        return listing.page()

    def _load_facts(self, file: RemoteFile) -> WheelFacts:
        # A source distribution is kept as a whole, in the store.
        cache = None if is_sdist(file.filename) else self._cache
        facts = cache.facts(self._root, file) if cache else None
        if facts is None:
            facts = read_remote_facts(self._transport, self._store, file, self._stop)
            if cache and file.sha256 is not None:
                cache.keep_facts(self._root, facts)
        self._hold(len(facts.metadata))
        return facts

    def _hold(self, size: int) -> None:
        """Count what stays in memory until the end."""
        with self._lock:
            self._left -= size
            if self._left < 0:
                raise NetworkError(
                    f"the index {self.name!r} sent more pages and metadata than memory is given to",
                    hint="ask for less at once: fewer requirements, or narrower ones",
                )
