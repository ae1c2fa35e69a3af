"""A packet is paid from the host wallet, and what is opened or refunded goes back there."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from aiohttp import web

from client_sim.sdk.client import Client
from client_sim.sdk.errors import (
    BankAway,
    BankDeclined,
    BankUnknown,
    ClientError,
    KeyReused,
    NotAMember,
    NotEnoughMoney,
    StoreUnavailable,
)
from server import config
from server.clock import Clock
from server.config import ConfigError
from server.core.packet_request import PacketRequest
from server.core.payments import Evidence, Verdict
from server.core.refusals import Reason, RequestRefused
from server.credentials import Credentials
from server.reload import Reading
from server.services.packets.send import SendService
from server.services.payments import payouts
from tests.conftest import API_KEYS, BACKEND, KEYS, SEED_KEYS, Connect, Server, StartServer, Turn
from tests.payments.conftest import (
    BEN,
    CARL,
    HAVE_FEN,
    KEY,
    SENDER,
    TOTAL_FEN,
    AgreeBooks,
    Fault,
    HostWallet,
    MakeRoom,
    Room,
    Serve,
    StartWithHost,
    changed,
    error_after_commit,
    eventually,
    hanging,
    lost_after_commit,
    lost_before,
    service_of,
)
from tests.services.conftest import until


async def test_packet_is_paid_from_the_host_and_shares_arrive_there(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    packet_id = await room.send("k", 300, 3)
    assert host.fen(SENDER) == HAVE_FEN - 300
    assert await room.send("k", 300, 3) == packet_id
    opened = [await client.open(packet_id) for client in (room.sender, room.ben, room.carl)]
    await room.until_quiet()
    assert [host.fen(user_id) for user_id in (BEN, CARL)] == [HAVE_FEN + opened[one].amount_fen for one in (1, 2)]
    assert (host.total_fen, len(host.orders("charge"))) == (TOTAL_FEN, 1)
    await books_agree()


async def test_refund_goes_back_to_the_host(
    start_with_host: StartWithHost, make_room: MakeRoom, host: HostWallet, books_agree: AgreeBooks
) -> None:
    room = await make_room(await start_with_host(limits__packet_lifetime_s=0.3, refunds__interval_s=0.1))
    await room.send("k", 500, 2)
    assert [(fen, result) for _, fen, result in host.orders("charge")] == [(500, "succeeded")]
    assert await eventually(lambda: host.fen(SENDER) == HAVE_FEN)
    await room.until_quiet()
    await books_agree()


async def test_send_with_words_that_waits_for_its_charge_is_the_same_under_a_new_seed_key(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    asked = "password", room.group, 300, 3, "", "k"
    host.faults["charge"] = [error_after_commit]
    host.faults["query"] = [error_after_commit]
    with pytest.raises(BankUnknown):
        await room.sender.send_packet(*asked, words="sesame")
    room.server.app.services.everyday.hidden_words.use_keys({**SEED_KEYS, "new": bytes(32)})
    await room.until_ended()
    sent = await room.sender.send_packet(*asked, words="sesame")
    assert (await room.ben.open(sent.packet_id, words="sesame")).answer == "won"
    with pytest.raises(KeyReused):
        await room.sender.send_packet(*asked, words="others")
    assert len(host.orders("charge")) == 1
    await room.until_quiet()
    await books_agree()


async def test_wallet_of_a_sponsor_stays_here_and_pays_for_campaigns(
    room: Room, connect: Connect, host: HostWallet, books_agree: AgreeBooks
) -> None:
    """The chat backend pays in before it makes the campaign; a payout in between would leave nothing."""
    sponsor, now_ms = 700, Clock().now_ms()
    ordering = room.server.app.services.payments.payouts
    assert ordering is not None
    backend = await connect(room.server, BACKEND)
    await backend.put_sponsor(sponsor, "shop")
    await backend.top_up(sponsor, 5_000)
    await ordering.order([sponsor])
    bands = [(200, 200, 1_000_000)]
    made = await backend.create_campaign(sponsor, "spring", now_ms, now_ms + 60_000, 20, 4_000, bands, key="c1")
    await backend.end_campaign(made.campaign_id)

    async def is_back() -> bool:
        return await room.sql.fetchval("SELECT returned_fen FROM campaigns") == 4_000

    await until(is_back)
    await ordering.order([sponsor])
    assert host.orders("payout") == []
    assert await backend.withdraw(sponsor, 5_000) == 0
    await books_agree()


async def test_charge_that_the_host_declines_is_refused_for_good_under_its_key(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    for _ in range(2):
        with pytest.raises(BankDeclined, match="not enough money"):
            await room.send("k", HAVE_FEN + 1)
    with pytest.raises(KeyReused):
        await room.send("k", 300, 3)
    assert len(host.calls) == 1
    assert (await room.payment())["state"] == "failed"
    await room.send("another", 300, 3)
    await books_agree()


def said(old: bytes, new: bytes) -> Fault:
    return changed(lambda body: body.replace(old, new))


async def late(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
    """The reply is signed for another time."""
    response = await serve(request)
    stamp, nonce = str(int(response.headers["Hongbao-Timestamp"]) - 301), response.headers["Hongbao-Nonce"]
    number, body = request.headers["Idempotency-Key"], bytes(response.body)  # type: ignore[arg-type]
    mac = HostWallet().module.mac("hongbao-reply-1", "k1", stamp, nonce, request.path, number, body)
    response.headers.update({"Hongbao-Timestamp": stamp, "Hongbao-Signature": mac})
    return response


class Replayed:
    """The first reply is kept, and is the answer to the second call, too."""

    def __init__(self) -> None:
        self._kept: tuple[bytes, dict[str, str]] | None = None

    async def __call__(self, request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
        if self._kept is None:
            response = await serve(request)
            headers = {name: response.headers[name] for name in response.headers if name.startswith("Hongbao-")}
            self._kept = bytes(response.body), headers  # type: ignore[arg-type]
            return web.Response(status=500)
        return web.Response(body=self._kept[0], headers=self._kept[1])


async def reflected(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
    """The signed request itself comes back."""
    await serve(request)
    headers = {name: request.headers[name] for name in request.headers if name.startswith("Hongbao-")}
    return web.Response(body=await request.read(), headers=headers)


FAULTS: dict[str, Fault] = {
    "reply lost": lost_after_commit,
    "call lost": lost_before,
    "error after commit": error_after_commit,
    "unknown result": said(b'"succeeded"', b'"wonderful"'),
    "not found to a charge": said(b'"succeeded"', b'"not_found"'),
    "processing": said(b'"succeeded"', b'"processing"'),
    "not JSON": changed(lambda body: b"<html>"),
    "not UTF-8": said(b'"reason": ""', b'"reason": "\xd3\xe0\xb6\xee"'),
    "nested without end": said(b'"reason": ""', b'"reason": "", "more": ' + b"[" * 7_000 + b"]" * 7_000),
    "another number": said(b'{"number": "', b'{"number": "9'),
    "unsigned failure": changed(lambda body: body.replace(b"succeeded", b"failed"), signed=False),
    "too long": changed(lambda body: body + b" " * 20_000),
    "late": late,
    "reflected": reflected,
}


async def test_charge_that_is_not_proven_is_unknown_and_is_asked_again_under_the_same_number(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    """Each fault once, each with a packet of its own: nothing is paid twice, nothing is lost."""
    for number, (name, fault) in enumerate(FAULTS.items(), 1):
        host.faults["charge"] = [fault]
        with pytest.raises(BankUnknown) as refused:
            await room.send(name)
        assert (refused.value.temporary, refused.value.retry_after_ms > 0) == (True, True)
        assert (await room.until_ended(name))["attempts"] == 2, name
        packet_id = await room.send(name)
        assert await room.sql.fetchval("SELECT packet_id FROM payments WHERE key = $1", name) == packet_id
        assert len(host.orders("charge")) == number
    assert host.fen(SENDER) == HAVE_FEN - 300 * len(FAULTS)
    assert await room.sql.fetchval("SELECT count(*) FROM payment_breaks") == 0
    await books_agree()


async def test_payout_that_is_not_proven_is_unknown_and_is_asked_again_under_the_same_number(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    host.faults["payout"] = [lost_before, error_after_commit, lost_after_commit]
    host.faults["query"] = [error_after_commit]
    packet_id = await room.send("k")
    opened = [await one.open(packet_id) for one in (room.sender, room.ben, room.carl)]
    await room.until_quiet()
    assert [host.fen(one) - HAVE_FEN for one in (BEN, CARL)] == [one.amount_fen for one in opened[1:]]
    assert len(host.orders("payout")) == 3
    await books_agree()


async def test_reply_that_is_replayed_is_no_evidence(room: Room, host: HostWallet, books_agree: AgreeBooks) -> None:
    host.faults["charge"] = [error_after_commit]
    host.faults["query"] = [(replayed := Replayed()), replayed]
    with pytest.raises(BankUnknown):
        await room.send("k")
    row = await room.until_ended()
    details = await room.sql.fetch("SELECT source, detail FROM payment_evidence WHERE number = $1", row["number"])
    assert ("query", "the reply is for another request") in [tuple(one) for one in details]
    await books_agree()


async def test_call_without_an_answer_ends_after_the_time_limit_and_the_packet_is_sent_later(
    start_with_host: StartWithHost, make_room: MakeRoom, host: HostWallet, books_agree: AgreeBooks
) -> None:
    room = await make_room(await start_with_host(host_wallet__timeout_s=2.0))
    released = asyncio.Event()
    earlier = await room.send("earlier")
    host.faults["charge"] = [hanging(released, commits=True)]
    sending = asyncio.create_task(room.send("k"))
    assert await eventually(lambda: len(host.calls) == 2)
    await room.carl.open(earlier)  # no other request waits for the host
    assert not sending.done()
    with pytest.raises(BankUnknown):
        await sending
    details = await room.sql.fetch("SELECT detail FROM payment_evidence")
    assert "no answer within 2 s" in [row["detail"] for row in details]
    released.set()
    assert (await room.until_ended())["state"] == "succeeded"
    assert await room.ben.open(await room.send("k"))
    assert len(host.orders("charge")) == 2
    await room.until_quiet()
    await books_agree()


async def test_payment_that_ends_after_it_was_read_is_read_again(room: Room, host: HostWallet) -> None:
    """As two requests with one key may do: the attempt of the first ends between the two looks of the second."""
    released = asyncio.Event()
    host.faults["charge"] = [hanging(released, commits=True)]
    sending = asyncio.create_task(room.send("k"))
    assert await eventually(lambda: len(host.calls) == 1)
    payments = service_of(room.server)
    read = await payments.store.of_send(SENDER, "k")
    assert read.state == "submitted"
    released.set()
    await sending
    assert (await payments.result(read)).state == "succeeded"


async def test_reply_about_another_amount_moves_nothing_and_is_a_break(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    host.faults["charge"] = [said(b'"amount_fen": 300', b'"amount_fen": 30000')]
    with pytest.raises(BankUnknown):
        await room.send("k")
    assert await room.sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 9") == 0
    assert await room.sql.fetchval("SELECT count(*) FROM payment_breaks") == 1
    await room.until_ended()
    await books_agree()


@pytest.mark.parametrize(("ended", "against"), [("succeeded", Verdict.FAILED), ("failed", Verdict.SUCCEEDED)])
async def test_evidence_against_an_end_changes_nothing_and_is_a_break(
    room: Room, host: HostWallet, books_agree: AgreeBooks, ended: str, against: Verdict
) -> None:
    if ended == "failed":
        with pytest.raises(BankDeclined):
            await room.send("k", HAVE_FEN + 1)
    else:
        await room.send("k")
    payments = service_of(room.server)
    row = await payments.store.get((await room.payment())["number"])
    assert row is not None
    for verdict in (against, Verdict.UNKNOWN, Verdict(ended), against):
        row = await payments.evidence.apply(row, Evidence("query", verdict, "late"))
    assert row.state == ended
    breaks = await room.sql.fetch("SELECT difference_fen FROM payment_breaks")  # the second one is the same
    assert [one["difference_fen"] for one in breaks] == [row.amount_fen]
    await books_agree()


async def test_two_servers_that_apply_the_same_success_move_the_money_once(
    room: Room, host: HostWallet, start_with_host: StartWithHost, books_agree: AgreeBooks
) -> None:
    other = await start_with_host(server__node=1)
    host.faults["charge"] = [error_after_commit]
    with pytest.raises(BankUnknown):
        await room.send("k")
    row = await service_of(room.server).store.get((await room.payment())["number"])
    assert row is not None
    evidence = Evidence("query", Verdict.SUCCEEDED)
    servers = [service_of(room.server), service_of(other)] * 4
    applied = await asyncio.gather(*(one.evidence.apply(row, evidence) for one in servers))
    assert {(one.state, one.packet_id) for one in applied} == {("succeeded", await room.send("k"))}
    assert await room.sql.fetchval("SELECT count(*) FROM packets") == 1
    await books_agree()


async def test_two_servers_asked_for_the_same_key_charge_once(
    room: Room, host: HostWallet, start_with_host: StartWithHost, connect: Connect, books_agree: AgreeBooks
) -> None:
    other = await connect(await start_with_host(server__node=1), SENDER)

    async def send(client: Any) -> int | None:
        try:
            return int((await client.send_packet("lucky", room.group, 300, 3, key="k")).packet_id)
        except BankUnknown:
            return None

    told = await asyncio.gather(*(send(one) for one in (room.sender, other) * 5))
    await room.until_ended()
    assert {*told} <= {None, await room.send("k")}
    assert len(host.orders("charge")) == 1
    await books_agree()


@pytest.mark.parametrize("point", ["row written", "call made", "reply received"])
@pytest.mark.parametrize("verb", ["charge", "payout"])
async def test_server_that_is_killed_leaves_a_payment_that_the_next_server_ends(
    start_with_host: StartWithHost,
    make_room: MakeRoom,
    host: HostWallet,
    turn_clock: Turn,
    books_agree: AgreeBooks,
    verb: str,
    point: str,
) -> None:
    room = await make_room(await start_with_host(limits__packet_lifetime_s=86_400.0))
    released = asyncio.Event()
    before = await room.send("before") if verb == "payout" else 0
    host.faults[verb] = [hanging(released, commits=point == "reply received")]
    if point == "row written":  # the kill is before the call, so the call never arrives
        host.faults[verb] = [lost_before]
    if verb == "charge":
        sending = asyncio.create_task(room.send("k"))
    else:
        await room.ben.open(before)
        sending = asyncio.create_task(asyncio.sleep(0, 0))
    assert await eventually(lambda: verb in [one for one, _ in host.calls])
    await room.server.kill()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    released.set()
    newest = await room.sql.fetchval("SELECT state FROM payments ORDER BY number DESC")
    assert newest in ("submitted", "unknown")
    if point == "row written":
        number = await room.sql.fetchval("SELECT max(number) FROM payments")
        await as_created(room, number)
    turn_clock(60_000)  # the lease of the killed server has ended
    room.server = await start_with_host()
    if verb == "charge":
        await room.until_ended()
    else:
        await room.until_quiet()
    assert [result for _, _, result in host.orders(verb)] == ["succeeded"]
    assert await room.sql.fetchval("SELECT count(*) FROM packets") == 1
    await books_agree()


async def as_created(room: Room, number: int) -> None:
    """As if its server had been killed between the row and the first attempt."""
    await room.sql.execute("ALTER TABLE payment_evidence DISABLE TRIGGER USER")
    await room.sql.execute("DELETE FROM payment_evidence WHERE number = $1", number)
    await room.sql.execute("ALTER TABLE payment_evidence ENABLE TRIGGER USER")
    before = "UPDATE payments SET state = 'created', version = 0, attempts = 0 WHERE number = $1"
    await room.sql.execute(before, number)


async def test_sender_who_may_no_longer_send_keeps_the_money_and_it_goes_back(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    host.faults["charge"] = [lost_after_commit]
    with pytest.raises(BankUnknown):
        await room.ben.send_packet("lucky", room.group, 300, 3, key="k")
    await room.sender.remove_member(room.group, BEN)
    row = await room.until_ended()
    assert (row["state"], row["packet_id"], row["reason"]) == ("succeeded", None, "not_a_member")
    with pytest.raises(NotAMember):
        await room.ben.send_packet("lucky", room.group, 300, 3, key="k")
    await room.until_quiet()
    assert await eventually(lambda: host.fen(BEN) == HAVE_FEN)
    assert [line.reason for line in (await room.ben.statement()).lines] == ["payout", "charge"]
    await books_agree()


@pytest.mark.parametrize("reason", [Reason.STORE_UNAVAILABLE, Reason.OVERLOADED, Reason.INTERNAL])
async def test_packet_that_cannot_be_prepared_now_is_sent_later_and_its_payment_stays_open(
    room: Room,
    host: HostWallet,
    turn_clock: Turn,
    monkeypatch: pytest.MonkeyPatch,
    books_agree: AgreeBooks,
    reason: Reason,
) -> None:
    """A temporary refusal says nothing about the sender: it must not end the payment without a packet."""
    sends, refusals = room.server.app.services.sends, [reason]
    checked = sends.checked

    async def checked_later(one: PacketRequest) -> PacketRequest:
        if refusals:
            raise RequestRefused(refusals.pop())
        return await checked(one)

    monkeypatch.setattr(sends, "checked", checked_later)
    with pytest.raises(StoreUnavailable):
        await room.send("k")
    row = await room.payment()
    assert (row["state"], row["packet_id"], row["reason"], refusals) == ("submitted", None, "", [])
    turn_clock(60_000)  # the lease has ended
    assert (await room.until_ended())["packet_id"] == await room.send("k")
    assert len(host.orders("charge")) == 1
    await books_agree()


async def test_packet_is_not_sent_while_another_server_may_have_removed_its_sender(
    room: Room, turn_clock: Turn, monkeypatch: pytest.MonkeyPatch, books_agree: AgreeBooks
) -> None:
    """A charge may succeed long after the request that asked for it: at a server that has lost its lease since."""
    attempts = room.server.app.services.payments.attempts
    assert attempts is not None
    with monkeypatch.context() as lost:
        lost.setattr(attempts.evidence, "_is_current", lambda: False)
        with pytest.raises(StoreUnavailable):
            await room.send("k")
        row = await room.payment()
        assert (row["state"], row["packet_id"], row["reason"]) == ("submitted", None, "")
    turn_clock(60_000)  # the lease of the attempt has ended
    assert (await room.until_ended())["packet_id"] == await room.send("k")
    await books_agree()


async def test_payouts_fold_while_one_is_open(room: Room, host: HostWallet, books_agree: AgreeBooks) -> None:
    host.faults["payout"] = [lost_before]
    host.faults["query"] = [lost_before] * 100
    for key in ("a", "b", "c", "d"):
        await room.ben.open(await room.send(key))
        if key == "a":
            assert await eventually(lambda: "payout" in [one for one, _ in host.calls])
    assert await room.sql.fetchval("SELECT count(*) FROM payments WHERE kind = 'payout'") == 1
    await books_agree()  # with money in transit
    host.faults["query"].clear()
    await room.until_quiet()
    assert len(host.orders("payout")) == 2
    await books_agree()


async def test_payout_that_the_host_declines_goes_back_to_the_wallet_and_rests_for_an_hour(
    room: Room, host: HostWallet, books_agree: AgreeBooks
) -> None:
    host.faults["payout"] = [declined]
    opened = await room.ben.open(await room.send("k"))

    async def is_back() -> bool:
        return "payout_returned" in [line.reason for line in (await room.ben.statement()).lines]

    await until(is_back)
    assert await room.ben.balance() == opened.amount_fen
    await books_agree()
    payouts = room.server.app.services.payments.payouts
    await payouts.order([BEN])
    assert await room.sql.fetchval("SELECT count(*) FROM payments WHERE kind = 'payout'") == 1
    await room.sql.execute("UPDATE payments SET changed_at_ms = changed_at_ms - 3700000")
    await payouts.order([BEN])
    await room.until_quiet()
    assert host.fen(BEN) == HAVE_FEN + opened.amount_fen
    await books_agree()


async def test_locked_wallet_holds_up_no_other_payout(
    room: Room, host: HostWallet, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are ordered in one batch: nothing is ordered before the wallet is locked."""
    monkeypatch.setattr(payouts, "BATCH_MAX", 0)
    backend = await connect(room.server, 0)
    for user_id in (BEN, CARL):
        await backend.top_up(user_id, 100)
    async with room.sql.transaction():
        await room.sql.execute("SELECT FROM wallets WHERE user_id = $1 FOR UPDATE", BEN)
        monkeypatch.setattr(payouts, "BATCH_MAX", 500)
        assert await eventually(lambda: host.fen(CARL) == HAVE_FEN + 100)
        assert host.fen(BEN) == HAVE_FEN
    assert await eventually(lambda: host.fen(BEN) == HAVE_FEN + 100)
    await room.until_quiet()


