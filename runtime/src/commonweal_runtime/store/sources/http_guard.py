"""Which addresses a source over HTTP may have: looked at for the very connection that is made, so that a name which changes its address leads nowhere else."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from commonweal_api.reasons import Reason
from commonweal_runtime.exceptions import SourceReadError

Address = IPv4Address | IPv6Address
# Where clouds tell their machines secrets, beside the local link: AWS over IPv6, Azure, Alibaba.
_METADATA = frozenset(map(ip_address, ("fd00:ec2::254", "168.63.129.16", "100.100.100.200")))
_TRANSLATED = ip_network("64:ff9b::/96")


def refused(address: Address) -> bool:
    """Return whether a source may not lie there: the store's own machine, the local link, where a cloud tells secrets, or no single machine."""
    inner = _within(address)
    if inner is not None:
        return refused(inner)
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast or address in _METADATA:
        return True
    return _own(address)


def _within(address: Address) -> Address | None:
    """Return the IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _own(address: Address) -> bool:
    """Return whether a connection to an address would end where it begins. Nothing is sent."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.connect((str(address), 9))
            return str(line.getsockname()[0]) == str(address)
    except OSError:  # no way leads there
        return False


def check(host: str, address: str) -> None:
    """Raise SourceReadError if a source may not lie at an address."""
    if refused(ip_address(address.partition("%")[0])):
        detail = f"{host} is {address}, where no source is read: the store's own machine, the local link, or a cloud's metadata."
        raise SourceReadError(Reason.ADDRESS_REFUSED, detail)


def check_host(host: str) -> None:
    """Raise SourceReadError for a host that is written as an address where no source may lie."""
    try:
        ip_address(host)
    except ValueError:
        if host.replace(
            ".", ""
        ).isdigit():  # the client library takes it for an address and asks no resolver, and the system reads 127.1 as 127.0.0.1
            raise SourceReadError(Reason.ADDRESS_REFUSED, f"{host} is no name and no whole address; write all four numbers.") from None
        return
    check(host, host)


class GuardedResolver(AbstractResolver):
    """Resolves names to addresses where a source may lie; the connection goes to those that are returned here."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Return the addresses of a name; SourceReadError if one is where no source may lie."""
        found = await self._inner.resolve(host, port, family)
        for one in found:
            check(host, one["host"])
        return found

    async def close(self) -> None:
        """Let go what it holds."""
        await self._inner.close()
