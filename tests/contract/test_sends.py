"""Sends: packets, their debits and their announcements."""

from __future__ import annotations

import pytest

from storage.postgres.money.wallets import EMPTY_ROW, BalanceRow
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.sends import Sent, Unsent
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    CARLA,
    GROUP,
    OTHER_GROUP,
    SENDER,
    balance,
    debit_of,
    open_packet,
    packet,
    packet_id,
    pay_in,
    plain,
    send,
    streams_of,
)
from tests.seeds import SeedsInPlain


async def record(stores: Stores, *rows: PacketRow) -> list[Sent | Unsent]:
    """One batch."""
    return await stores.sends.record(rows, debit_of, streams_of, SeedsInPlain)


async def exist(stores: Stores, *numbers: int) -> list[bool]:
    """Whether these packets stand in the records."""
    rows = await stores.packets.rows([packet_id(number) for number in numbers])
    return [packet_id(number) in rows for number in numbers]


async def test_record_of_a_packet_debits_its_sender_and_numbers_its_message(both: Stores) -> None:
    await pay_in(both, SENDER, 1_000)
    assert await record(both, packet(1)) == [Sent(packet(1), BalanceRow(100, 2), {GROUP: 1})]
    assert await balance(both, SENDER) == BalanceRow(100, 2)


