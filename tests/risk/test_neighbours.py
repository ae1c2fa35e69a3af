"""Facts of devices, addresses, cards and circles, from rows of a real database."""

from __future__ import annotations

from random import Random
from typing import Final, TypeAlias

import asyncpg
import pytest

from storage.postgres.database import Database
from storage.postgres.risk import neighbours
from storage.postgres.risk.circles import Circle, FlowGraph
from storage.postgres.risk.risk import RiskStore
from tests.risk.test_facts import DAY_MS, HOUR_MS, MINUTE_MS, NOW_MS, OTHER, THIRD, USER, credit, packet, transfer

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
MARK_DAYS: Final = 30
DEVICE, ADDRESS = 1, 2


async def facts(database: Database, user_id: int = USER) -> dict[str, int]:
    return (await RiskStore(database).facts([user_id], NOW_MS))[user_id]


async def seen(sql: Sql, kind: int, mark: str, user_id: int, ago_ms: int = 0) -> None:
    await sql.execute("INSERT INTO risk_marks VALUES ($1, $2, $3, $4)", kind, mark, user_id, NOW_MS - ago_ms)


@pytest.mark.parametrize(
    ("kind", "name", "ago_ms", "users"),
    [
        (DEVICE, "device", MARK_DAYS * DAY_MS - 1, 2),
        (DEVICE, "device", MARK_DAYS * DAY_MS, 1),
        (ADDRESS, "address", DAY_MS - 1, 2),
        (ADDRESS, "address", DAY_MS, 1),
    ],
)
async def test_users_of_a_mark_are_those_who_were_seen_with_it_in_its_time(
    database: Database, sql: Sql, kind: int, name: str, ago_ms: int, users: int
) -> None:
    await seen(sql, kind, "a", USER)
    await seen(sql, kind, "a", OTHER, ago_ms)
    await seen(sql, kind, "b", THIRD)
    found = await facts(database)
    assert {one: found[one] for one in found if one.endswith("_users") and found[one]} == {f"{name}_users": users}


async def test_mark_counts_what_all_of_its_users_opened_and_withdrew(database: Database, sql: Sql) -> None:
    for user_id in (USER, OTHER):
        await seen(sql, DEVICE, "a", user_id)
    await seen(sql, DEVICE, "b", USER)
    await packet(sql, 2**60, THIRD, 90, 3, 2 * HOUR_MS)
    await credit(sql, 2**60, USER, 30, MINUTE_MS - 1)
    await credit(sql, 2**60, OTHER, 30, MINUTE_MS, index=1)
    await credit(sql, 2**60, THIRD, 30, 1, index=2)  # was not seen there
    moved = [("a", USER, HOUR_MS - 1), ("b", OTHER, HOUR_MS), ("c", OTHER, DAY_MS), ("d", THIRD, 1)]
    for key, user_id, ago_ms in moved:
        transfer = "INSERT INTO transfers VALUES ($1, 0, 2, $2, 10, $3)"
        await sql.execute(transfer, user_id, key, NOW_MS - ago_ms)
    found = await facts(database)
    assert {one: value for one, value in found.items() if one.startswith("device_")} == {
        "device_users": 2,
        "device_opens_1m": 1,
        "device_opens_1h": 2,
        "device_opens_1d": 2,
        "device_withdrawn_fen_1m": 0,
        "device_withdrawn_fen_1h": 10,
        "device_withdrawn_fen_1d": 20,
    }


async def test_mark_of_thousands_counts_the_newest_200(database: Database, sql: Sql) -> None:
    await sql.execute(
        "INSERT INTO risk_marks SELECT 2, 'office', number, $1 FROM generate_series(1, 3000) AS number", NOW_MS - 5
    )
    assert (await facts(database))["address_users"] == 200


async def test_card_counts_what_all_who_have_bound_it_opened(database: Database, sql: Sql) -> None:
    for card_id, user_id in enumerate((USER, OTHER), 2**60):
        await sql.execute(
            "INSERT INTO cards (card_id, user_id, gateway, card_ref, bank, last4, key_id, bound_at_ms) "
            "VALUES ($1, $2, 'bank', 'a card', 'b', '1234', 'k', 1)",
            card_id,
            user_id,
        )
    await packet(sql, 2**60, THIRD, 90, 3, HOUR_MS)
    await credit(sql, 2**60, OTHER, 30, 5)
    found = await facts(database)
    assert (found["card_users"], found["card_opens_1m"], found["device_users"]) == (2, 1, 0)


# --- circles ------------------------------------------------------------------------------------------------------


