"""The messages to systemd, on a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from server.operating_system.systemd import Systemd
from tests.conftest import PATIENCE_S

WATCHDOG_S = 0.2
Notify = Callable[[Mapping[str, str]], Systemd]


@pytest.fixture(params=["a file", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The name of the socket of systemd: a path, or an abstract name after an @."""
    return str(tmp_path / "notify") if request.param == "a file" else f"@hongbao test {os.getpid()} {tmp_path.name}"


@pytest.fixture
def systemd(address: str) -> Iterator[socket.socket]:
    """The receiving end, that of systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + address[1:] if address.startswith("@") else address)
        heard.settimeout(PATIENCE_S)
        yield heard


@pytest.fixture
def notify_with() -> Iterator[Notify]:
    """Makes the sending end, ours, from an environment."""
    with ExitStack() as stack:
        yield lambda environment: stack.enter_context(closing(Systemd(environment)))


def words(systemd: socket.socket) -> dict[str, str]:
    """The next message, as variables."""
    return dict(line.split("=", 1) for line in systemd.recv(4096).decode().split("\n"))


def silent(systemd: socket.socket) -> bool:
    """True if no message is waiting."""
    systemd.setblocking(False)
    try:
        systemd.recv(4096)
    except BlockingIOError:
        return True
    return False


def test_systemd_receives_ready_and_stopping(systemd: socket.socket, address: str, notify_with: Notify) -> None:
    notify = notify_with({"NOTIFY_SOCKET": address})
    notify.ready()
    assert words(systemd) == {"READY": "1"}
    notify.stopping()
    assert words(systemd) == {"STOPPING": "1"}
    assert silent(systemd)


def test_systemd_receives_the_monotonic_time_of_a_reload(
    systemd: socket.socket, address: str, notify_with: Notify
) -> None:
    """systemd takes a READY for the end of this reload only if it comes after that time."""
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify_with({"NOTIFY_SOCKET": address}).reloading()
    message = words(systemd)
    assert message.keys() == {"RELOADING", "MONOTONIC_USEC"}
    assert message["RELOADING"] == "1"
    assert before_us <= int(message["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


async def test_watchdog_receives_two_pings_per_period(
    systemd: socket.socket, address: str, notify_with: Notify
) -> None:
    usual = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(WATCHDOG_S * 1_000_000))}
    watching = asyncio.create_task(notify_with({**usual, "WATCHDOG_PID": str(os.getpid())}).ping_watchdog())
    began_s = time.monotonic()
    for _ in range(4):
        assert await asyncio.to_thread(words, systemd) == {"WATCHDOG": "1"}
    assert time.monotonic() - began_s >= WATCHDOG_S  # the first at once, then three after half a period each
    watching.cancel()
    await asyncio.wait({watching})


@pytest.mark.parametrize(
    "environment",
    [
        {},  # no watchdog
        {"WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"},  # the watchdog of the parent process
    ],
)
async def test_watchdog_of_another_process_receives_nothing(
    systemd: socket.socket, address: str, environment: dict[str, str], notify_with: Notify
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await notify_with({"NOTIFY_SOCKET": address, **environment}).ping_watchdog()  # returns at once
    assert silent(systemd)


async def test_watchdog_receives_nothing_while_the_loop_hangs(
    systemd: socket.socket, address: str, notify_with: Notify
) -> None:
    watching = asyncio.create_task(
        notify_with({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000"}).ping_watchdog()
    )
    assert await asyncio.to_thread(words, systemd) == {"WATCHDOG": "1"}
    await asyncio.sleep(0)
    while not silent(systemd):
        pass
    time.sleep(0.1)  # noqa: ASYNC251  this is the hang
    assert silent(systemd)
    watching.cancel()
    await asyncio.wait({watching})


def test_systemd_receives_pings_at_the_limit_of_open_files(
    systemd: socket.socket, address: str, notify_with: Notify
) -> None:
    notify = notify_with({"NOTIFY_SOCKET": address})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, len(os.listdir("/proc/self/fd")) + 20), hard))
        with suppress(OSError):
            while True:
                held.enter_context(Path("/dev/null").open("rb"))
        notify.ready()
        assert words(systemd) == {"READY": "1"}


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_systemd_calls_without_systemd_do_nothing(environment: dict[str, str], notify_with: Notify) -> None:
    notify = notify_with(environment)
    notify.ready()
    notify.reloading()
    notify.stopping()


def test_systemd_that_does_not_read_does_not_block(
    systemd: socket.socket, address: str, notify_with: Notify
) -> None:
    """The buffer of the kernel fills up; the server goes on."""
    notify = notify_with({"NOTIFY_SOCKET": address})
    for _ in range(5_000):
        notify.ready()
    assert words(systemd) == {"READY": "1"}
