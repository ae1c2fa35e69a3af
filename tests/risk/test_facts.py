"""Facts: each number from rows of a real database, at the edges of its time."""

from __future__ import annotations

from typing import Final, TypeAlias

import asyncpg
import pytest

from storage.postgres.chat.grab_stats import GrabStatRow, GrabStatStore
from storage.postgres.database import Database
from storage.postgres.risk.risk import RiskStore
from tests.risk.test_simulated import GROUP, PACKET

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
NOW_MS: Final = 1_800_000_000_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
USER, OTHER, THIRD = 7, 8, 9


async def facts_of(database: Database, user_id: int = USER) -> dict[str, int]:
    """What is not 0, without the age."""
    (found,) = (await RiskStore(database).facts([user_id], NOW_MS)).values()
    return {name: value for name, value in found.items() if value and name != "account_age_s"}


async def packet(sql: Sql, packet_id: int, sender_id: int, total_fen: int, shares: int, ago_ms: int) -> None:
    await sql.execute(PACKET, packet_id, sender_id, GROUP, total_fen, shares, NOW_MS - ago_ms)


async def credit(sql: Sql, packet_id: int, user_id: int, amount_fen: int, ago_ms: int, index: int = 0) -> None:
    at_ms = NOW_MS - ago_ms
    claim = "INSERT INTO claims VALUES ($1, $2, $3, $4, $5)"
    await sql.execute(claim, packet_id, index, user_id, amount_fen, at_ms)
    await sql.execute("INSERT INTO received VALUES ($1, $2, $3)", user_id, at_ms, packet_id)


@pytest.mark.parametrize(
    ("ago_ms", "expected"),
    [
        (MINUTE_MS - 1, {"opens_1m": 1, "opens_1h": 1, "opens_1d": 1, "won_fen_1h": 30, "won_fen_1d": 30}),
        (MINUTE_MS, {"opens_1h": 1, "opens_1d": 1, "won_fen_1h": 30, "won_fen_1d": 30}),
        (HOUR_MS - 1, {"opens_1h": 1, "opens_1d": 1, "won_fen_1h": 30, "won_fen_1d": 30}),
        (HOUR_MS, {"opens_1d": 1, "won_fen_1d": 30}),
        (DAY_MS - 1, {"opens_1d": 1, "won_fen_1d": 30}),
        (DAY_MS, {}),
    ],
)
async def test_shares_count_for_a_minute_an_hour_and_a_day(
    database: Database, sql: Sql, ago_ms: int, expected: dict[str, int]
) -> None:
    await packet(sql, 2**60, OTHER, 60, 2, 2 * DAY_MS)
    await credit(sql, 2**60, USER, 30, ago_ms)
    found = await facts_of(database)
    of_shares = ("opens_1m", "opens_1h", "opens_1d", "won_fen_1h", "won_fen_1d")
    assert {name: found[name] for name in of_shares if name in found} == expected


@pytest.mark.parametrize(
    ("ago_ms", "expected"),
    [
        (MINUTE_MS - 1, ["sends_1m", "sends_1h", "sends_1d", "sent_fen_1h", "sent_fen_1d"]),
        (MINUTE_MS, ["sends_1h", "sends_1d", "sent_fen_1h", "sent_fen_1d"]),
        (HOUR_MS, ["sends_1d", "sent_fen_1d"]),
        (DAY_MS, []),
    ],
)
async def test_packets_count_for_a_minute_an_hour_and_a_day(
    database: Database, sql: Sql, ago_ms: int, expected: list[str]
) -> None:
    await packet(sql, 2**60, USER, 60, 2, ago_ms)
    assert await facts_of(database) == {name: 60 if "fen" in name else 1 for name in expected}


async def test_money_that_leaves_is_withdrawn_whichever_way(database: Database, sql: Sql) -> None:
    for credit_account, kind, key, ago_ms in (
        (0, 2, "withdrawal", HOUR_MS - 1),
        (-2, 10, "payout", HOUR_MS),
        (0, 14, "pay", DAY_MS - 1),
        (0, 2, "yesterday", DAY_MS),
        (OTHER, 13, "transfer", 1),
    ):
        transfer = "INSERT INTO transfers VALUES ($1, $2, $3, $4, 10, $5)"
        await sql.execute(transfer, USER, credit_account, kind, key, NOW_MS - ago_ms)
    for key, ago_ms in (("today", DAY_MS - 1), ("yesterday", DAY_MS)):
        order = "INSERT INTO wallet_orders VALUES ($1, 13, $2, $3, 25, '', $4)"
        await sql.execute(order, USER, key, OTHER, NOW_MS - ago_ms)
    assert await facts_of(database) == {
        "withdrawals_1d": 3,
        "withdrawn_fen_1d": 30,
        "withdrawn_fen_1h": 10,
        "transfers_1d": 1,
        "transferred_fen_1d": 25,
        "partners_1d": 1,
        "flow_fen_1d": 25,
        "pair_shares_1d": 1,
        "pair_fen_1d": 25,
    }


