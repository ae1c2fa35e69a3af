"""Stores and services that are wrong on purpose: the simulator has to find each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from server.core.packet import WON, Packet
from server.core.packet_states import PacketEvent
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.recovery import PacketReady
from storage.postgres.packets.packets import Advance
from storage.redis.mirror import parse
from tests.sim.world import World


class Broken:
    """Nothing is broken; each of the others breaks one thing."""

    def breaks_stores(self, world: World) -> None:
        """When the stores have just been made."""

    def breaks_server(self, server: Any) -> None:
        """When a server has just been wired."""


class RecordIgnoresTheVersion(Broken):
    """The record takes whatever comes, and has no constraint that would notice."""

    def breaks_stores(self, world: World) -> None:
        tables = world.tables
        tables.fits = lambda one: one.packet_id in tables.packets  # type: ignore[method-assign]
        tables.check_advance = lambda one: None  # type: ignore[method-assign]


class RecordIgnoresTheClosing(Broken):
    """Claims are recorded behind a refund."""

    def breaks_stores(self, world: World) -> None:
        tables = world.tables

        def fits(one: Advance) -> bool:
            row = tables.packets.get(one.packet_id)
            return row is not None and row.version == one.version

        tables.fits = fits  # type: ignore[method-assign]


class MirrorIgnoresTheLength(Broken):
    """Two servers both extend the log that one of them has extended already (tier redis tells by it)."""

    def breaks_stores(self, world: World) -> None:
        world.logs.fits = lambda one: True  # type: ignore[method-assign]


class MirrorDoesNotClose(Broken):
    """A refund reads the log, but claims still go into it afterwards."""

    def breaks_stores(self, world: World) -> None:
        logs = world.logs
        logs.close = lambda ids: {one: parse(logs.get(one)) for one in ids}  # type: ignore[method-assign]


class SettlesTwice(Broken):
    """What was taken from the queue sometimes stays in it, and the transfer's key is not looked at."""

    def breaks_stores(self, world: World) -> None:
        tables = world.tables
        settle, transfer = tables.settle, tables.transfer

        def again(most: int, now_ms: int, best_luck_kinds: Sequence[str]) -> Any:
            kept = tables.queue[:1] if world.postgres.dice.random() < 0.1 else []
            done = settle(most, now_ms, best_luck_kinds)
            tables.queue += kept
            return done

        def anyhow(row: Any) -> None:
            tables.transfers.pop(row[:4], None)
            transfer(row)

        def credit(packet_id: int, user_id: int, fen: int, now_ms: int) -> bool:
            tables.transfers.pop((packet_id, user_id, 4, ""), None)
            return real_credit(packet_id, user_id, fen, now_ms)

        real_credit = tables.credit
        tables.settle, tables.transfer, tables.credit = again, anyhow, credit  # type: ignore[method-assign]


class SendForgetsItsKey(Broken):
    """A retry sends once more."""

    def breaks_stores(self, world: World) -> None:
        world.tables.sent_before = lambda sender_id, key: None  # type: ignore[method-assign]


class RefundFromMemory(Broken):
    """What is paid back was computed before the transaction: claims in flight are paid twice."""

    def breaks_server(self, server: Any) -> None:
        records = server.services.refunds._records
        tables, line, due = records._tables, records._line, records.due
        remembered: dict[int, int] = {}

        async def look(now_ms: int, most: int) -> list[int]:
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

        records.due, records.refund = look, refund


class RefundSkipsTheRedrive(Broken):
    """Tier redis: what only the mirror holds is not recorded before the rest is paid back."""

    def breaks_server(self, server: Any) -> None:
        async def skip(logs: Any) -> set[int]:
            return set()

        server.services.refunds._redrive = skip


class TellsBeforeTheCommit(Broken):
    """`won` is said as soon as it is decided."""

    def breaks_server(self, server: Any) -> None:
        submit = server.services.commit.submit

        def tell(live: Any, request: Any) -> None:
            server.bus.reply(request, live.packet.told(WON, request.claim))
            submit(live, request)

        server.services.commit.submit = tell


class TellsOfWhatIsNotDurable(Broken):
    """`claimed` and `gone` do not wait for the claims that they rest on."""

    def breaks_server(self, server: Any) -> None:
        opens = server.services.opens

        def conclude(live: Any, request: Any, decision: Any) -> None:
            if decision.answer is WON:
                GrabOpenService._conclude(opens, live, request, decision)
            else:
                server.bus.reply(request, decision)

        opens._conclude = conclude


class ReloadSkipped(Broken):
    """What memory holds is taken for what the stores hold, after a store has rejected it."""

    def breaks_server(self, server: Any) -> None:
        load = server.services.reload.load

        async def believe(lives: Sequence[Any]) -> Any:
            reloaded = await load([live for live in lives if live.replaced is None])
            for live in lives:
                if live.replaced is not None:
                    old, live.replaced = live.replaced, None
                    kept = Packet(old.terms, list(old.claims.values()))
                    live.become_ready(PacketEvent.READ, kept, live.audience, live.mirrored, live.mirror_length)
            return reloaded

        server.services.reload.load = believe


class ForgetsTheRejected(Broken):
    """Rejected opens are never decided again."""

    def breaks_server(self, server: Any) -> None:
        on_ready = server.bus._handlers[PacketReady]

        def forget(event: PacketReady, audience: Any) -> None:
            event.live.rejected = []

        on_ready.insert(0, forget)


BROKEN: dict[str, Callable[[], Broken]] = {
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
        TellsBeforeTheCommit,
        TellsOfWhatIsNotDurable,
        ReloadSkipped,
        ForgetsTheRejected,
    )
}


def wrongs(work: tuple[int, str | None, str | None]) -> tuple[int, list[str]]:
    """One run, for a worker process."""
    seed, tier, broken = work
    return seed, World(seed, BROKEN[broken]() if broken else None, tier).run()
