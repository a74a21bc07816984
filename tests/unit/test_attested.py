"""Attestations from the index to the mirror, with a Sigstore of our own and the real verifier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from bundler import describe
from bundler.cli.inside import _judge
from bundler.describe import Admitted
from bundler.errors import DamagedError, TrustError
from bundler.events import ignore
from bundler.mirror.attested import check_verdicts
from bundler.mirror.layout import Mirror
from bundler.model.manifest import ProjectDocument, VerifiedManifest
from bundler.model.verdict import ABSENT, Outcome, Verdict
from tests.fakes.attestations import attestation, provenance, statement
from tests.fakes.command import Site, bundle, site, succeed
from tests.fakes.fulcio import github
from tests.fakes.mirrors import bundled, deliver, documents_of
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.trust import digest
from tests.fakes.wheels import build_wheel

SIGSTORE = FakeSigstore()
CLAIM = {"kind": "GitHub", "repository": "example/app", "workflow": "release.yml"}


@dataclass(frozen=True)
class Host:
    """A site whose profile pins our Sigstore."""

    site: Site
    documents: dict[str, bytes] = field(default_factory=dict)

    def release(
        self, version: str, *, by: str | None = "example/app", about: str | None = None
    ) -> None:
        """Put a wheel of `app` onto the index, attested by a repository."""
        name, content = build_wheel("app", version)
        path = f"/integrity/app/{version}/{name}/provenance"
        if by is not None:
            payload = statement(about or name, digest(content))
            signed = attestation(SIGSTORE.bundle(payload, github(by)))
            document = provenance({**CLAIM, "repository": by}, signed)
            self.documents[version] = document
            self.site.index.serve(path, document)
        self.site.index.add(name, content, provenance="" if by is None else path)

    def create(self, more: str = "", index: str = "") -> Result:
        (self.site.folder / "root-of-sigstore.json").write_bytes(SIGSTORE.trusted_root)
        self.site.write_profile(["app>1"])
        text = self.site.profile.read_text().replace("[targets]", f"{index}\n[targets]")
        pinned = 'trusted-root = "root-of-sigstore.json"'
        if "[attestations]" in more:
            more = more.replace("[attestations]", f"[attestations]\n{pinned}")
        else:
            more += f"\n[attestations]\n{pinned}\n"
        self.site.profile.write_text(text + more)
        return self.site.create()

    def files(self, sequence: int = 1) -> dict[str, Verdict]:
        """The verdicts in the mirror after unpacking."""
        succeed("unpack", self.site.volume(sequence), "--into", self.site.mirror)
        store = Mirror.open(self.site.mirror).store
        found = {}
        for path in store.root.rglob("*"):
            if path.is_file() and path.read_bytes().startswith(b'{"files":'):
                for file in ProjectDocument.from_bytes(path.read_bytes()).files:
                    found[file.filename] = file.verdict
                    assert file.provenance is None or store.has(file.provenance)
        return found


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with site(tmp_path) as made:
        yield Host(made)


def refusal(result: Result) -> str:
    assert result.exit_code == 4, result.output
    return " ".join(result.stderr.split())


def test_the_whole_way(host: Host) -> None:
    host.release("1.1")
    result = host.create(index='provenance = "required"')
    assert result.exit_code == 0, result.output
    assert "1 verified" in result.stderr
    (verdict,) = host.files().values()
    (beside,) = (host.site.mirror / "files").rglob("*.provenance")
    assert beside.read_bytes() == host.documents["1.1"]
    assert beside.stat().st_mode & 0o777 == 0o644
    assert verdict.outcome is Outcome.VERIFIED
    assert verdict.identity is not None
    assert str(verdict.identity.publisher) == "GitHub example/app release.yml"


def test_attestations_that_came_later_take_the_place_of_the_old(host: Host) -> None:
    host.release("1.1")
    assert host.create().exit_code == 0
    host.files()
    first = host.documents["1.1"]
    host.release("1.1")
    assert host.documents["1.1"] != first
    assert host.create().exit_code == 0
    host.files(2)
    (beside,) = (host.site.mirror / "files").rglob("*.provenance")
    assert beside.read_bytes() == host.documents["1.1"]


def test_available_says_honestly_that_there_are_none(host: Host) -> None:
    host.release("1.1", by=None)
    result = host.create()
    assert result.exit_code == 0, result.output
    assert "1 absent" in result.stderr
    assert host.files() == {"app-1.1-py3-none-any.whl": ABSENT}


def test_required_names_the_files_without(host: Host) -> None:
    host.release("1.1", by=None)
    said = refusal(host.create(index='provenance = "required"'))
    assert "app-1.1-py3-none-any.whl: refused: it has no attestation, and one is required" in said
    assert not host.site.out.exists()


def test_with_none_nothing_is_asked(host: Host) -> None:
    host.release("1.1")
    assert host.create(index='provenance = "none"').exit_code == 0
    assert not [path for path in host.site.index.paths() if path.startswith("/integrity/")]


def test_a_hijacked_release_does_not_get_in(host: Host) -> None:
    """As with Ultralytics: a good project, then a version that its workflow did not publish."""
    host.release("1.1")
    assert host.create().exit_code == 0
    host.release("1.2", by=None)
    assert (
        "app-1.2-py3-none-any.whl: refused: it has no attestation, but app was attested in"
        " sequence 1 by GitHub example/app release.yml" in refusal(host.create())
    )
    host.release("1.3", by="mallory/app")
    said = refusal(host.create())
    assert (
        "app-1.3-py3-none-any.whl: refused: it is attested by GitHub mallory/app release.yml, but"
        " in sequence 1 it was GitHub example/app release.yml" in said
    )
    assert 'repository = "mallory/app"' in said
    allowed = '[[publisher]]\nprojects = ["app"]\nkind = "GitHub"\nrepository = "mallory/app"\n'
    assert host.create(allowed).exit_code == 0
    assert refusal(host.create(allowed.replace("mallory", "example")))


def test_an_attestation_of_another_file_does_not_get_in(host: Host) -> None:
    host.release("1.1", about="app-1.0-py3-none-any.whl")
    assert (
        "its attestation is not valid: the statement is about 'app-1.0-py3-none-any.whl'"
        in refusal(host.create())
    )


def test_a_downgrade_that_the_profile_excuses(host: Host) -> None:
    host.release("1.1")
    assert host.create().exit_code == 0
    host.release("1.2", by=None)
    assert host.create('[attestations]\navailable = ["app"]\n').exit_code == 0
    assert host.files(2)["app-1.2-py3-none-any.whl"] == ABSENT


def test_a_lost_memory_is_not_taken_for_an_empty_one(host: Host) -> None:
    host.release("1.1")
    assert host.create().exit_code == 0
    (memory,) = host.site.folder.rglob("attested.json")
    memory.write_bytes(b"{}")
    assert "attested.json: no key 'format'" in refusal(host.create())


def test_a_bundle_that_claims_what_is_not_proven_is_refused(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever holds the officers' keys cannot make a file look attested."""
    host.release("1.1")
    host.release("1.2")
    real = describe.documents

    def lying(admitted: Admitted) -> Iterator[ProjectDocument]:
        (document,) = real(admitted)
        (file,) = document.files
        changed = replace(file.verdict, log_index=8)
        yield replace(document, files=(replace(file, verdict=changed),))

    monkeypatch.setattr(describe, "documents", lying)
    assert host.create().exit_code == 0
    said = refusal(bundle("unpack", host.site.volume(), "--into", host.site.mirror))
    assert "the bundle says that it is attested by GitHub example/app release.yml" in said
    assert "log index 8" in said
    assert "but its attestation proves that it is attested by" in said
    assert not (host.site.mirror / "simple").exists()


