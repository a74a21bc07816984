"""A second person must approve before anything goes live: the whole way, through the commands."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from bundler import receive
from bundler.errors import BundlerError, DamagedError, RefusedError, TrustError
from bundler.events import ignore
from bundler.mirror import approve as approve_module
from bundler.mirror import policy as policy_module
from bundler.mirror import waiting as waiting_module
from bundler.mirror.approve import find_waiting
from bundler.mirror.generations import live
from bundler.mirror.journal import Journal, read_history
from bundler.mirror.layout import Mirror
from bundler.mirror.policy import Policy, change_policy, read_policy, read_policy_file
from bundler.mirror.publish import publish
from bundler.mirror.waiting import Waiting, hold, waiting_in
from bundler.trust.approval import (
    PAYLOAD_TYPE,
    Statement,
    check_approval,
    read_approver,
    sign_approval,
)
from bundler.trust.gate import load_anchor, recall
from bundler.trust.holders import load_signer
from tests.fakes.command import Site, bundle, read_json, site, succeed, tree, without_journal
from tests.fakes.journals import OPERATOR, phases
from tests.fakes.mirrors import blob_of, deliver
from tests.fakes.trust import digest
from tests.fakes.wheels import build_wheel


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two sequences, the keys of two approvers, and a mirror that asks for `boss`."""
    with site(tmp_path_factory.mktemp("site")) as host:
        host.make_sequences(2)
        for name in ("boss", "deputy"):
            succeed("keygen", name, *host.home)
        succeed("policy", host.mirror, "--approver", host.public_key("boss"))
        yield host


@pytest.fixture
def host(made: Site, tmp_path: Path) -> Site:
    """The same, with a mirror of its own."""
    return made.beside(tmp_path)


@pytest.fixture
def mirror(host: Site) -> Mirror:
    return Mirror.open(host.mirror)


def _unpack(host: Site, sequence: int = 1) -> str:
    return succeed("unpack", host.volume(sequence), "--into", host.mirror).stdout


def _approve(host: Site, sequence: int = 1, key: str = "boss", code: int = 0) -> str:
    """What it says: on stdout if it does it, on stderr if not."""
    result = bundle("approve", host.mirror, str(sequence), "--key", key, *host.home)
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def _served(mirror: Mirror) -> list[Path]:
    return [path for path in mirror.files.rglob("*") if path.is_file()]


RECEIVED = [("policy", "ok"), ("received", "ok"), ("verified", "ok")]
LIVE = [*RECEIVED, ("approved", "ok"), ("live", "ok")]


def test_nothing_goes_live_before_it_is_approved(host: Site, mirror: Mirror) -> None:
    said = _unpack(host)
    assert said == (
        f"{host.mirror}: test sequence 1 is received and verified; nothing goes live before"
        f" {host.fingerprint('boss')} approves\n"
        f"next, by the holder of that key: bundle approve {host.mirror} 1 --key KEY\n"
    )
    assert not mirror.simple.exists()
    assert _served(mirror) == []
    assert phases(mirror) == RECEIVED
    (waiting,) = waiting_in(mirror)
    assert (waiting.stream, waiting.sequence) == ("test", 1)
    said = _approve(host)
    assert said == (
        f"{host.mirror}: test sequence 1 is live, approved by {host.fingerprint('boss')}:"
        f" 2 projects, 3 files\nmanifest  {waiting.manifest.sha256}\n"
    )
    assert (mirror.simple / "app").is_dir()
    assert phases(mirror) == LIVE
    assert waiting_in(mirror) == []
    approved, gone_live = read_history(mirror).entries[-2:]
    for entry in (approved, gone_live):
        assert (entry.about.stream, entry.about.sequence) == ("test", 1)
        assert entry.about.manifest == waiting.manifest.sha256
        assert entry.about.key == host.fingerprint("boss")


def test_the_same_for_programs(host: Site, mirror: Mirror) -> None:
    said = read_json(bundle("unpack", host.volume(), "--into", host.mirror, "--json"))
    assert said == {
        "mirror": str(host.mirror),
        "sequences": [
            {
                "stream": "test",
                "sequence": 1,
                "state": "received",
                "approvers": [host.fingerprint("boss")],
            }
        ],
    }
    sha256 = waiting_in(mirror)[0].manifest.sha256
    assert read_json(bundle("policy", host.mirror, "--json")) == {
        "mirror": str(host.mirror),
        "approvers": [host.fingerprint("boss")],
        "scan": None,
        "base-url": None,
        "waiting": [{"stream": "test", "sequence": 1, "manifest": sha256}],
    }
    said = read_json(
        bundle("approve", host.mirror, "1", "--key", "boss", "--stream", "test", "--json",
               *host.home)
    )  # fmt: skip
    assert said == {
        "mirror": str(host.mirror),
        "stream": "test",
        "sequence": 1,
        "manifest": sha256,
        "key": host.fingerprint("boss"),
        "state": "live",
        "generation": 1,
        "projects": 2,
        "files": 3,
    }


