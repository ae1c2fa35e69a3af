"""The host wallet in the HTTP API, on the status socket, in the audit, in the log and in its document."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import structlog

from bench.chaos.proxy import Proxy
from bench.chaos.supervisor import free_port
from client_sim.sdk.errors import BankDeclined, BankUnknown, StoreUnavailable
from server.config.table import KEYS
from server.core.payments import PaymentState
from server.core.signed_requests import REPLY_SCHEME, SignedContent, sign
from server.services.payments.new_payments import RETRY_MS
from storage.postgres.money.audit import AuditSnapshot
from tests.conftest import Turn
from tests.http_api.client import Api
from tests.ops.conftest import Ask, ask_server
from tests.payments.conftest import (
    EXAMPLE,
    HAVE_FEN,
    KEY,
    SENDER,
    AgreeBooks,
    HostWallet,
    MakeRoom,
    Room,
    StartWithHost,
    error_after_commit,
    eventually,
    example,
    lost_after_commit,
    service_of,
)
from tests.programs import end_of
from tests.services.conftest import until

__all__ = ["ask_server"]
DOCUMENT = (Path(__file__).parents[2] / "docs" / "payments.md").read_text("utf-8")


@pytest.fixture
async def api(start_with_host: StartWithHost, make_room: MakeRoom) -> AsyncIterator[tuple[Api, Room]]:
    room = await make_room(await start_with_host(http_api__address="127.0.0.1:0"))
    async with Api(room.server.app.http_api.url) as made:
        yield made, room


async def test_send_over_http_is_charged_declined_and_unknown_with_the_codes_of_the_wire(
    api: tuple[Api, Room], host: HostWallet, books_agree: AgreeBooks
) -> None:
    backend, room = api

    async def send(key: str, amount_fen: int = 300) -> Any:
        body = {
            "sender_id": str(SENDER),
            "kind": "lucky",
            "target_id": str(room.group),
            "amount_fen": amount_fen,
            "shares": 3,
        }
        return await backend("POST", "/v1/packets", body, key)

    sent = await send("a")
    assert (sent.status, host.fen(SENDER)) == (200, HAVE_FEN - 300)
    assert (await send("a")).json["packet_id"] == sent.json["packet_id"]
    declined = await send("b", HAVE_FEN)
    assert (declined.status, declined.code, declined.json["detail"]) == (402, "bank_declined", "not enough money")
    host.faults["charge"] = [lost_after_commit]
    unknown = await send("c")
    assert (unknown.status, unknown.code, unknown.json["temporary"]) == (503, "bank_unknown", True)
    assert unknown.json["retry_after_ms"] >= RETRY_MS[0] // 2  # with its jitter: half of it, up to one and a half
    assert (await room.until_ended("c"))["state"] == "succeeded"
    assert (await send("c")).status == 200
    await books_agree()


@pytest.mark.parametrize("lost", ["lose_commit_of", "lose_reply_to"])
async def test_success_whose_commit_gets_no_reply_is_applied_once_and_its_packet_is_told(
    start_with_host: StartWithHost,
    make_room: MakeRoom,
    host: HostWallet,
    postgres_proxy: tuple[Proxy, str],
    turn_clock: Turn,
    books_agree: AgreeBooks,
    lost: str,
) -> None:
    proxy, dsn = postgres_proxy
    room = await make_room(await start_with_host(stores__postgres=dsn))

    async def fault(request: Any, serve: Any) -> Any:
        setattr(proxy, lost, b"succeeded")
        return await serve(request)

    host.faults["charge"] = [fault]
    with pytest.raises((StoreUnavailable, BankUnknown)):
        await room.send("k")
    assert proxy.lost_replies == 1
    if lost == "lose_reply_to":
        assert (await room.payment())["state"] == "submitted"
        turn_clock(60_000)  # the lease has ended
    assert (await room.until_ended())["packet_id"] == await room.send("k")
    assert await eventually(lambda: room.server.app.services.sends.sent_packets == 1)
    assert len(host.orders("charge")) == 1
    await books_agree()


async def test_operators_see_payments_with_their_evidence(room: Room, host: HostWallet, ask_server: Ask) -> None:
    host.faults["charge"] = [error_after_commit]
    with pytest.raises(BankUnknown):
        await room.send("k")
    await room.until_ended()
    await room.send("other")
    (line,) = (await ask_server("payments", "--most", 1))["payments"]
    assert (line["kind"], line["state"], line["user_id"], line["amount_fen"]) == (
        "charge",
        "succeeded",
        SENDER,
        300,
    )
    assert (await ask_server("payments", "--state", "failed"))["payments"] == []
    assert len((await ask_server("payments", "--user", SENDER))["payments"]) == 2
    assert "--state must be one of" in (await ask_server("payments", "--state", "lost"))["error"]
    number = (await room.payment())["number"]
    told = await ask_server("payment", number)
    assert [(one["source"], one["verdict"], one["state"]) for one in told["evidence"]] == [
        ("submit", "submitted", "submitted"),
        ("charge", "unknown", "unknown"),
        ("submit", "submitted", "submitted"),
        ("query", "succeeded", "succeeded"),
    ]
    assert told["evidence"][1]["detail"] == "HTTP status 500"
    assert (told["payment"], told["packet"]) == (str(number), str(await room.send("k")))
    assert (await ask_server("payment", 5))["error"] == "there is no payment 5"


async def test_status_counts_open_payments_by_state_and_breaks(
    room: Room, host: HostWallet, ask_server: Ask
) -> None:
    host.faults["charge"], host.faults["query"] = [error_after_commit], [error_after_commit] * 50
    with pytest.raises(BankUnknown):
        await room.send("k")

    async def is_told() -> bool:
        service_of(room.server)._figures_at_s = 0.0
        payments = (await ask_server("status"))["payments"]
        assert set(payments) == {"created", "submitted", "unknown", "oldest_s", "breaks", "away"}
        return (
            payments["submitted"] + payments["unknown"] == 1 and payments["breaks"] == 0 and payments["away"] == []
        )

    await until(is_told)


async def test_payment_that_is_open_for_a_minute_is_counted_and_told_once(
    room: Room, host: HostWallet, turn_clock: Turn
) -> None:
    host.faults["charge"], host.faults["query"] = [error_after_commit], [error_after_commit] * 50
    with pytest.raises(BankUnknown):
        await room.send("k")
    payments = service_of(room.server)
    with structlog.testing.capture_logs() as logs:
        for ahead_ms in (0, 61_000, 62_000):
            turn_clock(ahead_ms)
            payments.figures = await payments.store.figures([])
            payments._tell_late()
        now = room.server.app.operations.sampler.now().payments
        host.faults["query"].clear()
        await room.until_ended()
        payments.figures = await payments.store.figures([])
        payments._tell_late()
    told = [one["event"] for one in logs if one["event"].startswith("payments_unknown")]
    assert told == ["payments_unknown_for_long", "payments_unknown_for_long_no_longer"]
    assert now is not None
    assert sum(now.waiting.values()) == 1
    assert max(now.oldest_s.values()) > 60


CHARGE = "(SELECT number FROM payments WHERE key = 'k')"
PAYOUT = "(SELECT max(number) FROM payments WHERE kind = 'payout')"


PLANTED = [
    f"DELETE FROM transfers WHERE key = {CHARGE}::text",
    f"UPDATE transfers SET amount_fen = amount_fen + 1 WHERE key = {CHARGE}::text",
    f"DELETE FROM transfers WHERE kind = 11 AND key = {PAYOUT}::text",
    f"UPDATE transfers SET key = '9' WHERE kind = 10 AND key = {PAYOUT}::text",
    f"INSERT INTO transfers VALUES (-2, 2, 12, {PAYOUT}::text, 5, 0)",
    f"UPDATE payments SET state = 'failed' WHERE number = {PAYOUT}",
    f"UPDATE payments SET amount_fen = amount_fen - 1 WHERE number = {CHARGE}",
    f"UPDATE payments SET packet_id = NULL WHERE number = {CHARGE}",
    f"UPDATE payments SET key = 'another' WHERE number = {CHARGE}",
    f"UPDATE payments SET user_id = 3 WHERE number = {PAYOUT}",
    f"UPDATE payments SET version = version + 1 WHERE number = {CHARGE}",
    f"DELETE FROM payment_evidence WHERE number = {CHARGE} AND version = 1",
    f"UPDATE payment_evidence SET state = 'unknown' WHERE number = {PAYOUT} AND state = 'succeeded'",
    f"DELETE FROM payments WHERE number = {PAYOUT}",
]


async def test_planted_discrepancies_of_payments_are_named(room: Room, books_agree: AgreeBooks) -> None:
    packet_id = await room.send("k")
    await room.ben.open(packet_id)
    await room.until_quiet()
    await books_agree()
    missed = []
    for statement in PLANTED:
        change = room.sql.transaction()
        await change.start()
        await room.sql.execute("SET LOCAL session_replication_role = replica")  # no triggers, no foreign keys
        assert not (await room.sql.execute(statement)).endswith(" 0"), statement
        if not await AuditSnapshot(room.sql).discrepancies("payments", True):
            missed.append(statement)
        await change.rollback()
    assert missed == []


async def test_end_of_a_payment_and_its_evidence_are_kept_by_the_database(room: Room) -> None:
    await room.send("k")
    with pytest.raises(asyncpg.RaiseError, match="it stays succeeded"):
        await room.sql.execute(f"UPDATE payments SET state = 'unknown', packet_id = NULL WHERE number = {CHARGE}")
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await room.sql.execute("UPDATE payment_evidence SET verdict = 'failed'")


def test_document_has_the_signatures_and_settings_that_the_server_uses() -> None:
    bodies = [one.encode() for one in re.findall(r"```json\n(.*?)\n```", DOCUMENT)]
    number, nonce, path = "252625764334174208", "00112233445566778899aabbccddeeff", "/hongbao/charge"
    content = SignedContent("POST", path, number, bodies[0])
    call = sign(KEY, "k1", 1795920000, nonce, content)
    reply = sign(KEY, "k1", 1795920000, nonce, content._replace(body=bodies[1]), REPLY_SCHEME)
    for text in (hashlib.sha256(bodies[0]).hexdigest(), call["Hongbao-Signature"], reply["Hongbao-Signature"]):
        assert text in DOCUMENT
    mac = example().mac("hongbao-reply-1", "k1", "1795920000", nonce, path, number, bodies[1])
    assert mac == reply["Hongbao-Signature"]
    assert json.loads(bodies[1])["result"] == "succeeded"
    settings = {key.removeprefix("host_wallet.") for key in KEYS if key.startswith("host_wallet.")}
    assert settings == set(re.findall(r"^(\w+) = ", DOCUMENT, re.MULTILINE))
    assert all(f"`{state}`" in DOCUMENT for state in PaymentState)


def test_example_accepts_a_nonce_once_also_after_a_restart(tmp_path: Path) -> None:
    def opened() -> Any:
        return example().Books(str(tmp_path / "wallet.db"))

    stamp = 1_795_920_000
    assert [opened().is_new(nonce, stamp) for nonce in ("a", "a", "b")] == [True, False, True]
    assert not opened().is_new("a", stamp + 600)  # a call that was signed 300 s ahead is still accepted
    assert opened().is_new("c", stamp + 901)
    assert opened().db.execute("SELECT nonce FROM nonces").fetchall() == [("c",)]


async def test_example_refuses_what_is_not_signed_in_any_form(host: HostWallet) -> None:
    body = b'{"number": "1", "kind": "payout", "user_id": "7", "amount_fen": 5}'
    content = SignedContent("POST", "/wallet/payout", "1", body)
    right = {**sign(KEY, "k1", int(time.time()), "a" * 32, content), "Idempotency-Key": "1"}
    forged: list[tuple[dict[str, str], bytes]] = [
        ({"Idempotency-Key": "1"}, body),
        *(({name: text for name, text in right.items() if name != left_out}, body) for left_out in list(right)[:4]),
        *(({**right, "Hongbao-Signature": mac}, body) for mac in ("", "0" * 64, "é")),
        ({**right, "Hongbao-Key": "k2"}, body),
        ({**right, "Hongbao-Timestamp": "soon"}, body),
        *((right, other) for other in (b"", b"{", b"[]", b'{"number": 1}', body.replace(b"5", b"6"))),
    ]
    async with aiohttp.ClientSession() as http:

        async def status(headers: dict[str, str], sent: bytes) -> int:
            async with http.post(f"{host.url}/payout", data=sent, headers=headers) as response:
                return response.status

        for headers, sent in forged:
            assert await status(headers, sent) == 401, (headers, sent)
        assert host.orders("payout") == []
        assert [await status(right, body) for _ in range(2)] == [200, 401]  # a nonce is accepted once
    assert host.orders("payout") == [("1", 5, "succeeded")]


async def test_example_without_a_key_of_its_own_does_not_start(tmp_path: Path) -> None:
    """A key that stands in the example would be one that all know."""
    words = [sys.executable, str(EXAMPLE), str(tmp_path / "wallet.db"), "0"]
    for environment in ({}, {"HOST_WALLET_KEY": "00" * 31}):
        process = await asyncio.create_subprocess_exec(*words, env=environment, stderr=asyncio.subprocess.PIPE)
        code, _, said = await end_of(process)
        assert (code, said) == (
            1,
            "HOST_WALLET_KEY must be 64 hex digits, the same that hongbao has: openssl rand -hex 32\n",
        )


async def test_example_runs_as_a_program(
    start_with_host: StartWithHost, make_room: MakeRoom, tmp_path: Path
) -> None:
    port = free_port()
    words = [sys.executable, str(EXAMPLE), str(tmp_path / "wallet.db"), str(port)]
    process = await asyncio.create_subprocess_exec(
        *words, env={"HOST_WALLET_KEY": KEY.hex()}, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        room = await make_room(await start_with_host(host_wallet__url=f"http://127.0.0.1:{port}/hongbao"))

        async def listens() -> bool:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
            return True

        await until(listens)
        with pytest.raises(BankDeclined, match="not enough money"):
            await room.send("k")
    finally:
        process.kill()
        await process.wait()
