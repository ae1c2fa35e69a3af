"""The terminal client and packets that friends pass on: sent, passed on into a group, opened by the link there."""

from __future__ import annotations

import asyncio

import pytest

from client_sim.chat.screens import dialog
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from protocol import messages
from tests.conftest import Connect, Server
from tests.server.test_chat import ME, OTHER, chat, family, find_in_order, plain
from tests.terminal import Terminal


async def test_plain_chat_sends_a_packet_that_its_receiver_passes_on(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    out, _, code = await plain(chat(server, ME, "--group", str(group_id)), f"/fission {OTHER} 3.00 3 for friends")
    find_in_order([r"sent packet=\d+ .*"], out)
    assert code == 0
    posts = await other.catch_up(other.user_id, 0)
    assert isinstance(posts, list)
    (post,) = [one for one in posts if isinstance(one, messages.PacketPosted)]
    assert (post.packet_kind, post.shares, post.greeting) == ("fission", 3, "for friends")


@pytest.mark.long
async def test_plain_chat_opens_passes_on_and_comes_by_the_link_of_a_friend(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    sender = await connect(server, 77)
    await backend.top_up(77, 1_000)
    packet_id = (await sender.send_packet("fission", user_id_of(ME), 300, 3)).packet_id
    here = chat(server, ME, "--group", str(group_id))
    lines = ["/open-link", f"/open {packet_id}", f"/pass-on {packet_id}", f"/pass-on {packet_id} inbox"]
    out, _, code = await plain(here, *lines)
    patterns = [
        r"bad why=no_link verb=open-link .*",
        rf"opened packet={packet_id} answer=won .*",
        rf"passed_on packet={packet_id} group={group_id} name=一家人 link=hbl_\S{{55}} depth=0",
        rf'passed_on packet={packet_id} group=0 name="" link=hbl_\S{{55}} depth=0',
    ]
    find_in_order(patterns, out)
    assert code == 0

    there = chat(server, OTHER, "--group", str(group_id))
    out, _, code = await plain(there, "/open-link", "/open-link", "/pass-on")
    patterns = [
        rf"opened packet={packet_id} answer=won .*",
        rf"page packet={packet_id} answer=claimed .*",
        rf"passed_on packet={packet_id} group={group_id} .* depth=1",
    ]
    find_in_order(patterns, out)
    assert code == 0
    assert (await other.open(packet_id)).answer == "claimed"


@pytest.mark.long
async def test_terminal_opens_the_page_of_a_link_and_offers_to_pass_on(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    sender = await connect(server, 77)
    await backend.top_up(77, 1_000)
    packet_id = (await sender.send_packet("fission", other.user_id, 300, 3, "给好友的")).packet_id
    await other.open(packet_id)
    await other.say(group_id, (await other.pass_on(packet_id)).text)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh")) as screen:
        await screen.see("送你一个红包，点开就能领")
        screen.type("/open-link")
        await screen.see("给好友的", "拆红包")
        screen.press("enter")
        await screen.see("存入零钱", "领取2/3个", "P 送给好友")
        await asyncio.sleep(2 * dialog.READ_PAUSE_S)  # a page that has just come takes no key
        screen.press("p")
        await screen.see("已送出：一家人")
        screen.type("/quit")
        assert await screen.ended() == 0