# The check inside, on documents that no honest host writes


def delivered(folder: Path, **says: Any) -> tuple[Mirror, VerifiedManifest]:
    mirror = Mirror.create(folder)
    wheel = build_wheel("app", "1.0")
    manifest = deliver(mirror, [wheel], documents_of([bundled(wheel, **says)]).values())
    root = mirror.store.put(SIGSTORE.trusted_root)
    return mirror, VerifiedManifest(replace(manifest, trusted_root=root))


def prove() -> tuple[bytes, Verdict]:
    name, content = build_wheel("app", "1.0")
    signed = SIGSTORE.bundle(statement(name, digest(content)), github("example/app"))
    document = json.dumps(signed).encode()
    return document, _judge(SIGSTORE.trusted_root, PROFILE).verdict(name, digest(content), document)


PROFILE = (
    b'[profile]\nname = "web"\nrequirements = ["app"]\n'
    b'[targets]\npython = ["3.12"]\nplatforms = ["linux"]\n'
)


def judged(mirror: Mirror, manifest: VerifiedManifest) -> None:
    check_verdicts(mirror, manifest, lambda root, _: _judge(root, PROFILE), ignore)


def test_verified_without_a_document(tmp_path: Path) -> None:
    _document, verdict = prove()
    with pytest.raises(TrustError, match="but its attestation proves that it is not attested"):
        judged(*delivered(tmp_path / "mirror", verdict=verdict))


