"""Takes the pictures of the dashboard for the docs: `python -m tests.ops.screenshots [FOLDER]`, about a minute.

They show a real server of its own, towards the end of a crowd's evening.
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

from playwright.async_api import expect

from client_sim.sim import scenarios
from server import config
from server.cli.resources import mint
from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import ask
from server.process import ServerProcess
from tests.ops.browser import browser, installed, open_page

SECONDS: Final = 70
LOOK_S: Final = 60  # as long as the charts show
CROWD: Final = {"users": 160, "groups": 5, "seed": 8}
SETTINGS: Final = {
    "HONGBAO_LIMITS__PACKET_LIFETIME_S": "25",  # so that something is refunded within the minute
    "HONGBAO_LIMITS__CONNECTIONS_OF_ADDRESS_MAX": "100000",
}


class Picture(NamedTuple):
    """A file, and the window that is pictured in it; the whole page if `height` is 0."""

    name: str
    width: int
    height: int
    scheme: str
    scale: float


PICTURES: Final = (
    Picture("dashboard.png", 1280, 0, "light", 1),
    Picture("dashboard-phone.png", 390, 955, "dark", 2),
)


async def take(url: str, page_url: str, token_of: Callable[[int], str], data: Path, folder: Path) -> None:
    """Let the crowd play, and look on."""
    crowd = scenarios.prepare("crowd", url, token_of, seconds=SECONDS, **CROWD)
    playing = asyncio.create_task(scenarios.perform("crowd", crowd))
    await asyncio.sleep(LOOK_S / 2)
    await ask(data / STATUS_SOCKET, "audit")
    await asyncio.sleep(LOOK_S / 2)
    path = installed()
    assert path is not None
    async with browser(path) as running:
        for picture in PICTURES:
            window = picture.height or 900
            page = await open_page(running, picture.width, window, scheme=picture.scheme, scale=picture.scale)
            await page.goto(page_url)
            await expect(page.locator("#verdict")).to_have_text("✓ it balances")
            await page.screenshot(path=folder / picture.name, full_page=not picture.height)
    await playing


def main() -> int:
    """The command."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    if installed() is None:
        print("no Chromium here; on Debian or Ubuntu: apt install chromium", file=sys.stderr)
        return 1
    with socket.create_server(("127.0.0.1", 0)) as free:
        http = f"127.0.0.1:{free.getsockname()[1]}"
    os.environ.update(SETTINGS, HONGBAO_OPS__HTTP=http)
    with tempfile.TemporaryDirectory(prefix="hb-") as name, ServerProcess(Path(name)) as server:
        data, settings = Path(name), config.load(None, {})
        asyncio.run(take(server.url, f"http://{http}/", lambda user: mint(settings, data, user), data, folder))
    print(*(folder / picture.name for picture in PICTURES), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
