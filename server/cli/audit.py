"""`hongbao audit` and `hongbao verify`: proofs from the records alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from server.cli.shared.audit_report import print_audit, print_classes, print_proof
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.pool_report import print_pool, read_place, recorded_proof
from server.cli.shared.resources import CommandFailed, all_sets, with_records
from server.cli.shared.streams import console
from server.cli.shared.words import FilePath, PacketOrProof
from server.clock import Clock
from server.config import Config, found_seed_keys, load
from server.core.campaigns.proof import BadProof, CampaignProof, of_json
from server.core.reconciliation.statement_file import BadStatement
from server.instance import unit_of
from server.services.money import audit as money_audit
from server.services.money.audit_results import AuditResults, row_of
from server.services.money.audit_sets import audit_sets
from server.services.reconciliation.bank_audit import audit_bank
from server.services.reconciliation.files import SignedStatement, verify_file
from server.services.reconciliation.sources import sources_of
from server.services.seeds.service import proof_of
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore


def audit(
    *,
    bank: Annotated[
        tuple[FilePath, ...],
        Parameter(consume_multiple=True, negative=(), help="statements of a bank to compare with the records"),
    ] = (),
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Prove from the records alone that all money is accounted for; exit 1 and name each discrepancy.

    Works while the server runs and while it does not. The servers on these records show the result. With --bank the
    statements of a bank (FILE, and FILE.sig) are read again and compared with the payments of their days.

    Example: hongbao audit --data .hongbao
    """

    settings = load(config, {"stores.postgres": postgres})
    files = [_verified(path, settings) for path in bank]

    async def work(database: Database) -> int:
        clock = Clock()
        began_s = clock.elapsed_s()
        money = unit_of(data, settings)
        async with all_sets(database, settings) as sets:
            report = await audit_sets(sets, found_seed_keys(settings, data), money.smallest)
            result = row_of(round(clock.elapsed_s() - began_s, 3), report)
            try:
                banks = await audit_bank(sets, files)
            except (BadStatement, OSError) as error:  # a file has changed meanwhile; no room for temporary files
                raise CommandFailed(str(error)) from None
        report = money_audit.with_findings(report, [one.finding for one in banks], money.smallest)
        print_audit(console(), report, money)
        for one in banks:
            print_classes(console(), one, money)
        try:
            await AuditResults(database).keep(result)
        except StoreUnavailable as error:  # a standby, or records that a server has not brought up to date yet
            print(f"hongbao: servers will not show this result, it cannot be stored: {error}", file=sys.stderr)
        return 0 if report.ok else 1

    return with_records(settings, data, work)


def _proof(place: str) -> CampaignProof:
    """Raises CommandFailed if there is no proof of a campaign."""
    try:
        return of_json(read_place(place))
    except (BadProof, OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{place}: {error}") from None


def _verified(path: Path, settings: Config) -> SignedStatement:
    """Raises CommandFailed if a file is not a statement of the bank."""
    try:
        return verify_file(path, sources_of(settings), Clock().now_ms())
    except BadStatement as error:
        raise CommandFailed(f"{path}: {error}") from None


def verify(
    packet: PacketOrProof,
    *,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Recompute every amount of a packet or a campaign from its revealed seed; exit 1 if one differs.

    Also where its seed comes from: the server seed, the client's, and the root that was told before the send.
    A campaign is checked by its id, or from its published proof alone, without records (docs/verify_pool.py too).

    Example: hongbao verify 251234567890123456

    Example: hongbao verify https://example.com/proof.json

    Parameters
    ----------
    packet
        the id of a packet or of a campaign; or the proof of a campaign, a file or an address on the web
    """

    if isinstance(packet, str):
        return 0 if print_pool(console(), _proof(packet), unit_of(data, load(config, {}))) else 1
    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        keys, money = found_seed_keys(settings, data), unit_of(data, settings)
        async with all_sets(database, settings) as sets:
            for one in sets:
                rows, claims = await PacketStore(one).load([packet])
                if packet in rows:
                    proof, now_ms = await proof_of(one, rows[packet], keys), Clock().now_ms()
                    return 0 if print_proof(console(), rows[packet], claims[packet], now_ms, money, proof) else 1
            pool = await recorded_proof(sets, packet, keys, "packet")
        return 0 if print_pool(console(), pool, money) else 1

    return with_records(settings, data, work)
