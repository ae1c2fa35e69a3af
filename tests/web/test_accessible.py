"""Every screen of the app is checked with axe-core, which `make web` installs: no finding is serious. And what
can be tapped is 44 pixels wide and high."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.ops.dashboard.browser import browser, installed_or_skip
from tests.web.conftest import WEB
from tests.web.screenshots import Scene, opened_scene, take

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = ("serious", "critical")
SCREENS_MIN = 20
# axe sees through the layers: what is below the top one is inert, which its contrast rule does not know
RUN = """
async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.flatMap((found) =>
  found.nodes.map((node) => [found.impact, found.id, node.html.slice(0, 120), node.any[0]?.message ?? ""]))
"""
TARGET_PX = 44
# a field is hit by its line; a choice of the pay sheet by its label
SMALL = """
(least) => [...document.querySelectorAll("button, select, summary, textarea, .field, .way")].flatMap((element) => {
  const { offsetWidth: width, offsetHeight: height } = element; // without the turns of the coin
  const isShown = width > 0 && !element.closest("[inert]") && getComputedStyle(element).visibility === "visible";
  const isSmall = isShown && Math.min(width, height) < least;
  return isSmall ? [["small", element.outerHTML.slice(0, 120), width, height]] : [];
})
"""


async def findings(scene: Scene, url: str, language: str, scheme: str) -> dict[str, Any]:
    """What is serious, by screen."""
    found: dict[str, Any] = {}
    source = AXE.read_text("utf-8")
    async with browser(installed_or_skip()) as chromium:
        async for page, shot in take(scene, chromium, scene.link(url, language), scheme):
            if not await page.evaluate("typeof axe === 'object'"):
                await page.evaluate(source)
            serious = [one for one in await page.evaluate(RUN) if one[0] in SERIOUS]
            found[shot.name] = serious + await page.evaluate(SMALL, TARGET_PX)
    return found


@pytest.mark.long
def test_no_screen_has_a_serious_fault_or_a_small_target() -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make web")
    installed_or_skip()
    with opened_scene() as (scene, url):

        async def check() -> list[dict[str, Any]]:
            await scene.prepare()
            found = [await findings(scene, url, *version) for version in (("zh", "light"), ("en", "dark"))]
            await scene.close()
            return found

        for screens in asyncio.run(check()):
            assert len(screens) >= SCREENS_MIN
            faulty = {name: found for name, found in screens.items() if found}
            assert not faulty, json.dumps(faulty, ensure_ascii=False, indent=1)
