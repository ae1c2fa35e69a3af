"""Sessions over WebSocket: the upgrade comes first, then everything is as over TCP."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from protocol import codes, websocket
from protocol.websocket import HEAD_BYTES_MAX, HEAD_END, WebSocketFraming
from server import logs
from server.config import WebsocketSection
from server.net.address_limits import TRUSTED_PROXY, Address, Networks, address_of
from server.net.addresses import host_and_port, shown
from server.net.listener import Listener
from server.net.proxied import HeaderFirst, ProxyRules
from server.net.session import Session

NORMAL: Final = 1000  # the close code for a client that has closed
STATUS_OF: Final = {
    codes.Close.LOGIN_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    codes.Close.BAD_FRAME: HTTPStatus.BAD_REQUEST,  # a PROXY header
}  # of the others: 503


class UpgradeRules(ProxyRules):
    """Which upgrades are accepted, and which proxies may say where their clients are."""

    def __init__(self, config: WebsocketSection) -> None:
        super().__init__(config.proxy_protocol)
        self.origins = config.origins  # may be replaced; upgrades to come use the new ones
        self._proxies = Networks(config.trusted_proxies)

    def behind(self, source: Any) -> Address:
        """What counts as the address of a client before its upgrade."""
        return TRUSTED_PROXY if self._proxies.have(source[0]) else super().behind(source)

    def client_of(self, peer: Any, forwarded_for: Sequence[str]) -> Address:
        """What counts as the address of the client behind a trusted proxy.

        Each proxy adds the address that it sees at the end: the last one that is no trusted proxy is the client's.
        If there is none, it is the proxy's own.
        """
        hosts = [host.strip() for value in forwarded_for for host in value.split(",")]
        for host in reversed(hosts):
            if not _is_address(host):
                break
            if not self._proxies.have(host):
                return address_of((host, 0))
        return address_of(peer)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class WebSocketSession(Session):
    """A connection that begins with a request for an upgrade. The hello waits for its answer."""

    __slots__ = ("_head", "_listener", "_rules", "address_of", "framing")

    frame = staticmethod(websocket.frame)

    def __init__(self, listener: Listener, rules: UpgradeRules) -> None:
        super().__init__(listener)
        self._listener = listener
        self._rules = rules
        self._head: bytes | None = b""  # of the request, as far as it has come; None: upgraded
        self.address_of = rules.address_of
        self.framing: WebSocketFraming = WebSocketFraming()

    def data_received(self, data: bytes) -> None:
        """Hand on what these bytes ask for, once the connection is upgraded."""
        if self._head is None:
            super().data_received(data)
        elif not self.transport.is_closing():
            self._head += data
            head, end, rest = self._head.partition(HEAD_END)
            if len(head) > HEAD_BYTES_MAX:
                self._refuse_upgrade(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too long")
            elif end:
                self._upgrade(head + end, rest)

    def _upgrade(self, head: bytes, rest: bytes) -> None:
        upgrade = websocket.answer(head, self._rules.origins)
        self.transport.write(upgrade.response)
        if not upgrade.is_accepted:
            self._end_refused(upgrade.status)
            return
        self._head = None
        if self.address is TRUSTED_PROXY:
            peer = self.transport.get_extra_info("peername")
            self.is_proxied = True
            self.by_tls = [one.strip().lower() for one in upgrade.forwarded_proto] == ["https"]
            self._listener.moved(self, self._rules.client_of(peer, upgrade.forwarded_for))
        super().data_received(rest)

    def flush(self) -> None:
        """Write all that is queued, once; before the upgrade only that there will be none."""
        if self._head is None:
            super().flush()
            if self.framing.ended and not self.transport.is_closing():
                self.transport.write(self.framing.end(NORMAL, ""))
                self.transport.close()
                self._linger()
        elif self.connection.closing is not None and not self.transport.is_closing():
            why = self.connection.closing
            self._refuse_upgrade(STATUS_OF.get(why, HTTPStatus.SERVICE_UNAVAILABLE), why.name.lower())

    def _refuse_upgrade(self, status: HTTPStatus, text: str) -> None:
        self.transport.write(websocket.refusal(status, text))
        self._end_refused(status)

    def _end_refused(self, status: int) -> None:
        logs.debug("upgrade_refused", connection=self.number, status=int(status))
        self.transport.close()
        self._linger()


class ProxiedWebSocketSession(HeaderFirst, WebSocketSession):
    """The same, perhaps of a proxy: a PROXY header comes before the request."""

    __slots__ = ("_header",)
    _rules: UpgradeRules


class WebSocketAddress(NamedTuple):
    """Where the server listens for clients that speak WebSocket."""

    url: str
    rules: UpgradeRules


async def listen(
    listener: Listener, config: WebsocketSection, tls: ssl.SSLContext | None, held: socket.socket | None = None
) -> WebSocketAddress:
    """Listen as the config says. `tls`: the context of the server; `held`: a socket that is bound already.

    Raises OSError that names the address.
    """
    tls = tls if config.tls else None
    rules = UpgradeRules(config)
    make = ProxiedWebSocketSession if config.proxy_protocol else WebSocketSession
    host, port = host_and_port(config.listen)
    port = await listener.open(
        host,
        port,
        tls,
        lambda opened: make(opened, rules),
        rules.address_of,
        where="websocket.listen",
        held=held,
    )
    return WebSocketAddress(f"{'ws' if tls is None else 'wss'}://{shown(host, port)}", rules)
