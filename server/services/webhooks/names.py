"""Whether the name in a URL leads to an address that webhooks may go to, when an endpoint is put.

Only a hint for the one who puts it: what a name stands for may change, so each connection is checked again.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from server.core.webhooks.addresses import Network, why_not

LOOK_S: Final = 2.0
LOOKS_MAX: Final = 8  # at once: a name server that hangs keeps a thread of each

_looks = threading.BoundedSemaphore(LOOKS_MAX)


def look_up(host: str) -> list[str]:
    """The addresses of a host; blocks. Raises OSError, UnicodeError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


async def check_name(url: str, allowed: Sequence[Network]) -> tuple[str, str]:
    """Why a URL is refused, because every address of its name is, and a warning if there is no address now.

    Both are empty if all is well, and for a URL whose host is an address: that was checked before.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    with suppress(ValueError):
        ip_address(host)
        return "", ""
    addresses = await _addresses(host)
    if not addresses:
        return "", f"{host} has no address now; events are tried again until it has one"
    refusals = [why_not(one, allowed, encrypted=parts.scheme == "https") for one in addresses]
    return (f"{host} leads to {addresses[0]}, and {refusals[0]}" if all(refusals) else ""), ""


async def _addresses(host: str) -> list[str]:
    """The addresses of a host; none if it has none, or if that takes too long."""
    if not _looks.acquire(blocking=False):
        return []
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()
    # a thread of its own that nothing waits for: neither other users of the pool, nor the end of a command
    threading.Thread(target=_look, args=(host, loop, found), daemon=True).start()
    try:
        async with asyncio.timeout(LOOK_S):
            return await found
    except TimeoutError:
        return []


def _look(host: str, loop: asyncio.AbstractEventLoop, found: asyncio.Future[list[str]]) -> None:
    addresses: list[str] = []
    try:
        with suppress(OSError, UnicodeError):
            addresses = look_up(host)
    finally:
        _looks.release()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(_set, found, addresses)


def _set(found: asyncio.Future[list[str]], addresses: list[str]) -> None:
    if not found.done():
        found.set_result(addresses)
