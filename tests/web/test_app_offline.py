"""The app in bad times: half an hour in the background, no network, a lost connection, a slow one."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.conftest import PATIENCE_S, Connect, Server, StartServer
from tests.http_api.test_page_in_browser import SLOW_3G
from tests.web.conftest import ALICE, BEN, CLEO, SERVES_APP, Hold

HALF_AN_HOUR_MS = 30 * 60_000
HISTORY = 1_000
DRAWN_MAX = 60  # messages in the document
ROWS = """
[...document.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row.querySelector(".bubble").innerText])
"""
BUBBLES = "[...document.querySelectorAll('.bubble')].map((one) => one.textContent)"


async def all_texts(page: Page) -> list[str]:
    """All messages of a chat in their order, looked at from the end to the beginning."""
    found: dict[int, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while 1 not in found:
            found.update({int(key): text for key, text in await page.evaluate(ROWS)})
            await page.locator(".long-list").evaluate("(list) => list.scrollBy(0, -600)")
            await page.wait_for_timeout(20)
    assert sorted(found) == list(range(1, len(found) + 1))
    return [found[number] for number in sorted(found)]


@pytest.mark.long
async def test_after_half_an_hour_in_the_background_nothing_is_missing_and_nothing_twice(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    ben = await connect(server, BEN)
    alice = await hold(server, ALICE, start=False)
    await alice.page.clock.install()
    await alice.start()
    await alice.tap("一家人")
    await ben.say(family, "before")
    await alice.sees("before")

    # timers sleep in the background, and the socket dies without a word
    await alice.page.clock.pause_at(await alice.page.evaluate("Date.now()") + 1_000)
    await alice.page.evaluate("""
        Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
        window.sockets.forEach((socket) => { socket.onmessage = null; socket.onclose = null; });
    """)
    texts = [f"missed {number}" for number in range(250)]  # more than one page
    for text in texts:
        await ben.say(family, text)
        await asyncio.sleep(0.051)  # the limit of requests
    await alice.page.clock.resume()
    await alice.page.clock.fast_forward(HALF_AN_HOUR_MS)
    await alice.page.evaluate("""
        Object.defineProperty(document, "visibilityState", { value: "visible", configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    """)
    await alice.sees("missed 249")
    assert await all_texts(alice.page) == ["before", *texts]
    assert await alice.page.evaluate("window.sockets.length") == 2
    assert alice.complaints == []


@pytest.mark.long
async def test_without_a_network_the_app_starts_with_what_it_had_and_goes_on_when_there_is_one(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    ben = await connect(server, BEN)
    await ben.say(family, "kept")
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.sees("kept")
    await alice.page.evaluate("navigator.serviceWorker.ready")
    context = alice.page.context
    await context.set_offline(True)
    await alice.start_again()
    await alice.sees("网络不可用，正在重新连接…")
    await alice.tap("一家人")
    await alice.sees("kept")
    await expect(alice.page.locator(".chat .offline")).to_have_text("网络不可用，正在重新连接…")  # in a chat, too
    await ben.say(family, "later")
    await context.set_offline(False)
    await alice.sees("later")
    await expect(alice.page.locator(".offline")).to_have_count(0)
    await expect(alice.page.locator(".bubble")).to_have_text(["kept", "later"])


async def test_posts_that_came_while_the_app_ran_are_there_again_after_a_restart(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    ben, cleo = await connect(server, BEN), await connect(server, CLEO)
    chat = (await cleo.open_chat(ALICE)).stream_id
    await ben.say(family, "before")
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.sees("before")
    await cleo.say(chat, "hello")
    await ben.say(family, "live")
    await alice.sees("live")
    for name, texts in (("一家人", ["before", "live"]), ("小可", ["hello"]), ("一家人", ["before", "live"])):
        await alice.start_again()
        await alice.tap(name)
        await expect(alice.page.locator(".bubble")).to_have_text(texts)
    assert alice.complaints == []


@pytest.mark.long
async def test_text_that_was_not_sent_is_there_again_also_after_a_restart(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.page.get_by_label("发消息").fill("我晚点到")
    await alice.page.go_back()
    await alice.sees("[草稿] 我晚点到", exact=False)
    await alice.start_again()
    await alice.sees("[草稿] 我晚点到", exact=False)
    await alice.tap("一家人")
    await expect(alice.page.get_by_label("发消息")).to_have_value("我晚点到")
    await alice.tap("发送")
    await alice.sees("我晚点到", exact=True)
    await alice.page.go_back()
    await expect(alice.page.get_by_text("[草稿]")).to_have_count(0)
    assert alice.complaints == []


async def test_open_whose_reply_is_lost_shows_the_share_after_the_reconnect(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    sent = await (await connect(server, BEN)).send_packet("lucky", family, 100, 1, "一")
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.tap("拼手气红包: 一. 领取红包")
    await alice.page.evaluate("window.loseNextReply()")
    await alice.tap("拆")
    await expect(alice.page.locator(".result-amount")).to_have_text("1.00元")
    assert (await (await connect(server, ALICE)).open(sent.packet_id)).answer == "claimed"


@pytest.mark.long
async def test_long_history_is_drawn_where_it_is_looked_at(
    start_server: StartServer, hold: Hold, connect: Connect
) -> None:
    server = await start_server(**SERVES_APP, limits__requests_per_s=5_000.0, limits__requests_burst=5_000.0)
    ben = await connect(server, BEN)
    group = await ben.create_group("long")
    await (await connect(server, ALICE)).join_group(group, await ben.invite(group))
    alice = await hold(server, ALICE)
    await alice.tap("long")
    for first in range(0, HISTORY, 50):
        await asyncio.gather(*(ben.say(group, f"line {number}") for number in range(first, first + 50)))
    await alice.sees(f"line {HISTORY - 1}", exact=True)
    assert len(await alice.page.evaluate(BUBBLES)) <= DRAWN_MAX
    box = alice.page.locator(".long-list")
    async with asyncio.timeout(PATIENCE_S):
        while not await alice.page.get_by_text("line 0", exact=True).count():
            await box.evaluate("(list) => list.scrollBy(0, -2000)")
            await alice.page.wait_for_timeout(20)
    assert len(await alice.page.evaluate(BUBBLES)) <= DRAWN_MAX
    await ben.say(group, "new")
    await alice.tap(re.compile("1条新消息"))
    await alice.sees("new", exact=True)


@pytest.mark.long
async def test_page_on_slow_3g_shows_its_frame_while_it_connects(server: Server, family: int, hold: Hold) -> None:
    alice = await hold(server, ALICE, start=False)
    network = await alice.page.context.new_cdp_session(alice.page)
    await network.send("Network.enable")
    await network.send("Network.emulateNetworkConditions", SLOW_3G)
    await alice.start()
    await alice.sees("一家人")
    assert alice.complaints == []


@pytest.mark.long
async def test_text_that_has_arrived_although_its_reply_was_lost_is_not_left_to_be_said_twice(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    field = alice.page.get_by_label("发消息")
    await field.fill("只说一次")
    await alice.page.evaluate("loseNextReply()")
    await alice.tap("发送")
    await alice.sees("连接断了，请再试")
    await expect(alice.page.locator(".bubble")).to_have_text(["只说一次"])  # caught up with the new connection
    await expect(field).to_have_value("")
