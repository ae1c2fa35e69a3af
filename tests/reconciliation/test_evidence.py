"""A payment that is unknown ends by the bank's statement, as by any other evidence: once, with its money."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_sim.sdk.errors import BankDeclined, BankUnknown
from server.core.payments import Evidence, Verdict
from server.core.reconciliation.days import day_of
from server.core.reconciliation.statement_file import BankLine
from tests.conftest import DAY_MS, TurnedClock
from tests.payments.conftest import (
    HAVE_FEN,
    SENDER,
    AgreeBooks,
    HostWallet,
    MakeRoom,
    Room,
    StartWithHost,
    books_agree,
    error_after_commit,
    host,
    lost_after_commit,
    lost_before,
    make_room,
    start_with_host,
)
from tests.reconciliation.books import ALICE, Sql, numbered, source_of, write
from tests.reconciliation.conftest import Operators

__all__ = ["books_agree", "host", "make_room", "start_with_host"]


@pytest.fixture
async def room(start_with_host: StartWithHost, make_room: MakeRoom) -> Room:
    made = await make_room(await start_with_host())
    made.server.app.services.reconciliation.statements.use_sources(source_of("host"))
    return made


async def statement_of(sql: Sql, folder: Path, clock: TurnedClock, **states: str) -> Path:
    """The statement of the day with all charges; `states` by their keys, otherwise as they have succeeded."""
    charges = await sql.fetch("SELECT * FROM payments WHERE kind = 'charge' ORDER BY number")
    day = day_of(charges[0]["created_at_ms"])
    rows = [
        BankLine(
            *(day, 0, f"r{one['number']}", str(one["number"]), "charge", "card", one["amount_fen"]),
            *(states.get(one["key"], "succeeded"), one["created_at_ms"]),
        )
        for one in charges
    ]
    clock.ahead_ms += DAY_MS
    return write(folder / f"{day}.csv", numbered(day, rows), gateway="host", day=day)


async def test_unknown_payments_end_by_the_statement_and_their_packets_are_posted(
    room: Room,
    host: HostWallet,
    sql: Sql,
    server_clock: TurnedClock,
    tmp_path: Path,
    books_agree: AgreeBooks,
) -> None:
    host.faults["charge"] = [lost_after_commit, lost_before]
    for key in ("paid", "lost"):
        with pytest.raises(BankUnknown):
            await room.send(key)
    # the call that was lost is refused by the host from now on: its statement says failed
    host.faults["query"] = [error_after_commit] * 500
    number = (await room.payment("lost"))["number"]
    host.books.db.execute(
        "INSERT INTO orders SELECT ?, kind, user_id, fen, 'failed', 'x' FROM orders LIMIT 1", (str(number),)
    )
    path = await statement_of(sql, tmp_path, server_clock, lost="failed")
    operators = Operators(room.server, tmp_path)
    assert (await operators.reconcile(path))["classes"] == [{"class": "matched", "rows": 2, "amount_fen": 600}]
    assert [(await room.payment(key))["state"] for key in ("paid", "lost")] == ["succeeded", "failed"]
    sources = await sql.fetch("SELECT source, verdict, detail FROM payment_evidence WHERE source = 'statement'")
    assert sorted(row["verdict"] for row in sources) == ["failed", "succeeded"]
    assert all(f"statement of {path.stem}, line " in row["detail"] for row in sources)
    assert await room.send("paid") == (await room.payment("paid"))["packet_id"]
    with pytest.raises(BankDeclined):
        await room.send("lost")
    assert host.fen(SENDER) == HAVE_FEN - 300
    await books_agree()


async def test_row_of_another_amount_ends_nothing_and_is_a_break(
    room: Room, host: HostWallet, sql: Sql, server_clock: TurnedClock, tmp_path: Path
) -> None:
    host.faults["charge"], host.faults["query"] = [lost_after_commit], [error_after_commit] * 500
    with pytest.raises(BankUnknown):
        await room.send("k")
    await sql.execute("UPDATE payments SET amount_fen = 299")
    path = await statement_of(sql, tmp_path, server_clock)
    await sql.execute("UPDATE payments SET amount_fen = 300")
    operators = Operators(room.server, tmp_path)
    assert (await operators.reconcile(path))["classes"] == [{"class": "amount", "rows": 1, "amount_fen": 299}]
    assert (await room.payment())["state"] in ("unknown", "submitted")
    (one,) = (await operators.ask(ALICE, "breaks"))["breaks"]
    assert (one["class"], one["difference_fen"], one["gateway"]) == ("amount", 299, "host")


async def test_contradiction_is_a_break_that_is_owned_and_closed_like_the_others(
    room: Room, host: HostWallet, sql: Sql, tmp_path: Path
) -> None:
    """Evidence against the end of a payment; once it is closed the metric does not count it any more."""
    await room.send("k")
    number = (await room.payment())["number"]
    payments = room.server.app.services.payments.attempts
    assert payments is not None
    row = await payments.store.get(number)
    assert row is not None
    await payments.evidence.apply(row, Evidence("query", Verdict.FAILED, "late"))
    operators = Operators(room.server, tmp_path)
    (one,) = (await operators.ask(ALICE, "breaks", "--class", "contradiction"))["breaks"]
    assert (one["payment"], one["state"], one["gateway"], one["difference_fen"]) == (
        str(number),
        "open",
        "host",
        row.amount_fen,
    )
    assert (await operators.ask(ALICE, "own-break", one["break_id"]))["owner"] == str(ALICE)

    async def counted() -> int:
        return sum(one.payments for one in await payments.store.figures(()) if not one.kind)

    assert await counted() == 1
    await operators.ask(ALICE, "close-break", one["break_id"], "the host has explained it")
    assert await counted() == 0
    row = await payments.store.get(number)
    assert row is not None
    await payments.evidence.apply(row, Evidence("query", Verdict.FAILED, "again"))
    assert await counted() == 1  # what is closed does not hold back another one
