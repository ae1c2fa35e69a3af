"""The outbox: what the settlement and the refund leave in it, its numbers, and what its posts tell of."""

from __future__ import annotations

from storage.postgres.chat.messages import MessageRow
from storage.postgres.chat.outbox import SYSTEM, Numbered, ReminderKind
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
    users: tuple[int, ...] = (),
    at_ms: int = SETTLED_MS,
) -> MessageRow:
    """A post of the system."""
    return MessageRow(stream_id, message, SYSTEM, at_ms, None, packet_id(number), reminder, list(users) or None)


async def number(stores: Stores, most: int = 100) -> list[MessageRow]:
    """The posts of one call; the users of a post in the order of their ids."""
    posts = (await stores.outbox.number(most)).posts
    return [one._replace(user_ids=sorted(one.user_ids) if one.user_ids else None) for one in posts]


async def forget_all(stores: Stores) -> None:
    """Number and forget whatever waits."""
    await stores.outbox.forget((await stores.outbox.number(100)).outbox_ids)


async def finish(stores: Stores, *shares: tuple[int, int], row: PacketRow | None = None) -> None:
    """Packet 1, finished by these claims and settled."""
    await send(stores, row or packet(1))
    await open_packet(stores, 1, 0, *shares)
    await stores.settlement.settle(100, SETTLED_MS)


async def test_number_of_an_empty_outbox_returns_nothing(both: Stores) -> None:
    assert await both.outbox.number(100) == Numbered([], [])


async def test_number_after_a_settlement_posts_the_claims_to_the_sender(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (BEN, 250), (ANNA, 100))
    await both.settlement.settle(100, SETTLED_MS)
    assert await number(both) == [post(SENDER, 1, CLAIMS, 1, (ANNA, BEN))]


async def test_number_after_the_last_claim_posts_the_finish_to_sender_and_group(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    assert await number(both) == [
        post(SENDER, 1, CLAIMS, 1, (ANNA, BEN, CARLA)),
        post(SENDER, 2, FINISH, 1),
        post(GROUP, 2, FINISH, 1),  # behind the announcement of the packet
    ]


async def test_number_after_a_personal_packet_posts_the_finish_to_the_sender_alone(both: Stores) -> None:
    await finish(both, (ANNA, 500), row=packet(1, fen=500, shares=1, kind="personal", target=ANNA))
    assert await number(both) == [post(SENDER, 2, CLAIMS, 1, (ANNA,)), post(SENDER, 3, FINISH, 1)]


async def test_number_posts_the_finish_with_the_credit_of_the_last_claim(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 550), (BEN, 250), (CARLA, 100))
    await both.settlement.settle(2, SETTLED_MS)
    assert await number(both) == [post(SENDER, 1, CLAIMS, 1, (ANNA, BEN))]
    await forget_all(both)
    await both.settlement.settle(2, LATER_MS)
    assert await number(both) == [
        post(SENDER, 2, CLAIMS, 1, (CARLA,), LATER_MS),
        post(SENDER, 3, FINISH, 1, at_ms=LATER_MS),
        post(GROUP, 2, FINISH, 1, at_ms=LATER_MS),
    ]


async def test_number_after_refunds_posts_each_to_its_sender(both: Stores) -> None:
    await send(both, packet(1), packet(2), packet(3, sender=BEN))
    await both.packets.refund([packet_id(3), packet_id(2), packet_id(1)], LATER_MS)
    assert await number(both) == [
        post(SENDER, 1, REFUND, 1, at_ms=LATER_MS),
        post(SENDER, 2, REFUND, 2, at_ms=LATER_MS),
        post(BEN, 1, REFUND, 3, at_ms=LATER_MS),
    ]


async def test_number_folds_the_claims_of_several_batches_into_one_post_at_the_time_of_the_first(
    both: Stores,
) -> None:
    await send(both, packet(1))
    for version, (user_id, now_ms) in enumerate(((ANNA, SETTLED_MS), (BEN, LATER_MS))):
        await open_packet(both, 1, version, (user_id, 100))
        await both.settlement.settle(100, now_ms)
    numbered = await both.outbox.number(100)
    assert numbered.posts == [post(SENDER, 1, CLAIMS, 1, (ANNA, BEN))]
    assert len(numbered.outbox_ids) == 2


