"""The client workflow of TUF (§5), run by `tuf.ngclient.Updater` over the entries of a head.

The updater works in a private folder that is gone afterwards, and on a copy of what is remembered:
a head that is refused leaves no trace.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from bundler.errors import BundlerError, TrustError
from bundler.trust.anchor import Anchor
from bundler.trust.metadata import MANIFEST, PACKING, ROLES, entry, latest_root, root_version
from bundler.trust.refusal import AGAIN, TUF_ERRORS, explain

_CONFIG = UpdaterConfig(timestamp_max_length=1 << 16)  # two ML-DSA signatures pass 16 kB
LIMITS = {
    "root": _CONFIG.root_max_length,
    entry("timestamp.json"): _CONFIG.timestamp_max_length,
    entry("snapshot.json"): _CONFIG.snapshot_max_length,
    entry("targets.json"): _CONFIG.targets_max_length,
    entry(f"{PACKING}.json"): _CONFIG.targets_max_length,
}
"""How many bytes a metadata file in a head may have."""

_BASE = "head:///metadata/"


def run_updater(
    head: Mapping[str, bytes], anchor: Anchor, documents: tuple[str, ...]
) -> tuple[dict[str, bytes], datetime]:
    """TUF's client workflow, up to the manifest and the `documents` of the packing.

    Returns:
        The state that it leaves behind: what `anchor` had, and what is newer; and what this host's
        clock said when expiry dates were compared with it.

    Raises:
        TrustError: if it refuses.
        DamagedError: if metadata is not what was signed.
        BundlerError: if no temporary folder can be written.
    """
    fetcher = _HeadFetcher(head)
    try:
        with tempfile.TemporaryDirectory(prefix="bundle-trust-") as name:
            folder = Path(name)
            for file, data in anchor.files.items():
                if not root_version(file):
                    (folder / file).write_bytes(data)
            now = None
            try:
                updater = Updater(
                    name,
                    _BASE,
                    fetcher=fetcher,
                    config=_CONFIG,
                    bootstrap=latest_root(anchor.files),
                )
                # The clock is read once, by python-tuf, and every date is held against that.
                now = updater._trusted_set.reference_time  # noqa: SLF001 - nothing public gives it
                updater.refresh()
                wanted = (MANIFEST, *documents)
                unnamed = [each for each in wanted if not updater.get_targetinfo(each)]
            except TUF_ERRORS as error:
                raise explain(error, fetcher.asked, head, anchor, now) from error
            if unnamed:
                raise TrustError(
                    f"{unnamed[0]} is not named by the metadata of this head: it is of another"
                    " bundle",
                    hint=AGAIN,
                )
            history = (folder / "root_history").iterdir()
            kept = {path.name: path.read_bytes() for path in history}
            kept |= {f"{role}.json": (folder / f"{role}.json").read_bytes() for role in ROLES}
    except OSError as error:
        raise BundlerError(
            f"the temporary folder cannot be used: {error.strerror or error}",
            hint="TMPDIR names another one",
        ) from error
    return {**anchor.files, **kept}, now


class _HeadFetcher(FetcherInterface):
    """Serves the metadata of a head; remembers what was asked for last."""

    def __init__(self, head: Mapping[str, bytes]) -> None:
        self._head = head
        self.asked = "metadata"

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = entry(url.removeprefix(_BASE))
        if name not in self._head:
            raise DownloadHTTPError(f"the head has no {name}", 404)
        self.asked = name
        return iter((self._head[name],))
