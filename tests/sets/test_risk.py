"""Risk control with two sets: users of both are judged by what stands in both; those of one that is away later."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from client_sim.sdk import Refusal
from server.core.ids import set_of
from storage.postgres.database import Database
from storage.postgres.risk.risk import RiskStore
from storage.postgres.sets.places import Sets
from storage.postgres.sets.risk import SetRiskStore, facts_of
from tests.risk.test_facts import DAY_MS, HOUR_MS, NOW_MS, credit, packet, transfer
from tests.services.conftest import until
from tests.sets.conftest import NEW, OLD, FindDiscrepancies, MakeCrowd, Sql, is_settled

SET_1 = 1 << 16  # in a number
RULES = """
[[rules]]
name = "wins"
when = "won_fen_1d >= 500"
then = "deny"
says = "wins too much"
"""


@pytest.fixture
async def sets(database: Database, other_dsn: str, sql: Sql) -> AsyncIterator[Sets]:
    """Both databases, without a server; users from NEW on are in set 1."""
    await sql.executemany(
        "INSERT INTO user_sets VALUES ($1, $2)", [(user, int(user >= NEW)) for user in (OLD, OLD + 1, NEW, NEW + 1)]
    )
    other = Database(other_dsn, pool_max=4, timeout_s=10)
    await other.open()
    yield Sets([database, other], set_of)
    await other.close()


async def test_facts_that_are_joined_of_sets_are_those_of_one_statement(database: Database, sql: Sql) -> None:
    """With one set both ways read the same rows."""
    rng = Random(5)
    users = list(range(1, 9))
    for place in range(60):
        sender, ago_ms, shares = rng.choice(users), rng.randrange(2 * DAY_MS), rng.randrange(1, 5)
        await packet(sql, 2**60 + place, sender, rng.randrange(shares, 900), shares, ago_ms)
        for index, user_id in enumerate(rng.sample(users, rng.randrange(shares + 1))):
            await credit(sql, 2**60 + place, user_id, rng.randrange(1, 99), rng.randrange(ago_ms + 1), index)
    for place in range(40):
        giver, receiver = rng.sample(users, 2)
        await transfer(sql, giver, receiver, rng.randrange(1, 900), rng.randrange(2 * DAY_MS), f"{place}")
    expected = await RiskStore(database).facts(users, NOW_MS)
    assert sum(one["mutual_percent_1d"] > 0 for one in expected.values()) > 3
    assert await facts_of(Sets([database]), {}, users, NOW_MS) == expected


async def test_facts_of_a_user_of_a_further_set_count_packets_of_both(sets: Sets, sql: Sql, other_sql: Sql) -> None:
    await packet(other_sql, 2**60 | SET_1, NEW, 60, 2, HOUR_MS // 2)  # the user's own: a user of set 0 opens it
    await other_sql.execute("INSERT INTO claims VALUES ($1, 0, $2, 20, $3)", 2**60 | SET_1, OLD, NOW_MS - 1)
    await sql.execute("INSERT INTO received VALUES ($1, $2, $3)", OLD, NOW_MS - 1, 2**60 | SET_1)
    await packet(sql, 2**60, OLD, 80, 2, 2 * HOUR_MS)  # of set 0: the user opens it
    await sql.execute("INSERT INTO claims VALUES ($1, 0, $2, 70, $3)", 2**60, NEW, NOW_MS - 2 * HOUR_MS)
    await other_sql.execute("INSERT INTO received VALUES ($1, $2, $3)", NEW, NOW_MS - 2 * HOUR_MS, 2**60)
    found = await SetRiskStore(sets).facts([OLD, NEW], NOW_MS)
    both = {"partners_1d": 1, "flow_fen_1d": 70, "mutual_percent_1d": 86, "sends_1d": 1, "opens_1d": 1}
    new = {"won_fen_1d": 70, "won_fen_1h": 0, "opens_1h": 0, "sent_fen_1d": 60, "sent_fen_1h": 60}
    old = {"won_fen_1d": 20, "won_fen_1h": 20, "opens_1m": 1, "sent_fen_1d": 80, "sent_fen_1h": 0}
    assert {name: found[NEW][name] for name in both | new} == both | new
    assert {name: found[OLD][name] for name in both | old} == both | old
    sets.databases[1].hold("away")
    alone = await SetRiskStore(sets).facts([OLD, NEW], NOW_MS)
    assert {name: alone[OLD][name] for name in ("won_fen_1d", "sent_fen_1d")} == {
        "won_fen_1d": 0,
        "sent_fen_1d": 80,
    }
    assert NEW not in alone


async def test_devices_and_circles_count_users_of_both_sets(sets: Sets, sql: Sql, other_sql: Sql) -> None:
    for user_id in (OLD, NEW):
        await sql.execute("INSERT INTO risk_marks VALUES (1, 'phone', $1, $2)", user_id, NOW_MS - 1)
    await packet(sql, 2**60, OLD, 5_000, 1, HOUR_MS)  # from set 0 to set 1, on to another user there, and back
    await sql.execute("INSERT INTO claims VALUES ($1, 0, $2, 5000, $3)", 2**60, NEW, NOW_MS - 9)
    await other_sql.execute("INSERT INTO received VALUES ($1, $2, $3)", NEW, NOW_MS - 9, 2**60)
    await packet(other_sql, 2**60 | SET_1, NEW, 4_000, 1, HOUR_MS)
    await credit(other_sql, 2**60 | SET_1, NEW + 1, 4_000, 8)
    back = (2**60 | SET_1) + 1
    await packet(other_sql, back, NEW + 1, 3_000, 1, HOUR_MS)
    await other_sql.execute("INSERT INTO claims VALUES ($1, 0, $2, 3000, $3)", back, OLD, NOW_MS - 7)
    await sql.execute("INSERT INTO received VALUES ($1, $2, $3)", OLD, NOW_MS - 7, back)
    found = await SetRiskStore(sets).facts([OLD, NEW, NEW + 1], NOW_MS)
    circles = {(one["circle_users_1d"], one["circle_fen_1d"]) for one in found.values()}
    assert circles == {(3, 3_000)}
    assert [found[one]["device_users"] for one in (OLD, NEW, NEW + 1)] == [2, 2, 0]
    assert [found[one]["device_opens_1m"] for one in (OLD, NEW)] == [2, 2]
    sets.databases[1].hold("away")
    alone = (await SetRiskStore(sets).facts([OLD], NOW_MS))[OLD]
    assert (alone["device_users"], alone["device_opens_1m"], alone["circle_users_1d"]) == (2, 1, 0)


async def test_circle_by_transfers_goes_through_both_sets(sets: Sets, sql: Sql, other_sql: Sql) -> None:
    await transfer(sql, OLD, NEW, 5_000, HOUR_MS)  # an order stands in the sets of both users
    await transfer(other_sql, OLD, NEW, 5_000, HOUR_MS)
    await transfer(other_sql, NEW, NEW + 1, 4_000, HOUR_MS)
    for one in (other_sql, sql):
        await transfer(one, NEW + 1, OLD, 3_000, HOUR_MS)
    found = await SetRiskStore(sets).facts([OLD, NEW, NEW + 1], NOW_MS)
    circles = [(one["circle_users_1d"], one["circle_fen_1d"], one["flow_fen_1d"]) for one in found.values()]
    assert circles == [(3, 3_000, 8_000), (3, 3_000, 9_000), (3, 3_000, 7_000)]


async def test_notes_of_all_sets_are_taken_with_the_round_that_judges_them(
    sets: Sets, sql: Sql, other_sql: Sql
) -> None:
    store = SetRiskStore(sets)
    await store.use_rules("shadow", "v1", b"[]", NOW_MS)
    for one, user_id in ((sql, OLD), (other_sql, NEW)):
        assert await one.fetchval("SELECT mode FROM risk_state") == "shadow"
        await one.execute("INSERT INTO risk_activity VALUES ($1)", user_id)
    with suppress(LookupError):
        async with store.round() as part:
            assert part is not None
            assert await part.take_active(10) == [OLD, NEW]
            raise LookupError("killed before the commit")
    async with store.round() as part:
        assert part is not None
        assert await part.take_active(10) == [OLD, NEW]
    assert await other_sql.fetchval("SELECT count(*) FROM risk_activity") == 0
    await other_sql.execute("INSERT INTO risk_activity VALUES ($1)", NEW)
    sets.databases[1].hold("away")
    async with store.round() as part:
        assert part is not None
        assert await part.take_active(10) == []
    sets.databases[1].hold("")
    async with store.round() as part, SetRiskStore(sets).round() as second:
        assert part is not None
        assert second is None
        assert await part.take_active(10) == [NEW]
    await store.stop()
    assert await other_sql.fetchval("SELECT mode FROM risk_state") == "off"


@pytest.mark.parametrize("number", [0, 1])
async def test_user_of_either_set_who_wins_in_the_other_one_is_held_back(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, tmp_path: Path, number: int
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES, encoding="utf-8")
    one = await crowd(1, 1, risk__mode="on", risk__rules=str(rules), risk__interval_s=0.05)
    sender, winner, winner_id = ((one.new[0], one.old[0], OLD), (one.old[0], one.new[0], NEW))[number]
    packet_id = (await sender.send_packet("equal", one.group, 600, 1)).packet_id
    assert (await winner.open(packet_id)).answer == "won"

    async def is_denied() -> bool:
        return await sql.fetchval("SELECT action FROM risk_verdicts WHERE user_id = $1", winner_id) == "deny"

    await until(is_denied)
    with pytest.raises(Refusal, match="wins too much"):
        await winner.send_packet("equal", one.group, 100, 1)
    await sender.send_packet("equal", one.group, 100, 1)
    await until(lambda: is_settled(sql, other_sql))
    assert await other_sql.fetchval("SELECT count(*) FROM risk_decisions") == 0
    assert await discrepancies() == []
