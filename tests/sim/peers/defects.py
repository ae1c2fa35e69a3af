"""Deliberate defects of peers. Only worlds with several servers and links that fail find them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from server.peers.frames import LENGTH_BYTES, NUMBER_BYTES, FrameReader
from server.services.runtime.events import WentOffline
from tests.sim.defect import Defect


class PeersDefect(Defect):
    """Breaks what a process has besides its services."""

    def break_server(self, server: Any) -> None:
        if server.peers is not None:
            self.break_place(server, server.peers)

    def break_place(self, server: Any, place: Any) -> None:
        """Called when a process has just been assembled."""
        raise NotImplementedError


class LostRequestsAreForgotten(PeersDefect):
    """A request whose reply was lost with its owner is not served again."""

    def break_place(self, server: Any, place: Any) -> None:
        place.peers.forwarder._serve_again = lambda one: None


class LostRequestsAreServedTwice(PeersDefect):
    """A request whose reply was lost with its owner is served by the next owner and here."""

    def break_place(self, server: Any, place: Any) -> None:
        forwarder = place.peers.forwarder
        again = forwarder._serve_again

        def serve_twice(one: Any) -> None:
            again(one)
            if forwarder._sessions.get(one.session.number) is one.session:
                forwarder._serve(one.session, one.request)

        forwarder._serve_again = serve_twice


class OwnerServesWithoutALease(PeersDefect):
    """The owner of a packet does not ask whether it knows all changes of members."""

    def break_place(self, server: Any, place: Any) -> None:
        dispatch, serve = place.dispatch, place.dispatch.serve

        def serve_anyway(session: Any, request: Any) -> None:
            changes, dispatch._changes = dispatch._changes, SimpleNamespace(is_current=True)
            try:
                serve(session, request)
            finally:
                dispatch._changes = changes

        dispatch.serve = serve_anyway


class LostBalancesAreNotTold(PeersDefect):
    """After a gap no user is told of changes of the wallet."""

    def break_place(self, server: Any, place: Any) -> None:
        async def none(known: Any) -> list[Any]:
            return []

        server.services.missed_news.balances = none


class LostPostsAreNotTold(PeersDefect):
    """After a gap no user is told of posts."""

    def break_place(self, server: Any, place: Any) -> None:
        async def none(*_: Any) -> list[Any]:
            return []

        server.services.missed_news.posts = none


class GapsEndBeforeTheCut(PeersDefect):
    """A gap is healed when a link is lost, neither while the other server is not reached nor when it is again."""

    def break_place(self, server: Any, place: Any) -> None:
        healing = place.peers.healing
        begin, healing.begin = healing.begin, lambda silent_s=0.0: None
        place.mesh._on_beat[:] = [lambda is_whole: healing.beat(True)]
        place.mesh._on_down.append(lambda peer: begin())


class UnnumberedReader(FrameReader):
    """Takes each frame as the next one."""

    __slots__ = ()

    def read(self, data: bytes) -> list[Any]:
        self._number = int.from_bytes(data[LENGTH_BYTES : LENGTH_BYTES + NUMBER_BYTES], "big")
        return super().read(data)


class FramesAreNotCounted(PeersDefect):
    """A frame that is lost on a link is not noticed."""

    def break_place(self, server: Any, place: Any) -> None:
        def do_not_count(peer: Any) -> None:
            peer._reader.__class__ = UnnumberedReader

        place.mesh._on_up.append(do_not_count)


class NewPeersHearOfNoUsers(PeersDefect):
    """A server that comes is not told who is connected here."""

    def break_place(self, server: Any, place: Any) -> None:
        place.mesh._on_up.remove(place.peers.events._peer_came)


class UsersWhoLeftAreKept(PeersDefect):
    """Other servers are not told of users who hang up."""

    def break_place(self, server: Any, place: Any) -> None:
        server.bus._handlers[WentOffline].clear()


class OwnersAreNotLearned(PeersDefect):
    """A server that was the first one owns everything, also when others come."""

    def break_place(self, server: Any, place: Any) -> None:
        place.mesh._on_owners.remove(place.peers.forwarder._learn_owners)


class SubscriptionsStay(PeersDefect):
    """Who follows a packet is not told to its next owner."""

    def break_place(self, server: Any, place: Any) -> None:
        place.peers.moving._hand_over = lambda *_: None


class FollowersAreToldAgain(PeersDefect):
    """The next owner of a packet is not told how many claims a follower knows."""

    def break_place(self, server: Any, place: Any) -> None:
        place.peers.forwarder.watches.pushed = lambda server_id, numbers, push: numbers


PEERS_DEFECTS = (
    LostRequestsAreForgotten,
    LostRequestsAreServedTwice,
    OwnerServesWithoutALease,
    LostBalancesAreNotTold,
    LostPostsAreNotTold,
    GapsEndBeforeTheCut,
    FramesAreNotCounted,
    NewPeersHearOfNoUsers,
    UsersWhoLeftAreKept,
    OwnersAreNotLearned,
    SubscriptionsStay,
    FollowersAreToldAgain,
)
