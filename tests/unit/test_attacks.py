"""TUF's list of attacks, and others on trust, each tried on a whole bundle by its name.

What must be said, and the exit code, stand in the table of `docs/attacks-trust.md`; each test finds
its row there. Before and after each attack the mirror is the same, byte for byte,
but for the line in its journal that says so.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root, TargetFile

from bundler.archive.head import PREFIX
from bundler.archive.staged import encode_staged, read_staged
from bundler.model.canonical import canonical
from bundler.trust.keyfiles import read_private
from tests.fakes.ceremony import Ceremony, ceremony
from tests.fakes.clock import set_clock
from tests.fakes.command import bundle, succeed, tree, without_journal
from tests.fakes.documents import ROOT
from tests.fakes.keyless import (
    DORA,
    Bundle,
    as_signature,
    forged,
    identity_token,
    keyless_key,
    sigstore_instance,
)
from tests.fakes.lies import Head, edit, head_of, seal, with_head
from tests.fakes.netns import clean_environment, require_isolation, run_isolated
from tests.fakes.sigstore import FakeSigstore
from tests.fakes.trust import the_time
from tests.fakes.wheels import build_wheel

_ROW = re.compile(r"^\| [^|]+ \| [^|]+ \| `(test_\w+)` \| `([^|]+)` \| (\d) \|$", re.MULTILINE)
TABLE = {
    name: (text, int(code))
    for name, text, code in _ROW.findall((ROOT / "docs" / "attacks-trust.md").read_text())
}


@dataclass(frozen=True, slots=True)
class World:
    """A stream of two officers and a packing host, two sequences of it, and a site for an attack.

    The site has sequence 1. `first` and `second` are the volumes.
    """

    people: Ceremony
    folder: Path
    name: str

    @property
    def first(self) -> Path:
        """Sequence 1."""
        return self.people.host.volume(1)

    @property
    def second(self) -> Path:
        """Sequence 2."""
        return self.people.host.volume(2)

    @property
    def mirror(self) -> Path:
        """The site that is attacked."""
        return self.folder / "mirror"

    def key(self, name: str) -> CryptoSigner:
        """A stolen private key."""
        home = "home" if name == "host" else name
        (signer,) = read_private(self.people.folder / home / "keys" / f"{name}.key", str)
        return signer

    def lie(self, head: Head) -> Path:
        """Sequence 2 with another head."""
        return with_head(self.second, head, self.folder / "lie.v01.tar.zst")

    def refused(self, volume: Path) -> None:
        """Importing it ends as the table says, and changes nothing.

        The head of a damaged volume is kept, if the gate let it in: it says what is missing.
        """
        before = without_journal(tree(self.mirror))
        self.expect(*self.attempt(volume))
        found = without_journal(tree(self.mirror)).items()
        after = {name: each for name, each in found if not name.startswith(".bundler/arrived")}
        for names in (before, after):
            names.pop(".bundler/lock", None)
        assert {name: found[2] for name, found in after.items()} == {
            name: found[2] for name, found in before.items()
        }

    def attempt(self, volume: Path) -> tuple[str, int]:
        """What `unpack` says."""
        result = bundle("unpack", volume, "--into", self.mirror)
        return result.stderr, result.exit_code

    def expect(self, said: str, code: int) -> None:
        """It is what the table says."""
        pattern = re.escape(TABLE[self.name][0]).replace("…", ".+")
        assert re.search(f"error: {pattern}", said), said
        assert code == TABLE[self.name][1]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceremony]:
    with ceremony(tmp_path_factory.mktemp("attacks")) as people:
        people.begin(2, "ana", "ben")
        people.authorise(1, "ana", "ben")
        shutil.copytree(people.host.mirror, people.folder / "site", symlinks=True)
        people.host.index.add(*build_wheel("app", "2.0", requires=("lib",)))
        people.authorise(2, "ana", "ben")
        yield people


@pytest.fixture
def world(stage: Ceremony, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    shutil.copytree(stage.folder / "site", tmp_path / "mirror", symlinks=True)
    return World(stage, tmp_path, request.node.name)


@dataclass(frozen=True, slots=True)
class KeylessWorld(World):
    """The same, where the second officer is Dora, who signs by an identity."""

    sigstore: FakeSigstore

    @property
    def signed(self) -> bytes:
        """What Dora has to sign for sequence 2 to be let in."""
        return Metadata.from_bytes(head_of(self.second)["metadata/targets.json"]).signed_bytes

    def forge(self, bundle: Bundle) -> Path:
        """Sequence 2 with another signature of Dora's."""
        head, key = head_of(self.second), keyless_key(self.sigstore)
        targets = Metadata.from_bytes(head["metadata/targets.json"])
        targets.signatures[key.keyid] = as_signature(key, bundle)
        head["metadata/targets.json"] = canonical(targets.to_dict())
        seal(head, [self.key("host")])
        return self.lie(head)


