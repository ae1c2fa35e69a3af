"""One server of a world: real services on simulated stores, and the users who are logged in."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from protocol.money_unit import YUAN
from server.core.decisions import Decision
from server.core.refusals import Reason, RequestRefused
from server.net.pushes.table import PUSHES
from server.services.assembly import Services
from server.services.packets.requests import GrabRequest, OpenRequest
from server.services.runtime.bus import LOCAL, Bus
from server.services.runtime.events import AccessChange
from storage.errors import StoreRefused, StoreUnavailable
from tests.sim import stores
from tests.sim.clock import SimClock
from tests.sim.peers.place import PeersPlace
from tests.sim.plan import SEED_KEYS, TOKEN_KEYS, settings
from tests.sim.tickets import TicketWatch

if TYPE_CHECKING:
    from tests.sim.world import World

PATIENCE_S = 3.0
# Loops that decide nothing: probes for the screens, which would be half of the steps of a world, and webhooks.
# Of several sets posts, transfers and corrections are not simulated.
LEFT_OUT = ("records_health", "webhooks", "late_sets", "set_")


class Session:
    """A connection of a user, who is logged in or logs in."""

    is_welcome = False


class SimServer:
    """One process: its services, its tasks and its unanswered requests. A crash ends all of them."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.services: Services | None = None
        self.clock: SimClock | None = None
        self.bus = Bus()
        self.tickets = TicketWatch(world, 0, 0)
        self.tasks: list[asyncio.Task[None]] = []
        self.open_calls: dict[int, tuple[Any, ...]] = {}
        self.sessions: dict[int, Session] = {}  # by user; one that logs in counts
        self.process = 0  # of all that were started
        self.crashed_s = -math.inf  # at last
        self.expected: dict[int, Callable[[Any], None]] = {}  # replies to requests of sessions, by seq
        self.peers: PeersPlace | None = None  # in a world whose servers are peers

    def now_ms(self) -> int:
        """The time of this server."""
        return int(self.world.true_ms()) if self.clock is None else self.clock.now_ms()

    def start(self) -> None:
        world = self.world
        bus = Bus()
        bus.subscribe(world.on_push, *PUSHES)
        bus.subscribe(self._end_session, AccessChange)
        bus.know_clients(self._awaits, lambda: list(self.sessions))
        bus.deliver_replies(self._deliver)
        world.starts += 1
        self.process, self.expected = world.starts, {}
        self.clock = clock = SimClock(world, self.number)
        plan, side = world.plan, world.bank_side
        day_limit_fen = 0 if plan.bank is None else plan.bank.day_limit_fen
        here = settings(plan.durability, plan.lifetime_s, plan.per_share, day_limit_fen, self.number)
        gateways = {} if side is None else side.gateways(clock)
        self.tickets = TicketWatch(world, here.limits.ticket_grace_ms, here.limits.tickets_per_share)
        self.bus, self.services = (
            bus,
            Services(stores.stores(world), bus, clock, here, here.limits, TOKEN_KEYS, SEED_KEYS, YUAN, gateways),
        )
        self._tell_late_commits(self.services)
        if side is not None:
            side.equip(self.number, self.services)
        if world.peers_side is not None:
            self.peers = world.peers_side.equip(self)
        if world.defect is not None:
            world.defect.break_server(self)
        self.tasks = [world.loop.create_task(self._begin(self.services))]
        left_out = LEFT_OUT if plan.kinds is not None else (*LEFT_OUT, "scheduled")  # nothing would be due
        all_loops = self.services.loops() | ({} if self.peers is None else self.peers.loops())
        loops = {name: loop for name, loop in all_loops.items() if not name.startswith(left_out)}
        self.tasks += [world.loop.create_task(self._supervise(loop())) for loop in loops.values()]
        world.trace("start", self.number)

    def _tell_late_commits(self, services: Any) -> None:
        """A server knows what it makes before it asks for a commit, which may come after it has given up."""
        for store, service in (
            (services.outbox._store, services.outbox),
            (services.refunds._records, services.refunds),
            (services.settlement._queue, services.settlement),
            (services.orders._store, services.orders),
            (services.wallets._store, services.wallets),
        ):
            for part in stores.parts_of(store):
                part.on_late_commit = partial(self._made_late, self.process, service.in_doubt.add)

    def _made_late(self, process: int, add: Callable[[Any], None], made: Sequence[Any]) -> None:
        """A commit comes after the server has given up, or is dead."""
        if self.services is not None and process == self.process:
            add(made)
        else:
            self.world.made_by_the_dead(process, [self.world.tables.whose(one) for one in made])

    async def _begin(self, services: Services) -> None:
        with suppress(StoreRefused):
            await services.mirror_health.find_at_start()

    async def _supervise(self, work: Any) -> None:
        try:
            await work
            self.world.report(f"a loop of server {self.number} ended")
        except Exception as error:
            self.world.report(f"a loop of server {self.number} died: {error!r}")

    def crash(self) -> None:
        """kill -9: no work is finished and no request answered; effects in flight at the stores still happen."""
        self.world.clock_ends(self.now_ms())
        self.world.died_s[self.process] = self.crashed_s = self.world.loop.time()
        for task in self.tasks:
            task.cancel()
        if self.peers is not None:
            self.peers.kill()
        self.tasks, self.services, self.clock, self.peers = [], None, None, None
        self.open_calls.clear()
        self.sessions.clear()
        self.world.trace("crash", self.number)

    def _deliver(self, request: Any, outcome: Any) -> None:
        """A reply to a request of a session: here only shakes have one."""
        if (reply := self.expected.pop(request.seq, None)) is not None:
            reply(outcome)

    # --- users ------------------------------------------------------------------------------------------------

    @property
    def running(self) -> Services:
        """The services of a server that runs."""
        assert self.services is not None
        return self.services

    async def admits(self, user_id: int) -> bool:
        """Whether a user may send a request now: logged in, at a server that knows the changes of others."""
        services = self.services
        session = self.sessions.get(user_id)
        if services is None or not (session or await self._log_in(services, user_id)):
            return False
        session = self.sessions.get(user_id)
        is_in = session is not None and session.is_welcome and services.changes.is_current
        return is_in and not self.may_be_stale

    @property
    def may_be_stale(self) -> bool:
        """Alone, it lost the database, and does not know of a server that came since: what it says is not judged.

        docs/design.md, "A server alone", says that this remains.
        """
        changes, others = self.running.changes, [one for one in self.world.servers if one is not self]
        since_s = changes._lease_ends_s
        is_alone = changes._is_alone and self.world.loop.time() >= since_s
        return is_alone and any(one.services is not None or one.crashed_s >= since_s for one in others)

    async def _log_in(self, services: Services, user_id: int) -> bool:
        """As the login of the wire: there is a session before the record is read, so a later ban finds it."""
        if self.world.peers_side is not None:
            return await self.world.peers_side.log_in(self, user_id)
        session, known = Session(), self.world.standing.known(user_id)
        self.sessions[user_id] = session
        try:
            profile = await services.login.batcher.submit(user_id)
        except (RequestRefused, StoreUnavailable):
            profile = None
        if self.services is not services or self.sessions.get(user_id) is not session:
            return False
        if profile is None or profile.is_banned:
            del self.sessions[user_id]
            if profile is not None and not self.world.standing.may_be_banned(user_id, known):
                self.world.report(f"user {user_id} was refused as banned")
            return False
        session.is_welcome = True
        return True

    def _end_session(self, event: AccessChange, audience: Collection[int]) -> None:
        if event.is_banned:
            self.sessions.pop(event.user_id, None)

    def _awaits(self, event: type, audience: Collection[int]) -> bool:
        return event is not AccessChange or any(user_id in self.sessions for user_id in audience)

    async def ask(self, user_id: int, packet_id: int, ticket: int | None) -> Decision | Reason | None:
        """Grab (no ticket) or open; None: no answer in time, or the server is gone."""
        world = self.world
        if world.peers_side is not None:
            return await world.peers_side.ask(self, user_id, packet_id, ticket)
        if not await self.admits(user_id):
            return None
        services, known = self.running, world.standing.known(user_id)
        answer: asyncio.Future[Any] = world.loop.create_future()
        call, arrived_ms = world.next_call(), self.now_ms()
        self.open_calls[call] = (world.loop.time(), user_id, packet_id, ticket)

        def reply(decision: Decision | Reason) -> None:
            if services is not self.services:
                return  # this process is dead
            if self.open_calls.pop(call, None) is None:
                world.report(f"request {call} of user {user_id} was answered twice")
            world.record_answer(self, user_id, packet_id, decision, arrived_ms, known)
            self.tickets.answered(user_id, packet_id, ticket, decision, arrived_ms)
            if not answer.done():
                answer.set_result(decision)

        world.trace("ask", self.number, user_id, packet_id, "grab" if ticket is None else "open")
        seq = self.bus.expect(reply)
        if ticket is None:
            services.opens.grab(GrabRequest(packet_id, user_id, arrived_ms, LOCAL, seq))
        else:
            services.opens.open(OpenRequest(packet_id, user_id, arrived_ms, LOCAL, seq, ticket=ticket))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            return None
