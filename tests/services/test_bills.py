"""Packets in a sponsor's name on real stores: once per bill number, limits of a day, states, events."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol import messages
from server.core.packet_request import request_of
from server.core.refusals import Reason, RequestRefused
from server.services.enterprise.bills import BillService
from server.services.money.audit import audit
from storage.postgres.database import Database
from storage.postgres.enterprise.bills import BillDay, BillStore, NewBill
from storage.postgres.packets import sends
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.sends import SendStore, Sent, Unsent
from tests.conftest import DAY_MS, SEED_KEYS, Connect, Server, StartServer, TurnedClock
from tests.contract.given import debit_of, packet
from tests.seeds import SeedsInPlain
from tests.services.conftest import until, waiting

SPONSOR, OTHER, ANN, BEN = 90_001, 90_002, 3, 4
BooksBalance = Callable[[], Awaitable[None]]
PACKET = 9_007_199_254_741_601
NEW_BILL = (
    "INSERT INTO bills (sponsor_id, number, target_id, amount_fen, greeting, scene, kind, shares, asked_at_ms) "
    "VALUES ($1, $2, $3, 888, '', '', 'enterprise', 1, 1)"
)
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
SCENES = {"enterprise__scenes": ["PRODUCT_1"]}


async def refused(request: Awaitable[Any]) -> str:
    with pytest.raises(Refusal) as caught:
        await request
    return caught.value.name


async def backend_of(server: Server, connect: Connect) -> Client:
    """The chat backend; sponsors with 1,000.00 yuan each, and two users."""
    backend = await connect(server, 0)
    await backend.put_users({ANN: "Ann", BEN: "Ben"})
    for sponsor, name in ((SPONSOR, "Tea House"), (OTHER, "Bakery")):
        await backend.put_sponsor(sponsor, name)
        await backend.top_up(sponsor, 100_000)
    return backend


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    return await start_server(**SCENES, enterprise__user_packets_a_day=3)


@pytest.fixture
async def backend(server: Server, connect: Connect) -> Client:
    return await backend_of(server, connect)


async def settled(sql: asyncpg.Connection[asyncpg.Record]) -> bool:
    waiting = "SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM outbox)"
    return int(await sql.fetchval(waiting)) == 0


async def test_bill_is_sent_once_and_received(
    server: Server,
    backend: Client,
    connect: Connect,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    ann = await connect(server, ANN)
    asked = SPONSOR, "B-1", ANN, 888, "谢谢"
    sent = await asyncio.gather(*(backend.send_bill(*asked) for _ in range(5)))
    assert {(one.status, one.packet_id, one.amount_fen) for one in sent} == {("SENT", sent[0].packet_id, 888)}
    assert await sql.fetchval("SELECT count(*) FROM packets") == 1
    page = await ann.open_page(sent[0].packet_id)
    assert (page.sender_name, page.greeting, page.view) == ("Tea House", "谢谢", "open")
    assert (await ann.open(sent[0].packet_id)).amount_fen == 888
    found = await backend.bill(SPONSOR, "B-1")
    assert (found.status, found.received_at_ms >= found.sent_at_ms > 0, found.reason) == ("RECEIVED", True, "")
    await until(lambda: settled(sql))
    await books_balance()


async def test_other_content_under_a_number_is_refused_and_another_sponsor_has_its_own(backend: Client) -> None:
    await backend.send_bill(SPONSOR, "B-1", ANN, 888)
    for other in ((SPONSOR, "B-1", BEN, 888), (SPONSOR, "B-1", ANN, 889), (SPONSOR, "B-1", ANN, 888, "hello")):
        assert await refused(backend.send_bill(*other)) == "key_reused"
    assert await refused(backend.send_bill(SPONSOR, "B-1", ANN, 888, scene_id="PRODUCT_1")) == "key_reused"
    assert (await backend.send_bill(OTHER, "B-1", BEN, 500)).status == "SENT"
    assert await refused(backend.bill(OTHER, "B-2")) == "not_allowed"


async def test_amount_without_a_scene_is_limited_and_with_one_it_is_larger(
    server: Server, backend: Client, connect: Connect
) -> None:
    assert await refused(backend.send_bill(SPONSOR, "B-1", ANN, 20_001)) == "bad_amount"
    assert await refused(backend.send_bill(SPONSOR, "B-1", ANN, 20_001, scene_id="x")) == "bad_scene"
    sent = await backend.send_bill(SPONSOR, "B-1", ANN, 50_000, scene_id="PRODUCT_1")
    ann = await connect(server, ANN)
    assert (await ann.open(sent.packet_id)).amount_fen == 50_000
    assert (await ann.verify(sent.packet_id)).faults == []


async def test_packet_that_has_the_key_of_a_bill_is_not_taken_for_its_packet(
    backend: Client, server: Server, books_balance: BooksBalance, sql: Sql
) -> None:
    """Keys of packets that the backend sends on behalf of the sponsor are its own, whatever they begin with."""
    sends = server.app.services.sends
    first, second = (request_of(SPONSOR, f"bill:B-{n}", "fission", ANN, 900, 3, "") for n in (1, 2))
    await sends.send(first)
    failed = await backend.send_bill(SPONSOR, "B-1", ANN, 888)
    assert (failed.status, failed.reason, failed.packet_id) == ("FAILED", "key_reused", 0)
    assert (await backend.bill(SPONSOR, "B-1")).status == "FAILED"
    await sql.execute(
        NEW_BILL.replace("asked_at_ms)", "asked_at_ms, failed)")[:-1] + ", 'banned')", SPONSOR, "B-2", ANN
    )
    assert (await sends.send(second)).total_fen == 900
    await books_balance()


async def test_bill_that_failed_is_tried_again_under_its_number(backend: Client) -> None:
    poor = 90_003
    await backend.put_sponsor(poor, "poor")
    failed = await backend.send_bill(poor, "B-1", ANN, 888)
    assert (failed.status, failed.reason, failed.packet_id) == ("FAILED", "not_enough_money", 0)
    assert (await backend.bill(poor, "B-1")).status == "FAILED"
    await backend.top_up(poor, 888)
    sent = await backend.send_bill(poor, "B-1", ANN, 888)
    assert (sent.status, sent.reason) == ("SENT", "")
    unknown = await backend.send_bill(SPONSOR, "B-2", 777_777, 888)
    assert (unknown.status, unknown.reason) == ("FAILED", "no_such_user")
    assert await refused(backend.send_bill(BEN, "B-3", ANN, 888)) == "not_a_sponsor"
    assert await refused(backend.report_event(BEN, "e", "follow", ANN)) == "not_a_sponsor"
    assert await refused(backend.set_event_range(BEN, "follow", 200, 300)) == "not_a_sponsor"


async def test_day_of_beijing_limits_what_a_sponsor_gives_a_user_however_many_ask_at_once(
    start_server: StartServer, connect: Connect, server_clock: TurnedClock, server: Server, backend: Client
) -> None:
    day_ms = (server_clock.now_ms() + 8 * 3_600_000) // DAY_MS * DAY_MS - 8 * 3_600_000
    server_clock.ahead_ms += day_ms + DAY_MS - 60_000 - server_clock.now_ms()  # a minute before midnight in Beijing
    second = await connect(await start_server(server__node=1, enterprise__user_packets_a_day=3), 0)
    asks = [(backend if number % 2 else second).send_bill(SPONSOR, f"B-{number}", ANN, 100) for number in range(8)]
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    names = sorted(getattr(one, "name", "sent") for one in outcomes)
    assert names == ["limit"] * 5 + ["sent"] * 3
    assert (await backend.send_bill(SPONSOR, "B-100", BEN, 100)).status == "SENT"
    assert (await backend.send_bill(OTHER, "B-100", ANN, 100)).status == "SENT"
    server_clock.ahead_ms += 60_000
    assert (await backend.send_bill(SPONSOR, "B-101", ANN, 100)).status == "SENT"


async def test_bill_whose_packet_is_being_recorded_by_another_attempt_does_not_fail(
    backend: Client, database: Database, sql: asyncpg.Connection[asyncpg.Record], lock_view: Sql
) -> None:
    """The refused attempt waits for the other one, and finds its packet."""
    await sql.execute(NEW_BILL, SPONSOR, "B-1", ANN)
    async with sql.transaction():
        (sent,) = await sends.record(sql, [packet_of_bill()], debit_of, lambda row: (ANN,), SeedsInPlain())
        assert isinstance(sent, Sent)
        failing = asyncio.create_task(BillStore(database).fail(SPONSOR, "B-1", "banned", 1))
        await until(lambda: waiting(lock_view, 1))
    await failing
    found = await backend.bill(SPONSOR, "B-1")
    assert (found.status, found.packet_id) == ("SENT", PACKET)
    assert await sql.fetchval("SELECT failed FROM bills") == ""
    assert await sql.fetchval("SELECT count(*) FROM bill_failures") == 0


async def test_bill_of_another_day_whose_packet_is_being_recorded_is_not_judged_again(
    backend: Client, database: Database, sql: asyncpg.Connection[asyncpg.Record], lock_view: Sql
) -> None:
    await sql.execute(NEW_BILL, SPONSOR, "B-1", ANN)  # of 1970
    over = BillDay(DAY_MS, 1, 1)
    async with sql.transaction():
        await sends.record(sql, [packet_of_bill()], debit_of, lambda row: (ANN,), SeedsInPlain())
        new = NewBill(SPONSOR, "B-1", ANN, 888, "", "", "enterprise", 1, DAY_MS)
        asking = asyncio.create_task(BillStore(database).begin(new, over))
        await until(lambda: waiting(lock_view, 1))
    assert (await asking).packet_id == PACKET
    assert await sql.fetchrow("SELECT failed, asked_at_ms FROM bills") == ("", 1)


async def test_packet_of_a_bill_waits_for_an_attempt_that_fails_and_is_not_sent(
    backend: Client, database: Database, sql: asyncpg.Connection[asyncpg.Record], lock_view: Sql
) -> None:
    """Or the limits of the day, which count no bill that has failed, would let more pass than they say."""
    await sql.execute(NEW_BILL, SPONSOR, "B-1", ANN)
    async with sql.transaction():
        await sql.execute("UPDATE bills SET failed = 'banned'")
        store = SendStore(database)
        sending = asyncio.create_task(store.record([packet_of_bill()], debit_of, lambda row: (ANN,), SeedsInPlain))
        await until(lambda: waiting(lock_view, 1))
    assert await sending == [Unsent.BILL_FAILED]
    assert (await backend.bill(SPONSOR, "B-1")).status == "FAILED"


def packet_of_bill() -> PacketRow:
    """The packet of bill B-1."""
    row = packet(1, fen=888, shares=1, sender=SPONSOR, key="bill:B-1", kind="enterprise", target=ANN)
    return row._replace(packet_id=PACKET, expires_at_ms=9_000_000_000_000)


async def test_bill_that_is_tried_again_is_judged_by_its_day_again(server: Server, backend: Client) -> None:
    poor = 90_003
    await backend.put_sponsor(poor, "poor")
    assert (await backend.send_bill(poor, "B-0", ANN, 500)).status == "FAILED"  # it counts for nothing
    await backend.top_up(poor, 1_000)
    for number in ("B-1", "B-2", "B-3"):
        assert (await backend.send_bill(poor, number, ANN, 100)).status == "SENT"
    assert await refused(backend.send_bill(poor, "B-0", ANN, 500)) == "limit"
    assert (await backend.bill(poor, "B-0")).status == "FAILED"


async def test_fen_of_a_day_are_limited(start_server: StartServer, connect: Connect) -> None:
    backend = await backend_of(await start_server(enterprise__user_fen_a_day=1_000), connect)
    await backend.send_bill(SPONSOR, "B-1", ANN, 600)
    assert await refused(backend.send_bill(SPONSOR, "B-2", ANN, 401)) == "limit"
    assert (await backend.send_bill(SPONSOR, "B-2", ANN, 400)).status == "SENT"
    assert (await backend.send_bill(SPONSOR, "B-1", ANN, 600)).status == "SENT"  # again: not counted again


async def test_bill_that_expires_comes_back(
    start_server: StartServer,
    connect: Connect,
    server_clock: TurnedClock,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    backend = await backend_of(await start_server(refunds__interval_s=3600), connect)
    await backend.send_bill(SPONSOR, "B-1", ANN, 888)
    server_clock.ahead_ms += DAY_MS
    assert (await backend.bill(SPONSOR, "B-1")).status == "RFUND_ING"
    second = await start_server(server__node=1, refunds__interval_s=0.05)
    assert second.url

    async def is_back() -> bool:
        return (await backend.bill(SPONSOR, "B-1")).status == "REFUND"

    await until(is_back)
    assert (await backend.bill(SPONSOR, "B-1")).refunded_fen == 888
    await until(lambda: settled(sql))
    await books_balance()


async def test_outcome_that_is_unknown_is_found_by_the_number(server: Server, backend: Client) -> None:
    bills = server.app.services.enterprise.bills
    send = bills._send

    async def lost(asked: Any) -> Any:
        await send(asked)
        raise RequestRefused(Reason.STORE_UNAVAILABLE, "the reply was lost")

    bills._send = lost
    assert await refused(backend.send_bill(SPONSOR, "B-1", ANN, 888)) == "store_unavailable"

    async def down(asked: Any) -> Any:
        raise RequestRefused(Reason.STORE_UNAVAILABLE, "away")

    bills._send = down
    assert await refused(backend.send_bill(SPONSOR, "B-2", ANN, 888)) == "store_unavailable"
    assert [(await backend.bill(SPONSOR, number)).status for number in ("B-1", "B-2")] == ["SENT", "SENDING"]
    bills._send = send
    assert (await backend.send_bill(SPONSOR, "B-2", ANN, 888)).status == "SENT"


async def test_bill_is_found_by_its_number_when_the_config_allows_it_no_more(
    server: Server, backend: Client, start_server: StartServer, connect: Connect
) -> None:
    """A backend without an answer asks again after a reload, and must not be told that nothing was sent."""
    with_scene = SPONSOR, "B-2", ANN, 50_000, "", "PRODUCT_1"
    sent = [await backend.send_bill(SPONSOR, "B-1", ANN, 888), await backend.send_bill(*with_scene)]
    strict = await connect(await start_server(server__node=1, enterprise__fen_max=500), 0)
    again = [await strict.send_bill(SPONSOR, "B-1", ANN, 888), await strict.send_bill(*with_scene)]
    assert [one.packet_id for one in again] == [one.packet_id for one in sent]
    for other in ((SPONSOR, "B-1", ANN, 889), (SPONSOR, "B-3", ANN, 888), (OTHER, "B-1", ANN, 888)):
        assert await refused(strict.send_bill(*other)) == "bad_amount"
    assert await refused(strict.send_bill(SPONSOR, "B.1", ANN, 888)) == "bad_key"


# --- events ---------------------------------------------------------------------------------------------------


async def test_follower_gets_one_packet_whatever_is_reported(
    server: Server,
    backend: Client,
    connect: Connect,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    nothing = await backend.report_event(SPONSOR, "e0", "follow", ANN)
    assert (nothing.bill_number, nothing.status) == ("", "")
    made = await backend.set_event_range(SPONSOR, "follow", 200, 500, "谢谢关注")
    assert (len(made.commitment), made.revealed_seed) == (32, b"")
    got = await asyncio.gather(*(backend.report_event(SPONSOR, f"e{n % 2}", "follow", ANN) for n in range(6)))
    assert len({(one.bill_number, one.packet_id, one.amount_fen) for one in got}) == 1
    assert (got[0].status, 200 <= got[0].amount_fen <= 500) == ("SENT", True)
    assert await sql.fetchval("SELECT count(*) FROM packets") == 1
    ann = await connect(server, ANN)
    assert (await ann.open_page(got[0].packet_id)).greeting == "谢谢关注"
    await ann.open(got[0].packet_id)
    assert (await backend.report_event(SPONSOR, "e9", "follow", ANN)).status == "RECEIVED"
    assert await refused(backend.report_event(SPONSOR, "e0", "follow", BEN)) == "key_reused"
    assert await refused(backend.report_event(SPONSOR, "e0", "sign_up", ANN)) == "key_reused"
    assert await refused(backend.report_event(SPONSOR, "e8", "leave", ANN)) == "bad_request"
    assert await refused(backend.report_event(SPONSOR, "e7", "follow", SPONSOR)) == "bad_target"
    await until(lambda: settled(sql))
    await books_balance()


async def test_follower_whose_packet_was_not_sent_gets_the_amount_of_then_when_the_range_has_changed(
    server: Server, backend: Client
) -> None:
    """Or a follower of a sponsor who had no money, or whose reply was lost, would never get a packet."""
    poor, bills = 90_003, server.app.services.enterprise.bills
    await backend.put_sponsor(poor, "poor")
    await backend.set_event_range(poor, "follow", 200, 500)
    failed = await backend.report_event(poor, "e1", "follow", ANN)
    assert (failed.status, failed.reason) == ("FAILED", "not_enough_money")
    send = bills._send

    async def down(asked: Any) -> Any:
        raise RequestRefused(Reason.STORE_UNAVAILABLE, "away")

    bills._send = down
    assert await refused(backend.report_event(poor, "e2", "follow", BEN)) == "store_unavailable"
    bills._send = send
    await backend.top_up(poor, 1_000)
    await backend.set_event_range(poor, "follow", 600, 700, "谢谢")
    again = await backend.report_event(poor, "e1", "follow", ANN)
    assert (again.status, again.amount_fen) == ("SENT", failed.amount_fen)
    await backend.set_event_range(poor, "follow", 0, 0)
    assert (await backend.report_event(poor, "e2", "follow", BEN)).status == "SENDING"  # nothing is given now
    await backend.set_event_range(poor, "follow", 800, 900)
    late = await backend.report_event(poor, "e2", "follow", BEN)
    assert (late.status, 200 <= late.amount_fen <= 500) == ("SENT", True)


async def test_report_that_meets_one_of_another_range_finds_its_packet(
    server: Server, backend: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found no bill, and the range changed in between."""
    await backend.set_event_range(SPONSOR, "follow", 200, 300)
    first = await backend.report_event(SPONSOR, "e1", "follow", ANN)
    await backend.set_event_range(SPONSOR, "follow", 600, 700)
    again, looks = BillService.again, [None]

    async def late(self: BillService, *words: Any, **more: Any) -> Any:
        return looks.pop() if looks else await again(self, *words, **more)

    monkeypatch.setattr(BillService, "again", late)
    second = await backend.report_event(SPONSOR, "e2", "follow", ANN)
    assert (second.packet_id, second.amount_fen) == (first.packet_id, first.amount_fen)


