"""Simulated tables: the state that PostgreSQL keeps, with the rules of its statements and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

import asyncpg

from server.core.ids import is_user
from server.core.kinds import PacketKind
from server.core.ledger import TransferKind
from storage.postgres.chat.groups import ProfileRow
from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import ReminderKind
from storage.postgres.money.settlement import Backlog, Credit
from storage.postgres.money.wallet_orders import Ordered
from storage.postgres.money.wallets import EMPTY_ROW, Booked, HoldingRow, TransferRow
from storage.postgres.packets.packets import Advance, ClaimRow, PacketRow
from storage.postgres.packets.refunds import RefundRow
from storage.postgres.packets.seed_trees import PacketSeeds
from storage.postgres.packets.sends import Sent, Unsent
from tests.sim.bank.tables import CardTables, PaymentTables
from tests.sim.campaigns.tables import CampaignTables, LeaseTables
from tests.sim.change_feed import FeedTables
from tests.sim.group_tables import GroupTables
from tests.sim.kinds.bill_tables import BillTables
from tests.sim.kinds.tables import AdmissionTables, ScheduledTables, WordTables
from tests.sim.money_tables import MoneyTables
from tests.sim.people_tables import PeopleTables
from tests.sim.post_tables import PostTables
from tests.sim.seed_tables import SeedTables

SUBJECTS = (
    MoneyTables,
    PostTables,
    PeopleTables,
    GroupTables,
    SeedTables,
    PaymentTables,
    CardTables,
    ScheduledTables,
    WordTables,
    AdmissionTables,
    BillTables,
    CampaignTables,
    LeaseTables,
)


class Tables(
    GroupTables,
    PeopleTables,
    MoneyTables,
    PostTables,
    SeedTables,
    PaymentTables,
    CardTables,
    ScheduledTables,
    WordTables,
    AdmissionTables,
    BillTables,
    CampaignTables,
    LeaseTables,
):
    """All tables. Every method is one transaction: all of it at one moment, or nothing."""

    def __init__(self) -> None:
        for subject in SUBJECTS:
            subject.__init__(self)
        self.feed = FeedTables()
        self.packets: dict[int, PacketRow] = {}
        self.by_key: dict[tuple[int, str], int] = {}
        self.claims: dict[int, list[ClaimRow]] = {}
        self.queue: list[tuple[int, int, int, int]] = []  # packet, user, amount, time
        self.best_lucks: dict[int, ClaimRow] = {}
        self.posts: dict[int, dict[int, int]] = {}  # packet -> stream -> message
        self.refunders: dict[int, object] = {}  # of packets that were refunded at their end: the store that did it

    # --- packets ----------------------------------------------------------------------------------------------

    def load(self, packet_ids: Sequence[int]) -> tuple[dict[int, PacketRow], dict[int, list[ClaimRow]]]:
        rows = self.rows(packet_ids)
        return rows, {packet_id: list(self.claims[packet_id]) for packet_id in rows}

    def rows(self, packet_ids: Sequence[int]) -> dict[int, PacketRow]:
        return {packet_id: self.row(packet_id) for packet_id in packet_ids if packet_id in self.packets}

    def row(self, packet_id: int) -> PacketRow:
        """As it is told: whether a packet is hidden is told only here."""
        row = self.packets[packet_id]
        return row if row.send_at_ms is None else row._replace(is_hidden=self.is_hidden(packet_id))

    def fits(self, one: Advance) -> bool:
        """The version is still the recorded one, and the packet is not closed."""
        row = self.packets.get(one.packet_id)
        return row is not None and row.version == one.version and row.closed_at_ms is None

    def record(self, advances: Sequence[Advance]) -> set[int]:
        wins = self.count_wins(advances)
        moved = [one for one in advances if self.fits(one) and self.is_within_limit(one, wins)]
        for one in moved:
            self.check_advance(one)
        wins = self.count_wins(moved)
        for one in moved:
            self.advance(one)
            self.book_wins(one, wins)
        return {one.packet_id for one in moved}

    def check_advance(self, one: Advance) -> None:
        """The constraints of packets and claims."""
        row, held = self.packets[one.packet_id], self.claims[one.packet_id]
        users = [claim.user_id for claim in held] + [claim.user_id for claim in one.claims]
        indexes = [claim.index for claim in held] + [claim.index for claim in one.claims]
        if len(set(users)) < len(users) or len(set(indexes)) < len(indexes):
            raise asyncpg.UniqueViolationError("claims")
        fen = row.claimed_fen + sum(claim.amount_fen for claim in one.claims)
        version = row.version + len(one.claims)
        low, high = version * row.share_fen_min, version * row.share_fen_max
        sums_fit = low <= fen <= min(high, row.total_fen) and (version < row.shares) == (fen < row.total_fen)
        if version > row.shares or not sums_fit or any(claim.amount_fen <= 0 for claim in one.claims):
            raise asyncpg.CheckViolationError("packets")

    def advance(self, one: Advance) -> None:
        row = self.packets[one.packet_id]
        version = row.version + len(one.claims)
        self.packets[one.packet_id] = row._replace(
            version=version,
            claimed_fen=row.claimed_fen + sum(claim.amount_fen for claim in one.claims),
            closed_at_ms=one.claims[-1].at_ms if version == row.shares else None,
        )
        for claim in one.claims:
            made = ClaimRow(one.packet_id, claim.index, claim.user_id, claim.amount_fen, claim.at_ms)
            self.claims[one.packet_id].append(made)
            self.queue.append((one.packet_id, claim.user_id, claim.amount_fen, claim.at_ms))
            self.journal.append(("claim", *made))

    def due(self, now_ms: int, most: int) -> list[int]:
        """Not leases of campaigns, nor packets that wait: others take those, first."""
        found = [
            row
            for row in self.packets.values()
            if row.closed_at_ms is None
            and row.expires_at_ms <= now_ms
            and row.kind != PacketKind.SHAKE
            and not self.waits(row.packet_id)
        ]
        return [row.packet_id for row in sorted(found, key=lambda row: row.expires_at_ms)[:most]]

    def refund(self, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
        paid, xid = [], self.next_transaction()
        for packet_id in sorted(self.packets.keys() & set(packet_ids)):
            row = self.packets[packet_id]
            if row.closed_at_ms is None:
                paid.append(self.pay_back(row, sum(claim.amount_fen for claim in self.claims[packet_id]), now_ms))
        for sender_id in sorted({one.sender_id for one in paid}):
            mine = [one.packet_id for one in paid if one.sender_id == sender_id]
            self.leave(sender_id, ReminderKind.REFUND, mine, now_ms)
        return [
            RefundRow(one.packet_id, one.sender_id, one.refunded_fen, now_ms, self.balance(one.sender_id), xid)
            for one in paid
        ]

    def find_refunds(self, refunds: Sequence[RefundRow]) -> list[RefundRow | None]:
        return [
            one._replace(balance=self.balance(one.sender_id)) if self.is_made(one.made) else None for one in refunds
        ]

    def pay_back(self, row: PacketRow, claimed_fen: int, now_ms: int) -> PacketRow:
        fen = row.total_fen - claimed_fen
        closed = self.packets[row.packet_id] = row._replace(closed_at_ms=now_ms, refunded_fen=fen)
        self.transfer(TransferRow(row.packet_id, row.sender_id, TransferKind.REFUND, "", fen, now_ms))
        self.pay(row.sender_id, fen)
        self.journal.append(("refund", row.packet_id, fen))
        return closed

    def claims_of(self, asked: Iterable[tuple[int, int, int]]) -> dict[int, list[ClaimRow]]:
        found: dict[int, list[ClaimRow]] = {}
        for packet_id, first, end in sorted(asked):
            if some := self.claims.get(packet_id, [])[first:end]:
                found.setdefault(packet_id, []).extend(some)
        return found

    def newest_of(self, user_ids: Sequence[int], stream_ids: Sequence[int], since_ms: int) -> list[MessageRow]:
        """The last message of each of these streams, and of those of these users, if it is not older."""
        groups = {row.stream_id for user_id in user_ids for row in self.streams_of_user(user_id)}
        found = [self.last_message(stream_id) for stream_id in sorted({*user_ids, *stream_ids, *groups})]
        return [row for row in found if row is not None and row.at_ms >= since_ms]

    def last_message(self, stream_id: int) -> MessageRow | None:
        """The message of a stream with the highest number: a reminder, or the post of a packet."""
        number = self.streams.get(stream_id, 0)
        if reminders := self.reminders_since(stream_id, number):
            return reminders[-1]
        for packet_id, numbers in self.posts.items():
            if number and numbers.get(stream_id) == number:
                row = self.packets[packet_id]
                return MessageRow(stream_id, number, row.sender_id, row.created_at_ms, None, packet_id)
        return None

    def post_waiting(self, most: int, poster: object) -> list[MessageRow]:
        posts = self.post(most, lambda one: (self.packets[one].version, self.packets[one].shares))
        self.posters |= {(post.stream_id, post.message): poster for post in posts}
        return posts

    # --- sends and settlement ---------------------------------------------------------------------------------

    def send(
        self, rows: Sequence[PacketRow], transfer_of: Any, streams_of: Any, seeds: PacketSeeds
    ) -> list[Sent | Unsent]:
        results: dict[tuple[int, str], Sent | Unsent] = {}
        for row in rows:
            key = (row.sender_id, row.key)
            if key not in results:
                results[key] = self.send_one(row, transfer_of, streams_of, seeds)
        return [self.as_seen_by(row, results[row.sender_id, row.key]) for row in rows]

    def as_seen_by(self, row: PacketRow, sent: Sent | Unsent) -> Sent | Unsent:
        """The balance is that after the whole batch; a key that came twice returns its packet without messages."""
        if isinstance(sent, Unsent):
            return sent
        return (
            Sent(sent.row, self.balance(row.sender_id), sent.messages)
            if sent.row.packet_id == row.packet_id and sent.balance != EMPTY_ROW
            else Sent(sent.row, EMPTY_ROW, {})
        )

    def sent_before(self, sender_id: int, key: str) -> PacketRow | None:
        packet_id = self.by_key.get((sender_id, key))
        return None if packet_id is None else self.packets[packet_id]

    def send_one(self, row: PacketRow, transfer_of: Any, streams_of: Any, seeds: PacketSeeds) -> Sent | Unsent:
        before = self.sent_before(row.sender_id, row.key)
        if before is not None:
            return Sent(before, EMPTY_ROW, {})
        if self.is_banned(row.sender_id):
            return Unsent.BANNED
        if is_user(row.target_id) and (row.target_id not in self.users or self.is_banned(row.target_id)):
            return Unsent.NO_SUCH_USER
        if self.has_failed_bill(row):
            return Unsent.BILL_FAILED
        if row.send_at_ms is not None and self.has_too_many(row.sender_id):
            return Unsent.LIMIT
        if self.wallets.get(row.sender_id, 0) < row.total_fen:
            return Unsent.NOT_ENOUGH_MONEY
        self.pay(row.sender_id, -row.total_fen)
        index = self.next_seed(row.sender_id)
        self.next_seeds[row.sender_id] = index + 1
        self.learn_tree(seeds, seeds.tree_of(row.sender_id, index))
        row = seeds.use(row, index)
        self.packets[row.packet_id], self.claims[row.packet_id] = row._replace(), []  # a row of its own
        self.by_key[row.sender_id, row.key] = row.packet_id
        self.transfer(transfer_of(row))
        self.journal.append(("send", row.packet_id, row.sender_id, row.key, row.total_fen))
        if row.send_at_ms is not None:
            self.schedule(row)
        numbers = self.announce(row, streams_of(row) if row.send_at_ms is None else ())
        return Sent(row, self.balance(row.sender_id), numbers)

    def find_outcome(self, rows: Sequence[PacketRow]) -> list[Sent | None]:
        return [
            Sent(self.sent_row(row), self.balance(row.sender_id), self.posts[row.packet_id])
            if row.packet_id in self.posts
            else None
            for row in rows
        ]

    def sent_row(self, row: PacketRow) -> PacketRow:
        """A packet as it was sent, with the seed that it got."""
        sent = self.packets[row.packet_id]
        return row._replace(seed_index=sent.seed_index, client_seed=sent.client_seed, commitment=sent.commitment)

    def settle(self, most: int, now_ms: int, best_luck_kinds: Sequence[str]) -> tuple[int, list[Credit]]:
        self.queue.sort(key=lambda one: -one[2])
        taken, self.queue = self.queue[:most], self.queue[most:]
        made: dict[int, list[tuple[int, int]]] = {}
        xid = self.next_transaction()
        for packet_id, user_id, fen, _ in taken:
            if self.credit(packet_id, user_id, fen, now_ms, xid):
                made.setdefault(user_id, []).append((packet_id, fen))
        credited = [(one, user) for user, paid in made.items() for one, _ in paid if one not in self.leases]
        over = self.finished_by(credited)
        self.find_best_lucks(over, best_luck_kinds)
        self.post_credits({packet_id for packet_id, _ in credited}, over, now_ms)
        return len(taken), [
            Credit(user_id, min(one)[0], len(one), sum(fen for _, fen in one), now_ms, self.balance(user_id), xid)
            for user_id, one in sorted(made.items())
        ]

    def finished_by(self, credited: Sequence[tuple[int, int]]) -> set[int]:
        """The packets whose last claim is among these. Leases are left out: only the winner is told."""
        rows = {packet_id: self.packets[packet_id] for packet_id, _ in credited}
        full = {packet_id for packet_id, row in rows.items() if row.version == row.shares}
        return {one for one, user_id in credited if one in full and self.claims[one][-1].user_id == user_id}

    def find_best_lucks(self, over: Iterable[int], best_luck_kinds: Sequence[str]) -> None:
        """The largest claim, the earliest on a tie."""
        for packet_id in over:
            if self.packets[packet_id].kind in best_luck_kinds:
                claims = self.claims[packet_id]
                self.best_lucks[packet_id] = max(claims, key=lambda claim: (claim.amount_fen, -claim.index))

    def best_lucks_of(self, packet_ids: Sequence[int]) -> dict[int, ClaimRow]:
        return {packet_id: self.best_lucks[packet_id] for packet_id in packet_ids if packet_id in self.best_lucks}

    def holding(self, user_id: int) -> HoldingRow:
        return HoldingRow(self.balance(user_id), sum(one[2] for one in self.queue if one[1] == user_id))

    def profile(self, user_id: int) -> ProfileRow:
        """What a user finds at login."""
        access = self.access(user_id) if user_id in self.users else None
        return ProfileRow(self.holding(user_id), self.streams_of_user(user_id), access)

    def backlog(self) -> Backlog:
        fen, times_ms = sum(one[2] for one in self.queue), [one[3] for one in self.queue]
        return Backlog(len(self.queue), fen, min(times_ms, default=None))

    def post_credits(self, touched: Set[int], over: Set[int], now_ms: int) -> None:
        """To the sender the claims on a packet that is not full, to sender and group the finish."""
        posts: dict[tuple[int, int], list[int]] = {}
        for packet_id in sorted(touched):
            row = self.packets[packet_id]
            if row.version < row.shares:
                posts.setdefault((row.sender_id, ReminderKind.CLAIMS), []).append(packet_id)
            if packet_id in over:
                for stream_id in {row.sender_id} | ({row.target_id} if not is_user(row.target_id) else set()):
                    posts.setdefault((stream_id, ReminderKind.FINISH), []).append(packet_id)
        for stream_id, reminder in sorted(posts):
            self.leave(stream_id, reminder, posts[stream_id, reminder], now_ms)

    def settled(self, credits: Sequence[Credit]) -> list[Credit | None]:
        return [self.settled_one(credit) for credit in credits]

    def settled_one(self, credit: Credit) -> Credit | None:
        return credit._replace(balance=self.balance(credit.user_id)) if self.is_made(credit.made) else None

    def is_credited(self, packet_id: int, user_id: int) -> bool:
        return (packet_id, user_id, TransferKind.CLAIM, "") in self.transfers

    def whose(self, made: Any) -> int:
        """The stream that was posted in, or the user whose wallet was changed."""
        if isinstance(made, MessageRow):
            return made.stream_id
        if isinstance(made, RefundRow):
            return made.sender_id
        if isinstance(made, Booked):
            return made.transfer.credit_account or made.transfer.debit_account
        return int(made.order.user_id if isinstance(made, Ordered) else made.user_id)

    def credit(self, packet_id: int, user_id: int, fen: int, now_ms: int, xid: int) -> bool:
        row = TransferRow(packet_id, user_id, TransferKind.CLAIM, "", fen, now_ms)
        if row[:4] in self.transfers:
            return False
        self.transfer(row)
        self.made_in[row[:4]] = xid
        self.pay(user_id, fen)
        self.journal.append(("credit", packet_id, user_id, fen))
        return True
