"""What must hold at the end of a world whose servers are peers, when nothing is on the way any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.peers.client import SimConnection
from tests.sim.peers.place import PeersPlace

if TYPE_CHECKING:
    from tests.sim.world import World


def places_of(world: World) -> list[PeersPlace]:
    """Those of all servers."""
    return [server.peers for server in world.servers if server.peers is not None]


def clients_know_all(world: World) -> list[str]:
    """Every user who is connected knows the last message of each stream, and the balance."""
    return [
        wrong
        for place in places_of(world)
        for one in place.sessions.values()
        if isinstance(one, SimConnection) and one.is_welcome
        for wrong in one.wrong()
    ]


def servers_agree_on_owners(world: World) -> list[str]:
    """Each bucket has one owner."""
    owners = {tuple(place.peers.forwarder._owners) for place in places_of(world)}
    return [] if len(owners) == 1 else [f"there are {len(owners)} lists of owners"]


def servers_know_who_is_where(world: World) -> list[str]:
    """Each server knows who is connected to the others."""
    wrong, places = [], places_of(world)
    for place in places:
        known = place.peers.events.presence._servers
        for other in places:
            if other is not place:
                there = {user_id for user_id, servers in known.items() if other.mesh.server_id in servers}
                if there != set(other.hub.user_ids()):
                    wrong.append(f"known are {sorted(there)}, connected are {sorted(other.hub.user_ids())}")
    return wrong


def no_request_waits(world: World) -> list[str]:
    """Each forwarded request has its reply."""
    waiting = [place.peers.forwarder.under_way for place in places_of(world)]
    return [f"{waiting} requests wait for other servers"] if any(waiting) else []


RULES = (clients_know_all, servers_agree_on_owners, servers_know_who_is_where, no_request_waits)
