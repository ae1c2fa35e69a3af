"""`hongbao replay`: a page that shows the race, and recomputes every share in the browser of its reader."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.cases import each
from tests.conftest import PATIENCE_S, SEED_KEYS, Server, Turn
from tests.server.serving import Ended, here
from tests.services.conftest import MakeParty, party
from tests.web.conftest import chromium

__all__ = ["chromium", "party"]  # fixtures

HOSTILE = "</script><img src=x>"
RECORDS = re.compile(r'(<script type="application/json" class="records">)(.*?)(</script>)', re.DOTALL)


class Replays:
    """Runs the command on the records of a test."""

    def __init__(self, data: Path, dsn: str) -> None:
        self._data, self._dsn = data, dsn
        keys = "".join(f'{name} = "{key.hex()}"\n' for name, key in SEED_KEYS.items())
        (data / "seed-keys.toml").write_text(keys)
        (data / "seed-keys.toml").chmod(0o600)
        self.path = data / "race.html"

    async def __call__(self, packet_id: int, *words: str) -> Ended:
        """How the command ended."""
        place = "--data", self._data, "--postgres", self._dsn, "--out", self.path
        return await asyncio.to_thread(here, "replay", packet_id, *place, *words)

    def told(self) -> dict[str, Any]:
        """The records in the page."""
        found = RECORDS.search(self.path.read_text("utf-8"))
        assert found is not None
        told: dict[str, Any] = json.loads(found[2])
        return told

    def forge(self, **changes: Any) -> None:
        """Change the records in the page."""
        forged = json.dumps(self.told() | changes)
        text = self.path.read_text("utf-8")
        self.path.write_text(RECORDS.sub(lambda found: found[1] + forged + found[3], text), "utf-8")


@pytest.fixture
def replays(tmp_path: Path, postgres_dsn: str) -> Replays:
    data = tmp_path / "home"
    data.mkdir()
    return Replays(data, postgres_dsn)


async def opened(chromium: Browser, path: Path) -> tuple[Page, list[str]]:
    """The page as a file, and what it complains about."""
    page = await chromium.new_page(viewport={"width": 390, "height": 844})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url[:4] != "file" else None)
    await page.goto(path.as_uri())
    return page, complaints


@pytest.mark.parametrize("kind", ["lucky", "equal"])
async def test_page_shows_the_race_and_proves_each_share(
    server: Server, party: MakeParty, replays: Replays, chromium: Browser, kind: str
) -> None:
    room = await party(server, 4)
    packet_id = (await room.sender.send_packet(kind, room.group, 700, 4, HOSTILE)).packet_id
    amounts = [(await guest.open(packet_id)).amount_fen for guest in room.guests]
    assert (await replays(packet_id, "--html", "--lang", "en")).code == 0
    page, complaints = await opened(chromium, replays.path)
    await expect(page.locator(".verdict")).to_have_text("✓ Everything fits")
    await expect(page.locator(".steps li")).to_have_count(4)
    await expect(page.locator("h1")).to_have_text(HOSTILE)
    shown = await page.locator(".claims .amount").all_text_contents()
    assert shown == [f"{fen / 100:.2f} yuan" for fen in amounts]
    assert await page.locator(".claims .who").all_text_contents() == [f"No. {place}" for place in (1, 2, 3, 4)]
    await expect(page.locator(".mark")).to_have_count(1 if kind == "lucky" else 0)
    await page.locator(".moment").fill("0")
    await expect(page.locator(".left")).to_have_text("4")
    await page.locator(".moment").fill("1000")
    await expect(page.locator(".left")).to_have_text("0")
    assert complaints == []
    assert "user" not in json.dumps(replays.told()["claims"])


@each(("field", "step"), [("seed", 3), ("commitment", 0), ("client_seed", 1), ("server_seed", 1), ("root", 2)])
async def test_page_names_what_was_forged(
    server: Server, party: MakeParty, replays: Replays, chromium: Browser, field: str, step: int
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(1_000, 2)
    await room.all_open(packet_id)
    assert (await replays(packet_id)).code == 0
    value = replays.told()[field]
    replays.forge(**{field: value[:-2] + ("00" if value[-2:] != "00" else "01")})
    page, _ = await opened(chromium, replays.path)
    await expect(page.locator(".verdict")).to_have_class(re.compile("bad"))
    marks = await page.locator(".steps li span:first-child").all_text_contents()
    assert marks[step] == "✗"


async def test_changed_amount_is_found(
    server: Server, party: MakeParty, replays: Replays, chromium: Browser
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(1_000, 2)
    await room.all_open(packet_id)
    assert (await replays(packet_id, "--lang", "zh")).code == 0
    claims = replays.told()["claims"]
    claims[0]["amount_fen"] += 1
    replays.forge(claims=claims)
    page, _ = await opened(chromium, replays.path)
    await expect(page.locator(".verdict")).to_have_text("✗ 有不吻合的地方")


async def test_names_are_written_if_the_config_and_the_command_say_so(
    server: Server, party: MakeParty, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(server, 1)
    await room.guests[0].set_name("小安")
    packet_id = await room.lucky(100, 1)
    await room.all_open(packet_id)
    assert (await replays(packet_id)).code == 0
    assert "小安" not in replays.path.read_text("utf-8")
    refused = await replays(packet_id, "--names")
    assert (refused.code, "web.replay_names" in refused.stderr) == (2, True)
    monkeypatch.setenv("HONGBAO_WEB__REPLAY_NAMES", "true")
    assert (await replays(packet_id, "--names")).code == 0
    assert [one["who"] for one in replays.told()["claims"]] == ["小安"]


async def test_packet_that_is_not_over_has_no_replay_and_one_that_came_back_has(
    server: Server, party: MakeParty, replays: Replays, chromium: Browser, turn_clock: Turn
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(1_000, 3)
    await room.guests[0].open(packet_id)
    early = await replays(packet_id)
    assert (early.code, "its seed stays secret" in early.stderr) == (1, True)
    assert not replays.path.exists()
    turn_clock(25 * 3_600_000)
    async with asyncio.timeout(PATIENCE_S):
        while (await replays(packet_id, "--lang", "en")).code:  # noqa: ASYNC110  until it is refunded
            await asyncio.sleep(0.05)
    page, complaints = await opened(chromium, replays.path)
    await expect(page.locator(".ending")).to_have_text("2 shares were not opened and went back.")
    await expect(page.locator(".verdict")).to_have_text("✓ Everything fits")
    assert complaints == []
    missing = await replays(5)
    assert (missing.code, missing.stderr) == (1, "hongbao: there is no packet 5\n")
