"""Deliberate defects of campaigns: worlds with campaigns must find each of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from server.core.campaigns.shakes import Result, Shook, Win
from tests.sim.campaigns.tables import has_rest
from tests.sim.defect import Defect

if TYPE_CHECKING:
    from tests.sim.world import World


class CampaignDefect(Defect):
    """Worlds without a campaign are as they are."""

    def break_stores(self, world: World) -> None:
        if world.campaign_side is not None:
            self.break_tables(world.tables)

    def break_tables(self, tables: Any) -> None:
        """Called in a world with a campaign."""

    def break_server(self, server: Any) -> None:
        if server.world.campaign_side is not None:
            self.break_services(server.services)

    def break_services(self, services: Any) -> None:
        """Called in a world with a campaign."""


# --- numbers and money --------------------------------------------------------------------------------------------


class NumbersAreLeasedTwice(CampaignDefect):
    """Two servers lease the same new numbers."""

    def break_tables(self, tables: Any) -> None:
        tables.is_next = lambda lease: True


class RestIsLeasedTwice(CampaignDefect):
    """What was not won of a lease is leased again by two servers."""

    def break_tables(self, tables: Any) -> None:
        tables.is_rest = lambda packet_id, numbers: bool(tables.leases[packet_id].rest)


class RestIsForgotten(CampaignDefect):
    """The money of what was not won stays in a lease that is closed."""

    def break_tables(self, tables: Any) -> None:
        def close(packet_ids: Sequence[int], now_ms: int, kind: int) -> list[Any]:
            for packet_id in packet_ids:
                row, lease = tables.packets[packet_id], tables.leases[packet_id]
                if row.closed_at_ms is None:
                    tables.packets[packet_id] = row._replace(closed_at_ms=now_ms)
                    lease.closed_at_ms, lease.rest = now_ms, 0
            return []

        tables.close_leases = close


class LeaseIsTakenAfterTheEnd(CampaignDefect):
    """Numbers are leased of a campaign that is paused or has ended."""

    def break_tables(self, tables: Any) -> None:
        real = tables.take_lease

        def take(lease: Any, *words: Any) -> bool:
            row = tables.campaigns[lease.campaign_id]
            tables.campaigns[lease.campaign_id] = row._replace(state="open")
            try:
                return bool(real(lease, *words))
            finally:
                tables.campaigns[lease.campaign_id] = row

        tables.take_lease = take


class RestGoesBackEarly(CampaignDefect):
    """The rest of a campaign goes back while leases are open."""

    def break_tables(self, tables: Any) -> None:
        tables.may_close = lambda row: row.state == "ended" and row.closed_at_ms is None


class RestGoesBackTwice(CampaignDefect):
    """Each server pays the rest back."""

    def break_tables(self, tables: Any) -> None:
        def may_close(row: Any) -> bool:
            is_open = any(one.closed_at_ms is None for _, one in tables.leases_of(row.campaign_id))
            tables.transfers.pop((row.campaign_id, row.sponsor_id, 21, ""), None)
            return row.state == "ended" and not is_open

        tables.may_close = may_close


class CampaignForgetsItsKey(CampaignDefect):
    """A retry makes, and pays, a second campaign."""

    def break_tables(self, tables: Any) -> None:
        tables.campaign_of_key = lambda sponsor_id, key: None


class CampaignEndsByTheWrongClock(CampaignDefect):
    """The end of a campaign does not wait until the time is confirmed."""

    def break_services(self, services: Any) -> None:
        services.campaigns.loop._is_confirmed = lambda: True
        clock = services._clock
        services.campaigns.loop._now_ms = lambda: int(clock.local_ms())


# --- wins ---------------------------------------------------------------------------------------------------------


class LimitIsNotRecorded(CampaignDefect):
    """The record takes a win that another server has used up."""

    def break_tables(self, tables: Any) -> None:
        tables.is_within_limit = lambda one, counted: True


class LimitIsForgotten(CampaignDefect):
    """A server does not remember what its users have won."""

    def break_services(self, services: Any) -> None:
        board = services.campaigns.board
        real = board.put

        async def put(row: Any) -> None:
            await real(row)
            if (live := board.get(row.campaign_id)) is not None:
                live.wins.limit = 1_000

        board.put = put


class WinsAreToldEarly(CampaignDefect):
    """`won` is told as soon as it is decided."""

    def break_services(self, services: Any) -> None:
        shakes = services.campaigns.shakes

        def take(live: Any, request: Any) -> Shook | None:
            told = type(shakes)._take(shakes, live, request)
            lease = next((one for one in live.leases if (packet := services.live_packets.get(one.row.packet_id))
                          and packet.packet and request.user_id in packet.packet.claims), None)  # fmt: skip
            if told is None and lease is not None:
                claim = services.live_packets.get(lease.row.packet_id).packet.claims[request.user_id]
                services._bus.reply(
                    request, Shook(Result.WON, win=Win(claim.amount_fen, lease.row.packet_id, claim.index))
                )
            return told

        shakes._take = take


class ReclaimSkipsTheRedrive(CampaignDefect):
    """Durability redis: wins that only the mirror has are not recorded before a lease is closed."""

    def break_services(self, services: Any) -> None:
        async def skip(logs: Any) -> set[int]:
            return set()

        services.campaigns.keeper._closing._redrive = skip


class PauseIsNotFollowed(CampaignDefect):
    """A campaign that was paused or ended at one server goes on at the other."""

    def break_services(self, services: Any) -> None:
        services.changes._follows["campaign"].clear()


class GroupIsIgnored(CampaignDefect):
    """Users who are not in the group of a campaign win."""

    def break_services(self, services: Any) -> None:
        board = services.campaigns.board
        real = board.put

        async def put(row: Any) -> None:
            await real(row)
            if (live := board.get(row.campaign_id)) is not None:
                live.audience = None

        board.put = put


class LeftIsTooSmall(CampaignDefect):
    """The number of shares left is published without those that were returned."""

    def break_tables(self, tables: Any) -> None:
        real = tables.won

        def won(campaign_id: int) -> int:
            rests = sum(one.rest or 0 for _, one in tables.leases_of(campaign_id) if has_rest(one))
            return int(real(campaign_id)) + rests

        tables.progress = lambda ids: [
            one._replace(won=won(one.campaign_id)) for one in type(tables).progress(tables, ids)
        ]


class DeadServersAreNotMissed(CampaignDefect):
    """Leases of servers that were killed are never closed."""

    def break_tables(self, tables: Any) -> None:
        def none(server_id: int, known: Collection[int], dead_s: float, most: int) -> list[int]:
            return []

        tables.abandoned_leases = none


CAMPAIGN_DEFECTS: tuple[type[Defect], ...] = (
    NumbersAreLeasedTwice,
    RestIsLeasedTwice,
    RestIsForgotten,
    LeaseIsTakenAfterTheEnd,
    RestGoesBackEarly,
    RestGoesBackTwice,
    CampaignForgetsItsKey,
    CampaignEndsByTheWrongClock,
    LimitIsNotRecorded,
    LimitIsForgotten,
    WinsAreToldEarly,
    ReclaimSkipsTheRedrive,
    PauseIsNotFollowed,
    GroupIsIgnored,
    LeftIsTooSmall,
    DeadServersAreNotMissed,
)
