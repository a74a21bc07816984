from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bundler import __version__
from bundler.errors import NetworkError, NotFoundError
from bundler.upstream.faults import AnswerError
from bundler.upstream.retry import Retry, TransientError
from bundler.upstream.transport import Transport
from bundler.upstream.urls import Credentials
from tests.fakes.index import FakeIndex, Fault
from tests.fakes.tls import FakeTls, serve_tls

PATH = "/files/demo.bin"


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as index:
        index.add("demo.bin", bytes(range(256)) * 4)
        yield index


def url_of(index: FakeIndex) -> str:
    return index.origin + PATH


def test_get_tells_what_came(index: FakeIndex, transport: Transport) -> None:
    answer = transport.get(url_of(index), limit=2000, accept="application/x-demo")
    assert (answer.status, answer.start, answer.total) == (200, 0, 1024)
    assert answer.body == bytes(range(256)) * 4
    assert answer.url == url_of(index)
    assert answer.content_type == "application/octet-stream"
    headers = index.requests[0].headers
    assert headers["accept"] == "application/x-demo"
    assert headers["user-agent"] == f"bundler/{__version__}"


def test_a_range_is_a_part(index: FakeIndex, transport: Transport) -> None:
    answer = transport.get(url_of(index), byte_range="-24", limit=24)
    assert (answer.status, answer.start, answer.total) == (206, 1000, 1024)
    assert answer.body == (bytes(range(256)) * 4)[1000:]
    assert index.requests[0].headers["accept-encoding"] == "identity"


def test_an_ignored_range_leaves_the_body_unread(index: FakeIndex, transport: Transport) -> None:
    index.ranges = False
    answer = transport.get(url_of(index), byte_range="-24", limit=24)
    assert (answer.status, answer.total, answer.body) == (200, 1024, b"")


def test_an_impossible_range_tells_the_size(index: FakeIndex, transport: Transport) -> None:
    answer = transport.get(url_of(index), byte_range="5000-", limit=24)
    assert (answer.status, answer.total, answer.body) == (416, 1024, b"")


@pytest.mark.parametrize(
    ("value", "total"), [("bytes 0-9/*", None), ("bytes 0-9/1024", 1024)], ids=["unknown", "known"]
)
def test_the_total_may_be_unknown(
    index: FakeIndex, transport: Transport, value: str, total: int | None
) -> None:
    index.misbehave(PATH, Fault(headers={"Content-Range": value}))
    assert transport.get(url_of(index), byte_range="0-9", limit=10).total == total


@pytest.mark.parametrize("value", ["", "nonsense", "bytes */1024"])
def test_a_part_of_nothing_is_refused(index: FakeIndex, transport: Transport, value: str) -> None:
    index.misbehave(PATH, Fault(headers={"Content-Range": value}))
    with pytest.raises(NetworkError, match="206 without a usable Content-Range"):
        transport.get(url_of(index), byte_range="0-9", limit=10)


def test_416_without_a_size(index: FakeIndex, transport: Transport) -> None:
    index.misbehave(PATH, Fault(status=416, headers={"Content-Range": ""}))
    assert transport.get(url_of(index), byte_range="0-9", limit=10).total is None


def test_a_stream_comes_whole_or_from_an_offset(index: FakeIndex, transport: Transport) -> None:
    content = bytes(500_000) + b"end.."
    index.add("large.bin", content)
    with transport.stream(index.origin + "/files/large.bin") as stream:
        assert (stream.status, stream.start, stream.total) == (200, 0, len(content))
        assert b"".join(stream) == content
    with transport.stream(index.origin + "/files/large.bin", offset=500_000) as stream:
        assert (stream.status, stream.start, stream.total) == (206, 500_000, len(content))
        assert b"".join(stream) == b"end.."


def test_a_cut_within_a_stream_is_our_error(index: FakeIndex, transport: Transport) -> None:
    index.misbehave(PATH, Fault(cut=100))
    with transport.stream(url_of(index)) as stream:
        chunks = iter(stream)
        with pytest.raises(TransientError, match=r"demo.bin: peer closed connection"):
            list(chunks)


