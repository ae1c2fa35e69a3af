"""Simulated tables of sponsors, campaigns, leases and wins, with the rules of their statements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from storage.postgres.campaigns.campaigns import (
    CampaignRow,
    Created,
    NoSponsor,
    Progress,
    Returned,
)
from storage.postgres.campaigns.leases import ClosedLease, LeaseRow, Plan, WinRow
from storage.postgres.change_feed import Change, Topic
from storage.postgres.money.wallets import BalanceRow, NotEnoughMoney, TransferRow
from storage.postgres.packets.packets import Advance, ClaimRow, PacketRow, Wins
from storage.postgres.packets.seed_trees import PacketSeeds, TreeKey
from tests.sim.change_feed import FeedTables


@dataclass
class Lease:
    """A row of the table, without its key."""

    campaign_id: int
    first_number: int
    numbers: int
    server_id: int
    closed_at_ms: int | None = None
    rest: int | None = None
    rest_lease: int | None = None


@dataclass
class Win:
    """A row of the table, without campaign and user."""

    n: int
    packet_id: int
    index: int


class CampaignTables:
    """Sponsors and campaigns. Every method is one transaction."""

    packets: dict[int, PacketRow]
    claims: dict[int, list[ClaimRow]]
    wallets: dict[int, int]
    next_seeds: dict[int, int]
    journal: list[tuple[Any, ...]]
    feed: FeedTables
    leases: dict[int, Lease]
    wins: dict[tuple[int, int], list[Win]]
    transfer: Callable[[TransferRow], None]
    pay: Callable[[int, int], None]
    balance: Callable[[int], BalanceRow]
    next_seed: Callable[[int], int]
    learn_tree: Callable[[PacketSeeds, TreeKey], None]

    def __init__(self) -> None:
        self.sponsors: dict[int, str] = {}
        self.campaigns: dict[int, CampaignRow] = {}
        self.next_numbers: dict[int, int] = {}
        self.states: dict[int, list[str]] = {}  # of a campaign, at each version; there is no version 0
        self.hours: dict[tuple[int, int], list[int]] = {}  # by campaign and hour

    def put_sponsor(self, user_id: int, name: str) -> None:
        self.sponsors[user_id] = name

    def campaign_of_key(self, sponsor_id: int, key: str) -> CampaignRow | None:
        return next(
            (one for one in self.campaigns.values() if (one.sponsor_id, one.key) == (sponsor_id, key)), None
        )

    def create_campaign(self, row: CampaignRow, kind: str, transfer: TransferRow, seeds: PacketSeeds) -> Created:
        if (earlier := self.campaign_of_key(row.sponsor_id, row.key)) is not None:
            return Created(earlier, None)
        if row.sponsor_id not in self.sponsors:
            raise NoSponsor
        if self.wallets.get(row.sponsor_id, 0) < row.budget_fen:
            raise NotEnoughMoney
        index = self.next_seed(row.sponsor_id)
        self.next_seeds[row.sponsor_id] = index + 1
        self.learn_tree(seeds, seeds.tree_of(row.sponsor_id, index))
        used = seeds.use(row.pool_packet(kind), index)
        assert used.commitment is not None
        made = row._replace(
            sponsor_name=self.sponsors[row.sponsor_id],
            seed_index=index,
            commitment=used.commitment,
            published_left=row.shares,
            published_at_ms=row.created_at_ms,
        )
        self.campaigns[row.campaign_id], self.next_numbers[row.campaign_id] = made, 0
        self.states[row.campaign_id] = ["", made.state]
        self.pay(row.sponsor_id, -row.budget_fen)
        self.transfer(transfer)
        self.journal.append(("campaign", row.campaign_id, row.sponsor_id, row.key, row.budget_fen))
        self.feed.notify(Topic.CHANGE, Change("campaign", row.campaign_id, made.version))
        return Created(made, self.balance(row.sponsor_id))

    def campaign_rows(self, campaign_ids: Collection[int]) -> dict[int, CampaignRow]:
        return {one: self.campaigns[one] for one in campaign_ids if one in self.campaigns}

    def open_campaigns(self) -> list[int]:
        return sorted(one.campaign_id for one in self.campaigns.values() if one.closed_at_ms is None)

    def change_campaign(self, campaign_id: int, state: str) -> CampaignRow | None:
        row = self.campaigns.get(campaign_id)
        if row is not None and row.state not in (state, "ended"):
            self.become(row._replace(state=state))
        return self.campaigns.get(campaign_id)

    def become(self, row: CampaignRow) -> None:
        """The next version; the trigger notifies."""
        row = self.campaigns[row.campaign_id] = row._replace(version=row.version + 1)
        self.states[row.campaign_id].append(row.state)
        self.feed.notify(Topic.CHANGE, Change("campaign", row.campaign_id, row.version))

    def end_due(self, now_ms: int) -> None:
        for row in list(self.campaigns.values()):
            if row.closed_at_ms is None and row.state != "ended" and row.ends_at_ms <= now_ms:
                self.become(row._replace(state="ended"))
                self.journal.append(("campaign_ended", row.campaign_id, asyncio.get_running_loop().time()))

    def leases_of(self, campaign_id: int) -> list[tuple[int, Lease]]:
        return [(packet_id, one) for packet_id, one in self.leases.items() if one.campaign_id == campaign_id]

    def progress(self, campaign_ids: Collection[int]) -> list[Progress]:
        return [
            Progress(row.campaign_id, row.published_left, row.published_at_ms, self.won(row.campaign_id))
            for row in self.campaign_rows(campaign_ids).values()
        ]

    def won(self, campaign_id: int) -> int:
        """Shares that are recorded as won."""
        return sum(self.packets[packet_id].version for packet_id, _ in self.leases_of(campaign_id))

    def publish(self, campaign_id: int, left: int, now_ms: int) -> None:
        row = self.campaigns[campaign_id]
        if row.published_left > left:
            self.campaigns[campaign_id] = row._replace(published_left=left, published_at_ms=now_ms)
            self.journal.append(("published", campaign_id, left, row.shares - self.won(campaign_id)))

    def may_close(self, row: CampaignRow) -> bool:
        """It has ended, its books are open, and no lease is."""
        is_open = any(one.closed_at_ms is None for _, one in self.leases_of(row.campaign_id))
        return row.state == "ended" and row.closed_at_ms is None and not is_open

    def close_campaign(self, campaign_id: int, now_ms: int, kind: int) -> Returned | None:
        row = self.campaigns[campaign_id]
        if not self.may_close(row):
            return None
        left_fen = row.budget_fen - sum(self.packets[one].claimed_fen for one, _ in self.leases_of(campaign_id))
        self.become(row._replace(closed_at_ms=now_ms, returned_fen=left_fen))
        balance = None
        if left_fen:
            self.transfer(TransferRow(campaign_id, row.sponsor_id, kind, "", left_fen, now_ms))
            self.pay(row.sponsor_id, left_fen)
            balance = self.balance(row.sponsor_id)
        self.journal.append(("campaign_returned", campaign_id, left_fen))
        return Returned(campaign_id, row.sponsor_id, left_fen, balance)

    def count_hours(self, counted: Sequence[tuple[int, int, int, int, int]]) -> None:
        for campaign_id, at_ms, *counts in counted:
            before = self.hours.setdefault((campaign_id, at_ms), [0, 0, 0])
            self.hours[campaign_id, at_ms] = [old + new for old, new in zip(before, counts, strict=True)]


class LeaseTables:
    """Leases of the numbers of pools, and the wins of users. Every method is one transaction."""

    packets: dict[int, PacketRow]
    claims: dict[int, list[ClaimRow]]
    journal: list[tuple[Any, ...]]
    feed: FeedTables
    campaigns: dict[int, CampaignRow]
    next_numbers: dict[int, int]
    transfer: Callable[[TransferRow], None]
    leases_of: Callable[[int], list[tuple[int, Lease]]]

    def __init__(self) -> None:
        self.leases: dict[int, Lease] = {}
        self.wins: dict[tuple[int, int], list[Win]] = {}  # by campaign and user

    def lease_plan(self, campaign_id: int) -> Plan:
        numbers = self.next_numbers[campaign_id], self.campaigns[campaign_id].shares
        rests = [(one.first_number, packet_id) for packet_id, one in self.leases_of(campaign_id) if has_rest(one)]
        if not rests:
            return Plan(*numbers, None, None, None)
        _, packet_id = min(rests)
        lease = self.leases[packet_id]
        assert lease.rest is not None
        return Plan(*numbers, packet_id, lease.first_number + lease.numbers - lease.rest, lease.rest)

    def take_lease(
        self, lease: LeaseRow, server_id: int, packet: PacketRow, transfer: TransferRow, rest_of: int | None
    ) -> bool:
        if self.campaigns[lease.campaign_id].state != "open":
            return False
        if rest_of is not None:
            if not self.is_rest(rest_of, lease.numbers):
                return False
            self.leases[rest_of].rest_lease = lease.packet_id
        elif not self.is_next(lease):
            return False
        else:
            self.next_numbers[lease.campaign_id] = lease.first_number + lease.numbers
        self.packets[packet.packet_id], self.claims[packet.packet_id] = packet._replace(), []
        self.leases[packet.packet_id] = Lease(*lease[1:], server_id)
        self.transfer(transfer)
        self.journal.append(("lease", *lease, packet.total_fen))
        return True

    def is_rest(self, packet_id: int, numbers: int) -> bool:
        """So many numbers are left of a closed lease, and were not leased again."""
        return has_rest(self.leases[packet_id]) and self.leases[packet_id].rest == numbers

    def is_next(self, lease: LeaseRow) -> bool:
        """No number of it was ever leased."""
        return self.next_numbers[lease.campaign_id] == lease.first_number

    def abandoned_leases(self, server_id: int, known: Collection[int], dead_s: float, most: int) -> list[int]:
        living = self.feed.others(server_id, dead_s)
        return [
            packet_id
            for packet_id, one in sorted(self.leases.items())
            if one.closed_at_ms is None
            and (packet_id not in known if one.server_id == server_id else one.server_id not in living)
        ][:most]

    def find_leases(self, packet_ids: Sequence[int]) -> dict[int, LeaseRow]:
        found = {one: self.leases[one] for one in packet_ids if one in self.leases}
        return {one: LeaseRow(one, row.campaign_id, row.first_number, row.numbers) for one, row in found.items()}

    def close_leases(self, packet_ids: Sequence[int], now_ms: int, kind: int) -> list[ClosedLease]:
        closed = []
        for packet_id in sorted(self.packets.keys() & set(packet_ids)):
            row, lease = self.packets[packet_id], self.leases[packet_id]
            if row.closed_at_ms is None:
                fen = row.total_fen - sum(claim.amount_fen for claim in self.claims[packet_id])
                self.packets[packet_id] = row._replace(closed_at_ms=now_ms, refunded_fen=fen)
                self.transfer(TransferRow(packet_id, row.target_id, kind, "", fen, now_ms))
                lease.closed_at_ms, lease.rest = now_ms, row.shares - row.version
                self.journal.append(("lease_returned", packet_id, lease.rest, fen))
                closed.append(ClosedLease(packet_id, lease.campaign_id, lease.rest, fen))
        return closed

    # --- wins -------------------------------------------------------------------------------------------------

    def count_wins(self, advances: Sequence[Advance]) -> dict[tuple[int, int], int]:
        """The n of each claim of a lease, by packet and index: the n-th win of its user."""
        counted: dict[tuple[int, int], int] = {}
        newest: dict[tuple[int, int], int] = {}
        for one in sorted(advances, key=lambda one: one.packet_id):
            lease = self.leases.get(one.packet_id) if one.wins is not Wins.NONE else None
            for claim in one.claims if lease is not None else ():
                assert lease is not None
                key = lease.campaign_id, claim.user_id
                newest[key] = newest.get(key, self.wins_until_now(*key)) + 1
                counted[one.packet_id, claim.index] = newest[key]
        return counted

    def wins_until_now(self, campaign_id: int, user_id: int) -> int:
        """The n of the newest win of a user."""
        wins = self.wins.get((campaign_id, user_id))
        return wins[-1].n if wins else 0

    def is_within_limit(self, one: Advance, counted: dict[tuple[int, int], int]) -> bool:
        """No claim that its user was not told of is more than the user may win."""
        if one.wins is not Wins.UNTOLD or one.packet_id not in self.leases:
            return True
        limit = self.campaigns[self.leases[one.packet_id].campaign_id].per_user_limit
        return all(counted[one.packet_id, claim.index] <= limit for claim in one.claims)

    def book_wins(self, one: Advance, counted: dict[tuple[int, int], int]) -> None:
        """With the claims. A lease that is full is closed."""
        lease, row = self.leases.get(one.packet_id), self.packets[one.packet_id]
        if one.wins is Wins.NONE or lease is None:
            return
        for claim in one.claims:
            n = counted[one.packet_id, claim.index]
            self.wins.setdefault((lease.campaign_id, claim.user_id), []).append(Win(n, one.packet_id, claim.index))
            self.wins[lease.campaign_id, claim.user_id].sort(key=lambda win: win.n)
        if row.closed_at_ms is not None:
            lease.closed_at_ms, lease.rest = row.closed_at_ms, 0

    def newest_wins(self, asked: Sequence[tuple[int, int]]) -> dict[tuple[int, int], WinRow]:
        found = {key: self.wins[key][-1] for key in asked if self.wins.get(key)}
        return {
            key: WinRow(*key, win.n, win.packet_id, win.index, self.claims[win.packet_id][win.index].amount_fen)
            for key, win in found.items()
        }


def has_rest(lease: Lease) -> bool:
    """Numbers of it were not won, and not leased again."""
    return bool(lease.rest) and lease.rest_lease is None
