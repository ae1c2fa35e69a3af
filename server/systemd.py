"""Tell systemd how we are (protocol sd_notify): ready, reloading, stopping, alive. Elsewhere it does nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping


class Systemd:
    """The socket that systemd listens on, if it started us with `Type=notify`."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Reads NOTIFY_SOCKET and, for the watchdog, WATCHDOG_USEC and WATCHDOG_PID."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_s = int(environment.get("WATCHDOG_USEC", "0")) / 1_000_000 if for_us else 0.0

    def ready(self) -> None:
        """It serves; also said when a reload is over."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """A reload begins; systemd wants to know when, on the monotonic clock."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It drains."""
        self._tell("STOPPING=1")

    async def watch(self) -> None:
        """Say that the loop still turns, twice per period of the watchdog, until cancelled."""
        while self._watchdog_s:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 2)

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as there:
                there.setblocking(False)
                there.sendto(words.encode(), self._address)
        except OSError:
            pass  # whoever listens is gone, or its buffer is full; the server has better things to do