def test_404_is_an_error_of_its_own_and_not_repeated(
    index: FakeIndex, transport: Transport, pauses: list[float]
) -> None:
    with pytest.raises(NotFoundError) as caught:
        transport.get(index.origin + "/files/none?token=secret", limit=10)
    assert caught.value.message == f"{index.origin}/files/none: 404 Not Found"
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "~/.netrc"), (403, "no right"), (407, "HTTPS_PROXY"), (410, None)]
)
def test_a_refusal_says_what_to_do(
    index: FakeIndex, transport: Transport, status: int, hint: str | None
) -> None:
    index.misbehave(PATH, Fault(status=status))
    with pytest.raises(AnswerError, match=f"demo.bin: {status} ") as caught:
        transport.get(url_of(index), limit=2000)
    assert caught.value.status == status
    assert (hint is None and caught.value.hint is None) or str(hint) in str(caught.value.hint)


def test_transient_answers_are_repeated(
    index: FakeIndex, transport: Transport, pauses: list[float]
) -> None:
    index.misbehave(PATH, Fault(status=500))
    index.misbehave(PATH, Fault(status=503))
    assert transport.get(url_of(index), limit=2000).status == 200
    assert len(pauses) == 2
    assert 0.25 <= pauses[0] <= 0.75
    assert 0.5 <= pauses[1] <= 1.5


def test_attempts_are_bounded(index: FakeIndex, transport: Transport, pauses: list[float]) -> None:
    index.misbehave(PATH, Fault(status=502), times=5)
    with pytest.raises(TransientError, match=r"demo.bin: 502 Bad Gateway"):
        transport.get(url_of(index), limit=2000)
    assert len(index.requests) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [("7", 7, 7), ("0", 0.5, 0.5), ("99999", 60, 60), ("Sat, 01 Jan 2028 00:00:00 GMT", 0.2, 0.8)],
)
def test_retry_after_is_honoured_within_bounds(
    index: FakeIndex,
    transport: Transport,
    pauses: list[float],
    value: str,
    low: float,
    high: float,
) -> None:
    index.misbehave(PATH, Fault(status=429, headers={"Retry-After": value}))
    transport.get(url_of(index), limit=2000)
    assert low <= pauses[0] <= high


def test_a_cut_body_is_asked_for_again(
    index: FakeIndex, transport: Transport, pauses: list[float]
) -> None:
    index.misbehave(PATH, Fault(cut=100))
    assert len(transport.get(url_of(index), limit=2000).body) == 1024
    assert len(pauses) == 1


def test_nothing_is_repeated_once_stopped(index: FakeIndex, transport: Transport) -> None:
    stop = threading.Event()
    stop.set()
    index.misbehave(PATH, Fault(status=503))
    with pytest.raises(TransientError, match="503"):
        transport.get(url_of(index), limit=2000, stop=stop)
    assert len(index.requests) == 1


def test_a_stop_ends_the_pause(index: FakeIndex) -> None:
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    index.misbehave(PATH, Fault(status=503, headers={"Retry-After": "30"}))
    with Transport() as transport, pytest.raises(TransientError, match="503"):
        transport.get(url_of(index), limit=2000, stop=stop)
    assert len(index.requests) == 1


def test_a_server_that_is_away(transport: Transport, pauses: list[float]) -> None:
    with FakeIndex() as index:
        url = index.url.replace("http://", "http://me:secret@")
    with pytest.raises(TransientError, match="Connection refused") as caught:
        transport.get(url + "?token=secret", limit=10)
    assert "secret" not in str(caught.value)
    assert "HTTPS_PROXY" in str(caught.value.hint)
    assert len(pauses) == 2


def test_a_server_that_says_nothing(index: FakeIndex, retry: Retry) -> None:
    stall = threading.Event()
    index.misbehave(PATH, Fault(stall=stall), times=3)
    with (
        Transport(retry=retry, timeout=0.05) as transport,
        pytest.raises(TransientError, match=r"demo.bin: no answer in time"),
    ):
        transport.get(url_of(index), limit=2000)
    stall.set()


def test_a_body_over_the_limit_is_refused_by_its_announcement(
    index: FakeIndex, transport: Transport
) -> None:
    index.misbehave(PATH, Fault(headers={"Content-Length": "999999999"}))
    with pytest.raises(NetworkError, match="has 999999999 bytes, more than 2000"):
        transport.get(url_of(index), limit=2000)


def test_reading_an_endless_body_ends(index: FakeIndex, transport: Transport) -> None:
    index.misbehave(PATH, Fault(endless=True))
    with pytest.raises(NetworkError, match="the answer has more than 2000 bytes"):
        transport.get(url_of(index), limit=2000)


