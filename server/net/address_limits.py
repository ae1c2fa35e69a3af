"""What one address may cost us: how many connections, and how many failed logins a second."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

from protocol.codes import Close
from server.core.limits import Limits
from server.net.token_bucket import TokenBucket

Address: TypeAlias = bytes

TRUSTED_PROXY: Address = b"proxy"  # until it has told the address of its client; no limit holds for it
IPV6_NETWORK_BYTES = 8  # the owner of one IPv6 address has the 2^64 beside it
IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"
IPV4_BYTES = 4
LOOPBACK_4 = 127
LOOPBACK_6 = bytes(IPV6_NETWORK_BYTES)


def address_of(peer: Any) -> Address:
    """What counts as one address: IPv4 as it is, of IPv6 the network; everybody on a unix socket is one."""
    if not isinstance(peer, tuple):
        return b""
    host = str(peer[0]).partition("%")[0]
    if ":" not in host:
        return socket.inet_aton(host)
    packed = socket.inet_pton(socket.AF_INET6, host)
    return packed[12:] if packed.startswith(IPV4_IN_IPV6) else packed[:IPV6_NETWORK_BYTES]


def is_loopback(address: Address) -> bool:
    """Whether it is the address of this machine itself."""
    return not address or address == LOOPBACK_6 or (len(address) == IPV4_BYTES and address[0] == LOOPBACK_4)


class Networks:
    """Networks of an operator's config, such as those of proxies that are trusted."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def have(self, host: str) -> bool:
        """Whether an address is in one of them."""
        if not self._networks:
            return False
        address = ip_address(host.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)


def name_of(peer: Any) -> str:
    """The address and port of a peer as text."""
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unix"


def text_of(address: Address) -> str:
    """What counts as one address as text: an IPv4 address, or a network of IPv6."""
    if len(address) == IPV4_BYTES:
        return socket.inet_ntoa(address)
    return f"{socket.inet_ntop(socket.AF_INET6, address + bytes(IPV6_NETWORK_BYTES))}/64"


class AddressState:
    """One address: its connections, and the failed logins that it still has."""

    __slots__ = ("connections", "failures")

    def __init__(self, failures: TokenBucket) -> None:
        self.connections = 0
        self.failures = failures


class AddressLimits:
    """All addresses that are connected, or whose budget of failed logins is not full again."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._callers: dict[Address, AddressState] = {}

    def __len__(self) -> int:
        return len(self._callers)

    def enter(self, address: Address, now_s: float) -> Close | None:
        """A connection comes; the close code if it may not stay. Either way it counts until `leave`."""
        if address is TRUSTED_PROXY:
            return None
        caller = self._caller(address, now_s)
        caller.connections += 1
        if caller.connections > self._limits.connections_of_address_max:
            return Close.TOO_MANY_CONNECTIONS
        return Close.TOO_MANY_FAILED_LOGINS if caller.failures.is_empty(now_s, *self._rate()) else None

    def leave(self, address: Address) -> None:
        """A connection has gone."""
        if address is TRUSTED_PROXY:
            return
        self._callers[address].connections -= 1

    def failed(self, address: Address, now_s: float) -> None:
        """A login of a connection of this address has failed."""
        self._caller(address, now_s).failures.charge(now_s, *self._rate())

    def tidy(self, now_s: float) -> None:
        """Forget addresses that are gone and whose budget is full again."""
        for address, caller in list(self._callers.items()):
            if not caller.connections and caller.failures.is_full(now_s, *self._rate()):
                del self._callers[address]

    def _rate(self) -> tuple[float, float]:
        """Failed logins per second, and at once."""
        return self._limits.failed_logins_of_address_per_s, self._limits.failed_logins_of_address_burst

    def _caller(self, address: Address, now_s: float) -> AddressState:
        caller = self._callers.get(address)
        if caller is None:
            fresh = TokenBucket(self._limits.failed_logins_of_address_burst, now_s)
            caller = self._callers[address] = AddressState(fresh)
        return caller
