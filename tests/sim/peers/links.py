"""Simulated links between servers: frames are late, are lost, or wait while a server is frozen; links are cut."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from server.peers.links.address import LinkAddress
from server.peers.mesh import Mesh
from server.peers.peer import PeerServer

if TYPE_CHECKING:
    from tests.sim.peers.plan import PeersPlan
    from tests.sim.world import World


class LinkEnd(asyncio.Transport):
    """One end of a link. What is written to it arrives at the other end in its order, a frame with each write."""

    other: LinkEnd
    protocol: PeerServer

    def __init__(self, links: SimLinks, number: int) -> None:
        """`number`: of the server."""
        super().__init__()
        self._links, self.number = links, number
        self._arriving: deque[bytes] = deque()
        self._arrives_s = 0.0
        self.is_dead = False  # its process was killed
        self._is_closing = self._is_over = False

    def is_closing(self) -> bool:
        return self._is_closing

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:  # type: ignore[override]
        if self._is_closing or self._links.loses(self, bytes(data)):
            return
        other = self.other
        other._arriving.append(bytes(data))
        self._arrives_s = max(self._arrives_s, self._links.arrival_s(self))
        self._links.loop.call_at(self._arrives_s, other.arrive)

    def arrive(self) -> None:
        """The next frame is there; a frozen process reads it later."""
        thaws_s = self._links.thaws_s(self.number)
        if self._links.loop.time() < thaws_s:
            self._links.loop.call_at(thaws_s, self.arrive)
        elif self._arriving and not (self.is_dead or self._is_over):
            self.protocol.data_received(self._arriving.popleft())

    def abort(self) -> None:
        """What was written and has not arrived is lost."""
        self._close()
        self.other._arriving.clear()
        self._links.loop.call_at(self._links.arrival_s(self), self.other.lost)

    def close(self) -> None:
        """What was written arrives."""
        self._close()
        self._links.loop.call_at(max(self._arrives_s, self._links.arrival_s(self)), self.other.lost)

    def _close(self) -> None:
        self._is_closing = True
        self._links.loop.call_soon(self.lost)

    def lost(self) -> None:
        """Tell the process, once; a frozen one is told later."""
        thaws_s = self._links.thaws_s(self.number)
        if self._links.loop.time() < thaws_s:
            self._links.loop.call_at(thaws_s, self.lost)
        elif not self._is_over:
            self._is_closing = self._is_over = True
            self._links.gone(self)
            if not self.is_dead:
                self.protocol.connection_lost(None)


class SimLinks:
    """All links of a world, and what its nemesis does to them."""

    def __init__(self, world: World, plan: PeersPlan) -> None:
        self._world, self._plan = world, plan
        self.loop = world.loop
        self._rng = random.Random(f"links {world.seed}")
        self._drop_rate = plan.drop_rate
        self._listening: dict[str, SimMesh] = {}
        self._ends: dict[LinkEnd, None] = {}
        self._cut: dict[frozenset[int], float] = {}  # pairs of servers: until when
        self._frozen: dict[int, float] = {}  # servers: until when
        self.on_lost: Callable[[], None] = lambda: None

    # --- for links --------------------------------------------------------------------------------------------

    def arrival_s(self, end: LinkEnd) -> float:
        """When something arrives that leaves now."""
        leaves_s = max(self.loop.time(), self.thaws_s(end.number))
        return leaves_s + self._rng.uniform(0.0, self._plan.latency_s)

    def thaws_s(self, number: int) -> float:
        """Until when a server is frozen."""
        return self._frozen.get(number, 0.0)

    def loses(self, end: LinkEnd, data: bytes) -> bool:
        """Whether a frame is lost."""
        if self._rng.random() >= self._drop_rate:
            return False
        self.on_lost()
        self._world.trace("frame lost", end.number, end.other.number, len(data))
        return True

    def gone(self, end: LinkEnd) -> None:
        """A process knows that its end is lost."""
        self._ends.pop(end, None)

    # --- for servers ------------------------------------------------------------------------------------------

    def listen(self, mesh: SimMesh) -> None:
        """A server is reached at its address from now on."""
        self._listening[mesh.address] = mesh

    def close(self, mesh: SimMesh) -> None:
        """A server is reached no more."""
        self._listening.pop(mesh.address, None)

    def random_part(self) -> float:
        """Of the pauses between attempts to connect."""
        return self._rng.random()

    async def connect(self, mesh: SimMesh, server_id: int, to: LinkAddress) -> None:
        """Connect a server to the one at an address. Raises OSError."""
        await asyncio.sleep(self._rng.uniform(0.0, self._plan.latency_s))
        there = self._listening.get(str(to))
        if there is None or self._is_cut(mesh.number, there.number):
            raise ConnectionRefusedError(f"no server at {to}")
        ends = LinkEnd(self, mesh.number), LinkEnd(self, there.number)
        protocols = mesh._make_peer("unix", server_id), there._make_peer("unix", 0)
        for end, other, protocol in zip(ends, ends[::-1], protocols, strict=True):
            end.other, end.protocol = other, protocol
            self._ends[end] = None
        for end in ends:
            end.protocol.connection_made(end)

    def kill(self, mesh: SimMesh) -> None:
        """The process of a server ends: what it has written arrives, and it is told of nothing."""
        self.close(mesh)
        self._frozen.pop(mesh.number, None)
        for end in [one for one in self._ends if one.number == mesh.number]:
            end.is_dead = True
            end.close()

    # --- for the nemesis --------------------------------------------------------------------------------------

    def cut(self, one: int, other: int, for_s: float) -> None:
        """Two servers do not reach each other for so long."""
        pair = frozenset((one, other))
        self._cut[pair] = self.loop.time() + for_s
        for end in [end for end in self._ends if {end.number, end.other.number} == pair]:
            if not end.is_closing():
                end.abort()

    def freeze(self, number: int, for_s: float) -> None:
        """A server reads and writes nothing for so long."""
        self._frozen[number] = self.loop.time() + for_s

    def calm(self) -> None:
        """No faults from now on."""
        self._drop_rate = 0.0
        self._cut.clear()

    def _is_cut(self, one: int, other: int) -> bool:
        return self.loop.time() < self._cut.get(frozenset((one, other)), 0.0)


class SimMesh(Mesh):
    """The real mesh over simulated links."""

    def __init__(self, server_id: int, links: SimLinks, number: int) -> None:
        super().__init__(server_id, links.random_part)
        self.number = number
        self.address = str(LinkAddress(Path(f"/{server_id:x}.peer")))
        self._links = SimWays(self, links)  # type: ignore[assignment]
        links.listen(self)


class SimWays:
    """In place of the sockets of one server."""

    def __init__(self, mesh: SimMesh, links: SimLinks) -> None:
        self._mesh, self._links = mesh, links

    async def connect(self, server_id: int, to: LinkAddress) -> None:
        """Connect to a server. Raises OSError."""
        await self._links.connect(self._mesh, server_id, to)
