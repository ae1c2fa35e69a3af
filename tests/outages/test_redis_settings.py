"""Redis as people run it: evicting, closing idle connections, with restricted users, behind TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis import asyncio as aioredis
from structlog.testing import capture_logs

from bench.chaos.supervisor import free_port
from client_sim.sdk.errors import Refusal
from server.services.packets import mirror_health
from storage.errors import StoreRefused
from tests.conftest import DAY_MS, StartServer, Turn
from tests.issuer import Issuer
from tests.outages.own_redis import own_redis, own_tls_redis, path_of
from tests.services.conftest import MakeParty, Record, until

# What the server needs, as docs/operations.md gives it.
NEEDED = "+evalsha +script|load +get +mget +set +strlen +append +pexpire +scan +pttl +ping +select"
TIMES = 3


def url_of(redis: aioredis.Redis, user: str = "") -> str:
    """The url of a Redis of the test's own."""
    return f"unix://{user}{'@' if user else ''}{path_of(redis)}"


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("maxmemory-policy", "volatile-ttl", "noeviction"),
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
    ],
)
async def test_durability_redis_refuses_settings_that_lose_claims_and_names_the_repair(
    start_server: StartServer, name: str, value: str, right: str
) -> None:
    async with own_redis(**{name: value}) as redis:
        with pytest.raises(StoreRefused) as refused:
            await start_server(stores__redis=url_of(redis), stores__durability="redis")
        assert f"{name} {value}" in str(refused.value)
        assert f"set: CONFIG SET {name} {right} " in str(refused.value)
        assert "\n" not in str(refused.value)


async def test_durability_redis_stops_deciding_when_eviction_is_switched_on(
    start_server: StartServer, party: MakeParty, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An acknowledged claim could be evicted, and after a restart another amount be told."""
    monkeypatch.setattr(mirror_health, "SETTINGS_EVERY_S", 0.2)
    async with own_redis() as redis:
        server = await start_server(stores__redis=url_of(redis), stores__durability="redis")
        room = await party(server, 2)
        packet_id = await room.lucky(1_000, 2)
        first = await room.guests[0].open(packet_id)
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        health = server.app.services.mirror_health

        async def is_known() -> bool:
            return not health.is_up

        await until(is_known)
        assert (
            "maxmemory-policy allkeys-lru may evict claims; set: CONFIG SET maxmemory-policy noeviction"
            in health.why
        )
        (reason,) = server.app.operations.status()["reasons"]
        assert health.why in reason
        with pytest.raises(Refusal) as refused:
            await room.guests[1].open(packet_id, patience_s=0.0)
        assert (refused.value.name, refused.value.temporary) == ("store_unavailable", True)
        await redis.config_set("maxmemory-policy", "noeviction")
        second = await room.guests[1].open(packet_id)
        assert first.amount_fen + second.amount_fen == 1_000

        async def both_recorded() -> bool:
            return [amount for _, _, amount in await record(packet_id)] == [first.amount_fen, second.amount_fen]

        await until(both_recorded)


async def test_durability_postgres_warns_of_eviction_and_goes_on(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_health, "SETTINGS_EVERY_S", 0.05)
    async with own_redis(maxmemory_policy="allkeys-lru", appendfsync="no") as redis:
        with capture_logs() as events:
            server = await start_server(stores__redis=url_of(redis))
            status = server.app.operations.status()
            assert (status["ready"], len(status["degraded"])) == (True, 1)
            assert "CONFIG SET maxmemory-policy noeviction" in status["degraded"][0]
            assert "appendfsync" not in status["degraded"][0]  # every claim is in PostgreSQL
            room = await party(server, 1)
            assert (await room.guests[0].open(await room.lucky(100, 1))).answer == "won"
            await asyncio.sleep(1.0)  # several checks
            assert [event["event"] for event in events].count("redis_settings") == 1
            await redis.config_set("maxmemory-policy", "noeviction")

            async def is_over() -> bool:
                return not server.app.operations.status()["degraded"]

            await until(is_over)


async def test_cluster_node_that_was_given_no_slots_is_away_with_the_reason(start_server: StartServer) -> None:
    ports = {"port": str(free_port()), "cluster_port": str(free_port())}
    async with own_redis(cluster_enabled="yes", **ports) as redis:
        server = await start_server(stores__redis=url_of(redis))
        (degraded,) = server.app.operations.status()["degraded"]
        assert degraded.startswith("redis is away: Redis: no node of the cluster has slot ")


async def test_single_redis_that_becomes_a_cluster_is_away_until_the_server_is_restarted(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its keys would be others from one moment to the next."""
    monkeypatch.setattr(mirror_health, "SETTINGS_EVERY_S", 0.2)
    port = free_port()
    async with own_redis(port=str(port)):
        server = await start_server(stores__redis=f"redis://127.0.0.1:{port}")
        assert server.app.operations.status()["degraded"] == []
    async with own_redis(port=str(port), cluster_enabled="yes", cluster_port=str(free_port())) as redis:
        await redis.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)  # type: ignore[no-untyped-call]

        async def is_known() -> bool:
            return "restart the server" in server.app.services.mirror_health.why

        await until(is_known)


