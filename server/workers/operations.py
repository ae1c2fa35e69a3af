"""Wires the operators' side of a supervisor: samples of all workers, status socket, HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from protocol.money_unit import MoneyUnit
from server.clock import Clock
from server.config import OpsSection
from server.ops.operator_sockets import OperatorSockets
from server.ops.samples.sampler import Sampler
from server.ops.socket.command_table import command_table
from server.ops.socket.status_socket import Answer, Peer, ask, forwarding
from server.services.runtime.supervised import Loop
from server.workers.commands import SupervisorCommands
from server.workers.process import WorkerProcess
from server.workers.restart import RollingRestart
from server.workers.samples import WorkerSamples
from server.workers.worker import KeptWorker

RELOAD_S: Final = 1.5  # within the time of a command; a worker that takes longer is named in the answer


class SupervisorOperations:
    """What a server with several workers reports about itself, and the commands that it accepts."""

    def __init__(
        self,
        config: OpsSection,
        workers: Sequence[KeptWorker],
        samples: WorkerSamples,
        money: MoneyUnit,
        *,
        drain: Callable[[], None],
        reload: Callable[[], Awaitable[Answer]],
        restart: RollingRestart,
    ) -> None:
        self._workers = workers
        self._samples = samples
        self.sampler = Sampler(samples, Clock.elapsed_s, self._collect)
        commands = SupervisorCommands(
            workers,
            samples,
            self.sampler,
            money,
            drain=drain,
            reload=reload,
            restart=restart.start,
            restart_state=restart.state,
        )
        self._sockets = OperatorSockets(
            config,
            command_table(commands.runs()),
            self.sampler,
            samples.judge,
            money,
            workers=samples.rows,
            campaigns=lambda: samples.campaigns,
        )

    @property
    def web(self) -> str:
        """The address of the dashboard, or why there is none; empty if HTTP is not configured."""
        return self._sockets.web

    async def open(self, status_socket: Path) -> None:
        """Start to answer. Raises OSError."""
        await self._sockets.open(status_socket)

    def loops(self) -> dict[str, Loop]:
        """The background loops by name, to be supervised."""
        return {"samples": self.sampler.run, **self._sockets.loops()}

    async def close(self) -> None:
        """Stop answering."""
        await self._samples.close()
        await self._sockets.close()

    async def _collect(self) -> None:
        await self._samples.collect(is_viewed=self._sockets.has_viewers)

    async def reload_workers(self) -> list[str]:
        """Let every worker that serves read everything again; what went wrong, for each that failed."""
        processes = [one for worker in self._workers for one in worker.processes if one.serves is not None]
        found = await asyncio.gather(*map(_reload, processes))
        return [why for why in found if why]


async def _reload(process: WorkerProcess) -> str:
    try:
        # in our own name: the operator who has asked is in the log already
        answer = await ask(process.status, forwarding(Peer(os.getuid(), os.getpid()), "reload"), RELOAD_S)
    except TimeoutError:
        return f"worker {process.number} does not answer"
    except (OSError, ValueError):
        return ""  # it has ended: its successor reads everything
    return f"worker {process.number}: {answer['error']}" if "error" in answer else ""
