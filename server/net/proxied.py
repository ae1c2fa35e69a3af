"""Connections behind proxies that speak the PROXY protocol: its header comes first, then all is as without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import codes
from protocol.proxy_header import BadProxyHeader, read_proxy_header
from server.net.address_limits import TRUSTED_PROXY, Address, Networks, address_of
from server.net.socket_session import Opening, SessionHost, SocketSession


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


class HeaderFirst:
    """A PROXY header, if the peer is a proxy that sends one; no limit of an address holds until it is there."""

    __slots__ = ("_data", "_rules", "_then")

    def __init__(self, rules: ProxyRules, then: Opening | None = None) -> None:
        """`then`: what comes behind the header and before the first message."""
        self._rules = rules
        self._then = then
        self._data = b""  # as far as it has come

    def begin(self, session: SocketSession, peer: Any) -> Address:
        """What counts as the address of a new connection from this peer."""
        if not self._rules.sends_header(peer):
            session.opening = self._then
        return self._rules.address_of(peer)

    def read(self, session: SocketSession, data: bytes) -> None:
        """Take what has come; with the whole header the connection counts for the address of its client."""
        self._data += data
        try:
            header = read_proxy_header(self._data)
        except BadProxyHeader as error:
            session.close(codes.Close.BAD_FRAME, str(error))
            return
        if header is None:
            return
        source = (header.host, 0) if header.host else session.transport.get_extra_info("peername")
        session.opening = self._then
        session.is_proxied = bool(header.host)
        session.by_tls = session.by_tls or header.is_tls
        session.moved(self._rules.behind(source))
        session.flush()
        rest = self._data[header.size :]
        if rest and not session.transport.is_closing():
            session.data_received(rest)

    def refuse(self, session: SocketSession, why: codes.Close) -> None:
        """The connection ends before its header is there."""
        session.opening = self._then
        session.flush()


def proxied_session(rules: ProxyRules, host: SessionHost) -> SocketSession:
    """A connection over TCP, perhaps of a proxy."""
    return SocketSession(host, HeaderFirst(rules))