async def test_mutual_flow_is_what_comes_back_from_the_same_partner_by_average_shares(
    database: Database, sql: Sql
) -> None:
    await packet(sql, 2**60, USER, 100, 2, HOUR_MS)  # 50 each to two others, whatever they drew
    await credit(sql, 2**60, OTHER, 10, HOUR_MS)
    await credit(sql, 2**60, THIRD, 90, HOUR_MS, index=1)
    await packet(sql, 2**60 + 1, OTHER, 30, 1, HOUR_MS)
    await credit(sql, 2**60 + 1, USER, 30, HOUR_MS)
    found = await facts_of(database)
    assert (found["partners_1d"], found["flow_fen_1d"], found["pair_fen_1d"]) == (2, 130, 80)
    assert found["mutual_percent_1d"] == round(100 * 2 * 30 / 130)
    third = await facts_of(database, THIRD)
    assert (third["partners_1d"], third["flow_fen_1d"], third.get("mutual_percent_1d", 0)) == (1, 50, 0)


async def transfer(sql: Sql, giver: int, receiver: int, fen: int, ago_ms: int, key: str = "t") -> None:
    order = "INSERT INTO wallet_orders VALUES ($1, 13, $2, $3, $4, '', $5)"
    await sql.execute(order, giver, key, receiver, fen, NOW_MS - ago_ms)


@pytest.mark.parametrize(("ago_ms", "counts"), [(DAY_MS - 1, True), (DAY_MS, False)])
async def test_share_of_a_packet_of_yesterday_counts_by_when_it_was_opened_on_both_sides(
    database: Database, sql: Sql, ago_ms: int, counts: bool
) -> None:
    await packet(sql, 2**60, USER, 60, 2, ago_ms + DAY_MS - 1)  # lay for a day before it was opened
    await credit(sql, 2**60, OTHER, 20, ago_ms)
    names = ("partners_1d", "flow_fen_1d", "pair_shares_1d", "pair_fen_1d")
    giver, receiver = await facts_of(database), await facts_of(database, OTHER)
    expected = [1, 30, 1, 30] if counts else [0, 0, 0, 0]
    assert [giver.get(name, 0) for name in names] == expected
    assert [receiver.get(name, 0) for name in names] == expected


async def test_transfers_are_flows_between_users_as_shares_are(database: Database, sql: Sql) -> None:
    await packet(sql, 2**60, USER, 60, 2, HOUR_MS)
    await credit(sql, 2**60, OTHER, 20, HOUR_MS)  # as 30
    await transfer(sql, USER, OTHER, 50, MINUTE_MS - 1)
    await transfer(sql, OTHER, USER, 80, HOUR_MS - 1)
    await transfer(sql, THIRD, USER, 40, DAY_MS - 1)
    await transfer(sql, THIRD, USER, 7, DAY_MS, key="yesterday")
    found = await facts_of(database)
    flows = {name: value for name, value in found.items() if name.startswith(("pair", "partners", "flow", "mut"))}
    assert flows == {
        "partners_1d": 2,
        "flow_fen_1d": 200,
        "mutual_percent_1d": 80,
        "pair_shares_1m": 1,
        "pair_shares_1h": 2,
        "pair_shares_1d": 3,
        "pair_fen_1d": 160,
    }


async def test_reactions_are_those_of_all_groups_that_the_user_is_in(database: Database, sql: Sql) -> None:
    for place, left_at_ms in enumerate((None, None, 5)):
        group_id = GROUP + place
        await sql.execute(
            "INSERT INTO groups (group_id, name, owner_id, created_at_ms) VALUES ($1, 'g', 1, 1)", group_id
        )
        await sql.execute("INSERT INTO memberships VALUES ($1, $2, 1, $3)", group_id, USER, left_at_ms)
    rows = [
        GrabStatRow(GROUP, USER, 6, 3, 0, [100, 200, 300, 400, 500, 600]),
        GrabStatRow(GROUP + 1, USER, 4, 1, 0, [700, 800, 900, 1_000]),
        GrabStatRow(GROUP + 2, USER, 90, 90, 0, [1] * 9),  # left
        GrabStatRow(GROUP, OTHER, 90, 90, 0, [1] * 9),
    ]
    await GrabStatStore(database).add(rows, 31)
    assert await facts_of(database) == {
        "reactions": 10,
        "reaction_median_ms": 500,
        "reaction_spread_ms": 900 - 100,
        "grabs": 10,
        "first_places_percent": 40,
    }


