"""What a world with a bank has besides: the bank, the wire to it, its notices, and users with cards."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from server.core.packet_request import Payer
from server.core.payments import ENDED
from server.core.refusals import Reason, RequestRefused
from server.gateways.port import Unproven
from server.services.payments.conclusions import NotConcluded
from server.services.payments.evidence import request_in
from storage.postgres.money.payments import PaymentRow
from storage.postgres.packets.packets import PacketRow
from tests.sim.bank import check
from tests.sim.bank.bank import NOTICE_PATH, Notice, SimBank
from tests.sim.bank.calls import gateway_of
from tests.sim.bank.customers import Customers
from tests.sim.bank.hashing import SimHashing
from tests.sim.bank.plan import GATEWAY
from tests.sim.faults import Line
from tests.sim.plan import GROUP

if TYPE_CHECKING:
    from tests.sim.server import SimServer
    from tests.sim.world import World

TAKEN = "taken"
SIGNED_MS_MAX = 290_000  # less than the window of signatures: a clock that is wrong by more may refuse a notice


class BankSide:
    """Made after the world's own parts."""

    def __init__(self, world: World) -> None:
        assert world.plan.bank is not None
        self._world = world
        self.plan = world.plan.bank
        self.wire = Line("bank", random.Random(f"wire {world.seed}"), self.plan.rates, world.trace)
        self.feeds = [
            Line(f"feed {one}", random.Random(f"feed {one} {world.seed}"), world.feed.rates, world.trace)
            for one in range(len(world.servers))
        ]
        self.bank = SimBank(world)
        self.customers = Customers(world, self.bank)
        self.barred: set[tuple[int, str, str]] = set()  # sender, key, and why a charge has sent no packet

    # --- for the world ----------------------------------------------------------------------------------------

    def gateways(self, clock: Any) -> dict[str, Any]:
        """The gateways of one server."""
        return {GATEWAY: gateway_of(self, clock)}

    def equip(self, number: int, services: Any) -> None:
        """What a server of this world has otherwise."""
        services.changes._store._line = self.feeds[number]
        services.cards.passwords._hashing = SimHashing()
        evidence = services.payments.attempts.evidence
        evidence._packet_of = partial(self._packet_of, self._world.servers[number], evidence._packet_of)

    async def _packet_of(
        self, server: SimServer, real: Callable[[PaymentRow], Awaitable[Any]], one: PaymentRow
    ) -> Any:
        """Whether the sender may send is decided when the charge has succeeded: by all that was replied."""
        assert one.content is not None
        request, standing = request_in(one.content), self._world.standing
        known = standing.known(request.sender_id)
        may_be_stale = server.may_be_stale
        packet = await real(one)
        if isinstance(packet, str):
            self.barred.add((request.sender_id, request.key, packet))
        if may_be_stale or server.may_be_stale:
            return packet
        allowed = isinstance(packet, PacketRow) and request.target_id == GROUP
        if allowed and not standing.may_be_member(request.sender_id, known):
            self._world.report(f"a charge sends a packet of user {request.sender_id}, who is not in the group")
        if isinstance(packet, str) and not check.may_be_barred(standing.members_since(known), request, packet):
            self._world.report(f"a charge does not send {request}: {packet}")
        return packet

    def by_wallet(self, user_id: int) -> Payer:
        """A user who pays from the wallet types the password, whether it is needed or not."""
        return Payer(password=self.customers.password_of(user_id))

    def begin(self) -> None:
        """Users act from now on."""
        self.customers.begin()

    def strikes(self) -> list[Any]:
        """What the nemesis may do besides."""
        rng = self._world.rng
        return [
            ("the bank is away", lambda: self.wire.restart(rng.uniform(0.5, 4.0))),
            ("the bank freezes", lambda: self.wire.freeze(rng.uniform(0.5, 4.0))),
            ("the change feed is away", lambda: self._cut_feed(rng.uniform(1.0, 5.0))),
        ] * self.plan.strikes

    def _cut_feed(self, for_s: float) -> None:
        """A server loses its lease, and its bank goes on. A server alone would stay current (docs/design.md)."""
        running = [one.services.changes for one in self._world.servers if one.services is not None]
        if len(running) == len(self._world.servers) and not any(one._is_alone for one in running):
            self._world.rng.choice(self.feeds).restart(for_s)

    def calm(self) -> None:
        """No faults from now on; what the bank has begun to do later it still does."""
        for line in (self.wire, *self.feeds):
            line.calm()
        self.bank.is_calm = True

    def is_settled(self) -> bool:
        """Nothing is open here or there."""
        payments = self._world.tables.payments.values()
        return self.bank.is_done() and all(one.state in ENDED for one in payments)

    def rules(self) -> list[Any]:
        """What must hold at the end."""
        return check.RULES

    # --- notices ----------------------------------------------------------------------------------------------

    def deliver(self, notice: Notice) -> None:
        """Bring a notice to some server; one that is replayed to the process that has taken it."""
        self._world.spawn(self._deliver(notice))

    async def _deliver(self, notice: Notice) -> None:
        world, servers = self._world, self._world.servers
        if notice.is_replay:
            servers = [one for one in servers if one.services is notice.taken_by and one.services is not None]
            if not servers:
                return
        server = self.bank.rng.choice(servers)
        services, outcome = server.services, None
        if services is not None:
            _, outcome = await world.call(server, self._take(server, notice), "notice", notice.order.number)
        if notice.is_forged or notice.is_replay:
            if outcome == TAKEN:
                world.report(f"a notice of {notice.order.number} was taken that proves nothing: {notice}")
        elif outcome == TAKEN:
            self.bank.taken(notice._replace(taken_by=services))
        else:
            if outcome is not None and abs(server.now_ms() - world.true_ms()) < SIGNED_MS_MAX:
                world.report(f"a notice of {notice.order.number} was not taken: {outcome}")
            self.bank.not_taken(notice)

    async def _take(self, server: SimServer, notice: Notice) -> str:
        notices = server.running.payments.notices
        assert notices is not None
        try:
            await notices.take(GATEWAY, NOTICE_PATH, notice.headers or {}, notice.body)
        except Unproven as why:
            return f"refused: {why}"
        return TAKEN

    # --- operators --------------------------------------------------------------------------------------------

    async def close_one(self, server: SimServer) -> None:
        """An operator has the bank close an open payment."""
        world = self._world
        payments = [one.number for one in world.tables.payments.values() if one.state not in ENDED]
        if payments and server.services is not None:
            number = self.customers.rng.choice(payments)
            await world.call(server, self._close(server, number), "close", number)

    async def _close(self, server: SimServer, number: int) -> None:
        conclusions = server.running.payments.conclusions
        assert conclusions is not None
        try:
            await conclusions.close(number)
        except NotConcluded as why:
            raise RequestRefused(Reason.BAD_REQUEST, str(why)) from None