@pytest.fixture(scope="module")
def keyless_stage(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Ceremony, FakeSigstore]]:
    folder = tmp_path_factory.mktemp("keyless")
    with (
        pytest.MonkeyPatch.context() as patch,
        ceremony(folder / "stage") as people,
        sigstore_instance(folder / "instance") as instance,
    ):
        patch.setenv("SIGSTORE_ID_TOKEN", identity_token())
        people.keygen("dora", "--from", instance.uri())
        people.begin(2, "ana", "dora")
        people.authorise(1, "ana", "dora")
        shutil.copytree(people.host.mirror, people.folder / "site", symlinks=True)
        people.host.index.add(*build_wheel("app", "2.0", requires=("lib",)))
        people.authorise(2, "ana", "dora")
        yield people, instance.sigstore


@pytest.fixture
def keyless(
    keyless_stage: tuple[Ceremony, FakeSigstore], tmp_path: Path, request: pytest.FixtureRequest
) -> KeylessWorld:
    people, sigstore = keyless_stage
    shutil.copytree(people.folder / "site", tmp_path / "mirror", symlinks=True)
    return KeylessWorld(people, tmp_path, request.node.name, sigstore)


def test_without_a_lie_it_is_let_in(world: World) -> None:
    volume = world.lie(head_of(world.second))
    assert world.attempt(volume)[1] == 0


def test_every_row_is_tried() -> None:
    there = {name for name in globals() if name.startswith("test_")}
    assert set(TABLE) == there - {
        "test_every_row_is_tried",
        "test_without_a_lie_it_is_let_in",
        "test_without_a_lie_a_keyless_officer_is_believed",
    }


# Arbitrary software


def test_arbitrary_software(world: World) -> None:
    head = head_of(world.second)
    head["manifest.json"] = head["manifest.json"].replace(b"bundler 0", b"bundler 9")
    world.refused(world.lie(head))


def test_arbitrary_software_signed_by_a_stranger(world: World) -> None:
    with ceremony(world.folder / "stranger") as other:
        other.begin(1, "ana")
        other.authorise(1, "ana")
        world.refused(other.host.volume())


def authorise_evil(world: World, *names: str) -> Head:
    """Another manifest, with everything signed that these keys can sign, and the packing host."""
    head = head_of(world.second)
    evil = head["manifest.json"].replace(b"bundler 0", b"bundler 9")
    head["manifest.json"] = evil

    def name_it(signed: object) -> None:
        signed.targets["manifest.json"] = TargetFile.from_data("manifest.json", evil)  # type: ignore[attr-defined]

    edit(head, "targets", name_it, [world.key(name) for name in names])
    seal(head, [world.key("host")])
    return head


def test_arbitrary_software_by_the_packing_host(world: World) -> None:
    world.refused(world.lie(authorise_evil(world, "host")))


def test_compromise_of_fewer_keys_than_the_threshold(world: World) -> None:
    world.refused(world.lie(authorise_evil(world, "ana", "host")))


def test_one_officer_signs_twice(world: World) -> None:
    head = authorise_evil(world, "ana")
    targets = Metadata.from_bytes(head["metadata/targets.json"]).to_dict()
    ben = world.key("ben").public_key.keyid
    targets["signatures"].append({**targets["signatures"][0], "keyid": ben})
    head["metadata/targets.json"] = canonical(targets)
    seal(head, [world.key("host")])
    world.refused(world.lie(head))