async def test_record_of_a_personal_packet_numbers_a_message_in_two_streams(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    await both.users.know([ANNA, BEN])
    await record(both, packet(1, fen=300, shares=1, kind="personal", target=BEN, sender=SENDER))
    row = packet(2, fen=500, shares=1, kind="personal", target=ANNA)
    assert await record(both, row) == [Sent(row, BalanceRow(1_200, 3), {ANNA: 1, SENDER: 2})]


async def test_record_of_a_batch_numbers_messages_in_its_order(both: Stores) -> None:
    await pay_in(both, SENDER, 1_000)
    await pay_in(both, BEN, 1_000)
    rows = [
        packet(3, fen=10),
        packet(1, fen=10, sender=BEN),
        packet(2, fen=10, sender=BEN, target=OTHER_GROUP),
        packet(4, fen=10),
    ]
    sent = await record(both, *rows)
    assert [one.messages for one in sent if isinstance(one, Sent)] == [
        {GROUP: 1},
        {GROUP: 2},
        {OTHER_GROUP: 1},
        {GROUP: 3},
    ]


async def test_record_of_a_batch_returns_balances_after_all_of_it(both: Stores) -> None:
    await pay_in(both, SENDER, 1_000)
    await pay_in(both, BEN, 1_000)
    sent = await record(both, packet(1, fen=100), packet(2, fen=200, sender=BEN), packet(3, fen=300))
    assert [one.balance for one in sent if isinstance(one, Sent)] == [
        BalanceRow(600, 3),
        BalanceRow(800, 2),
        BalanceRow(600, 3),
    ]


async def test_record_of_a_used_key_returns_the_earlier_packet_and_moves_nothing(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    await record(both, packet(1, key="once"))
    assert await record(both, packet(2, key="once")) == [Sent(packet(1, key="once"), EMPTY_ROW, {})]
    assert await exist(both, 1, 2) == [True, False]
    assert await balance(both, SENDER) == BalanceRow(1_100, 2)


async def test_record_of_the_same_packet_again_returns_it_without_messages(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    row = packet(1)
    await record(both, row)
    assert await record(both, row) == [Sent(packet(1), EMPTY_ROW, {})]
    assert await balance(both, SENDER) == BalanceRow(1_100, 2)


async def test_record_of_a_used_key_with_other_content_returns_the_earlier_packet(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    await record(both, packet(1, key="once"))
    other = packet(2, key="once", fen=400, shares=2, kind="equal", target=OTHER_GROUP)
    assert await record(both, other) == [Sent(packet(1, key="once"), EMPTY_ROW, {})]
    assert await balance(both, SENDER) == BalanceRow(1_100, 2)


async def test_record_of_a_used_key_returns_the_packet_as_it_is_by_now(both: Stores) -> None:
    await send(both, packet(1, key="once"))
    await open_packet(both, 1, 0, (ANNA, 100))
    assert await record(both, packet(2, key="once")) == [
        Sent(packet(1, key="once")._replace(version=1, claimed_fen=100), EMPTY_ROW, {})
    ]


async def test_record_of_a_key_of_another_sender_sends(both: Stores) -> None:
    await send(both, packet(1, key="once"))
    await pay_in(both, BEN, 900)
    row = packet(2, key="once", sender=BEN)
    assert await record(both, row) == [Sent(row, BalanceRow(0, 2), {GROUP: 2})]


async def test_record_of_one_key_twice_in_a_batch_sends_once(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    first, second = packet(1, key="once"), packet(2, key="once")
    assert await record(both, first, second) == [
        Sent(first, BalanceRow(1_100, 2), {GROUP: 1}),
        Sent(first, EMPTY_ROW, {}),
    ]
    assert await exist(both, 1, 2) == [True, False]


async def test_record_without_enough_money_records_nothing(both: Stores) -> None:
    await pay_in(both, SENDER, 899)
    assert await record(both, packet(1)) == [Unsent.NOT_ENOUGH_MONEY]
    assert await exist(both, 1) == [False]
    assert await balance(both, SENDER) == BalanceRow(899, 1)
    await pay_in(both, BEN, 900)
    assert (await record(both, packet(2, sender=BEN)))[0] == Sent(
        packet(2, sender=BEN), BalanceRow(0, 2), {GROUP: 1}
    )


async def test_record_without_a_wallet_records_nothing(both: Stores) -> None:
    assert await record(both, packet(1)) == [Unsent.NOT_ENOUGH_MONEY]
    assert await balance(both, SENDER) == EMPTY_ROW


async def test_record_of_a_batch_judges_each_packet_by_what_the_earlier_ones_left(both: Stores) -> None:
    await pay_in(both, SENDER, 1_000)
    sent = await record(both, packet(1, fen=600), packet(2, fen=500), packet(3, fen=400))
    assert [isinstance(one, Sent) and one.row.packet_id for one in sent] == [packet_id(1), False, packet_id(3)]
    assert await balance(both, SENDER) == BalanceRow(0, 3)


async def test_record_of_one_key_twice_without_enough_money_for_the_first_sends_neither(both: Stores) -> None:
    await pay_in(both, SENDER, 500)
    assert (
        await record(both, packet(1, key="once"), packet(2, key="once", fen=400)) == [Unsent.NOT_ENOUGH_MONEY] * 2
    )
    assert await exist(both, 1, 2) == [False, False]


PERSONAL = packet(1, fen=500, shares=1, kind="personal", target=ANNA)


async def test_record_of_a_banned_sender_records_nothing(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    await pay_in(both, BEN, 900)
    await both.users.ban(SENDER, 1)
    assert await record(both, packet(1), packet(2, sender=BEN)) == [
        Unsent.BANNED,
        Sent(packet(2, sender=BEN), BalanceRow(0, 2), {GROUP: 1}),
    ]
    assert await balance(both, SENDER) == BalanceRow(2_000, 1)
    await both.users.ban(SENDER, None)
    assert await record(both, packet(1)) == [Sent(packet(1), BalanceRow(1_100, 2), {GROUP: 2})]


async def test_record_to_an_unknown_or_banned_receiver_records_nothing(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    assert await record(both, PERSONAL) == [Unsent.NO_SUCH_USER]
    await both.users.ban(ANNA, 1)
    assert await record(both, PERSONAL) == [Unsent.NO_SUCH_USER]
    assert await balance(both, SENDER) == BalanceRow(2_000, 1)
    await both.users.ban(ANNA, None)
    assert await record(both, PERSONAL) == [Sent(PERSONAL, BalanceRow(1_500, 2), {ANNA: 1, SENDER: 1})]


@pytest.mark.parametrize("banned", [SENDER, ANNA])
async def test_record_of_a_used_key_returns_the_earlier_packet_after_a_ban(both: Stores, banned: int) -> None:
    await pay_in(both, SENDER, 2_000)
    await both.users.know([ANNA])
    await record(both, PERSONAL)
    await both.users.ban(banned, 1)
    assert await record(both, PERSONAL) == [Sent(PERSONAL, EMPTY_ROW, {})]


async def test_before_returns_the_packet_that_a_key_sent(both: Stores) -> None:
    await send(both, packet(1, key="once"))
    found = await both.sends.before(SENDER, "once")
    assert found is not None
    assert plain([found]) == [packet(1, key="once")]


async def test_before_of_an_unused_key_returns_none(both: Stores) -> None:
    await send(both, packet(1, key="once"))
    assert await both.sends.before(SENDER, "twice") is None
    assert await both.sends.before(BEN, "once") is None


async def test_find_outcome_returns_what_stands_in_the_records_with_the_present_balance(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    await both.users.know([ANNA])
    group = packet(1, fen=300)
    personal = packet(2, fen=500, shares=1, kind="personal", target=ANNA)
    await record(both, group, personal)
    assert await both.sends.find_outcome([personal, packet(3), group], streams_of) == [
        Sent(personal, BalanceRow(1_200, 3), {ANNA: 1, SENDER: 1}),
        None,
        Sent(group, BalanceRow(1_200, 3), {GROUP: 1}),
    ]


async def test_find_outcome_of_another_packet_with_a_used_key_returns_none(both: Stores) -> None:
    await send(both, packet(1, key="once"))
    assert await both.sends.find_outcome([packet(2, key="once")], streams_of) == [None]


async def test_users_of_an_exclusive_packet_are_kept(both: Stores) -> None:
    row = packet(1, fen=200, shares=2, kind="exclusive")._replace(only_for=[BEN, CARLA])
    await send(both, row)
    assert [list(one.only_for or ()) for one in (await both.packets.rows([row.packet_id])).values()] == [
        [BEN, CARLA]
    ]
