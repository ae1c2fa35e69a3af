"""Payments and their evidence. One compare-and-swap on `version` changes a payment and moves its money."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import statements
from storage.postgres.money import wallets
from storage.postgres.money.wallets import BalanceRow, TransferRow
from storage.postgres.packets import sends
from storage.postgres.packets.beside import HERE, ChatBeside
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.seed_trees import PacketSeeds
from storage.postgres.packets.sends import Sent, Unsent

if TYPE_CHECKING:
    import asyncpg

    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
SUCCEEDED: Final = "succeeded"  # as in the table of states: server/core/payments
ENDS: Final = (SUCCEEDED, "failed")


class PaymentRow(NamedTuple):
    """A payment as it is recorded; see migrations 0015, 0018 and 0026."""

    number: int
    gateway: str
    kind: str
    user_id: int
    amount_fen: int
    key: str | None
    content: str | None
    state: str
    version: int
    attempts: int
    next_try_ms: int
    created_at_ms: int
    changed_at_ms: int
    reason: str
    packet_id: int | None
    card_id: int | None = None
    of_number: int | None = None


class EvidenceRow(NamedTuple):
    """One piece of evidence, the state after it, and whether it contradicts the state before."""

    version: int
    at_ms: int
    source: str
    verdict: str
    detail: str
    state: str
    is_break: bool


class PaymentChange(NamedTuple):
    """What a piece of evidence does to a payment that has `version`.

    `transfer`: the money that moves with it; into the wallet of the payment's user if `credits_user`.
    """

    number: int
    version: int
    at_ms: int
    source: str
    verdict: str
    detail: str
    state: str
    reason: str
    next_try_ms: int
    is_attempt: bool
    is_break: bool
    transfer: TransferRow | None = None
    credits_user: bool = False


class PaidPacket(NamedTuple):
    """The packet that a charge pays. `caps`: what its sender may send in 24 hours, if that is limited."""

    row: PacketRow
    transfer_of: Callable[[PacketRow], TransferRow]
    streams_of: Callable[[PacketRow], tuple[int, ...]]
    seeds: Callable[[], PacketSeeds]
    caps: Mapping[int, int]


class AppliedChange(NamedTuple):
    """A payment after a change; what is in the wallet if money came in, and the packet that was sent."""

    payment: PaymentRow
    balance: BalanceRow | None = None
    sent: Sent | None = None


class PaymentFigure(NamedTuple):
    """How many payments are in a state; kind "", state "break": how many contradictions there are."""

    kind: str
    state: str
    payments: int
    oldest_ms: int | None


class PaymentStore:
    """Statements on payments."""

    def __init__(self, database: Database, chat: ChatBeside = HERE) -> None:
        """`chat`: the users and streams that packets concern which charges pay."""
        self._database = database
        self._chat = chat

    def set_of(self, number: int) -> int:
        """The set that a payment is in, and so the packet that it pays: this one."""
        return 0

    async def of_send(self, user_id: int, key: str) -> PaymentRow | None:
        """The charge that pays the packet of this key, if there is one."""
        return await self._one("of_send", user_id, key)

    async def get(self, number: int) -> PaymentRow | None:
        """A payment."""
        return await self._one("get", number)

    async def _one(self, statement: str, *arguments: object) -> PaymentRow | None:
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL[statement], *arguments)
        return None if row is None else row_of(row)

    async def create_charge(self, row: PaymentRow) -> tuple[PaymentRow, bool]:
        """Record a charge before it is made, once per user and key; the recorded one, and whether it is new."""
        async with self._database.transaction() as connection:
            columns = (row.number, row.gateway, row.user_id, row.amount_fen, row.key, row.content)
            made = await connection.fetchrow(_SQL["create_charge"], *columns, row.next_try_ms, row.created_at_ms)
            if made is not None:
                return row_of(made), True
            earlier = await connection.fetchrow(_SQL["of_send"], row.user_id, row.key)
            assert earlier is not None
            return row_of(earlier), False

    async def create_payouts(
        self,
        numbers: Mapping[int, int],
        gateway: str,
        transfer_of: Callable[[PaymentRow], TransferRow],
        now_ms: int,
        failed_after_ms: int,
    ) -> list[AppliedChange]:
        """Order payouts of all that these wallets hold; `numbers`: of the payment, by user.

        None for a sponsor, or a user with an open payout that the server ordered, or one that failed after a time.
        """
        async with self._database.transaction() as connection:
            purses = await wallets.lock(connection, numbers)
            held = {row[0] for row in await connection.fetch(_SQL["held"], list(purses), failed_after_ms)}
            amounts = {
                user_id: purse.free_fen
                for user_id, purse in purses.items()
                if purse.free_fen > 0 and user_id not in held
            }
            if not amounts:
                return []
            columns = [numbers[one] for one in amounts], list(amounts), list(amounts.values())
            rows = await connection.fetch(_SQL["create_payouts"], *columns, gateway, now_ms)
            made = [row_of(row) for row in rows]
            after = await wallets.debit(connection, amounts, dict.fromkeys(amounts, 1))
            await wallets.insert_debits(connection, [transfer_of(one) for one in made], after)
        return [AppliedChange(one, after[one.user_id]) for one in made]

    async def page_of_wallets(self, after_user: int, most: int) -> tuple[list[int], int | None]:
        """Of the wallets after a user those with money; and the last user looked at, None: there are no more."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["page_of_wallets"], after_user, most)
        last = rows[-1]["user_id"] if len(rows) == most else None
        return [row["user_id"] for row in rows if row["free_fen"] > 0], last

    async def due(self, gateway: str, now_ms: int, besides: Sequence[int], most: int) -> list[PaymentRow]:
        """Open payments of a gateway whose time has come, besides these; the one that waits longest first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["due"], now_ms, besides, most, gateway)
        return [row_of(row) for row in rows]

    async def apply(self, change: PaymentChange, packet: PaidPacket | None) -> AppliedChange | None:
        """Change a payment, and move its money, in one transaction. None: it has another version by now.

        `packet` is sent with the money of a charge that has succeeded. Raises StoreUnavailable: then read it again.
        """
        if change.transfer is None and not change.is_break:  # one statement: it needs no transaction around it
            async with self._database.reading() as connection:
                payment = await _advance(connection, change)
            return None if payment is None else AppliedChange(payment)
        async with self._database.transaction() as connection:
            payment = await _advance(connection, change)
            if payment is None:
                return None
            await _note_break(connection, change, payment.amount_fen)
            if change.transfer is None:
                return AppliedChange(payment)
            if not change.credits_user:
                await wallets.insert_transfer(connection, change.transfer)
                return AppliedChange(payment)
            balance = await wallets.credit(connection, change.transfer, payment.user_id)
            if packet is None:
                return AppliedChange(payment, balance)
            return await _pay(connection, payment, balance, packet, self._chat)

    async def evidence(self, number: int) -> list[EvidenceRow]:
        """All evidence about a payment, in order."""
        async with self._database.reading() as connection:
            return [EvidenceRow(*row) for row in await connection.fetch(_SQL["evidence"], number)]

    async def newest(self, user_id: int, state: str, most: int) -> list[PaymentRow]:
        """The newest payments, of one user (0: of all) and in one state (empty: in any)."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["newest"], user_id, state, most)
        return [row_of(row) for row in rows]

    async def figures(self, not_asked: Sequence[str]) -> list[PaymentFigure]:
        """Open payments by kind and state, and contradictions. Payments of gateways `not_asked` have no age."""
        async with self._database.reading() as connection:
            return [PaymentFigure(*row) for row in await connection.fetch(_SQL["figures"], not_asked)]

    async def without_gateway(self, gateways: Sequence[str]) -> dict[str, int]:
        """How many open payments wait for other gateways than these, by their names."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_SQL["without_gateway"], gateways)
        return {row["gateway"]: row["payments"] for row in rows}


def row_of(record: asyncpg.Record) -> PaymentRow:
    """A payment. By the names of the columns: a later version may add others."""
    return PaymentRow(*(record[name] for name in PaymentRow._fields))


async def _advance(connection: Connection, change: PaymentChange) -> PaymentRow | None:
    """Change a payment and record the evidence; None: it has another version by now."""
    row = await connection.fetchrow(
        _SQL["advance"],
        change.number,
        change.version,
        change.state,
        int(change.is_attempt),
        change.next_try_ms,
        change.at_ms,
        change.reason,
        change.source,
        change.verdict,
        change.detail,
    )
    return None if row is None else row_of(row)


async def _note_break(connection: Connection, change: PaymentChange, amount_fen: int) -> None:
    """Record the break that a piece of evidence is, if it is one: of a payment that ended otherwise its amount."""
    if change.is_break:
        detail = f"{change.source} says {change.verdict}: {change.detail}"
        difference_fen = amount_fen if change.verdict in ENDS else None
        about = change.number, change.version + 1, change.at_ms, detail, difference_fen
        await connection.execute(_SQL["insert_break"], *about)


async def _pay(
    connection: Connection, payment: PaymentRow, balance: BalanceRow, packet: PaidPacket, chat: ChatBeside
) -> AppliedChange:
    """Send the packet with the money that has just come in. If that is refused, the money stays in the wallet."""
    about = packet.transfer_of, packet.streams_of, packet.seeds(), chat, packet.caps
    (sent,) = await sends.record(connection, [packet.row], *about)
    packet_id, reason = (None, str(sent)) if isinstance(sent, Unsent) else (sent.row.packet_id, "")
    row = await connection.fetchrow(_SQL["conclude_charge"], payment.number, packet_id, reason)
    assert row is not None
    is_new = isinstance(sent, Sent) and packet_id == packet.row.packet_id
    return AppliedChange(row_of(row), balance, sent if is_new and isinstance(sent, Sent) else None)
