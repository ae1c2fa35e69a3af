"""The supervisor: starts workers behind one address, keeps them running, and answers operators for all of them.

It has no stores and no clients. The embedded stores belong to it: they outlive each worker.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from server.clock import Clock
from server.config.money import money_unit
from server.embedded import StoreAddresses
from server.instance import publish, status_path, withdraw
from server.loop import tame_garbage_collector
from server.operating_system.signals import stop_on_signals
from server.operating_system.systemd import Systemd
from server.reload import Reading, Reload
from server.services.runtime.store_errors import StoreUnavailable
from server.services.runtime.supervised import Supervisor
from server.start_line import tell_made, tell_start
from server.tasks import done_before, end_all
from server.version import version
from server.worker_place import HeldSockets
from server.workers.held_sockets import HeldAddresses
from server.workers.merge import Ended
from server.workers.messages import WorkerServes
from server.workers.operations import SupervisorOperations
from server.workers.orders import WorkerOrders
from server.workers.restart import RollingRestart
from server.workers.samples import WorkerSamples
from server.workers.sizing import owners_among
from server.workers.worker import KeptWorker, WorkerNotStarted

LOG = structlog.get_logger()
FOLDER: Final = "workers"  # in the data folder


class AskedFor(NamedTuple):
    """What the command line says: where the server is, its config file, and options over it."""

    data: Path
    config_file: Path | None
    overrides: Mapping[str, Any]


class SupervisorWork(NamedTuple):
    """What a server with several workers serves with. `read` reads config and credentials again."""

    now: Reading
    read: Callable[[], Reading]
    asked: AskedFor
    stores: StoreAddresses
    workers: int


async def supervise(work: SupervisorWork, made: Path | None) -> int:
    """Serve until a signal stops it. `made`: the file of seed keys, if this start has made it.

    Returns the exit code. Raises StoreUnavailable, WorkerNotStarted, OSError.
    """
    stop, systemd = stop_on_signals(), Systemd()
    server = WorkerSupervisor(work, stop, systemd)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload_soon)
    watchdog = asyncio.create_task(systemd.ping_watchdog())

    def ready(told: WorkerServes) -> None:
        tame_garbage_collector()
        durability = work.now.config.stores.durability
        http_api = told.http_api and f"HTTP API {told.http_api}"
        facts = (f"{work.workers} workers", f"data {work.asked.data}", f"durability {durability}")
        tell_start(told.url, (told.websocket, *facts, server.operations.web, http_api))
        LOG.info("serving", url=told.url, durability=durability, workers=work.workers)
        tell_made(made)
        systemd.ready()

    try:
        await server.run(ready)
    finally:
        watchdog.cancel()
        systemd.close()
    LOG.info("stopped")
    return 0


class WorkerSupervisor:
    """The workers of one server, and its operators' side. Make it inside a running loop, then `run` it."""

    def __init__(self, work: SupervisorWork, stop: asyncio.Event, systemd: Systemd) -> None:
        """Raises OSError: it binds the addresses."""
        config = work.now.config
        self._work, self._stop, self._systemd = work, stop, systemd
        self._data = work.asked.data
        self._folder = self._data.absolute() / FOLDER
        self._reload = Reload(work.read, work.now)
        self._reloads: set[asyncio.Task[object]] = set()
        self._loops = Supervisor()
        ended, addresses = Ended(), HeldAddresses(config)
        self.workers = [KeptWorker(one, self._orders, addresses, ended) for one in range(work.workers)]
        self.restart = RollingRestart(self.workers, self._reload)
        self.samples = WorkerSamples(
            self.workers,
            ended,
            durability=config.stores.durability,
            backlog_s_max=config.ops.ready_backlog_s,
            failing_loops=lambda: self._loops.failing,
            clock=Clock(),
        )
        self.operations = SupervisorOperations(
            config.ops,
            self.workers,
            self.samples,
            money_unit(config),
            drain=stop.set,
            reload=self.reload,
            restart=self.restart,
        )

    async def run(self, ready: Callable[[WorkerServes], None]) -> None:
        """Serve until `stop` is set. `ready` gets what the first worker has told when all serve."""
        shutil.rmtree(self._folder, ignore_errors=True)  # of workers of a supervisor that was killed
        self._folder.mkdir(mode=0o700)
        await self.operations.open(status_path(self._data, self._work.now.config))
        loops = [
            asyncio.create_task(self._loops.run(name, loop), name=name)
            for name, loop in self.operations.loops().items()
        ]
        try:
            starting: list[WorkerServes] = []
            if not await done_before(self._stop, self._start(starting)):
                return
            self._publish(starting[0])
            self.samples.state = "serving"
            ready(starting[0])
            await self._stop.wait()
            LOG.info("draining", workers=len(self.workers))
        finally:
            self._systemd.stopping()
            self.samples.state = "draining"
            await self.restart.cancel()
            try:
                await self._end_workers()
            finally:
                await end_all(loops)
                withdraw(self._data)
                await self.operations.close()
                shutil.rmtree(self._folder, ignore_errors=True)

    async def _start(self, told: list[WorkerServes]) -> None:
        """The first alone: it migrates, and says what is wrong with the stores. Then all others together."""
        first, *others = self.workers
        try:
            told.append(await first.start())
            await asyncio.gather(*(one.start_beside() for one in others))
        except WorkerNotStarted as error:
            if error.passes:
                raise StoreUnavailable(str(error)) from None
            raise

    async def _end_workers(self) -> None:
        """Let all drain at once; if this is cancelled, end them."""
        await asyncio.gather(*(worker.stop() for worker in self.workers))

    def _orders(self, number: int, sockets: HeldSockets) -> WorkerOrders:
        """The orders of one process of a worker."""
        work, config = self._work, self._reload.now.config
        return WorkerOrders(
            version=version(),
            number=number,
            workers=work.workers,
            owns=number < owners_among(config, work.workers),
            folder=str(self._folder),
            descriptors={name: one.fileno() for name, one in sockets._asdict().items() if one is not None},
            config=config,
            config_file=None if work.asked.config_file is None else str(work.asked.config_file),
            overrides={name: value for name, value in work.asked.overrides.items() if value is not None},
            data=str(self._data),
            postgres_dsn=work.stores.postgres_dsn,
            redis_url=work.stores.redis_url,
        )

    def _publish(self, told: WorkerServes) -> None:
        publish(self._data, self._work.now.config, told.url, websocket=told.websocket, http_api=told.http_api)

    # --- reload -----------------------------------------------------------------------------------------------

    def reload_soon(self) -> None:
        """As SIGHUP asks for it; the outcome is logged."""
        task: asyncio.Task[object] = asyncio.ensure_future(self.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def reload(self) -> dict[str, object]:
        """Read everything again here, then in each worker; what has changed, and what needs a restart."""
        is_serving = self.samples.state == "serving"  # systemd expects no reload before READY
        if is_serving:
            self._systemd.reloading()
        try:
            outcome = self._reload(lambda _: None)
            if outcome.fault:
                return {"error": outcome.fault}
            failed = await self.operations.reload_workers()
        finally:
            if is_serving:
                self._systemd.ready()
        if failed:
            LOG.error("worker_reload_failed", why=failed)
            return {"error": "; ".join(failed)}
        return {"changed": outcome.changed, "needs_restart": outcome.needs_restart}
