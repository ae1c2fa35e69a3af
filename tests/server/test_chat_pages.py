"""Pages of the terminal client: they draw what the server sent, and offer only the page's buttons and links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from textual._compositor import LayoutUpdate
from textual.pilot import Pilot

from client_sim.chat import packet_requests
from client_sim.chat.app import ChatApp
from client_sim.chat.model import Notice
from client_sim.chat.screens import dialog
from client_sim.chat.screens.open_page import OpenPage
from client_sim.chat.screens.result_page import ResultPage
from client_sim.chat.session import Start
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from protocol import messages
from tests.conftest import Connect, Server, token
from tests.server.test_chat import ME, family
from tests.terminal import PATIENCE_S


def shown(app: ChatApp) -> str:
    """The text on the screen, row by row. A picture of it would say the same, and cost twenty times as much."""
    drawn = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    assert isinstance(drawn, LayoutUpdate)
    return "\n".join("".join(strip.text for strip in row) for row in drawn.strips)


async def see(app: ChatApp, pilot: Pilot[int], *texts: str, absent: str = "") -> None:
    """Wait until these texts are on the screen, and the absent one is not."""
    while not (all(text in shown(app) for text in texts) and not (absent and absent in shown(app))):
        await pilot.pause(0.05)


async def finish_of(app: ChatApp, pilot: Pilot[int]) -> None:
    """Wait until the finish of a packet was pushed: later no event changes its page."""
    while not any(
        isinstance(one, Notice) and one.key == "notice_best" for one in app.session.model.current.entries
    ):
        await pilot.pause(0.05)


@asynccontextmanager
async def running(server: Server, group_id: int, language: str = "zh") -> AsyncIterator[tuple[ChatApp, Pilot[int]]]:
    """The app of this user in a group."""
    async with asyncio.timeout(PATIENCE_S), Client(server.url, token(user_id_of(ME))) as client:
        app = ChatApp(client, Start(ME, group_id, language))
        async with app.run_test() as pilot:
            await app.session.is_ready.wait()
            yield app, pilot


@pytest.fixture(autouse=True)
def no_read_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys work as soon as a page appears."""
    monkeypatch.setattr(dialog, "READ_PAUSE_S", 0.0)


async def test_link_on_the_open_page_of_an_unfinished_packet_shows_its_claims(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with running(server, group_id) as (app, pilot):
        packet_id = (await app.session.client.send_packet("lucky", group_id, 200, 2)).packet_id
        await other.open(packet_id)
        page = await packet_requests.tap(app.session, packet_id)
        assert (page.view, page.button) == ("open", "拆")
        page.link = page.link or "查看领取详情"  # a server that gives the sender no link here is an older one
        app.push_screen(OpenPage(app.session, app.pages, page))
        await see(app, pilot, page.link, "拆红包")
        await pilot.press("l")
        await see(app, pilot, "阿强", "已领取1/2个")
        assert isinstance(app.screen, ResultPage)


async def test_result_page_draws_amount_ending_and_best_mark_of_the_server(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with running(server, group_id) as (app, pilot):
        packet_id = (await other.send_packet("lucky", group_id, 888, 1)).packet_id
        await app.session.client.open(packet_id)
        await finish_of(app, pilot)
        page = await packet_requests.result(app.session, packet_id)
        assert (page.amount, page.best_mark) == ("8.88元", "手气最佳")
        page = msgspec.structs.replace(page, amount="7.65 粮票", ending="此红包已作废", best_mark="运气王")
        app.push_screen(ResultPage(app.session, app.pages, packet_id, page))
        await see(app, pilot, "粮票", "此红包已作废", "♛ 运气王", absent="手气最佳")


async def test_result_page_without_a_button_offers_none_and_sends_nothing(
    server: Server, backend: Client, connect: Connect
) -> None:
    _, group_id = await family(backend, connect, server)
    async with running(server, group_id) as (app, pilot):
        me = app.session.client
        packet_id = (await me.send_packet("lucky", group_id, 200, 2)).packet_id
        page = await packet_requests.result(app.session, packet_id)
        assert page.button == "继续发送此红包"
        app.push_screen(ResultPage(app.session, app.pages, packet_id, msgspec.structs.replace(page, button="")))
        await see(app, pilot, "Esc", "返回")
        await pilot.press("a", "a")
        assert "A" not in shown(app).split("Esc")[0].splitlines()[-1]
        posts = await me.catch_up(group_id, 0)
        assert isinstance(posts, list)
        assert sum(isinstance(post, messages.PacketPosted) for post in posts) == 1


async def test_result_page_of_a_member_who_is_removed_is_fetched_again(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with running(server, group_id) as (app, pilot):
        packet_id = (await app.session.client.send_packet("lucky", group_id, 200, 1)).packet_id
        await other.open(packet_id)  # finished: the server's page has no button
        await finish_of(app, pilot)
        page = await packet_requests.result(app.session, packet_id)
        app.push_screen(
            ResultPage(app.session, app.pages, packet_id, msgspec.structs.replace(page, button="旧按钮"))
        )
        await see(app, pilot, "旧按钮")
        await other.remove_member(group_id, user_id_of(ME))
        await see(app, pilot, "返回", absent="旧按钮")
