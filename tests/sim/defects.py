"""Deliberate defects of stores and services: the simulator must find each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from server.core.carried_time import CarriedTime, TimeProbe
from server.core.decisions import WON
from server.core.packet import Counter, Packet
from server.core.packet_states import PacketEvent
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.recovery import PacketReady
from server.services.runtime.change_feed import ChangeFeed
from server.services.runtime.events import AccessChange
from storage.errors import Unanswered
from storage.postgres.money.wallets import EMPTY_ROW
from storage.postgres.packets.packets import Advance
from storage.postgres.packets.refunds import RefundRow
from storage.redis.mirror import parse
from tests.sim.bank.defects import BANK_DEFECTS
from tests.sim.campaigns.defects import CAMPAIGN_DEFECTS
from tests.sim.defect import Defect, forget_transactions
from tests.sim.kinds.defects import KINDS_DEFECTS
from tests.sim.peers.defects import PEERS_DEFECTS
from tests.sim.sets.spread_defects import SPREAD_DEFECTS
from tests.sim.world import World


class RecordIgnoresTheVersion(Defect):
    """The record accepts every batch, and no constraint rejects it."""

    def break_stores(self, world: World) -> None:
        tables = world.tables
        tables.fits = lambda one: one.packet_id in tables.packets  # type: ignore[method-assign]
        tables.check_advance = lambda one: None  # type: ignore[method-assign]


class RecordIgnoresTheClosing(Defect):
    """Claims are recorded after a refund."""

    def break_stores(self, world: World) -> None:
        tables = world.tables

        def fits(one: Advance) -> bool:
            row = tables.packets.get(one.packet_id)
            return row is not None and row.version == one.version

        tables.fits = fits  # type: ignore[method-assign]


class MirrorIgnoresTheLength(Defect):
    """Two servers extend the same version of a log (at durability redis its length decides)."""

    def break_stores(self, world: World) -> None:
        world.logs.fits = lambda one: True  # type: ignore[method-assign]


class MirrorDoesNotClose(Defect):
    """A refund reads the log, but the log accepts claims afterwards."""

    def break_stores(self, world: World) -> None:
        logs = world.logs
        logs.close = lambda ids: {one: parse(logs.get(one)) for one in ids}  # type: ignore[method-assign]


class SettlesTwice(Defect):
    """A settled claim sometimes stays in the queue, and the key of the transfer is not checked."""

    def break_stores(self, world: World) -> None:
        tables = world.tables
        settle, transfer = tables.settle, tables.transfer

        def settle_again(most: int, now_ms: int, best_luck_kinds: Sequence[str]) -> Any:
            kept = tables.queue[:1] if world.postgres.rng.random() < 0.1 else []
            done = settle(most, now_ms, best_luck_kinds)
            tables.queue += kept
            return done

        def transfer_again(row: Any) -> None:
            tables.transfers.pop(row[:4], None)
            transfer(row)

        def credit_again(packet_id: int, user_id: int, fen: int, now_ms: int, xid: int) -> bool:
            tables.transfers.pop((packet_id, user_id, 4, ""), None)
            return real_credit(packet_id, user_id, fen, now_ms, xid)

        real_credit = tables.credit
        tables.settle, tables.transfer, tables.credit = settle_again, transfer_again, credit_again  # type: ignore[method-assign]


class SendForgetsItsKey(Defect):
    """A retry sends a second packet."""

    def break_stores(self, world: World) -> None:
        world.tables.sent_before = lambda sender_id, key: None  # type: ignore[method-assign]


class RefundFromMemory(Defect):
    """The refund is computed before the transaction: claims in flight are paid twice."""

    def break_server(self, server: Any) -> None:
        records = server.services.refunds._records
        tables, line, due = records._tables, records._line, records.due
        remembered: dict[int, int] = {}

        async def due_and_remember(now_ms: int, most: int) -> list[int]:
            found: list[int] = await due(now_ms, most)
            remembered.update({one: tables.packets[one].claimed_fen for one in found})
            return found

        def pay(packet_ids: Sequence[int], now_ms: int) -> list[Any]:
            rows = [tables.packets[one] for one in packet_ids]
            for row in rows:
                if row.closed_at_ms is None:
                    tables.pay_back(row, remembered[row.packet_id], now_ms)
            return []

        async def refund(packet_ids: Sequence[int], now_ms: int) -> list[Any]:
            paid: list[Any] = await line.call("refund", lambda: pay(packet_ids, now_ms))
            return paid

        records.due, records.refund = due_and_remember, refund


class RefundSkipsTheRedrive(Defect):
    """Durability redis: claims that only the mirror has are not recorded before the refund."""

    def break_server(self, server: Any) -> None:
        async def skip(logs: Any) -> set[int]:
            return set()

        server.services.refunds._closing._redrive = skip


class AnswersBeforeTheCommit(Defect):
    """`won` is sent as soon as it is decided."""

    def break_server(self, server: Any) -> None:
        submit = server.services.commit.submit

        def tell(live: Any, request: Any) -> None:
            server.bus.reply(request, live.packet.decision_for(WON, request.claim))
            submit(live, request)

        server.services.commit.submit = tell


class AnswersFromClaimsInFlight(Defect):
    """`claimed` and `gone` do not wait until the claims behind them are durable."""

    def break_server(self, server: Any) -> None:
        opens = server.services.opens

        def conclude(live: Any, request: Any, decision: Any) -> None:
            if decision.answer is WON:
                GrabOpenService._conclude(opens, live, request, decision)
            else:
                server.bus.reply(request, decision)

        opens._conclude = conclude


class ReloadSkipped(Defect):
    """After a rejection the state in memory is used without a reload from the stores."""

    def break_server(self, server: Any) -> None:
        load = server.services.reload.load

        async def keep_memory(lives: Sequence[Any]) -> Any:
            reloaded = await load([live for live in lives if live.replaced is None])
            for live in lives:
                if live.replaced is not None:
                    old, live.replaced = live.replaced, None
                    kept = Packet(old.terms, list(old.claims.values()))
                    live.become_ready(PacketEvent.READ, kept, live.audience, live.mirrored, live.mirror_length)
            return reloaded

        server.services.reload.load = keep_memory


class ForgetsTheRejected(Defect):
    """Rejected opens are never retried."""

    def break_server(self, server: Any) -> None:
        on_ready = server.bus._handlers[PacketReady]

        def forget(event: PacketReady, audience: Any) -> None:
            event.live.rejected = []

        on_ready.insert(0, forget)


class ReloadForgetsTickets(Defect):
    """A packet that was read again has no tickets."""

    def break_server(self, server: Any) -> None:
        load = server.services.reload.load

        async def forget(lives: Sequence[Any]) -> Any:
            reloaded = await load(lives)
            for live in lives:
                if live.packet is not None:
                    live.packet.counter.word -= Counter.TICKET * len(live.packet.tickets)
                    live.packet.tickets.clear()
            return reloaded

        server.services.reload.load = forget


class TicketsAreTakenLate(Defect):
    """A ticket can be taken at twice the age that the config says."""

    factor = 2.0

    def break_server(self, server: Any) -> None:
        opens = server.services.opens
        grace_s = opens._limits.ticket_grace_s * self.factor
        opens._limits = msgspec.structs.replace(opens._limits, ticket_grace_s=grace_s)


class TicketsAreTakenEarly(TicketsAreTakenLate):
    """A ticket can be taken during its grace."""

    factor = 0.2


class MembersAreNotFollowed(Defect):
    """What another server changes in a group does not reach memory, and neither does what this one changes."""

    def break_server(self, server: Any) -> None:
        async def ignore(group: Any) -> None:
            return

        server.services.groups._read_on = ignore


class RepliesBeforeOthersKnow(Defect):
    """A change is confirmed although another server has not followed it."""

    def break_server(self, server: Any) -> None:
        async def do_not_wait(kind: str, record_id: int, version: int) -> None:
            return

        server.services.changes.wait_until_told = do_not_wait


class AlwaysCurrent(ChangeFeed):
    """Serves without a lease, as if it knew all changes of others."""

    is_current = True  # type: ignore[assignment]


class LeasesAreIgnored(Defect):
    """A server serves users although it does not know what others have changed."""

    def break_server(self, server: Any) -> None:
        server.services.changes.__class__ = AlwaysCurrent


class BansEndNoSession(Defect):
    """A banned user who is connected stays connected."""

    def break_server(self, server: Any) -> None:
        server.bus._handlers[AccessChange].clear()


class TimeFollowsEveryProbe(Defect):
    """What the database says is the time at once, also when its clock was set."""

    def break_server(self, server: Any) -> None:
        def follow(probe: TimeProbe) -> None:
            server.clock._carried = CarriedTime(probe.database_ms, server.clock.carrying_s())
            server.clock._carried.is_confirmed = True

        server.clock.probed = follow


class TimeIsThatOfTheMachine(Defect):
    """Each server goes by its own clock."""

    def break_server(self, server: Any) -> None:
        server.clock.now_ms = lambda: int(server.clock.local_ms())
        server.services.refunds._now_ms = server.clock.now_ms
        server.services.sends._now_ms = server.clock.now_ms


class RefundsOfOthersAreTold(Defect):
    """A server whose refund has got no reply takes that of another one, in the same millisecond, for its own."""

    def break_server(self, server: Any) -> None:
        records = server.services.refunds._records
        tables, real = records._tables, records.refund

        def perhaps(packet_id: int, now_ms: int) -> RefundRow:
            row = tables.packets[packet_id]
            rest_fen = row.total_fen - sum(claim.amount_fen for claim in tables.claims[packet_id])
            return RefundRow(packet_id, row.sender_id, rest_fen, now_ms, EMPTY_ROW, 0)

        async def refund(packet_ids: Sequence[int], now_ms: int) -> Any:
            try:
                return await real(packet_ids, now_ms)
            except Unanswered as error:
                raise Unanswered(error, [perhaps(one, now_ms) for one in packet_ids]) from error

        records.refund = refund
        forget_transactions(tables)


class RefundsInDoubtAreForgotten(Defect):
    """A refund that has got no reply is not told of."""

    def break_server(self, server: Any) -> None:
        server.services.refunds.in_doubt.add = lambda tries: None
        server.services.refunds._records.on_late_commit = lambda tries: None


DEFECTS: dict[str, Callable[[], Defect]] = {
    one.__name__: one
    for one in (
        RecordIgnoresTheVersion,
        RecordIgnoresTheClosing,
        MirrorIgnoresTheLength,
        MirrorDoesNotClose,
        SettlesTwice,
        SendForgetsItsKey,
        RefundFromMemory,
        RefundSkipsTheRedrive,
        RefundsOfOthersAreTold,
        RefundsInDoubtAreForgotten,
        AnswersBeforeTheCommit,
        AnswersFromClaimsInFlight,
        ReloadSkipped,
        ForgetsTheRejected,
        ReloadForgetsTickets,
        TicketsAreTakenLate,
        TicketsAreTakenEarly,
        MembersAreNotFollowed,
        RepliesBeforeOthersKnow,
        LeasesAreIgnored,
        BansEndNoSession,
        TimeFollowsEveryProbe,
        TimeIsThatOfTheMachine,
        *BANK_DEFECTS,
        *KINDS_DEFECTS,
        *CAMPAIGN_DEFECTS,
        *PEERS_DEFECTS,
        *SPREAD_DEFECTS,
    )
}


def violations_of(work: tuple[int, str | None, str | None]) -> tuple[int, list[str]]:
    """The violations of one run, for a worker process."""
    seed, durability, defect = work
    return seed, World(seed, DEFECTS[defect]() if defect else None, durability).run()
