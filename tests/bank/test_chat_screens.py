"""The screens of the terminal client with a bank: wallet, send form, pay sheet, and binding a card from there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from client_sim.bank.books import CARD_FEN, account_of
from client_sim.bank.faults import Fault, card_number
from client_sim.bank.server import BankServer
from client_sim.chat.app import ChatApp
from client_sim.chat.screens import dialog
from client_sim.chat.screens.bind_sheet import BindSheet, is_card_number
from client_sim.chat.screens.cards_page import CardsPage, UnbindSheet
from client_sim.chat.screens.password_sheet import PasswordSheet
from client_sim.chat.screens.pay_sheet import PaySheet
from client_sim.chat.screens.send_form import SendForm
from client_sim.chat.screens.sheet import Sheet
from client_sim.chat.screens.wallet import WalletScreen
from client_sim.chat.screens.widgets import Field
from client_sim.chat.session import Start
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from server import app as server_app
from tests.bank.conftest import StartWithBank
from tests.bank.talker import HOLDER, PASSWORD, PHONE
from tests.bank.test_chat_transcripts import ME, NEW, NUMBER, OTHER, WRONG, make_group
from tests.conftest import Connect, Server, StartServer, Turn, token
from tests.points import POINTS_CONFIG, yuan_in
from tests.server.test_chat import chat
from tests.server.test_chat_pages import see, shown
from tests.terminal import PATIENCE_S, Terminal


@pytest.fixture(autouse=True)
def no_read_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys work as soon as a page appears."""
    monkeypatch.setattr(dialog, "READ_PAUSE_S", 0.0)


