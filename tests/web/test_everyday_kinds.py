"""Packets for named members, packets with words, packets that are posted later: sent and opened on phones."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from playwright.async_api import expect

from tests.conftest import Connect, Server, Turn
from tests.web.conftest import ALICE, BEN, CLEO, Hold, Phone

pytestmark = pytest.mark.long
AMOUNT = re.compile(r"^\d+\.\d\d元$")
HOUR_MS = 3_600_000


async def form(phone: Phone) -> None:
    """The send form in the chat of the family."""
    await phone.tap("一家人")
    await phone.begin_packet()


async def pay(phone: Phone) -> None:
    """From the wallet."""
    await phone.tap("塞钱进红包")
    await phone.tap("使用零钱支付")
    await expect(phone.page.get_by_role("heading", name="发红包")).to_have_count(0)


async def choose_kind(phone: Phone, name: str) -> None:
    """A kind of packet in the form."""
    await phone.page.get_by_role("radio", name=name).click()


async def test_packet_for_named_members_is_opened_by_them_alone(server: Server, family: int, hold: Hold) -> None:
    alice, ben, cleo = [await hold(server, user_id) for user_id in (ALICE, BEN, CLEO)]
    await form(alice)
    await alice.type("总金额", "6")
    await alice.type("红包个数", "3")
    await alice.type("祝福语", "辛苦了")
    await choose_kind(alice, "专属红包")
    await alice.tap("发给谁")
    await alice.page.get_by_role("checkbox", name="Ben").click()
    await expect(alice.page.get_by_role("checkbox", name="小安")).to_have_count(0)  # not oneself
    await alice.tap("确定（1人）")
    await expect(alice.page.get_by_label("单个金额", exact=True)).to_have_value("6.00")
    await choose_kind(alice, "群红包")  # and back: nothing that was typed is lost
    await expect(alice.page.get_by_label("总金额", exact=True)).to_have_value("6.00")
    await expect(alice.page.get_by_label("红包个数", exact=True)).to_have_value("3")
    await choose_kind(alice, "专属红包")
    await alice.type("单个金额", "2")
    await pay(alice)
    await expect(alice.button("专属红包 · 给Ben: 辛苦了. 领取红包")).to_be_visible()

    await cleo.tap("一家人")
    await cleo.tap("专属红包 · 给Ben: 辛苦了. 给别人的")
    await cleo.sees("这是专属红包", exact=False)
    await expect(cleo.page.locator(".open-names")).to_have_text("Ben")
    await expect(cleo.button("拆")).to_have_count(0)

    await ben.tap("一家人")
    await ben.tap("专属红包 · 给你: 辛苦了. 领取红包")
    await ben.tap("拆")
    await expect(ben.page.locator(".result-amount")).to_have_text("2.00元")
    await alice.sees("Ben领取了你的红包")
    assert alice.complaints == ben.complaints == cleo.complaints == []


async def test_packet_with_words_is_opened_by_saying_them(server: Server, family: int, hold: Hold) -> None:
    alice, ben = await hold(server, ALICE), await hold(server, BEN)
    await form(alice)
    await choose_kind(alice, "口令红包")
    await alice.type("总金额", "3")
    await alice.type("红包个数", "2")
    await expect(alice.button("塞钱进红包")).to_be_disabled()  # there are no words yet
    await alice.type("口令", "芝麻开门")
    await alice.sees("别忘了把它告诉大家", exact=False)
    await pay(alice)
    await alice.start_again()  # its sender can look the words up, also later
    await alice.tap("一家人")
    await alice.tap("口令“芝麻开门”，仅你可见: 恭喜发财,大吉大利. 领取红包")
    await expect(alice.page.get_by_label("输入口令")).to_have_value("芝麻开门")
    await alice.page.keyboard.press("Escape")

    await ben.tap("一家人")
    await ben.tap("口令红包: 恭喜发财,大吉大利. 领取红包")
    await expect(ben.button("拆")).to_have_count(0)
    await ben.type("输入口令", "芝麻关门")
    await ben.tap("说出口令")
    await ben.sees("口令不对，还可以试4次")
    await expect(ben.page.get_by_label("输入口令")).to_have_value("芝麻关门")  # to be typed again
    await ben.type("输入口令", " 芝麻开门")
    await ben.tap("说出口令")
    await expect(ben.page.locator(".result-amount")).to_have_text(AMOUNT)  # it is opened with the words
    await alice.sees("芝麻开门", exact=True)
    assert alice.complaints == ben.complaints == []


async def test_packet_for_later_is_cancelled_or_posted_at_its_time(
    server: Server, family: int, hold: Hold, connect: Connect, turn_clock: Turn
) -> None:
    alice, ben = await hold(server, ALICE), await hold(server, BEN)
    now_ms = (await connect(server, ALICE)).hello.now_ms  # type: ignore[union-attr]
    in_an_hour = datetime.fromtimestamp((now_ms + HOUR_MS) / 1000).strftime("%Y-%m-%dT%H:%M")
    for greeting in ("不发了", "晚点见"):
        await form(alice)
        await alice.type("总金额", "5")
        await alice.type("红包个数", "1")
        await alice.type("祝福语", greeting)
        await alice.type("发出时间", "2020-01-01T00:00")
        await alice.sees("要晚于现在，最多提前30天")
        await alice.type("发出时间", in_an_hour)
        await pay(alice)
        await alice.page.go_back()
    await alice.tap("零钱")
    await alice.sees("¥490.00")
    await alice.tap("定时红包")
    row = alice.page.locator(".record", has_text="不发了")
    await row.get_by_role("button", name="取消发送").click()
    await row.get_by_role("button", name="再按一次，取消并退款").click()
    await alice.sees("已取消，5.00元已退回零钱")
    await expect(alice.page.locator(".record")).to_have_count(1)
    await alice.page.go_back()
    await alice.sees("¥495.00")

    await ben.tap("一家人")
    await expect(ben.page.locator(".packet-card")).to_have_count(0)
    turn_clock(HOUR_MS)
    await expect(ben.button("拼手气红包: 晚点见. 领取红包")).to_be_visible()
    await expect(ben.page.locator(".packet-card")).to_have_count(1)
    assert alice.complaints == ben.complaints == []


async def test_list_of_packets_for_later_says_whom_they_are_for(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    client = await connect(server, ALICE)
    send_at_ms = client.hello.now_ms + HOUR_MS  # type: ignore[union-attr]
    await client.send_packet("exclusive", family, 100, 1, "夜宵", for_user_ids=(BEN,), send_at_ms=send_at_ms)
    [line] = await client.scheduled()
    assert line.for_user_ids == [BEN]
    alice = await hold(server, ALICE)
    await alice.tap("零钱")
    await alice.tap("定时红包")
    await expect(alice.page.locator(".record-title")).to_have_text("专属红包 · 一家人 · 给Ben")
    assert alice.complaints == []
