"""What holds for every test: no settings of this host, and no silent skips where it counts."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# uv and bundle lie beside this Python, also where nobody has activated its environment.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# A shell lets what it starts in the background ignore Ctrl-C, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines are noisy: how long an example takes says nothing about the code.
settings.register_profile("bundler", deadline=None)
settings.load_profile("bundler")

STRICT = "BUNDLER_TESTS_STRICT"
"""When this is set, as CI does, a skipped test fails the run."""

_skipped: list[str] = []


@pytest.fixture(autouse=True)
def _no_settings_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests say themselves what a program finds in its environment."""
    for name in ("BUNDLER_HOME", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get(STRICT) and _skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get(STRICT) and _skipped:
        terminalreporter.write_line(f"{STRICT}: {len(_skipped)} skipped tests fail this run")
