"""Scanners that are small real programs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bundler.errors import BundlerError
from bundler.mirror import scanner as module
from bundler.mirror.scanner import ENVIRONMENT, OUTPUT, Scanner, parse_scanner, run_scanner
from tests.fakes.scanners import script


def _says(folder: Path, text: str, timeout: float = 20) -> str | None:
    return run_scanner(Scanner((str(script(folder, text)), "{file}"), timeout), folder / "a b.whl")


def test_what_passes(tmp_path: Path) -> None:
    assert _says(tmp_path, "echo fine") is None


def test_what_does_not_pass(tmp_path: Path) -> None:
    said = _says(tmp_path, 'echo "$1: Evil"; echo FOUND >&2; exit 3')
    assert said == f"exit code 3: {tmp_path}/a b.whl: Evil\nFOUND"
    assert _says(tmp_path, "exit 1") == "exit code 1"


def test_it_gets_no_more_than_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of the operator's environment, no input, not even a folder of theirs."""
    monkeypatch.setenv("OPERATORS_SECRET", "x")
    said = _says(tmp_path, "/usr/bin/env; pwd; cat; ls /proc/self/fd; exit 1")
    assert said is not None
    for name, value in ENVIRONMENT.items():
        assert f"{name}={value}\n" in said
    assert "OPERATORS_SECRET" not in said
    after = said.split("PWD=/\n")[-1].splitlines()
    assert "/" in after
    assert {word for word in after if word.isdigit()} <= {"0", "1", "2", "3"}


def test_there_is_no_shell(tmp_path: Path) -> None:
    path = script(tmp_path, 'printf "%s|" "$@"; exit 1')
    scanner = parse_scanner(f"{path} '$(touch {tmp_path}/x)' ';' '{{file}}.txt' a*")
    assert run_scanner(scanner, Path("/f;g $HOME")) == (
        f"exit code 1: $(touch {tmp_path}/x)|;|/f;g $HOME.txt|a*|"
    )
    assert not (tmp_path / "x").exists()


def test_output_without_end_is_bounded(tmp_path: Path) -> None:
    said = _says(tmp_path, "head -c 10000000 /dev/zero | tr '\\0' x; exit 1")
    assert said is not None
    assert len(said) == len("exit code 1: ") + OUTPUT


def test_output_that_is_no_text(tmp_path: Path) -> None:
    assert _says(tmp_path, "printf '\\377'; exit 1") == "exit code 1: \N{REPLACEMENT CHARACTER}"


def test_what_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    said = _says(
        tmp_path, f"echo working\nsleep 60 &\necho $! > {tmp_path}/child\nsleep 60", timeout=0.6
    )
    assert said == "did not end within 0.6 seconds: working"
    assert time.monotonic() - began < 10
    child = int((tmp_path / "child").read_text())
    _assert_gone(child)


def test_what_it_leaves_running_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    """It holds the pipe, too."""
    began = time.monotonic()
    assert _says(tmp_path, f"sleep 60 &\necho $! > {tmp_path}/child") is None
    assert time.monotonic() - began < 10
    _assert_gone(int((tmp_path / "child").read_text()))


def _assert_gone(number: int) -> None:
    """Gone, or a zombie that nobody has looked after yet."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {number} is there still")


def test_what_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    assert _says(tmp_path, "exec >&- 2>&-\nsleep 0.3\nexit 7") == "exit code 7"


def test_what_is_ended_by_a_signal(tmp_path: Path) -> None:
    assert _says(tmp_path, "kill -9 $$") == f"was ended by signal {signal.SIGKILL.value}"


def test_what_is_no_program(tmp_path: Path) -> None:
    path = tmp_path / "scan"
    path.write_bytes(b"\x7fELF nonsense")
    path.chmod(0o755)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - their number is what counts
    said = run_scanner(parse_scanner(f"{path} {{folder}}"), tmp_path)
    assert said == f"{path} cannot be run: Exec format error"
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above


def test_ctrl_c_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[subprocess.Popen[bytes]] = []

    def interrupted(process: subprocess.Popen[bytes], *_: object) -> bytes:
        running.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _says(tmp_path, "sleep 60")
    assert running[0].returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "the scanner '' must have one of {file} and {folder} as an argument"),
        ("sh", "the scanner 'sh' must have one of"),
        ("sh {file} {folder}", "the scanner 'sh {file} {folder}' must have one of"),
        ("{file}", "must have one of"),
        ("sh '{file}", 'the scanner "sh \'{file}" is no command: No closing quotation'),
        ("no-such-scanner {file}", "the scanner 'no-such-scanner' is not there, or may not be run"),
        ("./scan {file}", "the scanner './scan' is not there, or may not be run"),
        ("/etc/passwd {file}", "the scanner '/etc/passwd' is not there, or may not be run"),
    ],
)
def test_commands_that_cannot_be_run(command: str, message: str) -> None:
    with pytest.raises(BundlerError) as caught:
        parse_scanner(command)
    assert message in caught.value.message
    assert caught.value.exit_code == 1


def test_a_program_is_found_where_systems_have_them() -> None:
    scanner = parse_scanner("sh -c 'exit 1' --in={folder}", 5)
    assert scanner.words[0].endswith("/sh")
    assert scanner.words[1:] == ("-c", "exit 1", "--in={folder}")
    assert scanner.timeout == 5
    assert not scanner.is_for_files
    assert scanner.words_for(Path("/x"))[3] == "--in=/x"
    assert parse_scanner("sh {file}").is_for_files


def test_a_program_in_the_operators_folder_needs_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tmp_path, "exit 0")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundlerError) as caught:
        parse_scanner("./scan {file}")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("give its whole path, or put it into one of /usr/local")
