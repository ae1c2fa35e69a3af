"""Cards at the simulated bank, over its sockets: users bind, pay, top up, withdraw; no secret stays anywhere."""

from __future__ import annotations

import asyncio
import gc
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from client_sim.bank.faults import HARMLESS, Fault, FaultPlan, card_number
from client_sim.bank.server import BankServer
from client_sim.sdk import BankDeclined, BankUnknown, CodeWrong, Refusal
from client_sim.sdk.client import Client
from protocol import messages
from protocol.money_unit import YUAN
from server import logs
from server.core.payments import ENDED
from server.ops.metrics import Metrics
from tests.bank.conftest import (
    BankBooksAgree,
    StartWithBank,
    bank,
    bank_books_agree,
    bank_config,
    service_of,
    start_with_bank,
)
from tests.cards.conftest import PASSWORD, Sql
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, Turn

__all__ = ["bank", "bank_books_agree", "start_with_bank"]
NUMBER, HOLDER, PHONE = card_number(), "欧阳娜娜", "13877776666"
SECRET = "135246"


class User:
    """A user at a server with a bank."""

    def __init__(self, server: Server, bank: BankServer, client: Client, sql: Sql) -> None:
        self.server, self.bank, self.client, self.sql = server, bank, client, sql
        self.group = 0
        self.backend = client

    def code(self, phone: str = PHONE) -> str:
        """The newest code at a phone."""
        found = re.search(r"\d{6}", self.bank.books.inbox(phone)[-1])
        assert found is not None
        return found[0]

    async def bound(self, fault: Fault = Fault.NONE, password: str = PASSWORD) -> int:
        """A card with a fault; its id."""
        offered = await self.client.bind_card(card_number(fault), HOLDER, PHONE)
        return (await self.client.confirm_card(offered.challenge_id, self.code(), password)).card_id

    async def until_ended(self) -> list[asyncpg.Record]:
        """All payments, once they have ended."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                rows = await self.sql.fetch("SELECT * FROM payments ORDER BY number")
                if all(row["state"] in ENDED for row in rows):
                    return rows
                await self.sql.execute("UPDATE payments SET next_try_ms = 0 WHERE state = 'unknown'")
                service_of(self.server).look()
                await asyncio.sleep(0.02)


@pytest.fixture
async def user(start_with_bank: StartWithBank, bank: BankServer, connect: Connect, sql: Sql) -> User:
    """A user with 500.00 yuan, and another one in the same group."""
    server = await start_with_bank()
    backend = await connect(server, 0)
    await backend.top_up(1, 50_000)
    made = User(server, bank, await connect(server, 1), sql)
    made.backend = backend
    made.group = await made.client.create_group("group")
    other = await connect(server, 2)
    await other.join_group(made.group, await made.client.invite(made.group))
    return made


async def test_user_binds_pays_tops_up_and_withdraws_and_both_books_agree(
    user: User, bank_books_agree: BankBooksAgree
) -> None:
    card = await user.bound()
    sent = await user.client.send_packet("lucky", user.group, 700, 2, card_id=card, password=PASSWORD)
    assert sent.total_fen == 700
    assert (await user.client.top_up_by_card(card, 900, PASSWORD)).state == "succeeded"
    assert (await user.client.withdraw_to_card(card, 400, PASSWORD)).state == "succeeded"
    assert await user.client.balance() == 50_500
    assert [(row["kind"], row["state"]) for row in await user.until_ended()] == [
        ("charge", "succeeded"),
        ("charge", "succeeded"),
        ("payout", "succeeded"),
    ]
    await bank_books_agree()


async def test_card_that_the_bank_refuses_is_not_bound_and_says_why(user: User) -> None:
    with pytest.raises(BankDeclined, match="blocked"):
        await user.client.bind_card(card_number(Fault.CARD_REFUSED), HOLDER, PHONE)
    await user.bound()
    with pytest.raises(BankDeclined, match="do not fit"):
        await user.client.bind_card(NUMBER, HOLDER, "13800000000")


async def test_message_that_never_arrives_can_be_sent_again_and_the_old_code_is_void(
    user: User, bank: BankServer, turn_clock: Turn
) -> None:
    offered = await user.client.bind_card(card_number(Fault.SMS_LOST), HOLDER, PHONE)
    assert bank.books.inbox(PHONE) == []
    texts = [row["text"] for row in bank.books.rows("SELECT text FROM messages")]
    assert len(texts) == 1
    with pytest.raises(CodeWrong):
        await user.client.confirm_card(offered.challenge_id, "x", PASSWORD)
    turn_clock(60_000)
    await user.client.send_code_again(offered.challenge_id)
    texts = [row["text"] for row in bank.books.rows("SELECT text FROM messages ORDER BY at_s")]
    assert len(texts) == 2
    code = re.search(r"\d{6}", texts[-1])
    assert code is not None
    await user.client.confirm_card(offered.challenge_id, code[0], PASSWORD)


@pytest.mark.parametrize(
    "fault",
    [Fault.REPLY_LOST, Fault.ERROR_AFTER_COMMIT, Fault.UNKNOWN_CODE, Fault.NOTICE_FIRST, Fault.NOTICE_TWICE],
)
async def test_top_up_and_withdrawal_with_a_fault_move_money_once(
    user: User, fault: Fault, bank_books_agree: BankBooksAgree
) -> None:
    card = await user.bound(fault)
    with suppress(BankUnknown):
        await user.client.top_up_by_card(card, 900, PASSWORD, key="in")
    await user.client.withdraw_to_card(card, 400, PASSWORD, key="out")
    rows = await user.until_ended()
    assert [row["state"] for row in rows] == ["succeeded", "succeeded"]
    assert (await user.client.top_up_by_card(card, 900, key="in")).state == "succeeded"
    assert (await user.client.withdraw_to_card(card, 400, key="out")).state == "succeeded"
    assert await user.client.balance() == 50_500
    await bank_books_agree()


@pytest.mark.parametrize("fault", [Fault.NONE, *HARMLESS])
async def test_card_refund_with_this_fault_ends_once_as_the_bank_has_it(
    user: User, bank: BankServer, fault: Fault, bank_books_agree: BankBooksAgree
) -> None:
    card = await user.bound()
    charge = (await user.client.top_up_by_card(card, 900, PASSWORD)).payment_id
    bank.use(FaultPlan(share=1.0, faults=[fault]))
    with suppress(BankDeclined):
        await user.backend.refund_to_card(charge, 400, key="back")
    bank.use(FaultPlan())
    rows = await user.until_ended()
    is_paid = fault is not Fault.PROCESSING_FAILED
    assert [(row["kind"], row["state"]) for row in rows] == [
        ("charge", "succeeded"),
        ("refund", "succeeded" if is_paid else "failed"),
    ]
    drawn = "none" if fault is Fault.CALL_LOST else fault  # the call that arrived is the second one
    assert [row["fault"] for row in bank.books.rows("SELECT fault FROM orders ORDER BY rowid")] == ["none", drawn]
    assert await user.client.balance() == 50_900 - (400 if is_paid else 0)
    await bank_books_agree()


async def test_card_refund_at_a_bank_that_has_taken_the_charge_back_comes_back(
    user: User, bank: BankServer
) -> None:
    """A chargeback: the card has the money already, and would have it twice."""
    card = await user.bound()
    charge = (await user.client.top_up_by_card(card, 900, PASSWORD)).payment_id
    with bank.books.transaction():
        assert bank.orders.reverse(str(charge), bank.now_s())
    with pytest.raises(BankDeclined, match="no such charge"):
        await user.backend.refund_to_card(charge, 900)
    assert await user.client.balance() == 50_900
    assert bank.books.discrepancies() == []


async def test_withdrawal_that_fails_late_comes_back(user: User, bank_books_agree: BankBooksAgree) -> None:
    card = await user.bound(Fault.PROCESSING_FAILED)
    asked = await user.client.withdraw_to_card(card, 400, PASSWORD, key="out")
    assert asked.state in ("unknown", "submitted")
    await user.until_ended()
    with pytest.raises(BankDeclined):
        await user.client.withdraw_to_card(card, 400, key="out")
    assert await user.client.balance() == 50_000
    await bank_books_agree()


async def test_payments_of_a_seeded_plan_of_faults_agree_in_both_books(
    user: User, bank: BankServer, bank_books_agree: BankBooksAgree
) -> None:
    card = await user.bound()
    charges = [(await user.client.top_up_by_card(card, 100, PASSWORD)).payment_id for _ in range(4)]
    bank.use(FaultPlan(seed=20, share=0.5))

    async def one(n: int) -> None:
        with suppress(Refusal):
            if n % 4 == 3:
                await user.backend.refund_to_card(charges[n % 3], 30, key=f"r{n}")
            elif n % 2:
                await user.client.withdraw_to_card(card, 100 + n, PASSWORD, key=f"w{n}")
            else:
                await user.client.top_up_by_card(card, 100 + n, PASSWORD, key=f"t{n}")

    for first in range(0, 24, 4):
        await asyncio.gather(*(one(n) for n in range(first, first + 4)))
        bank_away = service_of(user.server).gateways["bank"]
        async with asyncio.timeout(PATIENCE_S):
            while bank_away.is_away:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    bank.use(FaultPlan())
    rows = await user.until_ended()
    assert {row["kind"] for row in rows} == {"charge", "payout", "refund"}
    assert len({row["fault"] for row in bank.books.rows("SELECT fault FROM orders")}) > 4
    await bank_books_agree()


async def test_both_servers_killed_in_the_middle_lose_and_double_nothing(
    start_with_bank: StartWithBank,
    bank: BankServer,
    connect: Connect,
    sql: Sql,
    bank_books_agree: BankBooksAgree,
) -> None:
    first = await start_with_bank(server__node=1)
    await (await connect(first, 0)).top_up(1, 50_000)
    user = User(first, bank, await connect(first, 1), sql)
    card = await user.bound()
    asking = [asyncio.create_task(user.client.withdraw_to_card(card, 100, PASSWORD, key=f"w{n}")) for n in range(4)]
    asking += [asyncio.create_task(user.client.top_up_by_card(card, 100, PASSWORD, key=f"t{n}")) for n in range(4)]
    async with asyncio.timeout(PATIENCE_S):
        while not await sql.fetchval("SELECT count(*) FROM payments"):  # noqa: ASYNC110
            await asyncio.sleep(0)
    await first.kill()
    await user.client.close()
    await asyncio.gather(*asking, return_exceptions=True)
    second = await start_with_bank(server__node=2)
    user = User(second, bank, await connect(second, 1), sql)
    await sql.execute("UPDATE payments SET next_try_ms = 0")
    for n in range(4):
        await user.client.withdraw_to_card(card, 100, PASSWORD, key=f"w{n}")
    for n in range(4):
        with suppress(BankUnknown):
            await user.client.top_up_by_card(card, 100, PASSWORD, key=f"t{n}")
    await user.until_ended()
    assert await sql.fetchval("SELECT count(*) FROM payments") == 8
    await bank_books_agree()


# --- what is secret -------------------------------------------------------------------------------------------


def contents(folder: Path) -> str:
    """All that is in the files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return "\n".join(path.read_bytes().decode("latin-1") for path in files)


