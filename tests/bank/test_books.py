"""The bank's check of its own books: what it finds, and that it takes no longer than reading them."""

from __future__ import annotations

import pytest

from client_sim.bank.books import MERCHANT, MERCHANT_FEN, WORLD, BankBooks

ORDER = """INSERT INTO orders (number, kind, token, fen, result, reason, at_s)
           VALUES ('n1', 'charge', 't', 5, ?, ?, 0)"""


@pytest.fixture
def books() -> BankBooks:
    return BankBooks(":memory:", waits_for_disk=False)


def test_balance_that_is_not_the_sum_of_its_postings_is_found(books: BankBooks) -> None:
    assert books.discrepancies() == []
    books.db.execute("UPDATE accounts SET fen = fen + 1 WHERE name = ?", (MERCHANT,))
    books.db.execute("INSERT INTO accounts (name, fen) VALUES ('new', 7)")
    assert books.discrepancies() == [
        f"account {MERCHANT}: {MERCHANT_FEN + 1} fen, its postings say {MERCHANT_FEN}",
        "account new: 7 fen, its postings say 0",
    ]


@pytest.mark.parametrize(
    ("result", "reason", "postings", "found"),
    [
        ("succeeded", "", 1, []),
        ("succeeded", "", 0, ["order n1: succeeded, with 0 postings"]),
        ("succeeded", "", 2, ["order n1: succeeded, with 2 postings"]),
        ("failed", "reversed", 2, []),
        ("failed", "reversed", 1, ["order n1: failed, with 1 postings"]),
        ("failed", "declined", 0, []),
        ("failed", "declined", 1, ["order n1: failed, with 1 postings"]),
    ],
)
def test_order_has_as_many_postings_as_its_result_says(
    books: BankBooks, result: str, reason: str, postings: int, found: list[str]
) -> None:
    books.db.execute(ORDER, (result, reason))
    for _ in range(postings):
        books.post("n1", "charge", WORLD, MERCHANT, 5, "card", 0.0)
    assert books.discrepancies() == found


def test_check_reads_no_table_once_for_each_row_of_another(books: BankBooks) -> None:
    """It did: the check of a hundred thousand payments took minutes."""
    plans: list[str] = []
    books.db.set_trace_callback(plans.append)
    assert books.discrepancies() == []
    books.db.set_trace_callback(None)
    steps = [row["detail"] for plan in plans for row in books.rows(f"EXPLAIN QUERY PLAN {plan}")]
    assert [step for step in steps if "CORRELATED" in step] == []
    assert len(plans) == 2
