"""Links over TCP to servers on other machines: always proved at both ends, and encrypted unless the config says no.

Before its handshake a connection can hold a place among few for some seconds, and nothing else.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog

from protocol.codes import Close
from server.config import PeersSection
from server.net.address_limits import Address, address_of, name_of
from server.net.addresses import cannot_listen, host_and_port
from server.net.tls import TlsListener
from server.peers.links.address import PORT_MAX
from server.peers.links.encryption import NAME, LinkTls, digest_of, make_tls
from server.peers.links.gate import HANDSHAKE_S, LinkGate
from server.peers.links.handshake import (
    NONCE_BYTES,
    Acceptor,
    Connector,
    Handshake,
    HandshakeFailed,
    LinkRefusal,
    link_keys,
)

LOG = structlog.get_logger()
WHERE: Final = "peers.listen"
BACKLOG: Final = 64
HANDSHAKES_MAX: Final = 256  # under way at once
HANDSHAKES_OF_ADDRESS_MAX: Final = 64  # a machine has as many workers at most, which may all come at once
SAY_AGAIN_S: Final = 60.0  # a refusal of one kind is logged so often at most

MakePeer = Callable[[int], asyncio.Protocol]  # the protocol of a link to this server


class TcpPlace(NamedTuple):
    """What a process needs for links over TCP. `ports`: it takes the first free one of so many.

    `seed_keys` are those in force, by id: a reload may change them. Links that are up stay.
    """

    section: PeersSection
    ports: int
    seed_keys: Callable[[], Mapping[str, bytes]]
    random_bytes: Callable[[int], bytes]


class TcpLinks:
    """Listens and connects. `refused`: handshakes that came and failed, by why."""

    def __init__(self, place: TcpPlace, own_id: int, make_peer: MakePeer) -> None:
        self._place = place
        self._own_id = own_id
        self._make_peer = make_peer
        self._loop = asyncio.get_running_loop()
        self._under_way: Counter[Address] = Counter()
        self._gates: set[asyncio.Transport] = set()
        self._tls_failure = LinkRefusal.TLS  # why the next connection does not come through TLS
        self._said_at_s: dict[LinkRefusal, float] = {}
        self._tls: LinkTls | None = None
        self._listening: asyncio.Server | TlsListener | None = None
        self.refused: dict[str, int] = {}

    async def open(self) -> tuple[str, int]:
        """Listen; host and port for the others. Raises OSError."""
        section = self._place.section
        host, first = host_and_port(section.listen)
        held = await asyncio.to_thread(bind_first, host, first, self._place.ports)
        if section.tls:
            self._tls = make_tls()
            context = self._tls.server
            gate = TlsListener(self._accept_counted, self._enter_tls, self._leave_tls, HANDSHAKE_S, context)
            self._listening = gate
            port = await gate.open(host, 0, BACKLOG, held)
        else:
            self._listening = await self._loop.create_server(self._accept, sock=held, backlog=BACKLOG)
            port = int(held.getsockname()[1])
        return section.advertise or host, port

    async def connect(self, server_id: int, host: str, port: int) -> None:
        """Make a link to this server there. Raises OSError, HandshakeFailed."""
        ended: asyncio.Future[LinkRefusal | None] = self._loop.create_future()

        def tell(transport: asyncio.Transport, why: LinkRefusal | None) -> None:
            if not ended.done():
                ended.set_result(why)

        def begin(transport: asyncio.Transport) -> Handshake:
            return Connector(*self._fresh(_certificate_seen(transport)), self._own_id, server_id)

        client, name = (None, None) if self._tls is None else (self._tls.client, NAME)
        transport, _ = await self._loop.create_connection(
            lambda: LinkGate(begin, self._make_peer, tell), host.strip("[]"), port, ssl=client, server_hostname=name
        )
        try:
            why = await ended
        except asyncio.CancelledError:
            transport.abort()
            raise
        if why is not None:
            raise HandshakeFailed(why)

    def close(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.close()
        if isinstance(self._listening, TlsListener):
            self._listening.abort()
        for transport in list(self._gates):
            transport.abort()

    # --- what connects ----------------------------------------------------------------------------------------

    def _accept(self) -> LinkGate:
        return LinkGate(self._count_in, self._make_peer, self._accepted)

    def _accept_counted(self) -> LinkGate:
        return LinkGate(self._challenge, self._make_peer, self._accepted)

    def _count_in(self, transport: asyncio.Transport) -> Handshake:
        if self._enter(address_of(transport.get_extra_info("peername"))) is not None:
            raise HandshakeFailed(LinkRefusal.CROWDED)
        return self._challenge(transport)

    def _challenge(self, transport: asyncio.Transport) -> Handshake:
        self._gates.add(transport)
        return Acceptor(*self._fresh(b"" if self._tls is None else self._tls.certificate), self._own_id)

    def _fresh(self, certificate: bytes) -> tuple[dict[str, bytes], bytes, bytes]:
        return link_keys(self._place.seed_keys()), self._place.random_bytes(NONCE_BYTES), certificate

    def _accepted(self, transport: asyncio.Transport, why: LinkRefusal | None) -> None:
        """A handshake has ended."""
        self._gates.discard(transport)
        peer = transport.get_extra_info("peername")
        self._leave(address_of(peer))
        if why is not None:
            self._refuse(why, name_of(peer))

    def _refuse(self, why: LinkRefusal, address: str = "") -> None:
        self.refused[why] = self.refused.get(why, 0) + 1
        now_s = self._loop.time()
        if now_s >= self._said_at_s.get(why, 0.0):
            self._said_at_s[why] = now_s + SAY_AGAIN_S
            LOG.warning("peer_refused", address=address, why=str(HandshakeFailed(why)), so_far=self.refused[why])

    def _enter(self, address: Address) -> Close | None:
        """A handshake begins; it counts until `_leave`, also if it may not go on."""
        self._under_way[address] += 1
        if self._under_way[address] > HANDSHAKES_OF_ADDRESS_MAX or self._under_way.total() > HANDSHAKES_MAX:
            return Close.TOO_MANY_CONNECTIONS
        return None

    def _leave(self, address: Address) -> None:
        self._under_way[address] -= 1
        if not self._under_way[address]:
            del self._under_way[address]

    def _enter_tls(self, address: Address, handshakes: int) -> Close | None:
        refusal = self._enter(address)
        self._tls_failure = LinkRefusal.TLS if refusal is None else LinkRefusal.CROWDED
        return refusal

    def _leave_tls(self, address: Address) -> None:
        """It was crowded, or the handshake of TLS has failed; what is crowded leaves as soon as it has entered."""
        why, self._tls_failure = self._tls_failure, LinkRefusal.TLS
        self._leave(address)
        self._refuse(why)


def ports_of(workers: int) -> int:
    """How many ports the processes of a server may take: during a restart there is one more of each worker."""
    return 2 * workers


def bind_first(host: str, first: int, ports: int) -> socket.socket:
    """A socket that listens on the first free port of so many; `first` 0: on any. Raises OSError."""
    try:
        found = socket.getaddrinfo(
            host, first, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise cannot_listen(host, first, error, WHERE) from error
    for port in range(first, min(first + (ports if first else 1), PORT_MAX + 1)):
        try:
            return _bound(found[0], str(found[4][0]), port)
        except OSError as error:
            failed = error
            if error.errno != errno.EADDRINUSE:
                break
    raise cannot_listen(host, first, failed, WHERE) from failed


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # with the protocol named: an event loop may set TCP_NODELAY only where it sees that it is TCP
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)  # now: two that are bound to one port are told apart only here
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _certificate_seen(transport: asyncio.Transport) -> bytes:
    """The digest of the certificate of the other side; empty: plain TCP."""
    secure: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    seen = None if secure is None else secure.getpeercert(binary_form=True)
    return digest_of(seen) if seen else b""