def test_a_document_that_is_said_to_prove_nothing(tmp_path: Path) -> None:
    document, _verdict = prove()
    mirror = Mirror.create(tmp_path / "mirror")
    blob = mirror.store.put(document)
    with pytest.raises(
        TrustError, match="says that it is not attested, but its attestation proves"
    ):
        judged(*delivered(tmp_path / "mirror", provenance=blob))


def test_a_document_that_does_not_hold(tmp_path: Path) -> None:
    _document, verdict = prove()
    mirror = Mirror.create(tmp_path / "mirror")
    blob = mirror.store.put(b"{}")
    with pytest.raises(TrustError, match="but its attestation is not valid: it has version None"):
        judged(*delivered(tmp_path / "mirror", provenance=blob, verdict=verdict))


def test_attested_without_a_trust_root(tmp_path: Path) -> None:
    _document, verdict = prove()
    mirror, manifest = delivered(tmp_path / "mirror", verdict=verdict)
    with pytest.raises(TrustError, match="is attested, but the manifest names no trust root"):
        judged(mirror, VerifiedManifest(replace(manifest, trusted_root=None)))


@pytest.mark.parametrize("lost", ["provenance", "trusted_root", "document"])
def test_what_is_missing_is_left_to_others(tmp_path: Path, lost: str) -> None:
    document, verdict = prove()
    mirror = Mirror.create(tmp_path / "mirror")
    blob = mirror.store.put(document)
    mirror, manifest = delivered(tmp_path / "mirror", provenance=blob, verdict=verdict)
    judged(mirror, manifest)
    assert manifest.trusted_root is not None
    gone = {
        "provenance": blob,
        "trusted_root": manifest.trusted_root,
        "document": next(iter(manifest.projects.values())),
    }
    mirror.store.path(gone[lost].sha256).unlink()
    judged(mirror, manifest)


@pytest.mark.parametrize("harmed", ["provenance", "trusted_root"])
def test_what_was_damaged_on_disk_is_removed(tmp_path: Path, harmed: str) -> None:
    document, verdict = prove()
    blob = Mirror.create(tmp_path / "mirror").store.put(document)
    mirror, manifest = delivered(tmp_path / "mirror", provenance=blob, verdict=verdict)
    assert manifest.trusted_root is not None
    found = blob if harmed == "provenance" else manifest.trusted_root
    path = mirror.store.path(found.sha256)
    path.chmod(0o600)
    path.write_bytes(b" " * found.size)
    with pytest.raises(DamagedError, match="was damaged on this disk, and removed"):
        judged(mirror, manifest)
    assert not path.exists()
