"""To go back, and to make room: the whole way, through the commands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from bundler import receive
from bundler.archive.head import encode_head, head_size, read_head
from bundler.errors import BundlerError, TrustError
from bundler.mirror import earlier as earlier_module
from bundler.mirror import publish as publish_module
from bundler.mirror import rollback as rollback_module
from bundler.mirror.generations import folder_of, live, live_number
from bundler.mirror.journal import Journal, read_history
from bundler.mirror.layout import Mirror
from bundler.mirror.needed import Needed
from bundler.mirror.policy import approval_path, rollback_path
from bundler.model.volume import VolumeIndex, is_index_name
from bundler.trust.approval import (
    RollbackStatement,
    Statement,
    check_approval,
    read_approver,
    sign_approval,
)
from bundler.trust.gate import load_anchor
from tests.fakes.command import Site, bundle, read_json, site, succeed, tree
from tests.fakes.trust import digest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Three sequences, and the key of an approver. Each has another `app` and the same `lib`."""
    with site(tmp_path_factory.mktemp("site")) as host:
        host.make_sequences(3)
        for name in ("boss", "deputy"):
            succeed("keygen", name, *host.home)
        yield host


@pytest.fixture
def host(made: Site, tmp_path: Path) -> Site:
    """The same, with a mirror of its own."""
    return made.beside(tmp_path)


@pytest.fixture
def mirror(host: Site) -> Mirror:
    return Mirror.open(host.mirror)


def _unpack(host: Site, *sequences: int) -> None:
    """The first time in a test, from a mirror that was unpacked by an earlier test."""
    made = (host.folder / "out").resolve().parent
    cached = made / "-".join(["mirror", *map(str, sequences)])
    fresh = not (host.mirror / ".bundler" / "journal.jsonl").exists()
    pinned = len(list((host.mirror / ".bundler" / "trust").iterdir()))
    if fresh and pinned == 1 and cached.is_dir():
        shutil.rmtree(host.mirror)
        shutil.copytree(cached, host.mirror, symlinks=True)
        return
    for sequence in sequences:
        succeed("unpack", host.volume(sequence), "--into", host.mirror)
    if fresh and pinned == 1:
        shutil.copytree(host.mirror, cached, symlinks=True)


def _rollback(host: Site, *words: str, code: int = 0) -> str:
    """What it says: on stdout if it does it, on stderr if not."""
    result = bundle("rollback", host.mirror, *words, *host.home)
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def _prune(host: Site, keep: int, *words: str) -> str:
    return succeed("prune", host.mirror, "--keep", str(keep), *words).stdout


def _approvers(host: Site, *names: str) -> None:
    words = [word for name in names for word in ("--approver", str(host.public_key(name)))]
    succeed("policy", host.mirror, *words)


def _approve(host: Site, sequence: int) -> None:
    succeed("approve", host.mirror, str(sequence), "--key", "boss", *host.home)


def _live(mirror: Mirror) -> tuple[int, dict[str, int]]:
    """The live generation's number, and the sequence of each stream."""
    shown = live(mirror)
    assert shown
    return shown.number, {name: each.sequence for name, each in shown.streams.items()}


def _versions(mirror: Mirror, project: str = "app") -> list[str]:
    page = json.loads((mirror.simple / project / "index.v1_json").read_bytes())
    assert all(
        (mirror.root / file["url"].removeprefix("../../")).is_file() for file in page["files"]
    )
    return list(page["versions"])


def _lines(mirror: Mirror) -> list[tuple[str, str, int | None]]:
    found = read_history(mirror).entries
    return [(entry.phase, entry.result, entry.about.sequence) for entry in found]


def _second_stream(host: Site) -> Path:
    """Another stream, `ml`, pinned in the same mirror; its bundle."""
    home = ("--home", str(host.folder / "ml-home"))
    succeed("keygen", "officer", *home)
    succeed("trust", "init", "ml", "--key", "officer", *home)
    succeed("trust", "export", "ml", "-o", host.folder / "ml.json", *home)
    succeed("trust", "pin", host.folder / "ml.json", "--into", host.mirror)
    profile = host.folder / "ml.toml"
    host.write_profile(("lib",))
    profile.write_text(host.profile.read_text().replace('name = "test"', 'name = "ml"'))
    succeed("create", profile, "-o", host.folder / "ml-out", *home)
    (volume,) = (host.folder / "ml-out").glob("ml-000001*.tar.zst")
    return volume


