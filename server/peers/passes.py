"""Passes that users show hold on every server: the owner of a packet may be another one than the user's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from server.core.refusals import RequestRefused
from server.peers.frames import PassesHeld, PassesNoted, SharedPass
from server.peers.mesh import Mesh
from server.peers.noting import Noting
from server.peers.peer import PeerServer
from server.services.chat.passes import HeldPass, PassService
from server.services.runtime.store_errors import StoreUnavailable

LOG = structlog.get_logger()


class PassSharing:
    """Tells other servers of passes that were shown here, and takes theirs."""

    def __init__(self, mesh: Mesh, passes: PassService) -> None:
        self._mesh = mesh
        self._passes = passes
        self._noting = Noting()
        self._tasks: set[asyncio.Task[None]] = set()
        mesh.on(PassesHeld, self._take)
        mesh.on(PassesNoted, lambda peer, message: self._noting.noted(message.number, peer.server_id))
        mesh.on_peer(self._peer_came, lambda peer: self._noting.forget(peer.server_id))

    async def told(self, user_id: int, group_id: int) -> None:
        """Until the other servers know the pass of a user to a group."""
        held = self._passes.held(user_id, group_id)
        if held is None or not self._mesh.peers:
            return
        number = self._noting.begin(self._mesh.peers)
        for peer in self._mesh.peers.values():
            peer.send(PassesHeld(number, [SharedPass(user_id, group_id, *held)]))
        await self._noting.wait(number)

    def _peer_came(self, peer: PeerServer) -> None:
        held = [SharedPass(user_id, group_id, *one) for user_id, group_id, one in self._passes.all_held()]
        if held:
            peer.send(PassesHeld(0, held))

    def _take(self, peer: PeerServer, message: PassesHeld) -> None:
        task = asyncio.get_running_loop().create_task(self._hold(peer, message.number, message.passes))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hold(self, peer: PeerServer, number: int, passes: Sequence[SharedPass]) -> None:
        for one in passes:
            try:
                held = HeldPass(one.issued_at_s, one.until_s)
                await self._passes.take(one.user_id, one.group_id, held)
            except RequestRefused as refused:  # it has ended meanwhile
                LOG.debug("pass_not_taken", user_id=one.user_id, group_id=one.group_id, why=refused.detail)
            except StoreUnavailable as error:  # its user shows it again
                LOG.info("pass_not_taken", user_id=one.user_id, group_id=one.group_id, why=str(error))
        peer.send(PassesNoted(number))
