"""The app in Chromium, served by a real server: what people do with red packets, screen by screen."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, expect

from server.http_api.web.invite import InviteClaim, mint
from tests.campaigns.conftest import MakeFestival, make_festival
from tests.cards.conftest import HOLDER, NUMBER, PASSWORD, PHONE, Bank, answer_lost, bank, no_answer
from tests.conftest import DAY_MS, KEYS, PATIENCE_S, Connect, Server, StartServer, Turn
from tests.web.conftest import ALICE, BEN, CLEO, SERVES_APP, Hold, Phone

__all__ = ["bank", "make_festival"]  # fixtures

AMOUNT = re.compile(r"^\d+\.\d\d元$")


async def test_packet_is_sent_opened_and_its_result_grows_on_both_phones(
    server: Server, family: int, hold: Hold
) -> None:
    alice, ben = await hold(server, ALICE), await hold(server, BEN)
    for phone in (alice, ben):
        await phone.tap("一家人")

    await alice.tap("更多功能")
    await alice.tap("红包")
    await alice.type("总金额", "8.88")
    await alice.type("红包个数", "3")
    await alice.type("祝福语", "新年快乐")
    await alice.tap("塞钱进红包")
    await alice.tap("使用零钱支付")
    await expect(alice.page.locator(".panel")).to_have_count(0)  # it does not hide the new card

    await ben.tap("拼手气红包: 新年快乐. 领取红包")
    await ben.tap("拆")
    amount = ben.page.locator(".result-amount")
    await expect(amount).to_have_text(AMOUNT)
    await ben.sees("已存入零钱")
    await ben.sees("领取1/3个")
    await ben.sees("查看我的红包记录")

    await alice.sees("Ben领取了你的红包")
    await alice.tap("拼手气红包: 新年快乐. 领取红包")
    await alice.sees("查看领取详情")
    await alice.tap("拆")
    await alice.sees("已领取2/3个")
    await ben.sees("领取2/3个")  # it grows while the page is open
    cleo = await hold(server, CLEO, "en")
    await cleo.tap("一家人")
    await cleo.tap("Lucky red packet: 新年快乐. Open it")
    await cleo.tap("Open")
    await cleo.sees("3 red packets, gone in", exact=False)
    await ben.sees("手气最佳")
    for phone in (alice, ben, cleo):
        await expect(phone.page.locator(".claim-mark")).to_have_count(1)
        assert phone.complaints == []


async def test_form_converts_between_the_kinds_and_keeps_what_was_typed(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.begin_packet()
    await expect(alice.button("塞钱进红包")).to_be_disabled()
    total = alice.page.get_by_label("总金额", exact=True)
    await expect(total).to_be_focused()
    await alice.page.keyboard.type("12.345x")  # what is no amount is not on the screen either
    await expect(total).to_have_value("12.34")
    await alice.sees("¥12.34")
    await alice.type("总金额", "10")
    await alice.type("红包个数", "3")
    await alice.type("祝福语", "多多益善")
    await alice.tap("改为普通红包")
    await expect(alice.page.get_by_label("单个金额", exact=True)).to_have_value("3.33")
    await alice.sees("¥9.99")  # never more than was typed
    await alice.tap("改为拼手气红包")
    await expect(alice.page.get_by_label("总金额", exact=True)).to_have_value("10.00")
    await alice.tap("改为普通红包")
    await alice.type("单个金额", "2.50")
    await alice.tap("改为拼手气红包")
    await expect(alice.page.get_by_label("总金额", exact=True)).to_have_value("7.50")
    await expect(alice.page.get_by_label("红包个数", exact=True)).to_have_value("3")
    await expect(alice.page.get_by_label("祝福语", exact=True)).to_have_value("多多益善")
    await alice.type("总金额", "700")
    await alice.sees("单个红包金额不可超过200.00元")
    await expect(alice.button("塞钱进红包")).to_be_disabled()
    assert alice.complaints == []


@pytest.mark.long
async def test_tap_on_a_packet_that_is_over_says_so_and_its_sender_sends_an_open_one_again(
    server: Server, family: int, hold: Hold, connect: Connect, turn_clock: Turn
) -> None:
    ben, cleo = await connect(server, BEN), await connect(server, CLEO)
    gone = await ben.send_packet("lucky", family, 200, 2, "一")
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await expect(alice.button("拼手气红包: 一. 领取红包")).to_be_visible()
    for client in (ben, cleo):
        await client.open(gone.packet_id)
    await alice.tap("拼手气红包: 一. 已被领完")
    await alice.sees("手慢了,红包派完了")
    await alice.tap("看看大家的手气")
    await alice.sees("2个红包", exact=False)
    await alice.tap("验证公平")
    await alice.sees("全部吻合")
    await alice.page.go_back()
    await alice.page.go_back()

    mine = await (await connect(server, ALICE)).send_packet("equal", family, 100, 3, "二")
    await alice.tap("普通红包: 二. 领取红包")
    await alice.tap("查看领取详情")
    await alice.tap("继续发送此红包")
    await alice.tap("再次发到原处")
    await alice.sees("已再次发送")
    await alice.page.go_back()
    await expect(alice.button("普通红包: 二. 领取红包")).to_have_count(2)

    turn_clock(DAY_MS)
    await alice.tap("普通红包: 二. 领取红包")
    await alice.sees("该红包已超过24小时")
    await alice.sees("红包已过期，3.00元已退回零钱")
    assert mine.total_fen == 300
    assert alice.complaints == []


@pytest.mark.long
async def test_transfer_goes_to_a_user_who_is_chosen_by_name(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    ben = await connect(server, BEN)
    await ben.say(family, "here")
    alice = await hold(server, ALICE)
    await alice.sees("Ben: here")
    await alice.tap("零钱")
    await alice.tap("转账")
    await alice.page.get_by_label("收款人", exact=True).select_option(label="Ben")
    await alice.type("金额", "7")
    await alice.page.get_by_role("button", name="转账", exact=True).last.click()
    await alice.sees("转账给Ben")
    await alice.tap("使用零钱支付")
    await alice.sees("已转账7.00元给Ben")
    await alice.sees("¥493.00")
    assert (await ben.wallet()).balance_fen == 50_700
    assert alice.complaints == []


@pytest.mark.long
async def test_owner_sees_how_fast_members_grab_and_removes_one(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    alice, ben = await hold(server, ALICE), await hold(server, BEN)
    owner = await connect(server, ALICE)
    sent = await owner.send_packet("lucky", family, 100, 3)
    await (await connect(server, BEN)).open(sent.packet_id)
    async with asyncio.timeout(PATIENCE_S):  # they are recorded once a second
        while not sum(line.grabs for line in (await owner.grab_stats(family)).lines):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await ben.sees("一家人")
    await alice.tap("一家人")
    await alice.tap("更多", exact=True)
    await alice.sees("群成员（3）")
    await alice.tap("谁总是抢第一？")
    await alice.sees("抢1次 · 第一1次", exact=False)
    row = alice.page.locator(".member", has_text="Ben")
    await row.get_by_role("button", name="Ben").click()
    await row.get_by_role("button", name="移出群").click()
    await alice.sees("将Ben移出群？移出后不能再加入。")
    await row.get_by_role("button", name="移出群").click()
    await expect(row).to_have_count(0)
    await expect(ben.page.get_by_text("一家人")).to_have_count(0)
    assert alice.complaints == ben.complaints == []


async def test_card_is_bound_from_the_pay_sheet_and_pays_then_tops_up(
    start_server: StartServer, bank: Bank, connect: Connect, hold: Hold
) -> None:
    server = await start_server(**SERVES_APP, web__card_hint="演示卡号 6212 | demo card 6212")
    backend = await connect(server, 0)
    await backend.put_users({ALICE: "小安", BEN: "Ben"})
    await (await connect(server, ALICE)).open_chat(BEN)
    alice = await hold(server, ALICE)
    await alice.tap("Ben")
    await alice.begin_packet()
    await expect(alice.page.get_by_label("红包个数")).to_have_count(0)  # to one user: amount and greeting
    await alice.type("金额", "6.66")
    await alice.tap("塞钱进红包")
    await alice.sees("零钱不足（剩余0.00元）")
    await alice.page.get_by_role("button", name="添加银行卡").click()
    await alice.sees("演示卡号 6212")  # as the server has it
    await alice.type("卡号", NUMBER[:-1] + "9")
    await alice.tap("下一步")
    await alice.sees("卡号不对，请检查")
    await alice.type("卡号", NUMBER)
    await alice.tap("下一步")
    await alice.type("持卡人姓名", HOLDER)
    await alice.type("银行预留手机号", PHONE)
    await alice.tap("下一步")
    await alice.sees("验证码已发送到", exact=False)
    await alice.type("短信验证码", "000000" if bank.code != "000000" else "111111")
    await alice.sees("以后用零钱支付，也要输入它")
    await alice.type("设置6位支付密码", PASSWORD)
    await alice.type("再次输入", PASSWORD)
    await alice.tap("绑定并支付")
    await alice.sees("验证码不对，还可以试4次")
    await alice.type("短信验证码", bank.code)
    await alice.tap("绑定并支付")
    await expect(alice.button("红包: 恭喜发财,大吉大利. 领取红包")).to_be_visible()
    assert bank.done("charge") == [(666, "succeeded")]
    await alice.page.go_back()
    await _top_up_and_withdraw(alice)
    assert [amount for amount, _ in bank.done("payout")] == [500]
    assert alice.complaints == []


async def _alice_with_a_card(start_server: StartServer, bank: Bank, connect: Connect, hold: Hold) -> Phone:
    """Her phone; she has a card, no money in the wallet, and a chat with Ben."""
    server = await start_server(**SERVES_APP)
    await (await connect(server, 0)).put_users({ALICE: "小安", BEN: "Ben"})
    client = await connect(server, ALICE)
    await client.open_chat(BEN)
    offered = await client.bind_card(NUMBER, HOLDER, PHONE)
    await client.confirm_card(offered.challenge_id, bank.code, PASSWORD)
    return await hold(server, ALICE)


async def _pay_ben(alice: Phone) -> None:
    """6.66 yuan by card, in the chat with him."""
    await alice.begin_packet()
    await alice.type("金额", "6.66")
    await alice.tap("塞钱进红包")
    await alice.page.get_by_label("请输入支付密码", exact=True).click()
    await alice.page.keyboard.type(PASSWORD)


@pytest.mark.long
async def test_payment_that_was_begun_before_a_reload_is_told_after_it(
    start_server: StartServer, bank: Bank, connect: Connect, hold: Hold
) -> None:
    alice = await _alice_with_a_card(start_server, bank, connect, hold)
    bank.faults["charge"], bank.faults["query"] = [answer_lost], [no_answer] * 100
    await alice.tap("Ben")
    await _pay_ben(alice)
    await alice.sees("银行还没有答复", exact=False)
    await alice.page.reload()
    await alice.sees("银行还没有答复", exact=False)  # asked again, without the password
    bank.faults["query"].clear()
    await expect(alice.button("红包: 恭喜发财,大吉大利. 领取红包")).to_have_count(1)
    await expect(alice.page.get_by_role("heading", name="发红包")).to_have_count(0)
    assert bank.done("charge") == [(666, "succeeded")]
    assert alice.complaints == []


async def test_payment_whose_outcome_is_unknown_is_the_same_one_after_the_app_was_loaded_again(
    start_server: StartServer, bank: Bank, connect: Connect, hold: Hold
) -> None:
    """The bank has charged the card, its reply is lost, and the phone has ended the tab."""
    alice = await _alice_with_a_card(start_server, bank, connect, hold)
    bank.faults["charge"], bank.faults["query"] = [answer_lost], [no_answer] * 100
    await alice.tap("Ben")
    await _pay_ben(alice)
    await alice.sees("银行还没有答复", exact=False)
    await alice.start_again()
    bank.faults["query"].clear()
    await alice.tap("Ben")
    await _pay_ben(alice)
    await expect(alice.button("红包: 恭喜发财,大吉大利. 领取红包")).to_have_count(1)
    assert bank.done("charge") == [(666, "succeeded")]
    await _pay_ben(alice)  # another one
    await expect(alice.button("红包: 恭喜发财,大吉大利. 领取红包")).to_have_count(2)
    assert bank.done("charge") == [(666, "succeeded")] * 2
    assert alice.complaints == []


async def _top_up_and_withdraw(alice: Phone) -> None:
    """20.00 yuan from the card and 5.00 back, with a wrong password on the way."""
    await alice.tap("零钱")
    await alice.tap("充值")
    await alice.type("金额", "20")
    await alice.tap("下一步")
    password = alice.page.get_by_label("请输入支付密码", exact=True)
    await expect(password).to_be_focused()  # no tap is needed before the digits
    await alice.page.keyboard.type("135790")
    await alice.sees("支付密码不对，还可以试4次")
    await expect(password).to_have_value("")
    await alice.page.keyboard.type(PASSWORD)
    await alice.sees("¥20.00")
    await alice.tap("提现")
    await alice.type("金额", "20.01")
    await alice.sees("零钱不足（剩余20.00元）")
    await expect(alice.button("下一步")).to_be_disabled()
    await alice.type("金额", "5")
    await alice.tap("下一步")
    await alice.sees("到账银行卡")
    await expect(password).to_be_focused()
    await alice.page.keyboard.type(PASSWORD)
    await alice.sees("¥15.00")
    await alice.tap("零钱明细")
    await alice.sees("余额 15.00元")


@pytest.mark.long
async def test_shake_by_tap_and_space_until_a_win_is_opened(
    server: Server, hold: Hold, make_festival: MakeFestival
) -> None:
    festival = await make_festival(server)
    await festival.campaign(shares=100, per_user_limit=1)
    alice = await hold(server, ALICE)
    await alice.tap("摇一摇 · spring")
    await alice.sees("某超市赞助")
    await alice.sees("至多还剩100个")
    shaker, win = alice.button("摇一摇", exact=True), alice.page.locator(".shake-win")
    await expect(shaker).to_be_enabled()
    for turn in range(60):
        if await win.count():
            break
        if turn % 2:
            await shaker.click()
        else:
            await alice.page.keyboard.press("Space")
        await expect(alice.page.get_by_text(re.compile(f"摇了{turn + 1}次|摇到一个红包")).first).to_be_visible()
        festival.next_second()
    await alice.tap("查看红包", exact=False)
    await expect(alice.page.locator(".result-amount")).to_have_text(AMOUNT)
    await alice.sees("已存入零钱", exact=False)
    assert alice.complaints == []


@pytest.mark.long
async def test_win_is_computed_again_once_the_campaign_is_over(
    server: Server, hold: Hold, connect: Connect, make_festival: MakeFestival
) -> None:
    festival = await make_festival(server)
    campaign_id = await festival.campaign(shares=100, lasts_ms=DAY_MS)
    alice = await hold(server, ALICE)
    await alice.tap("摇一摇 · spring")
    await alice.sees("至多还剩100个")  # the commitment is told, too
    await expect(alice.button("验证公平")).to_have_count(0)
    won = await festival.shake_until(await connect(server, ALICE), campaign_id)
    assert won.win is not None
    festival.ahead(DAY_MS)
    await alice.page.go_back()
    await alice.tap("摇一摇 · spring")
    await alice.tap("验证公平")
    await alice.sees("全部吻合")
    await alice.sees("奖池与公布的规则一致")
    row = alice.page.locator(".shares tbody tr")
    await expect(row).to_have_count(1)
    await expect(row.locator(".fits")).to_have_text(f"{won.win.amount_fen / 100:.2f}元")
    await expect(alice.page.get_by_text("这台设备没有收到承诺", exact=False)).to_have_count(0)
    assert alice.complaints == []


@pytest.mark.long
async def test_invite_lets_each_phone_in_once_and_the_same_phone_again(
    server: Server, family: int, chromium: Browser, connect: Connect
) -> None:
    client = await connect(server, CLEO)
    assert client.hello is not None
    now_s = client.hello.now_ms // 1000
    invite = mint(InviteClaim(ALICE, 2, now_s, now_s + 600), "test", KEYS["test"])
    link = f"{server.app.http_api.url}/app/#invite={invite}&group={family}&lang=en"
    names = []
    for _ in range(2):
        page = await (await chromium.new_context()).new_page()
        for _ in range(2):  # it is scanned twice
            await page.goto("about:blank")
            await page.goto(link)
            await expect(page.get_by_role("heading", name="一家人")).to_be_visible()
        assert "invite" not in page.url
        await page.go_back()
        await page.get_by_role("button", name="Me", exact=True).click()
        names.append(await page.locator(".me p").inner_text())
    assert [name.split()[0] for name in names] == ["小安", "Ben"]
    late = await (await chromium.new_context()).new_page()
    await late.goto(link)
    await expect(late.get_by_text("The invite is used up, or no longer valid")).to_be_visible()


@pytest.mark.long
async def test_card_is_in_step_on_two_devices_of_a_user_also_on_one_that_starts_later(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    await (await connect(server, BEN)).send_packet("lucky", family, 100, 2, "一")
    phone, tablet = (
        await hold(server, ALICE),
        await hold(server, ALICE, "en", viewport={"width": 1000, "height": 800}),
    )
    for device in (phone, tablet):
        await device.tap("一家人")
    await phone.tap("拼手气红包: 一. 领取红包")
    await phone.tap("拆")
    await expect(tablet.button("Lucky red packet: 一. Opened")).to_be_visible()
    later = await hold(server, ALICE)
    await later.tap("一家人")
    await later.tap("拼手气红包: 一. 已领取")
    await expect(later.page.locator(".result-amount")).to_have_text(AMOUNT)


@pytest.mark.long
async def test_packet_is_passed_on_by_a_link_that_a_friend_taps(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    await (await connect(server, ALICE)).send_packet("fission", BEN, 300, 3, "传下去")
    await (await connect(server, BEN)).open_chat(CLEO)
    ben, cleo = await hold(server, BEN), await hold(server, CLEO)
    await ben.tap("红包消息")
    await ben.tap("裂变红包: 传下去. 领取红包")
    await ben.tap("拆")
    await expect(ben.page.locator(".result-amount")).to_have_text(AMOUNT)
    await ben.tap("送给好友")
    await ben.tap("小可")
    await ben.sees("已送出")
    await cleo.tap("Ben")
    await cleo.tap("领取红包", exact=True)
    await cleo.tap("拆")
    await expect(cleo.page.locator(".result-amount")).to_have_text(AMOUNT)
    assert ben.complaints == cleo.complaints == []


@pytest.mark.long
async def test_login_that_was_revoked_ends_the_app_with_a_reason(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    alice = await hold(server, ALICE)
    await alice.sees("一家人")
    await (await connect(server, 0)).revoke_tokens(ALICE)
    await alice.sees("登录已失效，请重新打开链接")


@pytest.mark.long
async def test_keyboard_alone_opens_a_packet_and_leads_back(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    await (await connect(server, BEN)).send_packet("lucky", family, 100, 2, "一")
    alice = await hold(server, ALICE)
    await alice.button("一家人").focus()
    await alice.page.keyboard.press("Enter")
    await expect(alice.page.get_by_role("heading", name="一家人")).to_be_focused()
    card = alice.button("拼手气红包: 一. 领取红包")
    await card.focus()
    await alice.page.keyboard.press("Enter")
    await expect(alice.page.get_by_role("dialog")).to_be_focused()
    for _ in range(5):  # what is below the dialog is out of reach
        await alice.page.keyboard.press("Tab")
        inside = await alice.page.evaluate("document.activeElement.closest('[role=dialog], body').role")
        assert inside in ("dialog", None)
    await alice.page.keyboard.press("Escape")
    await expect(alice.page.get_by_role("dialog")).to_have_count(0)
    await expect(card).to_be_focused()
    await alice.page.keyboard.press("Enter")
    await alice.button("拆").focus()
    await alice.page.keyboard.press("Space")
    await expect(alice.page.locator(".result-amount")).to_have_text(AMOUNT)
