"""What the server demands of a cluster at the start and later, and what it only warns of."""

from __future__ import annotations

import pytest

from client_sim.sdk.errors import Refusal
from server.services.packets import mirror_health
from storage.errors import StoreRefused
from tests.conftest import StartServer
from tests.redis.nodes import NodesOfCluster, cluster_of, wait_for
from tests.services.conftest import MakeParty


async def test_durability_redis_refuses_a_cluster_without_replicas_and_postgres_does_not(
    start_server: StartServer, party: MakeParty, three_masters: NodesOfCluster
) -> None:
    with pytest.raises(
        StoreRefused, match=r"^Redis 127\.0\.0\.1:\d+ has no replica: durability redis needs one for"
    ):
        await start_server(stores__redis=three_masters.url, stores__durability="redis")
    room = await party(await start_server(stores__redis=three_masters.url), 2)
    assert {one.answer for one in await room.all_open(await room.lucky(1_000, 2))} == {"won"}
    assert room.server.app.operations.status()["degraded"] == []


async def test_start_while_one_master_is_without_its_replica_serves_the_packets_of_the_others(
    start_server: StartServer, party: MakeParty
) -> None:
    """A restart during the outage of one node must not make it one of all."""
    with cluster_of(3) as cluster:
        cluster.replicas[0].kill()
        await wait_for(lambda: cluster.masters[0].ask("INFO", "replication")["connected_slaves"] == 0)
        server = await start_server(stores__redis=cluster.url, stores__durability="redis")
        (degraded,) = server.app.operations.status()["degraded"]
        assert cluster.masters[0].place in degraded
        room = await party(server, 1)
        answers = {}
        while len(answers) < 2:
            packet_id = await room.lucky(100, 1)
            at_first = cluster.master_of(packet_id) is cluster.masters[0]
            try:
                answers[at_first] = (await room.guests[0].open(packet_id, patience_s=0.0)).answer
            except Refusal as refusal:
                answers[at_first] = refusal.name
        assert answers == {True: "store_unavailable", False: "won"}


@pytest.mark.parametrize(("name", "value"), [("appendfsync", "everysec"), ("maxmemory-policy", "volatile-lru")])
async def test_durability_redis_refuses_settings_of_one_node_and_names_it_also_of_a_replica(
    start_server: StartServer, name: str, value: str
) -> None:
    with cluster_of(3) as cluster:
        cluster.replicas[1].ask("CONFIG SET", name, value)
        with pytest.raises(StoreRefused) as found:
            await start_server(stores__redis=cluster.url, stores__durability="redis")
        assert f"Redis {cluster.replicas[1].place} with {name} {value}" in str(found.value)
        assert "\n" not in str(found.value)


async def test_settings_of_one_node_that_lose_claims_stop_its_packets_only(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_health, "SETTINGS_EVERY_S", 0.2)
    with cluster_of(3) as cluster:
        server = await start_server(stores__redis=cluster.url, stores__durability="redis")
        health = server.app.services.mirror_health
        cluster.masters[1].ask("CONFIG SET", "appendfsync", "no")
        await wait_for(lambda: bool(health.away))
        assert health.is_up
        assert {why for why in health.away.values() if cluster.masters[1].place in why} == {*health.away.values()}
        assert 20 <= len(health.away) <= 23
        assert "CONFIG SET appendfsync always" in server.app.operations.status()["degraded"][0]
        cluster.masters[1].ask("CONFIG SET", "appendfsync", "always")
        await wait_for(lambda: not health.away)


async def test_cluster_that_stops_as_a_whole_is_warned_of(start_server: StartServer) -> None:
    with cluster_of(3, has_replicas=False, cluster_require_full_coverage="yes") as cluster:
        server = await start_server(stores__redis=cluster.url)
        (degraded,) = server.app.operations.status()["degraded"]
        assert "cluster-require-full-coverage yes stops all nodes with one" in degraded
        assert "CONFIG SET cluster-require-full-coverage no" in degraded


async def test_stores_command_shows_the_settings_of_every_node(
    start_server: StartServer, three_masters: NodesOfCluster
) -> None:
    server = await start_server(stores__redis=three_masters.url)
    checks = await server.app.services.lookups.check_stores()
    assert isinstance(checks.redis.answer, dict)
    assert set(checks.redis.answer) == {node.place for node in three_masters.masters}
    assert all("maxmemory-policy noeviction" in told for told in checks.redis.answer.values())
