from __future__ import annotations

import base64
import hashlib
import http.client
import io
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundler.errors import BundlerError
from bundler.events import ignore
from bundler.mirror.clients import parse_networks
from bundler.mirror.guard import Rules
from bundler.mirror.layout import Mirror
from bundler.mirror.negotiate import JSON
from bundler.mirror.publish import publish
from bundler.mirror.serve import Serving, Tls, run
from tests.fakes.mirrors import blob_of, deliver, tree
from tests.fakes.serving import serving, started
from tests.fakes.tls import Authority
from tests.fakes.wheels import build_wheel

# Larger than one piece, and not compressible to less.
NOISE = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(40_000))
LARGE = build_wheel("large", "1.0", files={"large/data": NOISE})
DIGEST = blob_of(LARGE[1]).sha256
WHEEL = f"/files/{DIGEST[:2]}/{DIGEST}/{LARGE[0]}"
TOKEN = "that-nobody-guesses" * 2
TIMES_OUT = 1.0


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    mirror = Mirror.create(tmp_path_factory.mktemp("served"))
    publish(mirror, deliver(mirror, [LARGE]), ignore)
    return mirror


@pytest.fixture(scope="module")
def url(mirror: Mirror) -> Iterator[str]:
    before = tree(mirror)
    with serving(mirror.root, workers=2, header_seconds=TIMES_OUT) as url:
        yield url.rstrip("/")
    assert tree(mirror) == before


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10)


def _exchange(url: str, sent: bytes) -> bytes:
    """All that comes back until the server closes; a reset is an answer, too."""
    with _connect(url) as connection:
        received = bytearray()
        try:
            connection.sendall(sent)
            while piece := connection.recv(65536):
                received += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        return bytes(received)


def test_pages_and_files_over_http(url: str) -> None:
    with httpx.Client() as client:
        page = client.get(url + "/simple/Large", headers={"Accept": JSON}, follow_redirects=True)
        assert page.headers["content-type"] == JSON
        assert page.headers["server"] == "bundler"
        file = page.json()["files"][0]
        wheel = client.get(page.url.join(file["url"]))
        assert blob_of(wheel.content).sha256 == file["hashes"]["sha256"]
        part = client.get(url + WHEEL, headers={"Range": "bytes=10-300009"})
        assert part.status_code == 206
        assert part.content == LARGE[1][10:300010]
        several = client.get(url + WHEEL, headers={"Range": "bytes=0-1,5-6"})
        assert (several.status_code, several.content) == (200, LARGE[1])
        head = client.head(url + WHEEL)
        assert head.headers["content-length"] == str(len(LARGE[1]))
        assert client.post(url + "/simple/").status_code == 405
        known = client.get(url + WHEEL, headers={"If-None-Match": f'"{DIGEST}"'})
        assert (known.status_code, known.content) == (304, b"")
        assert client.get(url + "/metrics").text.count("bundler_requests_total{") == 5


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


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/files/%2e%2e/%2e%2e/etc/passwd",
        "/files/..%2f..%2f..%2fetc%2fpasswd",
        "/simple/%252e%252e/",
        "/.bundler/journal.jsonl",
        "/%2ebundler/policy.json",
        "/%00",
        "/simple/\\..\\",
    ],
)
def test_a_path_leads_nowhere_else(url: str, path: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        assert connection.getresponse().status in {400, 404}
    finally:
        connection.close()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from([b"GET", b"HEAD", b"get", b"POST", b"\x00", b"PRI"]),
    target=st.lists(
        st.sampled_from(
            [b"/", b"..", b"%2e%2e", b"%2f", b"simple", b"files", b".bundler", b"%00", b"%ff",
             b"\\", b"?", b"#", b"*", b"http://h/", b"trust", b"journal.jsonl"]
        )
        | st.binary(max_size=4)
    ),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                [b"Host", b"Accept", b"Accept-Encoding", b"Range", b"If-Range", b"If-None-Match",
                 b"Authorization", b"X-Forwarded-For", b"Content-Length", b"Transfer-Encoding", b""]
            ),
            st.binary(max_size=30) | st.sampled_from([b"bytes=0-", b"chunked", b"-1", b"q=\xff"]),
        ),
        max_size=6,
    ),
)  # fmt: skip
def test_nothing_that_is_sent_breaks_the_server(
    url: str, method: bytes, target: list[bytes], headers: list[tuple[bytes, bytes]]
) -> None:
    lines = [b"%s /%s HTTP/1.1" % (method, b"".join(target))]
    lines += [b"%s: %s" % (name, value) for name, value in headers]
    with _connect(url) as connection:
        try:
            connection.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
            connection.shutdown(socket.SHUT_WR)
            answer = bytearray()
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
        else:
            assert b"HTTP/1.1 5" not in answer[:12]
            assert b"sequence" not in answer
    assert httpx.get(url + "/health").text == "ok\n"


