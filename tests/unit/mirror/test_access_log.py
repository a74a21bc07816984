from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundler.errors import BundlerError
from bundler.mirror.access_log import Entry, open_log

TIME = datetime(2026, 11, 21, 1, 2, 3, 4567, tzinfo=UTC)
ENTRY = Entry(TIME, "192.0.2.1", "ann", "GET", "/simple/", 200, 12, 0.00123456, "pip/26")


def test_a_line() -> None:
    assert json.loads(ENTRY.to_line()) == {
        "time": "2026-11-21T01:02:03.004+00:00",
        "client": "192.0.2.1",
        "user": "ann",
        "method": "GET",
        "path": "/simple/",
        "status": 200,
        "bytes": 12,
        "seconds": 0.001235,
        "agent": "pip/26",
    }


@given(st.text(), st.text(), st.text())
def test_a_request_is_one_line_of_plain_characters(method: str, path: str, agent: str) -> None:
    line = Entry(TIME, "x", None, method, path, 200, 0, 0, agent).to_line()
    assert line.endswith(b"\n")
    assert all(32 <= byte < 127 for byte in line[:-1])
    assert json.loads(line)["path"] == path[:1000]


def test_a_line_has_a_bound() -> None:
    line = Entry(TIME, "x", None, "G" * 9999, "\0" * 9999, 200, 0, 0, "\u2028" * 9999).to_line()
    assert len(line) < 8000


def test_lines_are_added_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("before\n")
    first, second = open_log(path), open_log(path)
    first.add(ENTRY)
    second.add(ENTRY)
    assert path.read_text() == "before\n"
    first.flush()
    second.flush()
    first.flush()
    assert path.read_bytes() == b"before\n" + ENTRY.to_line() * 2
    for log in (first, second):
        os.close(log.number)


def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    os.close(open_log(path).number)
    assert path.stat().st_mode & 0o007 == 0


def test_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    log = open_log(Path("-"))
    log.add(ENTRY)
    log.flush()
    os.close(log.number)
    assert capfd.readouterr().err == ENTRY.to_line().decode()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="cannot write the access log"):
        open_log(tmp_path / "absent" / "log")
