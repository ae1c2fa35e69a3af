"""`hongbao bank` as a process: what it prints is a config, its books outlive a kill, its admin page is for here."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from client_sim.bank.books import CARD_FEN, BankBooks, account_of
from client_sim.bank.faults import CODES, Fault, card_number, fault_of_card
from client_sim.bank.server import BankServer
from server import config
from server.clock import Clock
from server.core.payments import Order, PaymentKind, Verdict
from server.gateways.bank.gateway import BankGateway, gateway_of
from server.gateways.port import CardAsk, GatewayAway
from tests.conftest import PATIENCE_S
from tests.ops.dashboard.browser import browser, installed_or_skip, open_page

NUMBER = 1 << 60
NO_NOTICES = ("--http-api", "")


class BankProcess:
    """A bank that runs as a process on a folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.text = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *words: str) -> None:
        """Start it and read what it prints, up to the list of cards."""
        line = [sys.executable, "-m", "server.cli", "bank", "--data", str(self.data), "--port", "0", *words]
        self._process = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            self.text = (await self._process.stdout.readuntil(Fault.CARD_REFUSED.value.encode())).decode()

    async def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it; its exit code."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            return await self._process.wait()

    @property
    def url(self) -> str:
        return re.findall(r"at (http://\S+);", self.text)[0]

    def gateway(self) -> BankGateway:
        """A gateway that is made from what the bank printed."""
        (lines,) = re.findall(r"^\[bank\]$.*?(?=^$)", self.text, re.MULTILINE | re.DOTALL)
        section = tomllib.loads(lines)["bank"]
        values = {
            f"bank.{key}": tuple(value) if isinstance(value, list) else value for key, value in section.items()
        }
        return gateway_of(config.load(None, values, environment={}), Clock())


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[BankProcess]:
    bank = BankProcess(tmp_path / "bank")
    yield bank
    await bank.end()


async def bound(gateway: BankGateway, fault: Fault = Fault.NONE) -> str:
    """The token of a card."""
    ask = CardAsk(f"r-{fault}", card_number(fault), "张三", "13800000001")
    return await gateway.confirm((await gateway.bind(ask)).binding)


async def test_printed_section_works_and_orders_outlive_a_kill(process: BankProcess) -> None:
    await process.start(*NO_NOTICES)
    gateway = process.gateway()
    order = Order(NUMBER, PaymentKind.CHARGE, 1, 300, await bound(gateway, Fault.REPLY_LOST))
    assert (await gateway.charge(order)).verdict is Verdict.UNKNOWN
    await gateway.close()
    await process.end(signal.SIGKILL)
    await process.start(*NO_NOTICES)
    gateway = process.gateway()  # with the keys of before
    assert (await gateway.query(order)).verdict is Verdict.SUCCEEDED
    assert (await gateway.charge(order)).verdict is Verdict.SUCCEEDED
    await gateway.close()
    assert await process.end(signal.SIGTERM) == 0
    books = BankBooks(process.data / "bank.db")
    assert books.fen(account_of(card_number(Fault.REPLY_LOST))) == CARD_FEN - 300
    assert books.discrepancies() == []
    assert [row["number"] for row in books.rows("SELECT number FROM notices WHERE due_s IS NOT NULL")] == [
        str(NUMBER)
    ]
    books.close()
    assert (process.data / "keys.toml").stat().st_mode & 0o077 == 0


async def test_new_keys_leave_the_ones_before_valid(process: BankProcess) -> None:
    await process.start(*NO_NOTICES)
    before = process.gateway()
    await process.end(signal.SIGINT)
    await process.start(*NO_NOTICES, "--new-keys")
    assert re.findall(r'keys = {m1 = "\w{64}", m2 = "\w{64}"}', process.text)
    before._calls._url = process.url  # only the port has changed
    gateway = process.gateway()
    assert await bound(gateway)
    with pytest.raises(GatewayAway, match="unknown key"):  # it takes the call, and its reply has the new key
        await bound(before)
    await before.close()
    await gateway.close()


async def test_each_test_card_has_its_fault_and_a_right_check_digit(process: BankProcess) -> None:
    await process.start(*NO_NOTICES)
    printed = dict(re.findall(r"^  (\d{16})  (\w+)$", process.text + "\n", re.MULTILINE))
    assert printed == {card_number(fault): fault.value for fault in CODES.values()}
    assert all(fault_of_card(number) == fault for number, fault in printed.items())
    wrong = [number[:-1] + str((int(number[-1]) + 1) % 10) for number in printed]
    assert {fault_of_card(number) for number in wrong} == {None}


# --- the admin page -----------------------------------------------------------------------------------------------


async def _get(url: str, **headers: str) -> tuple[int, str, Any]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        return response.status, await response.text(), response.headers


async def _do(url: str, content_type: str = "application/json", **asked: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + "/admin/do", data=as_json(asked), headers={"Content-Type": content_type}) as response,
    ):
        return response.status, (await response.json() if response.content_type == "application/json" else None)


def as_json(asked: dict[str, Any]) -> bytes:
    return json.dumps(asked).encode()


