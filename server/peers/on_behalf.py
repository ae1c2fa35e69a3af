"""Opens that the chat backend asks for: the owner of the packet decides them, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from server.core.decisions import Decision
from server.core.refusals import Reason, RequestRefused
from server.peers.frames import OpenedOnBehalf, OpenOnBehalf
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer
from server.services.packets.on_behalf import OnBehalfService


class OnBehalfSharing:
    """Both sides of it. An open whose answer is lost is made here: it finds its own claim recorded."""

    def __init__(self, mesh: Mesh, on_behalf: OnBehalfService, owner: Callable[[int], int]) -> None:
        """`owner`: the server that owns a packet."""
        self._mesh = mesh
        self._on_behalf = on_behalf
        self._owner = owner
        self._numbers = count(1)
        self._waiting: dict[int, tuple[int, asyncio.Future[OpenedOnBehalf | None]]] = {}  # with the server asked
        self._tasks: set[asyncio.Task[None]] = set()
        mesh.on(OpenOnBehalf, self._take_request)
        mesh.on(OpenedOnBehalf, self._take_answer)
        mesh.on_peer(lambda peer: None, self._peer_lost)
        on_behalf.elsewhere = self.open

    async def open(self, user_id: int, packet_id: int) -> Decision | None:
        """What the owner of a packet decides; None: it is this server. Raises RequestRefused."""
        server_id = self._owner(packet_id)
        peer = self._mesh.peers.get(server_id)
        if peer is None:
            return None
        number = next(self._numbers)
        future: asyncio.Future[OpenedOnBehalf | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = server_id, future
        peer.send(OpenOnBehalf(number, user_id, packet_id))
        try:
            answer = await future
        finally:
            del self._waiting[number]
        if answer is None:
            return None
        if answer.decision is None:
            raise RequestRefused(Reason(answer.refused), retry_after_ms=answer.retry_after_ms)
        return answer.decision

    def _take_answer(self, peer: PeerServer, message: OpenedOnBehalf) -> None:
        _, future = self._waiting.get(message.number, (0, None))
        if future is not None and not future.done():
            future.set_result(message)

    def _peer_lost(self, peer: PeerServer) -> None:
        for server_id, future in self._waiting.values():
            if server_id == peer.server_id and not future.done():
                future.set_result(None)

    def _take_request(self, peer: PeerServer, message: OpenOnBehalf) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(peer, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: PeerServer, message: OpenOnBehalf) -> None:
        try:
            decision = await self._on_behalf.open_here(message.user_id, message.packet_id)
        except RequestRefused as refused:
            about = str(refused.reason), refused.retry_after_ms
            peer.send(OpenedOnBehalf(message.number, None, *about))
        else:
            peer.send(OpenedOnBehalf(message.number, decision))
