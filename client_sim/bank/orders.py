"""Orders: what the bank does about a number, once, and the notices that tell it."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final, NamedTuple

from client_sim.bank.books import MERCHANT, BankBooks, BankCard, BankRefuses, account_of, bank_ref
from client_sim.bank.faults import Fault, FaultPlan

LATER: Final = (Fault.NOT_FOUND, Fault.PROCESSING, Fault.PROCESSING_FAILED)  # the money moves later
CLOSED: Final = "closed"
REVERSED: Final = "reversed"


class Timing(NamedTuple):
    """How long things take that take their time, in seconds."""

    reply_late_s: float = 8.0  # longer than merchants wait
    processing_s: float = 3.0
    not_found_s: float = 120.0
    notice_late_s: float = 60.0


class BankOrders:
    """What the merchant asks for. Each method is to run inside a transaction of the books."""

    def __init__(self, books: BankBooks, merchant: str, plan: FaultPlan, timing: Timing) -> None:
        self._books, self._merchant = books, merchant
        self.plan, self.timing = plan, timing

    def find(self, number: str) -> sqlite3.Row | None:
        """An order as it is recorded."""
        return self._books.row("SELECT * FROM orders WHERE number = ?", number)

    def body(self, order: sqlite3.Row) -> dict[str, Any]:
        """An order as replies and notices tell it."""
        return {
            "merchant": self._merchant,
            "number": order["number"],
            "kind": order["kind"],
            "amount_fen": order["fen"],
            "result": order["result"],
            "reason": order["reason"],
            "bank_ref": order["bank_ref"],
        }

    def not_found(self, number: str) -> dict[str, Any]:
        """The answer to a query for a number that has not arrived."""
        rest = {"kind": "", "amount_fen": 0, "result": "not_found", "reason": "", "bank_ref": ""}
        return {"merchant": self._merchant, "number": number, **rest}

    def do(self, number: str, kind: str, token: str, fen: int, now_s: float) -> sqlite3.Row:
        """A charge or a payout. A number that has come before is only answered again."""
        earlier = self.find(number)
        if earlier is not None:
            return self._again(earlier, kind, token, fen)
        card = self._books.card_of(token)
        fault = Fault.NONE if card is None else self.fault_of_next(Fault(card.fault))
        self._insert(number, kind, token, fen, fault, now_s)
        if card is None:
            self._end(number, "failed", "no such card", "")
        else:
            self._do(number, kind, card, fen, fault, now_s)
        return self._told(number, now_s)

    def _do(self, number: str, kind: str, card: BankCard, fen: int, fault: Fault, now_s: float) -> None:
        """Move the money of an order, now or later, as its fault wants it."""
        if fault not in LATER:
            self._move(number, kind, account_of(card.number), card.ref, fen, now_s)
            return
        wait_s = self.timing.not_found_s if fault is Fault.NOT_FOUND else self.timing.processing_s
        seen_s = now_s + wait_s if fault is Fault.NOT_FOUND else 0
        change = "UPDATE orders SET settles_s = ?, seen_s = ? WHERE number = ?"
        self._books.db.execute(change, (now_s + wait_s, seen_s, number))

    def refund(self, number: str, of: str, fen: int, now_s: float) -> sqlite3.Row:
        """Give back a part of a charge, or all of it; never more than it was, however many refunds there are."""
        earlier = self.find(number)
        if earlier is not None:
            return self._again(earlier, "refund", earlier["token"], fen)
        charge = self.find(of)
        token = "" if charge is None else charge["token"]
        card = self._books.card_of_charge(token)
        fault = Fault.NONE if card is None else self.fault_of_next(Fault(card.fault))
        self._insert(number, "refund", token, fen, fault, now_s, of)
        given = self._books.row(
            "SELECT total(fen) AS fen FROM orders WHERE of_number = ? AND result <> 'failed'", of
        )
        assert given is not None
        if charge is None or charge["kind"] != "charge" or charge["result"] != "succeeded" or card is None:
            self._end(number, "failed", "no such charge", "")
        elif given["fen"] > charge["fen"]:
            self._end(number, "failed", "more than the charge", "")
        else:
            self._do(number, "refund", card, fen, fault, now_s)
        return self._told(number, now_s)

    def close(self, number: str, now_s: float) -> dict[str, Any]:
        """Never do a number, unless it is done already. A number that has not arrived is remembered."""
        order = self.find(number)
        if order is None:
            self._insert(number, "", "", 0, Fault.NONE, now_s)
            self._end(number, "failed", CLOSED, "")
        elif order["result"] == "processing":
            self._end(number, "failed", CLOSED, "")
        order = self.find(number)
        assert order is not None
        is_closed = order["result"] == "failed" and order["reason"] == CLOSED
        return {**self.body(order), "result": CLOSED} if is_closed else self.body(order)

    def settle(self, now_s: float) -> int:
        """End the orders whose time has come; how many."""
        due = self._books.rows(
            "SELECT * FROM orders WHERE result = 'processing' AND settles_s <= ? ORDER BY settles_s", now_s
        )
        for order in due:
            named = self._books.card_of_charge if order["kind"] == "refund" else self._books.card_of
            card = named(order["token"])
            if order["fault"] == Fault.PROCESSING_FAILED or card is None:
                self._end(order["number"], "failed", "refused after a review", "")
            else:
                account = account_of(card.number)
                self._move(order["number"], order["kind"], account, card.ref, order["fen"], now_s)
            self._told(order["number"], now_s)
        return len(due)

    def reverse(self, number: str, now_s: float) -> bool:
        """The bank takes an order back after it had succeeded, and says so; once. Raises BankRefuses."""
        order = self.find(number)
        if order is None or order["result"] != "succeeded":
            return False
        posting = self._books.row("SELECT * FROM postings WHERE number = ? AND state = 'succeeded'", number)
        assert posting is not None
        back = (posting["credit"], posting["debit"], posting["fen"], posting["account"])
        self._books.post(number, order["kind"], *back, now_s, REVERSED)
        self._end(number, "failed", REVERSED, order["bank_ref"])
        self.tell(number, now_s)
        return True

    def tell(self, number: str, due_s: float, *, forged: bool = False, **changes: Any) -> None:
        """Send a notice of an order as it is now, with `changes`."""
        order = self.find(number)
        assert order is not None
        body = json.dumps({**self.body(order), **changes}, ensure_ascii=False)
        row = (number, body, int(forged), due_s)
        self._books.db.execute("INSERT INTO notices (number, body, forged, due_s) VALUES (?, ?, ?, ?)", row)

    # --- steps --------------------------------------------------------------------------------------------------

    def fault_of_next(self, card_fault: Fault) -> Fault:
        """The fault that an order of such a card would get now."""
        row = self._books.row("SELECT count(*) AS orders FROM orders")
        assert row is not None
        return self.plan.of_order(card_fault, row["orders"])

    def _insert(
        self, number: str, kind: str, token: str, fen: int, fault: Fault, now_s: float, of: str = ""
    ) -> None:
        self._books.db.execute(
            "INSERT INTO orders (number, kind, token, fen, result, fault, of_number, at_s, calls)"
            " VALUES (?, ?, ?, ?, 'processing', ?, ?, ?, 1)",
            (number, kind, token, fen, fault.value, of, now_s),
        )

    def _again(self, order: sqlite3.Row, kind: str, token: str, fen: int) -> sqlite3.Row:
        """The answer to a number that has come before: what it was the first time, whatever is asked now."""
        change = "UPDATE orders SET calls = calls + 1 WHERE number = ?"
        self._books.db.execute(change, (order["number"],))
        if not order["kind"]:  # it was closed before it came
            change = "UPDATE orders SET kind = ?, token = ?, fen = ? WHERE number = ?"
            self._books.db.execute(change, (kind, token, fen, order["number"]))
        found = self.find(order["number"])
        assert found is not None
        return found

    def _move(self, number: str, kind: str, card: str, card_ref: str, fen: int, now_s: float) -> None:
        debit, credit = (card, MERCHANT) if kind == "charge" else (MERCHANT, card)
        try:
            ref = self._books.post(number, kind, debit, credit, fen, card_ref, now_s)
        except BankRefuses as error:
            self._end(number, "failed", str(error), "")
        else:
            self._end(number, "succeeded", "", ref)

    def _end(self, number: str, result: str, reason: str, ref: str) -> None:
        change = "UPDATE orders SET result = ?, reason = ?, bank_ref = ?, settles_s = NULL WHERE number = ?"
        self._books.db.execute(change, (result, reason, ref, number))

    def _told(self, number: str, now_s: float) -> sqlite3.Row:
        """Order the notices of an order that has ended, as its fault wants them; the order."""
        order = self.find(number)
        assert order is not None
        fault = Fault(order["fault"])
        if order["result"] != "processing":
            contrary = "failed" if order["result"] == "succeeded" else "succeeded"
            if fault is Fault.NOTICE_FORGED:
                self.tell(number, now_s, forged=True, result=contrary, reason="forged")
            elif fault is Fault.NOTICE_WRONG_AMOUNT:
                self.tell(number, now_s, amount_fen=order["fen"] + 1)
            elif fault is Fault.NOTICE_WRONG_MERCHANT:
                self.tell(number, now_s, merchant=f"not-{self._merchant}")
            elif fault is Fault.NOTICE_TWICE:
                self.tell(number, now_s)
            is_late = fault is Fault.NOTICE_LATE
            self.tell(number, now_s + (self.timing.notice_late_s if is_late else 0))
            if fault is Fault.NOTICE_REORDERED:
                self.tell(number, now_s, result="processing", bank_ref="")
        return order


def next_bank_ref(books: BankBooks) -> str:
    """An id that no posting has: of a row in a statement that should not be there."""
    row = books.row("SELECT coalesce(max(id), 0) + 900000 AS id FROM postings")
    assert row is not None
    return bank_ref(row["id"])