def test_one_signature_stands_twice(world: World) -> None:
    head = authorise_evil(world, "ana")
    targets = Metadata.from_bytes(head["metadata/targets.json"]).to_dict()
    targets["signatures"] *= 2
    head["metadata/targets.json"] = canonical(targets)
    world.refused(world.lie(head))


# Endless data


def test_endless_data_in_the_head(world: World) -> None:
    data = world.second.read_bytes()
    volume = world.folder / "endless.v01.tar.zst"
    volume.write_bytes(PREFIX.pack(0x184D2A50, 2**32 - 1) + data[PREFIX.size :])
    world.refused(volume)


def test_endless_metadata(world: World) -> None:
    head = head_of(world.second)
    del head["manifest.json"]
    head["manifest.json"] = b"{}"
    head["metadata/timestamp.json"] = b"[" * 65_537
    world.refused(world.lie(head))


# Rollback, replay, fast-forward


def test_rollback(world: World) -> None:
    succeed("unpack", world.second, "--into", world.mirror)
    world.refused(world.first)


def test_rollback_under_a_new_timestamp(world: World) -> None:
    succeed("unpack", world.second, "--into", world.mirror)
    head = head_of(world.first)
    for role in ("packing", "snapshot", "timestamp"):
        edit(head, role, lambda signed: setattr(signed, "version", 99), [world.key("host")])
    seal(head, [world.key("host")])
    volume = with_head(world.first, head, world.folder / "old.v01.tar.zst")
    world.refused(volume)


def test_the_same_sequence_with_other_content(world: World) -> None:
    succeed("unpack", world.second, "--into", world.mirror)
    head = authorise_evil(world, "ana", "ben")
    for role in ("snapshot", "timestamp"):
        edit(head, role, lambda signed: setattr(signed, "version", 99), [world.key("host")])
    seal(head, [world.key("host")])
    world.refused(world.lie(head))


def test_fast_forward_to_the_end(world: World) -> None:
    head = head_of(world.second)
    edit(head, "timestamp", lambda signed: setattr(signed, "version", 10**9), [world.key("host")])
    world.refused(world.lie(head))


# Freeze


def test_indefinite_freeze(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, the_time() + timedelta(days=181))
    world.refused(world.second)


def test_a_freeze_that_nobody_would_notice(world: World) -> None:
    head = head_of(world.second)
    late = datetime(2999, 1, 1, tzinfo=UTC)
    edit(head, "timestamp", lambda signed: setattr(signed, "expires", late), [world.key("host")])
    world.refused(world.lie(head))


def test_a_clock_that_was_set_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, datetime(2000, 1, 1, tzinfo=UTC))
    world.refused(world.second)


def test_a_clock_that_was_set_back_a_little(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, the_time() - timedelta(days=40))
    world.refused(world.second)


def test_a_clock_that_was_set_far_ahead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, datetime(2030, 12, 1, tzinfo=UTC))
    world.refused(world.second)


# Mix-and-match, wrong software


def test_mix_and_match_of_metadata(world: World) -> None:
    head = head_of(world.second)
    head["metadata/packing.json"] = head_of(world.first)["metadata/packing.json"]
    world.refused(world.lie(head))


def test_mix_and_match_of_the_timestamp(world: World) -> None:
    head = head_of(world.second)
    head["metadata/timestamp.json"] = head_of(world.first)["metadata/timestamp.json"]
    world.refused(world.lie(head))


def test_wrong_software(world: World) -> None:
    """The head of one bundle, the frames of the other."""
    head = head_of(world.second)
    volume = with_head(world.first, head, world.folder / "mixed.v01.tar.zst")
    world.refused(volume)


def test_wrong_stream(world: World) -> None:
    head = head_of(world.second)
    name = next(name for name in head if name.startswith("transport/"))
    head["transport/other-000002.v01.json"] = head.pop(name)
    volume = world.lie(head)
    world.refused(volume)


def test_one_role_passed_off_as_another(world: World) -> None:
    head = head_of(world.second)
    head["metadata/targets.json"] = head["metadata/packing.json"]
    head["metadata/snapshot.json"] = head["metadata/timestamp.json"]
    world.refused(world.lie(head))


# Roots