def test_headers_are_bounded(url: str) -> None:
    for request in (
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: a\r\n" * 500 + b"\r\n",
    ):
        answer = _exchange(url, request)
        assert answer == b"" or answer.split()[1] in {b"414", b"431"}
    assert httpx.get(url + "/health").text == "ok\n"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HTTP/1.1\r\nHost: ", b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"],
    ids=["nothing", "half a request", "a connection kept and not used"],
)
def test_slow_clients_are_let_go(url: str, sent: bytes) -> None:
    started = time.monotonic()
    _exchange(url, sent)
    assert TIMES_OUT * 0.5 < time.monotonic() - started < TIMES_OUT + 4


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such bound")
def test_who_takes_nothing_is_let_go(mirror: Mirror) -> None:
    with serving(mirror.root, stall_seconds=0.5) as url:
        # Who came in the first half second may have been let in without that bound.
        time.sleep(1)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            parts = urlsplit(url)
            client.connect((parts.hostname, parts.port))
            client.sendall(f"GET {WHEEL} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            deadline = time.monotonic() + 60
            while _is_held(parts.port, client.getsockname()[1]):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            # What had come stands there still; asking for more tells that nobody is there.
            with pytest.raises(ConnectionResetError):
                shutil.copyfileobj(client.makefile("rb"), io.BytesIO())


def _is_held(ours: int | None, theirs: int) -> bool:
    """Whether the system still has the server's end of a connection (proc_net_tcp of Linux)."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    ends = {tuple(int(end.split(":")[1], 16) for end in line.split()[1:3]) for line in lines}
    return (ours, theirs) in ends


def test_the_server_ends_well_on_either_signal(mirror: Mirror) -> None:
    with serving(mirror.root, host="::1") as url:
        assert url.startswith("http://[::1]:")
        assert httpx.get(url + "health").text == "ok\n"
    with started(mirror.root, Serving(), end=signal.SIGINT) as server:
        assert server.url.startswith("http://127.0.0.1:")
        with httpx.Client() as client:
            # A connection that is kept alive does not hold the server up.
            assert client.get(server.url + "health").text == "ok\n"


def test_a_running_download_is_not_cut_off(tmp_path: Path) -> None:
    mirror = Mirror.create(tmp_path)
    path = f"/files/ab/{'ab' * 32}/huge-1-py3-none-any.whl"
    file = mirror.root / path[1:]
    file.parent.mkdir(parents=True)
    size = 64 << 20
    with file.open("wb") as sparse:
        sparse.truncate(size)
    with started(mirror.root, Serving()) as server, _connect(server.url) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        received = len(connection.recv(1000))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        while piece := connection.recv(1 << 20):
            received += len(piece)
    assert received > size


def test_processes_end_with_their_parent_and_are_replaced(mirror: Mirror) -> None:
    def children() -> list[int]:
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(server.process.pid)],
            stdout=subprocess.PIPE,
            check=False,
        )
        return [int(word) for word in listed.stdout.split()]

    with started(mirror.root, Serving(), errors=None) as server:
        (worker,) = children()
        os.kill(worker, signal.SIGKILL)
        _until(lambda: children() not in ([], [worker]))
        _until(lambda: _answers(server.url))
        (worker,) = children()
        server.process.kill()
        _until(lambda: not Path(f"/proc/{worker}").exists())
        server.process.returncode = None
        server.process.wait()
        server.process.returncode = 0


def _until(holds: object) -> None:
    assert callable(holds)
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url + "health").status_code == 200
    except httpx.TransportError:
        return False


# TLS


def test_tls_with_http_2(mirror: Mirror, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = authority.issue("server")
    with serving(mirror.root, tls=Tls(*tls), http2=True) as url:
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=authority.path)
        assert httpx.get(url + "health", verify=context).text == "ok\n"
        context.set_alpn_protocols(["h2", "http/1.1"])
        parts = urlsplit(url)
        with (
            _connect(url) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as client,
        ):
            assert client.selected_alpn_protocol() == "h2"
        curl = shutil.which("curl")
        if curl:
            got = str(tmp_path / "got")
            argv = [curl, "-s", "--http2", "--cacert", str(authority.path), "-o", got,
                    "-w", "%{http_version} %{http_code}", url + WHEEL[1:]]  # fmt: skip
            done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True)
            assert done.stdout in {"2 200", "1.1 200"}
            assert Path(got).read_bytes() == LARGE[1]


def test_slow_clients_are_let_go_in_tls_too(mirror: Mirror, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = Tls(*authority.issue("server"))
    with serving(mirror.root, tls=tls, header_seconds=TIMES_OUT) as url:
        context = ssl.create_default_context(cafile=authority.path)
        context.set_alpn_protocols(["h2", "http/1.1"])
        started = time.monotonic()
        with (
            _connect(url) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
        ):
            assert client.selected_alpn_protocol() == "http/1.1"
            assert client.recv(1000) == b""
        assert TIMES_OUT * 0.5 < time.monotonic() - started < TIMES_OUT + 4


def test_only_clients_with_a_certificate(mirror: Mirror, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = authority.issue("server"), authority.issue("client")
    with serving(mirror.root, tls=Tls(*server, client_ca=authority.path)) as url:
        context = ssl.create_default_context(cafile=authority.path)
        with pytest.raises(httpx.TransportError):
            httpx.get(url + "health", verify=context)
        context.load_cert_chain(*client)
        assert httpx.get(url + "health", verify=context).text == "ok\n"


def test_a_new_certificate_and_new_names_without_a_break(mirror: Mirror, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("server")
    names = tmp_path / "names"
    names.write_text(f"ci:{{SHA256}}{hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    how = Serving(tls=Tls(cert, key), auth=names)
    with started(mirror.root, how) as server:
        context = ssl.create_default_context(cafile=authority.path)

        def serial() -> str:
            parts = urlsplit(server.url)
            with (
                _connect(server.url) as plain,
                context.wrap_socket(plain, server_hostname=parts.hostname) as client,
            ):
                return str((client.getpeercert() or {})["serialNumber"])

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return httpx.get(server.url + "simple/", headers=headers, verify=context).status_code

        first = serial()
        assert (status(TOKEN), status("new")) == (200, 401)
        good = cert.read_bytes()
        cert.write_text("no certificate")
        server.process.send_signal(signal.SIGHUP)
        assert "nothing was reloaded: cannot use the certificate" in server.said()
        assert serial() == first
        cert.write_bytes(good)
        authority.issue("server")
        names.write_text(f"ci:{{SHA256}}{hashlib.sha256(b'new').hexdigest()}\n")
        server.process.send_signal(signal.SIGHUP)
        _until(lambda: serial() != first)
        _until(lambda: (status(TOKEN), status("new")) == (401, 200))


# Options


def test_names_networks_rates_and_the_log(mirror: Mirror, tmp_path: Path) -> None:
    names, log = tmp_path / "names", tmp_path / "log"
    names.write_text(f"ci:{{SHA256}}{hashlib.sha256(TOKEN.encode()).hexdigest()}\n")
    how = Serving(
        auth=names,
        rate=0.1,
        access_log=log,
        rules=Rules(allow=parse_networks(["127.0.0.1"], "--allow")),
        base_url="https://mirror.example.org/",
    )
    with started(mirror.root, how) as server:
        headers = {"Authorization": "Basic " + base64.b64encode(f"ci:{TOKEN}".encode()).decode()}
        page = httpx.get(server.url + "pypi/large/json", headers=headers)
        assert page.json()["urls"][0]["url"] == (
            f"https://mirror.example.org/packages{WHEEL.removeprefix('/files')}"
        )
        refused = httpx.get(server.url + "pypi/large/json", headers=headers)
        assert refused.status_code == 429
    assert log.read_text().count('"user":"ci"') == 1
    assert log.read_text().count('"status":429') == 1
    assert TOKEN not in log.read_text()


def _never(_text: str) -> None:
    raise AssertionError


def _run(mirror: Mirror, how: Serving) -> None:
    run(mirror, how, _never, _never, _never)  # type: ignore[arg-type]  # nothing is called


def test_a_certificate_that_cannot_be_used_is_named(mirror: Mirror, tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).issue("server")
    with pytest.raises(BundlerError, match=r"cannot use the certificate .*absent\.pem"):
        _run(mirror, Serving(tls=Tls(tmp_path / "absent.pem", key)))
    with pytest.raises(BundlerError, match="cannot use the certificate"):
        _run(mirror, Serving(tls=Tls(key, cert)))
    with pytest.raises(BundlerError, match=r"cannot use .*absent\.pem as the authority"):
        _run(mirror, Serving(tls=Tls(cert, key, tmp_path / "absent.pem")))


def test_other_files_that_cannot_be_used_are_named(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(BundlerError, match="cannot read the file of names"):
        _run(mirror, Serving(auth=tmp_path / "absent"))
    with pytest.raises(BundlerError, match="cannot write the access log"):
        _run(mirror, Serving(access_log=tmp_path / "absent" / "log"))


def test_an_address_that_is_taken_is_named(mirror: Mirror) -> None:
    with serving(mirror.root) as url:
        port = urlsplit(url).port
        with pytest.raises(BundlerError, match=f"cannot listen on 127.0.0.1 port {port}"):
            _run(mirror, Serving(port=port or 0))
