"""The statements of the simulated bank, with each fault that it can put into one, against a server with cards."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from client_sim.bank.faults import BillFault, Fault, FaultPlan, card_number
from client_sim.bank.server import BankServer
from server.cli.main import commands
from server.cli.shared.resources import WrongOptions
from server.core.reconciliation.days import DAY_MS, day_of
from server.core.refusals import RequestRefused
from server.gateways.bank import gateway
from server.ops.socket.status_socket import peer_of
from server.services.reconciliation.bank_audit import audit_bank
from server.services.reconciliation.files import verify_file
from server.services.reconciliation.sources import sources_of
from storage.postgres.database import Database
from tests.bank.conftest import (
    BEN,
    HOLDERS,
    SENDER,
    BankRoom,
    MakeBankRoom,
    StartWithBank,
    bank,
    make_bank_room,
    start_with_bank,
)
from tests.conftest import Connect, TurnedClock
from tests.reconciliation.books import ALICE
from tests.reconciliation.conftest import Operators

__all__ = ["bank", "make_bank_room", "start_with_bank"]
KEYS = ["a", "b", "c", "d"]


@pytest.fixture
async def room(bank: BankServer, start_with_bank: StartWithBank, make_bank_room: MakeBankRoom) -> BankRoom:
    """Two users with cards."""
    since_midnight_s = (bank.now_s() + 8 * 3_600) % 86_400
    if not 400 < since_midnight_s < 86_000:
        pytest.skip("payments around midnight in Beijing wait for two statements")
    made = await make_bank_room(await start_with_bank(notices=False))
    for user_id in (SENDER, BEN):
        await made.bind(user_id)
    return made


class Days:
    """Lets days pass on both sides, and fetches the bank's statement of a day into files."""

    def __init__(self, room: BankRoom, clock: TurnedClock, folder: Path) -> None:
        self.room, self._clock, self._folder = room, clock, folder
        self.day: date = day_of(clock.now_ms())
        self.operators = Operators(room.server, folder)
        self.files: list[Path] = []

    def next(self) -> None:
        """A day later, for the bank's statements; its calls are made at the time of both machines."""
        self.room.bank.ahead_s += DAY_MS / 1000

    async def reconcile(self, day: date) -> dict[str, Any]:
        """The newest statement of a day goes to the server; its answer."""
        told = await self.room.gateway.statement(day)
        path = self._folder / f"{day}-{told.issue}.csv"
        path.write_bytes(told.csv)
        path.with_name(path.name + ".sig").write_bytes(told.signature)
        assert json.loads(told.signature)["day"] == str(day)
        self._clock.ahead_ms = round(self.room.bank.ahead_s * 1000)
        answer = await self.operators.reconcile(path)
        self._clock.ahead_ms = 0
        self.files.append(path)
        return answer

    async def audited(self, database: Database) -> list[str]:
        """What the audit of both books finds in the files."""
        now_ms = self._clock.now_ms() + round(self.room.bank.ahead_s * 1000)
        sources = sources_of(self.room.server.app._config)
        reports = await audit_bank([database], [verify_file(path, sources, now_ms) for path in self.files])
        return [line for one in reports for line in one.finding.discrepancies]

    async def open_classes(self) -> list[str]:
        """The classes of the open breaks."""
        return [one["class"] for one in (await self.operators.ask(ALICE, "breaks", "--state", "open"))["breaks"]]


@pytest.fixture
async def days(room: BankRoom, server_clock: TurnedClock, tmp_path: Path) -> Days:
    """Four packets that were paid by card, and one payout."""
    for key in KEYS:
        await room.send(key)
    await room.until_ended(await room.pay_out(BEN))
    return Days(room, server_clock, tmp_path)


def classes_of(answer: dict[str, Any]) -> dict[str, int]:
    assert (answer["state"], answer["why"]) == ("done", "")
    return {one["class"]: one["rows"] for one in answer["classes"]}


