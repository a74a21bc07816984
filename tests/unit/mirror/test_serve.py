from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import http.client
import ipaddress
import os
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bundler.errors import BundlerError
from bundler.events import ignore
from bundler.mirror.layout import Mirror
from bundler.mirror.negotiate import JSON
from bundler.mirror.publish import publish
from bundler.mirror.serve import application, run
from tests.fakes.mirrors import blob_of, deliver
from tests.fakes.serving import serving
from tests.fakes.wheels import build_wheel

# Larger than one piece, and not compressible to less.
NOISE = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(40_000))
LARGE = build_wheel("large", "1.0", files={"large/data": NOISE})
DIGEST = blob_of(LARGE[1]).sha256
WHEEL = f"/files/{DIGEST[:2]}/{DIGEST}/{LARGE[0]}"


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    mirror = Mirror.create(tmp_path_factory.mktemp("served"))
    publish(mirror, deliver(mirror, [LARGE]), ignore)
    return mirror


@pytest.fixture(scope="module")
def url(mirror: Mirror) -> Iterator[str]:
    with serving(mirror.root) as url:
        yield url.rstrip("/")


def test_pages_and_files_over_http(url: str) -> None:
    with httpx.Client() as client:
        page = client.get(url + "/simple/Large", headers={"Accept": JSON}, follow_redirects=True)
        assert page.headers["content-type"] == JSON
        assert "server" not in page.headers
        assert "content-encoding" not in page.headers
        file = page.json()["files"][0]
        wheel = client.get(page.url.join(file["url"]))
        assert blob_of(wheel.content).sha256 == file["hashes"]["sha256"]
        part = client.get(url + WHEEL, headers={"Range": "bytes=10-300009"})
        assert part.status_code == 206
        assert part.content == LARGE[1][10:300010]
        head = client.head(url + WHEEL)
        assert head.headers["content-length"] == str(len(LARGE[1]))
        assert client.post(url + "/simple/").status_code == 405
        known = client.get(url + WHEEL, headers={"If-None-Match": f'"{DIGEST}"'})
        assert (known.status_code, known.content) == (304, b"")


def test_small_pages_do_not_wait_for_acknowledgements(url: str) -> None:
    with httpx.Client() as client:
        client.get(url + "/simple/")
        started = time.monotonic()
        for _ in range(40):
            client.get(url + "/simple/")
        # 40 times 40 ms, were the page held back behind its headers.
        assert time.monotonic() - started < 1.2


def test_several_accept_lines_are_one(url: str) -> None:
    headers = [("Accept", "text/html;q=0.1"), ("Accept", JSON)]
    page = httpx.get(url + "/simple/?format=x", headers=headers)
    assert page.headers["content-type"] == JSON


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/files/%2e%2e/%2e%2e/etc/passwd", "/%00"])
def test_a_path_is_taken_as_it_was_sent(url: str, path: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        assert connection.getresponse().status == 404
    finally:
        connection.close()


def test_the_server_ends_well_on_either_signal(mirror: Mirror) -> None:
    with serving(mirror.root, end=signal.SIGINT) as url:
        assert url.startswith("http://127.0.0.1:")
        with httpx.Client() as client:
            # A connection that is kept alive does not hold the server up.
            assert client.get(url + "health").text == "ok\n"


def test_ipv6(mirror: Mirror) -> None:
    with serving(mirror.root, host="::1") as url:
        assert url.startswith("http://[::1]:")
        assert httpx.get(url + "health").text == "ok\n"


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mirror")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2099))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


def test_tls(mirror: Mirror, tmp_path: Path) -> None:
    tls = _certificate(tmp_path)
    with serving(mirror.root, tls=tls) as url:
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=str(tls[0]))
        assert httpx.get(url + "health", verify=context).text == "ok\n"


def _never(_url: str) -> None:
    raise AssertionError


def test_a_certificate_that_cannot_be_used_is_named(mirror: Mirror, tmp_path: Path) -> None:
    cert, key = _certificate(tmp_path)
    with pytest.raises(BundlerError, match=r"cannot use the certificate .*absent\.pem"):
        run(mirror, "127.0.0.1", 0, tmp_path / "absent.pem", key, _never)
    with pytest.raises(BundlerError, match="cannot use the certificate"):
        run(mirror, "127.0.0.1", 0, key, cert, _never)
    with pytest.raises(BundlerError, match="a TLS key without its certificate"):
        run(mirror, "127.0.0.1", 0, None, key, _never)


def test_an_address_that_is_taken_is_named(mirror: Mirror) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BundlerError, match=f"cannot listen on 127.0.0.1 port {port}"):
            run(mirror, "127.0.0.1", port, None, None, _never)


class _Stop(Exception):  # noqa: N818 - it stops, nothing failed
    pass


def test_run_may_be_called_from_any_thread_and_restores_signals(mirror: Mirror) -> None:
    def stop(_url: str) -> None:
        raise _Stop

    outcome: list[BaseException] = []

    def in_thread() -> None:
        try:
            run(mirror, "127.0.0.1", 0, None, None, stop)
        except _Stop as error:
            outcome.append(error)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert len(outcome) == 1
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(_Stop):
        run(mirror, "127.0.0.1", 0, None, None, stop)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_before_the_first_request_is_not_lost(mirror: Mirror) -> None:
    # Were it lost, this call would never return.
    run(mirror, "127.0.0.1", 0, None, None, lambda _url: signal.raise_signal(signal.SIGTERM))


def _ask(mirror: Mirror, scope: dict[str, Any], gone_after: int) -> list[dict[str, Any]]:
    """The messages that the application sends; the client goes when it got `gone_after`."""
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) >= gone_after:
                gone.set()

        await application(mirror)(scope, receive, send)

    asyncio.run(ask())
    return sent


def _scope(path: str) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "raw_path": path.encode(), "headers": []}


@pytest.fixture
def huge(tmp_path: Path) -> tuple[Mirror, str]:
    """A file of 1 GiB that takes no room."""
    mirror = Mirror.create(tmp_path)
    path = f"/files/ab/{'ab' * 32}/huge-1-py3-none-any.whl"
    file = mirror.root / path[1:]
    file.parent.mkdir(parents=True)
    with file.open("wb") as sparse:
        sparse.truncate(1 << 30)
    return mirror, path


def test_nothing_more_is_read_for_a_client_that_has_gone(huge: tuple[Mirror, str]) -> None:
    mirror, path = huge
    sent = _ask(mirror, _scope(path), gone_after=3)
    assert len(sent) < 20
    assert sent[0]["status"] == 200
    assert all(len(message["body"]) <= 256 * 1024 for message in sent[1:])


def test_other_protocols_are_left_to_the_server(mirror: Mirror) -> None:
    assert _ask(mirror, {"type": "websocket"}, gone_after=0) == []


def test_a_file_that_has_shrunk_ends_the_answer(huge: tuple[Mirror, str]) -> None:
    mirror, path = huge

    async def receive() -> dict[str, Any]:
        return await asyncio.Future()

    async def send(message: Any) -> None:
        if message.get("body"):
            os.truncate(mirror.root / path[1:], 1000)

    async def ask() -> None:
        await application(mirror)(_scope(path), receive, send)

    with pytest.raises(EOFError, match=r"huge-1-py3-none-any\.whl is shorter than it was"):
        asyncio.run(ask())