async def test_amount_of_a_follower_is_proven_by_the_seed_that_the_next_range_reveals(backend: Client) -> None:
    made = await backend.set_event_range(SPONSOR, "follow", 200, 20_000)
    got = await backend.report_event(SPONSOR, "e1", "follow", ANN)
    seed = (await backend.set_event_range(SPONSOR, "follow", 300, 300)).revealed_seed
    drawn = int.from_bytes(hmac.digest(seed, ANN.to_bytes(8, "big"), "sha256"), "big")
    assert got.amount_fen == 200 + drawn % 19_801
    numbers = (200).to_bytes(8, "big") + (20_000).to_bytes(8, "big")
    told = b"hongbao event packet" + seed + SPONSOR.to_bytes(8, "big") + b"\x06follow" + numbers
    assert made.commitment == hashlib.sha256(told).digest()
    assert (await backend.report_event(SPONSOR, "e2", "follow", BEN)).amount_fen == 300
    ended = await backend.set_event_range(SPONSOR, "follow", 0, 0)
    assert (ended.commitment, len(ended.revealed_seed)) == (b"", 32)
    assert (await backend.report_event(SPONSOR, "e3", "follow", 5)).bill_number == ""


async def test_range_under_the_minimum_and_users_are_refused(
    backend: Client, server: Server, connect: Connect
) -> None:
    assert await refused(backend.set_event_range(SPONSOR, "follow", 199, 300)) == "bad_amount"
    ann = await connect(server, ANN)
    for request in (
        ann.send_bill(SPONSOR, "B-1", ANN, 888),
        ann.bill(SPONSOR, "B-1"),
        ann.report_event(SPONSOR, "e1", "follow", ANN),
        ann.set_event_range(SPONSOR, "follow", 200, 300),
    ):
        assert await refused(request) == "forbidden"
    assert await refused(ann.send_packet("enterprise", BEN, 100, 1)) == "bad_target"


