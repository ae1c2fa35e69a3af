"""The page of a packet in a browser at the width of a phone: on slow 3G, in both languages, with hostile texts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, expect

from protocol.messages import TextPosted
from server.http_api.page.shell import shell
from tests.conftest import API_KEYS, DAY_MS, Connect, Server, StartServer, Turn
from tests.http_api.client import Api
from tests.http_api.conftest import ADDRESS, Dial
from tests.http_api.test_packets import SEND, family, lucky
from tests.ops.dashboard.browser import browser, installed_or_skip, open_page
from tests.ops.dashboard.test_page import BEYOND, CONTRAST, LEAST_CONTRAST
from tests.services.test_membership import first_push
from tests.services.test_outbox import posted

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
SLOW_3G = {"offline": False, "latency": 2_000, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
NO_LIMIT = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
APP = "window.told = []; window.hongbao = { postMessage: (text) => told.push(JSON.parse(text)) };"
MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>&amp;'
LONG_NAME = "W" * 64


class Phone:
    """A WebView of an app, 390 px wide, with all that it asked for and complained about."""

    def __init__(self, page: Page, network: CDPSession) -> None:
        self.page = page
        self._network = network
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def network(self, **conditions: Any) -> None:
        """The network is like this from now on."""
        await self._network.send("Network.emulateNetworkConditions", {**NO_LIMIT, **conditions})

    async def show(self, url: str) -> None:
        """Open a link as an app does, in a new document."""
        await self.page.goto("about:blank")
        self.asked.clear()
        await self.page.goto(url)

    async def told(self) -> Any:
        """What the page told the app."""
        return await self.page.evaluate("told")

    async def shows(self, **texts: str | re.Pattern[str]) -> None:
        """These parts have these texts at last, and the page is as it should be."""
        for part, text in texts.items():
            await expect(self.page.locator(f"#{part}")).to_have_text(text)
        assert await self.page.evaluate(BEYOND) == []
        assert await self.page.evaluate("document.documentElement.scrollWidth") == 390
        assert await self.page.evaluate(LEAST_CONTRAST) >= CONTRAST

    async def does_not_show(self, *parts: str) -> None:
        """These parts are hidden."""
        for part in parts:
            await expect(self.page.locator(f"#{part}")).to_be_hidden()


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    async with browser(installed_or_skip()) as chromium:
        page = await open_page(chromium, 390, 844)
        await page.add_init_script(APP)
        yield Phone(page, await page.context.new_cdp_session(page))


async def send(api: Api, key: str, **changes: Any) -> str:
    """A packet of user 1 to the family."""
    packet_id: str = (await api.ok("POST", SEND, {**lucky(1), **changes}, key=key))["packet_id"]
    return packet_id


async def link(api: Api, packet_id: str, user_id: int, language: str) -> str:
    """The url of a page, asked for with a Bearer key, which no clock makes invalid."""
    bearer = {"Authorization": f"Bearer api.{API_KEYS['api'].hex()}", "Content-Type": "application/json"}
    body = f'{{"user_id": "{user_id}", "language": "{language}"}}'.encode()
    answer = await api.send("POST", f"{SEND}/{packet_id}/page-link", body, bearer)
    assert answer.status == 200, answer
    return str(answer.json["url"])


@pytest.mark.long
async def test_page_on_slow_3g_has_its_card_before_it_asks_and_is_kept_for_the_next_packet(
    start_server: StartServer, dial: Dial, phone: Phone
) -> None:
    api = await dial(await start_server(http_api__address=ADDRESS))
    await family(api, 1, 2)
    await api.ok("PUT", "/v1/users/1", {"name": "小安"})
    packets = [await send(api, f"p{number}", shares=2, greeting=f"第{number}个") for number in range(3)]
    urls = [await link(api, packet_id, 2, "zh") for packet_id in packets]
    await phone.network(**SLOW_3G)
    await phone.show(urls[0])
    await phone.shows(sender="小安", greeting="第0个", open="拆")
    assert phone.asked == [f"GET {urls[0].partition('#')[0]}"]
    await phone.page.click("#open")
    await expect(phone.page.locator("#open")).to_be_disabled()
    assert await phone.page.eval_on_selector("#open", "(coin) => getComputedStyle(coin).animationName") == "turn"
    await phone.shows(amount=re.compile(r"^\d+\.\d\d元$"), summary="领取1/2个", records="查看我的红包记录")
    await phone.does_not_show("open", "line", "send_again")
    assert phone.asked[1:] == [f"POST {api.url}/c/open?language=zh"]
    [claim] = (await api.ok("GET", f"{SEND}/{packets[0]}/claims"))["claims"]
    await phone.page.click("#records")
    assert await phone.told() == [
        {"hongbao": "opened", "packet_id": packets[0], "answer": "won", "amount_fen": claim["amount_fen"]},
        {"hongbao": "records", "packet_id": packets[0]},
    ]

    await phone.network(offline=True)  # the shell is in the cache, and an open goes on when the network is back
    await phone.show(urls[1])
    await phone.shows(greeting="第1个", open="拆")
    async with phone.page.expect_event("requestfailed"):
        await phone.page.click("#open")
    await phone.network()
    await phone.shows(amount=re.compile("元$"))
    await phone.page.goto(urls[2])  # another fragment alone: browsers load nothing by themselves
    await phone.shows(greeting="第2个", open="拆")
    assert {one for one in phone.complaints if "ERR_INTERNET_DISCONNECTED" not in one} == set()


async def test_page_shows_whose_turn_it_is(server: Server, dial: Dial, phone: Phone, sql: Any) -> None:
    api = await dial(server)
    await family(api, 1, 2, 3)
    await api.ok("PUT", "/v1/groups/family/relay", {"times": 1})
    await api.ok("PUT", "/v1/users/2", {"name": "Ben"})
    packet_id = await send(api, "relay", shares=1)
    await api.ok("POST", f"{SEND}/{packet_id}/open", {"user_id": "2"})
    await posted(sql)
    await phone.show(await link(api, packet_id, 2, "zh"))
    await phone.shows(turn="接龙：轮到你发下一个红包，10.00元")
    await phone.show(await link(api, packet_id, 3, "en"))
    await phone.page.click("#link")
    await phone.shows(turn="Ben · Best luck sends on: the next red packet is to be 10.00 yuan")


async def test_page_tells_every_end_and_shows_hostile_texts_as_text(
    start_server: StartServer, dial: Dial, phone: Phone, turn_clock: Turn
) -> None:
    server = await start_server(http_api__address=ADDRESS, limits__requests_per_s=0.5, limits__requests_burst=10.0)
    api = await dial(server)
    await family(api, 1, 2, 3, 4)
    await api.ok("PUT", "/v1/users/1", {"name": MARKUP[:64]})
    await api.ok("PUT", "/v1/users/3", {"name": LONG_NAME})
    hostile = await send(api, "hostile", greeting=MARKUP, shares=1)
    open_one, expired = await send(api, "open", shares=3), await send(api, "expired")
    mine = await link(api, hostile, 3, "en")

    await phone.show(mine)
    await phone.shows(sender=MARKUP[:64], greeting=MARKUP, open="Open")
    while (await api("POST", f"{SEND}/{open_one}/open", {"user_id": "3"})).status == 200:
        pass  # user 3 asks too often
    async with phone.page.expect_response(lambda response: response.status == 429):
        await phone.page.click("#open")
    await phone.shows(
        amount="10.00 yuan", summary=re.compile("^1 red packet, gone in"), lines=re.compile(LONG_NAME)
    )
    assert await phone.page.locator("main img, main script").count() == 0

    await phone.show(await link(api, hostile, 3, "en"))  # claimed: straight to the result
    await phone.shows(amount="10.00 yuan", send="Send a red packet")
    await phone.does_not_show("turn")
    await phone.show(await link(api, hostile, 4, "zh"))
    await phone.shows(line="手慢了,红包派完了", link="看看大家的手气")
    await phone.page.click("#link")
    await phone.shows(summary=re.compile("^1个红包,.*被抢光$"), lines=re.compile(LONG_NAME))
    await phone.does_not_show("amount", "open")

    genuine = await link(api, open_one, 2, "en")
    await phone.show(genuine.replace(f"{open_one}.2.", f"{open_one}.4."))
    await phone.page.click("#open")
    await phone.shows(line=re.compile("^链接已失效.*\n?This link is no longer valid"))
    await phone.does_not_show("open")
    assert await phone.told() == [{"hongbao": "bad_link", "packet_id": open_one}]
    await phone.show(f"{api.url}/c/{shell().name}")
    await phone.shows(line=re.compile("^链接已失效"))

    await phone.show(genuine)
    turn_clock(DAY_MS)
    await phone.page.click("#open")
    await phone.shows(line=re.compile("This link is no longer valid"))
    await phone.show(await link(api, expired, 2, "en"))
    await phone.shows(line="This red packet is more than 24 hours old")
    await phone.does_not_show("open", "link", "amount")
    assert {one for one in phone.complaints if "Failed to load resource" not in one} == set()


@pytest.mark.parametrize(
    ("language", "wrong", "spent"),
    [
        ("zh", "口令不对，还可以试1次", "试错太多次，不能再试了"),
        ("en", "Those are not the words: 1 attempt left", "Too many wrong words: no more attempts"),
    ],
)
async def test_words_are_typed_on_the_page_and_said_in_the_chat(
    start_server: StartServer, dial: Dial, phone: Phone, connect: Connect, language: str, wrong: str, spent: str
) -> None:
    server = await start_server(http_api__address=ADDRESS, limits__words_attempts_max=2)
    api = await dial(server)
    await family(api, 1, 2, 3)
    guest = await connect(server, 3)
    packet_id = await send(api, "words", kind="password", words="芝麻开门", shares=2)
    await phone.show(await link(api, packet_id, 2, language))
    await expect(phone.page.locator("#said")).to_be_visible()
    await phone.does_not_show("open")
    await phone.page.click("#say")  # nothing is typed: nothing is asked
    await phone.page.fill("#said", "sesame")
    await phone.page.press("#said", "Enter")
    await phone.shows(line=wrong)
    await expect(phone.page.locator("#said")).to_have_value("")
    await phone.page.fill("#said", " 芝麻开门 ")
    await phone.page.click("#say")
    await phone.shows(amount=re.compile(r"^\d+\.\d\d"))
    await phone.does_not_show("open", "words", "line")
    assert phone.asked[1:] == [f"POST {api.url}/c/say?language={language}"] * 2
    assert (await first_push(guest, TextPosted)).text == "芝麻开门"
    [told] = await phone.told()
    assert (told["hongbao"], told["answer"], told["packet_id"]) == ("opened", "won", packet_id)

    await phone.show(await link(api, packet_id, 2, language))  # claimed: straight to the result
    await phone.shows(amount=re.compile(r"^\d+\.\d\d"))
    await phone.does_not_show("words")
    await phone.show(await link(api, packet_id, 3, language))
    for line in (wrong, spent):
        await phone.page.fill("#said", "open")
        await phone.page.click("#say")
        await phone.shows(line=line)
    await phone.does_not_show("words", "open")
    assert {one for one in phone.complaints if "Failed to load resource" not in one} == set()


async def test_reply_to_words_that_is_lost_is_not_asked_for_again(
    start_server: StartServer, dial: Dial, phone: Phone
) -> None:
    api = await dial(await start_server(http_api__address=ADDRESS))
    await family(api, 1, 2)
    packet_id = await send(api, "words", kind="password", words="芝麻开门", shares=2)
    await phone.show(await link(api, packet_id, 2, "zh"))
    await phone.network(offline=True)
    await phone.page.fill("#said", "芝麻开门")
    await phone.page.click("#say")
    await phone.shows(line="暂时没有结果，请稍后再试")
    await expect(phone.page.locator("#said")).to_be_visible()
    assert len(phone.asked) == 2
    await phone.network()
    await phone.page.fill("#said", "芝麻开门")
    await phone.page.click("#say")
    await phone.shows(amount=re.compile(r"^\d+\.\d\d元$"))
