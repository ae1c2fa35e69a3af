"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.notify import Notify
from tests.conftest import PATIENCE_S

WATCHDOG_S = 0.2


@pytest.fixture(params=["a file", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """As systemd names its socket: a path, or a name behind an @ that is in no file system."""
    return str(tmp_path / "notify") if request.param == "a file" else f"@hongbao test {os.getpid()} {tmp_path.name}"


@pytest.fixture
def systemd(address: str) -> Iterator[socket.socket]:
    """The end that systemd reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + address[1:] if address.startswith("@") else address)
        heard.settimeout(PATIENCE_S)
        yield heard


def words(systemd: socket.socket) -> dict[str, str]:
    """The next message, as variables."""
    return dict(line.split("=", 1) for line in systemd.recv(4096).decode().split("\n"))


def silent(systemd: socket.socket) -> bool:
    """Nothing more was said."""
    systemd.setblocking(False)
    try:
        systemd.recv(4096)
    except BlockingIOError:
        return True
    return False


def test_it_says_that_it_serves_and_that_it_stops(systemd: socket.socket, address: str) -> None:
    notify = Notify({"NOTIFY_SOCKET": address})
    notify.ready()
    assert words(systemd) == {"READY": "1"}
    notify.stopping()
    assert words(systemd) == {"STOPPING": "1"}
    assert silent(systemd)


def test_a_reload_says_when_it_began_on_the_clock_that_systemd_reads(systemd: socket.socket, address: str) -> None:
    """systemd takes a READY for the end of this reload only if it comes behind that time."""
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    Notify({"NOTIFY_SOCKET": address}).reloading()
    told = words(systemd)
    assert told.keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert told["RELOADING"] == "1"
    assert before_us <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


async def test_the_watchdog_hears_more_often_than_it_must(systemd: socket.socket, address: str) -> None:
    usual = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1_000_000))}
    watching = asyncio.create_task(Notify({**usual, "WATCHDOG_PID": str(os.getpid())}).watch())
    began_s = time.monotonic()
    for _ in range(4):
        assert await asyncio.to_thread(words, systemd) == {"WATCHDOG": "1"}
    assert (
        time.monotonic() - began_s >= WATCHDOG_S
    )  # the first at once, then at most three periods of half the time
    watching.cancel()
    await asyncio.wait({watching})


@pytest.mark.parametrize(
    "environment",
    [
        {},  # no watchdog
        {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"},  # the watchdog of another process, which started us
    ],
)
async def test_there_is_nothing_to_say_to_a_watchdog_that_is_not_ours(
    systemd: socket.socket, address: str, environment: dict[str, str]
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await Notify({"NOTIFY_SOCKET": address, **environment}).watch()  # it ends by itself
    assert silent(systemd)


async def test_the_watchdog_hears_nothing_from_a_loop_that_hangs(systemd: socket.socket, address: str) -> None:
    watching = asyncio.create_task(Notify({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"}).watch())
    assert await asyncio.to_thread(words, systemd) == {"WATCHDOG": "1"}
    await asyncio.sleep(0)
    while not silent(systemd):
        pass
    time.sleep(0.1)  # noqa: ASYNC251  this is the hang
    assert silent(systemd)
    watching.cancel()
    await asyncio.wait({watching})


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_elsewhere_it_does_nothing(environment: dict[str, str]) -> None:
    notify = Notify(environment)
    notify.ready()
    notify.reloading()
    notify.stopping()


def test_who_does_not_read_holds_nobody_up(systemd: socket.socket, address: str) -> None:
    """The kernel's buffer fills; the server goes on."""
    notify = Notify({"NOTIFY_SOCKET": address})
    for _ in range(5_000):
        notify.ready()
    assert words(systemd) == {"READY": "1"}
