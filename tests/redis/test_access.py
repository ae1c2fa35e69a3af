"""A cluster with passwords, with a user of its own (ACL) and behind TLS."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bench.chaos.supervisor import free_port
from storage.errors import StoreUnavailable
from storage.redis import cluster as cluster_module
from storage.redis import single, topology
from storage.redis.mirror import Mirror
from tests.conftest import DAY_MS, PATIENCE_S, StartServer, Turn
from tests.issuer import Issuer
from tests.outages.own_redis import tls_proxy
from tests.outages.test_redis_settings import NEEDED
from tests.redis.nodes import OUR_TAGS, cluster_of, wait_for
from tests.services.conftest import MakeParty

# What the server needs besides in a cluster, as docs/operations.md gives it.
NEEDED_IN_CLUSTER = f"{NEEDED} +cluster|slots +cluster|info +asking +wait +waitaof"


@pytest.fixture(autouse=True)
def patient_redis_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No node is away here: a busy machine may give it, and the proxy with TLS before it, no turn for a second."""
    for module in (cluster_module, single, topology):
        monkeypatch.setattr(module, "PROBE_S", PATIENCE_S)


async def test_cluster_with_a_password_on_every_node(start_server: StartServer, party: MakeParty) -> None:
    with cluster_of(3, requirepass="pa55/word", masterauth="pa55/word") as cluster:
        url = cluster.url.replace("://", "://:pa55%2Fword@")
        server = await start_server(stores__redis=url, stores__durability="redis")
        room = await party(server, 2)
        assert {one.answer for one in await room.all_open(await room.lucky(1_000, 2))} == {"won"}
        assert server.app.operations.status()["degraded"] == []
        mirror = Mirror(cluster.url, timeout_s=2.0, tags=OUR_TAGS)
        with pytest.raises(StoreUnavailable, match="authenticate"):
            await mirror.probe()
        await mirror.close()


async def test_user_with_the_documented_rights_serves_refunds_and_reads_no_other_keys(
    start_server: StartServer, party: MakeParty, turn_clock: Turn
) -> None:
    with cluster_of(3) as cluster:
        for node in cluster.nodes:
            node.ask("ACL", "SETUSER", "app", "on", ">secret", "~hongbao:*", *NEEDED_IN_CLUSTER.split())
            node.ask("ACL", "SETUSER", "app", "+info", "+config|get")
        url = cluster.url.replace("://", "://app:secret@")
        server = await start_server(stores__redis=url, stores__durability="redis", refunds__interval_s=0.01)
        room = await party(server, 2)
        packets = [await room.lucky(1_000, 3) for _ in range(10)]
        for packet_id in packets:
            assert {one.answer for one in await room.all_open(packet_id)} == {"won"}
        assert server.app.operations.status()["degraded"] == []
        turn_clock(DAY_MS)
        keys = {packet_id: f"hongbao:packet:{{{OUR_TAGS.of(packet_id)}}}:{packet_id}" for packet_id in packets}
        await wait_for(lambda: all(cluster.master_of(one).ask("PTTL", key) > 0 for one, key in keys.items()))
        assert server.app.services.mirror_health.is_up
        assert not server.app.services.mirror_health.away


async def test_cluster_behind_tls_is_reached_at_every_node(
    start_server: StartServer, party: MakeParty, tmp_path: Path
) -> None:
    """Each node announces the port of a proxy that ends TLS, as Valkey here is built without."""
    issuer = Issuer(tmp_path)
    certificate, key = map(str, issuer.issue())
    ports = [free_port() for _ in range(3)]
    with cluster_of(3, has_replicas=False, unixsocket="node.sock", announced=ports) as cluster:
        async with AsyncExitStack() as stack:
            for port, node in zip(ports, cluster.masters, strict=True):
                await stack.enter_async_context(tls_proxy(port, certificate, key, f"{node.folder}/node.sock"))
            url = f"rediss+cluster://127.0.0.1:{ports[0]}?ssl_ca_certs={issuer.ca_file}"
            server = await start_server(stores__redis=url)
            room = await party(server, 2)
            packets = [await room.lucky(1_000, 2) for _ in range(20)]
            for packet_id in packets:
                assert {one.answer for one in await room.all_open(packet_id)} == {"won"}
            assert all(live.mirrored for live in map(server.app.services.live_packets.get, packets) if live)
            assert server.app.operations.status()["degraded"] == []
            used = {node for node in cluster.masters if node.ask("DBSIZE")}
            assert used == {*cluster.masters}
            mirror = Mirror(f"rediss+cluster://127.0.0.1:{ports[1]}", timeout_s=2.0, tags=OUR_TAGS)
            with pytest.raises(StoreUnavailable, match="certificate verify failed"):
                await mirror.probe()
            await mirror.close()
