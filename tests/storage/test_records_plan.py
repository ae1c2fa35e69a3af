"""The query plan of a page of records: it uses indexes, and 100,000 packets cost as much as a hundred."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, TypeAlias

import asyncpg
import pytest

from storage import statements
from storage.postgres.money import records

pytestmark = pytest.mark.new_sessions  # a statement that is prepared by hand stays in its session
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
FIRST = 9_007_199_254_740_992
YEAR_MS = 1_767_196_800_000  # 2026 in Beijing
NEXT_YEAR_MS = 1_798_732_800_000
STATEMENTS = statements.load(records.__file__)
FEW = 100
TYPES = {"sent": "bigint, bigint, bigint, bigint", "received": "bigint, bigint, bigint, bigint", "years": "bigint"}
INDEXES = {
    "sent": {"packets_sent"},
    "received": {"received_pkey", "packets_pkey", "claims_packet_id_user_id_key", "best_lucks_pkey"},
    "years": {"years_pkey"},
}
# For a page of 21 lines. A received line is read from four tables, each with two or three buffers.
ROWS_MAX = {"sent": 50, "received": 200, "years": 3}
BUFFERS_MAX = {"sent": 25, "received": 300, "years": 10}


class Plan(NamedTuple):
    """The work of one statement."""

    scans: set[str]  # kinds of nodes that read tables
    indexes: set[str]
    rows: int  # returned or filtered out by all nodes
    buffers: int


FILL = """
INSERT INTO packets
SELECT {first} + n, {user}, n::text, 'lucky', {group}, 9, 1, 1, 20000, '', sha256(''),
       {year_ms} + n * 60000::bigint, {year_ms} + n * 60000::bigint + 1, 1, 9, 0, {year_ms} + n * 60000::bigint
FROM generate_series(1, {packets}) AS g (n);
INSERT INTO claims SELECT packet_id, 0, {user} + 1, 9, created_at_ms FROM packets WHERE sender_id = {user};
INSERT INTO best_lucks SELECT packet_id, {user} + 1 FROM packets WHERE sender_id = {user};
INSERT INTO received SELECT {user} + 1, created_at_ms, packet_id FROM packets WHERE sender_id = {user};
INSERT INTO years VALUES ({user}, 2026, {packets}, {packets} * 9, 0, 0, 0),
                         ({user} + 1, 2026, 0, 0, {packets}, {packets} * 9, {packets});
"""


async def fill(sql: Sql, user: int, packets: int) -> None:
    """Lucky packets of one share, a minute apart, that a user sent and the next one opened."""
    first = FIRST + user * 1_000_000
    await sql.execute(FILL.format(first=first, user=user, group=FIRST, year_ms=YEAR_MS, packets=packets))


async def history(sql: Sql, many: int) -> Sql:
    """User 1 sent and user 2 received this many in a year, users 11 and 12 a hundred; others have a year too."""
    await fill(sql, 1, many)
    await fill(sql, 11, FEW)
    await sql.execute("INSERT INTO years SELECT n, 2026, 1, 9, 0, 0, 0 FROM generate_series(100, 10000) AS g (n)")
    for table in ("packets", "claims", "received", "best_lucks", "years"):
        await sql.execute(f"VACUUM ANALYZE {table}")  # as autovacuum would
    for name, types in TYPES.items():
        await sql.execute(f"PREPARE {name} ({types}) AS {STATEMENTS[name]}")
    return sql


async def plan(sql: Sql, statement: str, *arguments: int) -> Plan:
    """Execute a prepared statement and read its plan."""
    given = ", ".join(map(str, arguments))
    text = await sql.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {statement} ({given})")
    (explained,) = json.loads(text)
    nodes = list(_nodes(explained["Plan"]))
    reads = [node for node in nodes if "Relation Name" in node or "Index Name" in node]
    return Plan(
        {node["Node Type"] for node in reads},
        {node["Index Name"] for node in reads if "Index Name" in node},
        sum(round(_rows(node) * node["Actual Loops"]) for node in nodes),
        explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"],
    )


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for child in node.get("Plans", ()) for below in _nodes(child))]


def _rows(node: dict[str, Any]) -> float:
    filtered = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")
    return float(node["Actual Rows"] + sum(node.get(name, 0) for name in filtered))


def at(number: int) -> tuple[int, int]:
    """The position of the packet with this number among those of user 1: its time and its id."""
    return YEAR_MS + number * 60_000, FIRST + 1_000_000 + number


# the start of a page in the history of 100,000: the top, the middle, shortly before the end
POSITIONS = {"first": (NEXT_YEAR_MS, 0), "deep": at(50_000), "last": at(15)}


async def test_page_uses_indexes_and_costs_the_same_at_any_position(sql: Sql) -> None:
    await history(sql, 100_000)
    for mode in ("force_custom_plan", "force_generic_plan"):  # PostgreSQL chooses between the two
        await sql.execute(f"SET plan_cache_mode = {mode}")
        for name, user in (("sent", 1), ("received", 2)):
            for position, before in POSITIONS.items():
                check(name, f"{mode}, {position} page", await plan(sql, name, user, YEAR_MS, *before))
            few = await plan(sql, name, user + 10, YEAR_MS, *POSITIONS["first"])
            many = await plan(sql, name, user, YEAR_MS, *POSITIONS["first"])
            assert many.rows == few.rows
            check("years", mode, await plan(sql, "years", user))


def check(name: str, message: str, found: Plan) -> None:
    """The plan uses only the expected indexes, within the bounds."""
    assert found.scans <= {"Index Scan", "Index Only Scan"}, (name, message, found)
    assert found.indexes == INDEXES[name], (name, message, found)
    assert found.rows <= ROWS_MAX[name], (name, message, found)
    assert found.buffers <= BUFFERS_MAX[name], (name, message, found)


async def test_bounds_detect_a_missing_index(sql: Sql) -> None:
    """Shows that the test above can fail. A shorter history is enough."""
    await history(sql, 5_000)
    await sql.execute("DROP INDEX packets_sent")
    found = await plan(sql, "sent", 1, YEAR_MS, *at(2_500))
    assert found.rows > ROWS_MAX["sent"]
    assert found.buffers > BUFFERS_MAX["sent"]