def widest_by_trying(flows: dict[tuple[int, int], int], user_id: int) -> tuple[int, int]:
    """The amount of the widest circle of at most six users, and the fewest users of one so wide: all are tried."""
    best = (0, 0)

    def go(at: int, passed: tuple[int, ...], width: int) -> None:
        nonlocal best
        for (giver, receiver), fen in flows.items():
            if giver != at:
                continue
            if receiver == user_id and len(passed) > 1:
                best = max(best, (min(width, fen), -len(passed)))
            elif receiver not in passed and len(passed) < 6:
                go(receiver, (*passed, receiver), min(width, fen))

    go(user_id, (user_id,), 2**60)
    return best[0], -best[1]


@pytest.mark.parametrize("seed", range(20))
def test_widest_circle_is_that_found_by_trying_all(seed: int) -> None:
    chance = Random(seed)
    flows = {
        (giver, receiver): chance.randrange(1, 50)
        for giver in range(8)
        for receiver in range(8)
        if giver != receiver and chance.random() < 0.25
    }
    graph = FlowGraph((*pair, fen) for pair, fen in flows.items())
    for user_id in range(8):
        found = graph.widest_circle(user_id) or Circle(0, 0)
        assert (found.amount_fen, found.users) == widest_by_trying(flows, user_id)


async def give(sql: Sql, packet_id: int, giver: int, receiver: int, fen: int, ago_ms: int = HOUR_MS) -> None:
    """A packet of one share, opened and credited."""
    await packet(sql, packet_id, giver, fen, 1, ago_ms)
    await credit(sql, packet_id, receiver, fen, ago_ms)


@pytest.mark.parametrize("users", [2, 3, 6])
async def test_circle_of_up_to_six_users_is_found_for_each(database: Database, sql: Sql, users: int) -> None:
    for one in range(users):
        await give(sql, 2**60 + one, 10 + one, 10 + (one + 1) % users, 2_000 + one)
    await give(sql, 2**60 + 99, 10, 99, 2_000)  # half of what the first one gave went elsewhere
    found = {one: await facts(database, one) for one in range(10, 10 + users)}
    assert {(one["circle_users_1d"], one["circle_fen_1d"]) for one in found.values()} == {(users, 2_000)}
    assert (found[10]["circle_percent_1d"], found[11]["circle_percent_1d"]) == (50, 99)


@pytest.mark.parametrize("by_packets", [0, 1, 2])
async def test_circle_by_transfers_or_by_both_is_found_for_each(
    database: Database, sql: Sql, by_packets: int
) -> None:
    for one in range(4):
        giver, receiver = 10 + one, 10 + (one + 1) % 4
        if one < by_packets:
            await give(sql, 2**60 + one, giver, receiver, 2_000)
        else:
            await transfer(sql, giver, receiver, 2_000, HOUR_MS)
    await transfer(sql, 13, 10, 9_000, DAY_MS, key="yesterday")
    found = await RiskStore(database).facts([10, 11, 12, 13], NOW_MS)
    circles = {(one["circle_users_1d"], one["circle_fen_1d"], one["circle_percent_1d"]) for one in found.values()}
    assert circles == {(4, 2_000, 100)}


async def test_circle_of_seven_and_one_that_was_closed_yesterday_are_none(database: Database, sql: Sql) -> None:
    for one in range(7):
        await give(sql, 2**60 + one, 10 + one, 10 + (one + 1) % 7, 5_000)
    await give(sql, 2**60 + 20, 30, 31, 5_000)
    await give(sql, 2**60 + 21, 31, 30, 5_000, ago_ms=DAY_MS)
    found = await RiskStore(database).facts([10, 30], NOW_MS)
    assert [found[one]["circle_users_1d"] for one in (10, 30)] == [0, 0]


async def test_circle_of_small_flows_is_not_followed(database: Database, sql: Sql) -> None:
    await give(sql, 2**60, 10, 11, neighbours.FLOW_FEN_MIN)
    await give(sql, 2**60 + 1, 11, 10, neighbours.FLOW_FEN_MIN - 1)
    assert (await facts(database, 10))["circle_users_1d"] == 0


async def test_circle_is_found_among_many_partners_and_few_users_are_read(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "USERS_OF_LEVEL_MAX", 3)
    for other in range(100, 140):  # each gave on to many more
        await give(sql, 2**60 + other, 10, other, 1_500)
        await give(sql, 2**60 + 100 + other, other, 900 + other, 1_500)
        await give(sql, 2**60 + 200 + other, 2_000 + other, 10, 1_500)
    for place, (giver, receiver) in enumerate(((10, 11), (11, 12), (12, 13), (13, 10))):
        await give(sql, 2**61 + place, giver, receiver, 8_000)
    asked: list[int] = []
    real = neighbours.OneSetReader.given

    async def counted(reader: neighbours.OneSetReader, user_ids: list[int]) -> list[neighbours.Flow]:
        asked.append(len(user_ids))
        return await real(reader, user_ids)

    monkeypatch.setattr(neighbours.OneSetReader, "given", counted)
    found = await facts(database, 10)
    assert (found["circle_users_1d"], found["circle_fen_1d"]) == (4, 8_000)
    assert asked == [1, 3, 3]
