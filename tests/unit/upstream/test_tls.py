from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from bundler.upstream.tls import AT_ONCE, read_eagerly
from tests.fakes.tls import serve_tls

RECORD = 16 * 1024
CONTENT = Random(1).randbytes(RECORD * 6)  # noqa: S311 - the same each time


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[ssl.SSLSocket, ssl.SSLSocket]]:
    """A server's and an eager client's end of one connection."""
    tls = serve_tls(tmp_path)
    context = read_eagerly(ssl.create_default_context(cafile=str(tls.authority)))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        plain = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
    made: list[ssl.SSLSocket] = []
    serving = threading.Thread(
        target=lambda: made.append(tls.context.wrap_socket(accepted, server_side=True))
    )
    serving.start()
    client = context.wrap_socket(plain, server_hostname="127.0.0.1")
    serving.join()
    client.settimeout(10)
    with made[0] as server, client:
        yield server, client


def test_all_records_that_have_come_are_read_at_once(
    ends: tuple[ssl.SSLSocket, ssl.SSLSocket],
) -> None:
    server, client = ends
    server.sendall(CONTENT)
    received = client.recv(RECORD)
    while len(received) < len(CONTENT):
        more = client.recv(RECORD)
        assert more
        received += more
    assert received == CONTENT
    server.sendall(CONTENT)
    # Loopback delivers what was sent before `sendall` returns.
    assert len(client.recv(RECORD)) > RECORD


def test_a_read_ends_at_its_bound(ends: tuple[ssl.SSLSocket, ssl.SSLSocket]) -> None:
    server, client = ends
    sending = threading.Thread(target=server.sendall, args=(bytes(AT_ONCE * 3),))
    sending.start()
    total = 0
    while total < AT_ONCE * 3:
        piece = client.recv(RECORD)
        assert 0 < len(piece) <= AT_ONCE + RECORD
        total += len(piece)
    sending.join()
    assert total == AT_ONCE * 3


def test_what_has_not_come_is_not_waited_for(ends: tuple[ssl.SSLSocket, ssl.SSLSocket]) -> None:
    server, client = ends
    server.sendall(b"first")
    assert client.recv(RECORD) == b"first"
    assert client.gettimeout() == 10
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(RECORD)
    assert client.gettimeout() == 0.05


def test_the_end_comes_after_the_data(ends: tuple[ssl.SSLSocket, ssl.SSLSocket]) -> None:
    server, client = ends
    server.sendall(b"last")
    server.close()
    assert client.recv(RECORD) == b"last"
    assert client.recv(RECORD) == b""