@pytest.mark.long
@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_redis_that_closes_idle_connections_causes_no_error(
    start_server: StartServer, party: MakeParty, durability: str
) -> None:
    """`timeout 1`: between two opens every connection that claims use is closed by Redis."""
    async with own_redis(timeout="1") as redis:
        with capture_logs() as events:
            room = await party(
                await start_server(stores__redis=url_of(redis), stores__durability=durability), TIMES
            )
            packet_id = await room.lucky(1_000, TIMES)
            for guest in room.guests:
                assert (await guest.open(packet_id, patience_s=0.0)).answer == "won"
                ends_s = asyncio.get_running_loop().time() + 2.6
                while asyncio.get_running_loop().time() < ends_s:
                    assert room.server.app.services.mirror_health.is_up
                    await asyncio.sleep(0.05)
            assert room.server.app.services.commit.rejected_claims == 0
        assert "redis_is_away" not in {event["event"] for event in events}


async def test_user_without_config_is_told_what_could_not_be_checked(
    start_server: StartServer, party: MakeParty, turn_clock: Turn
) -> None:
    """ACL: the server works, says what it could not see, and uses INFO. A refund, because it forgets logs."""
    async with own_redis() as redis:
        await redis.execute_command(
            "ACL", "SETUSER", "app", "on", ">secret", "~hongbao:*", *NEEDED.split(), "+info"
        )  # type: ignore[no-untyped-call]
        url = url_of(redis, "app:secret")
        server = await start_server(stores__redis=url, stores__durability="redis", refunds__interval_s=0.01)
        (warning,) = server.app.operations.status()["degraded"]
        assert "cannot read appendfsync, no-appendfsync-on-rewrite of Redis: allow its user +config|get" in warning
        room = await party(server, 2)
        packet_id = await room.lucky(1_000, 3)
        assert {one.answer for one in await room.all_open(packet_id)} == {"won"}
        turn_clock(DAY_MS)

        async def log_lapses() -> bool:
            return bool(await redis.pttl(f"hongbao:packet:{packet_id}") > 0)

        await until(log_lapses)
        assert server.app.services.mirror_health.is_up
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(StoreRefused, match="CONFIG SET maxmemory-policy noeviction"):
            await start_server(stores__redis=url, stores__durability="redis")


async def test_user_who_may_not_write_is_away_with_the_reason(start_server: StartServer) -> None:
    async with own_redis() as redis:
        await redis.execute_command("ACL", "SETUSER", "app", "on", ">secret", "~other:*", "+@all")  # type: ignore[no-untyped-call]
        server = await start_server(stores__redis=url_of(redis, "app:secret"))
        (degraded,) = server.app.operations.status()["degraded"]
        assert "No permissions to access a key" in degraded


async def test_durability_redis_over_tls_with_a_ca_of_its_own(
    start_server: StartServer, party: MakeParty, tmp_path: Path
) -> None:
    issuer = Issuer(tmp_path)
    certificate, key = map(str, issuer.issue())
    port, ca_file = free_port(), str(issuer.ca_file)
    async with own_tls_redis(port, certificate, key, ca_file):
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={ca_file}"
        server = await start_server(stores__redis=url, stores__durability="redis")
        room = await party(server, 2)
        assert {one.answer for one in await room.all_open(await room.lucky(1_000, 2))} == {"won"}
        assert server.app.operations.status()["degraded"] == []


async def test_redis_with_a_certificate_of_a_strange_ca_is_away_with_the_reason(
    start_server: StartServer, tmp_path: Path
) -> None:
    issuer = Issuer(tmp_path)
    certificate, key = map(str, issuer.issue())
    port = free_port()
    async with own_tls_redis(port, certificate, key, str(issuer.ca_file)):
        server = await start_server(stores__redis=f"rediss://127.0.0.1:{port}")

        async def named() -> bool:  # on a busy machine a connection may time out before it gets so far
            (degraded,) = server.app.operations.status()["degraded"]
            return "certificate verify failed" in degraded

        await until(named)