async def dumped(sql: Sql) -> str:
    """All that is in the database."""
    tables = await sql.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    lines = []
    for table in tables:
        lines += [row[0] for row in await sql.fetch(f"SELECT t::text FROM {table[0]} t")]
    return "\n".join(lines)


@pytest.fixture
def configured_logs(request: pytest.FixtureRequest) -> None:
    """The logs as a server has them, at debug, in this form."""
    logs.configure("debug", request.param)


@pytest.mark.parametrize("configured_logs", ["json", "text"], indirect=True)
async def test_number_is_nowhere_and_names_phones_codes_and_passwords_are_sealed(
    configured_logs: None,
    start_with_bank: StartWithBank,
    bank: BankServer,
    connect: Connect,
    sql: Sql,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = await start_with_bank(log__level="debug")
    await (await connect(server, 0)).top_up(1, 50_000)
    user = User(server, bank, await connect(server, 1), sql)
    codes = []
    with pytest.raises(Refusal):
        await user.client.bind_card(NUMBER + "1", HOLDER, PHONE)
    with pytest.raises(BankDeclined):
        await user.client.bind_card(card_number(Fault.CARD_REFUSED), HOLDER, PHONE)
    offered = await user.client.bind_card(NUMBER, HOLDER, PHONE)
    codes.append(user.code())
    with pytest.raises(CodeWrong):
        await user.client.confirm_card(offered.challenge_id, "x", SECRET)
    card = (await user.client.confirm_card(offered.challenge_id, codes[0], SECRET)).card_id
    token = bank.books.row("SELECT token FROM bindings WHERE state = 'bound'")
    assert token is not None
    await user.client.top_up_by_card(card, 300, SECRET)
    with pytest.raises(Refusal):
        await user.client.top_up_by_card(card, 300, "111111")
    await user.client.withdraw_to_card(card, 200, SECRET)

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(server.app.services.cards.service, "_store", type("Broken", (), {"bound": broken})())
    offer = user.client.bind_card(card_number(Fault.NONE, 2), HOLDER, PHONE)
    with pytest.raises(Refusal, match="internal"):
        await offer
    sampler = server.app.operations.sampler
    shown = repr(sampler.now()) + Metrics(sampler, "0", YUAN).text().decode()
    out, err = capfd.readouterr()
    texts = {
        "logs": out + err,
        "database": await dumped(sql),
        "metrics": shown,
        "files": contents(tmp_path),
    }
    assert "request_failed" in texts["logs"]
    assert str(offered.challenge_id) in texts["database"]  # the dump is one
    secrets = [NUMBER, NUMBER[:-4], card_number(Fault.NONE, 2), HOLDER, PHONE, *codes, SECRET, token["token"]]
    found = [(place, secret) for place, text in texts.items() for secret in secrets if secret in text]
    assert found == []


def held_with(secret: str) -> int:
    """In how many places of objects in memory a text or bytes with a secret are."""
    gc.collect()
    asked, places = secret.encode(), 0
    for kept in gc.get_objects():
        for one in gc.get_referents(kept):
            text = one.encode("utf-8", "replace") if isinstance(one, str) else one
            places += isinstance(text, (bytes, bytearray)) and asked in text
    return places


async def test_number_is_in_no_object_after_the_call_whatever_the_bank_says(
    start_with_bank: StartWithBank, bank: BankServer, connect: Connect, sql: Sql
) -> None:
    """Server and client are in this process; the bank's book is a database."""
    server = await start_with_bank()
    user = User(server, bank, await connect(server, 1), sql)
    offered = await user.client.bind_card(card_number(Fault.NONE, 71), HOLDER, PHONE)
    await user.client.confirm_card(offered.challenge_id, user.code(), SECRET)
    with pytest.raises(BankDeclined):
        await user.client.bind_card(card_number(Fault.CARD_REFUSED, 72), HOLDER, PHONE)
    await bank.stop()
    with suppress(Refusal):
        await user.client.bind_card(card_number(Fault.NONE, 73), HOLDER, PHONE)
    await asyncio.sleep(0)  # the loop holds the last reply while it is in this turn
    places = (Fault.NONE, 71), (Fault.CARD_REFUSED, 72), (Fault.NONE, 73)
    assert [held_with(card_number(*place)) for place in places] == [0, 0, 0]
    kept = [card_number(Fault.NONE, 74)]
    assert held_with(kept[0]) > 0  # what is held is found


def test_no_message_shows_what_is_secret_in_it() -> None:
    secret = "6222021234567890128"
    shown = [
        messages.BindCard(1, secret, secret, secret),
        messages.ConfirmCard(1, 2, secret, secret),
        messages.UnbindCard(1, 2, secret),
        messages.SetPassword(1, secret, secret),
        messages.ResetPassword(1, 2, secret, secret),
        messages.TopUpByCard(1, "k", 2, 3, secret),
        messages.WithdrawToCard(1, "k", 2, 3, secret),
        messages.Transfer(1, "k", 2, 3, "t", secret),
        messages.SendPacket(1, "k", "lucky", 2, 3, 4, "g", b"", 5, secret),
    ]
    assert [one for one in shown if secret in f"{one} {one!r}"] == []


async def test_config_of_a_server_with_a_bank_starts_without_a_bank_that_answers(
    start_server: StartServer, bank: BankServer, connect: Connect
) -> None:
    config: dict[str, Any] = bank_config(bank)
    await bank.stop()
    server = await start_server(**config)
    client = await connect(server, 1)
    with pytest.raises(Refusal, match="bank_away"):
        await client.bind_card(NUMBER, HOLDER, PHONE)
    assert (await client.cards()).cards == []
