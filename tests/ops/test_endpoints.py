"""Probes and metrics of a server on real stores: every counter counts what its name says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from bench.chaos.proxy import Proxy
from client_sim.sdk.errors import Refusal
from server.ops.metric_tables import NAMES
from server.ops.samples.sample import Figures
from storage.errors import StoreUnavailable
from tests.conftest import DAY_MS, Connect, Server, StartServer, Turn
from tests.ops.conftest import Ask, MakeParty, until
from tests.ops.test_http import Answer, get

Scrape = Callable[[], Awaitable[dict[str, float]]]


@pytest.fixture
async def server(start_server: StartServer, turn_clock: Turn) -> Server:
    """A server with HTTP, a clock that can be turned, and a low limit on totals."""
    return await start_server(
        ops__http="127.0.0.1:0",
        refunds__interval_s=0.01,
        limits__total_fen_max=20_000,
    )


@pytest.fixture
def scrape(server: Server) -> Scrape:
    """All series of a scrape; its sample is not older than the call."""

    async def one() -> dict[str, float]:
        server.app.operations.sampler._samples.clear()  # the next sample is taken on request
        answer = await get(server.app.operations.http_port, "/metrics")
        return {
            sample.name + "".join(f",{value}" for value in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.body)
            for sample in family.samples
        }

    return one


async def ready(server: Server) -> Answer:
    return await get(server.app.operations.http_port, "/readyz")


async def test_every_counter_counts_its_events(
    server: Server, scrape: Scrape, party: MakeParty, connect: Connect, turn_clock: Turn
) -> None:
    before = await scrape()
    guests = await party(server, 2)
    packet = await guests.lucky(1_000, 3)
    with pytest.raises(Refusal):
        await guests.sender.send_packet("lucky", guests.group, 20_001, 3)
    with pytest.raises(Refusal):
        await (await connect(server, 0)).withdraw(1, 10**9)
    await (await connect(server, 0)).withdraw(1, 70)
    won = await guests.all_open(packet)
    claimed = sum(one.amount_fen for one in won)
    assert (await guests.guests[0].grab(packet)).answer == "claimed"
    turn_clock(DAY_MS)

    async def is_refunded() -> bool:
        now = await scrape()
        return now["hongbao_refunded_packets_total"] == 1 and now["hongbao_settled_claims_total"] == 2

    await until(is_refunded)
    await server.app.operations._figures.query_once()
    now = await scrape()
    moved = {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)}
    batches = moved["hongbao_batches_total"]
    assert 1 <= batches <= 2
    counted = {name.removeprefix("hongbao_"): value for name, value in moved.items() if "_total" in name}
    assert counted.pop("batches_total") == batches
    assert counted.pop("pushes_total") > 5
    assert counted.pop("reads_total") > 5
    assert counted == {
        "requests_total,login": 6,
        "requests_total,top_up": 1,
        "requests_total,withdraw": 2,
        "requests_total,create_group": 1,
        "requests_total,get_invite": 1,
        "requests_total,join_group": 2,
        "requests_total,send_packet": 2,
        "requests_total,grab": 3,
        "requests_total,open": 2,
        "refusals_total,bad_amount": 1,
        "refusals_total,not_enough_money": 1,
        "answers_total,ticket": 2,
        "answers_total,won": 2,
        "answers_total,claimed": 1,
        "claims_total": 2,
        "settled_claims_total": 2,
        "refunded_packets_total": 1,
        "money_fen_total,topped_up": 100_000,
        "money_fen_total,withdrawn": 70,
        "money_fen_total,sent": 1_000,
        "money_fen_total,claimed": claimed,
        "money_fen_total,refunded": 1_000 - claimed,
    }
    assert moved["hongbao_open_seconds_count"] == 2
    assert moved["hongbao_batch_seconds_count,postgres"] == batches
    assert moved["hongbao_batch_seconds_count,redis"] >= batches
    assert (now["hongbao_connections"], now["hongbao_users_online"]) == (6, 4)
    assert (now["hongbao_in_packets_fen"], now["hongbao_settlement_backlog_claims"]) == (0, 0)
    assert (now["hongbao_store_up,postgres"], now["hongbao_store_up,redis"], now["hongbao_draining"]) == (1, 1, 0)
    assert now["hongbao_resident_memory_bytes"] > 10_000_000
    assert {name.split(",")[0] for name in now} >= {name for name in NAMES if "audit" not in name} - {
        "hongbao_open_seconds",
        "hongbao_batch_seconds",
        "hongbao_links",  # there are no peers
        "hongbao_links_missing",
        "hongbao_link_handshakes_refused_total",
        "hongbao_nats_pushes_total",
        "hongbao_nats_up",  # there is no NATS
        "hongbao_campaigns",  # there is none
        "hongbao_campaign_leases",
        "hongbao_risk_decisions_total",  # risk control is off
        "hongbao_risk_held_total",
        "hongbao_risk_round_age_seconds",
        "hongbao_shakes_total",
        "hongbao_http_requests_total",  # the HTTP API is off
        "hongbao_open_payments",  # there is no host wallet
        "hongbao_open_payment_age_seconds",
        "hongbao_payment_breaks",
        "hongbao_breaks",  # there is no bank
        "hongbao_break_age_seconds",
        "hongbao_statement_overdue_seconds",
        "hongbao_webhook_endpoints",  # there are none
        "hongbao_webhook_lag_seconds",
        "hongbao_webhook_waiting_deliveries",
    }


async def test_claimed_money_is_counted_once_when_the_reply_of_a_batch_is_lost(
    server: Server, party: MakeParty
) -> None:
    guests = await party(server, 3)
    packet = await guests.lucky(1_000, 3)
    records = server.app.services.commit._stores._packets
    record, lost = records.record, False

    async def record_and_lose(advances: object) -> set[int]:
        nonlocal lost
        accepted = await record(advances)  # type: ignore[arg-type]
        if not lost:
            lost = True
            raise StoreUnavailable("the reply was lost")
        return accepted

    records.record = record_and_lose  # type: ignore[method-assign,assignment]
    won = await guests.all_open(packet)
    assert [one.answer for one in won] == ["won"] * 3
    sample = server.app.operations.sampler.now()
    assert sample.rejected > 0
    assert sample.money_fen["claimed"] == 1_000


async def test_server_is_not_ready_without_postgres(
    start_server: StartServer, postgres_proxy: tuple[Proxy, str]
) -> None:
    proxy, dsn = postgres_proxy
    server = await start_server(ops__http="127.0.0.1:0", stores__postgres=dsn)
    assert (await ready(server)).status == 200
    await proxy.cut()

    async def is_away() -> bool:
        proxy.break_connections()  # those that were being opened during the cut
        return (await ready(server)).status == 503

    await until(is_away)
    health = json.loads((await ready(server)).body)
    assert (health["ready"], len(health["reasons"])) == (False, 1)
    assert health["reasons"][0].startswith("postgres is away: PostgreSQL: ")
    assert (await get(server.app.operations.http_port, "/livez")).status == 200
    await proxy.heal()

    async def is_back() -> bool:
        return (await ready(server)).status == 200

    await until(is_back)


@pytest.mark.parametrize(("durability", "status"), [("postgres", 200), ("redis", 503)])
async def test_redis_is_needed_only_with_durability_redis(
    start_server: StartServer, redis_proxy: tuple[Proxy, str], durability: str, status: int
) -> None:
    proxy, url = redis_proxy
    server = await start_server(ops__http="127.0.0.1:0", stores__redis=url, stores__durability=durability)
    await proxy.cut()
    server.app.services.mirror_health.lost(StoreUnavailable("cut"))  # as the next batch would
    answer = await ready(server)
    health = json.loads(answer.body)
    assert answer.status == status
    assert health["reasons" if status == 503 else "degraded"][0].startswith("redis is away: ")


async def test_server_is_not_ready_while_draining(server: Server, ask_server: Ask) -> None:
    port, hold = server.app.operations.http_port, asyncio.create_task(asyncio.sleep(3600))
    server.app.dispatch._tasks.add(hold)  # a request in progress keeps the server draining
    await ask_server("drain")

    async def draining() -> bool:
        return (await get(port, "/readyz")).status == 503

    await until(draining)
    assert json.loads((await get(port, "/readyz")).body)["reasons"] == ["the server is draining"]
    assert (await get(port, "/livez")).status == 200
    assert (await ask_server("status"))["state"] == "draining"
    server.app.dispatch._tasks.discard(hold)
    hold.cancel()
    assert server._task is not None
    await asyncio.wait_for(asyncio.shield(server._task), 10)
    with pytest.raises(OSError, match="refused"):
        await get(port, "/livez")


async def test_server_is_not_ready_with_an_old_backlog(server: Server) -> None:
    operations = server.app.operations
    assert (await ready(server)).status == 200
    query = operations._figures

    async def has_figures() -> bool:
        return query.figures is not None

    await until(has_figures)  # the first query of the server itself is over
    old_ms = operations.sampler.now().at_ms - 61_000
    assert query.figures is not None
    old = replace(query.figures, backlog_claims=1, oldest_ms=old_ms)

    async def old_figures() -> Figures:
        return old

    query._query = old_figures  # a later query of the server says the same
    await query.query_once()
    operations.sampler._samples.clear()
    answer = await ready(server)
    assert answer.status == 503
    assert json.loads(answer.body)["reasons"][0].startswith("a claim has waited 61 s")


async def test_server_serves_without_http_when_the_port_is_taken(
    start_server: StartServer, server: Server, connect: Connect
) -> None:
    taken = f"127.0.0.1:{server.app.operations.http_port}"
    with capture_logs() as events:
        other = await start_server(ops__http=taken)
    assert [(event["event"], event["address"]) for event in events if event["log_level"] == "warning"] == [
        ("http_is_off", taken)
    ]
    assert await (await connect(other, 7)).balance() == 0


async def test_blocked_event_loop_shows_in_the_loop_lag(server: Server) -> None:
    sampler = server.app.operations.sampler
    seen = sampler.newest

    async def has_new_sample() -> bool:
        return sampler.newest is not seen

    await until(has_new_sample)
    time.sleep(0.5)  # noqa: ASYNC251  blocks the loop like a defect
    seen = sampler.newest
    await until(has_new_sample)
    assert max(one.loop_lag_ms for one in sampler.last(60)) >= 390
