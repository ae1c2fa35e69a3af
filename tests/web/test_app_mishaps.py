"""The app where something goes wrong around it: cut links, clocks, storage, pages that were left, histories."""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.campaigns.conftest import MakeFestival, make_festival
from tests.conftest import DAY_MS, PATIENCE_S, Connect, Server, StartServer
from tests.web.conftest import ALICE, BEN, CLEO, SERVES_APP, Hold

__all__ = ["make_festival"]  # a fixture

REFUSED_STORAGE = """
Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError"); } });
"""
FAST = {"limits__requests_per_s": 5_000.0, "limits__requests_burst": 5_000.0}


async def test_link_that_was_cut_is_not_kept_and_the_whole_one_lets_in_on_the_same_page(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE, start=False)
    url, _, rest = alice.link.partition("#")
    cut = f"{url}#lang=zh&{rest.partition('&')[0][:-9]}"
    await alice.page.goto(cut)
    await alice.sees("请从聊天后台给你的链接打开这一页")
    await alice.page.goto(alice.link)  # only its fragment differs
    await alice.sees("一家人")
    assert "token" not in alice.page.url
    await alice.page.goto(cut)
    await alice.sees("请从聊天后台给你的链接打开这一页")
    await alice.page.goto(alice.page.url)
    await alice.sees("一家人")
    assert alice.complaints == []


@pytest.mark.long
async def test_nothing_flickers_for_those_who_want_less_motion(server: Server, family: int, hold: Hold) -> None:
    """A motion without an end would only become faster."""
    alice = await hold(server, ALICE, reduced_motion="reduce")
    await alice.sees("一家人")
    found = await alice.page.evaluate("""() => {
      const names = ["ghosts", "panel-button bright", "panel-icon", "open-card turning", "coin"];
      const [ghosts, button, icon, card, coin] = names.map((name) => {
        const made = document.createElement("p");
        made.className = name;
        return made;
      });
      button.append(icon);
      card.append(coin);
      document.body.append(ghosts, button, card);
      return [ghosts, icon, coin].map((one) => {
        const { animationDuration, animationIterationCount } = getComputedStyle(one);
        return [animationDuration, animationIterationCount];
      });
    }""")
    assert found == [["0.01s", "1"], ["0.01s", "1"], ["0.8s", "infinite"]]


@pytest.mark.long
async def test_browser_that_refuses_storage_shows_the_app(server: Server, family: int, hold: Hold) -> None:
    alice = await hold(server, ALICE, start=False)
    await alice.page.add_init_script(REFUSED_STORAGE)
    await alice.start()
    await alice.tap("一家人")
    await alice.type("发消息", "here")
    await alice.tap("发送")
    await alice.sees("here", exact=True)
    assert alice.complaints == []


