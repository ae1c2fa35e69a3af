"""Audit (对账): proof from the records alone that the books balance, packet by packet and in total."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.core.kinds import BY_BILL, TO_INVITED, TO_USER, WITH_BEST_LUCK
from server.core.ledger import DIRECTIONS, MOVES_NOTHING, TransferKind
from server.services.money import campaign_audit, seed_audit
from server.services.money.seed_audit import Finding
from server.services.seeds.seals import Seals
from storage.postgres.database import Database
from storage.postgres.money.audit import SumsRow, snapshot

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
    "scheduled": "what was sent for a later time was posted then, once, or went back in full",
    "allowed": "only members, or those named, opened (members of groups without a list: not checked)",
    "chains": "of a packet that friends pass on its receiver opened first, and each friend after who admitted them",
    "bills": "every packet in a sponsor's name has its bill, with its kind, target, shares and amount",
    "directions": "every transfer runs between the accounts its kind says",
    "entries": "every change of a wallet has its entry, and the entries lead to what it holds",
    "pending": "what is pending is kept back until it is posted or voided, once",
    "payments": "payments and orders have the transfers, and payments the evidence and packets, that they say",
    "corrections": "every correction was approved by another than its proposer, and moves what its break allows",
    "posts": "what was credited, finished or refunded is told once in its streams, or waits in the outbox",
    "records": "what people sent and received by year follows from packets and transfers",
    "pools": "every campaign was paid for once, and all that was not won of it went back once",
    "leases": "every number of a campaign is leased to one packet: leased = won + returned + open",
    "wins": "every share of a campaign that was won is one win of its user, within the limit",
    "seeds": "the packets of every sender use the server seeds one after the other, and hold none in plain",
}
# what the statements cannot know: the rows of the tables in server/core
_PAIRS = [(kind, pair) for kind, pairs in DIRECTIONS.items() for pair in pairs]
ARGUMENTS: dict[str, tuple[object, ...]] = {
    "allowed": (TO_USER, TO_INVITED),
    "chains": (TO_INVITED,),
    "bills": (BY_BILL,),
    "records": (WITH_BEST_LUCK,),
    "wallets": (MOVES_NOTHING,),
    "directions": (
        [kind for kind, _ in _PAIRS],
        [pair.debit for _, pair in _PAIRS],
        [pair.credit for _, pair in _PAIRS],
    ),
    "pending": (TransferKind.PENDING, TransferKind.POSTED, TransferKind.VOIDED),
}
NAMES_ELSEWHERE = ("payments", "corrections")  # cards, and breaks, that may be in another set
CURRENCY_SIGN = "¤"  # in the lines of audit.sql, for what an amount counts
FEN = "fen"
BALANCE = "wallets + in packets + in pools + in transit = put in - taken out"


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
            + "".join(f"; {finding.name}: {finding.unchecked}" for finding in self.findings if finding.unchecked)
        )


async def audit(
    database: Database, seed_keys: Mapping[str, bytes], smallest: str = FEN, *, is_alone: bool = True
) -> Report:
    """Check everything in one snapshot of the records. Raises StoreUnavailable.

    What needs a seed is checked as far as `seed_keys` unseal it; the rest is told as unchecked. `smallest`: what an
    amount counts, for the words of a discrepancy. `is_alone`: what the records name is in this database, not in
    another set.
    """
    arguments = ARGUMENTS | dict.fromkeys(NAMES_ELSEWHERE, (is_alone,))
    seals = Seals(seed_keys)
    async with snapshot(database) as records:
        sums = await records.sums(MOVES_NOTHING)
        findings = [
            Finding(name, claim, await records.discrepancies(name, *arguments.get(name, ())))
            for name, claim in CHECKS.items()
        ]
        findings.append(await seed_audit.check_trees(records, seals))
        findings += await seed_audit.check_packets(records, seals)
        findings.append(await campaign_audit.check_pools(records, seals))
    findings.append(Finding("balance", BALANCE, _unbalanced(sums)))
    return Report(sums, [_in_words(finding, smallest) for finding in findings])


def joined(reports: Sequence[Report]) -> Report:
    """The reports of several sets of PostgreSQL as one; each discrepancy says its set."""
    findings = []
    for same in zip(*(report.findings for report in reports), strict=True):
        lines = [f"set {number}: {line}" for number, one in enumerate(same) for line in one.discrepancies]
        unchecked = "; ".join(f"set {number}: {one.unchecked}" for number, one in enumerate(same) if one.unchecked)
        findings.append(same[0]._replace(discrepancies=lines, unchecked=unchecked))
    return Report(SumsRow(*map(sum, zip(*(report.sums for report in reports), strict=True))), findings)


def with_findings(report: Report, findings: Sequence[Finding], smallest: str = FEN) -> Report:
    """A report with further findings, such as those about the statements of a bank."""
    return report._replace(findings=[*report.findings, *(_in_words(one, smallest) for one in findings)])


async def audit_at(dsn: str, timeout_s: float, seed_keys: Mapping[str, bytes], smallest: str = FEN) -> Report:
    """Audit the database at this address, also a standby. Raises StoreUnavailable, StoreRefused."""
    database = Database(dsn, pool_max=1, timeout_s=timeout_s, writes=False)
    await database.open()
    try:
        return await audit(database, seed_keys, smallest)
    finally:
        await database.close()


def _unbalanced(sums: SumsRow) -> list[str]:
    inside = sums.wallets_fen + sums.in_packets_fen + sums.in_pools_fen + sums.in_transit_fen
    outside = sums.put_in_fen - sums.taken_out_fen
    if inside == outside:
        return []
    sign = CURRENCY_SIGN
    balance = f"hold {inside} {sign}, {outside} {sign} came in: {inside - outside:+d} {sign}"
    return [f"wallets, packets, pools and transit {balance}"]


def _in_words(finding: Finding, smallest: str) -> Finding:
    return finding._replace(discrepancies=[one.replace(CURRENCY_SIGN, smallest) for one in finding.discrepancies])
