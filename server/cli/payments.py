"""`hongbao payments`: the newest ones of a running server, and all of some days from the records."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import IO, Annotated, Final

import cyclopts
from cyclopts import Parameter

from server.cli.shared.answers import DEFAULT, ServerOptions, show_answer
from server.cli.shared.numbers import Count
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.resources import all_sets, with_records
from server.cli.shared.users import User
from server.cli.shared.words import Day, FilePath, Text
from server.config import load
from server.core.beijing_year import BEIJING
from server.core.payments import PaymentState
from server.core.reconciliation.days import DAY_MS, SKEW_MS, first_ms
from storage.postgres.database import Database
from storage.postgres.reconciliation.both_books import ExportedPayment, both_books

HEADER: Final = ExportedPayment._fields

payments_cli = cyclopts.App(
    name="payments", help="List the newest payments, or export them.", result_action="return_value"
)


@payments_cli.default
@payments_cli.command(name="list")
def list_payments(
    *, state: PaymentState | None = None, user: User = 0, most: Count = 20, server: ServerOptions = DEFAULT
) -> int:
    """List the newest payments.

    A charge pays a packet from the host wallet, a payout brings there what a user has received.

    Example: hongbao payments --state unknown

    Parameters
    ----------
    state
        only payments in this state
    user
        only payments of this user: an id, or a name as in `hongbao chat --as NAME`
    most
        length of the list
    """
    words = ["--user", user, "--most", most, *(["--state", state.value] if state else [])]
    return show_answer(server, "payments", *words)


@payments_cli.command
def export(
    *,
    first: Annotated[Day, Parameter(name="--from", help="the first day (of Beijing)")],
    last: Annotated[Day, Parameter(name="--to", help="the last day")],
    gateway: Annotated[Text | None, Parameter(help="only payments of this gateway")] = None,
    output: Annotated[FilePath | None, Parameter(help="a file; default: print them")] = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Export the payments that may stand in the statements of some days as CSV, from the records.

    The stand-alone auditor of the docs compares them with a bank's statements.

    Example: hongbao payments export --from 2026-11-28 --to 2026-11-28 --gateway bank --output ours.csv
    """
    settings = load(config, {"stores.postgres": postgres})
    from_ms, to_ms = first_ms(first) - SKEW_MS, first_ms(last) + DAY_MS + SKEW_MS

    async def work(database: Database) -> int:
        opened = nullcontext(sys.stdout) if output is None else output.open("w", encoding="utf-8", newline="")
        with opened as file:
            async with all_sets(database, settings) as sets:
                await _export(sets, gateway or "", from_ms, to_ms, file)
        return 0

    return with_records(settings, data, work)


async def _export(databases: Sequence[Database], gateway: str, from_ms: int, to_ms: int, file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([name.replace("_at_ms", "_at") for name in HEADER])
    async with both_books(databases) as books:
        async for one in books.export(gateway, from_ms, to_ms):
            times = {"created_at_ms": _time(one.created_at_ms), "changed_at_ms": _time(one.changed_at_ms)}
            writer.writerow({**one._asdict(), **times}.values())


def _time(at_ms: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return at.astimezone(BEIJING).isoformat(timespec="milliseconds")
