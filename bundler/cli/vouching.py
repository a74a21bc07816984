"""From a profile to what asks for attestations and judges them: for `lock` and `create`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

if TYPE_CHECKING:
    from bundler.archive.store import BlobStore
    from bundler.cli.planning import Planning
    from bundler.events import Observer
    from bundler.model.plan import Plan
    from bundler.model.publisher import Publisher
    from bundler.resolve.lock import Publishers
    from bundler.upstream.transport import Transport
    from bundler.upstream.vouching import Vouching


def make_vouching(path: Path, planned: Planning, transport: Transport) -> Vouching:
    """What the profile in `path` says about attestations, ready to be used."""
    from bundler.disk import read_whole
    from bundler.trust.attest import Attestor, public_root
    from bundler.trust.rules import pinned_keys, rules_of
    from bundler.upstream.provenance import ProvenanceReader
    from bundler.upstream.vouching import Vouching

    profile = planned.profile
    pinned = profile.attestations.trusted_root
    root = read_whole(path.parent / pinned) if pinned else public_root()
    return Vouching(
        root=root,
        readers={
            table.name: ProvenanceReader(transport, address)
            for table, address in zip(profile.index, planned.addresses, strict=True)
        },
        passed_through={index.name: tuple(index.passed_through) for index in profile.index},
        attestor=Attestor(root, pinned_keys(profile)),
        rules=rules_of(profile, profile.cutoff_at(planned.began), planned.earlier.publishers),
    )


def find_publishers(
    plan: Plan, vouching: Vouching, cache: BlobStore, observe: Observer
) -> Publishers:
    """Who attested the files of each project whose publisher the profile does not name.

    Raises:
        PolicyError: naming every file that may not enter.
        NetworkError: as `Vouching.vouch`.
    """
    from bundler.trust.policy import check, named_by_profile

    vouched = vouching.vouch(plan, cache, observe).values()
    check([(each.facts, each.verdict) for each in vouched], {}, vouching.rules)
    found: dict[NormalizedName, set[Publisher]] = {}
    for each in vouched:
        if each.verdict.identity is not None and not named_by_profile(each.facts, vouching.rules):
            found.setdefault(each.facts.project, set()).add(each.verdict.identity.publisher)
    return {project: tuple(sorted(found[project], key=str)) for project in sorted(found)}
