"""Sessions behind proxies that speak the PROXY protocol: its header comes first, then everything is as without."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from protocol import codes
from protocol.proxy_header import BadProxyHeader, read_proxy_header
from server.net.address_limits import TRUSTED_PROXY, Address, Networks, address_of
from server.net.listener import Listener
from server.net.session import Session


class ProxyRules:
    """Which peers are proxies whose connections begin with a PROXY header. Headers of others are not read."""

    def __init__(self, header_first: Sequence[str]) -> None:
        self._header_first = Networks(header_first)

    def sends_header(self, peer: Any) -> bool:
        """Whether a connection of this peer begins with a header."""
        return self._header_first.have(peer[0])

    def address_of(self, peer: Any) -> Address:
        """What counts as the address of a new connection."""
        return TRUSTED_PROXY if self.sends_header(peer) else self.behind(peer)

    def behind(self, source: Any) -> Address:
        """What counts as the address of a client without a header, or of the one that a header tells."""
        return address_of(source)


class HeaderFirst(Session):
    """What a session does until its header is there: nothing leaves, and no limit of an address holds."""

    __slots__: tuple[
        str, ...
    ] = ()  # those below are in the classes made of it: one class has no two bases with slots

    _header: bytes | None  # as far as it has come; None: it was read, or none comes
    _listener: Listener
    _rules: ProxyRules

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, once the header is there."""
        self._keep(b"" if self._rules.sends_header(transport.get_extra_info("peername")) else None)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what comes behind the header."""
        if self._header is None:
            super().data_received(data)
        elif not self.transport.is_closing():
            self._read_header(self._header + data)

    def _read_header(self, data: bytes) -> None:
        try:
            header = read_proxy_header(data)
        except BadProxyHeader as error:
            self.close(codes.Close.BAD_FRAME, str(error))
            return
        self._keep(data if header is None else None)
        if header is None:
            return
        source = (header.host, 0) if header.host else self.transport.get_extra_info("peername")
        self.is_proxied = bool(header.host)
        self.by_tls = self.by_tls or header.is_tls
        self._listener.moved(self, self._rules.behind(source))
        self.flush()
        rest = data[header.size :]
        if rest and not self.transport.is_closing():
            super().data_received(rest)

    def _keep(self, header: bytes | None) -> None:
        self._header = header  # type: ignore[misc]  # a slot of the classes made of it

    def flush(self) -> None:
        """Write all that is queued, once the header is there; before it only why the connection ends."""
        if self._header is None or self.connection.closing is not None:
            super().flush()


class ProxiedSession(HeaderFirst):
    """A connection over TCP, perhaps of a proxy."""

    __slots__ = ("_header", "_listener", "_rules", "address_of")

    def __init__(self, listener: Listener, rules: ProxyRules) -> None:
        super().__init__(listener)
        self._listener = listener
        self._rules = rules
        self.address_of = rules.address_of
