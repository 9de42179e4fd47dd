"""The limits of one server, with what its environment changes of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Limits:
    """Numbers of connections, and the deadlines of each, in seconds.

    `body_seconds` is for the whole body and longer than the applications' own deadline, so that their answer still gets out. What is to be sent
    may take `write_seconds`, and one more for each `slowest_rate` bytes of it; of all connections together it is at most `most_unsent` bytes.
    A server that is to end goes on accepting for `leaving_seconds`, until balancers have learnt of it and send nobody more.
    """

    connections: int = 1000
    per_address: int = 128
    handshake_seconds: float = 5.0
    head_seconds: float = 10.0
    body_seconds: float = 15.0
    idle_seconds: float = 30.0
    write_seconds: float = 10.0
    slowest_rate: int = 16 * 1024
    longest_head: int = 64 * 1024
    most_unsent: int = 128 * 2**20
    leaving_seconds: float = 0.0
    trusted_proxies: tuple[Network, ...] = ()

    @staticmethod
    def from_environment(env: Mapping[str, str] = os.environ) -> Limits:
        """Return the limits of this process; ValueError names a variable that cannot be understood.

        COMMONWEAL_CONNECTIONS and COMMONWEAL_CONNECTIONS_PER_ADDRESS are the most connections in all and of one address;
        COMMONWEAL_TRUSTED_PROXIES are networks, separated by commas, whose X-Forwarded-For is believed; COMMONWEAL_LEAVING_SECONDS is how long a
        server that is to end goes on accepting.
        """
        return Limits(
            connections=_count(env, "COMMONWEAL_CONNECTIONS", Limits.connections),
            per_address=_count(env, "COMMONWEAL_CONNECTIONS_PER_ADDRESS", Limits.per_address),
            trusted_proxies=_networks(env, "COMMONWEAL_TRUSTED_PROXIES"),
            leaving_seconds=_count(env, "COMMONWEAL_LEAVING_SECONDS", int(Limits.leaving_seconds), least=0),
        )

    @property
    def sweep_seconds(self) -> float:
        """How often deadlines are looked at: no deadline is overrun by more than a quarter of the shortest, or by a second."""
        return min(1.0, *(each / 4 for each in (self.head_seconds, self.body_seconds, self.idle_seconds, self.write_seconds)))

    def holder(self, peer: str) -> str | None:
        """Return whose share of the connections a peer counts towards: its address, or of IPv6 its network of 64 bits.

        None is a trusted proxy, which speaks for many.
        """
        address = _address(peer)
        return None if any(address in network for network in self.trusted_proxies) else _share(address)


def share_of(peer: str) -> str:
    """Return what is held against somebody's address: of IPv6 the network of 64 bits, for whoever has one address there has all of them."""
    try:
        return _share(_address(peer))
    except ValueError:  # a proxy passed on what is no address
        return peer


def _address(peer: str) -> Address:
    address = ip_address(peer.partition("%")[0])
    return address if isinstance(address, IPv4Address) else address.ipv4_mapped or address


def _share(address: Address) -> str:
    return str(address) if isinstance(address, IPv4Address) else str(ip_network((address, 64), strict=False))


def _count(env: Mapping[str, str], name: str, default: int, least: int = 1) -> int:
    text = env.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= 100_000):
        raise ValueError(f"{name} is {text!r}: give a number from {least} to 100000")
    return int(text)


def _networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(each.strip()) for each in env.get(name, "").split(",") if each.strip())
    except ValueError as error:
        raise ValueError(f"{name}: {error}: give networks such as 10.0.0.0/8, separated by commas") from None