def gzipped(content: bytes) -> Fault:
    return Fault(body=content, headers={"Content-Encoding": "gzip"})


def test_gzip_is_taken(index: FakeIndex, transport: Transport) -> None:
    index.misbehave(PATH, gzipped(gzip.compress(b"hello" * 100)))
    answer = transport.get(url_of(index), limit=500)
    assert answer.body == b"hello" * 100
    assert answer.total is None


def test_a_gzip_bomb_is_not_inflated(index: FakeIndex, transport: Transport) -> None:
    index.misbehave(PATH, gzipped(gzip.compress(bytes(50_000_000))))
    with pytest.raises(NetworkError, match="the answer has more than 100000 bytes"):
        transport.get(url_of(index), limit=100_000)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not gzip at all", "damaged gzip data"),
        (gzip.compress(b"hello", mtime=0)[:-4], "ends too early or too late"),
        (gzip.compress(b"hello", mtime=0) * 2, "ends too early or too late"),
    ],
)
def test_damaged_gzip(index: FakeIndex, transport: Transport, body: bytes, message: str) -> None:
    index.misbehave(PATH, gzipped(body), times=3)
    with pytest.raises(TransientError, match=message):
        transport.get(url_of(index), limit=500)


def test_an_encoding_that_nobody_asked_for(index: FakeIndex, transport: Transport) -> None:
    index.misbehave(PATH, Fault(headers={"Content-Encoding": "zstd"}))
    with pytest.raises(NetworkError, match="encoded as 'zstd', unasked"):
        transport.get(url_of(index), limit=5000)


def test_credentials_go_to_their_origin_only(
    index: FakeIndex, other: FakeIndex, retry: Retry
) -> None:
    other.add("demo.bin", b"elsewhere")
    index.credentials = ("me", "pass:word")
    index.misbehave(PATH, Fault(redirect=url_of(other)))
    with Transport(retry=retry, credentials={index.url: Credentials("me", "pass:word")}) as found:
        assert found.get(url_of(index), limit=2000).body == b"elsewhere"
        assert found.get(url_of(index), limit=2000).status == 200
        assert found.get(url_of(other), limit=2000).status == 200
    assert all("authorization" in request.headers for request in index.requests)
    assert not any("authorization" in request.headers for request in other.requests)


