"""The outbox: what the settlement and the refund leave in it, its numbers, and what its posts tell of."""

from __future__ import annotations

from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import SYSTEM, ReminderKind
from storage.postgres.packets.packets import ClaimRow, PacketRow
from storage.stores import Stores
from tests.contract.given import (
    ANNA,
    BEN,
    CARLA,
    GROUP,
    LATER_MS,
    OPENED_MS,
    SENDER,
    open_packet,
    packet,
    packet_id,
    send,
)

SETTLED_MS = 3_000
CLAIMS, FINISH, REFUND = ReminderKind.CLAIMS, ReminderKind.FINISH, ReminderKind.REFUND


def post(
    stream_id: int,
    message: int,
    reminder: ReminderKind,
    number: int,
    claims: tuple[int, int] | None = None,
    at_ms: int = SETTLED_MS,
) -> MessageRow:
    """A post of the system; `claims`: the first index and the end."""
    return MessageRow(
        stream_id, message, SYSTEM, at_ms, None, packet_id(number), reminder, *(claims or (None, None))
    )


async def finish(stores: Stores, *shares: tuple[int, int], row: PacketRow | None = None) -> None:
    """Packet 1, finished by these claims and settled."""
    await send(stores, row or packet(1))
    await open_packet(stores, 1, 0, *shares)
    await stores.settlement.settle(100, SETTLED_MS)


async def test_post_of_an_empty_outbox_returns_nothing(both: Stores) -> None:
    assert await both.outbox.post(100) == []


async def test_post_after_a_settlement_tells_the_sender_the_claims(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (BEN, 250), (ANNA, 100))
    await both.settlement.settle(100, SETTLED_MS)
    assert await both.outbox.post(100) == [post(SENDER, 1, CLAIMS, 1, (0, 2))]


async def test_post_after_the_last_claim_tells_the_finish_to_sender_and_group(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    assert await both.outbox.post(100) == [
        post(SENDER, 1, CLAIMS, 1, (0, 3)),
        post(SENDER, 2, FINISH, 1),
        post(GROUP, 2, FINISH, 1),  # behind the announcement of the packet
    ]


async def test_post_after_a_personal_packet_tells_the_finish_to_the_sender_alone(both: Stores) -> None:
    await finish(both, (ANNA, 500), row=packet(1, fen=500, shares=1, kind="personal", target=ANNA))
    assert await both.outbox.post(100) == [post(SENDER, 2, CLAIMS, 1, (0, 1)), post(SENDER, 3, FINISH, 1)]


async def test_post_tells_the_finish_and_its_claims_with_the_credit_of_the_last_claim(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 550), (BEN, 250), (CARLA, 100))
    await both.settlement.settle(2, SETTLED_MS)
    assert await both.outbox.post(100) == []
    await both.settlement.settle(2, LATER_MS)
    assert await both.outbox.post(100) == [
        post(SENDER, 1, CLAIMS, 1, (0, 3), LATER_MS),
        post(SENDER, 2, FINISH, 1, at_ms=LATER_MS),
        post(GROUP, 2, FINISH, 1, at_ms=LATER_MS),
    ]


async def test_post_after_the_finish_tells_nothing_of_a_claim_that_is_credited_later(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100), (BEN, 250), (CARLA, 550))
    await both.settlement.settle(1, SETTLED_MS)  # the last claim, which is the largest
    assert len(await both.outbox.post(100)) == 3
    await both.settlement.settle(100, LATER_MS)
    assert await both.outbox.post(100) == []


async def test_post_after_refunds_tells_each_to_its_sender(both: Stores) -> None:
    await send(both, packet(1), packet(2), packet(3, sender=BEN))
    await both.packets.refund([packet_id(3), packet_id(2), packet_id(1)], LATER_MS)
    assert await both.outbox.post(100) == [
        post(SENDER, 1, REFUND, 1, at_ms=LATER_MS),
        post(SENDER, 2, REFUND, 2, at_ms=LATER_MS),
        post(BEN, 1, REFUND, 3, at_ms=LATER_MS),
    ]


