"""Addresses of Redis: one server, nodes of a cluster, Sentinels."""

from __future__ import annotations

import pytest
from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection

from storage.redis.addresses import RedisAddress, find_master, parse, place_in
from storage.redis.slot_map import SlotMap, read


@pytest.mark.parametrize("url", ["redis://me:pw@cache:6379/2", "rediss://cache", "unix:///run/valkey.sock?db=1"])
def test_url_of_one_server_is_left_to_the_library(url: str) -> None:
    assert parse(url) == RedisAddress("server", (url,))


def test_url_of_a_cluster_names_each_host_with_the_same_user_and_options() -> None:
    address = parse("rediss+cluster://me:p%40w@a:7000,[::1]:7001?ssl_ca_certs=/ca.pem")
    assert address == RedisAddress(
        "cluster",
        ("rediss://me:p%40w@a:7000?ssl_ca_certs=/ca.pem", "rediss://me:p%40w@[::1]:7001?ssl_ca_certs=/ca.pem"),
    )
    assert address.url_of("10.0.0.9:7002") == "rediss://me:p%40w@10.0.0.9:7002?ssl_ca_certs=%2Fca.pem"


def test_node_of_a_cluster_that_was_named_by_its_socket_is_reached_by_tcp() -> None:
    assert parse("unix://me:pw@/run/node.sock?db=0").url_of("127.0.0.1:7000") == "redis://me:pw@127.0.0.1:7000"


def test_url_of_sentinels_names_the_master() -> None:
    assert parse("redis+sentinel://a:1,b:2/packets") == RedisAddress(
        "sentinel", ("redis://a:1", "redis://b:2"), "packets"
    )
    assert parse("redis+sentinel://a:1").master == "mymaster"


async def test_passwords_and_tls_of_sentinels_and_of_the_master_are_apart() -> None:
    url = "rediss+sentinel://me:one@a:26379,b:26380/packets?ssl_ca_certs=/ca.pem&sentinel_password=two"
    redis, sentinels = find_master(parse(url), 1.5)
    pool = redis.connection_pool
    told = pool.connection_kwargs
    assert pool.connection_class is SentinelManagedSSLConnection
    assert (told["username"], told["password"], told["ssl_ca_certs"]) == ("me", "one", "/ca.pem")
    assert told["socket_timeout"] == 1.5
    places = []
    for sentinel in sentinels.sentinels:
        asked = sentinel.connection_pool.connection_kwargs
        places.append((asked["host"], asked["port"]))
        assert sentinel.connection_pool.connection_class is SSLConnection
        assert (asked["username"], asked["password"], asked["ssl_ca_certs"]) == (None, "two", "/ca.pem")
        assert asked["socket_timeout"] == 1.5
    assert places == [("a", 26_379), ("b", 26_380)]
    await redis.aclose()
    await sentinels.aclose()


def test_place_of_a_node_has_its_ipv6_address_in_brackets() -> None:
    assert [place_in("10.0.0.1", 7000), place_in("::1", 7000)] == ["10.0.0.1:7000", "[::1]:7000"]


def test_slot_map_has_masters_and_replicas_of_tags_and_leaves_out_what_no_node_has() -> None:
    """A node that does not know its address is the one that was asked."""
    ranges = [
        [0, 8_191, [b"10.0.0.1", 7_000, b"id", []], [b"10.0.0.2", 7_001, b"id"]],
        [8_192, 12_000, [b"", 7_002, b"id"], ["?", 7_003, "id"]],
    ]
    found = read(ranges, "10.0.0.9", ["10", "12", "40"])  # slots of about 200, 8,300 and 16,200
    assert found == SlotMap(
        {"10": "10.0.0.1:7000", "12": "10.0.0.9:7002"}, {"10": ("10.0.0.2:7001",), "12": ("10.0.0.9:7003",)}
    )
    assert found.moved("12", "10.0.0.1:7000").tags_by_master == {"10.0.0.1:7000": ["10", "12"]}
    assert found.places["10.0.0.2:7001"] == ("10",)