def test_unpacking_what_waits_changes_nothing(host: Site) -> None:
    first = _unpack(host)
    before = tree(host.mirror)
    assert _unpack(host) == first
    assert tree(host.mirror) == before


def test_unpacking_what_was_approved_changes_nothing(host: Site) -> None:
    _unpack(host)
    _approve(host)
    before = tree(host.mirror)
    assert "test sequence 1 is live already" in _unpack(host)
    assert tree(host.mirror) == before


def test_what_is_live_is_repaired_without_another_approval(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    _approve(host)
    shutil.rmtree(mirror.simple.resolve())
    shutil.rmtree(mirror.approvals)
    assert "is live" in _unpack(host)
    assert (mirror.simple / "app").is_dir()


def test_what_was_live_before_stays_until_the_approval(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    _approve(host)
    before = tree(mirror.simple.resolve())
    assert "test sequence 2 is received" in _unpack(host, 2)
    assert tree(mirror.simple.resolve()) == before
    _approve(host, 2)
    shown = live(mirror)
    assert shown is not None
    assert shown.streams["test"].sequence == 2


def test_a_newer_sequence_takes_the_place_of_one_that_waits(host: Site) -> None:
    _unpack(host)
    newer = bundle("unpack", host.volume(2), "--into", host.mirror)
    assert "note: test sequence 1 does not wait for approval any more" in newer.stderr
    said = _approve(host, 1, code=4)
    assert "sequence 1 does not wait for approval in" in said
    assert "test sequence 2 does" in said
    assert "a newer one takes the place of one that waits" in said
    _approve(host, 2)


def test_an_older_sequence_than_one_that_waits_is_refused(host: Site, mirror: Mirror) -> None:
    _unpack(host, 2)
    old = bundle("unpack", host.volume(1), "--into", host.mirror)
    assert old.exit_code == 4
    assert "sequence 1 is older than 2, which was accepted before" in old.stderr
    assert [each.sequence for each in waiting_in(mirror)] == [2]


def test_nothing_was_received(host: Site) -> None:
    said = _approve(host, 1, code=4)
    assert f"sequence 1 does not wait for approval in {host.mirror}; nothing does" in said
    assert "`bundle unpack` brings a sequence" in said


def test_what_is_live_needs_no_approval(host: Site) -> None:
    _unpack(host)
    _approve(host)
    assert "error: sequence 1 is live already" in _approve(host, 1, code=4)
    result = bundle("approve", host.mirror, "1", "--key", "boss", "--stream", "test", *host.home)
    assert "error: test sequence 1 is live already" in result.stderr
    result = bundle("approve", host.mirror, "1", "--key", "boss", "--stream", "ops", *host.home)
    assert "error: ops sequence 1 does not wait" in result.stderr


def test_another_key_may_not_approve(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    said = _approve(host, key="deputy", code=4)
    assert f"the key {host.fingerprint('deputy')} may not approve for {host.mirror}" in said
    assert f"it asks for {host.fingerprint('boss')}" in said
    assert "the holder of that key must run this command" in said
    assert not mirror.simple.exists()
    assert phases(mirror) == [*RECEIVED, ("approved", "refused")]
    _approve(host)


def test_an_officer_of_the_stream_is_no_approver(host: Site) -> None:
    _unpack(host)
    assert "may not approve for" in _approve(host, key="officer", code=4)


def test_a_mirror_that_asks_for_nobody(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    succeed("policy", host.mirror, "--no-approval", "--key", "boss", *host.home)
    said = _approve(host, code=4)
    assert f"{host.mirror} asks for nobody's approval" in said
    assert "what waits from before goes live when its bundle is unpacked again" in said
    assert "is live" in _unpack(host)
    assert waiting_in(mirror) == []
    assert read_history(mirror).entries[-1].note == "generation 1"


def test_any_one_of_several_approvers(host: Site, mirror: Mirror) -> None:
    both = ("--approver", host.public_key("boss"), "--approver", host.public_key("deputy"))
    succeed("policy", host.mirror, *both, *both, "--key", "boss", *host.home)
    assert len(read_policy_file(mirror).approvers) == 2
    assert f"{host.fingerprint('boss')}" in _unpack(host)
    _approve(host, key="deputy")


# The policy itself.


def test_a_policy_is_shown(host: Site) -> None:
    _unpack(host)
    shown = succeed("policy", host.mirror).stdout.splitlines()
    assert shown[0] == f"approval  {host.fingerprint('boss')}"
    assert shown[1] == "scan      not asked for"
    assert shown[2].startswith("waiting   test sequence 1, manifest ")


def test_a_mirror_without_a_policy(made: Site, tmp_path: Path) -> None:
    shutil.copytree(made.mirror, tmp_path / "mirror", symlinks=True)
    mirror = Mirror.open(tmp_path / "mirror")
    for path in (mirror.policy, mirror.journal, mirror.journal_head):
        path.unlink()
    assert succeed("policy", mirror.root).stdout == (
        "approval  not asked for\nscan      not asked for\n"
    )
    assert "is live" in succeed("unpack", made.volume(), "--into", mirror.root).stdout


def test_only_an_approver_changes_a_policy(host: Site, mirror: Mirror) -> None:
    before = tree(host.mirror)
    new = ("policy", host.mirror, "--approver", host.public_key("deputy"), *host.home)
    for words in (new, (*new, "--key", "deputy"), (*new[:2], "--no-approval")):
        refused = bundle(*words)
        assert refused.exit_code == 4
        assert (
            f"{host.mirror} is approved by {host.fingerprint('boss')}: one of them must sign for"
            " another policy" in refused.stderr
        )
    assert f"; {host.fingerprint('deputy')} is not" in bundle(*new, "--key", "deputy").stderr
    assert without_journal(tree(host.mirror)) == without_journal(before)
    assert phases(mirror) == [("policy", "ok"), *[("policy", "refused")] * 4]
    assert read_history(mirror).entries[2].about.key == host.fingerprint("deputy")
    succeed(*new, "--key", "boss")
    entry = read_history(mirror).entries[-1]
    assert (entry.phase, entry.about.key) == ("policy", host.fingerprint("boss"))
    assert entry.note == f"approval by {host.fingerprint('deputy')}, scan by nothing"
    assert entry.about.policy == digest(mirror.policy.read_bytes())


def test_an_approval_under_a_former_policy_does_not_count(host: Site, mirror: Mirror) -> None:
    """Given, and then, before it goes live, the approver is replaced."""
    _unpack(host)
    statement = waiting_in(mirror)[0].statement
    boss = load_signer("boss", host.public_key("boss").parent, str)
    mirror.approvals.mkdir()
    path = mirror.approvals / "test-000001.json"
    path.write_bytes(sign_approval(statement, boss))
    succeed(
        "policy", host.mirror, "--approver", host.public_key("deputy"), "--key", "boss", *host.home
    )
    assert f"before {host.fingerprint('deputy')} approves" in _unpack(host)
    assert not mirror.simple.exists()
    _approve(host, key="deputy")


def test_both_options_are_one_too_many(host: Site) -> None:
    words = ("--approver", host.public_key("boss"), "--no-approval")
    assert bundle("policy", host.mirror, *words).exit_code == 2


@pytest.mark.parametrize("lost", [False, True])
def test_a_policy_that_was_changed_by_hand_stops_the_import(
    host: Site, mirror: Mirror, *, lost: bool
) -> None:
    if lost:
        mirror.policy.unlink()
    else:
        mirror.policy.write_bytes(Policy().to_bytes())
    refused = bundle("unpack", host.volume(), "--into", host.mirror)
    assert refused.exit_code == 4
    assert f"{mirror.policy} is not as the journal knows it" in refused.stderr
    assert not mirror.simple.exists()
    refused = bundle("policy", host.mirror, "--approver", host.public_key("deputy"))
    assert refused.exit_code == 4
    assert "somebody changed or removed the file: put it back" in refused.stderr


def test_a_damaged_policy_is_not_taken_for_none(host: Site, mirror: Mirror) -> None:
    mirror.policy.write_bytes(b"{}")
    for words in (("unpack", host.volume(), "--into", host.mirror), ("policy", host.mirror)):
        refused = bundle(*words)
        assert refused.exit_code == 4
        assert f"{mirror.policy} is damaged: policy: no key 'format'" in refused.stderr


def test_a_policy_of_a_kind_of_key_that_is_not_known(mirror: Mirror) -> None:
    data = mirror.policy.read_bytes().replace(b'"scheme":"ed25519"', b'"scheme":"later"')
    mirror.policy.write_bytes(data)
    with pytest.raises(DamagedError, match="Unsupported public key ed25519/later"):
        read_policy_file(mirror)


def test_a_change_of_policy_that_was_interrupted_is_done_again(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Policy((read_approver(host.public_key("deputy")),))
    boss = load_signer("boss", host.public_key("boss").parent, str)

    def interrupted(*_arguments: object, **_words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(policy_module, "atomic_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        change_policy(mirror, Journal.open(mirror, OPERATOR), new, boss)
    monkeypatch.undo()
    with pytest.raises(DamagedError) as caught:
        read_policy(mirror, Journal.open(mirror, OPERATOR))
    assert caught.value.hint is not None
    assert "if `bundle policy` was interrupted, run it once more as it was" in caught.value.hint
    change_policy(mirror, Journal.open(mirror, OPERATOR), new, None)
    assert read_policy(mirror, Journal.open(mirror, OPERATOR)) == new
    assert phases(mirror) == [("policy", "ok")] * 2


# What lies in the mirror meanwhile.


def test_the_manifest_that_waits_must_be_the_one_that_was_accepted(
    host: Site, mirror: Mirror
) -> None:
    _unpack(host)
    data = b'{"forged":true}'
    blob = mirror.store.put(data)
    path = mirror.received / "test.json"
    path.write_bytes(Waiting("test", 1, blob).to_bytes())
    said = _approve(host, code=4)
    assert "test: the manifest is not that of sequence 1, which was accepted last" in said
    assert phases(mirror)[-1] == ("approved", "refused")
    assert not mirror.simple.exists()
    assert not mirror.approvals.exists()


def test_a_manifest_is_recalled(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    blob = waiting_in(mirror)[0].manifest
    data = mirror.store.read(blob, 1 << 20)
    anchor = load_anchor(mirror.trust, "test")
    assert recall(data, anchor).to_bytes() == data
    with pytest.raises(TrustError, match="is not that of sequence 1"):
        recall(data + b" ", anchor)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "test.json is damaged: received: no key 'format'"),
        (Waiting("ops", 1, blob_of(b"")).to_bytes(), "test.json is damaged: it is of ops"),
    ],
)
def test_a_damaged_record_of_what_waits(
    host: Site, mirror: Mirror, content: bytes, message: str
) -> None:
    _unpack(host)
    (mirror.received / "test.json").write_bytes(content)
    said = _approve(host, code=4)
    assert message in said
    assert "delete it, then unpack that stream's newest bundle again" in said
    (mirror.received / "test.json").unlink()
    _unpack(host)
    _approve(host)


def test_a_rotten_wheel_is_found_when_it_is_approved(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    filename, wheel = build_wheel("app", "1.0", requires=["lib>=1"])
    path = mirror.store.path(blob_of(wheel).sha256)
    path.write_bytes(bytes(len(wheel)))
    assert "damaged on this disk, and removed" in _approve(host, code=4)
    assert not mirror.simple.exists()
    assert phases(mirror)[-2:] == [("approved", "ok"), ("live", "refused")]
    assert filename.startswith("app")
    assert "is live" in _unpack(host)  # it is approved; the bundle brings the wheel anew


def test_what_is_not_what_its_document_says_never_comes_to_an_approver(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_arguments: object) -> None:
        raise RefusedError("app-1.0-py3-none-any.whl: no")

    monkeypatch.setattr(receive, "prepare", refuses)
    assert bundle("unpack", host.volume(), "--into", host.mirror).exit_code == 4
    assert waiting_in(mirror) == []
    assert phases(mirror)[-1] == ("live", "refused")
    assert load_anchor(mirror.trust, "test").sequence == 0


def test_a_crash_before_it_waits(host: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(receive, "hold", lambda *_: os._exit(9))
        bundle("unpack", host.volume(), "--into", host.mirror)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert "is received" in _unpack(host)
    _approve(host)


def test_a_crash_between_the_approval_and_going_live(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unpack(host)
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(approve_module, "publish", lambda *_: os._exit(9))
        bundle("approve", host.mirror, "1", "--key", "boss", *host.home)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not mirror.simple.exists()
    assert phases(mirror)[-1] == ("approved", "ok")
    _approve(host)
    assert phases(mirror)[-2:] == [("approved", "ok"), ("live", "ok")]


# Several streams, and publishing itself.


def test_streams_that_wait_under_one_number(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    wheel = build_wheel("demo", "1.0")
    for stream in ("web", "ops"):
        hold(mirror, deliver(mirror, [wheel], stream=stream, sequence=3), ignore)
    assert [each.stream for each in waiting_in(mirror)] == ["ops", "web"]
    with pytest.raises(
        RefusedError, match="sequence 3 waits for approval in ops and web"
    ) as caught:
        find_waiting(mirror, 3, None)
    assert caught.value.hint == "say which one is meant: --stream ops"
    assert find_waiting(mirror, 3, "web").stream == "web"
    with pytest.raises(
        RefusedError, match=r"web sequence 4 does not wait .*; ops sequence 3, web sequence 3 does"
    ):
        find_waiting(mirror, 4, "web")


def test_publishing_asks_for_the_approval_again(tmp_path: Path) -> None:
    mirror, boss = Mirror.create(tmp_path), CryptoSigner.generate_ecdsa()
    policy = Policy((boss.public_key,))
    change_policy(mirror, Journal.open(mirror, OPERATOR), policy, None)
    manifest = deliver(mirror, [build_wheel("demo", "1.0")])
    with pytest.raises(TrustError, match="web sequence 1 is not approved"):
        publish(mirror, manifest, ignore)
    statement = Statement("web", 1, digest(manifest.to_bytes()))
    mirror.approvals.mkdir()
    path = mirror.approvals / "web-000001.json"
    path.write_bytes(sign_approval(Statement("web", 1, digest(b"")), boss))
    with pytest.raises(TrustError, match="is not one of web sequence 1 as it is"):
        publish(mirror, manifest, ignore)
    assert not mirror.simple.exists()
    path.write_bytes(sign_approval(statement, boss))
    assert publish(mirror, manifest, ignore).changed


# Envelopes.

ONE = Statement("web", 1, digest(b"manifest"))


@pytest.mark.parametrize(
    "signer",
    [
        CryptoSigner.generate_ed25519(),
        CryptoSigner.generate_ecdsa(),
        CryptoSigner.generate_mldsa(),
    ],
    ids=["ed25519", "ecdsa", "ml-dsa"],
)
def test_an_envelope_is_signed_and_checked(signer: CryptoSigner) -> None:
    data = sign_approval(ONE, signer)
    assert check_approval(data, ONE, [signer.public_key]) == signer.public_key
    policy = Policy((signer.public_key,), "scan it")
    assert Policy.from_bytes(policy.to_bytes()) == policy
    for other in (
        Statement("ops", 1, ONE.manifest),
        Statement("web", 2, ONE.manifest),
        Statement("web", 1, digest(b"other")),
    ):
        with pytest.raises(TrustError, match="is not one of"):
            check_approval(data, other, [signer.public_key])
    stranger = CryptoSigner.generate_ed25519().public_key
    with pytest.raises(TrustError, match="is not signed by a key that this mirror asks for"):
        check_approval(data, ONE, [stranger])


def test_another_signature_of_the_same_key_is_no_approval() -> None:
    """Such as one over a statement of another type, or over bare bytes."""
    signer = CryptoSigner.generate_ed25519()
    data = json.loads(sign_approval(ONE, signer))
    other = json.dumps({**data, "payloadType": "application/vnd.in-toto+json"}).encode()
    with pytest.raises(TrustError, match="is not one of"):
        check_approval(other, ONE, [signer.public_key])
    bare = bytes.fromhex(signer.sign(ONE.to_bytes()).signature)
    data["signatures"][0]["sig"] = base64.b64encode(bare).decode()
    assert data["payloadType"] == PAYLOAD_TYPE
    with pytest.raises(TrustError, match="is not signed by a key"):
        check_approval(json.dumps(data).encode(), ONE, [signer.public_key])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'"x"',
        b'{"payload":"?","payloadType":"x","signatures":[]}',
        b'{"payload":"","payloadType":"x","signatures":[{"sig":"A","keyid":"k"}]}',
        b'{"payload":"","payloadType":"x","signatures":[{}]}',
        b'{"payload":"","payloadType":"x","signatures":7}',
        b'{"payload":1,"payloadType":"x","signatures":[]}',
        b"\xff",
    ],
)
def test_damaged_envelopes(data: bytes) -> None:
    key = CryptoSigner.generate_ed25519().public_key
    with pytest.raises(TrustError):
        check_approval(data, ONE, [key])


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"]
)
def test_what_is_no_public_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.pub"
    path.write_bytes(content)
    with pytest.raises(
        BundlerError, match=r"x\.pub is not a public key that can be used"
    ) as caught:
        read_approver(path)
    assert caught.value.hint == "give the .pub file that `bundle keygen` made"


def test_releasing_what_does_not_wait(tmp_path: Path) -> None:
    waiting_module.release(Mirror.create(tmp_path), "web")
    assert not (tmp_path / ".bundler" / "received").exists()
