"""Scenario `idle`: users who are logged in and do nothing. The cost of each: memory of server and kernel, and CPU.

The server's memory is its RSS at the end, less its RSS when only a few other users were online, who stay: fixed
costs are not counted, and memory that an earlier run released is not used again unnoticed. The kernel's memory is
that of the whole machine (slabs and TCP buffers, from /proc): it includes both ends of each connection and other
work on the machine. CPU is the server's use without requests: timers, and a ping for each connection every 25 s,
the first one after half of that or more; use a longer `--seconds` to see all pings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from msgspec.structs import replace

from bench.load import usage
from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import Say, SetupFailed
from bench.load.transport import MeasuredConnection
from bench.load.usage import Pids
from bench.scenarios.basic import WEBSOCKET
from bench.scenarios.scenario import Scenario, Standard

OTHER_USERS = 500
SETTLE_S = 1.0


class Idle(Scenario):
    """There are no requests, so there are no operations."""

    about = "users are logged in and do nothing: memory and CPU for each"
    rate_of = "operations: users send no requests"
    standard = Standard(connections=10_000, depth=0, seconds=10.0)
    refuses: ClassVar[Sequence[str]] = (
        "--rate",
        "--find-max",
        "--p99-ms",
        "--depth",
        "--requests",
        "--warmup-s",
        "--generators",
    )
    because = "users send no requests"

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._connections: list[MeasuredConnection] = []
        self._server_kib = 0.0
        self._kernel_kib = 0.0
        self._cpu_s = 0.0

    async def prepare(self) -> None:
        """Log all users in. Raises SetupFailed if the server is on another machine: its memory is unknown then."""
        if not self.spec.server_pid:
            raise SetupFailed("the server is not on this machine, so its memory cannot be measured")
        users = self.run_spec.connections
        await self.setup.log_in_users(OTHER_USERS, first=users)
        await asyncio.sleep(SETTLE_S)
        self._server_kib, self._kernel_kib = -self._memory_kib(), -usage.kernel_kib()
        self._connections = await self.setup.log_in_users(users)
        await asyncio.sleep(SETTLE_S)

    async def measure(self) -> None:
        self._cpu_s = -self._cpu_s_used()
        await asyncio.sleep(self.run_spec.seconds)
        self._cpu_s += self._cpu_s_used()
        self._server_kib += self._memory_kib()
        self._kernel_kib += usage.kernel_kib()

    def outcome(self) -> Outcome:
        """For each connection: KiB, and CPU milliseconds per second."""
        connections, seconds = len(self._connections), self.run_spec.seconds
        lost = sum(1 for one in self._connections if one.end_reason)
        return Outcome(
            connections=connections,
            end_s=seconds,
            errors={"connection_lost": lost} if lost else {},
            extra={
                "server_kib_each": round(self._server_kib / connections, 3),
                "kernel_kib_each": round(self._kernel_kib / connections, 3),
                "server_cpu_ms_each_per_s": round(self._cpu_s * 1000 / connections / seconds, 6),
                "pings_answered": sum(one.pings for one in self._connections),
            },
        )

    def _memory_kib(self) -> float:
        return usage.rss_mb(self.spec.server_pid) * 1e6 / 1024

    def _cpu_s_used(self) -> float:
        return usage.cpu_s(Pids(server=self.spec.server_pid)).server


class IdleWebSocket(Idle):
    """The same over WebSocket."""

    about = "users are logged in over WebSocket and do nothing: memory and CPU for each"
    refuses: ClassVar[Sequence[str]] = (*Idle.refuses, "--url")
    because = "users send no requests; with --url ws:// the scenario idle does the same"
    sections = WEBSOCKET

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(replace(spec, url=spec.websocket_url), say)