async def test_admin_page_shows_the_journal_and_the_texts_and_changes_the_plan(bank_with_pages: BankServer) -> None:
    bank = bank_with_pages
    with bank.books.transaction():
        binding, _ = bank.books.offer("r1", card_number(), "张三", "13800000001")
        token = bank.books.confirm(binding)
        bank.books.send("s1", token, "验证码 123456", bank.now_s())
        bank.orders.do("7", "charge", token, 300, bank.now_s())
        bank.books.note(bank.now_s(), "/pay", "7", "succeeded ")
    status, state, _ = await _get(bank.url + "/admin/state")
    assert status == 200
    shown = json.loads(state)
    assert (shown["messages"][0]["text"], shown["journal"][0]["what"]) == ("验证码 123456", "/pay")
    assert (shown["wrong"], shown["orders"][0]["number"]) == ([], "7")
    assert await _do(bank.url, action="plan", seed=5, share=0.5, bill_share=0.25) == (200, {"done": True})
    assert (bank.orders.plan.seed, bank.orders.plan.share, bank.bills.plan.bill_share) == (5, 0.5, 0.25)
    assert await _do(bank.url, action="reverse", number="7") == (200, {"done": True})
    assert await _do(bank.url, action="reverse", number="7") == (200, {"done": False})
    assert await _do(bank.url, action="notice_url", to="http://x/") == (200, {"done": True})
    assert bank.notices.url == "http://x/"
    for wrong in ({"action": "none"}, {"action": "bill", "day": "yesterday", "fault": "late"}, {"action": "plan"}):
        assert (await _do(bank.url, **wrong))[0] == 400


async def test_admin_page_gives_the_statement_of_a_day_as_two_files(bank_with_pages: BankServer) -> None:
    bank, day = bank_with_pages, "2026-11-01"
    assert (await _do(bank.url, action="bill", day=day, fault="late")) == (200, {"done": True})
    assert (await _do(bank.url, action="ahead", seconds=0)) == (200, {"done": True})
    status, text, _ = await _get(f"{bank.url}/admin/bills/{day}.csv")
    assert (status, text) == (200, "line,bank_ref,number,kind,account,amount_fen,state,at\n")
    status, text, _ = await _get(f"{bank.url}/admin/bills/{day}.csv.sig")
    assert status == 200
    assert '"issue": 1' in text
    assert (await _get(f"{bank.url}/admin/bills/2999-01-01.csv"))[0] == 404


async def test_admin_page_is_for_this_machine_and_for_no_other_page(bank_with_pages: BankServer) -> None:
    bank = bank_with_pages
    assert (await _get(bank.url + "/admin", Host="bank.example"))[0] == 403
    assert (await _do(bank.url, "text/plain", action="ahead", seconds=5))[0] == 404
    assert bank.ahead_s == 0
    status, page, headers = await _get(bank.url + "/admin")
    assert status == 200
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Content-Security-Policy"].count("sha256-") == 2
    assert "http://" not in page
    assert (await _get(bank.url + "/nothing"))[0] == 404


async def test_admin_page_draws_itself_in_both_languages(bank_with_pages: BankServer) -> None:
    bank = bank_with_pages
    with bank.books.transaction():
        binding, _ = bank.books.offer("r1", card_number(), "张三", "13800000001")
        bank.books.send("s1", binding, "<b>123456</b>", bank.now_s())
    async with browser(installed_or_skip()) as running:
        page = await open_page(running, 1_000, 800)
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        await page.goto(bank.url + "/admin")
        await page.get_by_text("<b>123456</b>").wait_for()
        await page.get_by_text("the books are right").wait_for()
        await page.locator("#language").click()
        await page.get_by_text("账簿平衡").wait_for()
        await page.locator("#rest input[name=ahead]").fill("60")
        await page.locator("#rest button").click()
        async with asyncio.timeout(PATIENCE_S):
            while bank.ahead_s != 60:  # noqa: ASYNC110  the page sets no event
                await asyncio.sleep(0.01)
        assert told == []


async def test_call_without_a_signature_or_with_a_used_nonce_is_refused(bank: BankServer) -> None:
    body = as_json({"merchant": "hongbao", "number": "7", "kind": "charge"})
    mine = type(bank.keys)(bank.keys.merchant, {})  # what signs as the merchant
    headers = mine.signed_headers("POST", "/query", int(bank.now_s()), "ab" * 16, body)
    other = as_json({"merchant": "other", "number": "7", "kind": "charge"})
    other_headers = mine.signed_headers("POST", "/query", int(bank.now_s()), "cd" * 16, other)
    async with aiohttp.ClientSession() as session:

        async def post(data: bytes, with_headers: dict[str, str]) -> int:
            async with session.post(bank.url + "/query", data=data, headers=with_headers) as response:
                return response.status

        statuses = [await post(body, {}), await post(body, headers), await post(body, headers)]
        assert statuses == [401, 200, 401]
        assert await post(other, other_headers) == 401
        assert await post(body, {**headers, "Bank-Time": str(int(bank.now_s()) - 301)}) == 401
