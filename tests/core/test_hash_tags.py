"""Hash tags of packets in a cluster of Redis, with the vectors of buckets, their owners and their tags."""

from __future__ import annotations

import json
from binascii import crc_hqx
from collections import Counter
from typing import Any

import pytest
from redis.crc import key_slot

from server.core.ids import IdMaker
from server.core.placement.buckets import bucket_of, owners_of
from server.core.placement.hash_tags import TAGS, slot_of, tag_of
from tests.structure.measure import ROOT

VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "buckets.json").read_text())
NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize("vector", VECTORS["packets"], ids=lambda vector: vector["about"])
def test_bucket_and_tag_of_a_packet_are_those_of_the_vector_and_of_the_documented_formula(
    vector: dict[str, Any],
) -> None:
    product = vector["packet_id"] * 0x9E3779B97F4A7C15 % 2**64
    assert f"{product:016x}" == vector["product"]
    assert product >> 56 == vector["bucket"] == bucket_of(vector["packet_id"])
    assert tag_of(vector["packet_id"]) == vector["tag"] == VECTORS["tags"][vector["bucket"] // 4]["tag"]


@pytest.mark.parametrize("vector", VECTORS["owners"], ids=lambda vector: vector["about"])
def test_owners_of_buckets_are_those_of_the_vector(vector: dict[str, Any]) -> None:
    assert owners_of(vector["servers"]) == [vector["servers"][at] for at in vector["owner_by_bucket"]]


def test_tags_are_those_of_the_vectors_and_one_in_each_64th_of_the_slots() -> None:
    assert [{"tag": tag, "slot": slot_of(tag)} for tag in TAGS] == VECTORS["tags"]
    for place, tag in enumerate(TAGS):
        slot = crc_hqx(tag.encode(), 0) % 16_384
        assert slot // 256 == place
        smaller = [str(number) for number in range(int(tag))]
        assert all(crc_hqx(one.encode(), 0) % 16_384 // 256 != place for one in smaller)


def test_slot_of_a_tag_is_the_one_that_clients_of_a_cluster_compute() -> None:
    assert [slot_of(tag) for tag in TAGS] == [key_slot(f"hongbao:packet:{{{tag}}}:1".encode()) for tag in TAGS]


@pytest.mark.parametrize("masters", range(3, 33))
def test_each_master_has_its_share_of_the_tags(masters: int) -> None:
    """With the equal ranges of slots that every tool makes."""
    tags = Counter(slot_of(tag) * masters // 16_384 for tag in TAGS)
    assert set(tags) == set(range(masters))
    assert min(tags.values()) >= 64 // masters - 1
    assert max(tags.values()) <= -(-64 // masters) + 1


@pytest.mark.parametrize("a_ms", [1, 50])
def test_packets_spread_over_three_masters_on_a_quiet_and_on_a_busy_server(a_ms: int) -> None:
    """One id in a millisecond, and fifty."""
    maker = IdMaker(node=3)
    packets = [maker.next(NOW_MS + number // a_ms) for number in range(3_000)]
    masters = Counter(slot_of(tag_of(packet_id)) * 3 // 16_384 for packet_id in packets)
    assert all(800 <= packets_of_one <= 1_200 for packets_of_one in masters.values())
