"""Pushes to other servers over NATS instead of the links: one message for all of them.

NATS keeps nothing and promises nothing. So every message has a number and a MAC, the links tell what was published,
and a server that misses something says so over its link: it gets its pushes over the link for a while, and what
was lost is read from the record, as after a link was lost.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
import structlog

from server.ops.samples.sample import Counts
from server.peers.events import Places
from server.peers.frames import ListensForPushes, PushesPublished, SharedEvent
from server.peers.links.handshake import link_keys
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer
from server.peers.push_numbers import PushNumbers
from server.services.runtime.nats_connection import NatsAway, NatsConnection

LOG = structlog.get_logger()
SUBJECT: Final = "pushes"
USE: Final = b"hongbao pushes over NATS"
MAC_BYTES: Final = 32
TELL_S: Final = 0.5  # between two words over the links of what was published
LATE_S: Final = 1.0  # NATS may be so much slower than a link
LINKS_S: Final = 5.0  # so long pushes come over the links after something was lost
QUEUED_MAX: Final = 1_000  # messages; more than that means that NATS takes nothing
BATCH_BYTES: Final = 1 << 18  # of a message, about; NATS takes a megabyte
AUDIENCE_MAX: Final = 20_000  # for more users an event goes over the links
USER_BYTES: Final = 9

Takes = Callable[[PeerServer, SharedEvent], None]


class _Published(msgspec.Struct, array_like=True, gc=False):
    server_id: int
    number: int
    events: list[SharedEvent]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Published)


class NatsPushes:
    """Both sides: publishing, and listening to others."""

    def __init__(
        self,
        connection: NatsConnection,
        subject: str,
        mesh: Mesh,
        seed_keys: Callable[[], Mapping[str, bytes]],
        takes: Takes,
        missed: Callable[[], None],
    ) -> None:
        """`takes`: an event of another server is told here; `missed`: some were lost."""
        self._connection = connection
        self._subject = f"{subject}.{SUBJECT}"
        self._mesh = mesh
        self._seed_keys = seed_keys
        self._takes = takes
        self._missed = missed
        self._loop = asyncio.get_running_loop()
        self._batch: list[SharedEvent] = []
        self._batch_bytes = 0
        self._queued: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._number = self._told = 0
        self._listening: set[int] = set()  # servers that listen now
        self._numbers: dict[int, PushNumbers] = {}  # of servers that we listen to
        self._listens_from_s = 0.0  # from then on we want to listen
        self.published = self.received = self.missed = 0  # messages
        connection.listen(self._subject, self._receive)
        connection.on_change(self._connection_changed)
        mesh.on(ListensForPushes, self._take_listens)
        mesh.on(PushesPublished, self._take_published)
        mesh.on_peer(self._peer_came, self._peer_lost)

    # --- publishing -------------------------------------------------------------------------------------------

    def share(self, name: str, event: msgspec.Raw, places: Places) -> Places:
        """Publish an event for the servers that listen; the places that are left for the links."""
        if not self._connection.is_up or not self._listening:
            return places
        left, audience = {}, []
        for server_id, user_ids in places.items():
            if server_id in self._listening:
                audience += user_ids
            else:
                left[server_id] = user_ids
        if not audience or len(audience) > AUDIENCE_MAX:
            return places
        if not self._batch:
            self._loop.call_soon(self._flush)
        self._batch.append(SharedEvent(name, event, audience))
        self._batch_bytes += len(bytes(event)) + USER_BYTES * len(audience)
        if self._batch_bytes > BATCH_BYTES:
            self._flush()
        return left

    def _flush(self) -> None:
        """What was shared in this turn of the loop is one message, or a few."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        self._number += 1
        body = _ENCODER.encode(_Published(self._mesh.server_id, self._number, batch))
        message = self._mac(list(self._keys())[-1], body) + body
        if len(message) > self._connection.payload_max or len(self._queued) >= QUEUED_MAX:
            self._listening.clear()  # they find the gap by the number, and get pushes over the links for a while
            return
        self._queued.append(message)
        self._wake.set()

    async def run(self) -> None:
        """Publish, and tell over the links what was published. Never ends; to be supervised."""
        telling = self._loop.create_task(self._tell())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queued:
                    try:
                        await self._connection.publish(self._subject, self._queued.popleft())
                        self.published += 1
                    except NatsAway as error:
                        LOG.debug("push_not_published", why=str(error))
        finally:
            telling.cancel()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_S)
            if self._told != self._number:
                self._told = self._number
                for peer in self._mesh.peers.values():
                    peer.send(PushesPublished(self._number))
            if self._is_wanted and any(peer not in self._numbers for peer in self._mesh.peers):
                self._listen_again()

    # --- listening ----------------------------------------------------------------------------------------------

    @property
    def _is_wanted(self) -> bool:
        """Pushes should come over NATS now."""
        return self._connection.is_up and self._loop.time() >= self._listens_from_s

    def _connection_changed(self) -> None:
        """What was published just before the connection was lost may be lost with it."""
        if self._numbers and not self._connection.is_up:
            self._missed()
        self._listen_again()

    def _listen_again(self) -> None:
        """Begin again to listen to all servers, or to none."""
        self._numbers.clear()
        for peer in self._mesh.peers.values():
            self._say(peer)

    def _say(self, peer: PeerServer) -> None:
        if self._is_wanted:
            self._numbers[peer.server_id] = PushNumbers()
        peer.send(ListensForPushes(self._is_wanted))

    def _peer_came(self, peer: PeerServer) -> None:
        self._say(peer)

    def _peer_lost(self, peer: PeerServer) -> None:
        self._listening.discard(peer.server_id)
        self._numbers.pop(peer.server_id, None)

    def _take_listens(self, peer: PeerServer, message: ListensForPushes) -> None:
        if message.listens:
            self._listening.add(peer.server_id)
            peer.send(PushesPublished(self._number))  # what comes next has a higher number
        else:
            self._listening.discard(peer.server_id)

    def _receive(self, message: bytes) -> None:
        mac, body = message[:MAC_BYTES], message[MAC_BYTES:]
        if not any(hmac.compare_digest(mac, self._mac(key_id, body)) for key_id in self._keys()):
            return  # of a stranger: any user of NATS can publish
        published = _DECODER.decode(body)
        peer, numbers = self._mesh.peers.get(published.server_id), self._numbers.get(published.server_id)
        if peer is None or numbers is None:
            return
        if numbers.takes(published.number):
            self.received += 1
            for event in published.events:
                self._takes(peer, event)
        self._check(numbers)

    def _take_published(self, peer: PeerServer, message: PushesPublished) -> None:
        numbers = self._numbers.get(peer.server_id)
        if numbers is not None and numbers.told(message.number):
            self._loop.call_later(LATE_S, self._give_up, peer.server_id, numbers, message.number)
        elif numbers is not None:
            self._check(numbers)

    def _give_up(self, server_id: int, numbers: PushNumbers, number: int) -> None:
        if self._numbers.get(server_id) is numbers:
            numbers.give_up(number)
            self._check(numbers)

    def _check(self, numbers: PushNumbers) -> None:
        """After a loss: read what was missed, and get pushes over the links for a while."""
        if not numbers.missed:
            return
        LOG.warning("pushes_missed", messages=numbers.missed)
        self.missed += numbers.missed
        numbers.missed = 0
        self._missed()
        self._listens_from_s = self._loop.time() + LINKS_S
        self._listen_again()

    def figures(self) -> Counts:
        """Messages so far, by what became of them."""
        return {"published": self.published, "received": self.received, "missed": self.missed}

    # --- keys -------------------------------------------------------------------------------------------------

    def _keys(self) -> dict[str, bytes]:
        return link_keys(self._seed_keys())

    def _mac(self, key_id: str, body: bytes) -> bytes:
        return hmac.digest(self._keys()[key_id], USE + body, "sha256")
