"""Makes the screenshots of the dashboard for the docs: `python -m tests.ops.screenshots [FOLDER]`, about a minute.

They show a server that is started for this purpose, under the load of simulated users.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from playwright.async_api import Browser, Page, expect

from client_sim.sim import scenarios
from server import config
from server.cli.shared.resources import mint
from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import ask
from server.process import ServerProcess
from tests.ops.dashboard.browser import browser, installed, open_page

SECONDS: Final = 70
WAIT_S: Final = 60  # the charts show one minute
CROWD: Final = {"users": 160, "groups": 5, "seed": 8}
SETTINGS: Final = {
    "HONGBAO_LIMITS__PACKET_LIFETIME_S": "25",  # for refunds within the minute
    "HONGBAO_LIMITS__CONNECTIONS_OF_ADDRESS_MAX": "100000",
}


class Screenshot(NamedTuple):
    """A file and the size of its window; `height` 0: the whole page."""

    name: str
    width: int
    height: int
    scheme: str
    scale: float


SCREENSHOTS: Final = (
    Screenshot("dashboard.png", 1280, 0, "light", 1),
    Screenshot("dashboard-phone.png", 390, 955, "dark", 2),
)


async def _open(running: Browser, shot: Screenshot, page_url: str) -> Page:
    """A page that follows the server from its start; opening one later takes seconds on a busy machine."""
    page = await open_page(running, shot.width, shot.height or 900, scheme=shot.scheme, scale=shot.scale)
    await page.goto(page_url)
    return page


async def take(url: str, page_url: str, token_of: Callable[[int], str], data: Path, folder: Path) -> None:
    """Run the simulated users, and take the screenshots meanwhile."""
    crowd = scenarios.prepare("crowd", url, token_of, seconds=SECONDS, **CROWD)
    path = installed()
    assert path is not None
    async with browser(path) as running:
        pages = [await _open(running, shot, page_url) for shot in SCREENSHOTS]
        playing = asyncio.create_task(scenarios.perform("crowd", crowd))
        await asyncio.sleep(WAIT_S / 2)
        await ask(data / STATUS_SOCKET, "audit")
        await asyncio.sleep(WAIT_S / 2)
        for shot, page in zip(SCREENSHOTS, pages, strict=True):
            await expect(page.locator("#verdict")).to_have_text("✓ balanced")
            await page.screenshot(path=folder / shot.name, full_page=not shot.height)
    await playing


def main() -> int:
    """The command line."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    if installed() is None:
        print("Chromium is not installed; on Debian or Ubuntu: apt install chromium", file=sys.stderr)
        return 1
    with socket.create_server(("127.0.0.1", 0)) as free:
        http = f"127.0.0.1:{free.getsockname()[1]}"
    os.environ.update(SETTINGS, HONGBAO_OPS__HTTP=http)
    with tempfile.TemporaryDirectory(prefix="hb-") as name, ServerProcess(Path(name)) as server:
        data, settings = Path(name), config.load(None, {})
        asyncio.run(take(server.url, f"http://{http}/", lambda user: mint(settings, data, user), data, folder))
    print(*(folder / shot.name for shot in SCREENSHOTS), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
