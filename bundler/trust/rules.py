"""The policy's rules out of a profile, and the keys that it pins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from packaging.requirements import Requirement
from packaging.utils import NormalizedName

from bundler.errors import ProfileError
from bundler.model.artifact import Sha256
from bundler.model.policy_tables import DIGEST, PublisherTable
from bundler.model.profile import Profile
from bundler.model.publisher import KEY, Publisher
from bundler.trust.pinned_keys import PinnedKey, key_fingerprint, read_key
from bundler.trust.policy import Expected, Mode, Rules


def rules_of(
    profile: Profile,
    cutoff: datetime | None,
    pinned: Mapping[NormalizedName, tuple[Publisher, ...]],
) -> Rules:
    """What the profile wants.

    Args:
        profile: Its keys under `[[publisher]]` are read.
        cutoff: As a time; the profile may have it as an age.
        pinned: What its locks have.

    Raises:
        ProfileError: naming a key that cannot be used.
    """
    listed = profile.attestations
    denied = [text for text in profile.policy.deny if not text.startswith(DIGEST)]
    digests = [text.removeprefix(DIGEST) for text in profile.policy.deny if text not in denied]
    return Rules(
        modes={index.name: Mode(index.provenance) for index in profile.index},
        project_modes={
            Mode.REQUIRED: tuple(listed.required),
            Mode.AVAILABLE: tuple(listed.available),
            Mode.NONE: tuple(listed.none),
        },
        expected=tuple(_expected(profile)),
        pinned=pinned,
        denied=tuple(map(Requirement, denied)),
        denied_digests=frozenset(map(Sha256, digests)),
        rebuilt_only=frozenset(each.name for each in profile.index if each.require_rebuilt),
        allow_yanked=profile.policy.yanked == "allow",
        cutoff=cutoff,
    )


def pinned_keys(profile: Profile) -> tuple[PinnedKey, ...]:
    """The keys of publishers that sign without Sigstore.

    Raises:
        ProfileError: naming a key that cannot be used.
    """
    return tuple(_key(table, number) for number, table in enumerate(profile.publisher) if table.key)


def _expected(profile: Profile) -> Iterator[Expected]:
    for number, table in enumerate(profile.publisher):
        publisher = (
            Publisher.of(KEY, fingerprint=key_fingerprint(_key(table, number)))
            if table.kind == KEY
            else table.publisher()
        )
        yield Expected(projects=tuple(table.projects), publisher=publisher, index=table.index)


def _key(table: PublisherTable, number: int) -> PinnedKey:
    try:
        return read_key(table.key or "")
    except ValueError as error:
        raise ProfileError(f"publisher[{number}].key: {error}") from error
