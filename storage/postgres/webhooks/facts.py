"""The records that bodies are rendered from. They never change, so a body is the same at each attempt."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from storage import statements
from storage.postgres.packets.packets import ClaimRow

if TYPE_CHECKING:
    from storage.postgres.database import WriterConnection

_SQL = statements.load(__file__)


class PacketRecord(NamedTuple):
    """A packet as events tell of it. `external_id`: the backend's own id of the group that it was sent to."""

    packet_id: int
    kind: str
    sender_id: int
    target_id: int
    external_id: str | None
    total_fen: int
    shares: int
    greeting: str
    created_at_ms: int
    expires_at_ms: int
    version: int
    claimed_fen: int
    refunded_fen: int
    closed_at_ms: int | None
    best_luck_user_id: int | None
    best_luck_fen: int | None
    only_for: list[int] | None
    send_at_ms: int | None
    key: str


class EntryRecord(NamedTuple):
    """A change of a wallet, perhaps by several transfers of one kind: `accounts` and `changes_fen` name each."""

    user_id: int
    version: int
    kind: int
    balance_fen: int
    change_fen: int
    accounts: list[int]
    changes_fen: list[int]
    key: str


class RiskRecord(NamedTuple):
    """A decision of risk control, and the rules that hit."""

    decision_id: int
    user_id: int
    action: str
    hits: list[str]
    at_ms: int


class PaymentRecord(NamedTuple):
    """A payment that has ended. `card_id`, `packet_id`: the card and the packet that it names, if any.

    `of_number`: the charge that a refund to a card gives back.
    """

    number: int
    kind: str
    user_id: int
    amount_fen: int
    state: str
    reason: str
    key: str | None
    card_id: int | None
    packet_id: int | None
    of_number: int | None


class AdmissionRecord(NamedTuple):
    """A user who came by the link of `from_user` to a packet of `sender_id`."""

    number: int
    packet_id: int
    kind: str
    sender_id: int
    user_id: int
    from_user: int
    depth: int
    at_ms: int


class CampaignRecord(NamedTuple):
    """A campaign as events tell of it. The last three are known once its books are closed."""

    campaign_id: int
    name: str
    sponsor_id: int
    external_id: str | None
    shares: int
    budget_fen: int
    starts_at_ms: int
    ends_at_ms: int
    closed_at_ms: int | None
    returned_fen: int
    won_shares: int


class LeaseRecord(NamedTuple):
    """Numbers of a campaign's pool, from `first_number` on, that are won as claims of this packet."""

    packet_id: int
    campaign_id: int
    first_number: int


class BillFailureRecord(NamedTuple):
    """An attempt at a bill that was refused."""

    number: int
    sponsor_id: int
    bill: str
    reason: str
    at_ms: int
    kind: str
    target_id: int
    external_id: str | None
    amount_fen: int
    shares: int


class FactStore:
    """Statements that read."""

    def __init__(self, connection: WriterConnection) -> None:
        """`connection`: that of the deliveries. What was leased must not wait for a place in the pool."""
        self._connection = connection

    async def packets(self, packet_ids: Collection[int]) -> dict[int, PacketRecord]:
        """These packets by id."""
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["packets"], list(packet_ids))
        return {row["packet_id"]: PacketRecord(*row) for row in rows}

    async def claims(self, asked: Iterable[tuple[int, int, int]]) -> dict[int, list[ClaimRow]]:
        """The claims of these (packet, first index, end index) by packet, in their order."""
        columns = [list(column) for column in zip(*asked, strict=True)]
        found: dict[int, list[ClaimRow]] = {}
        async with self._connection.alone() as connection:
            for row in await connection.fetch(_SQL["claims"], *columns):
                found.setdefault(row["packet_id"], []).append(ClaimRow(*row))
        return found

    async def payments(self, numbers: Collection[int]) -> dict[int, PaymentRecord]:
        """These payments by number."""
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["payments"], list(numbers))
        return {row["number"]: PaymentRecord(*row) for row in rows}

    async def campaigns(self, campaign_ids: Collection[int]) -> dict[int, CampaignRecord]:
        """These campaigns by id."""
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["campaigns"], list(campaign_ids))
        return {row["campaign_id"]: CampaignRecord(*row) for row in rows}

    async def leases(self, packet_ids: Collection[int]) -> dict[int, LeaseRecord]:
        """The leases among these packets, by packet."""
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["leases"], list(packet_ids))
        return {row["packet_id"]: LeaseRecord(*row) for row in rows}

    async def bill_failures(self, numbers: Collection[int]) -> dict[int, BillFailureRecord]:
        """These failures by number."""
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["bill_failures"], list(numbers))
        return {row["number"]: BillFailureRecord(*row) for row in rows}

    async def risk_decisions(self, numbers: Collection[int]) -> dict[int, RiskRecord]:
        """These decisions of risk control by number."""
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["risk_decisions"], list(numbers))
        return {row["decision_id"]: RiskRecord(*row) for row in rows}

    async def admissions(self, numbers: Collection[int]) -> dict[int, AdmissionRecord]:
        """These admissions by number."""
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["admissions"], list(numbers))
        return {row["number"]: AdmissionRecord(*row) for row in rows}

    async def entries(self, asked: Iterable[tuple[int, int]]) -> dict[tuple[int, int], EntryRecord]:
        """The entries of these (user, version)."""
        columns = [list(column) for column in zip(*asked, strict=True)]
        async with self._connection.alone() as connection:
            rows = await connection.fetch(_SQL["entries"], *columns)
        return {(row["user_id"], row["version"]): EntryRecord(*row) for row in rows}
