"""Who asks: the address of a client, also behind a proxy, and the networks that may ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from bundler.errors import BundlerError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
_FORWARDED = ("x-forwarded-for", "forwarded")
_V6_SITE = 64  # bits of an IPv6 address that one client has for itself


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks.

    Attributes:
        address: None if it cannot be known: a proxy that is trusted wrote no address.
        sure: Whether it is the client's own; not if the request came through an unknown proxy.
    """

    address: Address | None
    sure: bool

    @property
    def key(self) -> str:
        """What the client is counted under: its address, of IPv6 the part that a site has."""
        if isinstance(self.address, IPv6Address):
            return str(IPv6Network((self.address, _V6_SITE), strict=False))
        return str(self.address)


def parse_networks(texts: Iterable[str], option: str) -> tuple[Network, ...]:
    """Networks such as 10.0.0.0/8, or single addresses.

    Raises:
        BundlerError: if one is not a network, naming the option.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise BundlerError(
                f"{option} {text}: {error}", hint="write it as 10.1.0.0/16, or as one address"
            ) from error
    return tuple(networks)


def is_in(address: Address | None, networks: Iterable[Network]) -> bool:
    """Whether one of the networks has the address."""
    return address is not None and any(address in network for network in networks)


def client_of(peer: str, headers: Mapping[str, str], proxies: tuple[Network, ...]) -> Client:
    """Who asks.

    A proxy's word counts only if the proxy is known: of `X-Forwarded-For`, it is the last address
    that is not a known proxy's itself; whatever stands before may be the client's invention.

    Args:
        peer: The address at the other end of the connection, of IPv6 in brackets.
        headers: Of the request, by name in lower case.
        proxies: The networks of known proxies.
    """
    client = _direct(peer)
    if _FORWARDED[0] not in headers and _FORWARDED[1] not in headers:
        return client
    address = client.address
    if not is_in(address, proxies):
        return Client(address, sure=False)
    chain = headers.get(_FORWARDED[0], "").split(",")
    for word in reversed(chain):
        address = _parse(word.strip())
        if not is_in(address, proxies):
            break
    return Client(address, sure=True)


@lru_cache(maxsize=4096)
def _direct(peer: str) -> Client:
    return Client(_parse(peer.strip("[]")), sure=True)


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows IPv4 as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address
