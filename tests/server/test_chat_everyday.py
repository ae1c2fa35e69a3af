"""The terminal client with packets for everyday chats: exclusive ones, words, the relay, packets for later."""

from __future__ import annotations

import asyncio
import time

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from protocol import messages
from tests.conftest import Connect, Server
from tests.server.test_chat import ME, OTHER, chat, family, find_in_order, last_packet, plain
from tests.server.test_chat_keys import A_MOMENT_S
from tests.services.test_membership import first_push
from tests.terminal import Terminal


async def test_form_sends_an_exclusive_packet_and_the_card_says_for_whom(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh")) as screen:
        await screen.see("● 在线", "零钱 100.00元")
        screen.type("/send")
        await screen.see("发红包", "拼手气")
        screen.press("f2", "f2")
        await screen.see("给谁", "名字，名字", "单个金额")
        screen.press("3", "up", OTHER)
        await screen.see("共3.00元")
        screen.press("enter")
        await screen.see(f"专属红包 · 给{OTHER}", "零钱 97.00元")
        assert (await other.open(await last_packet(other, group_id))).amount_fen == 300
        await screen.see(f"{OTHER}领取了你的红包，3.00元")


async def test_page_of_a_packet_for_others_says_so(server: Server, backend: Client, connect: Connect) -> None:
    other, group_id = await family(backend, connect, server)
    await backend.put_users({7: "小明"})
    await backend.change_members(group_id, 2, joined=[7])
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online")
        await other.send_packet("exclusive", group_id, 100, for_user_ids=[7])
        await screen.see("exclusive packet · for 小明")
        screen.press("enter")
        await screen.see("for 小明", "Only for 1 other person")


async def test_page_with_words_takes_wrong_ones_then_leads_to_the_coin(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online")
        await other.send_packet("password", group_id, 888, 1, "guess", words="芝麻开门")
        await screen.see("password packet · 1 shares")
        screen.press("enter")
        await screen.see("Say its words in the chat to open it", "words")
        screen.press("sesame", "enter")
        await screen.see("those are not the words; attempts left: 4")
        screen.press("esc")
        await screen.see_no_more("attempts left")
        screen.press("enter")
        await screen.see("Say its words in the chat to open it")
        screen.press("芝麻开门", "enter")
        await screen.see("開", "Open")
        screen.press("enter")
        await screen.see("¥8.88")
        screen.press("esc")
        await screen.see("小梅", "芝麻开门")


@pytest.mark.long
async def test_plain_chat_sends_and_opens_exclusive_packets_and_packets_with_words(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    await other.send_packet("password", group_id, 100, 1, words="open sesame")
    me = user_id_of(ME)
    out, err, code = await plain(
        chat(server, ME, "--group", str(group_id)),
        *("/wait loaded", f"/for {OTHER} 1.00 you", "/wait packet", "/unlock open sesame", "/wait text"),
        *("/secret 2.00 1 swordfish", "/wait packet", "/for  1.00", "/unlock nothing"),
    )
    for pattern in (
        r"sent packet=\d+ kind=exclusive total_fen=100 shares=1",
        rf"packet group=\d+ .* kind=exclusive shares=1 state=open greeting=you for={user_id_of(OTHER)}",
        r"opened packet=\d+ answer=won amount_fen=100 index=0 left=0",
        rf'text group=\d+ message=\d+ user={me} from={ME} text="open sesame"',
        r"sent packet=\d+ kind=password total_fen=200 shares=1",
        r"bad why=missing verb=for text=amount_fen",
        r'refused name=words_wrong temporary=no detail=".* attempts left: 4"',
    ):
        find_in_order([pattern], out)
    assert (err, code) == ("", 0)


async def test_result_page_shows_whose_turn_it_is_and_a_key_opens_the_form(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    await other.set_relay(group_id, 2)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh"), rows=32) as screen:
        await screen.see("● 在线", "零钱 100.00元")
        mine = (await other.send_packet("lucky", group_id, 500, 1)).packet_id
        await screen.see("拼手气红包 · 1个")
        screen.press("enter")
        await screen.see("拆红包")
        screen.press("enter")
        await screen.see("5.00", "接龙：轮到你发下一个红包，10.00元", "F6", "接龙")  # as soon as it is recorded
        screen.press("f6")
        await screen.see("塞钱进红包", "总金额        10.00", "红包个数      1")
        screen.press("esc")
        await screen.see_no_more("塞钱进红包")
    assert (await other.result_page(mine, "en")).page.turn_name == ME
    theirs = (await other.send_packet("lucky", group_id, 300, 1)).packet_id
    await other.open(theirs)
    await first_push(other, messages.RelayPosted)
    out, err, code = await plain(
        chat(server, ME, "--group", str(group_id), "--lang", "en"),
        "/wait loaded",
        f"/result {theirs}",
        "/wait result",
    )
    find_in_order([r'result packet=\d+ kind=lucky state=finished .* turn="Best luck sends on: .*6\.00 yuan"'], out)
    assert (err, code) == ("", 0)


@pytest.mark.long
async def test_card_shows_whose_turn_it_is_and_a_key_opens_the_form_filled_in(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    await other.set_relay(group_id, 2)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh"), rows=32) as screen:
        await screen.see("● 在线", "零钱 100.00元")
        await other.send_packet("lucky", group_id, 500, 1)
        await screen.see("拼手气红包 · 1个")
        screen.press("enter")
        await screen.see("拆红包")
        screen.press("enter")
        await screen.see("5.00")
        screen.press("esc")
        await screen.see(f"接龙 · {ME} 10.00元", "轮到你发下一个红包，10.00元，按 F6", "零钱 105.00元")
        screen.press("f6")
        await screen.see("塞钱进红包", "总金额        10.00", "红包个数      1", "共10.00元")
        screen.press("esc")
        await screen.see_no_more("塞钱进红包")
        await screen.see("零钱 105.00元")  # no money moves by itself
        screen.press("f6")
        await screen.see("塞钱进红包", "共10.00元")
        screen.press("enter")
        await screen.see("零钱 95.00元")
        assert (await other.open(await last_packet(other, group_id))).amount_fen == 1_000
        screen.press("f6")
        await screen.see("现在没有轮到你接龙")


@pytest.mark.long
async def test_reminder_of_a_user_who_was_away_is_on_the_card_at_the_next_start(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    await other.set_relay(group_id, 1)
    me = await connect(server, user_id_of(ME))
    await me.open((await other.send_packet("lucky", group_id, 300, 1)).packet_id)
    await first_push(other, messages.RelayPosted)
    await me.close()
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en"), rows=32) as screen:
        await screen.see("● online", f"next: {ME}, ¥3.00", "you are next, ¥3.00; press F6")
        screen.type("/next")
        await screen.see("Put money in", "total         3.00", "¥3.00 in all")


async def test_plain_chat_sets_shows_and_follows_the_relay(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    packet_id = (await other.send_packet("lucky", group_id, 300, 1)).packet_id
    me = user_id_of(ME)
    out, err, code = await plain(
        chat(server, ME, "--group", str(group_id)),
        *("/wait loaded", "/relay", "/relay 2", "/next", "/new ours", "/relay 3", "/relay off", "/relay 4"),
        f"/go {group_id}",
    )
    for pattern in (
        rf"relay group={group_id} times=0",
        r"refused name=not_owner temporary=no detail=.*",
        r"bad why=no_turn verb=next text=\"\"",
        r"relay group=\d+ times=3",
        r"relay group=\d+ times=0",
        r"bad why=not_understood verb=relay text=4",
    ):
        find_in_order([pattern], out)
    assert (err, code) == ("", 0)
    await other.set_relay(group_id, 3)
    out, err, code = await plain(
        chat(server, ME, "--group", str(group_id)), "/wait loaded", "/open", "/wait turn", "/next"
    )
    turn = (
        rf"turn group={group_id} message=\d+ packet={packet_id} user={me} name={ME} times=3 amount_fen=900 shares=1"
    )
    find_in_order([turn, rf"next packet={packet_id} amount_fen=900 shares=1"], out)
    assert (err, code) == ("", 0)


async def test_plain_chat_schedules_lists_and_cancels_a_packet(
    server: Server, backend: Client, connect: Connect
) -> None:
    _, group_id = await family(backend, connect, server)
    out, err, code = await plain(
        chat(server, ME, "--group", str(group_id)),
        *("/wait loaded", "/at 03:04 /send 8.88 2 later", "/wait scheduled", "/scheduled", "/cancel"),
        *("/wait cancelled", "/cancel", "/at 03:04 /balance", "/at 25:00 /send 1 1"),
    )
    line = r"scheduled packet=\d+ kind=lucky .*total_fen=888 shares=2 at_ms=\d+ when=\"\d\d-\d\d 03:04\""
    find_in_order([line, line, r"cancelled packet=\d+ amount_fen=888"], out)
    for why in ("none_scheduled verb=cancel", "only_packets_later verb=at", "not_understood verb=at"):
        assert f"bad why={why}" in out
    assert (err, code) == ("", 0)


@pytest.mark.long
async def test_form_schedules_a_packet_and_its_page_cancels_it(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    me = await connect(server, user_id_of(ME))
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh"), rows=30) as screen:
        await screen.see("● 在线", "零钱 100.00元")
        screen.type("/send")
        await screen.see("塞钱进红包", "发出时间", "现在，或 20:00")
        screen.press("8.88", "down", "2", "down", "新年快乐", "down", "25:00", "enter")
        await screen.see("看不懂「25:00」", "共8.88元")
        screen.press(*["\x7f"] * 5, "03:04")
        await screen.see("共8.88元，", "03:04发出", "塞钱，到时发出")
        screen.press("enter")
        await screen.see("定时红包，", "03:04发出，8.88元", "零钱 91.12元")
        (line,) = await me.scheduled()
        assert (line.total_fen, line.shares, line.greeting, line.target_id) == (888, 2, "新年快乐", group_id)
        assert await other.catch_up(group_id, 0) == []  # it is not posted yet

        screen.type("/send")
        await screen.see("F3 定时红包")
        screen.press("f3")
        await screen.see("03:04", "拼手气红包", "一家人", "8.88元", "新年快乐", "C 取消红包")
        await asyncio.sleep(A_MOMENT_S)
        screen.press("c")
        await screen.see("再按一次就取消")
        assert len(await me.scheduled()) == 1
        screen.press("c")
        await screen.see("没有定时红包", "零钱 100.00元")
        assert await me.scheduled() == []
        screen.press("esc")
        await screen.see("塞钱进红包")
        screen.press("esc")
        await screen.see_no_more("塞钱进红包")


@pytest.mark.long
async def test_scheduled_page_of_a_command_marks_each_packet_and_follows_changes(
    server: Server, backend: Client, connect: Connect
) -> None:
    _, group_id = await family(backend, connect, server)
    me = await connect(server, user_id_of(ME))
    day_ms = 86_400_000
    now_ms = int(time.time() * 1000)
    first = await me.send_packet("lucky", group_id, 300, 2, "first", send_at_ms=now_ms + day_ms)
    second = await me.send_packet("personal", user_id_of(OTHER), 500, 1, "second", send_at_ms=now_ms + 2 * day_ms)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online")
        screen.type("/scheduled")
        await screen.see("Packets that wait for their time", "lucky packet", "first", "personal packet", OTHER)
        await asyncio.sleep(A_MOMENT_S)
        screen.press("c", "down", "c")  # the first press was for another packet
        await screen.see("press again to cancel")
        assert [one.packet_id for one in await me.scheduled()] == [first.packet_id, second.packet_id]
        screen.press("c")
        await screen.see_no_more("second")
        assert [one.packet_id for one in await me.scheduled()] == [first.packet_id]
        await me.cancel_scheduled(first.packet_id)  # at another screen
        await screen.see("no packet waits for its time")
