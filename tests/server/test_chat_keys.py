"""Keys of the terminal client that come faster than it draws: each is handled once, by its own page."""

from __future__ import annotations

import asyncio

import pytest

from client_sim.chat import packet_requests
from client_sim.chat.app import ChatApp
from client_sim.chat.screens import dialog
from client_sim.chat.screens.open_page import OpenPage
from client_sim.chat.screens.result_page import ResultPage
from client_sim.chat.session import Session, Start
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from protocol import messages
from tests.conftest import Connect, Server, token
from tests.server.test_chat import ME, chat, family
from tests.server.test_chat_pages import running, see
from tests.terminal import PATIENCE_S, Terminal

A_MOMENT_S = 1.5  # longer than a new page ignores letters


async def posts_of(client: Client, group_id: int, least: int = 1) -> list[str]:
    """The posts of a group, as soon as there are so many: texts, and greetings of packets."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            posts = await client.catch_up(group_id, 0)
            assert isinstance(posts, list)
            if len(posts) >= least:
                break
            await asyncio.sleep(0.05)
    shown = [post for post in posts if not isinstance(post, messages.RelayPosted)]
    return [post.text if isinstance(post, messages.TextPosted) else post.greeting for post in shown]


async def test_lines_typed_ahead_are_each_handled_once(server: Server, backend: Client, connect: Connect) -> None:
    other, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online", "wallet ¥100.00")
        screen.press("one\rtwo\rthree\r")
        await screen.see("one", "two", "three")
        screen.press("abc\x7f\x7f\x1b[Dx\r")  # two backspaces and a step to the left
        assert await posts_of(other, group_id, 4) == ["one", "two", "three", "xa"]


async def test_second_tap_before_the_page_of_the_first_opens_no_second_page(
    server: Server, backend: Client, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, group_id = await family(backend, connect, server)
    packet_id = (await other.send_packet("lucky", group_id, 100, 2, "hello")).packet_id
    async with running(server, group_id, "en") as (app, pilot):
        await see(app, pilot, "hello")
        answer_is_due = asyncio.Event()
        taps: list[int] = []
        ended: list[int] = []
        tap_of_pages, tap_of_session = app.pages.tap, packet_requests.tap

        async def late_answer(session: Session, packet_id: int) -> messages.OpenPageShown:
            await answer_is_due.wait()
            return await tap_of_session(session, packet_id)

        async def counted(packet_id: int = 0) -> None:
            taps.append(packet_id)
            await tap_of_pages(packet_id)
            ended.append(packet_id)

        monkeypatch.setattr(packet_requests, "tap", late_answer)
        monkeypatch.setattr(app.pages, "tap", counted)
        await pilot.press("enter", "enter")
        while len(taps) < 2:
            await pilot.pause(0.05)
        answer_is_due.set()
        while len(ended) < 2:
            await pilot.pause(0.05)
        assert taps == [packet_id, packet_id]
        assert [type(page) for page in app.screen_stack[1:]] == [OpenPage]


@pytest.mark.long
async def test_send_form_with_keys_typed_ahead_fills_the_right_fields(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online", "wallet ¥100.00")
        screen.type("/send")
        await screen.see("Send a red packet")
        screen.press("6.67\t1\tluck\x1b[Z2\r")  # Tab forward and back: the shares are typed again
        await screen.see_no_more("Send a red packet")
        await screen.see("luck", "wallet ¥93.33")
        screen.type("still here")  # on the screen before it is posted: in the line where it is typed
        assert await posts_of(other, group_id, 2) == ["luck", "still here"]


@pytest.mark.long
async def test_page_that_has_just_appeared_ignores_letters_typed_on(
    server: Server, backend: Client, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, group_id = await family(backend, connect, server)
    async with Client(server.url, token(user_id_of(ME))) as client:
        app = ChatApp(client, Start(ME, group_id, "en"))
        async with app.run_test() as pilot, asyncio.timeout(PATIENCE_S):
            await app.session.is_ready.wait()
            packet_id = (await other.send_packet("lucky", group_id, 100, 2, "hello")).packet_id
            monkeypatch.setattr(dialog, "READ_PAUSE_S", 3600.0)
            await app.pages.tap(packet_id)
            await pilot.press(*"go on", "enter")
            assert isinstance(app.screen, OpenPage)
            assert not app.screen.is_opening
            await pilot.press("escape")
            assert len(app.screen_stack) == 1
            monkeypatch.setattr(dialog, "READ_PAUSE_S", 0.0)
            await app.pages.tap(packet_id)
            await pilot.press("O")
            while not isinstance(app.screen, ResultPage):
                await pilot.pause(0.05)
    assert (await other.open(packet_id)).index == 1


async def test_send_again_needs_the_key_twice(server: Server, backend: Client, connect: Connect) -> None:
    other, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online")
        screen.type("/send 1.00 2 luck")
        await screen.see("not opened yet", "wallet ¥99.00")
        screen.type("/result")
        await screen.see("A Send this red packet again")
        await asyncio.sleep(A_MOMENT_S)
        screen.press("A")
        await screen.see("A press again to send")
        assert await posts_of(other, group_id) == ["luck"]
        screen.press("a")
        await screen.see("sent again")
        assert await posts_of(other, group_id) == ["luck", "luck"]


async def test_commands_that_cannot_be_carried_out_show_why(
    server: Server, backend: Client, connect: Connect
) -> None:
    await backend.top_up(user_id_of(ME), 10_000)
    async with Terminal(chat(server, ME, "--lang", "en")) as screen:
        await screen.see("● online", "Inbox")
        for line, said in (
            ("hello", "the inbox is not a group; go to one with /go GROUP"),
            ("/open 12", "this packet is not for you"),
            ("/new ", "usage: /new NAME"),
            ("/result 5", "this packet is not for you"),
            ("/new " + "x" * 200, "refused: "),
        ):
            screen.type(line)
            await screen.see(said)
        assert "refused: name: 200 bytes, allowed are 1 to 64" in screen.text
        screen.press("\x03")
        await screen.see("Ctrl-Q quits")
