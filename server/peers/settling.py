"""One server settles a set of PostgreSQL: the owner of the set. The others tell it what they have recorded.

Several would settle the same claims in more and smaller batches, each with a credit, an entry and a push for each
of its users, and each would yield to its own claims only. It is a hint, as any owner is: the queue gives a claim to
one transaction, and a server that leaves it to another one looks by itself every few seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from server.peers.frames import ClaimsQueued
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer
from server.services.money.settlement import PACE_S, YIELD_S_MAX, SettlementService

FRESH_S: Final = YIELD_S_MAX  # so long holds what a server has told of its claims in flight


class SettlementSharing:
    """Both sides of it, for all sets."""

    def __init__(
        self,
        mesh: Mesh,
        settlements: Sequence[SettlementService],
        owner: Callable[[int], int],
        unrecorded: Callable[[], int],
    ) -> None:
        """`owner`: the server that owns a number, here that of a set. `unrecorded`: claims in flight here."""
        loop = asyncio.get_running_loop()
        self._settlements = settlements
        self._sets = [SharedSettlement(mesh, number, owner, unrecorded, loop) for number in range(len(settlements))]
        for one, shared in zip(settlements, self._sets, strict=True):
            one.others = shared
        mesh.on(ClaimsQueued, self._take)
        mesh.on_owners(self._owners_changed)

    def _take(self, peer: PeerServer, message: ClaimsQueued) -> None:
        if message.set_number < len(self._sets):
            self._sets[message.set_number].note(peer.server_id, message.unrecorded)
            self._settlements[message.set_number].look()

    def _owners_changed(self) -> None:
        """What the owner before has left is settled here at once."""
        for one in self._settlements:
            if not one.is_left:
                one.look()


class SharedSettlement:
    """The other servers, as the settlement of one set sees them."""

    def __init__(
        self,
        mesh: Mesh,
        number: int,
        owner: Callable[[int], int],
        unrecorded: Callable[[], int],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._mesh = mesh
        self._number = number
        self._owner = owner
        self._unrecorded_here = unrecorded
        self._loop = loop
        self._tells_from_s = 0.0  # not before
        self._will_tell = False
        self._noted: dict[int, tuple[int, float]] = {}  # by server: its claims in flight, and when it said so

    @property
    def settle(self) -> bool:
        """Another server, with which there is a connection, settles this set."""
        return self._owner(self._number) in self._mesh.peers

    def tell(self) -> None:
        """Claims were recorded here: at once, or with all that come within the pace of the settlement."""
        if self._will_tell:
            return
        self._will_tell = True
        now_s = self._loop.time()
        if now_s >= self._tells_from_s:
            self._loop.call_soon(self._tell_now)
        else:
            self._loop.call_at(self._tells_from_s, self._tell_now)

    def unrecorded(self) -> int:
        """Claims in flight at the other servers, as they have said lately."""
        since_s = self._loop.time() - FRESH_S
        return sum(unrecorded for unrecorded, at_s in self._noted.values() if at_s > since_s)

    def note(self, server_id: int, unrecorded: int) -> None:
        """Another server has so many claims in flight now."""
        self._noted[server_id] = unrecorded, self._loop.time()

    def _tell_now(self) -> None:
        self._will_tell, self._tells_from_s = False, self._loop.time() + PACE_S
        peer = self._mesh.peers.get(self._owner(self._number))
        if peer is not None:
            peer.send(ClaimsQueued(self._number, self._unrecorded_here()))