async def test_users_of_a_card_are_those_who_have_it_bound_now(database: Database, sql: Sql) -> None:
    bound = [(USER, "a", None), (OTHER, "a", None), (USER, "b", None), (OTHER, "c", None)]
    for card_id, (user_id, ref, unbound) in enumerate([*bound, (THIRD, "a", 5), (USER, "c", 5)], 2**60):
        await sql.execute(
            "INSERT INTO cards (card_id, user_id, gateway, card_ref, bank, last4, key_id, bound_at_ms, "
            "unbound_at_ms) VALUES ($1, $2, 'bank', $3, 'b', '1234', 'k', 1, $4)",
            card_id,
            user_id,
            ref,
            unbound,
        )
    assert await facts_of(database) == {"card_users": 2}
    assert (await facts_of(database, THIRD)).get("card_users", 0) == 0  # unbound


@pytest.mark.parametrize(
    ("ago_ms", "expected"),
    [
        (MINUTE_MS - 1, (1, 2, 3)),
        (MINUTE_MS, (0, 2, 3)),
        (HOUR_MS - 1, (0, 2, 3)),
        (HOUR_MS, (0, 1, 3)),
        (DAY_MS - 1, (0, 1, 3)),
        (DAY_MS, (0, 1, 2)),
    ],
)
async def test_shares_of_a_pair_count_both_ways_for_a_minute_an_hour_and_a_day(
    database: Database, sql: Sql, ago_ms: int, expected: tuple[int, int, int]
) -> None:
    await packet(sql, 2**60, OTHER, 60, 2, 2 * DAY_MS)
    await credit(sql, 2**60, USER, 30, ago_ms)
    await packet(sql, 2**60 + 1, USER, 60, 2, HOUR_MS)
    await credit(sql, 2**60 + 1, OTHER, 30, HOUR_MS // 2)
    await packet(sql, 2**60 + 2, USER, 60, 2, 5 * HOUR_MS)
    await credit(sql, 2**60 + 2, OTHER, 30, 4 * HOUR_MS)
    await credit(sql, 2**60 + 2, THIRD, 30, 1, index=1)  # another pair
    found = (await RiskStore(database).facts([USER], NOW_MS))[USER]
    counted = tuple(found[f"pair_shares_{span}"] for span in ("1m", "1h", "1d"))
    assert counted == (max(1, expected[0]), *expected[1:])
    assert found["pair_fen_1d"] == 30 * expected[2]


async def test_shares_of_a_group_count_in_the_group_with_most_and_not_between_two_users(
    database: Database, sql: Sql
) -> None:
    for place, (target_id, ago_ms) in enumerate(
        [
            (GROUP, 1),
            (GROUP, HOUR_MS // 2),
            (GROUP + 1, 2),
            (GROUP + 1, 3),
            (GROUP + 1, DAY_MS - 1),
            *[(OTHER, 4)] * 3,
        ]
    ):
        await packet(sql, 2**60 + place, OTHER, 60, 2, ago_ms + 1)
        await sql.execute("UPDATE packets SET target_id = $1 WHERE packet_id = $2", target_id, 2**60 + place)
        await credit(sql, 2**60 + place, USER, 30, ago_ms)
    found = await facts_of(database)
    assert tuple(found[f"group_opens_{span}"] for span in ("1m", "1h", "1d")) == (2, 2, 3)
    assert tuple(found[f"pair_shares_{span}"] for span in ("1m", "1h", "1d")) == (6, 7, 8)


async def test_account_counts_from_when_the_user_became_known_and_sponsors_are_not_judged(
    database: Database, sql: Sql
) -> None:
    await sql.execute("INSERT INTO users (user_id, known_at_ms) VALUES ($1, $2)", USER, NOW_MS - 5_999)
    await sql.execute("INSERT INTO users (user_id, known_at_ms) VALUES ($1, $2)", OTHER, NOW_MS + 5_000)
    await sql.execute("INSERT INTO users (user_id) VALUES ($1)", THIRD)
    found = await RiskStore(database).facts([USER, OTHER, THIRD], NOW_MS)
    assert [found[one]["account_age_s"] for one in (USER, OTHER)] == [5, 0]
    assert (await RiskStore(database).facts([99], NOW_MS))[99]["account_age_s"] == 0  # not known, so new
    known_at_ms = await sql.fetchval("SELECT known_at_ms FROM users WHERE user_id = $1", THIRD)
    assert abs(known_at_ms - await sql.fetchval("SELECT extract(epoch FROM now()) * 1000")) < DAY_MS
