"""Statements of the bank: a signed file of a Beijing day, and each fault that a plan can put into one."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections import Counter
from datetime import date, timedelta

import pytest

from client_sim.bank.bills import BEIJING, Bills, beijing_day
from client_sim.bank.books import BankBooks
from client_sim.bank.faults import BillFault, FaultPlan, card_number
from client_sim.bank.keys import BankKeyring, new_key, public_text
from client_sim.bank.orders import BankOrders, Timing
from client_sim.bank.server import BankServer
from server.core.key_pairs import checker
from server.gateways.port import NoStatement
from tests.bank.conftest import SENDER, BankRoom

DAY = date(2026, 11, 28)
NOON_S = 1_795_838_400.0  # 12:00 in Beijing on that day
DAY_S = 86_400.0
T1_S, T2_S = NOON_S + DAY_S, NOON_S + 2 * DAY_S
NUMBERS = [str((1 << 60) + one) for one in range(5)]


class DayOfOrders:
    """Books with four orders and a refund on the day, one order the day after, and their statements."""

    def __init__(self) -> None:
        self.books = BankBooks(":memory:")
        self.keys = BankKeyring({"b1": new_key()}, {})
        self.bills = Bills(self.books, "hongbao", self.keys, FaultPlan(seed=3))
        orders = BankOrders(self.books, "hongbao", FaultPlan(), Timing())
        with self.books.transaction():
            binding, self.card = self.books.offer("r1", card_number(), "张三", "13800000001")
            token = self.books.confirm(binding)
            for place, kind in enumerate(["charge", "charge", "payout", "charge"]):
                orders.do(NUMBERS[place], kind, token, 100 + place, NOON_S + place)
            orders.refund(NUMBERS[4], NUMBERS[0], 40, NOON_S + 9)
            orders.refund("77", NUMBERS[0], 61, NOON_S + 9)  # more than is left: no row
            orders.do("9" * 18, "charge", token, 500, NOON_S + DAY_S)

    def rows(self, day: date = DAY, now_s: float = T1_S) -> list[dict[str, str]]:
        bill = self.bills.bill(day, now_s)
        assert bill is not None
        return list(csv.DictReader(io.StringIO(bill.csv)))


@pytest.fixture
def day() -> DayOfOrders:
    """The day of orders."""
    return DayOfOrders()


def _kept(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(row["number"], row["amount_fen"]) for row in rows]


RIGHT = [(NUMBERS[0], "100"), (NUMBERS[1], "101"), (NUMBERS[2], "102"), (NUMBERS[3], "103"), (NUMBERS[4], "40")]


def test_statement_has_the_postings_of_a_beijing_day_in_order_and_a_signed_digest(day: DayOfOrders) -> None:
    bill = day.bills.bill(DAY, T1_S)
    assert bill is not None
    assert bill.csv.splitlines()[0] == "line,bank_ref,number,kind,account,amount_fen,state,at"
    rows = day.rows()
    assert _kept(rows) == RIGHT
    assert [row["line"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row["kind"] for row in rows] == ["charge", "charge", "payout", "charge", "refund"]
    assert {(row["account"], row["state"]) for row in rows} == {(day.card.ref, "succeeded")}
    assert rows[0]["at"] == "2026-11-28T12:00:00.000+08:00"
    assert (bill.rows, bill.sha256, bill.issue) == (5, hashlib.sha256(bill.csv.encode()).hexdigest(), 1)
    text = f"statement\nhongbao\n2026-11-28\n1\n5\n{bill.sha256}".encode()
    assert checker(public_text(day.keys.bank["b1"]))(text, base64.b64decode(bill.signature))
    assert day.bills.bill(DAY, T2_S) == bill


def test_statement_of_a_day_that_is_not_over_is_not_there(day: DayOfOrders) -> None:
    assert day.bills.bill(DAY, NOON_S + 11 * 3_600) is None
    assert day.bills.bill(DAY, NOON_S + 12 * 3_600) is not None
    assert beijing_day(NOON_S - 12 * 3_600) == DAY
    assert beijing_day(NOON_S - 12 * 3_600 - 1) == DAY - timedelta(days=1)


def test_statement_that_is_late_is_there_two_days_after(day: DayOfOrders) -> None:
    day.bills.order_fault(DAY, BillFault.LATE)
    assert day.bills.bill(DAY, T1_S) is None
    assert _kept(day.rows(now_s=T2_S)) == RIGHT


@pytest.mark.parametrize(
    ("fault", "less", "more"),
    [
        (BillFault.ROW_MISSING, 1, 0),
        (BillFault.ROW_EXTRA, 0, 1),
        (BillFault.ROW_CHANGED, 1, 1),
        (BillFault.ROW_DUPLICATED, 0, 1),
        (BillFault.ROW_MOVED, 1, 0),
        (BillFault.CORRECTED, 1, 0),
    ],
)
def test_row_is_wrong_as_ordered_and_the_digest_fits(
    day: DayOfOrders, fault: BillFault, less: int, more: int
) -> None:
    day.bills.order_fault(DAY, fault)
    bill = day.bills.bill(DAY, T1_S)
    assert bill is not None
    rows = day.rows()
    right, now = Counter(RIGHT), Counter(_kept(rows))
    assert ((right - now).total(), (now - right).total()) == (less, more)
    assert [row["line"] for row in rows] == [str(line) for line in range(1, len(rows) + 1)]
    assert (bill.rows, bill.sha256) == (len(rows), hashlib.sha256(bill.csv.encode()).hexdigest())
    refs = Counter(row["bank_ref"] for row in rows)
    assert max(refs.values()) == (2 if fault is BillFault.ROW_DUPLICATED else 1)


def test_row_that_was_moved_is_in_the_statement_of_the_next_day(day: DayOfOrders) -> None:
    day.bills.order_fault(DAY, BillFault.ROW_MOVED)
    (gone,) = Counter(RIGHT) - Counter(_kept(day.rows()))
    rows = day.rows(DAY + timedelta(days=1), T2_S)
    assert _kept(rows) == [gone, ("9" * 18, "500")]
    assert rows[0]["at"] == "2026-11-29T00:00:05.000+08:00"


def test_statement_that_is_corrected_has_issue_2_at_two_days_after(day: DayOfOrders) -> None:
    day.bills.order_fault(DAY, BillFault.CORRECTED)
    first, second = day.bills.bill(DAY, T1_S), day.bills.bill(DAY, T2_S)
    assert first is not None
    assert second is not None
    assert (first.issue, first.rows, second.issue, second.rows) == (1, 4, 2, 5)
    assert _kept(day.rows(now_s=T2_S)) == RIGHT


def test_file_that_is_truncated_or_another_does_not_fit_its_digest(day: DayOfOrders) -> None:
    for fault in (BillFault.TRUNCATED, BillFault.WRONG_DIGEST):
        day.bills.order_fault(DAY, fault)
        bill = day.bills.bill(DAY, T1_S)
        assert bill is not None
        assert bill.sha256 != hashlib.sha256(bill.csv.encode()).hexdigest()
        assert (bill.rows, bill.csv.endswith("\n")) == (5, fault is BillFault.WRONG_DIGEST)


def test_seeded_plan_draws_every_fault_of_statements_and_the_same_again(day: DayOfOrders) -> None:
    day.bills.plan = FaultPlan(seed=3, bill_share=0.7)
    days = [DAY + timedelta(days=one) for one in range(120)]
    faults = [day.bills.fault(one) for one in days]
    assert set(faults) == set(BillFault)
    assert faults == [day.bills.fault(one) for one in days]


async def test_gateway_gets_the_statement_with_its_signature_file(bank_room: BankRoom, bank: BankServer) -> None:
    await bank_room.bind(SENDER)
    await bank_room.send()
    today = beijing_day(bank.now_s())
    with pytest.raises(NoStatement, match="not ready yet"):
        await bank_room.gateway.statement(today)
    bank.ahead_s = DAY_S
    statement = await bank_room.gateway.statement(today)
    rows = list(csv.DictReader(io.StringIO(statement.csv.decode())))
    assert [row["number"] for row in rows] == [str((await bank_room.payment())["number"])]
    signature = json.loads(statement.signature)
    assert signature["sha256"] == hashlib.sha256(statement.csv).hexdigest()
    bill = bank.bills.bill(today, bank.now_s())
    assert bill is not None
    assert signature == bill.signature_file("hongbao")
    right, bank.keys.bank = bank.keys.bank, {"b1": new_key()}
    with pytest.raises(NoStatement, match="signature"):
        await bank_room.gateway.statement(today)
    bank.keys.bank = right
    assert BEIJING.utcoffset(None) == timedelta(hours=8)
