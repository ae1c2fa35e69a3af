"""The mirror in a cluster with a node that is dead, frozen or without replica: what is unknown, what holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from storage.errors import StoreUnavailable
from storage.redis.mirror import Mirror, PartlyAway
from tests.conftest import PATIENCE_S
from tests.redis.nodes import OUR_TAGS, NodesOfCluster, cluster_of, wait_for
from tests.redis.test_slots import FIRST, MANY, SECOND, begin, extend, logs_of


@pytest.fixture
def without_replicas() -> Iterator[NodesOfCluster]:
    """Three masters, to be killed."""
    with cluster_of(3, has_replicas=False) as cluster:
        yield cluster


@pytest.fixture
def with_replicas() -> Iterator[NodesOfCluster]:
    """Three masters and their replicas, none of which is promoted."""
    with cluster_of(3, cluster_replica_no_failover="yes") as cluster:
        yield cluster


@asynccontextmanager
async def mirror_in(
    cluster: NodesOfCluster, timeout_s: float = 2.0, *, confirms: bool = False
) -> AsyncIterator[Mirror]:
    mirror = Mirror(cluster.url, timeout_s, OUR_TAGS, confirms=confirms)
    yield mirror
    await mirror.close()


async def test_dead_node_leaves_its_packets_unknown_and_the_answers_of_the_others_hold(
    without_replicas: NodesOfCluster,
) -> None:
    dead = without_replicas.masters[2]
    own = {packet_id for packet_id in MANY if without_replicas.master_of(packet_id) is dead}
    async with mirror_in(without_replicas) as mirror:
        await mirror.append([begin(packet_id, FIRST) for packet_id in MANY])
        dead.kill()
        batch = [extend(packet_id, 1 if packet_id % 3 else 2, SECOND) for packet_id in MANY]
        with pytest.raises(PartlyAway) as appended:
            await mirror.append(batch)
        assert appended.value.unknown == own
        assert appended.value.refused == {packet_id for packet_id in MANY if packet_id % 3 == 0} - own
        tags = {OUR_TAGS.of(packet_id) for packet_id in own}
        assert tags <= appended.value.away.keys()
        assert f"({dead.place})" in str(appended.value)
        with pytest.raises(PartlyAway) as read:
            await mirror.read(MANY)
        assert read.value.logs == {one: logs_of(1 if one % 3 == 0 else 2) for one in MANY if one not in own}
        with pytest.raises(PartlyAway) as closed:
            await mirror.close_logs(MANY)
        assert closed.value.logs == read.value.logs
        assert (await mirror.probe()).keys() == appended.value.away.keys()
        listed = [one async for ids in mirror.lasting_ids() for one in ids]
        assert sorted(listed) == [one for one in MANY if one not in own]
        dead.start()
        await wait_for(without_replicas.is_ready)
        assert await mirror.probe() == {}
        assert await mirror.append([extend(packet_id, 1, SECOND) for packet_id in own]) == set()


async def test_cluster_without_any_node_is_away(without_replicas: NodesOfCluster) -> None:
    async with mirror_in(without_replicas) as mirror:
        assert await mirror.probe() == {}
        for node in without_replicas.nodes:
            node.kill()
        with pytest.raises(StoreUnavailable, match=r"refused|closed|reset") as found:
            await mirror.probe()
        assert not isinstance(found.value, PartlyAway)


async def test_frozen_node_is_given_up_by_the_probe_before_the_timeout_of_its_calls(
    without_replicas: NodesOfCluster,
) -> None:
    frozen = without_replicas.masters[0]
    own = {packet_id for packet_id in MANY if without_replicas.master_of(packet_id) is frozen}
    async with mirror_in(without_replicas, timeout_s=10 * PATIENCE_S) as mirror:
        await mirror.probe()
        with frozen.frozen():
            appending = asyncio.ensure_future(mirror.append([begin(packet_id, FIRST) for packet_id in MANY]))
            async with asyncio.timeout(PATIENCE_S):
                while not appending.done():
                    await mirror.probe()
            with pytest.raises(PartlyAway) as found:
                appending.result()
        assert found.value.unknown == own
        assert "no answer in time" in str(found.value)


@pytest.mark.long
async def test_write_and_reading_that_no_replica_has_confirmed_are_unknown(
    with_replicas: NodesOfCluster,
) -> None:
    """The replica is frozen: the master has it in its list of replicas, and sends it what it will read later."""
    master = with_replicas.masters[1]
    own = {packet_id for packet_id in MANY if with_replicas.master_of(packet_id) is master}
    async with mirror_in(with_replicas, confirms=True) as mirror, mirror_in(with_replicas, confirms=True) as other:
        assert await mirror.append([begin(packet_id, FIRST) for packet_id in MANY]) == set()
        assert await mirror.read(MANY) == dict.fromkeys(MANY, logs_of(1))
        with with_replicas.replica_of(master).frozen():
            with pytest.raises(PartlyAway, match="no replica has confirmed a write in time") as appended:
                await mirror.append([extend(packet_id, 1, SECOND) for packet_id in MANY])
            with pytest.raises(PartlyAway, match="no replica has confirmed") as read:
                await other.read(MANY)  # over connections that have written nothing before
            with pytest.raises(PartlyAway, match="no replica has confirmed") as closed:
                await mirror.close_logs(MANY)
            assert len(set((await mirror.probe()).values())) == 1
        for found in (appended, read, closed):
            assert found.value.unknown == own
        assert read.value.logs == {packet_id: logs_of(2) for packet_id in MANY if packet_id not in own}
        await wait_for(with_replicas.is_ready)
        assert await mirror.read([*own]) == dict.fromkeys(own, logs_of(2, closed=True))


async def test_replica_whose_log_is_not_on_disk_confirms_nothing(with_replicas: NodesOfCluster) -> None:
    """It has the write in its memory, which is not enough: WAIT is content, WAITAOF is not."""
    master = with_replicas.masters[0]
    own = {packet_id for packet_id in MANY if with_replicas.master_of(packet_id) is master}
    async with mirror_in(with_replicas, confirms=True) as mirror:
        with_replicas.replica_of(master).ask("CONFIG SET", "appendonly", "no")
        with pytest.raises(PartlyAway, match="no replica has confirmed") as found:
            await mirror.append([begin(packet_id, FIRST) for packet_id in MANY])
        assert found.value.unknown == own
