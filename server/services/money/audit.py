"""Audit (对账): proof from the records alone that the books balance, packet by packet and in total."""

from __future__ import annotations

from typing import NamedTuple

from server.core.kinds import TO_USER, WITH_BEST_LUCK
from server.core.ledger import DIRECTIONS, MOVES_NOTHING, TransferKind
from server.core.packet import Packet
from server.services.packets.stored_state import claim_of, terms_of
from storage.postgres.database import Database
from storage.postgres.money.audit import AuditSnapshot, SumsRow, snapshot

# what is checked, in the order of the report; the names are statements of storage/postgres/money/audit.sql
CHECKS: dict[str, str] = {
    "wallets": "every wallet holds what its transfers say, and none is below zero",
    "sends": "every packet was paid for once, by its sender, with its total",
    "totals": "claimed + refunded + unopened = total for every packet",
    "shares": "every share lies between the smallest and the largest allowed",
    "once": "one claim per user and packet, one per index",
    "settlement": "every claim is credited once or waits once, with its amount",
    "refunds": "what expired unopened went back once, to the sender",
    "late": "no claim before its packet was sent or after it expired",
    "allowed": "only members, or the one receiver, opened (of groups without a member list: not checked)",
    "directions": "every transfer runs between the accounts its kind says",
    "entries": "every change of a wallet has its entry, and the entries lead to what it holds",
    "pending": "what is pending is kept back until it is posted or voided, once",
    "posts": "what was credited, finished or refunded is told once in its streams, or waits in the outbox",
    "records": "what people sent and received by year follows from packets and transfers",
}
# what the statements cannot know: the rows of the tables in server/core
_PAIRS = [(kind, pair) for kind, pairs in DIRECTIONS.items() for pair in pairs]
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "allowed": (TO_USER,),
    "records": (WITH_BEST_LUCK,),
    "wallets": (MOVES_NOTHING,),
    "directions": (
        [kind for kind, _ in _PAIRS],
        [pair.debit for _, pair in _PAIRS],
        [pair.credit for _, pair in _PAIRS],
    ),
    "pending": (TransferKind.PENDING, TransferKind.POSTED, TransferKind.VOIDED),
}
FAIRNESS = "every amount follows from the packet's seed"
BALANCE = "wallets + in packets = put in - taken out"


class Finding(NamedTuple):
    """One check, and everything it found wrong."""

    name: str
    claim: str
    discrepancies: list[str]


class Report(NamedTuple):
    """The whole audit."""

    sums: SumsRow
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """No check found anything."""
        return not any(finding.discrepancies for finding in self.findings)

    @property
    def checked(self) -> str:
        """How much was checked, in words."""
        sums = self.sums
        return (
            f"{len(self.findings)} checks, {sums.packets:,} packets, {sums.claims:,} claims, "
            f"{sums.transfers:,} transfers, {sums.wallets:,} wallets"
        )


async def audit(database: Database) -> Report:
    """Check everything in one snapshot of the records. Raises StoreUnavailable."""
    async with snapshot(database) as records:
        sums = await records.sums(MOVES_NOTHING)
        findings = [
            Finding(name, claim, await records.discrepancies(name, *ARGUMENTS.get(name, ())))
            for name, claim in CHECKS.items()
        ]
        findings.append(Finding("fairness", FAIRNESS, await _unfair(records)))
    findings.append(Finding("balance", BALANCE, _unbalanced(sums)))
    return Report(sums, findings)


async def audit_at(dsn: str, timeout_s: float) -> Report:
    """Audit the database at this address. Raises StoreUnavailable, StoreRefused."""
    database = Database(dsn, pool_max=1, timeout_s=timeout_s)
    await database.open()
    try:
        return await audit(database)
    finally:
        await database.close()


async def _unfair(records: AuditSnapshot) -> list[str]:
    """Replay every packet from its seed."""
    wrong = []
    async for packet, claims in records.opened_packets():
        try:
            Packet(terms_of(packet), [claim_of(one) for one in claims])
        except ValueError as error:
            wrong.append(str(error))
    return wrong


def _unbalanced(sums: SumsRow) -> list[str]:
    inside = sums.wallets_fen + sums.in_packets_fen
    outside = sums.put_in_fen - sums.taken_out_fen
    if inside == outside:
        return []
    return [f"wallets and packets hold {inside} fen, {outside} fen came in: {inside - outside:+d} fen"]
