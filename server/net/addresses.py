"""What one address may cost us: how many connections, and how many failed logins a second."""

from __future__ import annotations

import socket
from typing import Any, TypeAlias

from protocol.codes import Close

Address: TypeAlias = bytes

IPV6_NETWORK_BYTES = 8  # whoever has one IPv6 address has the 2^64 beside it
IPV4_IN_IPV6 = bytes(10) + b"\xff\xff"


def address_of(peer: Any) -> Address:
    """What counts as one address: IPv4 as it is, of IPv6 the network; everybody on a unix socket is one."""
    if not isinstance(peer, tuple):
        return b""
    host = str(peer[0]).partition("%")[0]
    if ":" not in host:
        return socket.inet_aton(host)
    packed = socket.inet_pton(socket.AF_INET6, host)
    return packed[12:] if packed.startswith(IPV4_IN_IPV6) else packed[:IPV6_NETWORK_BYTES]


class Caller:
    """One address: its connections, and the failed logins that it still has."""

    __slots__ = ("at_s", "connections", "level")

    def __init__(self, burst: float, now_s: float) -> None:
        self.connections = 0
        self.level = burst
        self.at_s = now_s

    def refill(self, now_s: float, per_s: float, burst: float) -> None:
        """Time heals."""
        self.level = min(burst, self.level + (now_s - self.at_s) * per_s)
        self.at_s = now_s


class Addresses:
    """All addresses that are connected, or whose budget of failed logins is not full again."""

    def __init__(self, connections_max: int, failed_per_s: float, failed_burst: float) -> None:
        self._connections_max = connections_max
        self._failed_per_s = failed_per_s
        self._failed_burst = failed_burst
        self._callers: dict[Address, Caller] = {}

    def __len__(self) -> int:
        return len(self._callers)

    def enter(self, address: Address, now_s: float) -> Close | None:
        """A connection comes; the close code if it may not stay. Either way it counts until `leave`."""
        caller = self._refilled(address, now_s)
        caller.connections += 1
        if caller.connections > self._connections_max:
            return Close.TOO_MANY_CONNECTIONS
        return Close.TOO_MANY_FAILED_LOGINS if caller.level < 1.0 else None

    def leave(self, address: Address) -> None:
        """A connection has gone."""
        self._callers[address].connections -= 1

    def failed(self, address: Address, now_s: float) -> None:
        """A login of somebody connected has failed."""
        caller = self._refilled(address, now_s)
        caller.level = max(0.0, caller.level - 1.0)

    def tidy(self, now_s: float) -> None:
        """Forget addresses that are gone and whose budget is full again."""
        for address, caller in list(self._callers.items()):
            if not caller.connections:
                caller.refill(now_s, self._failed_per_s, self._failed_burst)
                if caller.level >= self._failed_burst:
                    del self._callers[address]

    def _refilled(self, address: Address, now_s: float) -> Caller:
        caller = self._callers.get(address)
        if caller is None:
            caller = self._callers[address] = Caller(self._failed_burst, now_s)
        else:
            caller.refill(now_s, self._failed_per_s, self._failed_burst)
        return caller
