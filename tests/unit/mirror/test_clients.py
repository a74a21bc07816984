from __future__ import annotations

from ipaddress import ip_address

import pytest

from bundler.errors import BundlerError
from bundler.mirror.clients import Client, client_of, is_in, parse_networks

PROXIES = parse_networks(["10.0.0.0/8", "fd00::/8"], "--proxy")


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", None, "192.0.2.1"),
        ("[2001:db8::1]", None, "2001:db8::1"),
        ("[::ffff:192.0.2.1]", None, "192.0.2.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "192.0.2.7", "192.0.2.7"),
        # The client wrote the first address itself.
        ("10.0.0.1", "127.0.0.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "127.0.0.1, 192.0.2.7, 10.2.3.4", "192.0.2.7"),
        ("10.0.0.1", "10.9.9.9", "10.9.9.9"),
        ("[fd00::1]", "2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_address_of_a_client(peer: str, forwarded: str | None, address: str) -> None:
    headers = {"x-forwarded-for": forwarded} if forwarded else {}
    assert client_of(peer, headers, PROXIES) == Client(ip_address(address), sure=True)


def test_an_unknown_proxy_is_the_client() -> None:
    for name in ("x-forwarded-for", "forwarded"):
        client = client_of("192.0.2.1", {name: "127.0.0.1"}, PROXIES)
        assert client == Client(ip_address("192.0.2.1"), sure=False)
    assert client_of("127.0.0.1", {"x-forwarded-for": "10.0.0.1"}, ()).sure is False


def test_an_address_that_cannot_be_read_is_in_no_network() -> None:
    client = client_of("10.0.0.1", {"x-forwarded-for": "unknown"}, PROXIES)
    assert client.address is None
    assert client.key == "None"
    assert not is_in(client.address, parse_networks(["0.0.0.0/0", "::/0"], "--allow"))


def test_a_site_of_ipv6_is_one_client() -> None:
    one = client_of("[2001:db8::1]", {}, ())
    other = client_of("[2001:db8::ffff:1]", {}, ())
    assert one.key == other.key == "2001:db8::/64"
    assert client_of("192.0.2.1", {}, ()).key == "192.0.2.1"


def test_networks() -> None:
    networks = parse_networks(["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"], "--allow")
    for inside in ("192.0.2.9", "198.51.100.7", "2001:db8:1::1"):
        assert is_in(ip_address(inside), networks)
    for outside in ("192.0.3.1", "198.51.100.8", "2001:db9::1"):
        assert not is_in(ip_address(outside), networks)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "office", "", "10.0.0.0/33"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(BundlerError, match="--allow") as caught:
        parse_networks([text], "--allow")
    assert caught.value.hint == "write it as 10.1.0.0/16, or as one address"
