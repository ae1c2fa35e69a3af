"""A master of the cluster is killed or frozen: its own packets wait, the others go on, no told claim is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import asyncpg
import pytest
from structlog.testing import capture_logs

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from tests.conftest import DAY_MS, PATIENCE_S, SEED_KEYS, Connect, Server, StartServer, Turn
from tests.ops.test_http import get
from tests.outages.crowd import compare_with_books, start_crowd, until_more_claims
from tests.redis.nodes import Node, NodesOfCluster, cluster_of, wait_for
from tests.services.conftest import MakeParty, Party, Record, until

BooksBalance = Callable[[], Awaitable[None]]
GUESTS = 3


@contextmanager
def killed(node: Node) -> Iterator[None]:
    """It stays down inside."""
    node.kill()
    yield
    node.start()


@contextmanager
def frozen(node: Node) -> Iterator[None]:
    """It answers nothing, and its connections stay open."""
    with node.frozen():
        yield


async def packets_on(room: Party, cluster: NodesOfCluster) -> dict[Node, list[int]]:
    """Two packets on each master, with a share for each guest."""
    found: dict[Node, list[int]] = {master: [] for master in cluster.masters}
    while any(len(packets) < 2 for packets in found.values()):
        packet_id = await room.lucky(1_000, GUESTS)
        found[cluster.master_of(packet_id)].append(packet_id)
    return {master: packets[:2] for master, packets in found.items()}


def let_replicas_be_promoted(cluster: NodesOfCluster) -> None:
    for replica in cluster.replicas:
        replica.ask("CONFIG SET", "cluster-replica-no-failover", "no")


def is_whole(server: Server) -> bool:
    health = server.app.services.mirror_health
    return health.is_up and not health.away


async def refused(client: Client, packet_id: int) -> tuple[str, bool]:
    """The refusal of an open."""
    with pytest.raises(Refusal) as found:
        await client.open(packet_id, patience_s=0.0)
    return found.value.name, found.value.temporary


@pytest.mark.long
@pytest.mark.parametrize("durability", ["postgres", "redis"])
@pytest.mark.parametrize("outage", [killed, frozen])
async def test_master_that_is_away_stops_its_own_packets_only_until_a_replica_is_promoted(
    start_server: StartServer,
    party: MakeParty,
    record: Record,
    books_balance: BooksBalance,
    outage: Callable[[Node], AbstractContextManager[None]],
    durability: str,
) -> None:
    """The replica that is promoted has never had a script: it answers NOSCRIPT."""
    with cluster_of(3, cluster_replica_no_failover="yes") as cluster, capture_logs() as events:
        options = {"stores__redis": cluster.url, "stores__durability": durability}
        server = await start_server(ops__http="127.0.0.1:0", **options)
        room = await party(server, GUESTS)
        packets = await packets_on(room, cluster)
        every = [packet_id for of_master in packets.values() for packet_id in of_master]
        told = {(packet_id, 2): (await room.guests[0].open(packet_id)).amount_fen for packet_id in every}
        lost = cluster.masters[1]
        with outage(lost):
            for packet_id in every:
                if packet_id in packets[lost] and durability == "redis":
                    assert await refused(room.guests[1], packet_id) == ("store_unavailable", True)
                else:
                    opened = await room.guests[1].open(packet_id)
                    assert opened.answer == "won"
                    told[packet_id, 3] = opened.amount_fen
            status = server.app.operations.status()
            assert status["ready"]
            (degraded,) = status["degraded"]
            assert lost.place in degraded
            assert " of 64 hash tags; opens of their packets " in degraded
            metrics = (await get(server.app.operations.http_port, "/metrics")).body
            assert 'hongbao_store_partly_away{store="redis"} 1.0' in metrics
            assert 'hongbao_store_up{store="redis"} 1.0' in metrics
            let_replicas_be_promoted(cluster)
            await wait_for(cluster.replica_of(lost).is_master)
            if durability == "postgres":
                await wait_for(lambda: is_whole(server))
        await wait_for(lambda: is_whole(server))  # with durability redis it has to be back as a replica
        for packet_id in every:
            for guest in room.guests[1:]:
                opened = await guest.open(packet_id)
                assert opened.amount_fen == told.setdefault((packet_id, guest.user_id), opened.amount_fen)
        promoted = cluster.replica_of(lost)
        assert promoted.ask("INFO", "commandstats")["cmdstat_evalsha"]["calls"] > 0
        for packet_id in every:
            rows = await recorded(record, packet_id, GUESTS)
            assert {(packet_id, user_id): amount for _, user_id, amount in rows} == {
                place: amount for place, amount in told.items() if place[0] == packet_id
            }
        await books_balance()
    names = [event["event"] for event in events]
    assert "redis_node_is_away" in names
    assert names.count("redis_nodes_are_back") == 1
    assert not {"redis_is_away", "acknowledged_claim_lost"} & {*names}


async def recorded(record: Record, packet_id: int, claims: int) -> list[tuple[int, int, int]]:
    """The record of a packet once it has so many claims: with durability redis it follows the answers."""
    async with asyncio.timeout(PATIENCE_S):
        while len(rows := await record(packet_id)) < claims:  # noqa: ASYNC110  it is in another process
            await asyncio.sleep(0.01)
    return rows


@pytest.mark.long
async def test_claims_that_no_replica_has_confirmed_are_not_told(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    record: Record,
    books_balance: BooksBalance,
    postgres_proxy: tuple[Proxy, str],
) -> None:
    """A replica is away, its master and the server die before PostgreSQL has anything, and the replica is promoted.

    What it lacks is gone. So none of it may have been told.
    """
    proxy, dsn = postgres_proxy
    with cluster_of(3) as cluster:
        options = {"stores__redis": cluster.url, "stores__postgres": dsn, "stores__durability": "redis"}
        server = await start_server(**options)
        room = await party(server, GUESTS)
        master = cluster.masters[0]
        own = (await packets_on(room, cluster))[master]
        told = {(packet_id, 2): (await room.guests[0].open(packet_id)).amount_fen for packet_id in own}
        for packet_id in own:
            assert len(await recorded(record, packet_id, 1)) == 1
        cluster.replica_of(master).kill()
        proxy.stall()
        for packet_id in own:
            with suppress(Refusal):
                told[packet_id, 3] = (await room.guests[1].open(packet_id, patience_s=0.0)).amount_fen
        await server.kill()
        master.kill()
        cluster.replica_of(master).start()
        proxy.flow()
        await proxy.cut()
        await proxy.heal()
        await wait_for(lambda: cluster.replica_of(master).has_started() and cluster.replica_of(master).is_master())
        master.start()  # as the replica that the new master needs
        await wait_for(cluster.is_ready)
        again = await start_server(**options)
        for packet_id in own:
            for user_id in (4, 3, 2):
                guest = await connect(again, user_id)
                opened = await guest.open(packet_id)
                assert opened.amount_fen == told.setdefault((packet_id, user_id), opened.amount_fen)
            rows = await recorded(record, packet_id, GUESTS)
            assert {user_id: amount for _, user_id, amount in rows} == {
                user_id: amount for (of_packet, user_id), amount in told.items() if of_packet == packet_id
            }
        await books_balance()


@pytest.mark.long
async def test_told_claim_that_only_a_dead_master_has_is_neither_given_away_nor_refunded(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    record: Record,
    books_balance: BooksBalance,
    postgres_proxy: tuple[Proxy, str],
    turn_clock: Turn,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    """PostgreSQL lacks the claim, and the server that told it has died: its packet waits for the log."""
    proxy, dsn = postgres_proxy
    with cluster_of(3, cluster_replica_no_failover="yes") as cluster:
        options = {
            "stores__redis": cluster.url,
            "stores__postgres": dsn,
            "stores__durability": "redis",
            "refunds__interval_s": 0.05,
            "refunds__batch_max": 1,  # one that waits comes before others that are due
        }
        server = await start_server(**options)
        room = await party(server, GUESTS)
        packets = await packets_on(room, cluster)
        lost, other = cluster.masters[:2]
        (to_open, to_expire), (of_other, _) = packets[lost], packets[other]
        while cluster.master_of(await room.lucky(1_000, GUESTS)) is lost:
            pass
        proxy.stall()
        told = {packet_id: (await room.guests[0].open(packet_id)).amount_fen for packet_id in packets[lost]}
        await server.kill()
        lost.kill()
        proxy.flow()
        await proxy.cut()
        await proxy.heal()
        again = await start_server(**options)
        guests = [await connect(again, user_id) for user_id in (2, 3)]
        for guest in guests:
            assert await refused(guest, to_open) == ("store_unavailable", True)
        assert (await guests[0].open(of_other)).answer == "won"
        turn_clock(DAY_MS)

        async def others_are_refunded() -> bool:
            rows = await sql.fetch("SELECT packet_id FROM packets WHERE closed_at_ms IS NULL")
            return {cluster.master_of(row["packet_id"]) for row in rows} == {lost}

        await until(others_are_refunded)
        assert await record(to_expire) == []
        let_replicas_be_promoted(cluster)
        await wait_for(cluster.replica_of(lost).is_master)
        lost.start()
        for packet_id in packets[lost]:
            ((_, user_id, amount),) = await recorded(record, packet_id, 1)
            assert (user_id, amount) == (2, told[packet_id])

        async def all_are_refunded() -> bool:
            return not await sql.fetch("SELECT FROM packets WHERE closed_at_ms IS NULL")

        await until(all_are_refunded)
        await books_balance()


@pytest.mark.long
async def test_replica_that_is_away_stops_the_packets_of_its_master_until_it_is_back(
    start_server: StartServer, party: MakeParty, books_balance: BooksBalance
) -> None:
    with cluster_of(3) as cluster:
        server = await start_server(stores__redis=cluster.url, stores__durability="redis")
        room = await party(server, GUESTS)
        packets = await packets_on(room, cluster)
        master = cluster.masters[2]
        cluster.replica_of(master).kill()
        for packet_id in packets[master]:
            assert await refused(room.guests[0], packet_id) == ("store_unavailable", True)
        for other in cluster.masters[:2]:
            for packet_id in packets[other]:
                assert (await room.guests[0].open(packet_id)).answer == "won"
        (degraded,) = server.app.operations.status()["degraded"]
        assert "replica" in degraded
        assert master.place in degraded
        cluster.replica_of(master).start()
        await wait_for(lambda: is_whole(server))
        for packet_id in packets[master]:
            opened = [await guest.open(packet_id) for guest in room.guests]
            assert {one.answer for one in opened} <= {"won", "claimed"}
            assert sum(one.amount_fen for one in opened) == 1_000
        await books_balance()


@pytest.mark.long
@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_crowd_loses_no_claim_when_a_master_is_killed(
    start_server: StartServer, postgres_dsn: str, durability: str
) -> None:
    with cluster_of(3) as cluster:
        server = await start_server(stores__redis=cluster.url, stores__durability=durability)
        async with start_crowd(server.url, seed=11) as crowd:
            stop = asyncio.Event()
            playing = asyncio.create_task(crowd.until_stopped(stop))
            await until_more_claims(crowd)
            cluster.masters[0].kill()
            await wait_for(cluster.replicas[0].is_master)
            cluster.masters[0].start()  # as the replica that durability redis needs
            await wait_for(lambda: is_whole(server))
            await until_more_claims(crowd)
            stop.set()
            await playing
            await compare_with_books(postgres_dsn, SEED_KEYS, crowd)


@pytest.mark.long
@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_crowd_loses_no_claim_when_all_masters_are_killed_or_frozen_in_turn(
    start_server: StartServer, postgres_dsn: str, durability: str
) -> None:
    """Nine outages: a node that is a master at the time is killed and started again, or frozen for 3 seconds."""
    with cluster_of(3) as cluster:
        server = await start_server(stores__redis=cluster.url, stores__durability=durability)
        async with start_crowd(server.url, seed=12) as crowd:
            stop = asyncio.Event()
            playing = asyncio.create_task(crowd.until_stopped(stop))
            for number in range(9):
                await until_more_claims(crowd)
                master = [node for node in cluster.nodes if node.is_master()][number % 3]
                if number % 2:
                    with master.frozen():
                        await asyncio.sleep(3.0)
                else:
                    master.kill()
                    await asyncio.sleep(3.0)
                    master.start()
                await wait_for(cluster.is_ready)
                await wait_for(lambda: is_whole(server))
            stop.set()
            await playing
            await compare_with_books(postgres_dsn, SEED_KEYS, crowd)