@pytest.fixture(autouse=True)
def patient_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal because a busy machine gave a store no time for two seconds would be for the user to repeat."""
    monkeypatch.setattr(server_app, "STORE_TIMEOUT_S", PATIENCE_S)


@pytest.fixture
async def server(start_with_bank: StartWithBank) -> Server:
    """A server with a bank, which is as patient with the bank."""
    return await start_with_bank(bank__timeout_s=PATIENCE_S)


@asynccontextmanager
async def running(server: Server, group_id: int, language: str = "zh") -> AsyncIterator[tuple[ChatApp, Pilot[int]]]:
    """The app of this user in a group."""
    async with asyncio.timeout(2 * PATIENCE_S), Client(server.url, token(user_id_of(ME))) as client:
        app = ChatApp(client, Start(ME, group_id, language))
        async with app.run_test(size=(90, 30), notifications=True) as pilot:
            await app.session.is_ready.wait()
            yield app, pilot


async def on(app: ChatApp, pilot: Pilot[int], page: type) -> None:
    """Wait until a page is on top and takes keys: it has drawn itself, and no request of its own is under way."""
    while not (type(app.screen) is page and app.screen.is_mounted and takes_keys(app)):
        await pilot.pause(0.05)


def takes_keys(app: ChatApp) -> bool:
    """A sheet that makes a request ignores Enter, and a page without a focus loses letters."""
    page = app.screen
    if not isinstance(page, Sheet):
        return page.focused is not None
    has_fields = any(all(part.display for part in one.ancestors_with_self) for one in page.query(Field))
    return not page.is_busy and (page.focused is not None or not has_fields)


async def fill(app: ChatApp, pilot: Pilot[int], **values: str) -> None:
    """Type into fields of the page on top, then press Enter in the last one."""
    for name, value in values.items():
        field = app.screen.query_one(f"#{name}", Field)
        field.focus()
        field.value = value
    while not (app.screen.focused is field and takes_keys(app)):
        await pilot.pause(0.05)
    await pilot.press("enter")


async def bind(app: ChatApp, pilot: Pilot[int], bank: BankServer, number: str = NUMBER) -> None:
    """The three steps of the sheet on top, with a first card."""
    await on(app, pilot, BindSheet)
    await fill(app, pilot, number=number)
    await see(app, pilot, "获取验证码")
    await fill(app, pilot, holder=HOLDER, phone=PHONE)
    await see(app, pilot, "138****1234")
    found = re.search(r"\d{6}", bank.books.inbox(PHONE)[-1])
    assert found is not None
    await fill(app, pilot, code=found[0], password=PASSWORD, again=PASSWORD)


async def test_send_form_with_a_short_wallet_binds_a_card_and_sends_what_was_typed(
    server: Server, bank: BankServer, connect: Connect
) -> None:
    group_id = await make_group(server, connect)
    async with running(server, group_id) as (app, pilot):
        await pilot.press("f2")
        await see(app, pilot, "使用零钱支付", "总金额")
        await fill(app, pilot, shares="2", greeting="新年快乐", amount="3")
        await see(app, pilot, "绑定后支付3.00元", "卡号")
        await fill(app, pilot, number=f"{NUMBER[:-1]}{(int(NUMBER[-1]) + 1) % 10}")
        await see(app, pilot, "卡号不对")
        await bind(app, pilot, bank)
        await on(app, pilot, Screen)
        await see(app, pilot, "新年快乐", "未领取", "零钱 0.00元")
        payer = app.session.desk.payer
        assert payer is not None
        assert [one.last4 for one in payer.cards] == [NUMBER[-4:]]
    assert bank.books.fen(account_of(NUMBER)) == CARD_FEN - 300


@pytest.mark.long
async def test_pay_sheet_says_each_refusal_and_keeps_the_packet_until_it_is_paid(
    server: Server, bank: BankServer, connect: Connect
) -> None:
    group_id = await make_group(server, connect)
    empty = card_number(Fault.NO_MONEY)
    async with running(server, group_id) as (app, pilot):
        await pilot.press(*"/bind", "enter")
        await bind(app, pilot, bank, empty)
        await on(app, pilot, Screen)  # in the sheet F2 would ask for another code
        await (await connect(server, 0)).top_up(user_id_of(ME), 1_000)
        await see(app, pilot, "零钱 10.00元")
        await pilot.press("f2")
        await on(app, pilot, SendForm)
        await fill(app, pilot, shares="2", amount="3")
        await on(app, pilot, PaySheet)
        await see(app, pilot, "● 零钱（10.00元）", f"○ 测试银行（{empty[-4:]}）", "○ 添加银行卡", "支付密码")
        await pilot.press("enter")
        await see(app, pilot, "请输入6位支付密码")
        await pilot.press(*WRONG)
        await see(app, pilot, "••••••")
        assert WRONG not in shown(app)
        await pilot.press("enter")
        await see(app, pilot, "支付密码不对，还可以试4次", absent="••••••")
        await pilot.press("down", *PASSWORD, "enter")
        await see(app, pilot, "被银行或钱包拒绝：insufficient funds")
        await pilot.press("escape")
        await on(app, pilot, SendForm)
        assert app.screen.query_one("#amount", Field).value == "3"  # what was typed is there
        await pilot.press("enter")
        await on(app, pilot, PaySheet)
        await pilot.press(*PASSWORD, "enter")
        await on(app, pilot, Screen)
        await see(app, pilot, "未领取", "零钱 7.00元")


@pytest.mark.long
async def test_forgotten_password_is_reset_from_the_pay_sheet(
    server: Server, bank: BankServer, connect: Connect, turn_clock: Turn
) -> None:
    group_id = await make_group(server, connect)
    async with running(server, group_id) as (app, pilot):
        await pilot.press(*"/bind", "enter")
        await bind(app, pilot, bank)
        await on(app, pilot, Screen)
        turn_clock(61_000)
        await pilot.press(*"/send 3 2", "enter")
        await on(app, pilot, PaySheet)
        await see(app, pilot, "忘记密码")
        await pilot.press("f3")
        await on(app, pilot, PasswordSheet)
        await see(app, pilot, "138****1234")
        found = re.search(r"\d{6}", bank.books.inbox(PHONE)[-1])
        assert found is not None
        await fill(app, pilot, code=found[0], password=NEW, again=NEW)
        await on(app, pilot, PaySheet)
        await fill(app, pilot, password=NEW)
        await on(app, pilot, Screen)
        await see(app, pilot, "未领取")


@pytest.mark.long
async def test_wallet_screen_tops_up_by_card_and_sends_to_a_receiver_that_it_asks_for(
    server: Server, bank: BankServer, connect: Connect
) -> None:
    group_id = await make_group(server, connect)
    async with running(server, group_id) as (app, pilot):
        await pilot.press("f4")
        await on(app, pilot, WalletScreen)
        await see(app, pilot, "发红包", "转账", "充值", "提现", "绑定银行卡", "红包记录", "零钱明细")
        await pilot.press("down", "down", "enter")
        await see(app, pilot, "金额")
        await fill(app, pilot, amount="50")
        await bind(app, pilot, bank)
        await on(app, pilot, WalletScreen)
        await see(app, pilot, "银行卡（1张）")
        assert app.session.model.balance_fen == 5_000
        await pilot.press("up", "up", "enter")
        await on(app, pilot, SendForm)
        await see(app, pilot, "收款人或群", "个人红包", absent="红包个数")
        app.screen.query_one("#receiver", Field).value = "一家人"
        await see(app, pilot, "拼手气", "红包个数")
        app.screen.query_one("#receiver", Field).value = OTHER
        await see(app, pilot, "个人红包", absent="红包个数")
        await fill(app, pilot, greeting="爱你", amount="5.20")
        await on(app, pilot, PaySheet)
        await pilot.press(*PASSWORD, "enter")
        await on(app, pilot, WalletScreen)
        await see(app, pilot, "44.80")
    other = await connect(server, user_id_of(OTHER))
    assert (await other.records("received")).count == 0  # it waits to be opened


async def test_send_form_in_a_one_to_one_chat_has_amount_and_greeting_only(
    server: Server, bank: BankServer, connect: Connect
) -> None:
    group_id = await make_group(server, connect)
    await (await connect(server, 0)).top_up(user_id_of(ME), 1_000)
    async with running(server, group_id) as (app, pilot):
        await pilot.press(*f"/chat {OTHER}", "enter")
        while not app.session.model.current.is_one_to_one:
            await pilot.pause(0.05)
        await pilot.press("f2")
        await see(app, pilot, "金额", "祝福语", absent="红包个数")
        await pilot.press("f2")  # there is no other kind
        await fill(app, pilot, greeting="爱你", amount="5.20")
        await see(app, pilot, "爱你", "等待领取", "零钱 4.80元")


@pytest.mark.long
async def test_note_of_a_result_page_leads_to_the_wallet(
    server: Server, bank: BankServer, connect: Connect
) -> None:
    group_id = await make_group(server, connect)
    other = await connect(server, user_id_of(OTHER))
    await (await connect(server, 0)).top_up(user_id_of(OTHER), 1_000)
    async with running(server, group_id) as (app, pilot):
        packet_id = (await other.send_packet("equal", group_id, 100, 2)).packet_id
        await app.session.client.open(packet_id)
        await app.pages.show_result(packet_id)
        await see(app, pilot, "存入零钱", "W", "零钱")
        await pilot.press("w")
        await on(app, pilot, WalletScreen)


@pytest.mark.long
async def test_cards_page_unbinds_with_the_password(server: Server, bank: BankServer, connect: Connect) -> None:
    group_id = await make_group(server, connect)
    async with running(server, group_id) as (app, pilot):
        await pilot.press(*"/cards", "enter")
        await see(app, pilot, "还没有银行卡")
        await on(app, pilot, CardsPage)
        await pilot.press("enter")
        await bind(app, pilot, bank)
        await on(app, pilot, CardsPage)
        await see(app, pilot, f"测试银行（{NUMBER[-4:]}）", "**明", "138****1234")
        await pilot.press("u")
        await see(app, pilot, "解绑测试银行")
        await on(app, pilot, UnbindSheet)
        await pilot.press(*WRONG, "enter")
        await see(app, pilot, "支付密码不对，还可以试4次")
        await fill(app, pilot, password=PASSWORD)
        await see(app, pilot, "还没有银行卡")


@pytest.mark.parametrize("config", [{}, POINTS_CONFIG], ids=["yuan", "points"])
async def test_server_without_a_bank_shows_no_cards_and_no_withdrawal(
    start_server: StartServer, connect: Connect, config: dict[str, object]
) -> None:
    server = await start_server(**config)
    group_id = await make_group(server, connect)
    async with running(server, group_id) as (app, pilot):
        await pilot.press("f4")
        await see(app, pilot, "发红包", "红包记录", "零钱明细")
        assert not {word for word in ("提现", "充值", "银行卡") if word in shown(app)}
        assert not config or yuan_in(shown(app)) == []
        await pilot.press("escape")
        await on(app, pilot, Screen)
        await pilot.press("f2")
        await see(app, pilot, "总金额", absent="使用零钱支付")
        await pilot.press("escape")
        await on(app, pilot, Screen)
        await pilot.press(*"/bind", "enter")
        await see(app, pilot, "这里没有银行卡服务")


@pytest.mark.long
async def test_real_terminal_binds_a_card_from_the_send_form_in_english(
    server: Server, bank: BankServer, connect: Connect
) -> None:
    group_id = await make_group(server, connect)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online", "wallet ¥0.00", "F4")
        screen.type("/send 3 2 luck")
        await screen.see("then pays ¥3.00", "card number")
        await asyncio.sleep(1.0)  # longer than a new page ignores letters
        screen.type(NUMBER)
        await screen.see("holder's name")
        screen.press(HOLDER, "down")  # letters sent right after Enter may still go into the field that it leaves
        screen.type(PHONE)
        await screen.see("a code was sent to 138****1234", "new password")
        found = re.search(r"\d{6}", bank.books.inbox(PHONE)[-1])
        assert found is not None
        screen.press(found[0], "down", PASSWORD, "down", PASSWORD)
        await screen.until(lambda: screen.text.count("••••••") == 2, "no two passwords")
        screen.press("enter")
        await screen.see("luck", "not opened yet", "wallet ¥0.00")
        assert NUMBER not in screen.text


@pytest.mark.parametrize(
    ("text", "is_number"),
    [
        (NUMBER, True),
        ("4111 1111 1111 1111", True),
        ("4111-1111-1111-1112", False),
        ("4111", False),
        ("", False),
        ("٤١١١١١١١١١١١١١١١", False),
    ],
)
def test_card_number_is_checked_before_it_is_sent(text: str, is_number: bool) -> None:
    assert is_card_number(text) is is_number
