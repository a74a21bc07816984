"""What the journal of a mirror has after commands: each phase, each refusal, and every crash."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bundler import receive
from bundler.cli import options
from bundler.errors import BundlerError
from bundler.mirror import attempt as attempt_module
from bundler.mirror.entry import About, digest_of
from bundler.mirror.generations import live
from bundler.mirror.journal import Journal, read_history
from bundler.mirror.layout import Mirror
from tests.fakes.command import Site, bundle, read_json, site, succeed, tree, without_journal
from tests.fakes.journals import lines, phases
from tests.fakes.trust import digest
from tests.fakes.volumes import read_volume_head
from tests.fakes.wheels import build_wheel


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as host:
        assert host.create().exit_code == 0
        host.index.add(*build_wheel("app", "2.0"))
        assert host.create().exit_code == 0
        yield host


@pytest.fixture
def host(made: Site, tmp_path: Path) -> Site:
    """The same with volumes and a mirror of its own."""
    for name in ("out", "mirror"):
        shutil.copytree(made.folder / name, tmp_path / name, symlinks=True)
    shutil.copy(made.profile, tmp_path)
    return Site(tmp_path, made.index)


@pytest.fixture
def mirror(host: Site) -> Mirror:
    return Mirror.open(host.mirror)


LIVE = [("received", "ok"), ("verified", "ok"), ("live", "ok")]


def test_each_phase_has_a_line(host: Site, mirror: Mirror) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    assert phases(mirror) == LIVE
    shown = live(mirror)
    assert shown is not None
    index = read_volume_head(host.volume()).entries["transport/test-000001.v01.json"]
    for entry in read_history(mirror).entries:
        assert entry.operator == pwd.getpwuid(os.getuid()).pw_name
        assert (entry.about.medium, entry.about.volume) == (str(host.volume()), host.volume().name)
        assert (entry.about.stream, entry.about.sequence) == ("test", 1)
        assert entry.about.manifest == shown.streams["test"].manifest.sha256
        assert entry.about.index == digest(index)
    assert read_history(mirror).entries[-1].note == "generation 1"


def test_unpacking_again_adds_no_line(host: Site) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    before = tree(host.mirror)
    succeed("unpack", host.volume(), "--into", host.mirror)
    assert tree(host.mirror) == before


def test_a_repair_says_so(host: Site, mirror: Mirror) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    shutil.rmtree(mirror.files)
    mirror.files.mkdir()
    succeed("unpack", host.volume(), "--into", host.mirror)
    assert phases(mirror) == LIVE * 2
    assert read_history(mirror).entries[-1].note == "repaired, generation 1"


def test_a_mirror_that_had_no_journal_gets_one(host: Site, mirror: Mirror) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    for path in (mirror.journal, mirror.journal_head):
        path.unlink()
    succeed("unpack", host.volume(), "--into", host.mirror)
    assert phases(mirror) == LIVE


def test_a_refusal_has_a_line_and_nothing_that_was_only_claimed(host: Site, mirror: Mirror) -> None:
    volume = host.volume()
    data = bytearray(volume.read_bytes())
    data[200] ^= 1  # in the head
    volume.write_bytes(data)
    result = bundle("unpack", volume, "--into", host.mirror)
    assert result.exit_code == 4
    (entry,) = read_history(mirror).entries
    assert (entry.phase, entry.result) == ("received", "refused")
    assert entry.note is not None
    assert entry.note in result.stderr
    assert entry.about == About(medium=str(volume), volume=volume.name)


def test_a_damaged_copy_of_what_is_live_is_noted(host: Site, mirror: Mirror) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    data = bytearray(host.volume().read_bytes())
    data[-1] ^= 1
    copy = host.folder / "copy.tar.zst"
    copy.write_bytes(data)
    assert bundle("unpack", copy, "--into", host.mirror).exit_code == 4
    assert phases(mirror)[3:] == [("received", "ok"), ("verified", "refused")]
    assert read_history(mirror).entries[-1].about.medium == str(copy)


def test_what_is_incomplete_is_noted(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def brings_nothing(*_arguments: object, **_options: object) -> None:
        pass

    monkeypatch.setattr(receive, "unpack_volume", brings_nothing)
    assert bundle("unpack", host.volume(), "--into", host.mirror).exit_code == 5
    assert phases(mirror) == [("received", "ok"), ("verified", "ok"), ("live", "incomplete")]


def test_what_was_never_opened_is_not_noted(host: Site, mirror: Mirror) -> None:
    assert bundle("unpack", host.folder / "none", "--into", host.mirror).exit_code == 1
    assert not mirror.journal.exists()


def test_a_journal_that_was_changed_stops_the_import(host: Site, mirror: Mirror) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    mirror.journal.write_bytes(b"".join(lines(mirror)[1:]))
    before = tree(host.mirror)
    result = bundle("unpack", host.volume(2), "--into", host.mirror)
    assert result.exit_code == 4
    assert "line 1 was cut: in its place is what was line 2" in result.stderr
    assert "move them away: a new journal begins" in result.stderr
    assert tree(host.mirror) == before
    for path in (mirror.journal, mirror.journal_head):  # as the hint says
        path.rename(host.folder / path.name)
    succeed("unpack", host.volume(2), "--into", host.mirror)
    assert phases(mirror) == LIVE


def test_a_refusal_is_told_even_if_it_cannot_be_noted(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object, **_options: object) -> None:
        raise BundlerError("no room left")

    monkeypatch.setattr(Journal, "write", fails)
    host.volume().write_bytes(b"hello")
    result = bundle("unpack", host.volume(), "--into", host.mirror)
    assert result.exit_code == 4
    assert "it is a text file" in result.stderr
    assert "note: not in the journal: no room left" in result.stderr


def test_what_cannot_be_noted_does_not_go_live(
    host: Site, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: object, **_options: object) -> None:
        raise BundlerError("no room left")

    monkeypatch.setattr(Journal, "write", fails)
    assert bundle("unpack", host.volume(), "--into", host.mirror).exit_code == 1
    assert live(mirror) is None


_STEPS = (
    (receive, "remember_roots"),
    (receive, "unpack_volume"),
    (receive, "check_verdicts"),
    (receive, "publish"),
    (receive, "commit"),
    (attempt_module.Attempt, "received"),
    (attempt_module.Attempt, "verified"),
    (attempt_module.Attempt, "live"),
)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("place", "name"), _STEPS, ids=str)
def test_a_crash_between_the_phases(
    host: Site,
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    *,
    place: Any,
    name: str,
    after: bool,
) -> None:
    """The process ends there; the same command then leaves a journal that says what is live."""
    real: Callable[..., object] = getattr(place, name)

    def ends(*arguments: object, **words: object) -> object:
        if after:
            real(*arguments, **words)
        os._exit(9)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(place, name, ends)
        bundle("unpack", host.volume(), "--into", host.mirror)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert phases(mirror) in [LIVE[:count] for count in range(4)]
    succeed("unpack", host.volume(), "--into", host.mirror)
    assert phases(mirror)[-1] == ("live", "ok")
    assert phases(mirror).count(("live", "ok")) == 1


# bundle history


def test_history_is_a_table(host: Site, mirror: Mirror) -> None:
    assert "nothing was ever done to it" in succeed("history", host.mirror).stdout
    succeed("unpack", host.volume(), "--into", host.mirror)
    text = host.folder / "text.tar.zst"
    text.write_bytes(b"hello\n")
    assert bundle("unpack", text, "--into", host.mirror).exit_code == 4
    shown = succeed("history", host.mirror).stdout.splitlines()
    assert shown[0].split() == [
        "line", "time", "operator", "phase", "result", "stream", "sequence", "volume",
    ]  # fmt: skip
    assert shown[1].split()[3:] == ["received", "ok", "test", "1", host.volume().name]
    assert shown[3].split()[3:] == ["live", "ok", "test", "1", host.volume().name]
    assert shown[4].strip() == "generation 1"
    assert shown[5].split()[3:] == ["received", "refused", "-", "-", "text.tar.zst"]
    assert "it is a text file" in shown[6]
    assert shown[-1] == f"4 lines, each as it was written; head {digest_of(lines(mirror)[-1])}"
    verified = succeed("history", host.mirror, "--verify").stdout.splitlines()
    assert verified == shown[-1:]


def test_a_file_s_name_makes_no_row(host: Site) -> None:
    path = host.folder / "x\n9     2026-11-21T12:24:09Z  root  live\x1b[2K"
    path.write_bytes(b"hello\n")
    assert bundle("unpack", path, "--into", host.mirror).exit_code == 4
    shown = succeed("history", host.mirror).stdout.splitlines()
    assert shown[1].split()[0] == "1"
    assert "x\\n9     2026-11-21T12:24:09Z  root  live\\x1b[2K" in shown[1]
    assert not any(line.startswith("9") for line in shown)


def test_history_for_programs(host: Site, mirror: Mirror) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    found = read_json(bundle("history", host.mirror, "--json"))
    assert (found["verified"], found["problem"], found["lines"], found["torn"]) == (
        True,
        None,
        3,
        0,
    )
    assert found["head"] == digest_of(lines(mirror)[-1])
    assert [entry["phase"] for entry in found["entries"]] == ["received", "verified", "live"]
    assert found["entries"][0]["medium"] == str(host.volume())


def test_history_of_one_line_and_a_torn_one(host: Site, mirror: Mirror) -> None:
    (host.folder / "x").write_bytes(b"hello\n")
    bundle("unpack", host.folder / "x", "--into", host.mirror)
    mirror.journal.write_bytes(mirror.journal.read_bytes() + b'{"for')
    shown = succeed("history", host.mirror, "--verify").stdout.splitlines()
    assert shown[0] == "line 2 was torn by a crash; the next command takes it away"
    assert shown[1].startswith("1 line, each as it was written; head ")


def test_history_that_was_changed(host: Site, mirror: Mirror) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    written = lines(mirror)
    mirror.journal.write_bytes(
        b"".join([written[0].replace(b"received", b"scanned"), *written[1:]])
    )
    refused = bundle("history", host.mirror, "--verify", "--json")
    assert refused.exit_code == 4
    error = read_json(refused)["error"]
    assert error["code"] == "damaged"
    assert error["message"] == (
        f"{mirror.journal}: line 1 was edited: its digest is not that in the next"
    )
    shown = succeed("history", host.mirror).stdout
    assert shown.splitlines()[1].split()[3] == "scanned"  # shown all the same
    assert shown.splitlines()[-1] == f"NOT TO BE BELIEVED: {error['message']}"
    assert read_json(bundle("history", host.mirror, "--json"))["verified"] is False


def test_history_with_a_head_that_was_noted(host: Site) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    head = read_json(bundle("history", host.mirror, "--json"))["head"]
    bundle("unpack", host.profile, "--into", host.mirror)
    succeed("history", host.mirror, "--head", head)
    other = "0" * 64
    refused = bundle("history", host.mirror, "--head", other)
    assert refused.exit_code == 4
    assert f"no line has the digest {other}" in refused.stderr


def test_history_changes_nothing(host: Site) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    before = tree(host.mirror)
    succeed("history", host.mirror, "--verify")
    assert tree(host.mirror) == before


def test_an_account_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_number: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setenv("USER", "mallory")
    assert options.account() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert options.account() == str(os.getuid())


def test_a_refusal_changes_the_journal_alone(host: Site) -> None:
    succeed("unpack", host.volume(), "--into", host.mirror)
    before = tree(host.mirror)
    assert bundle("unpack", host.profile, "--into", host.mirror).exit_code == 4
    after = tree(host.mirror)
    assert without_journal(after) == without_journal(before)
    assert after != before
