"""Tells systemd the state of the server (protocol sd_notify). Without systemd it does nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class Systemd:
    """The socket that systemd listens on, if it started this process with `Type=notify`.

    Ours is opened once: at the limit of open files a ping must not fail, or systemd kills a healthy server.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Reads NOTIFY_SOCKET and, for the watchdog, WATCHDOG_USEC and WATCHDOG_PID."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = _sender() if address else None
        is_ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1_000_000 if is_ours else 0.0

    def ready(self) -> None:
        """The server is ready; also sent at the end of a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; systemd asks for the time on the monotonic clock."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The server drains."""
        self._send("STOPPING=1")

    async def ping_watchdog(self) -> None:
        """Ping the watchdog twice per period until cancelled; a blocked event loop sends no pings."""
        while self._watchdog_s:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 2)

    def close(self) -> None:
        """Send no more."""
        if self._socket is not None:
            self._socket.close()

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        with suppress(OSError):  # the receiver is gone or its buffer is full: the server must not wait for it
            self._socket.sendto(text.encode(), self._address)


def _sender() -> socket.socket:
    """Not connected: systemd may bind its socket again."""
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    sender.setblocking(False)
    return sender
