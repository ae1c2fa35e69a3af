"""Seed trees, their epochs, and the server seeds that paid packets take."""

from __future__ import annotations

from storage.postgres.money.wallets import EMPTY_ROW
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.sends import Sent
from storage.stores import Stores
from tests.contract.given import BEN, SENDER, debit_of, packet, packet_id, pay_in, plain, streams_of
from tests.seeds import LiteralSeeds, tree_row, with_seed

CLIENT_SEED = b"sixteen bytes...."


def given(number: int, **words: object) -> PacketRow:
    """A packet as a server hands it to the store: without a seed."""
    return packet(number, **words)._replace(seed=None, client_seed=CLIENT_SEED)  # type: ignore[arg-type]


async def record(stores: Stores, seeds: LiteralSeeds, *rows: PacketRow) -> list[Sent | None]:
    return await stores.sends.record(rows, debit_of, streams_of, lambda: seeds)


async def test_paid_packets_take_the_next_seeds_of_their_senders(both: Stores) -> None:
    await pay_in(both, SENDER, 5_000)
    await pay_in(both, BEN, 5_000)
    seeds = LiteralSeeds()
    rows = [given(1), given(2, sender=BEN), given(3), given(4, sender=BEN, key="k4")]
    sent = await record(both, seeds, *rows)
    assert [one.row.seed_index for one in sent if one] == [0, 0, 1, 1]
    assert [one.row for one in sent if one] == [
        with_seed(row, i) for row, i in zip(rows, (0, 0, 1, 1), strict=True)
    ]
    assert await both.seed_trees.next_index(SENDER) == 2
    assert sorted(seeds.made) == [(SENDER, 0), (BEN, 0)]
    loaded = await both.packets.rows([packet_id(1)])
    assert plain(list(loaded.values())) == [with_seed(given(1), 0)]


async def test_unpaid_and_repeated_packets_take_no_seed(both: Stores) -> None:
    await pay_in(both, SENDER, 1_800)
    seeds = LiteralSeeds()
    await record(both, seeds, given(1, key="once"))
    again = await record(both, seeds, given(2, key="once"), given(3, fen=901), given(4), given(5, sender=BEN))
    assert [isinstance(one, Sent) and one.row.seed_index for one in again] == [0, False, 1, False]
    assert again[0] == Sent(with_seed(given(1, key="once"), 0), EMPTY_ROW, {})
    assert seeds.used == [(packet_id(1), 0), (packet_id(4), 1)]
    assert await both.seed_trees.next_index(SENDER) == 2
    assert await both.seed_trees.next_index(BEN) == 0


async def test_one_key_twice_in_a_batch_takes_one_seed_with_the_first_client_seed(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    second = given(2, key="once")._replace(client_seed=b"another seed of a client")
    sent = await record(both, LiteralSeeds(), given(1, key="once"), second)
    assert [one.row for one in sent if one] == [with_seed(given(1, key="once"), 0)] * 2
    assert await both.seed_trees.next_index(SENDER) == 1


async def test_packets_beyond_a_tree_use_the_next_one(both: Stores) -> None:
    await pay_in(both, SENDER, 70_000)
    seeds = LiteralSeeds()
    await record(both, seeds, *(given(number, fen=10) for number in range(1, 67)))
    assert seeds.used == [(packet_id(index + 1), index) for index in range(66)]
    assert sorted(seeds.made) == [(SENDER, 0), (SENDER, 1)]
    assert await both.seed_trees.trees([(SENDER, 0), (SENDER, 1), (SENDER, 2)]) != []


async def test_tree_that_is_recorded_is_learned_and_not_made(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    await both.seed_trees.add([tree_row(SENDER, 0, root=7)])
    seeds = LiteralSeeds()
    await record(both, seeds, given(1))
    assert (seeds.made, seeds.known) == ([], {(SENDER, 0): tree_row(SENDER, 0, root=7)})


async def test_tree_that_a_service_knows_is_not_read(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    seeds = LiteralSeeds()
    seeds.known[SENDER, 0] = tree_row(SENDER, 0)
    await record(both, seeds, given(1))
    assert seeds.made == []
    assert await both.seed_trees.trees([(SENDER, 0)]) == []


async def test_add_of_a_tree_that_exists_returns_the_earlier_one(both: Stores) -> None:
    assert await both.seed_trees.add([tree_row(SENDER, 3, root=1)]) == [tree_row(SENDER, 3, root=1)]
    added = await both.seed_trees.add([tree_row(SENDER, 3, root=2), tree_row(SENDER, 4, root=2)])
    assert sorted(added) == [tree_row(SENDER, 3, root=1), tree_row(SENDER, 4, root=2)]
    assert await both.seed_trees.trees([(SENDER, 3), (BEN, 3)]) == [tree_row(SENDER, 3, root=1)]


async def test_find_outcome_returns_the_seed_that_a_packet_took(both: Stores) -> None:
    await pay_in(both, SENDER, 2_000)
    await record(both, LiteralSeeds(), given(1), given(2))
    (found,) = await both.sends.find_outcome([given(2)], streams_of)
    assert found is not None
    assert found.row == with_seed(given(2), 1)


async def test_epoch_begins_once_and_packets_continue_at_its_beginning(both: Stores) -> None:
    assert await both.seed_trees.epoch() is None
    await pay_in(both, SENDER, 5_000)
    begun = await both.seed_trees.begin_epoch("k", 1_000, only_if_restored=True)
    assert begun is not None
    assert (begun.first_index, begun.key_id, begun.at_ms) == (1_024, "k", 1_000)
    assert await both.seed_trees.begin_epoch("k", 9_000, only_if_restored=True) is None
    assert await both.seed_trees.epoch() == begun
    (sent,) = await record(both, LiteralSeeds(), given(1))
    assert sent is not None
    assert sent.row.seed_index == 1_024


async def test_epoch_begins_behind_every_tree_that_was_told(both: Stores) -> None:
    await pay_in(both, SENDER, 70_000)
    await both.seed_trees.begin_epoch("k", 1_000)
    second = await both.seed_trees.begin_epoch("k", 1_000)
    assert second is not None
    assert second.first_index == 1_024 + 128
    await record(both, LiteralSeeds(), *(given(number, fen=10) for number in range(1, 67)))
    third = await both.seed_trees.begin_epoch("other", 5)
    assert third is not None
    assert (third.first_index, third.key_id) == (second.first_index + 3 * 64, "other")
    assert await both.seed_trees.next_index(SENDER) == third.first_index
