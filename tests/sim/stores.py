"""Simulated stores: tables and logs in memory that keep what the SQL and the Lua keep, by the same interfaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence, Set
from types import SimpleNamespace
from typing import Any

import asyncpg

from server.core.ids import is_user
from server.core.kinds import WITH_BEST_LUCK
from server.core.ledger import TransferKind
from storage.errors import StoreUnavailable
from storage.postgres.chat import grab_stats, groups, outbox
from storage.postgres.chat.grab_stats import GrabStatRow
from storage.postgres.chat.groups import GroupRow
from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import Numbered, OutboxRow, ReminderKind, folded, message_of
from storage.postgres.money import settlement, wallets
from storage.postgres.money.settlement import Backlog, Credit, Unanswered
from storage.postgres.money.wallets import (
    EMPTY_ROW,
    BalanceRow,
    Booked,
    KeyReused,
    Moved,
    NotEnoughMoney,
    TransferRow,
)
from storage.postgres.packets import packets, sends
from storage.postgres.packets.packets import Advance, ClaimRow, PacketRow, RefundRow
from storage.postgres.packets.sends import Sent
from storage.redis import mirror
from storage.redis.mirror import CLOSING, HEAD, Extension, Log
from storage.stores import Stores

CLAIM_BYTES = mirror.length(1) - mirror.length(0)


class Tables:
    """What PostgreSQL holds. Every method is one transaction: all of it at one moment, or nothing."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.groups: dict[int, GroupRow] = {}
        self.packets: dict[int, PacketRow] = {}
        self.by_key: dict[tuple[int, str], int] = {}
        self.claims: dict[int, list[ClaimRow]] = {}
        self.queue: list[tuple[int, int, int, int]] = []  # packet, user, amount, time
        self.best_lucks: dict[int, ClaimRow] = {}
        self.transfers: dict[tuple[int, int, int, str], TransferRow] = {}
        self.wallets: dict[int, int] = {}
        self.changes: dict[int, list[int]] = {}  # user -> what was in the wallet after each change
        self.streams: dict[int, int] = {}
        self.posts: dict[int, dict[int, int]] = {}  # packet -> stream -> message
        self.outbox: list[OutboxRow] = []
        self.outbox_rows = 0
        self.inboxes: dict[int, list[MessageRow]] = {}  # reminders by stream
        self.grab_stats: dict[tuple[int, int], GrabStatRow] = {}  # by group and user
        self.journal: list[tuple[Any, ...]] = []  # what was done, in its order: the second opinion of the checks

    # --- packets ----------------------------------------------------------------------------------------------

    def load(self, packet_ids: Sequence[int]) -> tuple[dict[int, PacketRow], dict[int, list[ClaimRow]]]:
        rows = self.rows(packet_ids)
        return rows, {packet_id: list(self.claims[packet_id]) for packet_id in rows}

    def rows(self, packet_ids: Sequence[int]) -> dict[int, PacketRow]:
        return {packet_id: self.packets[packet_id] for packet_id in packet_ids if packet_id in self.packets}

    def fits(self, one: Advance) -> bool:
        """The version is still the recorded one, and the packet is not closed."""
        row = self.packets.get(one.packet_id)
        return row is not None and row.version == one.version and row.closed_at_ms is None

    def record(self, advances: Sequence[Advance]) -> set[int]:
        moved = [one for one in advances if self.fits(one)]
        for one in moved:
            self.check_advance(one)
        for one in moved:
            self.advance(one)
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
        found = [row for row in self.packets.values() if row.closed_at_ms is None and row.expires_at_ms <= now_ms]
        return [row.packet_id for row in sorted(found, key=lambda row: row.expires_at_ms)[:most]]

    def refund(self, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
        paid = []
        for packet_id in sorted(self.packets.keys() & set(packet_ids)):
            row = self.packets[packet_id]
            if row.closed_at_ms is None:
                paid.append(self.pay_back(row, sum(claim.amount_fen for claim in self.claims[packet_id]), now_ms))
        return [
            RefundRow(one.packet_id, one.sender_id, one.refunded_fen, self.balance(one.sender_id)) for one in paid
        ]

    def find_refunds(self, tries: Sequence[tuple[int, int]]) -> list[RefundRow | None]:
        return [self.recall_refund(self.packets.get(packet_id), at_ms) for packet_id, at_ms in tries]

    def recall_refund(self, row: PacketRow | None, at_ms: int) -> RefundRow | None:
        if row is None or row.closed_at_ms != at_ms or not row.refunded_fen:
            return None
        return RefundRow(row.packet_id, row.sender_id, row.refunded_fen, self.balance(row.sender_id))

    def pay_back(self, row: PacketRow, claimed_fen: int, now_ms: int) -> PacketRow:
        fen = row.total_fen - claimed_fen
        closed = self.packets[row.packet_id] = row._replace(closed_at_ms=now_ms, refunded_fen=fen)
        self.transfer(TransferRow(row.packet_id, row.sender_id, TransferKind.REFUND, "", fen, now_ms))
        self.pay(row.sender_id, fen)
        self.leave(row.sender_id, ReminderKind.REFUND, row.packet_id, None, now_ms)
        self.journal.append(("refund", row.packet_id, fen))
        return closed

    def leave(self, stream_id: int, reminder: int, packet_id: int, user_ids: list[int] | None, at_ms: int) -> None:
        """A row of the outbox."""
        self.outbox_rows += 1
        self.outbox.append(OutboxRow(self.outbox_rows, stream_id, reminder, packet_id, user_ids, at_ms, None))

    def number(self, most: int) -> Numbered:
        rows, posts = self.outbox[:most], []
        for group in folded(rows):
            message = group[0].message
            if message is None:
                message = self.streams[group[0].stream_id] = self.streams.get(group[0].stream_id, 0) + 1
                self.inboxes.setdefault(group[0].stream_id, []).append(message_of(group, message))
                done = {row.outbox_id for row in group}
                self.outbox = [
                    row._replace(message=message) if row.outbox_id in done else row for row in self.outbox
                ]
            posts.append(message_of(group, message))
        return Numbered(posts, [row.outbox_id for row in rows])

    def forget(self, outbox_ids: Sequence[int]) -> None:
        self.outbox = [row for row in self.outbox if row.outbox_id not in set(outbox_ids)]

    def claims_of(self, claimed: Set[tuple[int, int]]) -> dict[int, list[ClaimRow]]:
        packet_ids = sorted({packet_id for packet_id, _ in claimed} & self.claims.keys())
        held = [claim for packet_id in packet_ids for claim in self.claims[packet_id]]
        found: dict[int, list[ClaimRow]] = {}
        for claim in held:
            if (claim.packet_id, claim.user_id) in claimed:
                found.setdefault(claim.packet_id, []).append(claim)
        return found

    def pay(self, user_id: int, change_fen: int) -> None:
        self.wallets[user_id] = self.wallets.get(user_id, 0) + change_fen
        self.changes.setdefault(user_id, []).append(self.wallets[user_id])

    def balance(self, user_id: int) -> BalanceRow:
        return BalanceRow(self.wallets.get(user_id, 0), len(self.changes.get(user_id, ())))

    def transfer(self, row: TransferRow) -> None:
        if row[:4] in self.transfers:
            raise asyncpg.UniqueViolationError("transfers")
        self.transfers[row[:4]] = row

    # --- sends, settlement, wallets ---------------------------------------------------------------------------

    def send(self, rows: Sequence[PacketRow], transfer_of: Any, streams_of: Any) -> list[Sent | None]:
        results: dict[tuple[int, str], Sent | None] = {}
        for row in rows:
            key = (row.sender_id, row.key)
            if key not in results:
                results[key] = self.send_one(row, transfer_of, streams_of)
        return [self.as_seen_by(row, results[row.sender_id, row.key]) for row in rows]

    def as_seen_by(self, row: PacketRow, sent: Sent | None) -> Sent | None:
        """The balance is that after the whole batch; a key that came twice returns its packet without messages."""
        if sent is None:
            return None
        return (
            Sent(row, self.balance(row.sender_id), sent.messages)
            if sent.row is row
            else Sent(sent.row, EMPTY_ROW, {})
        )

    def sent_before(self, sender_id: int, key: str) -> PacketRow | None:
        packet_id = self.by_key.get((sender_id, key))
        return None if packet_id is None else self.packets[packet_id]

    def send_one(self, row: PacketRow, transfer_of: Any, streams_of: Any) -> Sent | None:
        before = self.sent_before(row.sender_id, row.key)
        if before is not None:
            return Sent(before, EMPTY_ROW, {})
        if self.wallets.get(row.sender_id, 0) < row.total_fen:
            return None
        self.pay(row.sender_id, -row.total_fen)
        self.packets[row.packet_id], self.claims[row.packet_id] = row._replace(), []  # a row of its own
        self.by_key[row.sender_id, row.key] = row.packet_id
        self.transfer(transfer_of(row))
        self.journal.append(("send", row.packet_id, row.sender_id, row.key, row.total_fen))
        numbers = {stream_id: self.streams.get(stream_id, 0) + 1 for stream_id in streams_of(row)}
        self.streams |= numbers
        self.posts[row.packet_id] = numbers
        return Sent(row, self.balance(row.sender_id), numbers)

    def find_outcome(self, rows: Sequence[PacketRow]) -> list[Sent | None]:
        return [
            Sent(row, self.balance(row.sender_id), self.posts[row.packet_id])
            if row.packet_id in self.posts
            else None
            for row in rows
        ]

    def settle(self, most: int, now_ms: int, best_luck_kinds: Sequence[str]) -> tuple[int, list[Credit]]:
        self.queue.sort(key=lambda one: -one[2])
        taken, self.queue = self.queue[:most], self.queue[most:]
        made: dict[int, list[tuple[int, int]]] = {}
        for packet_id, user_id, fen, _ in taken:
            if self.credit(packet_id, user_id, fen, now_ms):
                made.setdefault(user_id, []).append((packet_id, fen))
        credited = [(packet_id, user) for user, one in made.items() for packet_id, _ in one]
        self.find_best_lucks({packet_id for packet_id, _ in credited}, best_luck_kinds)
        self.post_credits(credited, now_ms)
        return len(taken), [
            Credit(user_id, min(one)[0], len(one), sum(fen for _, fen in one), now_ms, self.balance(user_id))
            for user_id, one in sorted(made.items())
        ]

    def find_best_lucks(self, packet_ids: Iterable[int], best_luck_kinds: Sequence[str]) -> None:
        """Of those that are finished: the largest claim, the earliest on a tie."""
        for packet_id in packet_ids:
            row, claims = self.packets[packet_id], self.claims[packet_id]
            if row.kind in best_luck_kinds and row.version == row.shares:
                self.best_lucks[packet_id] = max(claims, key=lambda claim: (claim.amount_fen, -claim.index))

    def best_lucks_of(self, packet_ids: Sequence[int]) -> dict[int, ClaimRow]:
        return {packet_id: self.best_lucks[packet_id] for packet_id in packet_ids if packet_id in self.best_lucks}

    def backlog(self) -> Backlog:
        fen, times_ms = sum(one[2] for one in self.queue), [one[3] for one in self.queue]
        return Backlog(len(self.queue), fen, min(times_ms, default=None))

    def post_credits(self, credited: Sequence[tuple[int, int]], now_ms: int) -> None:
        """To the sender the claims and the finish, to the group the finish, with the last claim."""
        for packet_id in sorted({packet_id for packet_id, _ in credited}):
            users = [user_id for one, user_id in credited if one == packet_id]
            row, last = self.packets[packet_id], self.claims[packet_id][-1]
            self.leave(row.sender_id, ReminderKind.CLAIMS, packet_id, users, now_ms)
            if row.version == row.shares and last.user_id in users:
                self.leave(row.sender_id, ReminderKind.FINISH, packet_id, None, now_ms)
                if not is_user(row.target_id):
                    self.leave(row.target_id, ReminderKind.FINISH, packet_id, None, now_ms)

    def settled(self, credits: Sequence[Credit]) -> list[Credit | None]:
        return [self.settled_one(credit) for credit in credits]

    def settled_one(self, credit: Credit) -> Credit | None:
        row = self.transfers.get((credit.packet_id, credit.user_id, TransferKind.CLAIM, ""))
        found = row is not None and row.at_ms == credit.at_ms
        return credit._replace(balance=self.balance(credit.user_id)) if found else None

    def credit(self, packet_id: int, user_id: int, fen: int, now_ms: int) -> bool:
        row = TransferRow(packet_id, user_id, TransferKind.CLAIM, "", fen, now_ms)
        if row[:4] in self.transfers:
            return False
        self.transfer(row)
        self.pay(user_id, fen)
        self.journal.append(("credit", packet_id, user_id, fen))
        return True

    def move(self, row: TransferRow, user_id: int, change_fen: int) -> Moved:
        balance_fen = self.wallets.get(user_id, 0)
        if row[:4] in self.transfers:
            if self.transfers[row[:4]].amount_fen != row.amount_fen:
                raise KeyReused
            return Moved(self.balance(user_id), moved_now=False)
        if balance_fen + change_fen < 0:
            raise NotEnoughMoney
        self.transfer(row)
        self.pay(user_id, change_fen)
        self.journal.append(("move", user_id, change_fen, row.key))
        return Moved(self.balance(user_id), moved_now=True)

    def moved(self, rows: Sequence[TransferRow], user_ids: Sequence[int]) -> list[Booked | None]:
        return [
            Booked(row, self.balance(user_id)) if self.booked_at_ms(row) == row.at_ms else None
            for row, user_id in zip(rows, user_ids, strict=True)
        ]

    def booked_at_ms(self, row: TransferRow) -> int | None:
        """When the transfer with these accounts, this kind and this key was recorded."""
        booked = self.transfers.get(row[:4])
        return None if booked is None else booked.at_ms

    # --- grab statistics --------------------------------------------------------------------------------------

    def add_grab_stats(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        for new in rows:
            old = self.grab_stats.get(new[:2])
            if old is not None:
                sums = [before + added for before, added in zip(old[2:5], new[2:5], strict=True)]
                new = GrabStatRow(*new[:2], *sums, [*old.recent_ms, *new.recent_ms][-recent_max:])
            self.grab_stats[new[:2]] = new

    def grab_stats_of(self, group_id: int) -> list[GrabStatRow]:
        return [row for row in self.grab_stats.values() if row.group_id == group_id]


class Logs:
    """What Redis holds: logs as bytes, and when they lapse."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._bytes: dict[int, bytes] = {}
        self._lapses_s: dict[int, float] = {}

    def get(self, packet_id: int) -> bytes:
        if self._lapses_s.get(packet_id, self._now_s() + 1) <= self._now_s():
            self.drop(packet_id)
        return self._bytes.get(packet_id, b"")

    def drop(self, packet_id: int) -> None:
        self._bytes.pop(packet_id, None)
        self._lapses_s.pop(packet_id, None)

    def set(self, packet_id: int, log: bytes) -> None:
        self._bytes[packet_id] = log

    def ids(self) -> list[int]:
        return sorted(packet_id for packet_id in list(self._bytes) if self.get(packet_id))

    def flush(self) -> None:
        self._bytes.clear()
        self._lapses_s.clear()

    def fits(self, one: Extension) -> bool:
        return len(self.get(one.packet_id)) == one.seen

    def append(self, extensions: Sequence[Extension]) -> set[int]:
        refused = set()
        for one in extensions:
            if not self.fits(one):
                refused.add(one.packet_id)
                continue
            if one.image:
                self._lapses_s.pop(one.packet_id, None)  # SET takes the lifetime away, APPEND does not
            self.set(one.packet_id, (one.image or self.get(one.packet_id)) + one.claims)
        return refused

    def close(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        found = {packet_id: self.get(packet_id) for packet_id in packet_ids}
        for packet_id, log in found.items():
            if not log:
                self.set(packet_id, HEAD + CLOSING)
            elif (len(log) - len(HEAD)) % CLAIM_BYTES == 0:
                self.set(packet_id, log + CLOSING)
        return {packet_id: mirror.parse(log) for packet_id, log in found.items()}

    def read(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        return {packet_id: mirror.parse(self.get(packet_id)) for packet_id in packet_ids}

    def forget(self, packet_ids: Sequence[int]) -> None:
        for packet_id in packet_ids:
            if self.get(packet_id):
                self._lapses_s[packet_id] = self._now_s() + mirror._FORGET_MS / 1000

    def lasting(self) -> list[int]:
        return [packet_id for packet_id in self.ids() if packet_id not in self._lapses_s]


# --- the interfaces: one set of these a server, all on the same tables and logs -------------------------------


class SimPackets(packets.PacketStore):
    """`record` is the real one, with its retry one by one."""

    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres
        self._record_turn, self._refund_turn = asyncio.Lock(), asyncio.Lock()

    async def load(self, packet_ids: Sequence[int]) -> Any:
        return await self._line.call("load", lambda: self._tables.load(packet_ids))

    async def rows(self, packet_ids: Sequence[int]) -> Any:
        return await self._line.call("rows", lambda: self._tables.rows(packet_ids))

    async def _record_together(self, advances: Sequence[Advance]) -> set[int]:
        frozen = [one._replace(claims=list(one.claims)) for one in advances]  # sent: no longer the caller's
        async with self._record_turn:
            return await self._line.call("record", lambda: self._tables.record(frozen))

    async def due(self, now_ms: int, most: int) -> list[int]:
        return await self._line.call("due", lambda: self._tables.due(now_ms, most))

    async def refund(self, packet_ids: Sequence[int], now_ms: int) -> list[RefundRow]:
        frozen = list(packet_ids)
        async with self._refund_turn:
            return await self._line.call("refund", lambda: self._tables.refund(frozen, now_ms))

    async def find_refunds(self, tries: Sequence[tuple[int, int]]) -> list[RefundRow | None]:
        return await self._line.call("recall_refunds", lambda: self._tables.find_refunds(tries))


class SimSends(sends.SendStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line, self._turn = place.tables, place.postgres, asyncio.Lock()

    async def record(self, rows: Sequence[PacketRow], transfer_of: Any, streams_of: Any) -> list[Sent | None]:
        async with self._turn:
            return await self._line.call("send", lambda: self._tables.send(rows, transfer_of, streams_of))

    async def find_outcome(self, rows: Sequence[PacketRow], streams_of: Any) -> list[Sent | None]:
        return await self._line.call("recall", lambda: self._tables.find_outcome(rows))

    async def before(self, sender_id: int, key: str) -> PacketRow | None:
        return await self._line.call("before", lambda: self._tables.sent_before(sender_id, key))


class SimSettlement(settlement.SettlementQueue):
    def __init__(self, place: Any, best_luck_kinds: Sequence[str]) -> None:
        self._tables, self._line, self._turn = place.tables, place.postgres, asyncio.Lock()
        self._best_luck_kinds = best_luck_kinds

    async def settle(self, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        credits: list[Credit] = []

        def settle() -> tuple[int, list[Credit]]:
            taken, made = self._tables.settle(most, now_ms, self._best_luck_kinds)
            credits.extend(made)
            return taken, made

        async with self._turn:
            try:
                return await self._line.call("settle", settle)
            except StoreUnavailable as error:
                raise Unanswered(error, credits) from error

    async def find_outcome(self, credits: Sequence[Credit]) -> list[Credit | None]:
        return await self._line.call("settled", lambda: self._tables.settled(credits))

    async def backlog(self) -> Backlog:
        return await self._line.call("backlog", self._tables.backlog)


class SimOutbox(outbox.OutboxStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line, self._turn = place.tables, place.postgres, asyncio.Lock()

    async def number(self, most: int) -> Numbered:
        async with self._turn:
            return await self._line.call("number", lambda: self._tables.number(most))

    async def forget(self, outbox_ids: Sequence[int]) -> None:
        async with self._turn:
            await self._line.call("forget_posts", lambda: self._tables.forget(outbox_ids))

    async def claims(self, claimed: Iterable[tuple[int, int]]) -> dict[int, list[ClaimRow]]:
        asked = set(claimed)
        return await self._line.call("claims_of", lambda: self._tables.claims_of(asked))

    async def best_lucks(self, packet_ids: Sequence[int]) -> dict[int, ClaimRow]:
        return await self._line.call("best_lucks", lambda: self._tables.best_lucks_of(packet_ids))


class SimGroups(groups.GroupStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def load(self, group_ids: Sequence[int]) -> list[GroupRow]:
        return await self._line.call("groups", lambda: self._load(group_ids))

    def _load(self, group_ids: Sequence[int]) -> list[GroupRow]:
        found = [self._tables.groups[group_id] for group_id in group_ids if group_id in self._tables.groups]
        return [row._replace(members=set(row.members)) for row in found]


class SimGrabStats(grab_stats.GrabStatStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def add(self, rows: Sequence[GrabStatRow], recent_max: int) -> None:
        frozen = list(rows)
        await self._line.call("reactions", lambda: self._tables.add_grab_stats(frozen, recent_max))

    async def of_group(self, group_id: int) -> list[GrabStatRow]:
        return await self._line.call("reactions_of", lambda: self._tables.grab_stats_of(group_id))


class SimWallets(wallets.WalletStore):
    def __init__(self, place: Any) -> None:
        self._tables, self._line = place.tables, place.postgres

    async def balance(self, user_id: int) -> BalanceRow:
        return await self._line.call("balance", lambda: self._tables.balance(user_id))

    async def move(self, transfer: TransferRow, user_id: int, change_fen: int) -> Moved:
        return await self._line.call("move", lambda: self._tables.move(transfer, user_id, change_fen))

    async def find_outcome(self, transfers: Sequence[TransferRow]) -> list[Booked | None]:
        users = [row.credit_account or row.debit_account for row in transfers]
        return await self._line.call("moved", lambda: self._tables.moved(transfers, users))


class SimMirror(mirror.Mirror):
    def __init__(self, place: Any) -> None:
        self._logs, self._line = place.logs, place.redis

    async def close(self) -> None:
        """Nothing is open."""

    async def ping(self) -> None:
        await self._line.call("ping", lambda: None)

    async def fsyncs_every_write(self) -> bool:
        return True

    async def append(self, extensions: Sequence[Extension]) -> set[int]:
        frozen = list(extensions)
        return await self._line.call("append", lambda: self._logs.append(frozen))

    async def close_logs(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        return await self._line.call("close", lambda: self._logs.close(packet_ids))

    async def read(self, packet_ids: Sequence[int]) -> dict[int, Log]:
        return await self._line.call("read", lambda: self._logs.read(packet_ids))

    async def forget(self, packet_ids: Sequence[int]) -> None:
        frozen = list(packet_ids)
        await self._line.call("forget", lambda: self._logs.forget(frozen))

    async def lasting_ids(self) -> AsyncIterator[list[int]]:
        yield await self._line.call("scan", self._logs.lasting)


def stores(world: Any) -> Stores:
    """Every store of one simulated server. What the worlds do not use is absent."""
    simulated: dict[str, Any] = {
        "database": world,
        "mirror": SimMirror(world),
        "packets": SimPackets(world),
        "sends": SimSends(world),
        "resends": None,
        "outbox": SimOutbox(world),
        "wallets": SimWallets(world),
        "settlement": SimSettlement(world, WITH_BEST_LUCK),
        "records": SimpleNamespace(sent=None, received=None),
        "groups": SimGroups(world),
        "messages": None,
        "names": None,
        "grab_stats": SimGrabStats(world),
    }
    return Stores(**simulated)
