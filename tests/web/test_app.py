"""The app in Chromium, served by a real server: what people do with red packets, screen by screen."""

from __future__ import annotations

import re

from playwright.async_api import expect

from tests.conftest import Server
from tests.web.conftest import ALICE, BEN, CLEO, Hold

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
