"""Who is let in, and what an index says when nobody is."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential
from keyring.errors import KeyringLocked

from bundler.errors import NetworkError, NotFoundError, RefusedError
from bundler.upstream.faults import AnswerError, BlockedError
from bundler.upstream.passwords import credentials_from
from bundler.upstream.tls import present_certificate
from bundler.upstream.transport import Transport
from tests.fakes.index import FakeIndex, Fault
from tests.fakes.tls import serve_tls

PATH = "/files/demo.bin"
BASIC = "Basic bWU6c2VjcmV0"  # me:secret


class FakeKeyring(KeyringBackend):
    """A keyring that knows one service."""

    priority = 1

    def __init__(self, service: str, *, locked: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # keyring's own
        self.service = service
        self.locked = locked
        self.asked: list[str] = []

    def get_password(self, service: str, username: str) -> str | None:
        raise NotImplementedError(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError(service, username, password)

    def get_credential(self, service: str, username: str | None) -> SimpleCredential | None:
        assert username is None
        self.asked.append(service)
        if self.locked:
            raise KeyringLocked
        return SimpleCredential("me", "secret") if service == self.service else None


@pytest.fixture
def index() -> Iterator[FakeIndex]:
    with FakeIndex() as index:
        index.add("demo.bin", b"content")
        yield index


@pytest.fixture
def url(index: FakeIndex) -> str:
    return index.origin + PATH


@pytest.fixture
def kept() -> Iterator[None]:
    """The keyring of this process as it was, afterwards."""
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def answer(status: int, document: object, kind: str = "application/json") -> Fault:
    return Fault(status=status, headers={"Content-Type": kind}, body=json.dumps(document).encode())


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("MALWARE_DETECTED", "the index found malware in it"),
        ("POLICY_ORG_BLOCKLIST", "your organisation's block list at the index names it"),
        ("POLICY_COOLDOWN", "it is younger than the index's cooldown allows"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
    ],
)
def test_what_the_index_blocks_is_refused_with_its_reason(
    index: FakeIndex, url: str, reason: str, words: str
) -> None:
    index.misbehave(PATH, answer(409, {"error": "Conflict", "reason": reason, "message": "m\x00"}))
    with Transport() as transport, pytest.raises(BlockedError) as caught:
        transport.get(url, limit=10)
    assert caught.value.message.endswith(f"409 Conflict: {words}; m")
    assert isinstance(caught.value, RefusedError)
    assert "constraint" in str(caught.value.hint)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_other_refusals_say_why_as_well(index: FakeIndex, url: str, status: int) -> None:
    index.misbehave(PATH, answer(status, {"message": "the token has expired"}), times=2)
    kind = NotFoundError if status == 404 else AnswerError
    with Transport() as transport, pytest.raises(kind, match=": the token has expired"):
        transport.get(url, limit=10)


@pytest.mark.parametrize(
    "fault",
    [
        answer(409, ["reason"]),
        answer(409, {"reason": 1}),
        answer(409, {"message": "text"}, kind="text/html"),
        answer(409, {"message": "x" * 70_000}),
        Fault(status=409, headers={"Content-Type": "application/json"}, body=b"{"),
    ],
)
def test_a_reason_that_cannot_be_read_is_left_out(index: FakeIndex, url: str, fault: Fault) -> None:
    index.misbehave(PATH, fault)
    with Transport() as transport, pytest.raises(AnswerError) as caught:
        transport.get(url, limit=10)
    assert caught.value.message.endswith("409 Conflict")


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("form", ["{origin}/", "{host}"])
def test_the_keyring_is_asked_once_and_only_after_a_refusal(
    index: FakeIndex, url: str, form: str
) -> None:
    host = index.origin.removeprefix("http://")
    found = FakeKeyring(form.format(origin=index.origin, host=host))
    keyring.set_keyring(found)
    with Transport() as transport:
        transport.get(url, limit=10)
        assert found.asked == []
        index.misbehave(PATH, Fault(status=401))
        assert transport.get(url, limit=10).body == b"content"
        transport.get(url, limit=10)
    sent = [request.headers.get("authorization") for request in index.requests]
    assert sent == [None, None, BASIC, BASIC]
    assert found.asked == [index.origin + "/", host][: 2 if form == "{host}" else 1]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("found", [FakeKeyring("elsewhere"), FakeKeyring("", locked=True)])
def test_a_keyring_that_does_not_help(index: FakeIndex, url: str, found: FakeKeyring) -> None:
    keyring.set_keyring(found)
    index.misbehave(PATH, Fault(status=401), times=4)
    with Transport() as transport:
        for _ in range(2):
            with pytest.raises(AnswerError, match="401"):
                transport.get(url, limit=10)
    assert len(found.asked) == (1 if found.locked else 2)
    assert len(index.requests) == 2


def test_no_keyring_is_installed(
    index: FakeIndex, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    index.misbehave(PATH, Fault(status=401))
    with Transport() as transport, pytest.raises(AnswerError, match="401"):
        transport.get(url, limit=10)


def test_credentials_from_the_environment() -> None:
    environ = {
        "BUNDLER_INDEX_MY_INDEX_2_USERNAME": "me",
        "BUNDLER_INDEX_MY_INDEX_2_PASSWORD": "secret",
        "BUNDLER_INDEX_TOKEN_PASSWORD": "only",
    }
    found = credentials_from(environ, "my-index.2")
    assert found is not None
    assert (found.user, found.password) == ("me", "secret")
    token = credentials_from(environ, "token")
    assert token is not None
    assert (token.user, token.password) == ("", "only")
    assert credentials_from(environ, "other") is None


def test_a_client_certificate_is_presented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = serve_tls(tmp_path)
    tls.context.verify_mode = ssl.CERT_REQUIRED
    tls.context.load_verify_locations(tls.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    with FakeIndex(tls=tls.context) as index:
        index.add("demo.bin", b"content")
        monkeypatch.setenv("BUNDLER_CLIENT_CERT", str(tls.authority))
        monkeypatch.setenv("BUNDLER_CLIENT_KEY", str(tmp_path / "key.pem"))
        with Transport() as transport:
            assert transport.get(index.origin + PATH, limit=10).body == b"content"


def test_a_client_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    context = ssl.create_default_context()
    missing = {"BUNDLER_CLIENT_CERT": str(tmp_path / "none.pem")}
    with pytest.raises(NetworkError, match=r"none.pem: No such file") as caught:
        present_certificate(context, missing)
    assert "PEM files" in str(caught.value.hint)
    (tmp_path / "text.pem").write_text("text")
    with pytest.raises(NetworkError, match="it is no certificate with its key"):
        present_certificate(context, {"BUNDLER_CLIENT_CERT": str(tmp_path / "text.pem")})
    present_certificate(context, {})
