"""The audit of two sets names what was planted in one of them, in either direction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.services.conftest import until
from tests.sets.conftest import NEW, OLD, FindDiscrepancies, MakeCrowd, Sql, is_settled

Played = tuple[int, int]  # the packet, and the share of the user of set 0


@pytest.fixture
async def played(crowd: MakeCrowd, sql: Sql, other_sql: Sql) -> Played:
    """A packet of set 1 is opened by a user of set 0 and by one of set 1; the server has ended."""
    one = await crowd(1, 2)
    packet_id = (await one.new[0].send_packet("lucky", one.group, 1_000, 2)).packet_id
    opened = await one.old[0].open(packet_id)
    await one.new[1].open(packet_id)
    await until(lambda: is_settled(sql, other_sql))
    await one.server.stop()
    for connection in (sql, other_sql):  # what is planted breaks rules that triggers and constraints keep
        await connection.execute("SET session_replication_role = replica")
    return packet_id, opened.amount_fen


Plant = Callable[[Sql, Sql, int], Awaitable[object]]


async def missing_credit(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    return await sql.execute("DELETE FROM transfers WHERE kind = 4 AND debit_account = $1", packet_id)


async def wrong_credit(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    return await sql.execute(
        "UPDATE transfers SET amount_fen = amount_fen + 1 WHERE kind = 4 AND debit_account = $1", packet_id
    )


async def credit_without_claim(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    await other_sql.execute("DELETE FROM claims WHERE packet_id = $1 AND user_id = $2", packet_id, OLD)
    return await other_sql.execute("DELETE FROM transfers WHERE kind = 22 AND debit_account = $1", packet_id)


async def credited_in_both(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    return await other_sql.execute(
        "INSERT INTO transfers SELECT debit_account, $2, 4, '', amount_fen, at_ms FROM transfers "
        "WHERE kind = 22 AND debit_account = $1",
        packet_id,
        OLD,
    )


async def left_the_queue(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    """As if the row had been deleted without the transfer into transit."""
    return await other_sql.execute("DELETE FROM transfers WHERE kind = 22 AND debit_account = $1", packet_id)


async def never_told(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    return await sql.execute("DELETE FROM told_by_sets WHERE topic = 2 AND packet_id = $1", packet_id)


async def late_row(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    return await other_sql.execute(
        "INSERT INTO set_outbox (stream_id, topic, packet_id, at_ms, made_at) "
        "VALUES (7, 0, $1, 0, now() - interval '2 minutes')",
        packet_id,
    )


async def stranger(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    return await sql.execute("DELETE FROM memberships WHERE user_id = $1", OLD)


async def wrong_place(sql: Sql, other_sql: Sql, packet_id: int) -> object:
    return await sql.execute("UPDATE user_sets SET set_number = 0 WHERE user_id = $1", NEW)


PLANTED: dict[str, tuple[Plant, str]] = {
    "missing": (missing_credit, "were handed over to set 0, credited there are 0"),
    "wrong": (wrong_credit, "are credited in set 0, claimed are"),
    "without claim": (credit_without_claim, "are credited in set 0, claimed are 0"),
    "twice": (credited_in_both, f"user {OLD}: credited in the set of the packet and in set 0"),
    "left the queue": (left_the_queue, f"user {OLD}: claimed"),
    "never told": (never_told, "its finish was not told"),
    "late": (late_row, "to be told in 7"),
    "stranger": (stranger, f"user {OLD} opened it, it was for the members of group"),
    "wrong place": (wrong_place, f"the wallet of user {NEW} is in set 1, the user is in set 0"),
}


@pytest.mark.parametrize("name", PLANTED)
async def test_discrepancy_that_was_planted_in_one_set_is_named(
    played: Played, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, name: str
) -> None:
    plant, words = PLANTED[name]
    assert await discrepancies() == []
    await plant(sql, other_sql, played[0])
    found = await discrepancies()
    assert any(words in line and (str(played[0]) in line or name == "wrong place") for line in found), found