async def declined(request: web.BaseRequest, serve: Serve) -> web.StreamResponse:
    """The host declines, and keeps to it."""
    wallet = serve.__self__  # type: ignore[attr-defined]
    do = wallet.books.do
    wallet.books.do = lambda kind, number, user_id, fen: refuse(wallet.books, kind, number, user_id, fen)
    try:
        return await serve(request)
    finally:
        wallet.books.do = do


def refuse(books: Any, kind: str, number: str, user_id: str, fen: int) -> Any:
    row = (number, kind, user_id, fen, "failed", "account closed")
    books.db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", row)
    return books.find(number)


async def test_host_that_does_not_respond_is_away_and_new_sends_record_nothing(
    start_with_host: StartWithHost, make_room: MakeRoom, host: HostWallet, books_agree: AgreeBooks
) -> None:
    room = await make_room(await start_with_host())
    host.faults["charge"] = [lost_before] * 5
    for number in range(5):
        with pytest.raises(BankUnknown):
            await room.send(f"k{number}")
    with pytest.raises(BankAway):
        await room.send("later")
    assert await room.sql.fetchval("SELECT count(*) FROM payments") == 5
    for number in range(5):
        await room.until_ended(f"k{number}")
    await books_agree()


async def test_wallet_that_holds_enough_pays_without_the_host(
    room: Room, host: HostWallet, connect: Connect, books_agree: AgreeBooks
) -> None:
    host.faults["payout"] = [lost_before]
    backend = await connect(room.server, 0)
    await backend.top_up(SENDER, 1)
    assert await eventually(lambda: host.calls)
    await backend.top_up(SENDER, 300)  # which stays in the wallet while a payout is open
    await room.send("from the wallet")
    assert host.orders("charge") == []
    await backend.top_up(SENDER, 100)
    await room.send("the whole amount, not the rest")
    assert [fen for _, fen, _ in host.orders("charge")] == [300]


