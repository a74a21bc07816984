"""A scanner between what was received and what is served: the whole way, through the commands."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.mirror import scan as scan_module
from bundler.mirror.entry import Entry
from bundler.mirror.generations import live
from bundler.mirror.journal import read_history
from bundler.mirror.layout import Mirror
from bundler.mirror.waiting import waiting_in
from tests.fakes.command import Site, bundle, read_json, site, succeed, tree
from tests.fakes.journals import phases
from tests.fakes.scanners import script
from tests.fakes.wheels import build_wheel

LIVE = [("received", "ok"), ("verified", "ok"), ("scanned", "ok"), ("live", "ok")]
WHEELS = [
    "app-1.0-py3-none-any.whl",
    "lib-1.0-cp312-cp312-manylinux_2_17_x86_64.whl",
    "lib-1.0-cp312-cp312-win_amd64.whl",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as host:
        host.make_sequences(2)
        succeed("keygen", "boss", *host.home)
        yield host


@pytest.fixture
def host(made: Site, tmp_path: Path) -> Site:
    return made.beside(tmp_path)


@pytest.fixture
def mirror(host: Site) -> Mirror:
    return Mirror.open(host.mirror)


def _unpack(host: Site, *options: str, sequence: int = 1, code: int = 0) -> str:
    result = bundle("unpack", host.volume(sequence), "--into", host.mirror, *options)
    assert result.exit_code == code, result.output
    return result.stderr if code else result.stdout


def _scanned(mirror: Mirror) -> Entry:
    return next(e for e in reversed(read_history(mirror).entries) if e.phase == "scanned")


def _assert_nothing_served(mirror: Mirror) -> None:
    assert live(mirror) is None
    assert [path for path in mirror.files.rglob("*") if path.is_file()] == []
    assert list(mirror.state.glob("scan-*")) == []


def test_each_file_is_scanned_once(host: Site, mirror: Mirror) -> None:
    path = script(host.folder, f'echo "$1" >> {host.folder}/seen')
    _unpack(host, "--scan", f"{path} {{file}}")
    seen = [Path(line) for line in (host.folder / "seen").read_text().splitlines()]
    assert [each.name for each in seen] == WHEELS
    assert all(each.parent.parent == mirror.state for each in seen)
    assert phases(mirror) == LIVE
    assert _scanned(mirror).note == f"3 files, {path} '{{file}}'"
    assert list(mirror.state.glob("scan-*")) == []
    assert (mirror.simple / "app").is_dir()


def test_a_folder_is_scanned_once(host: Site, mirror: Mirror) -> None:
    path = script(host.folder, f'ls "$2" >> {host.folder}/seen')
    _unpack(host, "--scan", f"{path} -r {{folder}}")
    assert (host.folder / "seen").read_text().splitlines() == WHEELS
    assert phases(mirror) == LIVE


def test_a_scanner_reads_what_was_signed(host: Site) -> None:
    path = script(host.folder, f'cat "$1" >> {host.folder}/seen')
    _unpack(host, "--scan", f"{path} {{file}}")
    _, data = build_wheel("app", "1.0", requires=["lib>=1"])
    assert (host.folder / "seen").read_bytes().startswith(data)


def test_what_does_not_pass_is_quarantined_until_it_does(host: Site, mirror: Mirror) -> None:
    path = script(host.folder, 'case "$1" in *win*) echo "Evil FOUND"; exit 1;; esac')
    said = _unpack(host, "--scan", f"{path} {{file}}", code=4)
    assert f"quarantined by {path}:\n{WHEELS[2]}: exit code 1: Evil FOUND\n" in said
    assert "nothing of this bundle is served; what was received is kept, and scanned anew" in said
    _assert_nothing_served(mirror)
    assert phases(mirror) == [("received", "ok"), ("verified", "ok"), ("scanned", "refused")]
    note = _scanned(mirror).note
    assert note is not None
    assert "Evil FOUND" in note
    # Again, with the same words: scanned anew, and noted anew.
    _unpack(host, "--scan", f"{path} {{file}}", code=4)
    assert phases(mirror)[3:] == [("received", "ok"), ("verified", "ok"), ("scanned", "refused")]
    script(host.folder, "exit 0")
    assert "is live" in _unpack(host, "--scan", f"{path} {{file}}")
    assert phases(mirror)[6:] == LIVE


def test_a_quarantine_for_programs(host: Site) -> None:
    path = script(host.folder, "exit 2")
    words = ("--scan", f"{path} {{folder}}", "--json")
    result = bundle("unpack", host.volume(), "--into", host.mirror, *words)
    error = read_json(result)["error"]
    assert (error["code"], error["exit-code"]) == ("quarantined", 4)
    assert error["message"] == f"quarantined by {path}:\nthe folder of 3 files: exit code 2"


def test_many_findings_are_named_up_to_a_number(
    host: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_module, "_NAMED", 2)
    said = _unpack(host, "--scan", f"{script(host.folder, 'exit 1')} {{file}}", code=4)
    assert f"{WHEELS[1]}: exit code 1\nand 1 more\n" in said
    assert WHEELS[2] not in said


def test_what_was_live_stays_so(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    before = tree(mirror.simple.resolve())
    _unpack(host, "--scan", f"{script(host.folder, 'exit 1')} {{file}}", sequence=2, code=4)
    assert tree(mirror.simple.resolve()) == before
    assert list(mirror.files.rglob("app-2.0*")) == []


def test_only_what_is_new_is_scanned(host: Site) -> None:
    _unpack(host)
    path = script(host.folder, f'basename "$1" >> {host.folder}/seen')
    _unpack(host, "--scan", f"{path} {{file}}", sequence=2)
    assert (host.folder / "seen").read_text() == "app-2.0-py3-none-any.whl\n"


def test_what_is_live_is_not_scanned_again(host: Site) -> None:
    path = script(host.folder, "exit 0")
    _unpack(host, "--scan", f"{path} {{file}}")
    before = tree(host.mirror)
    path = script(host.folder, "exit 1")
    assert "is live already" in _unpack(host, "--scan", f"{path} {{file}}")
    assert tree(host.mirror) == before


def test_what_is_brought_back_is_scanned(host: Site, mirror: Mirror) -> None:
    _unpack(host)
    lost = next(mirror.files.rglob("app-1.0*.whl"))
    lost.unlink()
    _unpack(host, "--scan", f"{script(host.folder, 'exit 1')} {{file}}", code=4)
    assert not lost.exists()
    _unpack(host, "--scan", f"{script(host.folder, 'exit 0')} {{file}}")
    assert lost.exists()
    assert phases(mirror)[-4:] == LIVE
    note = _scanned(mirror).note
    assert note is not None
    assert note.startswith("1 file, ")
    assert read_history(mirror).entries[-1].note == "repaired, generation 1"


def test_a_scanner_that_changes_a_file_is_found(host: Site, mirror: Mirror) -> None:
    """Some would remove what they do not like from it, and say that all is well."""
    path = script(host.folder, 'case "$1" in *win*) printf x | dd of="$1" conv=notrunc;; esac')
    said = _unpack(host, "--scan", f"{path} {{file}}", code=4)
    assert "damaged on this disk, and removed" in said
    _assert_nothing_served(mirror)
    assert "is live" in _unpack(host)


def test_a_scanner_that_does_not_end(host: Site, mirror: Mirror) -> None:
    path = script(host.folder, "sleep 60")
    began = time.monotonic()
    said = _unpack(host, "--scan", f"{path} {{folder}}", "--scan-timeout", "0.5", code=4)
    assert "the folder of 3 files: did not end within 0.5 seconds" in said
    assert time.monotonic() - began < 20
    _assert_nothing_served(mirror)


def test_a_scanner_that_is_not_there_leaves_everything_as_it_was(host: Site) -> None:
    before = tree(host.mirror)
    said = _unpack(host, "--scan", "no-such-scanner {file}", code=1)
    assert "the scanner 'no-such-scanner' is not there" in said
    assert tree(host.mirror) == before


def test_a_scan_that_is_killed_leaves_nothing_served_and_is_done_again(
    host: Site, mirror: Mirror
) -> None:
    path = script(host.folder, f"echo x > {host.folder}/began\nsleep 60")
    child = os.fork()
    if child == 0:
        bundle("unpack", host.volume(), "--into", host.mirror, "--scan", f"{path} {{folder}}")
        os._exit(0)
    for _ in range(200):
        if (host.folder / "began").exists():
            break
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(mirror.state.glob("scan-*"))) == 1
    assert live(mirror) is None
    assert phases(mirror) == [("received", "ok"), ("verified", "ok")]
    _unpack(host, "--scan", f"{script(host.folder, 'exit 0')} {{folder}}")
    assert list(mirror.state.glob("scan-*")) == []
    assert phases(mirror)[2:] == LIVE


# As the mirror's setting.


def test_a_mirror_that_asks_for_a_scan(host: Site, mirror: Mirror) -> None:
    path = script(host.folder, "exit 1")
    shown = succeed("policy", host.mirror, "--scan", f"{path} {{file}}").stdout
    assert f"scan      {path} {{file}}\n" in shown
    assert f"quarantined by {path}" in _unpack(host, code=4)
    _assert_nothing_served(mirror)
    other = script(host.folder, f"echo x >> {host.folder}/said", "other")
    script(host.folder, "exit 0")
    assert "is live" in _unpack(host, "--scan", f"{other} {{folder}}")
    assert (host.folder / "said").read_text() == "x\n"
    assert phases(mirror)[-5:] == [*LIVE[:3], *LIVE[2:]]  # both scanners
    succeed("policy", host.mirror, "--no-scan")
    assert "scan      not asked for" in succeed("policy", host.mirror).stdout


def test_a_mirror_whose_scanner_is_gone_takes_nothing(host: Site, mirror: Mirror) -> None:
    path = script(host.folder, "exit 0")
    succeed("policy", host.mirror, "--scan", f"{path} {{file}}")
    path.unlink()
    assert f"the scanner '{path}' is not there" in _unpack(host, code=1)
    _assert_nothing_served(mirror)


def test_a_scanner_that_cannot_be_is_not_set(host: Site) -> None:
    before = tree(host.mirror)
    assert bundle("policy", host.mirror, "--scan", "true").exit_code == 1
    assert bundle("policy", host.mirror, "--scan", "true {file}", "--no-scan").exit_code == 2
    assert tree(host.mirror) == before


def test_what_was_scanned_waits_for_approval_and_is_scanned_again(
    host: Site, mirror: Mirror
) -> None:
    (pub,) = (host.folder / "home").resolve().rglob("boss.pub")
    path = script(host.folder, "exit 0")
    command = f"{path} {{folder}}"
    succeed("policy", host.mirror, "--scan", command, "--approver", pub)
    assert "is received" in _unpack(host)
    assert "is received" in _unpack(host)
    script(host.folder, "echo new signature; exit 1")
    words = ("approve", host.mirror, "1", "--key", "boss", *host.home)
    refused = bundle(*words)
    assert refused.exit_code == 4
    assert "exit code 1: new signature" in refused.stderr
    _assert_nothing_served(mirror)
    assert len(waiting_in(mirror)) == 1
    assert phases(mirror)[-1] == ("scanned", "refused")
    script(host.folder, "exit 0")
    succeed(*words)
    assert phases(mirror)[-3:] == [("scanned", "ok"), ("approved", "ok"), ("live", "ok")]


def test_a_scan_cannot_be_dropped_without_an_approver(host: Site) -> None:
    (pub,) = (host.folder / "home").resolve().rglob("boss.pub")
    succeed("policy", host.mirror, "--scan", "true {file}", "--approver", pub)
    refused = bundle("policy", host.mirror, "--no-scan")
    assert refused.exit_code == 4
    assert "one of them must sign for another policy" in refused.stderr
    succeed("policy", host.mirror, "--no-scan", "--key", "boss", *host.home)
    shown = succeed("policy", host.mirror).stdout
    assert "scan      not asked for" in shown
    assert "approval  not asked for" not in shown