def next_root(world: World, *signers: CryptoSigner, version: int = 2) -> bytes:
    """A root that gives everything to a thief."""
    thief = CryptoSigner.generate_ed25519()
    root = Metadata[Root].from_bytes(head_of(world.second)["metadata/1.root.json"])
    root.signed.version = version
    root.signed.keys = {thief.public_key.keyid: thief.public_key}
    for role in root.signed.roles.values():
        role.keyids, role.threshold = [thief.public_key.keyid], 1
    root.signatures.clear()
    for signer in (thief, *signers):
        root.sign(signer, append=True)
    return canonical(root.to_dict())


def test_a_root_of_a_thief(world: World) -> None:
    head = head_of(world.second)
    head["metadata/2.root.json"] = next_root(world)
    world.refused(world.lie(head))


def test_a_root_signed_by_one_officer_of_two(world: World) -> None:
    head = head_of(world.second)
    head["metadata/2.root.json"] = next_root(world, world.key("ana"))
    world.refused(world.lie(head))


def test_a_root_that_skips_a_version(world: World) -> None:
    head = head_of(world.second)
    head["metadata/3.root.json"] = next_root(world, world.key("ana"), world.key("ben"), version=3)
    world.refused(world.lie(head))


def test_a_bundle_brings_its_own_root(world: World) -> None:
    """What is in a bundle is no anchor, not even where nothing is pinned yet."""
    shutil.rmtree(world.mirror / ".bundler" / "trust")
    world.refused(world.second)


# Between the packing host and the officers


def test_a_staged_file_with_another_manifest(world: World) -> None:
    people = world.people
    people.host.index.add(*build_wheel("app", "3.0", requires=("lib",)))
    assert people.host.create().exit_code == 0
    staged = people.staged(3)
    entries = read_staged(staged)
    evil = entries["manifest.json"].replace(b"bundler 0", b"bundler 9")
    staged.write_bytes(encode_staged({**entries, "manifest.json": evil}))
    before = staged.read_bytes()
    result = people.sign(staged, "ana")
    assert staged.read_bytes() == before
    staged.unlink()
    world.expect(result.stderr, result.exit_code)


def test_a_staged_root_that_hides_a_key(world: World) -> None:
    """It shows the officers as before; a thief's key signs for targets as well."""
    people = world.people
    staged = world.folder / "test-root-000002.staged"
    succeed("trust", "rotate", "test", "-o", world.folder, *people.host.home)
    entries = read_staged(staged)
    root = Metadata[Root].from_bytes(entries["metadata/2.root.json"])
    root.signed.add_key(CryptoSigner.generate_ed25519().public_key, "targets")
    entries["metadata/2.root.json"] = canonical(root.to_dict())
    staged.write_bytes(encode_staged(entries))
    result = people.sign(staged, "ana")
    world.expect(result.stderr, result.exit_code)


def test_a_staged_file_of_somebody_else(world: World) -> None:
    """With the officers' own root in it, a manifest that they want to see, and their signatures."""
    people = world.people
    assert people.host.create().exit_code == 0
    staged = people.staged(3)
    entries = read_staged(staged)
    word = entries["metadata/targets.json"]
    year = word.split(b'"expires":"')[1][:4]
    entries["metadata/targets.json"] = word.replace(b'"expires":"' + year, b'"expires":"2028')
    staged.write_bytes(encode_staged(entries))
    for name in ("ana", "ben"):
        assert people.sign(staged, name).exit_code == 0
    result = people.resume(3)
    staged.unlink()
    assert not people.host.volume(3).exists()
    world.expect(result.stderr, result.exit_code)


def test_a_signature_that_is_carried_over(world: World) -> None:
    """Ana's signature under sequence 2 does not count for sequence 3."""
    people = world.people
    assert people.host.create().exit_code == 0
    staged = people.staged(3)
    entries = read_staged(staged)
    old = Metadata.from_bytes(head_of(world.second)["metadata/targets.json"])
    new = Metadata.from_bytes(entries["metadata/targets.json"])
    new.signatures.update(old.signatures)
    entries["metadata/targets.json"] = canonical(new.to_dict())
    staged.write_bytes(encode_staged(entries))
    result = bundle("sign", staged)
    staged.unlink()
    world.expect(result.stderr, result.exit_code)


