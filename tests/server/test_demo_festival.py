"""`hongbao demo --festival`: a crowd shakes, people shake among it, and everything is proved at the end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import RateLimited
from protocol import messages
from tests.clusters import data_folder
from tests.server.demos import demo_of, page_of, token_for, websocket_in
from tests.server.serving import here
from tests.server.test_cli import process

PAUSE_S = 0.4
FESTIVAL = ("--festival", "--users", "30", "--seconds", "8")


@pytest.fixture
def data(cluster: Path) -> Iterator[Path]:
    """A folder for private stores, which need a short path that every user may pass."""
    with data_folder(cluster) as folder:
        yield folder


@pytest.mark.long
def test_festival_ends_with_proof_odds_and_audit(data: Path) -> None:
    home = data / "new"
    words = ("--users", 40, "--seconds", 6, "--seed", 3, "--lang", "zh")
    shown = process("demo", "--festival", *words, "--data", home)
    assert shown.code == 0, shown.stdout + shown.stderr
    falling = [int(left) for left in re.findall(r"至多还剩 (\d+) 个", shown.stdout)]
    assert falling == sorted(falling, reverse=True)
    for expected in ("没有一个被摇到两次", "χ² < ", "chi-square of the bands", "verify: ok (", "audit: ok ("):
        assert expected in shown.stdout
    assert "✗" not in shown.stdout
    assert re.search(
        r"^在浏览器里一起摇（有人在，演示就不结束）：http://\S+/app/#token=\S+&lang=zh$", shown.stdout, re.M
    )
    (campaign_id,) = re.findall(r"^campaign (\d+):", shown.stdout, re.MULTILINE)  # no person has come
    again = here("verify", campaign_id, "--data", home)
    assert again.stdout.splitlines()[-1] in shown.stdout.splitlines()


async def running_in(client: Client) -> messages.CampaignLine:
    """The campaign that the entry of the app opens; there always is one."""
    return next(one for one in (await client.campaigns()).campaigns if one.state == "running")


async def longer_one(client: Client) -> messages.CampaignLine:
    """The campaign that is made because this person has come."""
    while True:
        campaign = await running_in(client)
        if campaign.name == "New Year's Eve, round 2":
            return campaign
        await asyncio.sleep(PAUSE_S)


async def shake_until_won(client: Client, campaign_id: int = 0) -> messages.WinLine:
    """Shake as the app does."""
    while True:
        campaign = await running_in(client)
        try:
            shaken = await client.shake(campaign.campaign_id)
        except RateLimited:
            continue
        finally:
            await asyncio.sleep(PAUSE_S)
        if shaken.result == "won" and campaign.campaign_id >= campaign_id:
            assert shaken.win is not None
            return shaken.win


@pytest.mark.long
async def test_person_of_the_link_shakes_among_the_crowd_and_the_festival_waits_for_them(data: Path) -> None:
    async with demo_of(data, *FESTIVAL) as demo:
        origin, fragment = await demo.link()
        assert sorted(fragment) == ["lang", "token"]  # it opens the list of chats, with the entry for shaking
        page = await page_of(origin)
        assert '<meta name="hongbao-card-hint"' not in page  # there is no bank
        async with Client(websocket_in(page), fragment["token"]) as person:
            assert (await running_in(person)).highlighted
            (group_id,) = set(person.positions) - {person.user_id}
            assert len(await person.members(group_id)) == 31  # the crowd and the person
            campaign = await longer_one(person)
            assert campaign.ends_at_ms - campaign.starts_at_ms == 60_000
            win = await shake_until_won(person, campaign.campaign_id)
            await asyncio.sleep(9)  # longer than the festival alone
            assert (await running_in(person)).campaign_id == campaign.campaign_id
        assert await demo.end() == 0, demo.told
    assert "✗" not in demo.told
    (guest,) = re.findall(r"^✔ Guest won (\d+), ¥([\d.]+) in all$", demo.told, re.MULTILINE)
    assert int(guest[0]) >= 1
    assert float(guest[1]) >= win.amount_fen / 100
    assert len(re.findall(r"^campaign \d+:", demo.told, re.MULTILINE)) == 2
    assert demo.told.count("verify: ok (") == 2
    assert "audit: ok (" in demo.told


@pytest.mark.long
async def test_phone_that_scans_the_code_shakes_until_enter_is_pressed(data: Path) -> None:
    async with demo_of(data, *FESTIVAL, "--phone") as demo:
        origin, fragment = await demo.link()
        assert sorted(fragment) == ["invite", "lang"]
        assert "▀" in demo.told  # the code
        url = websocket_in(await page_of(origin))
        async with Client(url, await token_for(origin, fragment["invite"])) as phone:
            await shake_until_won(phone)
            demo.stdin.write(b"\n")
            assert await demo.end() == 0, demo.told
    assert "✗" not in demo.told
    assert re.search(r"^✔ Guest 1 won \d+, ¥[\d.]+ in all$", demo.told, re.MULTILINE)
    assert "audit: ok (" in demo.told


@pytest.mark.long
async def test_person_in_this_terminal_shakes_until_they_quit(data: Path) -> None:
    async with demo_of(data, *FESTIVAL, "--join", "--as", "小明") as demo:
        demo.stdin.write(b"/shake\n/quit\n")
        assert await demo.end() == 0, demo.told
    assert re.search(r"^shaken campaign=\d+ result=(won|nothing)", demo.told, re.MULTILINE)
    assert "✗" not in demo.told
    assert "audit: ok (" in demo.told


@pytest.mark.parametrize(
    ("others", "why"),
    [
        (("--http",), "give --festival or --http, not both: the crowd shakes and opens no packets"),
        (("--join", "--phone"), "give --join or --phone, not both"),
    ],
    ids=["http", "two ways"],
)
def test_festival_refuses_what_makes_no_sense(tmp_path: Path, others: tuple[str, ...], why: str) -> None:
    refused = here("demo", "--festival", *others, "--data", tmp_path)
    assert (refused.code, refused.stderr) == (2, f"hongbao: {why}\n")
