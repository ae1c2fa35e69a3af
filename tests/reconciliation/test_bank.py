"""The statements of the simulated bank, with each fault that it can put into one, against a server with cards."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from client_sim.bank.faults import BillFault, Fault
from client_sim.bank.server import BankServer
from server.core.reconciliation.days import DAY_MS, day_of
from server.core.refusals import RequestRefused
from tests.bank.conftest import (
    BEN,
    SENDER,
    BankRoom,
    MakeBankRoom,
    StartWithBank,
    bank,
    make_bank_room,
    start_with_bank,
)
from tests.conftest import TurnedClock
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
        return answer

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
