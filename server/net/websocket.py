"""Sessions over WebSocket: the upgrade comes first, then everything is as over TCP."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from functools import partial
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
from server.net.socket_session import Opening, SessionHost, SocketSession

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


class UpgradeFirst:
    """The request for an upgrade to WebSocket. The hello waits for its answer."""

    __slots__ = ("_head", "_rules")

    def __init__(self, rules: UpgradeRules) -> None:
        self._rules = rules
        self._head = b""  # of the request, as far as it has come

    def begin(self, session: SocketSession, peer: Any) -> Address:
        """What counts as the address of a new connection from this peer."""
        return self._rules.address_of(peer)

    def read(self, session: SocketSession, data: bytes) -> None:
        """Take what has come, and answer the whole request."""
        self._head += data
        head, end, rest = self._head.partition(HEAD_END)
        if len(head) > HEAD_BYTES_MAX:
            _refuse(session, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too long")
        elif end:
            self._answer(session, head + end, rest)

    def _answer(self, session: SocketSession, head: bytes, rest: bytes) -> None:
        upgrade = websocket.answer(head, self._rules.origins)
        if not upgrade.is_accepted:
            _end(session, upgrade.status, upgrade.response)
            return
        session.transport.write(upgrade.response)
        session.opening = None
        if session.address is TRUSTED_PROXY:
            peer = session.transport.get_extra_info("peername")
            session.is_proxied = True
            session.by_tls = [one.strip().lower() for one in upgrade.forwarded_proto] == ["https"]
            session.moved(self._rules.client_of(peer, upgrade.forwarded_for))
        session.data_received(rest)

    def refuse(self, session: SocketSession, why: codes.Close) -> None:
        """The connection ends before the upgrade."""
        _refuse(session, STATUS_OF.get(why, HTTPStatus.SERVICE_UNAVAILABLE), why.name.lower())


def _refuse(session: SocketSession, status: HTTPStatus, text: str) -> None:
    _end(session, status, websocket.refusal(status, text))


def _end(session: SocketSession, status: int, response: bytes) -> None:
    logs.debug("upgrade_refused", connection=session.number, status=int(status))
    session.transport.write(response)
    session.transport.close()
    session.linger()


class WebSocketAddress(NamedTuple):
    """Where the server listens for clients that speak WebSocket."""

    url: str
    rules: UpgradeRules


def _websocket_session(rules: UpgradeRules, is_proxied: bool, host: SessionHost) -> SocketSession:
    opening: Opening = UpgradeFirst(rules)
    if is_proxied:
        opening = HeaderFirst(rules, opening)
    return SocketSession(host, opening, WebSocketFraming())


async def listen(
    listener: Listener, config: WebsocketSection, tls: ssl.SSLContext | None, held: socket.socket | None = None
) -> WebSocketAddress:
    """Listen as the config says. `tls`: the context of the server; `held`: a socket that is bound already.

    Raises OSError that names the address.
    """
    tls = tls if config.tls else None
    rules = UpgradeRules(config)
    host, port = host_and_port(config.listen)
    port = await listener.open(
        host,
        port,
        tls,
        partial(_websocket_session, rules, bool(config.proxy_protocol)),
        rules.address_of,
        where="websocket.listen",
        held=held,
    )
    return WebSocketAddress(f"{'ws' if tls is None else 'wss'}://{shown(host, port)}", rules)
