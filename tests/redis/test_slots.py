"""The mirror in a cluster whose nodes are all there: where logs are, redirections, scripts that a node lacks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis.asyncio.cluster import RedisCluster

from bench.chaos.supervisor import free_port
from server.core.placement.hash_tags import TAGS, slot_of, tag_of
from storage.errors import StoreUnavailable
from storage.redis.mirror import CLOSING, HEAD, Extension, Log, Mirror, MirroredClaim, length, pack
from tests.redis.nodes import OUR_TAGS, Node, NodesOfCluster, cluster_of

FIRST, SECOND = MirroredClaim(11, 1_700_000_000_000, 100), MirroredClaim(12, 1_700_000_000_001, 200)
MANY = range(1_000_000_000_000_000_000, 1_000_000_000_000_000_200)


def begin(packet_id: int, *claims: MirroredClaim) -> Extension:
    """The first claims of a packet."""
    return Extension(packet_id, 0, HEAD, pack(claims))


def extend(packet_id: int, version: int, *claims: MirroredClaim) -> Extension:
    """Further claims of a packet that has so many."""
    return Extension(packet_id, length(version), b"", pack(claims))


def logs_of(version: int, closed: bool = False) -> Log:
    return Log(length(version) + closed, [FIRST, SECOND][:version], closed)


def calls(node: Node) -> Counter[str]:
    """How often each command was called at a node."""
    told = node.ask("INFO", "commandstats")
    return Counter({name.removeprefix("cmdstat_"): row["calls"] for name, row in told.items()})


def neighbours(packet_id: int, count: int) -> list[int]:
    """This packet and further ones with the same tag."""
    found = [packet_id]
    while len(found) < count:
        packet_id += 1
        if tag_of(packet_id) == tag_of(found[0]):
            found.append(packet_id)
    return found


async def test_logs_have_the_tag_of_their_packet_and_are_found_by_an_independent_client(
    mirror: Mirror, three_masters: NodesOfCluster
) -> None:
    assert await mirror.append([begin(packet_id, FIRST) for packet_id in MANY]) == set()
    async with RedisCluster.from_url(f"redis://{three_masters.masters[2].place}") as client:
        for packet_id in MANY:
            key = f"hongbao:packet:{{{tag_of(packet_id)}}}:{packet_id}"
            assert await client.get(key) == HEAD + pack([FIRST])
            assert client.get_node_from_key(key).port == three_masters.master_of(packet_id).port
    sizes = [node.ask("DBSIZE") for node in three_masters.masters]
    assert (sum(sizes), min(sizes) > 40) == (200, True)  # all three have their share


async def test_batch_is_one_script_for_each_tag_and_one_connection_for_each_node(
    mirror: Mirror, three_masters: NodesOfCluster
) -> None:
    await mirror.append([begin(packet_id, FIRST) for packet_id in MANY])
    before = [calls(node) for node in three_masters.masters]
    clients = [node.ask("INFO", "stats")["total_connections_received"] for node in three_masters.masters]
    assert await mirror.append([extend(packet_id, 1, SECOND) for packet_id in MANY]) == set()
    tags: dict[Node, set[str]] = defaultdict(set)
    for packet_id in MANY:
        tags[three_masters.master_of(packet_id)].add(tag_of(packet_id))
    for node, at_first, connections in zip(three_masters.masters, before, clients, strict=True):
        more = calls(node) - at_first
        assert (more["evalsha"], more["append"]) == (
            len(tags[node]),
            sum(three_masters.master_of(one) is node for one in MANY),
        )
        assert node.ask("INFO", "stats")["total_connections_received"] == connections


async def test_append_refuses_packet_by_packet_on_every_node(mirror: Mirror) -> None:
    await mirror.append([begin(packet_id, FIRST) for packet_id in MANY])
    batch = [extend(packet_id, 1 if packet_id % 3 else 2, SECOND) for packet_id in MANY]
    behind = {packet_id for packet_id in MANY if packet_id % 3 == 0}
    assert await mirror.append(batch) == behind
    found = await mirror.read(MANY)
    assert found == {packet_id: logs_of(1 if packet_id in behind else 2) for packet_id in MANY}


async def test_close_read_and_forget_reach_every_node(mirror: Mirror, three_masters: NodesOfCluster) -> None:
    await mirror.append([begin(packet_id, FIRST) for packet_id in MANY])
    assert await mirror.close_logs(MANY) == dict.fromkeys(MANY, logs_of(1))
    assert await mirror.read(MANY) == dict.fromkeys(MANY, logs_of(1, closed=True))
    assert sorted([one async for ids in mirror.lasting_ids() for one in ids]) == list(MANY)
    await mirror.forget(MANY[:100])
    assert sorted([one async for ids in mirror.lasting_ids() for one in ids]) == list(MANY[100:])
    assert await mirror.size() == 200


async def test_keys_of_other_programs_and_of_a_single_server_are_named_and_left_alone(
    mirror: Mirror, three_masters: NodesOfCluster
) -> None:
    await mirror.append([begin(1, FIRST)])
    strange = {"hongbao:packet:1", f"hongbao:packet:{{{TAGS[5]}}}:1", "hongbao:packet:{other}:x"}
    async with RedisCluster.from_url(f"redis://{three_masters.masters[0].place}") as client:
        for key in strange:
            await client.set(key, CLOSING)
    assert [one async for ids in mirror.lasting_ids() for one in ids] == [1]
    assert mirror.foreign_keys == {repr(key) for key in strange}


async def test_node_that_has_lost_its_scripts_gets_them_again(
    mirror: Mirror, three_masters: NodesOfCluster
) -> None:
    await mirror.append([begin(packet_id, FIRST) for packet_id in MANY])
    three_masters.masters[1].ask("SCRIPT FLUSH")
    assert await mirror.append([extend(packet_id, 1, SECOND) for packet_id in MANY]) == set()
    assert await mirror.read(MANY) == dict.fromkeys(MANY, logs_of(2))


@pytest.mark.parametrize("form", ["redis", "unix"])
async def test_url_of_one_server_that_is_a_node_is_recognised_by_the_first_probe(form: str) -> None:
    with cluster_of(3, has_replicas=False, unixsocket="node.sock") as cluster:
        node = cluster.masters[1]
        url = f"redis://{node.place}" if form == "redis" else f"unix://{node.folder}/node.sock"
        mirror = Mirror(url, timeout_s=10.0, tags=OUR_TAGS)
        try:
            assert await mirror.probe() == {}
            assert mirror.tags == 64
            assert await mirror.append([begin(packet_id, FIRST) for packet_id in MANY]) == set()
            assert await mirror.read(MANY) == dict.fromkeys(MANY, logs_of(1))
        finally:
            await mirror.close()


async def test_settings_are_those_of_every_node(mirror: Mirror, three_masters: NodesOfCluster) -> None:
    three_masters.masters[2].ask("CONFIG SET", "maxmemory-policy", "allkeys-lru")
    try:
        found = {one.place: one for one in await mirror.settings()}
    finally:
        three_masters.masters[2].ask("CONFIG SET", "maxmemory-policy", "noeviction")
    assert set(found) == {node.place for node in three_masters.masters}
    faults = {place: one.fault for place, one in found.items() if one.fault}
    assert list(faults) == [three_masters.masters[2].place]
    assert f"Redis {three_masters.masters[2].place} with maxmemory-policy allkeys-lru" in "".join(faults.values())
    assert sorted(tag for one in found.values() for tag in one.tags) == sorted(TAGS)


async def test_cluster_of_which_no_node_answers_is_away_with_its_address() -> None:
    port = free_port()
    mirror = Mirror(f"redis+cluster://127.0.0.1:{port}", timeout_s=2.0, tags=OUR_TAGS)
    with pytest.raises(StoreUnavailable, match=rf"refused.*127\.0\.0\.1:{port}"):
        await mirror.probe()
    with pytest.raises(StoreUnavailable, match=rf"refused.*127\.0\.0\.1:{port}"):
        await mirror.append([begin(1, FIRST)])
    await mirror.close()


# --- slots that move ----------------------------------------------------------------------------------------------


@contextmanager
def moving(cluster: NodesOfCluster, packet_id: int, moved: list[int]) -> Iterator[tuple[Node, Node]]:
    """The slot of a packet moves to another node, and these packets of it have arrived; it is sent back after."""
    source = cluster.master_of(packet_id)
    target = cluster.masters[(cluster.masters.index(source) + 1) % 3]
    slot, tag = slot_of(tag_of(packet_id)), tag_of(packet_id)
    ids = {node: node.ask("CLUSTER MYID").decode() for node in cluster.masters}
    target.ask("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    source.ask("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    keys = [f"hongbao:packet:{{{tag}}}:{one}" for one in moved]
    source.ask("MIGRATE", target.host, target.port, "", 0, 5_000, "KEYS", *keys)
    try:
        yield source, target
    finally:
        target.ask("FLUSHALL")
        source.ask("FLUSHALL")
        for node in (source, *cluster.masters):  # the owner first
            node.ask("CLUSTER SETSLOT", slot, "NODE", ids[source])


async def test_slot_that_is_moving_is_used_packet_by_packet_on_both_sides(
    mirror: Mirror, three_masters: NodesOfCluster
) -> None:
    """Some logs have arrived at the new node, some are still at the old one, and some do not exist yet."""
    first = MANY[0]
    old, arrived, new = (neighbours(first, 6)[at : at + 2] for at in (0, 2, 4))
    others = [packet_id for packet_id in MANY if tag_of(packet_id) != tag_of(first)]
    await mirror.append([begin(packet_id, FIRST) for packet_id in (*old, *arrived, *others)])
    with moving(three_masters, first, arrived) as (source, target):
        batch = [extend(packet_id, 1, SECOND) for packet_id in (*old, *arrived, *others)]
        assert await mirror.append([*batch, *(begin(packet_id, FIRST) for packet_id in new)]) == set()
        found = await mirror.read([*old, *arrived, *new, *others])
        assert found == {packet_id: logs_of(1 if packet_id in new else 2) for packet_id in found}
        wrong = [extend(packet_id, 1, SECOND) for packet_id in (*old, *arrived)]
        assert await mirror.append(wrong) == {*old, *arrived}
        slot = slot_of(tag_of(first))
        assert (source.ask("CLUSTER COUNTKEYSINSLOT", slot), target.ask("CLUSTER COUNTKEYSINSLOT", slot)) == (2, 4)


async def test_slot_that_has_moved_is_found_at_its_new_node(mirror: Mirror, three_masters: NodesOfCluster) -> None:
    packets = neighbours(MANY[0], 3)
    await mirror.append([begin(packet_id, FIRST) for packet_id in packets])
    with moving(three_masters, packets[0], packets) as (source, target):
        slot, new_id = slot_of(tag_of(packets[0])), target.ask("CLUSTER MYID").decode()
        for node in (target, source):
            node.ask("CLUSTER SETSLOT", slot, "NODE", new_id)
        assert await mirror.append([extend(packet_id, 1, SECOND) for packet_id in packets]) == set()
        assert await mirror.read(packets) == dict.fromkeys(packets, logs_of(2))
        assert target.ask("CLUSTER COUNTKEYSINSLOT", slot) == 3
        assert await mirror.probe() == {}
