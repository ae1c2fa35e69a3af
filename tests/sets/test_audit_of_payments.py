"""The audit of two sets names what is wrong between payments of one set and what they name in the other one."""

from __future__ import annotations

import pytest

from tests.cards.conftest import PASSWORD, Bank, bank
from tests.sets.conftest import NEW, FindDiscrepancies, MakeCrowd, Sql
from tests.sets.paying import payers_of

__all__ = ["bank"]


@pytest.fixture
async def paid(crowd: MakeCrowd, bank: Bank, sql: Sql, other_sql: Sql) -> int:
    """The number of a top-up by card in set 1; the server has ended, and nothing is guarded any more."""
    one = await payers_of(crowd, bank, (sql, other_sql))
    card_id = await one.bound(one.users[1])
    told = await one.users[1].top_up_by_card(card_id, 500, PASSWORD, key="in")
    await one.crowd.server.stop()
    for connection in (sql, other_sql):
        await connection.execute("SET session_replication_role = replica")
    return told.payment_id


# What is planted in a set, and what the audit says of it; {} is the number of the payment.
PLANTED = (
    (0, "UPDATE cards SET user_id = 1", "payment {} of user 1001 names card"),
    (0, "UPDATE user_sets SET set_number = 0 WHERE user_id = 1001", "payment {} of user 1001 is in set 1"),
    (1, "UPDATE transfers SET amount_fen = 400 WHERE kind = 9", "set 1: payment {}: its state says 500 fen"),
    (1, "DELETE FROM payment_evidence WHERE number = {}", "set 1: payment {} is succeeded at version"),
    (
        1,
        "INSERT INTO corrections (break_id, debit_account, credit_account, amount_fen, state, proposed_uid,"
        " proposed_at_ms, decided_uid, decided_at_ms) VALUES (7, 0, 1001, 5, 'approved', 1, 1, 2, 2)",
        "correction 1000000000 moved 5 fen, break 7 is not recorded",
    ),
    (
        1,
        "INSERT INTO corrections (correction_id, break_id, debit_account, credit_account, amount_fen,"
        " proposed_uid, proposed_at_ms) OVERRIDING SYSTEM VALUE VALUES (9, 7, 0, 1001, 5, 1, 1)",
        "correction 9 is in set 1, its number says another one",
    ),
)


async def test_planted_discrepancies_are_named(
    paid: int, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    assert await discrepancies() == []
    for place, plant, _ in PLANTED:
        await (sql, other_sql)[place].execute(plant.format(paid))
    lines = await discrepancies()
    assert [words for _, _, words in PLANTED if not any(words.format(paid) in line for line in lines)] == [], lines
    await sql.execute("DELETE FROM cards")
    assert any(f"payment {paid} of user 1001 names card" in line for line in await discrepancies())


async def test_payment_that_stands_in_the_wrong_set_is_named(
    paid: int, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    row = await other_sql.fetchrow("SELECT * FROM payments")
    assert row is not None
    values = ", ".join(f"${place}" for place in range(1, len(row) + 1))
    await sql.execute(f"INSERT INTO payments ({', '.join(row.keys())}) VALUES ({values})", *row.values())
    lines = await discrepancies()
    assert f"payment {paid} is in set 0, its number says another one" in lines
    assert f"payment {paid} of user {NEW} is in set 0, the user is not" in lines
