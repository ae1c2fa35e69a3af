"""Packets and claims: load, record, due, refund."""

from __future__ import annotations

import pytest

from storage.postgres.money.wallets import BalanceRow
from storage.postgres.packets.packets import Advance, ClaimRow
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    CARLA,
    LATER_MS,
    OPENED_MS,
    SENDER,
    advance,
    balance,
    open_packet,
    packet,
    packet_id,
    plain,
    send,
)


async def version_of(stores: Stores, number: int) -> tuple[int, int, int, int | None]:
    """Version, claimed, refunded and the time of the close."""
    row = (await stores.packets.rows([packet_id(number)]))[packet_id(number)]
    return row.version, row.claimed_fen, row.refunded_fen, row.closed_at_ms


async def users_of(stores: Stores, number: int) -> list[int]:
    """The users with a claim, in the order of the indexes."""
    _, claims = await stores.packets.load([packet_id(number)])
    return [claim.user_id for claim in claims[packet_id(number)]]


async def test_load_of_a_new_packet_returns_its_terms_and_no_claims(both: Stores) -> None:
    await send(both, packet(1))
    rows, claims = await both.packets.load([packet_id(1)])
    assert plain(list(rows.values())) == [packet(1)]
    assert claims == {packet_id(1): []}


async def test_load_of_unknown_packets_leaves_them_out(both: Stores) -> None:
    await send(both, packet(1))
    rows, claims = await both.packets.load([packet_id(8), packet_id(1), packet_id(9)])
    assert rows.keys() == claims.keys() == {packet_id(1)}


async def test_load_returns_claims_by_index(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (BEN, 100), (ANNA, 200))
    _, claims = await both.packets.load([packet_id(1)])
    assert claims[packet_id(1)] == [
        ClaimRow(packet_id(1), 0, BEN, 100, OPENED_MS),
        ClaimRow(packet_id(1), 1, ANNA, 200, OPENED_MS),
    ]


async def test_rows_returns_the_packets_that_exist(both: Stores) -> None:
    await send(both, packet(1), packet(2, kind="equal"))
    rows = await both.packets.rows([packet_id(2), packet_id(9), packet_id(1)])
    assert plain(list(rows.values())) == [packet(1), packet(2, kind="equal")]
    assert await both.packets.rows([packet_id(9)]) == {}


async def test_record_of_claims_advances_the_version(both: Stores) -> None:
    await send(both, packet(1))
    assert await both.packets.record([advance(1, 0, (ANNA, 100), (BEN, 250))]) == {packet_id(1)}
    assert await version_of(both, 1) == (2, 350, 0, None)


async def test_record_of_the_last_claim_closes_the_packet_at_its_time(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 250))
    assert await both.packets.record([advance(1, 2, (CARLA, 550), at_ms=2_500)]) == {packet_id(1)}
    assert await version_of(both, 1) == (3, 900, 0, 2_500)


@pytest.mark.parametrize("version", [0, 2])
async def test_record_on_another_version_is_not_accepted(both: Stores, version: int) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100))
    assert await both.packets.record([advance(1, version, (BEN, 250))]) == set()
    assert await version_of(both, 1) == (1, 100, 0, None)
    assert await users_of(both, 1) == [ANNA]


async def test_record_on_an_unknown_packet_is_not_accepted(both: Stores) -> None:
    assert await both.packets.record([advance(9, 0, (ANNA, 100))]) == set()


async def test_record_on_a_refunded_packet_is_not_accepted(both: Stores) -> None:
    await send(both, packet(1))
    await both.packets.refund([packet_id(1)], LATER_MS)
    assert await both.packets.record([advance(1, 0, (ANNA, 100))]) == set()
    assert await version_of(both, 1) == (0, 0, 900, LATER_MS)


async def test_record_of_several_packets_accepts_those_that_fit(both: Stores) -> None:
    await send(both, packet(1), packet(2), packet(3))
    advances = [advance(3, 0, (ANNA, 300)), advance(2, 1, (ANNA, 200)), advance(1, 0, (ANNA, 100))]
    assert await both.packets.record(advances) == {packet_id(1), packet_id(3)}
    assert [await version_of(both, number) for number in (1, 2, 3)] == [
        (1, 100, 0, None),
        (0, 0, 0, None),
        (1, 300, 0, None),
    ]


async def test_record_of_a_user_who_has_a_claim_is_not_accepted_and_the_others_are(both: Stores) -> None:
    await send(both, packet(1), packet(2))
    await open_packet(both, 1, 0, (ANNA, 100))
    assert await both.packets.record([advance(1, 1, (ANNA, 250)), advance(2, 0, (ANNA, 200))]) == {packet_id(2)}
    assert await version_of(both, 1) == (1, 100, 0, None)
    assert await users_of(both, 2) == [ANNA]


async def test_record_of_one_user_twice_is_not_accepted(both: Stores) -> None:
    await send(both, packet(1))
    assert await both.packets.record([advance(1, 0, (ANNA, 100), (ANNA, 200))]) == set()
    assert await users_of(both, 1) == []