@pytest.mark.long
async def test_name_that_has_changed_and_texts_that_were_not_read_are_there_after_a_restart(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    ben, backend = await connect(server, BEN), await connect(server, 0)
    alice = await hold(server, ALICE)
    await alice.sees("一家人")
    await ben.say(family, "one")
    await alice.sees("Ben: one")
    await expect(alice.page.locator(".badge")).to_have_text("11条未读")
    await backend.put_users({BEN: "Benny"})
    await alice.page.reload()
    await alice.sees("Benny: one")
    await expect(alice.page.locator(".badge")).to_have_text("11条未读")


@pytest.mark.long
async def test_packet_is_open_by_the_time_of_the_server_not_by_the_clock_of_the_phone(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    ben = await connect(server, BEN)
    await ben.send_packet("lucky", family, 100, 1, "一")
    alice = await hold(server, ALICE, start=False)
    await alice.page.clock.install(time=time.time() + 2 * DAY_MS / 1000)
    await alice.start()
    await alice.tap("一家人")
    await expect(alice.button("拼手气红包: 一. 领取红包")).to_be_visible()
    await ben.send_packet("lucky", family, 100, 1, "二")
    await alice.tap("拼手气红包: 二. 领取红包")
    await alice.tap("拆")
    await expect(alice.page.locator(".result-amount")).to_have_text("1.00元")


async def test_payment_that_ends_after_its_sheet_was_left_closes_no_other_page(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.begin_packet()
    await alice.type("总金额", "3")
    await alice.type("红包个数", "2")
    await alice.tap("塞钱进红包")
    await expect(alice.button("使用零钱支付")).to_be_visible()
    await alice.page.evaluate("holdBack()")
    await alice.tap("使用零钱支付")
    for _ in range(3):  # the sheet, the form, the chat
        await alice.page.keyboard.press("Escape")
    await expect(alice.page.locator(".layer")).to_have_count(0)
    await alice.tap("我")
    await alice.page.locator("summary", has_text="名字").click()
    await alice.type("名字", "安安")
    await alice.page.evaluate("letCome()")
    await expect(alice.page.locator(".chat-preview")).to_have_text("[红包] 恭喜发财,大吉大利")
    await expect(alice.page.get_by_label("名字", exact=True)).to_have_value("安安")
    assert alice.complaints == []


@pytest.mark.long
async def test_share_whose_reply_was_lost_does_not_arrive_twice(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    await (await connect(server, BEN)).send_packet("lucky", family, 100, 1, "一")
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.tap("拼手气红包: 一. 领取红包")
    await alice.page.evaluate("loseNextReply()")
    await alice.tap("拆")
    await alice.sees("已存入零钱", exact=False)
    await alice.page.evaluate("holdBack()")  # what the page knows by itself
    await alice.tap("已存入零钱", exact=False)
    await expect(alice.page.locator(".purse-amount")).to_have_text("¥501.00")
    await expect(alice.page.locator(".purse-arriving")).to_have_text("")


@pytest.mark.long
async def test_forward_of_the_browser_leads_nowhere_and_the_next_way_back_is_one_step(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("零钱")
    await alice.tap("零钱明细")
    await alice.page.go_back()
    await expect(alice.page.locator(".layer")).to_have_count(1)
    await alice.page.evaluate("history.forward()")
    await alice.page.wait_for_timeout(200)
    await alice.tap("返回")
    await expect(alice.page.locator(".layer")).to_have_count(0)


@pytest.mark.long
async def test_card_is_in_step_on_a_device_that_is_new_whatever_the_number_of_packets(
    start_server: StartServer, hold: Hold, connect: Connect
) -> None:
    server = await start_server(**SERVES_APP, **FAST)
    ben, alice, cleo = [await connect(server, user_id) for user_id in (BEN, ALICE, CLEO)]
    group = await ben.create_group("packets")
    for client in (alice, cleo):
        await client.join_group(group, await ben.invite(group))
    await (await connect(server, 0)).top_up(BEN, 50_000)
    for number in range(20):
        sent = await ben.send_packet("equal", group, 5, 1, f"no {number}")
        await (alice if number % 2 else cleo).open(sent.packet_id)
    async with asyncio.timeout(PATIENCE_S):
        while (await alice.wallet()).balance_fen < 50:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    phone = await hold(server, ALICE)
    await phone.tap("packets")
    for number in range(15, 20):
        state = "已领取" if number % 2 else "已被领完"
        await expect(phone.button(f"普通红包: no {number}. {state}", exact=True)).to_be_visible()
    await phone.page.locator(".long-list").evaluate("(list) => list.scrollBy(0, -9000)")
    for number in range(4):
        state = "已领取" if number % 2 else "已被领完"
        await expect(phone.button(f"普通红包: no {number}. {state}", exact=True)).to_be_visible()


@pytest.mark.long
async def test_packet_in_the_inbox_is_shown_behind_many_reminders(
    start_server: StartServer, hold: Hold, connect: Connect
) -> None:
    server = await start_server(**SERVES_APP, **FAST)
    ben, alice = await connect(server, BEN), await connect(server, ALICE)
    backend = await connect(server, 0)
    for user_id in (ALICE, BEN):
        await backend.top_up(user_id, 50_000)
    group = await alice.create_group("packets")
    await ben.join_group(group, await alice.invite(group))
    await ben.send_packet("fission", ALICE, 300, 3, "传下去")
    for _ in range(60):
        sent = await alice.send_packet("equal", group, 1, 1)
        await ben.open(sent.packet_id)
    phone = await hold(server, ALICE)
    await phone.tap("红包消息")
    await expect(phone.button("裂变红包: 传下去. 领取红包")).to_be_visible()


@pytest.mark.long
async def test_history_that_could_not_be_had_or_was_dropped_is_fetched_again(
    start_server: StartServer, hold: Hold, connect: Connect
) -> None:
    server = await start_server(**SERVES_APP, **FAST, limits__reload_after_messages=5_000)
    ben = await connect(server, BEN)
    group = await ben.create_group("long")
    await (await connect(server, ALICE)).join_group(group, await ben.invite(group))

    async def say(first: int, end: int) -> None:
        for start in range(first, end, 50):
            await asyncio.gather(*(ben.say(group, f"line {number}") for number in range(start, start + 50)))

    async def scroll_to(text: str) -> None:
        box = alice.page.locator(".long-list")
        async with asyncio.timeout(PATIENCE_S):
            while not await alice.page.get_by_text(text, exact=True).count():
                for pixels in (300, -9000):
                    await box.evaluate("(list, pixels) => list.scrollBy(0, pixels)", pixels)
                    await alice.page.wait_for_timeout(20)

    await say(0, 100)
    alice = await hold(server, ALICE, start=False)
    await alice.page.clock.install()
    await alice.start()
    await alice.tap("long")
    await alice.sees("line 99", exact=True)
    await alice.page.evaluate("holdBack()")
    await alice.page.locator(".long-list").evaluate("(list) => list.scrollBy(0, -9000)")
    await alice.page.clock.run_for(12_000)  # no reply in time
    await alice.page.clock.run_for(12_000)
    await alice.page.evaluate("letCome()")
    await scroll_to("line 0")
    await say(100, 2_300)  # more than a chat remembers
    await scroll_to("line 0")


@pytest.mark.long
async def test_fields_take_the_digits_of_any_keyboard_and_no_more_than_the_server(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.begin_packet()
    await alice.type("总金额", "１２，5")
    await expect(alice.page.get_by_label("总金额", exact=True)).to_have_value("12.5")
    await alice.type("祝福语", "福" * 60)
    await expect(alice.page.get_by_label("祝福语", exact=True)).to_have_value("福" * 42)
    for _ in range(2):
        await alice.page.keyboard.press("Escape")
    await alice.tap("零钱")
    await alice.tap("转账")
    await alice.page.get_by_label("收款人", exact=True).select_option(value="0")
    await alice.type("用户号", str(2**53))
    await alice.type("金额", "1")
    await expect(alice.page.get_by_role("button", name="转账", exact=True).last).to_be_disabled()
    await alice.type("用户号", str(2**53 - 1))
    await expect(alice.page.get_by_role("button", name="转账", exact=True).last).to_be_enabled()
    assert alice.complaints == []


@pytest.mark.long
async def test_result_page_goes_on_after_another_language_was_chosen_beside_it(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    await (await connect(server, ALICE)).send_packet("lucky", family, 300, 3, "一")
    alice = await hold(server, ALICE, viewport={"width": 1000, "height": 800})
    await alice.tap("一家人")
    await alice.tap("拼手气红包: 一. 领取红包")
    await alice.tap("查看领取详情")
    await alice.sees("已领取0/3个", exact=False)
    await alice.tap("我")
    await alice.tap("语言 · Language")
    await alice.tap("Back")
    await alice.sees("0 of 3 opened", exact=False)


@pytest.mark.long
async def test_result_page_grows_after_the_same_one_above_it_was_closed(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    sent = await (await connect(server, BEN)).send_packet("lucky", family, 300, 3, "一")
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.tap("拼手气红包: 一. 领取红包")
    await alice.tap("拆")
    await alice.sees("领取1/3个")
    await alice.sees("已存入零钱", exact=False)
    await alice.tap("查看我的红包记录")
    await alice.tap("Ben", exact=False)
    await expect(alice.page.locator(".layer:last-child .claim")).to_have_count(1)
    for count in (3, 2):
        await alice.page.go_back()
        await expect(alice.page.locator(".layer")).to_have_count(count)
    await (await connect(server, CLEO)).open(sent.packet_id)
    await expect(alice.page.locator(".claim")).to_have_count(2)


@pytest.mark.long
async def test_page_whose_content_could_not_be_had_shows_it_with_the_next_connection(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE, start=False)
    await alice.page.clock.install()
    await alice.start()
    await alice.tap("零钱")
    await alice.page.evaluate("holdBack()")
    await alice.tap("零钱明细")
    await alice.page.clock.run_for(12_000)
    await alice.page.clock.run_for(12_000)
    await alice.page.evaluate("letCome()")
    await expect(alice.page.locator(".record")).to_have_count(0)
    await alice.page.evaluate("sockets.at(-1).close()")
    await expect(alice.page.locator(".record")).to_have_count(1)


@pytest.mark.long
async def test_two_quick_taps_on_the_form_pay_nothing_and_two_on_the_sheet_pay_once(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    client = await connect(server, ALICE)
    for viewport in ({"width": 390, "height": 844}, {"width": 320, "height": 568}):
        alice = await hold(server, ALICE, viewport=viewport)
        await alice.tap("一家人")
        await alice.begin_packet()
        await alice.type("总金额", "3")
        await alice.type("红包个数", "2")
        before = (await client.wallet()).balance_fen
        await alice.button("塞钱进红包").dblclick(delay=60)
        await expect(alice.button("使用零钱支付")).to_be_visible()
        assert (await client.wallet()).balance_fen == before
        await alice.button("使用零钱支付").dblclick()
        await expect(alice.button("塞钱进红包")).to_have_count(0)
        assert (await client.wallet()).balance_fen == before - 300
        await expect(
            alice.page.get_by_role("heading", name="一家人")
        ).to_be_visible()  # and no page too many is closed


@pytest.mark.long
async def test_space_on_a_page_above_shakes_nothing(
    server: Server, hold: Hold, make_festival: MakeFestival
) -> None:
    festival = await make_festival(server)
    await festival.campaign(shares=100)
    alice = await hold(server, ALICE)
    await alice.tap("摇一摇 · spring")
    await expect(alice.button("摇一摇", exact=True)).to_be_enabled()
    win = alice.page.locator(".shake-win")
    for turn in range(60):
        if await win.count():
            break
        await alice.page.keyboard.press("Space")
        await expect(alice.page.get_by_text(re.compile(f"摇了{turn + 1}次"))).to_be_visible()
        festival.next_second()
    shaken = await alice.page.locator(".shake-more").inner_text()
    await alice.tap("查看红包", exact=False)
    await alice.page.locator(".result-scroll").press("Space")
    await alice.tap("验证公平")  # that of the campaign: a share of it has none of its own
    await alice.sees("活动结束并结清后才能验证")
    await alice.page.go_back()
    await alice.page.go_back()
    await expect(win).to_be_visible()
    assert await alice.page.locator(".shake-more").inner_text() == shaken
    await alice.page.locator(".shake-line").click()  # the words shake, too
    await expect(alice.page.locator(".shake-line")).not_to_have_text("摇到一个红包")
    await expect(win).to_be_visible()  # what was won stays
    assert alice.complaints == []


@pytest.mark.long
async def test_more_shares_than_members_are_told_in_the_form(server: Server, family: int, hold: Hold) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.begin_packet()
    await alice.type("总金额", "3")
    await alice.sees("本群共3人")
    await alice.type("红包个数", "4")
    await alice.sees("一次最多可发3个红包")
    await expect(alice.button("塞钱进红包")).to_be_disabled()
    await alice.type("红包个数", "3")
    await expect(alice.button("塞钱进红包")).to_be_enabled()


@pytest.mark.long
async def test_page_that_is_kept_is_shown_when_a_proxy_has_no_server(
    server: Server, family: int, hold: Hold
) -> None:
    here = urlsplit(server.app.http_api.url)
    is_away = False
    relayed: list[asyncio.StreamWriter] = []

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_away:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad")
            writer.close()
            return
        there = await asyncio.open_connection(here.hostname, here.port)
        relayed.append(there[1])
        await asyncio.gather(_copy(reader, there[1]), _copy(there[0], writer))

    proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    alice = await hold(server, ALICE, start=False)
    await alice.page.goto(f"http://127.0.0.1:{port}/app/?from=mail#lang=zh")
    await alice.sees("请从聊天后台给你的链接打开这一页")
    await alice.page.evaluate("navigator.serviceWorker.ready")
    is_away = True
    for one in relayed:
        one.close()  # a browser keeps its connections
    await alice.page.goto(f"http://127.0.0.1:{port}/app/?from=chat")
    await alice.sees("请从聊天后台给你的链接打开这一页")
    assert (
        await alice.page.evaluate("caches.open('hongbao-1').then((kept) => kept.keys()).then((all) => all.length)")
        == 3
    )
    proxy.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_form_that_is_loaded_again_has_what_was_typed_and_the_pages_below(
    server: Server, family: int, hold: Hold
) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.begin_packet()
    await alice.type("总金额", "8.88")
    await alice.type("红包个数", "3")
    await alice.type("祝福语", "早生贵子")
    await alice.tap("塞钱进红包")
    await expect(alice.button("使用零钱支付")).to_be_visible()
    await alice.page.reload()  # the sheet goes: its secrets are kept nowhere
    await expect(alice.page.get_by_role("dialog")).to_have_count(0)
    for label, value in (("总金额", "8.88"), ("红包个数", "3"), ("祝福语", "早生贵子")):
        await expect(alice.page.get_by_label(label, exact=True)).to_have_value(value)
    await alice.tap("塞钱进红包")
    await alice.tap("使用零钱支付")
    await alice.tap("拼手气红包: 早生贵子. 领取红包")
    await alice.tap("拆")
    await expect(alice.page.locator(".result-amount")).to_be_visible()
    await alice.page.reload()
    await expect(alice.page.locator(".result-greeting")).to_have_text("早生贵子")
    await alice.page.go_back()
    await expect(alice.page.get_by_role("heading", name="一家人")).to_be_visible()
    await alice.page.go_back()
    await expect(alice.page.locator(".layer")).to_have_count(0)
    await alice.page.reload()
    await expect(alice.page.locator(".layer")).to_have_count(0)
    assert alice.complaints == []


@pytest.mark.long
async def test_line_about_one_page_does_not_stay_over_the_next(server: Server, family: int, hold: Hold) -> None:
    alice = await hold(server, ALICE)
    await alice.tap("我")
    await alice.page.locator("summary", has_text="用邀请码入群").click()
    await alice.type("邀请码", "nothing")
    await alice.tap("确定")
    await expect(alice.page.locator(".toast.shown")).to_have_text("邀请码不对")
    await alice.tap("零钱", exact=False)
    await expect(alice.page.locator(".toast.shown")).to_have_count(0, timeout=1_000)
    assert alice.complaints == []


@pytest.mark.long
async def test_line_about_a_packet_of_long_ago_names_no_sender_that_is_not_known(
    server: Server, family: int, hold: Hold, connect: Connect
) -> None:
    ben, cleo = await connect(server, BEN), await connect(server, CLEO)
    early = await ben.send_packet("lucky", family, 100, 2, "早")
    for number in range(55):  # more than are fetched at first
        await ben.say(family, str(number))
    alice = await hold(server, ALICE)
    await alice.tap("一家人")
    await alice.sees("54", exact=True)
    for one in (ben, cleo):
        await one.open(early.packet_id)
    line = alice.page.locator(".grey-line").last
    await expect(line).to_have_text(re.compile(r"^\s*红包派完了，手气最佳："))
    late = await ben.send_packet("lucky", family, 100, 2, "晚")
    for one in (ben, cleo):
        await one.open(late.packet_id)
    await expect(line).to_have_text(re.compile(r"^\s*Ben发出的红包派完了，手气最佳："))
    assert alice.complaints == []
