"""Connections of HTTP behind proxies that speak the PROXY protocol: first the header, then HTTP as without one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from protocol.proxy_header import BadProxyHeader, ProxyHeader, read_proxy_header
from server.net.address_limits import Networks

HEADER_S: Final = 5.0  # a proxy sends it at once
BAD_HEADER: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class ClientTransport:
    """The transport of a connection as its client sees it: the proxy has told where that is, and whether by TLS."""

    def __init__(self, transport: asyncio.Transport, header: ProxyHeader) -> None:
        self._transport = transport
        self._told = {"peername": (header.host, 0) if header.host else None, "sslcontext": header.is_tls or None}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the proxy has told, or what is known of the connection."""
        told = self._told.get(name)
        return self._transport.get_extra_info(name, default) if told is None else told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class HeaderFirstHttp(asyncio.Protocol):
    """A connection until its header has come. One of no proxy is passed on as it is: no header is read there."""

    def __init__(
        self, proxies: Networks, make: Callable[[], asyncio.Protocol], waiting: set[HeaderFirstHttp]
    ) -> None:
        """`waiting`: the connections whose header has not come yet."""
        self._proxies = proxies
        self._make = make
        self._waiting = waiting
        self._header = b""
        self._late: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header, if one must come."""
        self._transport = cast("asyncio.Transport", transport)
        if self._proxies.have(transport.get_extra_info("peername")[0]):
            self._waiting.add(self)
            self._late = asyncio.get_running_loop().call_later(HEADER_S, self.abort)
        else:
            self._pass_on(self._transport, b"")

    def data_received(self, data: bytes) -> None:
        """The header, or a part of it."""
        self._header += data
        try:
            header = read_proxy_header(self._header)
        except BadProxyHeader:
            self._transport.write(BAD_HEADER)
            self._transport.close()
            return
        if header is not None:
            told = cast("asyncio.Transport", ClientTransport(self._transport, header))
            self._pass_on(told, self._header[header.size :])

    def connection_lost(self, error: Exception | None) -> None:
        """Before the header has come."""
        self._end()

    def abort(self) -> None:
        """Break it off."""
        self._transport.abort()

    def _pass_on(self, transport: asyncio.Transport, rest: bytes) -> None:
        self._end()
        http = self._make()
        self._transport.set_protocol(http)
        http.connection_made(transport)
        if rest:
            http.data_received(rest)

    def _end(self) -> None:
        self._waiting.discard(self)
        if self._late is not None:
            self._late.cancel()