async def test_keys_are_replaced_while_two_are_valid(
    start_with_host: StartWithHost, make_room: MakeRoom, host: HostWallet
) -> None:
    new = bytes(32)
    room = await make_room(await start_with_host(host_wallet__keys={"k1": KEY.hex(), "k2": new.hex()}))
    host.module.KEYS.clear()
    host.module.KEYS.update({"k2": new})
    await room.send("signed with the last one")
    host.module.KEYS.update({"k1": KEY})
    reload_with(room.server, host, {"k1": KEY})
    await room.send("signed with the first one")
    reload_with(room.server, host, {"k3": new})
    with pytest.raises(BankUnknown):
        await room.send("signed with a key that the host does not know")


def reload_with(server: Server, host: HostWallet, keys: dict[str, bytes]) -> None:
    """SIGHUP, with other keys in the config."""
    hexed = {"host_wallet.keys": {key_id: key.hex() for key_id, key in keys.items()}}
    place = {"host_wallet.url": host.url, "host_wallet.allow_private": ["127.0.0.0/8"]}
    settings = config.load(None, {**place, **hexed}, environment={})
    server.app.apply(Reading(settings, Credentials(KEYS, SEED_KEYS, None, {}, API_KEYS)))


async def test_server_without_a_host_wallet_has_none_of_it(server: Server, backend: Any) -> None:
    services = server.app.services
    assert isinstance(services.payments.sender, SendService)
    assert services.payments.attempts is None
    assert not {"payments", "payouts"} & services.loops().keys()
    with pytest.raises(NotEnoughMoney):
        await backend.withdraw(1, 5, "k")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"host_wallet.url": "https://wallet.example"}, "set both"),
        ({"host_wallet.url": "http://wallet.example"}, "begins with https://"),
        ({"host_wallet.url": "https://10.0.0.1/w"}, r"\[host_wallet\] allow_private does not list it"),
        ({"host_wallet.url": "https://user:secret@wallet.example"}, "no user, password"),
    ],
)
def test_config_of_a_host_wallet_that_is_not_safe_is_refused(settings: dict[str, str], why: str) -> None:
    keys = {} if why == "set both" else {"host_wallet.keys": {"k1": KEY.hex()}}
    with pytest.raises(ConfigError, match=why):
        config.load(None, {**settings, **keys}, environment={})