async def test_honest_statement_matches_all_payments(days: Days) -> None:
    days.next()
    assert classes_of(await days.reconcile(days.day)) == {"matched": 5}
    assert await days.open_classes() == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (BillFault.ROW_MISSING, {"matched": 4, "ours_only": 1}),
        (BillFault.ROW_EXTRA, {"matched": 5, "bank_only": 1}),
        (BillFault.ROW_CHANGED, {"matched": 4, "amount": 1}),
        (BillFault.ROW_DUPLICATED, {"matched": 5, "duplicate": 1}),
    ],
)
async def test_fault_of_a_row_is_classified(days: Days, fault: BillFault, expected: dict[str, int]) -> None:
    days.room.bank.bills.order_fault(days.day, fault)
    days.next()
    assert classes_of(await days.reconcile(days.day)) == expected
    assert await days.open_classes() == [name for name in expected if name != "matched"]


@pytest.mark.parametrize(
    ("fault", "why"),
    [(BillFault.TRUNCATED, "of 5 rows"), (BillFault.WRONG_DIGEST, "it was changed")],
)
async def test_file_with_a_fault_is_refused(days: Days, fault: BillFault, why: str) -> None:
    days.room.bank.bills.order_fault(days.day, fault)
    days.next()
    answer = await days.reconcile(days.day)
    assert (answer["state"], why in answer["why"]) == ("refused", True), answer


async def test_row_that_was_moved_to_the_next_day_is_missed_and_then_found_there(days: Days) -> None:
    days.room.bank.bills.order_fault(days.day, BillFault.ROW_MOVED)
    days.next()
    assert classes_of(await days.reconcile(days.day)) == {"matched": 4, "ours_only": 1}
    days.next()
    assert classes_of(await days.reconcile(days.day + timedelta(days=1))) == {"other_day": 1}
    assert await days.open_classes() == ["other_day"]


async def test_statement_that_is_corrected_at_t_plus_2_resolves_its_break(days: Days) -> None:
    days.room.bank.bills.order_fault(days.day, BillFault.CORRECTED)
    days.next()
    assert classes_of(await days.reconcile(days.day)) == {"matched": 4, "ours_only": 1}
    days.next()
    assert classes_of(await days.reconcile(days.day)) == {"matched": 5}
    assert await days.open_classes() == []


async def test_charge_whose_reply_is_lost_ends_by_the_statement(days: Days, room: BankRoom) -> None:
    """The bank has done it, and is away from then on: its file comes another way."""
    await room.bind(SENDER, Fault.REPLY_LOST)
    with pytest.raises(RequestRefused):
        await room.send("lost")
    await room.sql.execute("UPDATE payments SET next_try_ms = 9000000000000000 WHERE key = 'lost'")
    assert (await room.payment("lost"))["state"] == "unknown"
    days.next()
    assert classes_of(await days.reconcile(days.day)) == {"matched": 6}
    payment = await room.payment("lost")
    assert payment["state"] == "succeeded"
    assert ("statement", "succeeded") in await room.evidence(payment["number"])


async def topped_up(room: BankRoom) -> int:
    """The number of a top-up by a card that its user has bound."""
    phone, password = f"1380000000{SENDER}", "246810"
    offered = await room.sender.bind_card(card_number(serial=SENDER), HOLDERS[SENDER], phone)
    code = re.search(r"\d{6}", room.bank.books.inbox(phone)[-1])
    assert code is not None
    card = await room.sender.confirm_card(offered.challenge_id, code[0], password)
    return (await room.sender.top_up_by_card(card.card_id, 900, password)).payment_id


async def test_card_refund_matches_its_row_or_ends_by_it_and_both_audits_agree(
    days: Days, room: BankRoom, connect: Connect, database: Database
) -> None:
    charge = await topped_up(room)
    backend = await connect(room.server, 0)
    await backend.refund_to_card(charge, 400)
    room.bank.use(FaultPlan(share=1.0, faults=[Fault.REPLY_LOST]))
    assert (await backend.refund_to_card(charge, 500, key="lost")).state == "unknown"
    room.bank.use(FaultPlan())
    await room.sql.execute("UPDATE payments SET next_try_ms = 9000000000000000 WHERE key = 'lost'")
    days.next()
    assert classes_of(await days.reconcile(days.day)) == {"matched": 8}
    lost = await room.payment("lost")
    assert (lost["kind"], lost["state"]) == ("refund", "succeeded")
    assert ("statement", "succeeded") in await room.evidence(lost["number"])
    assert await days.audited(database) == []


