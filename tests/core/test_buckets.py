"""Buckets, their owners and their hash tags: the vectors, and what is promised of their spread."""

from __future__ import annotations

import json
import zlib
from binascii import crc_hqx
from collections import Counter
from hashlib import sha256
from typing import Any

import pytest
from redis.crc import key_slot

from server.core.buckets import BUCKETS, TAGS, bucket_of, owner_of, slot_of, tag_of
from server.core.ids import IdMaker
from tests.structure.measure import ROOT

VECTORS: dict[str, Any] = json.loads((ROOT / "tests" / "vectors" / "buckets.json").read_text())
NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize("vector", VECTORS["packets"], ids=lambda vector: vector["about"])
def test_bucket_of_a_packet_is_that_of_the_vector_and_of_the_documented_formula(vector: dict[str, Any]) -> None:
    assert bytes.fromhex(vector["bytes"]) == vector["packet_id"].to_bytes(8, "big")
    assert zlib.crc32(bytes.fromhex(vector["bytes"])) == int(vector["crc32"], 16)
    assert vector["bucket"] == int(vector["crc32"], 16) % 256
    assert bucket_of(vector["packet_id"]) == vector["bucket"]
    assert tag_of(vector["packet_id"]) == vector["tag"] == VECTORS["tags"][vector["bucket"] // 4]["tag"]


@pytest.mark.parametrize("vector", VECTORS["owners"], ids=lambda vector: vector["about"])
def test_owner_of_a_bucket_is_that_of_the_vector_and_of_the_documented_formula(vector: dict[str, Any]) -> None:
    workers = vector["workers"]
    weights = [[sha256(bytes([bucket]) + one.encode()).digest() for one in workers] for bucket in range(256)]
    assert [workers[row.index(max(row))] for row in weights] == [workers[at] for at in vector["owner_by_bucket"]]
    assert [owner_of(bucket, workers) for bucket in range(256)] == [workers[at] for at in vector["owner_by_bucket"]]


def test_tags_are_those_of_the_vectors_one_in_each_64th_of_the_slots() -> None:
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


def test_ids_that_follow_each_other_spread_over_all_buckets() -> None:
    """Packets of a quiet server: one in a millisecond, count 0; and of a busy one: all counts of a millisecond."""
    quiet, busy = IdMaker(node=3), IdMaker(node=3)
    one_a_ms = Counter(bucket_of(quiet.next(NOW_MS + ms)) for ms in range(25_600))
    many_a_ms = Counter(bucket_of(busy.next(NOW_MS)) for _ in range(25_600))
    for found in (one_a_ms, many_a_ms):
        assert len(found) == BUCKETS
        assert max(found.values()) <= 150  # 100 on average; chance alone would make it 130
        assert min(found.values()) >= 60


def test_worker_that_ends_gives_its_buckets_away_and_no_other_bucket_moves() -> None:
    workers = [f"machine-{number}/0" for number in range(8)]
    before = [owner_of(bucket, workers) for bucket in range(BUCKETS)]
    after = [owner_of(bucket, workers[1:]) for bucket in range(BUCKETS)]
    moved = [bucket for bucket in range(BUCKETS) if before[bucket] != after[bucket]]
    assert moved == [bucket for bucket in range(BUCKETS) if before[bucket] == workers[0]]
    assert len({after[bucket] for bucket in moved}) > 3  # several others share them


def test_owner_does_not_depend_on_the_order_of_the_workers() -> None:
    workers = ["a", "b", "c"]
    assert all(owner_of(bucket, workers) == owner_of(bucket, workers[::-1]) for bucket in range(BUCKETS))


def test_owner_of_a_bucket_without_workers_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        owner_of(1, [])
