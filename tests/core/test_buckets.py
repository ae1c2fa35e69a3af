"""Buckets and owners: vectors, even spread, and few moves when a server comes or goes."""

from __future__ import annotations

from collections import Counter
from random import Random

from server.core.ids import IdMaker
from server.core.placement.buckets import BUCKETS, bucket_of, owners_of

SERVERS = (0x1122334455667788, 0x0FEDCBA987654321, 0x7000000000000001, 42)
NOW_MS = 1_800_000_000_000
EVEN_MOST = 1.04  # of the mean, with whole buckets


def test_buckets_of_ids_are_those_of_the_formula() -> None:
    ids = 0, 1, 2, 255, 2**53, 9_223_372_036_854_775_807
    assert [bucket_of(number) for number in ids] == [0, 158, 60, 153, 130, 225]


def test_owners_of_buckets_are_those_of_the_formula() -> None:
    owners = [SERVERS.index(one) for one in owners_of(SERVERS)]
    assert owners[:16] == [3, 2, 0, 1, 0, 3, 1, 3, 1, 3, 2, 0, 0, 0, 0, 0]


def test_packets_of_a_burst_spread_over_all_buckets() -> None:
    """Ids of a burst differ in their last bits, or by their time."""
    maker = IdMaker(node=3)
    burst = Counter(bucket_of(maker.next(NOW_MS + place // 50)) for place in range(100_000))
    assert len(burst) == BUCKETS
    assert max(burst.values()) < 2 * 100_000 / BUCKETS


def test_buckets_are_spread_evenly_over_any_servers() -> None:
    rng = Random(7)
    for count in (1, 2, 3, 4, 7, 16) * 20:
        owned = Counter(owners_of([rng.getrandbits(63) for _ in range(count)]))
        assert len(owned) == count
        assert max(owned.values()) <= EVEN_MOST * BUCKETS / count + 1


def test_no_server_of_a_few_has_a_quarter_less_than_its_part() -> None:
    rng = Random(9)
    for count in (2, 3, 4, 5, 6, 7, 8) * 20:
        owned = Counter(owners_of([rng.getrandbits(63) for _ in range(count)]))
        assert min(owned.values()) >= 0.75 * BUCKETS / count


def test_server_that_goes_moves_few_buckets_but_its_own() -> None:
    rng = Random(8)
    for count in (2, 3, 4, 8):
        servers = [rng.getrandbits(63) for _ in range(count)]
        before = owners_of(servers)
        for gone in servers:
            after = owners_of([one for one in servers if one != gone])
            moved = [place for place in range(BUCKETS) if before[place] != after[place] and before[place] != gone]
            assert len(moved) <= BUCKETS // 4


def test_owner_does_not_depend_on_the_order_of_the_servers() -> None:
    assert owners_of(SERVERS) == owners_of(SERVERS[::-1])
