from __future__ import annotations

import pytest

from bundler.upstream.urls import Credentials, origin_of, shown, split_credentials


def test_credentials_are_taken_out_and_hidden() -> None:
    url, found = split_credentials("https://me:p%40ss@example.org:8443/simple/?x=1")
    assert url == "https://example.org:8443/simple/?x=1"
    assert found == Credentials("me", "p@ss")
    assert "p@ss" not in repr(found)


def test_a_token_alone_is_a_name() -> None:
    assert split_credentials("https://token@example.org/")[1] == Credentials("token", "")


def test_no_credentials() -> None:
    assert split_credentials("https://example.org/a@b") == ("https://example.org/a@b", None)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://EXAMPLE.org/simple/", "https://example.org:443"),
        ("http://me:x@example.org/", "http://example.org:80"),
        ("http://example.org:8080", "http://example.org:8080"),
        ("nonsense", "://:0"),
    ],
)
def test_origin(url: str, origin: str) -> None:
    assert origin_of(url) == origin


def test_shown_has_no_secret() -> None:
    assert shown("https://me:pw@example.org/a/b?token=x#y") == "https://example.org/a/b"
    assert shown("https://me:s3/cret@example.org/") == "an address that is none"
    assert shown("http://[broken") == "an address that is none"