async def test_card_refund_that_the_bank_has_booked_with_another_amount_is_a_break(
    days: Days, room: BankRoom, connect: Connect
) -> None:
    charge = await topped_up(room)
    made = await (await connect(room.server, 0)).refund_to_card(charge, 400)
    await room.sql.execute("ALTER TABLE payments DISABLE TRIGGER USER")
    await room.sql.execute("UPDATE payments SET amount_fen = 399 WHERE number = $1", made.payment_id)
    days.next()
    assert classes_of(await days.reconcile(days.day)) == {"matched": 6, "amount": 1}
    assert await days.open_classes() == ["amount"]


# --- the server asks for it -----------------------------------------------------------------------------------


@pytest.fixture
def next_day(days: Days, server_clock: TurnedClock, tmp_path: Path) -> Path:
    """A day later, for all on both sides; a folder for statements."""
    days.room.bank._wall_s = lambda: time.time() + DAY_MS / 1000
    server_clock.ahead_ms = DAY_MS
    folder = tmp_path / "statements 对账"
    folder.mkdir()
    return folder


async def test_statement_is_fetched_into_a_folder_and_imported_once(days: Days, next_day: Path) -> None:
    answer = await days.operators.fetch(days.day, next_day)
    assert classes_of(answer) == {"matched": 5}
    assert answer["is_new"]
    name = f"bank-{days.day}-1.csv"
    assert sorted(os.listdir(next_day)) == [name, f"{name}.sig"]
    assert not (await days.operators.fetch(days.day, next_day))["is_new"]
    assert classes_of(await days.operators.reconcile(next_day / name)) == {"matched": 5}


async def test_statement_that_cannot_be_fetched_is_refused_in_one_line(
    days: Days, next_day: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today, real = days.day, days.room.gateway.statement

    async def why(day: date, folder: Path = next_day, name: str = "bank") -> str:
        answer = await days.operators.fetch(day, folder, name)
        assert answer["state"] == "refused"
        return str(answer["why"])

    assert await why(today + timedelta(days=1)) == "not ready yet"
    assert await why(today, next_day / "nowhere") == f"{next_day / 'nowhere'}: no such file or directory"
    assert await why(today, name="host") == "the gateway 'host' gives no statements here"
    monkeypatch.setattr(gateway, "BILL_BYTES_MAX", 100)
    assert await why(today) == "the reply is too long; the file of the statement can be imported, too"
    monkeypatch.undo()
    days.room.bank.bills.order_fault(today, BillFault.WRONG_DIGEST)
    assert "it was changed" in await why(today)
    days.room.bank.bills.order_fault(today, BillFault.NONE)
    monkeypatch.setattr(days.room.gateway, "statement", lambda day: real(today))
    assert await why(today - timedelta(days=1)) == f"the bank gave the statement of {today}"
    assert await days.room.sql.fetchval("SELECT count(*) FROM statements") == 0


async def test_command_line_fetches_a_statement(
    days: Days, next_day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days.operators.server.app.operations._sockets._status._peer_of = peer_of
    words = ["reconcile", "--fetch", str(days.day), "--to", str(next_day), "--data", str(tmp_path / "server0")]
    code = await asyncio.to_thread(commands(words), words, exit_on_error=False, print_error=False)
    assert (code, f"bank {days.day}, issue 1: 5 rows" in capsys.readouterr().out) == (0, True)
    for wrong in (["reconcile", "--fetch", "2026-11-28"], ["reconcile", "--to", "/tmp"], [*words, "FILE"]):
        with pytest.raises(WrongOptions, match="--fetch"):
            commands(wrong)(wrong, exit_on_error=False, print_error=False)