async def test_host_wallet_in_a_network_that_is_not_listed_gets_no_call(
    start_server: StartServer, make_room: MakeRoom, host: HostWallet
) -> None:
    """A name that resolves to this machine: the address is looked at when it is connected to."""
    settings = {"host_wallet__url": host.url.replace("127.0.0.1", "localhost").replace("http:", "https:")}
    room = await make_room(await start_server(**settings, host_wallet__keys={"k1": KEY.hex()}))
    with pytest.raises(BankUnknown):
        await room.send("k")
    assert host.calls == []
    assert "not a public address" in await room.sql.fetchval("SELECT string_agg(detail, '') FROM payment_evidence")


async def test_books_agree_after_many_packets_with_faults_and_a_killed_server(
    start_with_host: StartWithHost,
    make_room: MakeRoom,
    host: HostWallet,
    connect: Connect,
    turn_clock: Turn,
    books_agree: AgreeBooks,
) -> None:
    """Two servers; 20 packets are sent twice each with their keys, and opened; one server is killed on the way."""
    host.at_random = Random(7)
    first, second = await start_with_host(), await start_with_host(server__node=1)
    room = await make_room(first)
    there = [await connect(second, user_id) for user_id in (SENDER, BEN, CARL)]

    async def send(number: int, clients: list[Client]) -> None:
        with suppress(ClientError):
            packet_id = (
                await clients[number % 3].send_packet("lucky", room.group, 300, 3, key=f"k{number}")
            ).packet_id
            for client in clients:
                await client.open(packet_id)

    here = [room.sender, room.ben, room.carl]
    sends = [asyncio.create_task(send(number, clients)) for number in range(20) for clients in (here, there)]
    assert await eventually(lambda: len(host.calls) > 20)
    await first.kill()
    room.server = second
    for task in sends[::2]:
        task.cancel()
    await asyncio.gather(*sends, return_exceptions=True)
    turn_clock(60_000)  # the leases of the killed server have ended
    await room.until_quiet()
    host.at_random = None
    await asyncio.gather(*(send(number, there) for number in range(20)))
    await room.until_quiet()
    charges = (
        "SELECT count(*), count(DISTINCT packet_id) FROM payments WHERE kind = 'charge' AND state = 'succeeded'"
    )
    assert tuple(await room.sql.fetchrow(charges)) == (20, 20)
    await books_agree()
