"""Scenario `idle`: users who are logged in and do nothing. What each costs: memory of server and kernel, and CPU.

The server's memory is its RSS at the end, less its RSS when only a few others were online, who stay: what it takes
once is not counted, and nothing that somebody left behind is used again unseen. The kernel's is that of the whole
machine (slabs and TCP buffers, from /proc), which holds both ends of each connection, and what else happens here
meanwhile. CPU is what the server uses while nobody asks for anything: timers, and a ping for each connection every
25 s, the first after half of that or more; let it last longer (`--seconds`) to see them all.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from bench.load import usage
from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import Say, SetupFailed
from bench.load.transport import MeasuredConnection
from bench.load.usage import Pids
from bench.scenarios.scenario import Scenario, Standard

OTHERS = 500
SETTLES_S = 1.0


class Idle(Scenario):
    """Nothing is asked, so there are no turns."""

    about = "users are logged in and do nothing: memory and CPU for each"
    rate_of = "turns: nobody asks for anything"
    standard = Standard(connections=10_000, depth=0, seconds=10.0)
    refuses: ClassVar = (
        *("--rate", "--find-max", "--p99-ms", "--depth", "--requests", "--warmup-s"),
        "--generators",
    )
    because = "nobody asks for anything"

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        super().__init__(job, say)
        self._wires: list[MeasuredConnection] = []
        self._server_kib = 0.0
        self._kernel_kib = 0.0
        self._cpu_s = 0.0

    async def prepare(self) -> None:
        """Everybody logs in. Raises StageFailed if the server is elsewhere: its memory cannot be seen then."""
        if not self.job.server_pid:
            raise SetupFailed("the server is not on this machine, so its memory cannot be measured")
        users = self.job.order.connections
        await self.stage.users(OTHERS, first=users)
        await asyncio.sleep(SETTLES_S)
        self._server_kib, self._kernel_kib = -self._server_kib_now(), -usage.kernel_kib()
        self._wires = await self.stage.users(users)
        await asyncio.sleep(SETTLES_S)

    async def measure(self) -> None:
        """Wait."""
        self._cpu_s = -self._cpu_s_now()
        await asyncio.sleep(self.job.order.seconds)
        self._cpu_s += self._cpu_s_now()
        self._server_kib += self._server_kib_now()
        self._kernel_kib += usage.kernel_kib()

    def outcome(self) -> Outcome:
        """For each connection: KiB, and CPU milliseconds per second."""
        connections, seconds = len(self._wires), self.job.order.seconds
        lost = sum(1 for one in self._wires if one.why)
        return Outcome(
            connections=connections,
            end_s=seconds,
            errors={"connection_lost": lost} if lost else {},
            extra={
                "server_kib_each": round(self._server_kib / connections, 3),
                "kernel_kib_each": round(self._kernel_kib / connections, 3),
                "server_cpu_ms_each_per_s": round(self._cpu_s * 1000 / connections / seconds, 6),
                "pings_answered": sum(one.pings for one in self._wires),
            },
        )

    def _server_kib_now(self) -> float:
        return usage.rss_mb(self.job.server_pid) * 1e6 / 1024

    def _cpu_s_now(self) -> float:
        return usage.cpu_s(Pids(server=self.job.server_pid)).server
