"""Why python-tuf refused a bundle, in words that say which role, what, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, Root, Targets

from bundler.errors import DamagedError, RefusedError, TrustError
from bundler.trust.anchor import Anchor
from bundler.trust.keyless import reasons
from bundler.trust.keys import named
from bundler.trust.metadata import (
    ODD_METADATA,
    PACKING,
    ROLES,
    entry,
    latest_root,
    read_metadata,
    root_version,
)

TUF_ERRORS = (DownloadError, *ODD_METADATA)
"""All that `tuf.ngclient.Updater` is known to raise on odd metadata."""

AGAIN = "have the bundle sent again"

LONGEST = timedelta(days=10 * 365 + 3)
"""No metadata is good for longer than this."""

_WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)
_LONG_AGO = timedelta(days=3 * 365)
_NAMED_BY = {"snapshot": "timestamp", "targets": "snapshot", PACKING: "snapshot"}


def explain(
    error: Exception,
    asked: str,
    head: Mapping[str, bytes],
    anchor: Anchor,
    now: datetime | None,
) -> RefusedError:
    """The refusal for an exception of python-tuf.

    Args:
        error: One of `TUF_ERRORS`.
        asked: The entry of the head that was read last.
        head: The entries; all metadata among them could be read.
        anchor: What the bundle was held against.
        now: What this host's clock says, as far as it was read.
    """
    if isinstance(error, ExpiredMetadataError) and now:
        return _expired(error, head, anchor, now)
    if isinstance(error, UnsignedMetadataError):
        return _unsigned(asked, head, anchor)
    if isinstance(error, BadVersionNumberError):
        return _version(error, asked, head, anchor)
    if isinstance(error, LengthOrHashMismatchError | DownloadError):
        role = asked.removeprefix("metadata/").removesuffix(".json")
        by = _NAMED_BY.get(role, "the metadata above it")
        return DamagedError(
            f"{asked} is not the file that {by} names: damaged, or of another bundle", hint=AGAIN
        )
    return DamagedError(f"{asked} cannot be accepted: {type(error).__name__}: {error}", hint=AGAIN)


def older(sequence: int, anchor: Anchor) -> TrustError:
    """A rollback."""
    return TrustError(
        f"{anchor.stream}: sequence {sequence} is older than {anchor.sequence},"
        " which was accepted before",
        hint="bring the newest bundle; an import never goes back",
    )


def other_content(sequence: int, anchor: Anchor) -> TrustError:
    """A replay of a sequence's number."""
    return TrustError(
        f"{anchor.stream}: sequence {sequence} was accepted before with other content",
        hint="the sender made two bundles of one number; ask for one with a new number",
    )


def clock_behind(sequence: int, created: datetime, now: datetime) -> TrustError:
    """A bundle from the future: it, or more likely the clock, is wrong."""
    said = f"this host's clock says {now:%Y-%m-%d %H:%M} UTC"
    if now < _WRITTEN:
        return TrustError(
            f"{said}, which is before this program was written",
            hint="set the clock; a flat battery sends it back by years",
        )
    return TrustError(
        f"sequence {sequence} was made on {created:%Y-%m-%d at %H:%M} UTC; {said}",
        hint="set the clock, if it is slow; if it is right, the sender's was fast: ask for a new"
        " bundle",
    )


def good_too_long(role: str, expires: datetime) -> TrustError:
    """Metadata that would be good for ever, so that nobody noticed a held-back bundle."""
    return TrustError(
        f"the {role} metadata says that it is good until {expires:%Y-%m-%d}; no role lasts"
        f" longer than {LONGEST.days // 365} years",
        hint="is this host's clock right? If so, do not use the bundle, ask the sender",
    )


def _expired(
    error: ExpiredMetadataError, head: Mapping[str, bytes], anchor: Anchor, now: datetime
) -> TrustError:
    words = str(error).replace(".", " ").split()
    role = next((role for role in ROLES if role in words), Root.type)
    # A root in the head may be anyone's: the date that is shown is that of the one trusted here.
    data = latest_root(anchor.files) if role == Root.type else head[entry(f"{role}.json")]
    expires = Metadata.from_bytes(data).signed.expires
    text = (
        f"the {role} metadata expired on {expires:%Y-%m-%d at %H:%M} UTC;"
        f" this host's clock says {now:%Y-%m-%d %H:%M} UTC"
    )
    if now - expires > _LONG_AGO:
        return TrustError(
            f"{text}, {(now - expires).days // 365} years later",
            hint="such a clock is likely wrong: set it. If it is right, the bundle is very old",
        )
    return TrustError(
        text,
        hint="is this host's clock right? If so, ask the sender for a newer bundle, or for this one"
        " with new dates: bundle refresh",
    )


def _unsigned(asked: str, head: Mapping[str, bytes], anchor: Anchor) -> TrustError:
    role = asked.removeprefix("metadata/").removesuffix(".json")
    why = _why(asked, head, anchor)
    if role.endswith(Root.type):
        return TrustError(
            f"{asked} is not signed by enough keys of the root before it and of its own{why}",
            hint="a new root needs the officers of the old one, too; ask the sender",
        )
    root = read_metadata("root", latest_root(anchor.files), Root).signed
    threshold, keyids = 1, list[str]()
    if role in root.roles:
        threshold, keyids = root.roles[role].threshold, root.roles[role].keyids
        keys = root.keys
    else:
        targets = read_metadata("targets", head[entry("targets.json")], Targets).signed
        delegated = targets.get_delegated_role(role)
        threshold, keyids = delegated.threshold, delegated.keyids
        keys = targets.delegations.keys if targets.delegations else {}
    shown = ", ".join(named(keys[keyid]) for keyid in keyids if keyid in keys)
    return TrustError(
        f"{asked} is not signed by {threshold} of the keys that {anchor.stream} trusts"
        f" for {role}: {shown}{why}",
        hint="it was signed by others, or changed on the way; do not use it, ask the sender",
    )


def _why(asked: str, head: Mapping[str, bytes], anchor: Anchor) -> str:
    """What is wrong with signatures of keyless keys, whichever root names these."""
    roots = [data for name, data in {**anchor.files, **head}.items() if root_version(name)]
    named_there = [read_metadata("root", data, Root).signed.keys for data in roots]
    keys = {keyid: key for each in named_there for keyid, key in each.items()}
    metadata = Metadata.from_bytes(head[asked])
    return reasons(keys.values(), metadata.signatures, metadata.signed_bytes)


def _version(
    error: BadVersionNumberError, asked: str, head: Mapping[str, bytes], anchor: Anchor
) -> TrustError:
    offered = read_metadata("targets", head[entry("targets.json")], Targets).signed.version
    if offered < anchor.sequence:
        return older(offered, anchor)
    if asked.endswith(".root.json"):
        return TrustError(f"{asked} has the wrong version: {error}", hint=AGAIN)
    return TrustError(
        f"{asked} is older than what was accepted before, or of another bundle: {error}",
        hint="bring the newest volumes of this sequence, all from one run",
    )