async def test_seed_of_a_range_stands_in_no_table(backend: Client, sql: asyncpg.Connection[asyncpg.Record]) -> None:
    await backend.set_event_range(SPONSOR, "follow", 200, 300)
    sealed = await sql.fetchval("SELECT sealed FROM event_ranges")
    seed = (await backend.set_event_range(SPONSOR, "follow", 200, 300)).revealed_seed
    assert len(seed) == 32
    assert seed not in sealed


PLANTED = {
    "says 889": "UPDATE bills SET amount_fen = 889",
    "of kind enterprise to 4": "UPDATE bills SET target_id = 4",
    "in 1 of kind enterprise_equal to": "UPDATE bills SET kind = 'enterprise_equal', target_id = 2 ^ 60",
    "says nothing": "UPDATE bills SET number = 'other'",
    "who is no sponsor": "DELETE FROM sponsors",
    "which is personal": "UPDATE packets SET kind = 'personal'",
    "is for user 3": "UPDATE bills SET number = 'event.follow.4'",
}


@pytest.mark.parametrize("told", PLANTED)
async def test_planted_discrepancy_of_a_bill_is_named(
    told: str, backend: Client, database: Database, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    sent: messages.BillSent = await backend.send_bill(SPONSOR, "B-1", ANN, 888)
    assert sent.status == "SENT"
    await sql.execute(PLANTED[told])
    report = await audit(database, SEED_KEYS)
    (bills,) = [one.discrepancies for one in report.findings if one.name == "bills"]
    assert any(told in line for line in bills), bills
