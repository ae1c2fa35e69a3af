"""Notices over HTTP: only what the bank has signed just now is heard, and it is answered when it is committed."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import time
from typing import Any, NamedTuple

import aiohttp
import pytest

from bench.chaos.proxy import Proxy
from client_sim.bank.faults import Fault
from client_sim.bank.keys import BankKeyring, new_key
from client_sim.bank.run import NOTICE_PATH
from client_sim.bank.server import BankServer
from server.core import payments
from server.core.payments import Evidence, Verdict
from server.core.refusals import RequestRefused
from server.gateways.port import Unproven
from tests.bank.conftest import SENDER, BankBooksAgree, BankRoom, MakeBankRoom, StartWithBank, service_of
from tests.cases import each
from tests.conftest import DAY_MS, PATIENCE_S


class Told(NamedTuple):
    """The answer to a notice."""

    status: int
    text: str


class Teller:
    """Sends notices by hand."""

    def __init__(self, room: BankRoom) -> None:
        self.url = room.server.app.http_api.url
        self.keys = room.bank.keys

    def headers(self, body: bytes, path: str = NOTICE_PATH, ago_s: int = 0) -> dict[str, str]:
        """The headers of a notice that is signed as it should be."""
        return self.keys.signed_headers("POST", path, int(time.time()) - ago_s, secrets.token_hex(16), body)

    async def post(
        self, body: bytes, headers: dict[str, str], path: str = NOTICE_PATH, method: str = "POST"
    ) -> Told:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, data=body, headers=headers) as response,
        ):
            return Told(response.status, await response.text())

    async def tell(self, body: bytes) -> Told:
        """A notice as it should be."""
        return await self.post(body, self.headers(body))


@pytest.fixture
async def open_room(
    start_with_bank: StartWithBank, make_bank_room: MakeBankRoom, monkeypatch: pytest.MonkeyPatch
) -> BankRoom:
    """A room whose sender has a charge of 300 fen that the bank has done, and of which nothing is known here.

    The bank is asked again only when the test wants it, however long the test takes.
    """
    monkeypatch.setattr(payments, "BACKOFF_MS", (DAY_MS,))
    room = await make_bank_room(await start_with_bank(notices=False))
    await prepare(room)
    return room


async def prepare(room: BankRoom) -> None:
    await room.bind(SENDER, Fault.REPLY_LOST)
    with pytest.raises(RequestRefused):
        await room.send()
    await room.sql.execute("UPDATE payments SET next_try_ms = 9000000000000")  # it is not asked again by itself


async def body_of(room: BankRoom, **changes: Any) -> bytes:
    order = room.bank.orders.find(str((await room.payment())["number"]))
    assert order is not None
    return json.dumps({**room.bank.orders.body(order), **changes}).encode()


async def test_notice_that_the_bank_signed_ends_the_payment_and_sends_the_packet(
    open_room: BankRoom, bank_books_agree: BankBooksAgree
) -> None:
    told = await Teller(open_room).tell(await body_of(open_room))
    assert told == (200, '{"taken":true}')
    payment = await open_room.payment()
    assert payment["state"] == "succeeded"
    assert (await open_room.send()).packet_id == payment["packet_id"]
    await bank_books_agree()


def _stranger(teller: Teller, body: bytes) -> dict[str, str]:
    teller.keys = BankKeyring({"b1": new_key()}, {})  # the right serial, another key
    return teller.headers(body)


def _unknown_serial(teller: Teller, body: bytes) -> dict[str, str]:
    teller.keys = BankKeyring({"b9": list(teller.keys.bank.values())[-1]}, {})
    return teller.headers(body)


def _merchant(teller: Teller, body: bytes) -> dict[str, str]:
    teller.keys = BankKeyring(teller.keys.merchant, {})  # our own key: a call that comes back to us
    return teller.headers(body)


def _without(name: str) -> Any:
    def headers(teller: Teller, body: bytes) -> dict[str, str]:
        return {key: text for key, text in teller.headers(body).items() if key != name}

    return headers


FORGERIES: dict[str, Any] = {
    "signed by a stranger": _stranger,
    "unknown serial": _unknown_serial,
    "signed by the merchant": _merchant,
    "without signature": _without("Bank-Signature"),
    "without serial": _without("Bank-Serial"),
    "without time": _without("Bank-Time"),
    "without nonce": _without("Bank-Nonce"),
    "of another body": lambda teller, body: teller.headers(body + b" "),
    "for another path": lambda teller, body: teller.headers(body, "/pay"),
    "too old": lambda teller, body: teller.headers(body, ago_s=305),
    "too early": lambda teller, body: teller.headers(body, ago_s=-305),
    "another time": lambda teller, body: {**teller.headers(body, ago_s=9), "Bank-Time": str(int(time.time()))},
    "another nonce": lambda teller, body: {**teller.headers(body), "Bank-Nonce": secrets.token_hex(16)},
    "no base64": lambda teller, body: {**teller.headers(body), "Bank-Signature": "§"},
    "nothing": lambda teller, body: {},
}


@each("how", FORGERIES)
async def test_notice_that_is_not_proven_is_refused_and_has_no_effect(open_room: BankRoom, how: str) -> None:
    before = await open_room.payment()
    body, teller = await body_of(open_room), Teller(open_room)
    told = await teller.post(body, FORGERIES[how](teller, body))
    assert told.status == 401
    assert json.loads(told.text)["code"] == "forbidden"
    assert await open_room.payment() == before
    assert await open_room.evidence(before["number"]) == [("charge", "unknown")]


async def test_notice_that_is_replayed_is_refused(open_room: BankRoom) -> None:
    teller, body = Teller(open_room), await body_of(open_room, result="processing")
    headers = teller.headers(body)
    assert (await teller.post(body, headers)).status == 200
    number = (await open_room.payment())["number"]
    assert await open_room.evidence(number) == [("charge", "unknown"), ("notice", "unknown")]
    assert (await teller.post(body, headers)).status == 401
    assert len(await open_room.evidence(number)) == 2
    assert (await teller.tell(body)).status == 200  # told again, with another nonce


async def test_notice_that_one_server_has_taken_is_refused_by_others_and_after_a_restart(
    open_room: BankRoom, start_with_bank: StartWithBank
) -> None:
    body, first = await body_of(open_room, result="processing"), Teller(open_room)
    headers, second = first.headers(body), Teller(open_room)
    second.url = (await start_with_bank(notices=False, server__node=1)).app.http_api.url
    assert (await first.post(body, headers)).status == 200
    assert (await second.post(body, headers)).status == 401
    await open_room.server.stop()
    second.url = (await start_with_bank(notices=False)).app.http_api.url
    assert (await second.post(body, headers)).status == 401
    assert (await second.tell(body)).status == 200
    number = (await open_room.payment())["number"]
    assert await open_room.evidence(number) == [("charge", "unknown"), ("notice", "unknown"), ("notice", "unknown")]


async def test_notice_for_another_gateway_is_refused(open_room: BankRoom) -> None:
    body, gateway, teller = await body_of(open_room), open_room.gateway, Teller(open_room)
    headers = teller.headers(body)
    for path in ("/bank/other/notice", "/pay", NOTICE_PATH + "?again"):
        with pytest.raises(Unproven, match="does not fit"):
            gateway.read_notice(path, headers, body)
    assert gateway.read_notice(NOTICE_PATH, headers, body).body == body


async def test_refused_signature_does_not_use_up_its_nonce(open_room: BankRoom) -> None:
    teller, body = Teller(open_room), await body_of(open_room)
    headers = teller.headers(body)
    assert (await teller.post(body, {**headers, "Bank-Signature": "AAAA"})).status == 401
    assert (await teller.post(body, headers)).status == 200


async def test_notice_without_a_payment_here_is_not_found(open_room: BankRoom) -> None:
    teller = Teller(open_room)
    assert (await teller.tell(await body_of(open_room, number="5"))).status == 404
    assert (await teller.tell(await body_of(open_room, number="five"))).status == 401
    assert (await teller.tell(await body_of(open_room, number="9223372036854775808"))).status == 401  # 2^63
    assert (await teller.tell(b"[]")).status == 401
    for body in (b'{"number": "\xd3\xe0"}', b'{"more": ' + b"[" * 7_000 + b"]" * 7_000 + b"}"):
        assert (await teller.tell(body)).status == 401
    await open_room.sql.execute("UPDATE payments SET gateway = 'other'")
    assert (await teller.tell(await body_of(open_room))).status == 404
    assert (await open_room.payment())["state"] == "unknown"


async def test_route_takes_notices_of_configured_gateways_only(open_room: BankRoom) -> None:
    teller, body = Teller(open_room), await body_of(open_room)
    for gateway in ("host", "other", "manual"):
        path = f"/bank/{gateway}/notice"
        assert (await teller.post(body, teller.headers(body, path), path)).status == 404
    assert (await teller.post(b"", {}, method="GET")).status == 405
    assert (await teller.post(b"x" * 17_000, {})).status == 413
    requests = open_room.server.app.http_api.requests["POST /bank/{gateway}/notice"]
    assert requests == {"404": 3, "405": 1, "413": 1}


async def test_notice_is_answered_only_when_its_evidence_is_committed(open_room: BankRoom) -> None:
    lock = open_room.sql.transaction()
    await lock.start()
    await open_room.sql.execute("SELECT 1 FROM payments FOR UPDATE")
    telling = asyncio.create_task(Teller(open_room).tell(await body_of(open_room)))
    async with asyncio.timeout(PATIENCE_S):
        while not await open_room.sql.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not telling.done()
    await lock.commit()
    assert (await telling).status == 200
    assert (await open_room.payment())["state"] == "succeeded"


async def test_notice_whose_commit_is_not_known_is_refused_and_taken_when_it_is_repeated(
    start_with_bank: StartWithBank,
    make_bank_room: MakeBankRoom,
    postgres_proxy: tuple[Proxy, str],
    bank_books_agree: BankBooksAgree,
) -> None:
    proxy, dsn = postgres_proxy
    room = await make_bank_room(await start_with_bank(notices=False, stores__postgres=dsn))
    await prepare(room)
    proxy.lose_commit_of = b"succeeded"
    teller, body = Teller(room), await body_of(room)
    assert (await teller.tell(body)).status == 503
    assert (await teller.tell(body)).status == 200
    assert (await room.payment())["state"] == "succeeded"
    await bank_books_agree()


async def test_notices_queries_and_the_reply_together_credit_once(
    open_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree
) -> None:
    payment = await open_room.service.store.get((await open_room.payment())["number"])
    assert payment is not None
    body, teller = await body_of(open_room), Teller(open_room)
    told = await asyncio.gather(*(teller.tell(body) for _ in range(5)), open_room.service.attempt(payment))
    assert [one.status for one in told[:5] if isinstance(one, Told)] == [200] * 5
    transfers = "SELECT count(*) FROM transfers WHERE kind = 9"
    assert await open_room.sql.fetchval(transfers) == 1
    assert await open_room.breaks() == 0
    await bank_books_agree()


async def test_two_servers_that_are_told_the_same_end_it_once(
    open_room: BankRoom, start_with_bank: StartWithBank, bank_books_agree: BankBooksAgree
) -> None:
    other = await start_with_bank(notices=False, server__node=1)
    body, first = await body_of(open_room), Teller(open_room)
    second = Teller(open_room)
    second.url = other.app.http_api.url
    told = await asyncio.gather(first.tell(body), second.tell(body))
    assert [one.status for one in told] == [200, 200]
    assert await open_room.sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 9") == 1
    await bank_books_agree()


async def test_contradictory_conclusions_that_come_together_leave_one_end_and_one_break(
    open_room: BankRoom, start_with_bank: StartWithBank
) -> None:
    other = service_of(await start_with_bank(notices=False, server__node=1))
    payment = await open_room.service.store.get((await open_room.payment())["number"])
    assert payment is not None
    ends = await asyncio.gather(
        open_room.service.evidence.apply(payment, Evidence("notice", Verdict.SUCCEEDED)),
        other.evidence.apply(payment, Evidence("query", Verdict.FAILED)),
    )
    assert len({one.state for one in ends}) == 1
    assert await open_room.breaks() == 1


async def test_bank_tells_again_until_it_is_heard(open_room: BankRoom, bank: BankServer) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        bank.notices.url = f"http://127.0.0.1:{taken.getsockname()[1]}{NOTICE_PATH}"
        async with asyncio.timeout(PATIENCE_S):
            while not bank.books.row("SELECT 1 FROM notices WHERE tries > 0"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    (row,) = bank.books.rows("SELECT due_s, answer FROM notices")
    assert row["due_s"] is not None
    assert row["answer"] == "ClientConnectorError"
    bank.notices.url = open_room.server.app.http_api.url + NOTICE_PATH
    await open_room.until_told()
    assert (await open_room.payment())["state"] == "succeeded"


async def test_notice_during_the_drain_is_refused_for_later(open_room: BankRoom) -> None:
    teller, body = Teller(open_room), await body_of(open_room)
    serving = open_room.server.app.http_api._serving
    assert serving is not None
    serving.draining = True
    assert (await teller.tell(body)).status == 503
    serving.draining = False
    assert (await teller.tell(body)).status == 200
