"""Shake at the terminal: the page, the win, the rest, how many are left; and the same as lines in a pipe."""

from __future__ import annotations

import asyncio
import re

import pytest
from textual.pilot import Pilot

from client_sim.chat.app import ChatApp
from client_sim.chat.screens import dialog
from client_sim.chat.screens.campaigns import shake_page
from client_sim.chat.screens.campaigns.shake_page import ShakePage
from client_sim.chat.screens.result_page import ResultPage
from client_sim.sdk.names import user_id_of
from tests.campaigns.conftest import Festival, festival, make_festival
from tests.conftest import Connect, Server
from tests.server.test_chat import ME, chat, family, find_in_order, plain
from tests.server.test_chat_pages import running, see, shown

__all__ = ["festival", "make_festival"]
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys work as soon as a page appears, and the phone does not swing for long."""
    monkeypatch.setattr(dialog, "READ_PAUSE_S", 0.0)
    monkeypatch.setattr(shake_page, "SWING_S", 0.01)


async def press_until(app: ChatApp, pilot: Pilot[int], festival: Festival, text: str) -> None:
    """Press space, second by second, until this text is on the screen."""
    while text not in shown(app):
        festival.next_second()
        await pilot.press("space")
        await pilot.pause(0.05)


async def test_shake_page_shows_the_win_and_then_the_limit(
    server: Server, backend: object, festival: Festival, connect: Connect
) -> None:
    _, group_id = await family(festival.backend, connect, server)
    campaign_id = await festival.campaign(1000, greeting="虎年大吉", highlighted=True)
    async with running(server, group_id) as (app, pilot):
        await see(app, pilot, "F5", "摇红包")
        await pilot.press("f5")
        await see(app, pilot, "某超市赞助", "spring", "按空格摇一摇", "至多还剩1,000个")
        await press_until(app, pilot, festival, "恭喜，摇到了一个红包")
        assert isinstance(app.screen, ShakePage)
        win = app.screen.shaking.win
        assert win is not None
        await see(app, pilot, f"{win.amount_fen / 100:.2f}元", "虎年大吉", "看红包")
        await press_until(app, pilot, festival, "本次活动的红包已领完")
        assert app.screen.is_over
        shakes = app.screen.shaking.shakes
        await pilot.press("space", "space")
        assert app.screen.shaking.shakes == shakes
        await pilot.press("enter")
        await see(app, pilot, "某超市", "存入零钱")
        assert isinstance(app.screen, ResultPage)
        assert (app.screen.packet_id, app.session.shaking) == (win.packet_id, app.session.shaking)
        assert app.session.shaking is not None
        assert app.session.shaking.campaign.campaign_id == campaign_id


async def test_shake_page_of_a_paused_campaign_rests_and_counts_down(
    server: Server, festival: Festival, connect: Connect
) -> None:
    _, group_id = await family(festival.backend, connect, server)
    campaign_id = await festival.campaign()
    await festival.backend.pause_campaign(campaign_id)
    async with running(server, group_id, "en") as (app, pilot):
        await pilot.press("f5")
        await see(app, pilot, "press space to shake")
        await pilot.press("space")
        await see(app, pilot, "have a rest", "shake again in")
        assert isinstance(app.screen, ShakePage)
        await pilot.press("space", "space")
        assert app.screen.shaking.shakes == 1
        await festival.backend.resume_campaign(campaign_id)
        await see(app, pilot, absent="have a rest")
        await press_until(app, pilot, festival, "You have won")


async def test_shake_page_of_an_ended_campaign_takes_no_key(
    server: Server, festival: Festival, connect: Connect
) -> None:
    _, group_id = await family(festival.backend, connect, server)
    campaign_id = await festival.campaign()
    async with running(server, group_id, "en") as (app, pilot):
        await pilot.press("f5")
        await see(app, pilot, "press space to shake")
        await festival.backend.end_campaign(campaign_id)
        await pilot.press("space")
        await see(app, pilot, "All red packets are gone", absent="press space")
        assert isinstance(app.screen, ShakePage)
        assert app.screen.is_over


async def test_chat_without_a_campaign_says_so_and_shows_no_key(
    server: Server, backend: object, connect: Connect, festival: Festival
) -> None:
    _, group_id = await family(festival.backend, connect, server)
    async with running(server, group_id, "en") as (app, pilot):
        await see(app, pilot, "F4", absent="F5")
        await pilot.press(*"/campaigns", "enter")
        await see(app, pilot, "Campaigns", "there is no campaign now")
    out, err, code = await plain(chat(server, ME, "--plain"), "/campaigns", "/shake", "/shake 5")
    assert (err, code) == ("", 0)
    refused = "refused name=no_such_campaign temporary=no detail=.*"
    find_in_order(['bad why=no_campaign verb=shake text=""', refused], out)


async def test_list_of_campaigns_has_the_line_that_shakes(
    server: Server, festival: Festival, connect: Connect
) -> None:
    _, group_id = await family(festival.backend, connect, server)
    campaign_id = await festival.campaign()
    async with running(server, group_id, "en") as (app, pilot):
        await pilot.press(*"/campaigns", "enter")
        await see(app, pilot, "spring", "某超市", "at most 100 left", f"/shake {campaign_id}")


@pytest.mark.long
async def test_plain_chat_shakes_and_prints_what_it_won(
    server: Server, festival: Festival, connect: Connect
) -> None:
    await family(festival.backend, connect, server)
    campaign_id = await festival.campaign(1000, greeting="虎年 大吉")
    shakes = [line for _ in range(60) for line in (f"/shake {campaign_id}", "/wait 0.05")]
    turning = asyncio.create_task(_turn(festival))
    out, err, code = await plain(chat(server, ME, "--plain", "--lang", "zh"), "/campaigns", *shakes)
    turning.cancel()
    assert (err, code) == ("", 0)
    about = (
        f'campaign campaign={campaign_id} name=spring state=running user=700 sponsor=某超市 greeting="虎年 大吉"'
    )
    told = rf"{about} shares=1000 at_most_left=1000 left_at_ms=\d+ starts_at_ms=\d+ ends_at_ms=\d+ highlighted=no"
    won = (
        rf"shaken campaign={campaign_id} result=won text=恭喜，摇到了一个红包 retry_after_ms=0 "
        r"amount_fen=\d+ packet=\d+ index=\d+ sponsor=某超市 greeting=\"虎年 大吉\""
    )
    limit = rf"shaken campaign={campaign_id} result=limit text=.* retry_after_ms=0 amount_fen=\d+ packet=\d+ .*"
    find_in_order([told, rf"welcome user={user_id_of(ME)} .*", told, won, limit], out)
    assert len(re.findall(rf"(?m)^{told}$", out)) >= 2 + 60 // 5  # after each five shakes


async def _turn(festival: Festival) -> None:
    while True:
        festival.next_second()
        await asyncio.sleep(0.02)
