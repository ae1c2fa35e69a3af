"""The query plans of the statements that record claims: packets are found by their ids, whatever statistics say.

The statistics of a quiet hour say that next to no packet is open. A plan that therefore reads all open ones costs
the first claims of the next crowd ten times what they are worth, until PostgreSQL counts again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import asyncpg
import pytest

from storage import statements
from storage.postgres.database import BY_KEY, Database
from storage.postgres.packets import packets
from storage.postgres.packets.packets import PacketStore

pytestmark = pytest.mark.new_sessions  # a statement that is prepared by hand stays in its session
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CLAIMS = statements.load(packets.__file__, "claims")
ARRAYS = {"record_claims": 10, "record_first_wins": 10, "record_wins": 11}
FILL = """
INSERT INTO packets
SELECT 9007199254740992 + n, 1, n::text, 'lucky', 9007199254740992, 9, 1, 1, 20000, '', sha256(''),
       n, n + 1, 1, 9, 0, n
FROM generate_series($1::bigint, $2::bigint) AS g (n)
"""


def reads_of_packets(node: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """How a plan reads packets: by which index or scan, and whether with a condition on its key."""
    index = node.get("Index Name", "")
    if index.startswith("packets_") or (node["Node Type"] == "Seq Scan" and node["Relation Name"] == "packets"):
        yield index or node["Node Type"], "Index Cond" in node
    for child in node.get("Plans", ()):
        yield from reads_of_packets(child)


@pytest.mark.parametrize("statement", ARRAYS)
async def test_packets_are_found_by_id_whatever_statistics_say(statement: str, sql: Sql) -> None:
    for name, value in BY_KEY.items():
        await sql.execute(f"SET {name} = {value}")
    await sql.execute("SET plan_cache_mode = force_generic_plan")  # the one that is kept
    await sql.execute(f"PREPARE claims AS {CLAIMS[statement]}")
    arrays = ", ".join(["'{}'"] * ARRAYS[statement])

    async def reads() -> set[tuple[str, bool]]:
        (explained,) = json.loads(await sql.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE claims ({arrays})"))
        return set(reads_of_packets(explained["Plan"]))

    by_id = {("packets_pkey", True)}
    await sql.execute(FILL, 1, 5)
    assert await reads() == by_id  # the first minute of a new database
    await sql.execute("ANALYZE packets")
    assert await reads() == by_id
    await sql.execute(FILL, 6, 60)
    await sql.execute("ANALYZE packets")
    assert await reads() == by_id
    await sql.execute(FILL, 61, 20_000)
    await sql.execute("ANALYZE packets")
    assert await reads() == by_id  # none is open


async def test_session_that_records_claims_reads_no_whole_table(database: Database) -> None:
    async with PacketStore(database)._record_writer.alone() as connection:
        assert await connection.fetchval("SHOW enable_seqscan") == "off"