# To go back.


def test_what_was_live_before_is_live_again(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    said = _rollback(host)
    assert said == (
        f"{host.mirror}: generation 3 is live, as generation 1 showed it\n"
        "test  sequence 1 is live; sequence 2 was\n"
    )
    assert _live(mirror) == (3, {"test": 1})
    assert _versions(mirror) == ["1.0"]
    last = read_history(mirror).entries[-1]
    assert (last.phase, last.result, last.about.stream, last.about.sequence) == (
        "rolled-back",
        "ok",
        "test",
        1,
    )
    assert last.note == "generation 3, as generation 1 showed it; sequence 2 was live"
    shown = live(mirror)
    assert shown
    assert last.about.manifest == shown.streams["test"].manifest.sha256
    assert "rolled-back  ok" in succeed("history", host.mirror).stdout
    succeed("history", host.mirror, "--verify")


def test_the_same_for_programs(host: Site) -> None:
    _unpack(host, 1, 2)
    assert read_json(bundle("rollback", host.mirror, "--json", *host.home)) == {
        "mirror": str(host.mirror),
        "changed": True,
        "generation": 3,
        "as-generation": 1,
        "before": {"test": 2},
        "streams": {"test": 1},
        "key": None,
    }


def test_pages_are_those_that_were(host: Site, mirror: Mirror) -> None:
    def pages() -> dict[str, bytes]:
        found = tree(mirror.simple.resolve())
        # The list of projects says in which generation a page was written.
        return {path: data for path, (_, _, data) in found.items() if path != "index.v1_json"}

    _unpack(host, 1)
    before = pages()
    _unpack(host, 2)
    _rollback(host)
    assert pages() == before
    listed = json.loads((mirror.simple / "index.v1_json").read_bytes())
    assert {each["name"]: each["_last-serial"] for each in listed["projects"]} == {
        "app": 3,
        "lib": 1,
    }


def test_a_second_rollback_goes_further_back_and_never_forth(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2, 3)
    _rollback(host)
    assert _live(mirror) == (4, {"test": 2})
    _rollback(host)
    assert _live(mirror) == (5, {"test": 1})
    said = _rollback(host, code=4)
    assert f"nothing that is older than what is live is kept in {host.mirror}; there is" in said
    assert "generation 5: test sequence 1\ngeneration 4: test sequence 2\n" in said
    assert _live(mirror) == (5, {"test": 1})


def test_to_a_sequence_and_forth_again(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2, 3)
    _rollback(host, "--to", "1")
    assert _live(mirror) == (4, {"test": 1})
    assert _rollback(host, "--to", "3").endswith("test  sequence 3 is live; sequence 1 was\n")
    assert _live(mirror) == (5, {"test": 3})
    _rollback(host, "--generation", "2")
    assert _live(mirror) == (6, {"test": 2})
    _rollback(host, "--stream", "test")
    assert _live(mirror) == (7, {"test": 1})
    assert _versions(mirror) == ["1.0"]


def test_what_is_live_stays_as_it_is(host: Site) -> None:
    _unpack(host, 1)
    before = tree(host.mirror)
    said = _rollback(host, "--to", "1")
    assert said == f"{host.mirror}: this is live already, as generation 1\n"
    assert tree(host.mirror) == before


def test_the_page_says_when_a_file_came_that_is_back(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2, 3)
    _rollback(host, "--to", "2")
    _rollback(host, "--to", "3")
    record = (folder_of(mirror, 5) / "web.jsonl").read_text()
    assert record == (folder_of(mirror, 3) / "web.jsonl").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "9"), "no generation that is kept has a sequence 9 in "),
        (("--to", "9", "--stream", "test"), "test sequence 9 is in no generation that is kept in"),
        (("--stream", "test"), "an older sequence of test is in no generation that is kept in"),
        (("--stream", "ml"), "an older sequence of ml is in no generation that is kept in"),
        (("--generation", "7"), "generation 7 is not kept in "),
    ],
)
def test_what_there_never_was(host: Site, words: tuple[str, ...], message: str) -> None:
    _unpack(host, 1)
    said = _rollback(host, *words, code=4)
    assert message in said
    assert "hint: what was pruned, or came before this mirror, comes with a bundle only" in said


