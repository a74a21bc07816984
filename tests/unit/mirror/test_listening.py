from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bundler.mirror.listening import give_up_stalled


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such bound")
def test_those_that_are_accepted_from_now_on_are_bounded(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket() as other,
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.bind(str(tmp_path / "socket"))
        local.listen()
        assert give_up_stalled(1.5) >= 1
        other.connect(listener.getsockname())
        accepted, _ = listener.accept()
        with accepted:
            for each, milliseconds in ((listener, 1500), (accepted, 1500), (other, 0)):
                assert each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == milliseconds


def test_other_systems_have_no_such_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT", raising=False)
    with socket.create_server(("127.0.0.1", 0)):
        assert give_up_stalled(1) == 0
