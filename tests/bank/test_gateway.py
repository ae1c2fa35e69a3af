"""The gateway to a bank: what a reply proves, cards, closing, keys that are replaced, a bank that is away."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.bank.books import CARD_FEN, account_of
from client_sim.bank.faults import Fault, card_number
from client_sim.bank.keys import BankKeyring, new_key, public_text
from client_sim.bank.server import BankServer
from client_sim.sdk.errors import BankUnknown
from server import config
from server.config import ConfigError
from server.core import payments
from server.core.payments import Order, PaymentKind, Verdict
from server.core.refusals import Reason, RequestRefused
from server.credentials import Credentials
from server.gateways.port import CardAsk, CardDeclined, GatewayAway
from server.reload import Reading
from server.services.payments.conclusions import NotConcluded
from tests.bank.conftest import BEN, SENDER, BankBooksAgree, BankRoom, MakeBankRoom, StartWithBank, bank_config
from tests.conftest import API_KEYS, DAY_MS, KEYS, SEED_KEYS

NUMBER = 1 << 60
Change: TypeAlias = Callable[[BankServer, web.BaseRequest, web.Response], web.StreamResponse]


def changed(bank: BankServer, change: Change) -> None:
    """Replies about orders leave the bank changed, until `unchanged`."""
    reply = bank._reply

    async def changed_reply(request: web.BaseRequest, asked: Any, answer: Any) -> web.StreamResponse:
        response = await reply(request, asked, answer)
        assert isinstance(response, web.Response)
        return change(bank, request, response) if request.path in ("/pay", "/query") else response

    bank._reply = changed_reply  # type: ignore[method-assign]


def _body(response: web.Response) -> bytes:
    return bytes(response.body)  # type: ignore[arg-type]


def signed(bank: BankServer, path: str, nonce: str, body: bytes, ago_s: int = 0) -> web.Response:
    headers = bank.keys.signed_headers("POST", path, int(time.time()) - ago_s, nonce, body)
    return web.Response(body=body, headers=headers)


def said(**changes: Any) -> Change:
    """Signed, and with other content."""

    def change(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
        body = json.dumps({**json.loads(_body(response)), **changes}).encode()
        return signed(bank, request.path, request.headers["Bank-Nonce"], body)

    return change


def _unsigned(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    return web.Response(body=_body(response))


def _stranger(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    body, keys = _body(response), BankKeyring({"b1": new_key()}, {})
    nonce = request.headers["Bank-Nonce"]
    return web.Response(body=body, headers=keys.signed_headers("POST", request.path, int(time.time()), nonce, body))


def _of_other_call(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    return signed(bank, request.path, "00" * 16, _body(response))


def _of_other_path(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    return signed(bank, "/payout", request.headers["Bank-Nonce"], _body(response))


def _late(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    return signed(bank, request.path, request.headers["Bank-Nonce"], _body(response), ago_s=305)


def _changed_after(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    body = _body(response).replace(b"succeeded", b"failed")
    return web.Response(body=body, headers=response.headers)


def _not_json(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    return signed(bank, request.path, request.headers["Bank-Nonce"], b"succeeded")


def _empty(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    return signed(bank, request.path, request.headers["Bank-Nonce"], b"")


def _other_encoding(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    """As banks write Chinese that do not write UTF-8."""
    body = json.dumps({**json.loads(_body(response)), "reason": "成功"}, ensure_ascii=False).encode("gbk")
    return signed(bank, request.path, request.headers["Bank-Nonce"], body)


def _deep(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    body = _body(response)[:-1] + b', "more": ' + b"[" * 7_000 + b"]" * 7_000 + b"}"
    return signed(bank, request.path, request.headers["Bank-Nonce"], body)


def _long(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    body = _body(response) + b" " * 20_000
    return signed(bank, request.path, request.headers["Bank-Nonce"], body)


def _redirect(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
    return web.Response(status=307, headers={"Location": "/query"})


UNPROVEN: dict[str, Change] = {
    "not signed": _unsigned,
    "signed by a stranger": _stranger,
    "for another call": _of_other_call,
    "for another path": _of_other_path,
    "signed long ago": _late,
    "changed after it was signed": _changed_after,
    "not JSON": _not_json,
    "not UTF-8": _other_encoding,
    "nested without end": _deep,
    "empty": _empty,
    "too long": _long,
    "a redirect": _redirect,
    "another number": said(number="5"),
    "unknown result": said(result="ok"),
    "not found, to a charge": said(result="not_found"),
    "closed, to a charge": said(result="closed"),
    "no text": said(result=1),
}


@pytest.mark.parametrize("how", UNPROVEN)
async def test_charge_that_is_not_proven_is_unknown_and_asked_again_under_its_number(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree, how: str
) -> None:
    bank.notices.url = ""
    await bank_room.bind(SENDER)
    reply = bank._reply
    changed(bank, UNPROVEN[how])
    with pytest.raises(RequestRefused) as refused:
        await bank_room.send()
    assert refused.value.reason is Reason.BANK_UNKNOWN
    assert (await bank_room.payment())["state"] == "unknown"
    bank._reply = reply  # type: ignore[method-assign]
    assert (await bank_room.until_ended())["state"] == "succeeded"
    assert [row["calls"] for row in bank.books.rows("SELECT calls FROM orders")] == [1]
    assert await bank_room.breaks() == 0
    await bank_books_agree()


async def test_signed_reply_with_another_status_proves_nothing(bank_room: BankRoom, bank: BankServer) -> None:
    bank.notices.url = ""
    await bank_room.bind(SENDER)

    def accepted(bank: BankServer, request: web.BaseRequest, response: web.Response) -> web.Response:
        return web.Response(status=202, body=response.body, headers=response.headers)

    changed(bank, accepted)
    with pytest.raises(RequestRefused):
        await bank_room.send()
    number = (await bank_room.payment())["number"]
    assert (await bank_room.evidence(number))[0] == ("charge", "unknown")


@pytest.mark.parametrize("changes", [{"amount_fen": 301}, {"kind": "payout"}, {"merchant": "other"}])
async def test_signed_reply_about_another_order_moves_nothing_and_is_a_break(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree, changes: dict[str, Any]
) -> None:
    bank.notices.url = ""
    await bank_room.bind(SENDER)
    reply = bank._reply
    changed(bank, said(**changes))
    with pytest.raises(RequestRefused):
        await bank_room.send()
    assert await bank_room.sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 9") == 0
    assert await bank_room.breaks() == 1
    bank._reply = reply  # type: ignore[method-assign]
    assert (await bank_room.until_ended())["state"] == "succeeded"
    await bank_books_agree()


async def test_number_that_the_bank_does_not_find_is_unknown_and_sent_again(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree
) -> None:
    await bank_room.bind(SENDER, Fault.CALL_LOST)
    with pytest.raises(RequestRefused):
        await bank_room.send()
    number = (await bank_room.payment())["number"]
    await bank_room.until_ended()
    assert await bank_room.evidence(number) == [
        ("charge", "unknown"),
        ("query", "not_found"),
        ("charge", "succeeded"),
    ]
    await bank_books_agree()


async def test_number_that_came_before_is_answered_again_and_moves_nothing(
    bank_room: BankRoom, bank: BankServer
) -> None:
    token = await bank_room.bind(SENDER)
    order = Order(NUMBER, PaymentKind.CHARGE, SENDER, 700, token)
    said_now = await asyncio.gather(*(bank_room.gateway.charge(order) for _ in range(5)))
    assert len({(one.verdict, one.detail) for one in said_now}) == 1
    assert said_now[0].verdict is Verdict.SUCCEEDED
    assert bank.books.fen(account_of(bank_room.cards[SENDER])) == CARD_FEN - 700
    other = await bank_room.gateway.charge(order._replace(amount_fen=800))
    assert other.verdict is Verdict.CONTRADICTORY
    assert bank.books.discrepancies() == []


# --- closing -----------------------------------------------------------------------------------------------------


async def test_closed_number_is_never_done_also_if_it_arrives_later(bank_room: BankRoom, bank: BankServer) -> None:
    token = await bank_room.bind(SENDER)
    order = Order(NUMBER, PaymentKind.CHARGE, SENDER, 700, token)
    closed = await bank_room.gateway.cancel(order)
    assert (closed.source, closed.verdict) == ("close", "failed")
    assert (await bank_room.gateway.charge(order)).verdict is Verdict.FAILED
    assert (await bank_room.gateway.query(order)).verdict is Verdict.FAILED
    assert (await bank_room.gateway.cancel(order)).verdict is Verdict.FAILED
    assert bank.books.fen(account_of(bank_room.cards[SENDER])) == CARD_FEN
    assert bank.books.discrepancies() == []


async def test_close_of_an_order_that_is_done_says_so_and_one_in_process_ends(
    bank_room: BankRoom, bank: BankServer
) -> None:
    token = await bank_room.bind(SENDER)
    done = Order(NUMBER, PaymentKind.CHARGE, SENDER, 700, token)
    await bank_room.gateway.charge(done)
    assert (await bank_room.gateway.cancel(done)).verdict is Verdict.SUCCEEDED
    bank.orders.timing = bank.orders.timing._replace(processing_s=1e6)
    slow = Order(NUMBER + 1, PaymentKind.PAYOUT, BEN, 700, await bank_room.bind(BEN, Fault.PROCESSING))
    assert (await bank_room.gateway.payout(slow)).verdict is Verdict.UNKNOWN
    assert (await bank_room.gateway.cancel(slow)).verdict is Verdict.FAILED
    assert bank.books.discrepancies() == []


async def test_operator_has_an_open_payment_closed(
    bank_room: BankRoom, bank: BankServer, bank_books_agree: BankBooksAgree
) -> None:
    bank.orders.timing = bank.orders.timing._replace(processing_s=1e6)
    await bank_room.bind(SENDER, Fault.PROCESSING)
    with pytest.raises(RequestRefused):
        await bank_room.send()
    number = (await bank_room.payment())["number"]
    conclusions = bank_room.server.app.services.payments.conclusions
    assert conclusions is not None
    with pytest.raises(NotConcluded, match="only that says"):
        await conclusions.confirm(number, "root")
    assert await conclusions.close(number) == "failed"
    with pytest.raises(NotConcluded, match="has ended: failed"):
        await conclusions.close(number)
    assert (await bank_room.evidence(number))[-1] == ("close", "failed")
    await bank_books_agree()


# --- cards -------------------------------------------------------------------------------------------------------


async def test_card_is_bound_once_per_request_and_confirmed_with_the_same_token(bank_room: BankRoom) -> None:
    gateway, ask = bank_room.gateway, CardAsk("r1", card_number(), "张三", "13800000001")
    offers = [await gateway.bind(ask) for _ in range(2)]
    assert offers[0] == offers[1]
    assert (offers[0].bank, offers[0].last4) == ("测试银行", card_number()[-4:])
    tokens = {await gateway.confirm(offers[0].binding) for _ in range(2)}
    assert len(tokens) == 1
    again = await gateway.bind(ask._replace(request_id="r2"))
    assert (again.card_ref, again.binding != offers[0].binding) == (offers[0].card_ref, True)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"number": "6212990000000012"}, "no such card"),
        ({"number": "4111111111111111"}, "no such card"),
        ({"number": card_number(Fault.CARD_REFUSED)}, "blocked"),
        ({"holder": " "}, "needed"),
        ({"holder": "李四", "request_id": "r3"}, "do not fit"),
        ({"phone": "13900000000", "request_id": "r4"}, "do not fit"),
        ({"number": card_number(serial=2)}, "another card"),
    ],
)
async def test_card_that_the_bank_does_not_take_is_declined_with_a_reason(
    bank_room: BankRoom, changes: dict[str, str], why: str
) -> None:
    ask = CardAsk("r1", card_number(), "张三", "13800000001")
    if "number" not in changes or "another" in why:
        await bank_room.gateway.bind(ask)
    else:
        changes = {**changes, "request_id": "r2"}
    with pytest.raises(CardDeclined, match=why):
        await bank_room.gateway.bind(ask._replace(**({"request_id": "r5"} if why == "needed" else {}), **changes))


async def test_code_arrives_at_the_phone_of_its_card_once_or_never(bank_room: BankRoom, bank: BankServer) -> None:
    token = await bank_room.bind(SENDER)
    for _ in range(2):
        await bank_room.gateway.send_code("s1", token, "验证码 123456")
    assert bank.books.inbox("13800000001") == ["验证码 123456"]
    lost = await bank_room.bind(BEN, Fault.SMS_LOST)
    await bank_room.gateway.send_code("s2", lost, "验证码 654321")
    assert bank.books.inbox("13800000002") == []
    with pytest.raises(CardDeclined, match="no such card"):
        await bank_room.gateway.send_code("s3", "tok_other", "?")


async def test_call_about_a_card_without_a_proven_reply_may_be_repeated(
    bank_room: BankRoom, bank: BankServer
) -> None:
    ask = CardAsk("r1", card_number(), "张三", "13800000001")
    right, bank.keys.bank = bank.keys.bank, {"b1": new_key()}
    with pytest.raises(GatewayAway, match="does not fit"):
        await bank_room.gateway.bind(ask)
    bank.keys.bank = right
    assert (await bank_room.gateway.bind(ask)).last4 == card_number()[-4:]
    assert len(bank.books.rows("SELECT * FROM bindings")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"binding": ""},
        {"last4": "12"},
        {"last4": "00１1"},
        {"card_ref": ""},
        {"card_ref": "a, b"},  # as no statement could name it
        {"card_ref": "c" * 65},
        {"card_ref": card_number()},
        {"binding": f"binding of {card_number()}"},
    ],
)
async def test_offer_that_cannot_be_kept_or_names_the_number_is_no_answer(
    bank_room: BankRoom, bank: BankServer, changes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = bank._offer
    monkeypatch.setitem(bank._calls, "/cards", lambda asked: {**offer(asked), **changes})
    with pytest.raises(GatewayAway, match="the bank's offer"):
        await bank_room.gateway.bind(CardAsk("r1", card_number(), "张三", "13800000001"))


async def test_reason_of_a_card_that_is_declined_does_not_name_its_number(
    bank_room: BankRoom, bank: BankServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    declined = {"result": "declined", "reason": f"card {card_number()} is blocked"}
    monkeypatch.setitem(bank._calls, "/cards", lambda asked: declined)
    with pytest.raises(CardDeclined, match=r"^card \*\*\*\* is blocked$"):
        await bank_room.gateway.bind(CardAsk("r1", card_number(), "张三", "13800000001"))


async def test_card_without_a_token_is_not_bound_and_may_be_confirmed_again(
    bank_room: BankRoom, bank: BankServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = await bank_room.gateway.bind(CardAsk("r1", card_number(), "张三", "13800000001"))
    confirm = bank._confirm
    monkeypatch.setitem(bank._calls, "/cards/confirm", lambda asked: {**confirm(asked), "token": ""})
    with pytest.raises(GatewayAway, match="no token"):
        await bank_room.gateway.confirm(offered.binding)
    monkeypatch.undo()
    assert await bank_room.gateway.confirm(offered.binding)


def test_card_ask_is_shown_without_what_is_personal() -> None:
    ask = CardAsk("r1", card_number(), "张三", "13800000001")
    assert repr(ask) == f"{ask}" == "CardAsk(request_id='r1')"


# --- keys --------------------------------------------------------------------------------------------------------


def _reload(room: BankRoom, bank: BankServer) -> None:
    overrides = {key.replace("__", "."): value for key, value in bank_config(bank).items()}
    settings = config.load(None, {"server.port": 0, "ops.http": "", **overrides}, environment={})
    room.server.app.apply(Reading(settings, Credentials(KEYS, SEED_KEYS, None, {}, API_KEYS)))


async def test_keys_are_replaced_while_both_are_valid(bank_room: BankRoom, bank: BankServer) -> None:
    await bank_room.bind(SENDER)
    bank.keys.rotate()  # the bank signs with its new key, and still takes ours before
    _reload(bank_room, bank)
    await bank_room.send("a")
    bank.keys.rotate()
    with pytest.raises(RequestRefused):
        await bank_room.send("b")
    _reload(bank_room, bank)
    assert (await bank_room.until_ended((await bank_room.payment("b"))["number"]))["state"] == "succeeded"
    bank.keys.rotate()
    bank.keys.rotate()  # ours is no longer taken, and we do not know the bank's
    with pytest.raises(RequestRefused):
        await bank_room.send("c")
    assert (await bank_room.payment("c"))["state"] == "unknown"


async def test_reload_without_the_section_leaves_the_keys_until_the_restart(
    bank_room: BankRoom, bank: BankServer
) -> None:
    await bank_room.bind(SENDER)
    empty = config.load(None, {"server.port": 0, "ops.http": ""}, environment={})
    bank_room.server.app.apply(Reading(empty, Credentials(KEYS, SEED_KEYS, None, {}, API_KEYS)))
    await bank_room.send()


def _rsa_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.DER, pkcs8, serialization.NoEncryption()).hex()


async def test_rsa_keys_work_as_ed25519_ones_do(
    start_with_bank: StartWithBank, make_bank_room: MakeBankRoom, bank: BankServer, bank_books_agree: BankBooksAgree
) -> None:
    bank.keys.bank, bank.keys.merchant = {"b1": _rsa_key()}, {"m1": _rsa_key()}
    room = await make_bank_room(await start_with_bank())
    await room.bind(SENDER, Fault.REPLY_LOST)
    with pytest.raises(RequestRefused):
        await room.send()
    await room.until_ended()
    await room.until_told()
    answers = {row["answer"] for row in bank.books.rows("SELECT answer FROM notices")}
    assert answers == {"200"}
    await bank_books_agree()


def test_config_refuses_keys_that_are_none(bank: BankServer) -> None:
    right = {key.replace("__", "."): value for key, value in bank_config(bank).items()}
    assert config.load(None, right, environment={}).bank.merchant == "hongbao"
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    pkcs8, spki = serialization.PrivateFormat.PKCS8, serialization.PublicFormat.SubjectPublicKeyInfo
    der, plain = serialization.Encoding.DER, serialization.NoEncryption()
    wrong = {
        "bank.keys": {"m1": weak.private_bytes(der, pkcs8, plain).hex()},
        "bank.bank_keys": {"b1": weak.public_key().public_bytes(der, spki).hex()},
        "bank.url": "http://10.0.0.1/",
        "bank.merchant": "",
    }
    for key, value in wrong.items():
        with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
            config.load(None, {**right, key: value}, environment={})
    with pytest.raises(ConfigError, match="must be"):
        config.load(None, {**right, "bank.keys": {"m1": "00"}}, environment={})
    public = public_text(_rsa_key())
    with pytest.raises(ConfigError, match="private key"):
        config.load(None, {**right, "bank.keys": {"m1": public}}, environment={})


async def test_host_wallet_that_is_away_holds_up_no_payment_at_the_bank(
    start_with_bank: StartWithBank,
    make_bank_room: MakeBankRoom,
    bank: BankServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(payments, "BACKOFF_MS", (DAY_MS,))  # no query is one more call without an answer
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        room = await make_bank_room(
            await start_with_bank(
                host_wallet__url=f"http://127.0.0.1:{taken.getsockname()[1]}/wallet",
                host_wallet__keys={"k1": "11" * 32},
                host_wallet__allow_private=("127.0.0.0/8",),
            )
        )
        for number in range(5):
            with pytest.raises(BankUnknown):
                await room.sender.send_packet("lucky", room.group, 300, 3, key=f"h{number}")
        assert room.service.gateways["host"].is_away
        await room.sql.execute("UPDATE payments SET next_try_ms = 0")  # they wait longest, and are asked first
        bank.notices.url = ""
        await room.bind(SENDER, Fault.REPLY_LOST)
        with pytest.raises(RequestRefused):
            await room.send("b")
        ended = await room.until_ended((await room.payment("b"))["number"])
    assert (ended["gateway"], ended["state"]) == ("bank", "succeeded")
    assert await room.sql.fetchval("SELECT count(*) FROM payments WHERE gateway = 'host'") == 5


async def test_bank_that_does_not_respond_is_away_and_new_charges_record_nothing(
    bank_room: BankRoom, bank: BankServer
) -> None:
    token = await bank_room.bind(SENDER)
    await bank.stop()
    for number in range(5):
        order = Order(NUMBER + number, PaymentKind.CHARGE, SENDER, 300, token)
        assert (await bank_room.gateway.charge(order)).verdict is Verdict.UNKNOWN
    assert bank_room.gateway.is_away
    with pytest.raises(RequestRefused) as refused:
        await bank_room.send()
    assert refused.value.reason is Reason.BANK_AWAY
    assert await bank_room.sql.fetchval("SELECT count(*) FROM payments") == 0
