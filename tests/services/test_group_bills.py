"""Packets in a sponsor's name to groups, on real stores: once per number, limits of a day, states, webhooks."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from client_sim.sdk.client import Client
from protocol import messages
from server.services.enterprise import bills
from server.services.money.audit import audit
from storage.postgres.database import Database
from tests.conftest import DAY_MS, SEED_KEYS, Connect, Server, StartServer, TurnedClock
from tests.services.conftest import until
from tests.services.test_bills import ANN, BEN, OTHER, SPONSOR, BooksBalance, backend_of, refused, settled
from tests.webhooks.conftest import LOOPBACK, MakeReceiver, make_receiver, subscribe

__all__ = ["make_receiver"]
CAI, DEE = 5, 6
LUCKY, EQUAL = "enterprise_lucky", "enterprise_equal"
BILLS = ("bill.sent", "bill.failed", "bill.received", "bill.refunded")


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    limits = {"enterprise__scenes": ["PRODUCT_1"], "enterprise__group_packets_a_day": 3}
    return await start_server(**limits, enterprise__group_fen_a_day=30_000)


@pytest.fixture
async def backend(server: Server, connect: Connect) -> Client:
    return await backend_of(server, connect)


@pytest.fixture
async def group_id(backend: Client) -> int:
    return await family(backend)


async def family(backend: Client) -> int:
    """A group of Ann, Ben and Cai; Dee is in none. The sponsor is in no group."""
    await backend.put_users({CAI: "Cai", DEE: "Dee"})
    group_id = await backend.put_group("family", "Family")
    await backend.sync_members(group_id, 1, [ANN, BEN, CAI])
    return group_id


async def test_packet_to_a_group_is_sent_once_and_opened_by_its_members_alone(
    server: Server,
    backend: Client,
    group_id: int,
    connect: Connect,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    ann, ben, cai, dee = [await connect(server, user_id) for user_id in (ANN, BEN, CAI, DEE)]
    asked = SPONSOR, "B-1", group_id, LUCKY, 900, 3, "谢谢"
    sent = await asyncio.gather(*(backend.send_group_bill(*asked) for _ in range(5)))
    assert {(one.status, one.packet_id) for one in sent} == {("SENT", sent[0].packet_id)}
    assert await sql.fetchval("SELECT count(*) FROM packets") == 1
    assert (sent[0].user_id, sent[0].group_id, sent[0].packet_kind, sent[0].shares) == (0, group_id, LUCKY, 3)
    packet_id = sent[0].packet_id
    page = await ann.open_page(packet_id)
    assert (page.sender_name, page.greeting, page.view) == ("Tea House", "谢谢", "open")
    assert (await dee.grab(packet_id)).answer == "not_allowed"
    amounts = [(await one.open(packet_id)).amount_fen or 0 for one in (ann, ben)]
    half = await backend.bill(SPONSOR, "B-1")
    assert (half.status, half.opened_shares, half.opened_fen, half.received_at_ms) == ("SENT", 2, sum(amounts), 0)
    amounts.append((await cai.open(packet_id)).amount_fen or 0)
    assert (sum(amounts), min(amounts) >= 100) == (900, True)
    found = await backend.bill(SPONSOR, "B-1")
    assert (found.status, found.opened_shares, found.opened_fen) == ("RECEIVED", 3, 900)
    assert found.received_at_ms >= found.sent_at_ms > 0
    assert (await ann.verify(packet_id)).faults == []
    await until(lambda: settled(sql))
    shown = (await ann.result_page(packet_id)).page
    assert (shown.packet_kind, len(shown.claims), shown.best_index >= 0) == (LUCKY, 3, True)
    await books_balance()


async def test_even_shares_are_the_same_for_all(
    server: Server, backend: Client, group_id: int, connect: Connect
) -> None:
    sent = await backend.send_group_bill(SPONSOR, "B-1", group_id, EQUAL, 600, 3)
    ann = await connect(server, ANN)
    assert (await ann.open(sent.packet_id)).amount_fen == 200
    page = (await ann.result_page(sent.packet_id)).page
    assert (page.amount_fen, page.claims) == (200, [])
    assert await refused(backend.send_group_bill(SPONSOR, "B-2", group_id, EQUAL, 601, 3)) == "bad_amount"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"packet_kind": "lucky"}, "bad_target"),
        ({"packet_kind": "enterprise"}, "bad_target"),
        ({"group_id": ANN}, "bad_target"),
        ({"shares": 0}, "bad_shares"),
        ({"amount_fen": 299}, "bad_amount"),
        ({"amount_fen": 60_001}, "bad_amount"),
        ({"scene_id": "x"}, "bad_scene"),
        ({"sponsor_id": 90_003}, "not_a_sponsor"),
        ({"bill_number": "B 1"}, "bad_key"),
    ],
)
async def test_bill_that_cannot_be_is_refused_and_not_recorded(
    changes: dict[str, Any], code: str, backend: Client, group_id: int, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    asked = {
        "sponsor_id": SPONSOR,
        "bill_number": "B-1",
        "group_id": group_id,
        "packet_kind": LUCKY,
        "amount_fen": 900,
        "shares": 3,
    }
    assert await refused(backend.send_group_bill(**{**asked, **changes})) == code
    assert await sql.fetchval("SELECT count(*) FROM bills") == 0


async def test_other_content_under_a_number_is_refused(backend: Client, group_id: int) -> None:
    await backend.send_group_bill(SPONSOR, "B-1", group_id, EQUAL, 600, 3)
    other = await backend.put_group("work", "Work")
    for changed in (
        (other, EQUAL, 600, 3),
        (group_id, LUCKY, 600, 3),
        (group_id, EQUAL, 900, 3),
        (group_id, EQUAL, 600, 2),
        (group_id, EQUAL, 600, 3, "hello"),
    ):
        assert await refused(backend.send_group_bill(SPONSOR, "B-1", *changed)) == "key_reused"
    assert await refused(backend.send_bill(SPONSOR, "B-1", ANN, 600)) == "key_reused"
    assert (await backend.send_group_bill(OTHER, "B-1", group_id, EQUAL, 600, 3)).status == "SENT"


async def test_group_has_a_limit_of_a_day_for_packets_and_money(
    backend: Client, group_id: int, server_clock: TurnedClock
) -> None:
    await backend.send_bill(SPONSOR, "U-1", ANN, 888)  # is not counted with the group
    await backend.send_group_bill(SPONSOR, "B-1", group_id, LUCKY, 20_000, 3)
    assert await refused(backend.send_group_bill(SPONSOR, "B-2", group_id, LUCKY, 10_001, 3)) == "limit"
    sends = [backend.send_group_bill(SPONSOR, f"C-{n}", group_id, LUCKY, 300, 3) for n in range(5)]
    outcomes = await asyncio.gather(*sends, return_exceptions=True)
    assert sum(isinstance(one, messages.GroupBillSent) for one in outcomes) == 2
    other = await backend.put_group("work", "Work")
    await backend.sync_members(other, 1, [ANN])
    assert (await backend.send_group_bill(SPONSOR, "D-1", other, EQUAL, 300, 1)).status == "SENT"
    server_clock.ahead_ms += DAY_MS
    assert (await backend.send_group_bill(SPONSOR, "E-1", group_id, LUCKY, 300, 3)).status == "SENT"


async def test_refused_packet_is_told_as_the_reason_and_tried_again(
    backend: Client, group_id: int, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    asked = SPONSOR, "B-1", group_id, EQUAL, 400, 4
    assert ((await backend.send_group_bill(*asked)).status, await why(backend)) == ("FAILED", "bad_shares")
    await backend.change_members(group_id, 2, [DEE])
    assert (await backend.send_group_bill(*asked)).status == "SENT"
    gone = await backend.put_group("gone", "Gone")
    await backend.delete_group("gone")
    for number, target in (("B-2", gone), ("B-3", 2**61)):
        failed = await backend.send_group_bill(SPONSOR, number, target, EQUAL, 100, 1)
        assert (failed.status, failed.packet_id) == ("FAILED", 0)
    rows = await sql.fetch("SELECT bill, reason FROM bill_failures ORDER BY number")
    gone_reasons = [("B-2", "no_such_group"), ("B-3", "no_such_group")]
    assert [tuple(row) for row in rows] == [("B-1", "bad_shares"), *gone_reasons]


async def why(backend: Client) -> str:
    return (await backend.bill(SPONSOR, "B-1")).reason


async def test_what_is_not_opened_comes_back_and_webhooks_tell_how_far_it_is(
    start_server: StartServer,
    connect: Connect,
    make_receiver: MakeReceiver,
    server_clock: TurnedClock,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    server = await start_server(webhooks__allow_private=LOOPBACK, refunds__interval_s=0.05)
    backend = await backend_of(server, connect)
    group_id, receiver = await family(backend), await make_receiver()
    await subscribe(server, receiver, "shop", *BILLS)
    failed = await backend.send_group_bill(SPONSOR, "B-0", group_id, EQUAL, 400, 4)
    assert failed.status == "FAILED"
    sent = await backend.send_group_bill(SPONSOR, "B-1", group_id, EQUAL, 600, 3)
    single = await backend.send_bill(SPONSOR, "B-2", ANN, 888)
    ann = await connect(server, ANN)
    for packet_id in (sent.packet_id, single.packet_id):
        await ann.open(packet_id)
    await receiver.wait_for(1, "bill.received")
    server_clock.ahead_ms += DAY_MS
    (refunded,) = await receiver.wait_for(1, "bill.refunded")
    bill = await backend.bill(SPONSOR, "B-1")
    assert (bill.status, bill.opened_shares, bill.opened_fen, bill.refunded_fen) == ("REFUND", 1, 200, 400)
    about = {"sponsor_id": str(SPONSOR), "bill_number": "B-1", "packet_id": str(sent.packet_id)}
    group = {"group_id": str(group_id), "group": "family", "packet_kind": EQUAL, "amount_fen": 600, "shares": 3}
    closed_at_ms = await sql.fetchval("SELECT closed_at_ms FROM packets WHERE packet_id = $1", sent.packet_id)
    rest = {"opened_shares": 1, "opened_fen": 200, "refunded_fen": 400, "refunded_at_ms": closed_at_ms}
    assert refunded.data == about | group | rest | {"status": "REFUND", "number": 2, "previous": 1}
    (lost,) = receiver.of("bill.failed")
    told = {"sponsor_id": str(SPONSOR), "bill_number": "B-0", "status": "FAILED", "reason": "bad_shares"}
    assert lost.data == told | group | {"amount_fen": 400, "shares": 4}
    (first,) = [one.data for one in receiver.of("bill.sent") if one.data["bill_number"] == "B-1"]
    assert first == about | group | {
        "status": "SENT",
        "sent_at_ms": bill.sent_at_ms,
        "number": 1,
        "previous": 0,
    }
    (received,) = receiver.of("bill.received")
    assert (received.data["bill_number"], received.data["user_id"]) == ("B-2", str(ANN))
    assert (received.data["status"], received.data["packet_kind"]) == ("RECEIVED", "enterprise")
    assert receiver.count() == {"bill.sent": 2, "bill.failed": 1, "bill.received": 1, "bill.refunded": 1}
    await until(lambda: settled(sql))
    await books_balance()


async def test_bills_are_listed_newest_first_in_pages(
    backend: Client, group_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("B-1", "B-2", "B-3"):
        await backend.send_bill(SPONSOR, number, ANN, 100)
    await backend.send_group_bill(SPONSOR, "B-4", group_id, LUCKY, 300, 3)
    page = await backend.bills(SPONSOR)
    assert [one.bill_number for one in page.bills] == ["B-4", "B-3", "B-2", "B-1"]
    assert (page.next_cursor, (await backend.bills(OTHER)).bills) == ("", [])
    line = page.bills[0]
    assert (line.group_id, line.packet_kind, line.shares, line.status) == (group_id, LUCKY, 3, "SENT")
    monkeypatch.setattr(bills, "PAGE_MAX", 3)
    first = await backend.bills(SPONSOR)
    second = await backend.bills(SPONSOR, first.next_cursor)
    assert [one.bill_number for one in second.bills] == ["B-1"]
    assert (first.bills, second.next_cursor) == (page.bills[:3], "")
    assert await refused(backend.bills(SPONSOR, "5")) == "bad_request"
    assert await refused(backend.bills(SPONSOR, "x.B-1")) == "bad_request"


async def test_only_the_chat_backend_sends_and_lists(server: Server, connect: Connect, group_id: int) -> None:
    ann = await connect(server, ANN)
    assert await refused(ann.send_group_bill(SPONSOR, "B-1", group_id, LUCKY, 300, 3)) == "forbidden"
    assert await refused(ann.bills(SPONSOR)) == "forbidden"
    assert await refused(ann.send_packet(LUCKY, group_id, 300, 3)) == "bad_target"


PLANTED = {
    "says 600": "UPDATE bills SET amount_fen = 600",
    "in 2 of kind": "UPDATE bills SET shares = 2",
    "of kind enterprise_lucky to": "UPDATE bills SET kind = 'enterprise_lucky'",
    "which is equal": "UPDATE packets SET kind = 'equal'",
}


@pytest.mark.parametrize("told", PLANTED)
async def test_planted_discrepancy_of_a_groups_bill_is_named(
    told: str, backend: Client, group_id: int, database: Database, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    await backend.send_group_bill(SPONSOR, "B-1", group_id, EQUAL, 900, 3)
    await sql.execute(PLANTED[told])
    report = await audit(database, SEED_KEYS)
    (found,) = [one.discrepancies for one in report.findings if one.name == "bills"]
    assert any(told in line for line in found), found


async def test_shares_of_a_group_are_drawn_within_the_bounds(
    server: Server, backend: Client, group_id: int, connect: Connect, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    users = [await connect(server, user_id) for user_id in (ANN, BEN, CAI)]
    for number in range(3):
        sent = await backend.send_group_bill(SPONSOR, f"B-{number}", group_id, LUCKY, 301, 3)
        amounts = [(await one.open(sent.packet_id)).amount_fen for one in users]
        assert sorted(one or 0 for one in amounts) == [100, 100, 101]
    rows = await sql.fetch("SELECT DISTINCT share_fen_min, share_fen_max FROM packets")
    assert [tuple(row) for row in rows] == [(100, 20_000)]
