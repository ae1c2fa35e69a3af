"""The servers of a world as peers: connections of users, links that fail, servers that freeze."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from protocol import codes, messages, tokens
from server.core.decisions import NO_TICKET, Answer, Claim, Decision, Ticket
from server.core.refusals import Reason
from tests.sim.faults import Line
from tests.sim.peers import check
from tests.sim.peers.client import NONCE, SimConnection
from tests.sim.peers.links import SimLinks
from tests.sim.peers.place import PeersPlace
from tests.sim.plan import GROUP, TOKEN_KEYS

if TYPE_CHECKING:
    from tests.sim.server import SimServer
    from tests.sim.world import World

PATIENCE_S = 3.0
TOKEN_END_S = 4_000_000_000
FROZEN_S = (0.2, 4.0)  # shorter and longer than what decides whether a server lives
CUT_S_MIN = 0.05
OVERLOADED = {codes.Refusal.OVERLOADED: Reason.OVERLOADED}


class PeersSide:
    """Made after the world's own parts."""

    def __init__(self, world: World) -> None:
        assert world.plan.peers is not None
        self.world, self.plan = world, world.plan.peers
        self.rng = random.Random(f"peers {world.seed}")
        self.links = SimLinks(world, self.plan)
        self.feeds = [
            Line(f"feed {one}", random.Random(f"peer feed {one} {world.seed}"), world.feed.rates, world.trace)
            for one in range(self.plan.servers)
        ]
        self._numbers, self._seqs = count(1), count(1)
        self.seen: Counter[str] = Counter()  # what happened, for the test of what worlds cover
        self.links.on_lost = lambda: self.seen.update({"lost frame": 1})

    # --- for the world ----------------------------------------------------------------------------------------

    def equip(self, server: SimServer) -> PeersPlace:
        """What a process of this world has besides."""
        return PeersPlace(self, server)

    def begin(self) -> None:
        """What happens to links, servers and connections."""
        plan = self.plan
        for mean_s, strike in (
            (plan.cuts_s, self._cut),
            (plan.freezes_s, self._freeze),
            (plan.leaves_s, self._leave),
        ):
            if mean_s < self.world.plan.length_s:
                self.world.spawn(self._strike_on(mean_s, strike))

    def calm(self) -> None:
        """No faults from now on."""
        self.links.calm()
        for line in self.feeds:
            line.calm()

    def is_settled(self) -> bool:
        """All servers reach each other."""
        places = [server.peers for server in self.world.servers]
        return all(one is not None and len(one.mesh.peers) == len(places) - 1 for one in places)

    @property
    def had_gaps(self) -> bool:
        """Servers were not reached for a while: cut off, frozen, killed, or because frames were lost."""
        struck = sum(self.seen[what] for what in ("cut", "freeze", "lost frame"))
        return struck > 0 or self.world.starts > self.plan.servers

    def rules(self) -> Sequence[Callable[[World], list[str]]]:
        """What must hold at the end."""
        return check.RULES

    # --- users ------------------------------------------------------------------------------------------------

    async def log_in(self, server: SimServer, user_id: int) -> bool:
        """Connect a user to a server; whether they were welcomed."""
        await self._until_thawed(server)
        world, place = self.world, server.peers
        if place is None or user_id in server.sessions:
            return False
        known = world.standing.known(user_id)
        connection = SimConnection(self, server, next(self._numbers))
        connection.since_version = world.tables.groups[GROUP].version
        place.sessions[connection.number] = server.sessions[user_id] = connection  # type: ignore[assignment]
        token = tokens.mint(user_id, TOKEN_END_S, *next(iter(TOKEN_KEYS.items())), issued_at_s=1)
        login = token.login(NONCE, next(self._seqs), [messages.REMINDERS])
        place.dispatch(connection, [login], world.loop.time())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.shield(connection.came)
        except TimeoutError:
            connection.end()
        if not connection.is_welcome:
            server.sessions.pop(user_id, None)
            is_banned = connection.came.done() and connection.came.result() is codes.Close.BANNED
            if is_banned and not world.standing.may_be_banned(user_id, known):
                world.report(f"user {user_id} was refused as banned")
        return connection.is_welcome

    def gone(self, server: SimServer, connection: SimConnection) -> None:
        """A connection was lost: as the listener tells it."""
        place = server.peers
        if place is None or place.sessions.pop(connection.number, None) is None:
            return
        if server.sessions.get(connection.user_id) is connection:  # type: ignore[comparison-overlap]
            del server.sessions[connection.user_id]
        place.hub.leave(connection.user_id, connection)
        place.subscriptions.gone(connection)
        place.peers.gone(connection)
        expected, connection.expected = connection.expected, {}
        for answered in expected.values():
            answered(None)

    async def ask(self, server: SimServer, user_id: int, packet_id: int, ticket: int | None) -> Any:
        """Grab (no ticket) or open over a connection to this server; None: no answer."""
        if not await server.admits(user_id):
            return None
        world = self.world
        await self._until_thawed(server)
        services, place, connection = server.services, server.peers, server.sessions.get(user_id)
        if place is None or not isinstance(connection, SimConnection) or not connection.is_welcome:
            return None
        known, call, seq = world.standing.known(user_id), world.next_call(), next(self._seqs)
        arrived_ms = server.now_ms()
        answer: asyncio.Future[Any] = world.loop.create_future()
        server.open_calls[call] = (world.loop.time(), user_id, packet_id, ticket)

        def answered(message: messages.Message | None) -> None:
            if services is not server.services:
                return  # this process is dead
            server.open_calls.pop(call, None)
            decision = None if message is None else decision_of(user_id, message)
            if decision is not None:
                world.record_answer(server, user_id, packet_id, decision, arrived_ms, known)
                if isinstance(decision, Decision) and decision.claim is not None:
                    world.loop.call_soon(self._follow_perhaps, server, connection, packet_id)
            if not answer.done():
                answer.set_result(decision)

        world.trace("ask", server.number, user_id, packet_id, "grab" if ticket is None else "open")
        connection.expected[seq] = answered
        self.seen["forwarded" if not place.peers.forwarder.owns(packet_id) else "served"] += 1
        request = messages.Grab(seq, packet_id) if ticket is None else messages.Open(seq, packet_id, ticket)
        place.dispatch(connection, [request], world.loop.time())
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            return None

    def _follow_perhaps(self, server: SimServer, connection: SimConnection, packet_id: int) -> None:
        """A user who has a share looks at the page, and stays on it."""
        place = server.peers
        if place is None or packet_id in connection.asked_pages or self.rng.random() >= self.plan.follow_rate:
            return
        call, seq = self.world.next_call(), next(self._seqs)
        server.open_calls[call] = (self.world.loop.time(), connection.user_id, packet_id, "page")

        def shown(message: messages.Message | None) -> None:
            server.open_calls.pop(call, None)
            if isinstance(message, messages.ResultPageShown):
                self.seen["page"] += 1
                connection.follow(packet_id, message.page)

        connection.expected[seq] = shown
        connection.asked_pages.add(packet_id)
        page = messages.ResultPage(seq, packet_id, "en", 0, watch=True)
        place.dispatch(connection, [page], self.world.loop.time())

    async def _until_thawed(self, server: SimServer) -> None:
        """What is sent to a frozen server waits."""
        await asyncio.sleep(max(0.0, self.links.thaws_s(server.number) - self.world.loop.time()))

    # --- strikes ----------------------------------------------------------------------------------------------

    async def _strike_on(self, mean_s: float, strike: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / mean_s))
            if self.world.loop.time() >= self.world.plan.length_s:
                return
            strike()

    def _cut(self) -> None:
        one, other = self.rng.sample(range(self.plan.servers), 2)
        for_s = self.rng.uniform(CUT_S_MIN, self.plan.cut_s)
        self._note("cut", one, other, f"{for_s:.2f} s")
        self.links.cut(one, other, for_s)

    def _freeze(self) -> None:
        """Not beside a server alone: it would stay current until it is told of others (docs/design.md)."""
        running = [one.services.changes for one in self.world.servers if one.services is not None]
        if len(running) < len(self.world.servers) or any(one._is_alone for one in running):
            return
        number, for_s = self.rng.randrange(self.plan.servers), self.rng.uniform(*FROZEN_S)
        self._note("freeze", number, f"{for_s:.2f} s")
        self.links.freeze(number, for_s)
        self.feeds[number].freeze(for_s)

    def _leave(self) -> None:
        server = self.rng.choice(self.world.servers)
        here = [] if server.peers is None else [one for one in server.peers.sessions.values() if one.user_id >= 0]
        if here:
            connection = self.rng.choice(here)
            self._note("leave", server.number, connection.user_id)
            connection.end()  # type: ignore[attr-defined]

    def _note(self, what: str, *words: object) -> None:
        self.seen[what] += 1
        self.world.trace("nemesis", what, *words)


def decision_of(user_id: int, message: Any) -> Decision | Reason | None:
    """What a reply says, as the server that owns the packet has decided it; None: try again."""
    if isinstance(message, messages.Refused):
        refusal = codes.Refusal(message.code)
        return NO_TICKET if refusal is codes.Refusal.NO_TICKET else OVERLOADED.get(refusal)
    answer = Answer(message.answer)
    if answer in (Answer.WON, Answer.CLAIMED):
        return Decision(answer, Claim(message.index, user_id, message.amount_fen, 0))
    if answer is Answer.TICKET:
        return Decision(answer, ticket=Ticket(message.ticket, 0, message.lapses_at_ms))
    return Decision(answer)
