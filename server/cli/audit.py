"""`hongbao audit` and `hongbao verify`: proofs from the records alone."""

from __future__ import annotations

import sys

from server.cli.shared.audit_report import print_audit, print_proof
from server.cli.shared.numbers import Id
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.resources import CommandFailed, with_records
from server.cli.shared.streams import console
from server.clock import Clock
from server.config import found_seed_keys, load
from server.instance import unit_of
from server.services.money import audit as money_audit
from server.services.money.audit_results import AuditResults, row_of
from server.services.seeds.service import proof_of
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore


def audit(*, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None) -> int:
    """Prove from the records alone that all money is accounted for; exit 1 and name each discrepancy.

    Works while the server runs and while it does not. The servers on these records show the result.

    Example: hongbao audit --data .hongbao
    """

    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        clock = Clock()
        began_s = clock.elapsed_s()
        money = unit_of(data, settings)
        report = await money_audit.audit(database, found_seed_keys(settings, data), money.smallest)
        print_audit(console(), report, money)
        result = row_of(round(clock.elapsed_s() - began_s, 3), report)
        try:
            await AuditResults(database).keep(result)
        except StoreUnavailable as error:  # a standby, or records that a server has not brought up to date yet
            print(f"hongbao: servers will not show this result, it cannot be stored: {error}", file=sys.stderr)
        return 0 if report.ok else 1

    return with_records(settings, data, work)


def verify(
    packet: Id, *, data: DataOption = DATA, config: ConfigOption = None, postgres: PostgresOption = None
) -> int:
    """Recompute every amount of a packet from its revealed seed; exit 1 if one differs.

    Also where its seed comes from: the server seed, the client's, and the root that was told before the send.

    Example: hongbao verify 251234567890123456

    Parameters
    ----------
    packet
        the packet's id
    """

    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        rows, claims = await PacketStore(database).load([packet])
        if packet not in rows:
            raise CommandFailed(f"there is no packet {packet}")
        proof = await proof_of(database, rows[packet], found_seed_keys(settings, data))
        money = unit_of(data, settings)
        return 0 if print_proof(console(), rows[packet], claims[packet], Clock().now_ms(), money, proof) else 1

    return with_records(settings, data, work)
