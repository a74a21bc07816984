"""Many wheels into the store, side by side, while the caller already uses the first ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import BinaryIO, Final, Self

from bundler.archive.store import BlobStore
from bundler.errors import BundlerError
from bundler.events import Advanced, Event, Finished, Noticed, Observer, Started, ignore
from bundler.model.artifact import Blob, Sha256
from bundler.model.plan import PlannedFile
from bundler.upstream.fetch import StoppedError, fetch_planned
from bundler.upstream.retry import TransientError
from bundler.upstream.transport import Transport
from bundler.wheel.fault import WheelError, together

PHASE: Final = "fetch"
_THREADS: Final = 4
_MB: Final = 1_000_000

Check = Callable[[PlannedFile, Path], None]


def _no_check(_file: PlannedFile, _path: Path) -> None:
    """Size and digest are enough."""


class Downloader:
    """Bounded parallel downloads; the first failure stops all of them.

    Leaving the `with` block stops what is under way, keeps the partial files, and leaves no thread.

    Attributes:
        failures: What went wrong, in the order in which it did.
    """

    def __init__(
        self,
        transport: Transport,
        store: BlobStore,
        *,
        check: Check = _no_check,
        observer: Observer = ignore,
        threads: int = _THREADS,
    ) -> None:
        """Nothing is asked yet.

        Args:
            transport: To ask with, over connections of our own; it stays the caller's to close.
            store: Where the wheels go.
            check: Runs in the download's thread on each complete file, also on one that was in the
                store already; what it raises is that file's failure, unless the file was in the
                store: then it is downloaded once, and checked again.
            observer: Told from the download threads, by one at a time.
            threads: How many downloads are under way at once.
        """
        self.failures: list[BundlerError] = []
        self._transport = transport.branch()
        self._store = store
        self._check = check
        self._observer = observer
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="download")
        self._futures: dict[Sha256, Future[None]] = {}
        self._pending: dict[Blob, list[PlannedFile]] = {}
        self._wanted: frozenset[Blob] | None = None
        self._active = 0
        self._cached = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop what is under way, drop what is queued, and wait for the threads to end."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for blob in self._pending:
                self._futures[blob.sha256].cancel()
            self._pending.clear()
        self._transport.interrupt()
        self._pool.shutdown(wait=True)
        self._transport.close()

    def begin(self, file: PlannedFile) -> None:
        """Fetch a wheel that will likely be wanted; if it fails, nothing happens yet."""
        with self._lock:
            if not self._futures:
                self._observer(Started(PHASE))
            if file.blob.sha256 not in self._futures:
                self._queue(file.blob, [file])

    def start(self, files: Iterable[PlannedFile]) -> None:
        """Fetch all of these, in this order; what was begun and is not among them is dropped."""
        groups: dict[Blob, list[PlannedFile]] = {}
        for file in files:
            groups.setdefault(file.blob, []).append(file)
        with self._lock:
            self._wanted = frozenset(groups)
            self._observer(Started(PHASE, sum(blob.size for blob in groups)))
            queued, self._pending = self._pending, {}
            for blob, group in groups.items():
                if blob in queued:
                    self._pending[blob] = group
                elif blob.sha256 not in self._futures:
                    self._queue(blob, group)
            self._finish_if_done()

    def _queue(self, blob: Blob, group: list[PlannedFile]) -> None:
        """The caller holds the lock."""
        self._futures[blob.sha256] = Future()
        self._pending[blob] = group
        self._pool.submit(self._next)

    def path(self, blob: Blob) -> Path:
        """Wait for a blob of the plan; where it is.

        Raises:
            WheelError: if the wheel breaks a rule; then all others are waited for, and every one
                that does is named.
            BundlerError: the blob's own failure, or the first one when that stopped it.
        """
        try:
            self._futures[blob.sha256].result()
        except WheelError as error:
            wait([self._futures[each.sha256] for each in self._wanted or ()])
            faults = [each for each in self.failures if isinstance(each, WheelError)]
            raise together(faults) from error
        except (CancelledError, StoppedError) as error:
            if self.failures:
                raise self.failures[0] from error
            raise StoppedError("the downloads were stopped") from error
        return self._store.path(blob.sha256)

    def open(self, blob: Blob) -> BinaryIO:
        """Wait for a blob of the plan and open it.

        Raises:
            BundlerError: as `path`.
        """
        self.path(blob)
        return self._store.open(blob)

    def _next(self) -> None:
        """One task: fetch what is first in the queue by now."""
        with self._lock:
            if not self._pending:
                return
            blob = next(iter(self._pending))
            group = self._pending.pop(blob)
            future = self._futures[blob.sha256]
            self._active += 1
        try:
            self._provide(blob, group)
        except BundlerError as error:
            self._fail(blob, error)
            future.set_exception(error)
        except OSError as error:
            failure = BundlerError(f"{group[0].remote.filename}: cannot be kept: {error}")
            self._fail(blob, failure)
            future.set_exception(failure)
        except BaseException as error:
            self._stop.set()
            future.set_exception(error)
            raise
        else:
            future.set_result(None)
        with self._lock:
            self._active -= 1
            self._finish_if_done()

    def _provide(self, blob: Blob, group: list[PlannedFile]) -> None:
        """Make the store have `blob`, checked for every file that it is."""

        def check(path: Path) -> None:
            for file in group:
                self._check(file, path)

        fetched = fetch_planned(
            self._transport,
            self._store,
            group[0].remote,
            blob,
            check=check,
            progress=self._advance,
            notice=lambda text: self._tell(Noticed(text)),
            stop=self._stop,
        )
        if not fetched:
            with self._lock:
                self._cached += 1

    def _finish_if_done(self) -> None:
        """The caller holds the lock."""
        done = self._wanted is not None and not self._active and not self._pending
        if done and not self._stop.is_set():
            self._observer(Finished(PHASE, self._summary()))

    def _fail(self, blob: Blob, error: BundlerError) -> None:
        """A failure stops everything, unless it is of a wheel that nobody may want."""
        with self._lock:
            if self._wanted is None:
                del self._futures[blob.sha256]  # `start` tries it again, if it is wanted
            elif blob in self._wanted:
                # After a stop nothing is tried again, so an error that would have been is no news.
                if isinstance(error, WheelError):
                    self.failures.append(error)  # what else is wrong shall be known at once
                    return
                news = not self._stop.is_set() or not isinstance(error, TransientError)
                if news and not isinstance(error, StoppedError):
                    self.failures.append(error)
                self._stop.set()

    def _advance(self, amount: int) -> None:
        if amount:
            self._tell(Advanced(PHASE, amount))

    def _tell(self, event: Event) -> None:
        with self._lock:
            self._observer(event)

    def _summary(self) -> str:
        wanted = self._wanted or frozenset()
        wheels = "1 wheel" if len(wanted) == 1 else f"{len(wanted)} wheels"
        size = sum(blob.size for blob in wanted) / _MB
        return f"{wheels}, {size:.1f} MB, {self._cached} from the cache"