def test_a_mirror_that_shows_nothing(host: Site) -> None:
    assert "nothing was ever live in" in _rollback(host, code=4)


def test_a_generation_says_it_all(host: Site) -> None:
    _unpack(host, 1)
    assert "give no --to and no --stream" in _rollback(
        host, "--generation", "1", "--to", "1", code=2
    )


def test_a_generation_that_is_damaged_is_no_way_back(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2, 3)
    (folder_of(mirror, 2) / "generation.json").write_bytes(b"{}")
    assert "generation.json is damaged" in _rollback(host, "--generation", "2", code=4)
    _rollback(host)
    assert _live(mirror) == (4, {"test": 1})


def test_what_there_is_is_not_listed_without_end(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unpack(host, 1, 2, 3)
    monkeypatch.setattr(earlier_module, "_SHOWN", 2)
    said = _rollback(host, "--to", "9", code=4)
    assert "generation 3: test sequence 3\ngeneration 2: test sequence 2\nand 1 more\n" in said


def test_where_the_mirror_is_served_is_written_as_the_policy_has_it(
    host: Site, mirror: Mirror
) -> None:
    _unpack(host, 1, 2)
    url = "https://packages.example.org/"
    succeed("policy", host.mirror, "--base-url", url)
    _rollback(host, "--generation", "1")
    shown = live(mirror)
    assert shown
    assert (shown.number, shown.base_url) == (4, url)


# What the gate remembers.


def test_after_a_rollback_the_gate_takes_what_it_would_have_taken(
    host: Site, mirror: Mirror
) -> None:
    _unpack(host, 1, 2)
    _rollback(host)
    assert load_anchor(mirror.trust, "test").sequence == 2
    result = bundle("unpack", host.volume(1), "--into", host.mirror)
    assert result.exit_code == 4
    assert "sequence 1 is older than 2, which was accepted before" in result.stderr
    assert _live(mirror) == (3, {"test": 1})
    _unpack(host, 2)
    assert _live(mirror) == (4, {"test": 2})
    assert _lines(mirror)[-1] == ("live", "ok", 2)
    _rollback(host)
    _unpack(host, 3)
    assert _live(mirror) == (6, {"test": 3})
    assert _versions(mirror) == ["3.0"]


def test_a_sequence_that_was_never_live_cannot_be_shown(host: Site, mirror: Mirror) -> None:
    """Somebody has written a record by hand: of what was live, the journal decides."""
    _unpack(host, 1, 2)
    path = folder_of(mirror, 1) / "generation.json"
    other = read_history(mirror).entries[-1].about.manifest
    assert other
    record = json.loads(path.read_bytes())
    record["streams"][0]["manifest"]["sha256"] = "ab" * 32
    path.write_text(json.dumps(record, separators=(",", ":"), sort_keys=True))
    said = _rollback(host, code=4)
    assert f"the journal does not say that test sequence 1 with the manifest {'ab' * 32}" in said
    assert _lines(mirror)[-1] == ("rolled-back", "refused", 1)
    assert _live(mirror) == (2, {"test": 2})


def test_not_while_the_gate_does_not_know_what_is_live(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the sequence that is left might come back with other content."""
    _unpack(host, 1)

    def fails(*_arguments: object) -> None:
        raise BundlerError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(receive, "commit", fails)
        assert bundle("unpack", host.volume(2), "--into", host.mirror).exit_code == 1
    assert _live(mirror) == (2, {"test": 2})
    said = _rollback(host, code=4)
    assert "test sequence 2 is live, but its import was interrupted" in said
    _unpack(host, 2)
    _rollback(host)
    assert _live(mirror) == (3, {"test": 1})


def test_files_that_are_gone_are_named(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    (wheel,) = mirror.files.rglob("app-1.0-*.whl")
    wheel.unlink()
    said = _rollback(host, code=5)
    assert "sequence 1 of test is not complete, missing is app-1.0-py3-none-any.whl" in said
    assert _lines(mirror)[-1] == ("rolled-back", "incomplete", 1)
    assert _live(mirror) == (2, {"test": 2})


def test_a_changed_journal_stops_it(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    mirror.journal.write_bytes(
        mirror.journal.read_bytes().replace(b"generation 1", b"generation 7")
    )
    assert "was edited" in _rollback(host, code=4)
    assert _live(mirror) == (2, {"test": 2})


def test_a_disk_that_fails(host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    _unpack(host, 1, 2)

    def fails(*_arguments: object) -> None:
        raise OSError(5, "broken disk")

    monkeypatch.setattr(publish_module, "make_live", fails)
    assert f"cannot roll back in {host.mirror}: [Errno 5] broken disk" in _rollback(host, code=1)
    assert _live(mirror) == (2, {"test": 2})
    assert not folder_of(mirror, 3).exists()


def test_a_crash_before_the_journal_is_made_up_for(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unpack(host, 1, 2)

    def fails(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", fails)
        assert bundle("rollback", host.mirror, *host.home).exit_code == 130
    assert _live(mirror) == (3, {"test": 1})
    assert "is live already" in _rollback(host, "--to", "1")
    assert _lines(mirror)[-1] == ("rolled-back", "ok", 1)
    assert read_history(mirror).entries[-1].note == "generation 3, as generation 3 showed it"


# Several streams.


def test_one_stream_goes_back_and_the_other_stays(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1)
    succeed("unpack", _second_stream(host), "--into", host.mirror)
    _unpack(host, 2)
    said = _rollback(host, "--to", "1", code=4)
    assert "sequence 1 was live in ml and test" in said
    assert "hint: say which one is meant: --stream ml" in said
    _rollback(host, "--to", "1", "--stream", "test")
    assert _live(mirror) == (4, {"ml": 1, "test": 1})
    _unpack(host, 2)
    assert _rollback(host, "--generation", "1").endswith(
        "ml  is not shown any more; sequence 1 was live\ntest  sequence 1 is live; sequence 2 was\n"
    )
    assert _live(mirror) == (6, {"test": 1})
    assert _lines(mirror)[-2:] == [("rolled-back", "ok", None), ("rolled-back", "ok", 1)]
    assert read_history(mirror).entries[-2].note == (
        "generation 6, as generation 1 showed it; ml is not shown any more; sequence 1 was live"
    )
    said = _rollback(host, "--stream", "ml")
    assert said.endswith("ml  sequence 1 is live; nothing was\n")
    assert _live(mirror) == (7, {"ml": 1, "test": 1})


# An approver's decision.


def test_where_there_are_approvers_one_must_sign(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    _approvers(host, "boss")
    said = _rollback(host, code=4)
    assert (
        f"is approved by {host.fingerprint('boss')}: one of them must sign for a rollback" in said
    )
    assert "hint: its holder runs the same command, with --key" in said
    said = _rollback(host, "--key", "deputy", code=4)
    assert f"the key {host.fingerprint('deputy')} may not approve for {host.mirror}" in said
    assert _lines(mirror)[-2:] == [("rolled-back", "refused", 1)] * 2
    assert _live(mirror) == (2, {"test": 2})
    said = _rollback(host, "--key", "boss")
    assert f"generation 1 showed it, approved by {host.fingerprint('boss')}\n" in said
    assert _live(mirror) == (3, {"test": 1})
    assert read_history(mirror).entries[-1].about.key == host.fingerprint("boss")


def test_a_key_that_nobody_asks_for(host: Site) -> None:
    _unpack(host, 1, 2)
    assert "asks for nobody's approval" in _rollback(host, "--key", "boss", code=4)


def test_the_decision_is_kept_and_is_of_this_mirror_and_moment(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    _approvers(host, "boss")
    head = read_history(mirror).head
    assert head
    _rollback(host, "--key", "boss")
    data = rollback_path(mirror, 3).read_bytes()
    shown = live(mirror)
    assert shown
    sequence = Statement("test", 1, shown.streams["test"].manifest.sha256)
    keys = [read_approver(host.public_key("boss"))]
    check_approval(data, RollbackStatement(head.sha256, 2, (sequence,)), keys)
    for other in (
        RollbackStatement(digest(b"another journal"), 2, (sequence,)),
        RollbackStatement(head.sha256, 4, (sequence,)),
        RollbackStatement(head.sha256, 2, (sequence, Statement("ml", 1, digest(b"")))),
    ):
        with pytest.raises(TrustError, match="is not one of the rollback to test sequence 1"):
            check_approval(data, other, keys)
    assert read_history(mirror).entries[-1].previous == head.sha256


def test_an_approval_is_no_rollback_and_a_rollback_no_approval() -> None:
    signer = CryptoSigner.generate_ed25519()
    one = Statement("test", 1, digest(b"manifest"))
    back = RollbackStatement(digest(b"line"), 2, (one,))
    with pytest.raises(TrustError, match="is not one of test sequence 1 as it is"):
        check_approval(sign_approval(back, signer), one, [signer.public_key])
    with pytest.raises(TrustError, match="is not one of the rollback to test sequence 1 as it is"):
        check_approval(sign_approval(one, signer), back, [signer.public_key])


def test_what_an_approver_took_away_does_not_come_back_without_one(
    host: Site, mirror: Mirror
) -> None:
    _approvers(host, "boss")
    for sequence in (1, 2):
        _unpack(host, sequence)
        _approve(host, sequence)
    shown = live(mirror)
    assert shown
    approval = approval_path(mirror, Statement("test", 2, shown.streams["test"].manifest.sha256))
    assert approval.is_file()
    _rollback(host, "--key", "boss")
    assert not approval.exists()
    assert approval.with_suffix(".withdrawn").is_file()
    _unpack(host, 2)
    assert _live(mirror) == (3, {"test": 1})
    _approve(host, 2)
    assert _live(mirror) == (4, {"test": 2})


def test_a_rollback_that_was_approved_stays_after_a_crash(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    _approvers(host, "boss")
    for sequence in (1, 2):
        _unpack(host, sequence)
        _approve(host, sequence)

    def fails(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rollback_module, "show", fails)
        result = bundle("rollback", host.mirror, "--key", "boss", *host.home)
        assert result.exit_code == 130
    assert _live(mirror) == (2, {"test": 2})  # what is live needs no approval
    _unpack(host, 2)
    _rollback(host, "--key", "boss")
    assert _live(mirror) == (3, {"test": 1})


def test_what_waits_goes_on_waiting(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    _approvers(host, "boss")
    _unpack(host, 3)
    _rollback(host, "--key", "boss")
    assert _live(mirror) == (3, {"test": 1})
    _approve(host, 3)
    assert _live(mirror) == (4, {"test": 3})


# To make room.


def _served(mirror: Mirror) -> set[str]:
    return {path.name for path in mirror.files.rglob("*") if path.is_file()}


def test_a_preview_changes_nothing(host: Site) -> None:
    _unpack(host, 1, 2, 3)
    before = tree(host.mirror)
    said = _prune(host, 1)
    assert tree(host.mirror) == before
    lines = said.splitlines()
    assert lines[:3] == [
        "stays    generation 2: test sequence 2",
        "stays    generation 3: test sequence 3, live",
        "goes     generation 1",
    ]
    assert lines[3].startswith("goes     2 files that no other generation names, and ")
    assert lines[4] == (f"nothing was removed; to do it: bundle prune {host.mirror} --keep 1 --yes")


def test_what_only_older_generations_name_is_removed(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2, 3)
    before = sum(path.stat().st_size for path in _unique(host.mirror))
    found = read_json(bundle("prune", host.mirror, "--keep", "1", "--yes", "--json"))
    assert (found["generations"], found["pruned"]) == ([1], True)
    assert found["kept"] == [
        {"generation": 2, "streams": {"test": 2}},
        {"generation": 3, "streams": {"test": 3}},
    ]
    assert [path.rpartition("/")[2] for path in found["files"]] == [
        "app-1.0-py3-none-any.whl",
        "app-1.0-py3-none-any.whl.metadata",
    ]
    line = read_history(mirror).entries[-1]
    assert (line.phase, line.result) == ("pruned", "ok")
    assert line.note == (
        f"1 generation (1), 2 files, {found['blobs']} blobs, {found['bytes']} bytes; kept 2 to 3"
    )
    journals = mirror.journal.stat().st_size
    after = sum(path.stat().st_size for path in _unique(host.mirror))
    grown = len(line.to_line())
    assert abs(before - found["bytes"] + grown - after) <= 1, journals  # a head's digit
    assert {name for name in _served(mirror) if name.startswith("app")} == {
        f"app-{version}-py3-none-any.whl{suffix}"
        for version in ("2.0", "3.0")
        for suffix in ("", ".metadata")
    }
    _rollback(host)
    assert _versions(mirror) == ["2.0"]
    assert "no generation that is kept has a sequence 1" in _rollback(host, "--to", "1", code=4)
    succeed("history", host.mirror, "--verify")


def _unique(folder: Path) -> list[Path]:
    """Each file once, however many names it has."""
    found = {path.lstat().st_ino: path for path in folder.rglob("*") if path.is_file()}
    return [path for path in found.values() if not path.is_symlink()]


def test_once_more_there_is_nothing_to_do(host: Site) -> None:
    _unpack(host, 1, 2)
    said = _prune(host, 0, "--yes").splitlines()
    assert said[:2] == [
        "kept     generation 2: test sequence 2, live",
        "removed  generation 1",
    ]
    assert said[-1] == (
        "whoever has read an older page must read it again before installing from it"
    )
    before = tree(host.mirror)
    assert _prune(host, 0, "--yes").splitlines() == [
        "kept     generation 2: test sequence 2, live",
        "nothing else is here: nothing to prune",
    ]
    assert tree(host.mirror) == before


def test_what_was_rolled_back_from_can_be_removed_and_brought_again(
    host: Site, mirror: Mirror
) -> None:
    _unpack(host, 1, 2)
    _rollback(host)
    _prune(host, 0, "--yes")
    assert not any("app-2.0" in name for name in _served(mirror))
    _unpack(host, 2)
    assert _versions(mirror) == ["2.0"]


def test_what_waits_stays(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1)
    _approvers(host, "boss")
    _unpack(host, 2)
    _prune(host, 0, "--yes")
    _approve(host, 2)
    assert _versions(mirror) == ["2.0"]


def test_what_has_arrived_in_part_stays(host: Site, mirror: Mirror) -> None:
    """Its volume's head is kept: what the manifest and the index name may be in the store."""
    _unpack(host, 1)
    with host.volume(2).open("rb") as volume:
        entries = read_head(volume).entries
    size = head_size({name: len(data) for name, data in entries.items()})
    head = mirror.arrived / "test-000002" / "abcd.v01.head"
    head.parent.mkdir(parents=True)
    head.write_bytes(encode_head(entries, size))
    (index,) = (VolumeIndex.from_bytes(entries[name]) for name in entries if is_index_name(name))
    blobs = [blob for segment in index.segments for blob in segment.blobs]
    other = mirror.store.put(b"nobody names it")
    paths = [mirror.store.path(blob.sha256) for blob in blobs]
    for path, blob in zip(paths, blobs, strict=True):
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_bytes(bytes(blob.size))  # nobody reads it for that
    with pytest.MonkeyPatch.context() as patched:  # but for documents, which have not arrived
        patched.setattr("bundler.archive.store.BlobStore.has", lambda *_arguments: False)
        needed = Needed(mirror)
        needed.add_waiting()
    assert all(needed.has_blob(blob.sha256) for blob in blobs)
    assert not needed.has_blob(other.sha256)
    head.write_bytes(b"no head")
    result = bundle("prune", host.mirror, "--keep", "0", "--yes")
    assert result.exit_code == 4
    assert f"{head} is damaged: " in result.stderr
    assert "hint: delete it, then unpack that volume again, or not" in result.stderr
    assert all(path.exists() for path in paths)


def test_the_documents_of_what_has_arrived_are_read(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    with host.volume(2).open("rb") as volume:
        entries = read_head(volume).entries
    size = head_size({name: len(data) for name, data in entries.items()})
    head = mirror.arrived / "test-000002" / "abcd.v01.head"
    head.parent.mkdir(parents=True)
    head.write_bytes(encode_head(entries, size))
    _rollback(host)
    found = read_json(bundle("prune", host.mirror, "--keep", "0", "--json"))
    assert found["files"] == []  # sequence 2's own are needed, as it has arrived


def test_streams_that_are_live_keep_their_files(host: Site, mirror: Mirror) -> None:
    succeed("unpack", _second_stream(host), "--into", host.mirror)
    _unpack(host, 1, 2)
    _prune(host, 0, "--yes")
    assert _versions(mirror) == ["2.0"]
    assert _versions(mirror, "lib") == ["1.0"]


def test_a_name_that_only_a_pruned_generation_had(host: Site, mirror: Mirror) -> None:
    """The same bytes under two names: the one that is needed stays."""
    _unpack(host, 1)
    (wheel,) = mirror.files.rglob("app-1.0-*.whl")
    second = wheel.with_name("app-1.0-1-py3-none-any.whl")
    second.hardlink_to(wheel)
    (mirror.files / "notes").mkdir()
    (mirror.files / "notes" / "mine.txt").write_text("not ours")
    (mirror.files / "ab").mkdir(exist_ok=True)
    (mirror.files / "ab" / "mine").mkdir()
    (mirror.files / "mine.txt").write_text("not ours")
    assert "1 file that" in _prune(host, 0)
    _prune(host, 0, "--yes")
    assert wheel.is_file()
    assert not second.exists()
    assert (mirror.files / "mine.txt").is_file()
    assert (mirror.files / "ab" / "mine").is_dir()


@pytest.mark.parametrize("after", [1, 2, 4, 6, 9])
def test_a_prune_that_was_killed_is_ended_by_the_next(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    _unpack(host, 1, 2, 3)
    steps = iter(range(100))
    unlink, rename, rmtree = Path.unlink, Path.rename, shutil.rmtree

    def step() -> None:
        if next(steps) == after:
            raise KeyboardInterrupt

    def unlinks(path: Path, *, missing_ok: bool = False) -> None:
        step()
        unlink(path, missing_ok=missing_ok)

    def renames(path: Path, target: Path) -> Path:
        step()
        return rename(path, target)

    def removes(path: Path) -> None:
        step()
        rmtree(path / "simple")
        step()
        rmtree(path)

    with monkeypatch.context() as patched:
        patched.setattr("bundler.mirror.prune.shutil.rmtree", removes)
        patched.setattr(Path, "unlink", unlinks)
        patched.setattr(Path, "rename", renames)
        assert bundle("prune", host.mirror, "--keep", "0", "--yes").exit_code == 130
    assert _live(mirror) == (3, {"test": 3})
    assert _versions(mirror) == ["3.0"]
    _prune(host, 0, "--yes")
    assert {path.name for path in mirror.generations.iterdir()} == {"000003"}
    assert not any("app-1.0" in name or "app-2.0" in name for name in _served(mirror))
    assert _prune(host, 0).endswith("nothing else is here: nothing to prune\n")
    succeed("history", host.mirror, "--verify")
    if after == 1:  # and it goes on as it did
        assert bundle("unpack", host.volume(2), "--into", host.mirror).exit_code == 4


def test_a_generation_that_is_half_removed_is_none_to_go_back_to(
    host: Site, mirror: Mirror
) -> None:
    _unpack(host, 1, 2)
    folder_of(mirror, 1).rename(mirror.generations / ".old-000001")
    assert "nothing that is older than what is live" in _rollback(host, code=4)
    assert "what was left of 1 generation" in _prune(host, 5)
    _unpack(host, 3)
    assert not (mirror.generations / ".old-000001").exists()


def test_without_a_document_nobody_knows_what_must_stay(host: Site, mirror: Mirror) -> None:
    _unpack(host, 1, 2)
    shown = live(mirror)
    assert shown
    manifest = mirror.store.path(shown.streams["test"].manifest.sha256)
    data = manifest.read_bytes()
    document = mirror.store.path(json.loads(data)["projects"]["app"]["sha256"])
    good = document.read_bytes()
    before = _served(mirror)
    document.write_bytes(good[:-1] + b" ")
    result = bundle("prune", host.mirror, "--keep", "0", "--yes")
    assert result.exit_code == 4
    assert "the document of app is damaged: " in result.stderr
    assert "hint: nothing was removed; unpack the newest bundle again" in result.stderr
    document.unlink()
    result = bundle("prune", host.mirror, "--keep", "0", "--yes")
    assert result.exit_code == 5
    assert "the document of app is missing" in result.stderr
    assert _served(mirror) == before
    assert live_number(mirror) == 2


def test_a_disk_that_fails_while_pruning(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    _unpack(host, 1, 2)

    def fails(path: Path, _target: Path) -> Path:
        raise OSError(5, "broken disk", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", fails)
        result = bundle("prune", host.mirror, "--keep", "0", "--yes")
    assert result.exit_code == 1
    assert f"{folder_of(mirror, 1)} cannot be removed: broken disk" in result.stderr
    assert "hint: the mirror works as it is; run the command again" in result.stderr


def test_nothing_to_prune_where_nothing_was_live(host: Site) -> None:
    result = bundle("prune", host.mirror, "--keep", "0")
    assert result.exit_code == 4
    assert "nothing was ever live in" in result.stderr
    assert bundle("prune", host.mirror).exit_code == 2  # never implied