def test_credentials_from_netrc(
    index: FakeIndex, retry: Retry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    index.credentials = ("me", "secret")
    with Transport(retry=retry) as transport:
        assert transport.get(url_of(index), limit=2000).status == 200


def test_a_netrc_that_cannot_be_read_is_named_when_it_matters(
    index: FakeIndex, retry: Retry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("nonsense here\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Transport(retry=retry) as transport:
        assert transport.get(url_of(index), limit=2000).status == 200
        index.credentials = ("me", "secret")
        with pytest.raises(AnswerError, match="401") as caught:
            transport.get(url_of(index), limit=2000)
    assert "no credentials were read from the netrc file" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (
            b"machine 127.0.0.1 login me\n password my s3cret\n",
            0o600,
            "not in the form of a netrc file near",
        ),
        (b"machine 127.0.0.1 login me password s3cret\xe9\n", 0o600, ": it is not UTF-8 text"),
        (b"machine 127.0.0.1 login me password s3cret\n", 0o644, "access too permissive"),
    ],
    ids=["a stray word", "not UTF-8", "mode"],
)
def test_a_netrc_is_never_quoted(
    index: FakeIndex,
    retry: Retry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: bytes,
    mode: int,
    message: str,
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_bytes(text)
    netrc.chmod(mode)
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    index.credentials = ("me", "s3cret")
    with Transport(retry=retry) as transport, pytest.raises(AnswerError, match="401") as caught:
        transport.get(url_of(index), limit=2000)
    assert "the netrc file ~/.netrc: " in str(caught.value.hint)
    assert message in str(caught.value.hint)
    assert "s3cret" not in str(caught.value) + str(caught.value.hint)


def test_a_netrc_that_may_not_be_read(
    index: FakeIndex, retry: Retry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path))
    index.credentials = ("me", "s3cret")
    with Transport(retry=retry) as transport, pytest.raises(AnswerError) as caught:
        transport.get(url_of(index), limit=2000)
    assert "Is a directory" in str(caught.value.hint)


def test_a_branch_has_the_same_settings_and_is_interrupted_alone(
    index: FakeIndex, retry: Retry
) -> None:
    index.credentials = ("me", "secret")
    stall = threading.Event()
    found = {index.url: Credentials("me", "secret")}
    with (
        Transport(retry=retry, credentials=found) as transport,
        transport.branch() as branch,
        ThreadPoolExecutor(2) as pool,
    ):
        assert branch.get(url_of(index), limit=2000).status == 200
        index.misbehave(PATH, Fault(stall=stall), times=2)
        asked = [pool.submit(each.get, url_of(index), limit=2000) for each in (branch, transport)]
        while len(index.requests) < 3:
            time.sleep(0.01)
        branch.interrupt()
        with pytest.raises(TransientError, match=r"demo\.bin: not asked, as all connections"):
            asked[0].result(5)
        stall.set()
        assert asked[1].result(5).status == 200


def test_a_connection_that_is_made_after_an_interruption_is_cut(
    index: FakeIndex, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = socket.create_connection
    with Transport(retry=retry) as transport:

        def late(*arguments: Any, **options: Any) -> socket.socket:
            made = connect(*arguments, **options)
            transport.interrupt()
            return made

        monkeypatch.setattr(socket, "create_connection", late)
        with pytest.raises(TransientError):
            transport.get(url_of(index), limit=2000)
    assert index.requests == []


def test_redirects_are_followed_but_not_for_ever(index: FakeIndex, transport: Transport) -> None:
    index.misbehave(PATH, Fault(redirect=url_of(index) + "?x=secret"), times=1)
    assert transport.get(url_of(index), limit=2000).url == url_of(index) + "?x=secret"
    index.misbehave("/loop", Fault(redirect="/loop"), times=99)
    with pytest.raises(NetworkError, match="redirects"):
        transport.get(index.origin + "/loop", limit=10)


@pytest.mark.parametrize("url", ["ftp://example.org/x", "http://example.org/\n", "no address"])
def test_an_address_that_is_none(transport: Transport, url: str) -> None:
    with pytest.raises(NetworkError):
        transport.get(url, limit=10)


def test_an_address_that_is_none_is_not_quoted(transport: Transport) -> None:
    with pytest.raises(NetworkError) as caught:
        transport.get("https://me:s3/cret@example.org/", limit=10)
    assert str(caught.value) == "an address that is none: not an address that can be asked for"


def test_a_proxy_that_refuses(
    index: FakeIndex, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", index.origin)
    with (
        Transport(retry=retry) as transport,
        pytest.raises(NetworkError, match=r"example.org/x: the proxy refused: 501") as caught,
    ):
        transport.get("https://example.org/x", limit=10)
    assert caught.value.hint == "check HTTPS_PROXY and NO_PROXY"


def test_a_proxy_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://me:secret@example.org")
    with pytest.raises(NetworkError, match="the proxy that is set cannot be used") as caught:
        Transport()
    assert "secret" not in str(caught.value)


def test_authorities_that_are_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(NetworkError, match="no certificate authorities") as caught:
        Transport()
    assert "SSL_CERT_FILE" in str(caught.value.hint)


@pytest.fixture
def tls(tmp_path: Path) -> FakeTls:
    return serve_tls(tmp_path)


def test_a_certificate_of_nobody(tls: FakeTls, retry: Retry, pauses: list[float]) -> None:
    with FakeIndex(tls=tls.context) as index, Transport(retry=retry) as transport:
        with pytest.raises(NetworkError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            transport.get(index.url, limit=100)
        assert "SSL_CERT_FILE" in str(caught.value.hint)
    assert pauses == []


def test_a_certificate_of_ssl_cert_file(
    tls: FakeTls, retry: Retry, monkeypatch: pytest.MonkeyPatch, index: FakeIndex
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    assert isinstance(tls.context, ssl.SSLContext)
    with FakeIndex(tls=tls.context) as secure, Transport(retry=retry) as transport:
        assert transport.get(secure.url, limit=1000).status == 200
        secure.misbehave("/simple/", Fault(redirect=secure.url + "?again"))
        assert transport.get(secure.url, limit=1000).url == secure.url + "?again"
        secure.misbehave("/simple/", Fault(redirect=url_of(index)))
        with pytest.raises(NetworkError, match="redirected from https to http"):
            transport.get(secure.url, limit=5000)
    assert index.requests == []
