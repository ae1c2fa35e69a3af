"""Prints the report of an audit, and the proof of a packet."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from protocol.money_unit import MoneyUnit
from server.cli.shared.streams import print_whole
from server.core import seeds
from server.core.packet import Packet, best_luck
from server.core.packet_request import Terms
from server.core.pages import OVER
from server.services.money.audit import Report
from server.services.packets.stored_state import claim_of, state_of, terms_of
from server.services.reconciliation.bank_audit import BankReport
from server.services.seeds.service import SeedProof, packet_seed_of
from storage.postgres.packets.packets import ClaimRow, PacketRow


def print_audit(console: Console, report: Report, money: MoneyUnit) -> None:
    """Print every check with a mark, every discrepancy, and one line with the verdict."""
    sums, number = report.sums, money.number
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in report.findings:
        mark = "✗" if finding.discrepancies else "–" if finding.unchecked else "✓"
        table.add_row(mark, finding.name, finding.claim)
    print_whole(console, table)
    for finding in report.findings:
        for discrepancy in finding.discrepancies:
            console.print(f"{finding.name}: {discrepancy}", style="red", highlight=False, soft_wrap=True)
    in_transit = f" + in transit {number(sums.in_transit_fen)}" if sums.in_transit_fen else ""
    in_pools = f" + in pools {number(sums.in_pools_fen)}" if sums.in_pools_fen else ""
    console.print(
        f"wallets {number(sums.wallets_fen)} + in packets {number(sums.in_packets_fen)}{in_pools}{in_transit}"
        f" = put in {number(sums.put_in_fen)} - taken out {money.full('en', sums.taken_out_fen)}",
        highlight=False,
        soft_wrap=True,
    )
    wrong = sum(len(finding.discrepancies) for finding in report.findings)
    verdict = "audit: ok" if report.ok else f"audit: {wrong} discrepancies"
    console.print(f"{verdict} ({report.checked})", style="bold", highlight=False, soft_wrap=True)


def print_classes(console: Console, bank: BankReport, money: MoneyUnit) -> None:
    """Print how the rows of a bank's statements and our payments compare, by class."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"bank {bank.gateway}", title_justify="left")
    for title in ("class", "rows", money.en):
        table.add_column(title, justify="left" if title == "class" else "right")
    for name, (rows, amount_fen) in bank.classes.items():
        table.add_row(name, f"{rows:,}", money.number(amount_fen))
    print_whole(console, table)


def print_proof(
    console: Console,
    row: PacketRow,
    claims: Sequence[ClaimRow],
    now_ms: int,
    money: MoneyUnit,
    proof: SeedProof | None = None,
) -> bool:
    """Replay a packet that is over and print it; true if its seed gives every amount.

    `proof`: how its seed comes from a tree; None of an older packet.
    """
    terms, state = terms_of(row), state_of(row, now_ms)
    if state not in OVER:
        console.print(
            f"packet {row.packet_id} is {state}: its seed stays secret until it is finished or refunded",
            highlight=False,
            soft_wrap=True,
        )
        return False
    about = f"{row.kind}, {money.full('en', row.total_fen)} in {row.shares} shares, {state}"
    console.print(f"packet {row.packet_id}: {about}", highlight=False, soft_wrap=True)
    console.print(f"commitment  {terms.commitment.hex()}", highlight=False, soft_wrap=True)
    if proof is not None:
        terms = terms._replace(seed=packet_seed_of(row, proof.server_seed))
    console.print(f"seed        {terms.seed.hex()}", highlight=False, soft_wrap=True)
    recorded = [claim_of(claim) for claim in claims]
    try:
        if row.seed_index is not None:
            _check_origin(console, row, proof, terms)
        Packet(terms, recorded)
    except ValueError as error:
        console.print(f"verify: wrong ({error})", style="red bold", highlight=False, soft_wrap=True)
        return False
    best = best_luck(terms, recorded)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("share", "user", money.en, ""):
        table.add_column(title, justify="right" if title in ("share", money.en) else "left")
    for claim in recorded:
        table.add_row(
            str(claim.index),
            str(claim.user_id),
            money.number(claim.amount_fen),
            "best luck" if claim == best else "",
        )
    print_whole(console, table)
    console.print(f"verify: ok ({len(recorded)} shares follow from the seed)", style="bold", highlight=False)
    return True


def _check_origin(console: Console, row: PacketRow, proof: SeedProof | None, terms: Terms) -> None:
    """Print where the seed comes from. Raises ValueError if it does not come from there."""
    if proof is None or row.seed_index is None:
        raise ValueError("its seed cannot be unsealed: the seed key is missing")
    lines = {
        f"server seed {row.seed_index}": proof.server_seed.hex(),
        "client seed": row.client_seed.hex()
        if row.client_seed
        else "none: the server knew the seed before the send",
        f"root of tree {seeds.tree_of(row.seed_index)}": proof.root.hex(),
    }
    for name, value in lines.items():
        console.print(f"{name}  {value}", highlight=False, soft_wrap=True)
    advice = "compare the root with the one that the sender was told before the send"
    console.print(advice, highlight=False, soft_wrap=True)
    if seeds.root_of_path(proof.server_seed, row.seed_index, proof.path) != proof.root:
        raise ValueError("the server seed is not in the tree of this root")
    if seeds.commitment(terms.seed, row.packet_id, terms.content) != row.commitment:
        raise ValueError("the seed does not fit the commitment")