async def test_number_again_before_forget_returns_the_same_posts(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    first = await both.outbox.number(100)
    assert await both.outbox.number(100) == first


async def test_number_again_with_new_rows_returns_the_numbered_posts_first(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 100))
    await both.settlement.settle(100, SETTLED_MS)
    await number(both)
    await open_packet(both, 1, 1, (BEN, 250))
    await both.settlement.settle(100, LATER_MS)
    assert await number(both) == [
        post(SENDER, 1, CLAIMS, 1, (ANNA,)),
        post(SENDER, 2, CLAIMS, 1, (BEN,), LATER_MS),
    ]


async def test_number_with_a_limit_posts_the_oldest_rows(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    assert await number(both, most=2) == [
        post(SENDER, 1, CLAIMS, 1, (ANNA, BEN, CARLA)),
        post(SENDER, 2, FINISH, 1),
    ]


async def test_forget_removes_these_rows_and_leaves_the_others(both: Stores) -> None:
    await finish(both, (ANNA, 100), (BEN, 250), (CARLA, 550))
    claims_row, _, group_row = (await both.outbox.number(100)).outbox_ids
    await both.outbox.forget([claims_row, group_row])
    assert await number(both) == [post(SENDER, 2, FINISH, 1)]
    await both.outbox.forget([claims_row])
    await forget_all(both)
    assert await both.outbox.number(100) == Numbered([], [])


async def test_claims_returns_those_that_exist_by_packet_and_index(both: Stores) -> None:
    await send(both, packet(1), packet(2))
    await open_packet(both, 1, 0, (CARLA, 100), (ANNA, 250), (BEN, 550))
    await open_packet(both, 2, 0, (ANNA, 10))
    asked = [
        (packet_id(2), ANNA),
        (packet_id(1), ANNA),
        (packet_id(1), CARLA),
        (packet_id(2), BEN),
        (packet_id(9), BEN),
    ]
    assert await both.outbox.claims(asked) == {
        packet_id(1): [
            ClaimRow(packet_id(1), 0, CARLA, 100, OPENED_MS),
            ClaimRow(packet_id(1), 1, ANNA, 250, OPENED_MS),
        ],
        packet_id(2): [ClaimRow(packet_id(2), 0, ANNA, 10, OPENED_MS)],
    }


async def test_claims_of_a_packet_without_any_leaves_it_out(both: Stores) -> None:
    await send(both, packet(1))
    assert await both.outbox.claims([(packet_id(1), ANNA)]) == {}


async def test_best_lucks_of_a_finished_packet_is_its_largest_claim_the_earliest_on_a_tie(both: Stores) -> None:
    await finish(both, (CARLA, 100), (BEN, 400), (ANNA, 400))
    assert await both.outbox.best_lucks([packet_id(1), packet_id(9)]) == {
        packet_id(1): ClaimRow(packet_id(1), 1, BEN, 400, OPENED_MS)
    }


async def test_best_lucks_is_known_with_the_first_credit_after_the_finish(both: Stores) -> None:
    await send(both, packet(1))
    await open_packet(both, 1, 0, (ANNA, 550), (BEN, 250))
    await both.settlement.settle(1, SETTLED_MS)
    await open_packet(both, 1, 2, (CARLA, 100))
    assert await both.outbox.best_lucks([packet_id(1)]) == {}
    await both.settlement.settle(1, LATER_MS)  # Ben's
    assert await both.outbox.best_lucks([packet_id(1)]) == {
        packet_id(1): ClaimRow(packet_id(1), 0, ANNA, 550, OPENED_MS)
    }


async def test_best_lucks_of_an_equal_packet_does_not_exist(both: Stores) -> None:
    await finish(both, (ANNA, 300), (BEN, 300), (CARLA, 300), row=packet(1, kind="equal"))
    assert await both.outbox.best_lucks([packet_id(1)]) == {}