async def test_record_of_an_index_that_is_taken_is_not_accepted(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100))
    again = advance(1, 0, (BEN, 200))
    assert await both.packets.record([Advance(packet_id(1), 1, again.claims)]) == set()
    assert await users_of(both, 1) == [ANNA]


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param([(ANNA, 900)], id="whole total in the first share"),
        pytest.param([(ANNA, 100), (BEN, 100), (CARLA, 100)], id="less than the total in all shares"),
        pytest.param([(ANNA, 300), (BEN, 300), (CARLA, 400)], id="more than the total in all shares"),
        pytest.param([(ANNA, 200), (BEN, 200), (CARLA, 200), (5, 300)], id="more claims than shares"),
        pytest.param([(ANNA, 0), (BEN, 100)], id="a share of nothing"),
    ],
)
async def test_record_against_the_total_is_not_accepted(both: Stores, shares: list[tuple[int, int]]) -> None:
    await send(both, packet(1))
    assert await both.packets.record([advance(1, 0, *shares)]) == set()
    assert await version_of(both, 1) == (0, 0, 0, None)
    assert await users_of(both, 1) == []


async def test_due_returns_expired_open_packets_oldest_first_up_to_a_limit(both: Stores) -> None:
    expiries = {1: 5_000, 2: 3_000, 3: 4_000, 4: 6_000, 5: 2_000}
    await send(both, *(packet(number, expires_ms=at_ms) for number, at_ms in expiries.items()))
    await both.packets.refund([packet_id(5)], 2_500)
    assert await both.packets.due(5_000, 10) == [packet_id(2), packet_id(3), packet_id(1)]
    assert await both.packets.due(5_000, 2) == [packet_id(2), packet_id(3)]
    assert await both.packets.due(2_999, 10) == []


async def refund(stores: Stores, *numbers: int) -> list[tuple[int, int, int, BalanceRow]]:
    """Refund packets; who got what, and what is in the wallets then."""
    rows = await stores.packets.refund([packet_id(number) for number in numbers], LATER_MS)
    assert {row.at_ms for row in rows} <= {LATER_MS}
    return [(row.packet_id, row.sender_id, row.refunded_fen, row.balance) for row in rows]


async def test_refund_of_a_packet_without_claims_pays_back_its_total(both: Stores) -> None:
    await send(both, packet(1))
    assert await refund(both, 1) == [(packet_id(1), SENDER, 900, BalanceRow(900, 3))]
    assert await version_of(both, 1) == (0, 0, 900, LATER_MS)
    assert await balance(both, SENDER) == BalanceRow(900, 3)


async def test_refund_of_an_opened_packet_pays_back_the_rest(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 250))
    assert await refund(both, 1) == [(packet_id(1), SENDER, 550, BalanceRow(550, 3))]
    assert await version_of(both, 1) == (2, 350, 550, LATER_MS)


async def test_refund_of_a_closed_packet_is_left_out(both: Stores) -> None:
    await send(both, packet(1))
    await both.packets.refund([packet_id(1)], LATER_MS)
    assert await both.packets.refund([packet_id(1)], LATER_MS + 1) == []
    assert await version_of(both, 1) == (0, 0, 900, LATER_MS)
    assert await balance(both, SENDER) == BalanceRow(900, 3)


async def test_refund_of_a_packet_with_nothing_left_is_left_out(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 250), (CARLA, 550))
    assert await both.packets.refund([packet_id(1)], LATER_MS) == []
    assert await version_of(both, 1) == (3, 900, 0, OPENED_MS)
    assert await balance(both, SENDER) == BalanceRow(0, 2)


async def test_refund_of_an_unknown_packet_is_left_out(both: Stores) -> None:
    await send(both, packet(1))
    refunds = await both.packets.refund([packet_id(9), packet_id(1)], LATER_MS)
    assert [one.packet_id for one in refunds] == [packet_id(1)]


async def test_refund_of_a_batch_returns_ids_in_order_and_balances_after_all_of_it(both: Stores) -> None:
    await send(both, packet(1, fen=500), packet(2, fen=700), packet(3, fen=300, sender=BEN))
    assert await refund(both, 2, 3, 1) == [
        (packet_id(1), SENDER, 500, BalanceRow(1_200, 5)),
        (packet_id(2), SENDER, 700, BalanceRow(1_200, 5)),
        (packet_id(3), BEN, 300, BalanceRow(300, 3)),
    ]


async def test_find_refunds_returns_what_was_paid_back_with_the_present_balance(both: Stores) -> None:
    await send(both, packet(1), packet(2, fen=100, shares=1))
    await open_packet(both, 1, 0, (ANNA, 100))
    (one,) = await both.packets.refund([packet_id(1)], LATER_MS)
    (other,) = await both.packets.refund([packet_id(2)], LATER_MS)
    assert await both.packets.find_refunds([other, one]) == [other, one._replace(balance=other.balance)]


async def test_find_refunds_of_refunds_that_were_not_made_returns_none(both: Stores) -> None:
    await send(both, packet(1), packet(2))
    (made,) = await both.packets.refund([packet_id(1)], LATER_MS)
    asked = [
        made._replace(packet_id=packet_id(2)),
        made._replace(at_ms=LATER_MS + 1),
        made._replace(xid=made.xid + 1),  # of another server, in the same millisecond
        made,
    ]
    assert await both.packets.find_refunds(asked) == [None, None, None, made]