async def test_post_folds_the_claims_of_several_batches_into_one_at_the_time_of_the_first(both: Stores) -> None:
    await send(both, packet(1))
    for version, (user_id, now_ms) in enumerate(((ANNA, SETTLED_MS), (BEN, LATER_MS))):
        await open_packet(both, 1, version, (user_id, 100))
        await both.settlement.settle(100, now_ms)
    assert await both.outbox.post(100) == [post(SENDER, 1, CLAIMS, 1, (0, 2))]


async def test_post_tells_claims_that_are_recorded_before_they_are_credited_and_not_again(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 250), (BEN, 100))
    await both.settlement.settle(1, SETTLED_MS)
    assert await both.outbox.post(100) == [post(SENDER, 1, CLAIMS, 1, (0, 2))]
    await both.settlement.settle(1, LATER_MS)
    assert await both.outbox.post(100) == []


async def test_post_of_several_packets_tells_them_in_the_order_of_their_ids(both: Stores) -> None:
    await send(both, packet(1), packet(2), packet(3, sender=BEN))
    for number in (3, 2, 1):
        await open_packet(both, number, 0, (ANNA, 100))
    await both.settlement.settle(100, SETTLED_MS)
    assert await both.outbox.post(100) == [
        post(SENDER, 1, CLAIMS, 1, (0, 1)),
        post(SENDER, 2, CLAIMS, 2, (0, 1)),
        post(BEN, 1, CLAIMS, 3, (0, 1)),
    ]


async def test_post_with_a_limit_takes_the_oldest_rows(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    assert await both.outbox.post(1) == [post(SENDER, 1, CLAIMS, 1, (0, 3)), post(SENDER, 2, FINISH, 1)]
    assert await both.outbox.post(1) == [post(GROUP, 2, FINISH, 1)]


async def test_find_outcome_returns_the_posts_that_stand_in_their_streams(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    first, *others = await both.outbox.post(100)
    never = first._replace(message=9)
    assert await both.outbox.find_outcome([never, first, *others]) == [None, first, *others]


async def test_find_outcome_returns_the_claims_that_a_later_try_posted_under_the_same_number(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    first, *_ = await both.outbox.post(100)
    assert await both.outbox.find_outcome([first._replace(end_index=2)]) == [first]


async def test_claims_returns_those_in_the_range_by_packet_and_index(both: Stores) -> None:
    await send(both, packet(1), packet(2))
    await open_packet(both, 1, 0, (CARLA, 100), (ANNA, 250), (BEN, 550))
    await open_packet(both, 2, 0, (ANNA, 10))
    assert await both.outbox.claims([(packet_id(2), 0, 3), (packet_id(1), 1, 3), (packet_id(9), 0, 1)]) == {
        packet_id(1): [
            ClaimRow(packet_id(1), 1, ANNA, 250, OPENED_MS),
            ClaimRow(packet_id(1), 2, BEN, 550, OPENED_MS),
        ],
        packet_id(2): [ClaimRow(packet_id(2), 0, ANNA, 10, OPENED_MS)],
    }


async def test_claims_of_nothing_is_empty(both: Stores) -> None:
    assert await both.outbox.claims([]) == {}


async def test_best_lucks_of_a_finished_packet_is_its_largest_claim_the_earliest_on_a_tie(both: Stores) -> None:
    await finish(both, (CARLA, 100), (BEN, 400), (ANNA, 400))
    assert await both.outbox.best_lucks([packet_id(1), packet_id(9)]) == {
        packet_id(1): ClaimRow(packet_id(1), 1, BEN, 400, OPENED_MS)
    }


async def test_best_lucks_is_known_with_the_credit_of_the_last_claim(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 550), (BEN, 250), (CARLA, 100))
    await both.settlement.settle(2, SETTLED_MS)
    assert await both.outbox.best_lucks([packet_id(1)]) == {}
    await both.settlement.settle(1, LATER_MS)  # Carla's
    assert await both.outbox.best_lucks([packet_id(1)]) == {
        packet_id(1): ClaimRow(packet_id(1), 0, ANNA, 550, OPENED_MS)
    }


async def test_best_lucks_of_an_equal_packet_does_not_exist(both: Stores) -> None:
    await finish(both, (ANNA, 300), (BEN, 300), (CARLA, 300), row=packet(1, kind="equal"))
    assert await both.outbox.best_lucks([packet_id(1)]) == {}