# Keyless officers


@pytest.mark.netns
def test_without_a_lie_a_keyless_officer_is_believed(keyless: KeylessWorld) -> None:
    """Nothing is asked of any network, and a certificate of long ago is as good."""
    require_isolation()
    volume = keyless.forge(forged(keyless.sigstore, keyless.signed))
    words = ("unpack", volume, "--into", keyless.mirror)
    environ = clean_environment(keyless.folder)
    done = run_isolated([sys.executable, "-m", "bundler", *words], environ, keyless.folder)
    assert done.returncode == 0, done.stderr


def test_keyless_by_another_identity(keyless: KeylessWorld) -> None:
    bundle = forged(keyless.sigstore, keyless.signed, "eve@example.org")
    keyless.refused(keyless.forge(bundle))


def test_keyless_by_another_issuer(keyless: KeylessWorld) -> None:
    bundle = forged(keyless.sigstore, keyless.signed, DORA, "https://evil.example.org")
    keyless.refused(keyless.forge(bundle))


def test_keyless_at_another_instance(keyless: KeylessWorld) -> None:
    keyless.refused(keyless.forge(forged(FakeSigstore(), keyless.signed)))


def test_keyless_over_other_bytes(keyless: KeylessWorld) -> None:
    keyless.refused(keyless.forge(forged(keyless.sigstore, b"something else")))


def test_keyless_signature_of_another_bundle(keyless: KeylessWorld) -> None:
    old = Metadata.from_bytes(head_of(keyless.first)["metadata/targets.json"])
    signature = old.signatures[keyless_key(keyless.sigstore).keyid].signature
    keyless.refused(keyless.forge(json.loads(bytes.fromhex(signature))))


def test_keyless_after_the_certificate_ended(keyless: KeylessWorld) -> None:
    late = forged(keyless.sigstore, keyless.signed, late=timedelta(minutes=11))
    keyless.refused(keyless.forge(late))


def entry_of(bundle: Bundle) -> dict[str, Any]:
    entry: dict[str, Any] = bundle["verificationMaterial"]["tlogEntries"][0]
    return entry


def test_keyless_without_an_inclusion_proof(keyless: KeylessWorld) -> None:
    bundle = forged(keyless.sigstore, keyless.signed)
    del entry_of(bundle)["inclusionProof"]
    keyless.refused(keyless.forge(bundle))


def test_keyless_without_end(keyless: KeylessWorld) -> None:
    bundle = forged(keyless.sigstore, keyless.signed)
    entry_of(bundle)["inclusionProof"]["hashes"] = ["A" * 44] * 700
    keyless.refused(keyless.forge(bundle))


def test_keyless_with_a_smuggled_trust_root(keyless: KeylessWorld) -> None:
    """The next root shows Dora's fingerprint, and has another instance behind it."""
    head, evil = head_of(keyless.second), FakeSigstore()
    root = json.loads(head["metadata/1.root.json"])
    root["signed"]["version"] = 2
    key = root["signed"]["keys"][keyless_key(keyless.sigstore).keyid]
    key["keyval"]["trusted-root"] = json.loads(evil.trusted_root)
    head["metadata/2.root.json"] = canonical(root)
    keyless.refused(keyless.lie(head))


def test_keyless_root_of_a_thief(keyless: KeylessWorld) -> None:
    """Signed at an instance of the thief's, which calls anybody Dora; and with Ana's stolen key."""
    head, evil = head_of(keyless.second), FakeSigstore()
    root = Metadata[Root].from_bytes(head["metadata/1.root.json"])
    honest, thief = keyless_key(keyless.sigstore), keyless_key(evil)
    root.signed.version = 2
    for role in ("root", "targets"):
        root.signed.revoke_key(honest.keyid, role)
        root.signed.add_key(thief, role)
    root.sign(keyless.key("ana"))
    for key in (honest, thief):
        root.signatures[key.keyid] = as_signature(key, forged(evil, root.signed_bytes))
    head["metadata/2.root.json"] = canonical(root.to_dict())
    keyless.refused(keyless.lie(head))
