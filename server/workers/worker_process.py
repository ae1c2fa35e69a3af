"""The process of a worker: a server whose sockets and operators' side are those of its supervisor.

`worker_program` is its program.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import structlog

from server import logs
from server.app import App
from server.compiled import finder
from server.config import ConfigError, load
from server.credentials import load_credentials
from server.embedded import StoreAddresses
from server.loop import run
from server.operating_system.systemd import Systemd
from server.reload import Reading
from server.services.risk.rule_files import rules_of
from server.services.runtime.store_errors import StoreRefused, StoreUnavailable
from server.services.seeds.seals import SeedsSealed
from server.serving import ServerWork, serve_until_stopped
from server.workers.messages import WorkerCounted, WorkerFailed, WorkerMessage, WorkerServes
from server.workers.orders import WorkerOrders, WrongVersion, orders_in

LOG = structlog.get_logger()
EXPECTED = (ConfigError, OSError, SeedsSealed, StoreRefused, StoreUnavailable, WrongVersion)
STDOUT, STDERR = 1, 2
Tell = Callable[[WorkerMessage], None]


def main() -> int:
    """Serve as the orders on the standard input say; returns the exit code."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until a reload is possible: its default would end the process
    tell = partial(_tell, os.dup(STDOUT))
    os.dup2(STDERR, STDOUT)  # what a library prints is no message
    try:
        _serve(orders_in(sys.stdin.buffer.read()), tell)
    except asyncio.CancelledError:  # by a second SIGTERM
        return 1
    except (*EXPECTED, BaseExceptionGroup) as error:
        cause = _first(error)
        if not isinstance(cause, EXPECTED):
            raise
        tell(WorkerFailed(" ".join(str(cause).split()), passes=isinstance(cause, StoreUnavailable)))
        return 1
    return 0


def _first(error: BaseException) -> BaseException:
    """The error itself, or the first of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _serve(orders: WorkerOrders, tell: Tell) -> None:
    data, own = Path(orders.data), partial(orders.own_config, pid=os.getpid())

    def read() -> Reading:
        """Read again; the supervisor has read the same before, and has refused what no server may have."""
        settings = load(None if orders.config_file is None else Path(orders.config_file), orders.overrides)
        return Reading(own(settings), load_credentials(settings, data, may_make=False), rules_of(settings))

    settings = own(orders.config)
    logs.configure(settings.log.level, settings.log.format, worker=orders.number)
    now = Reading(settings, load_credentials(settings, data, may_make=False), rules_of(settings))
    stores = StoreAddresses(orders.postgres_dsn, orders.redis_url)
    run(_work(ServerWork(now, read, data, stores, orders.place()), tell))


async def _work(work: ServerWork, tell: Tell) -> None:
    def serves(app: App, url: str) -> None:
        websocket = app.websocket.url if app.websocket is not None else ""
        LOG.info("serving", url=url, pid=os.getpid(), modules=finder.state())
        tell(WorkerServes(url, websocket, app.http_api.url))

    app = await serve_until_stopped(work, Systemd({}), serves)
    tell(WorkerCounted(app.operations.sampler.now()))
    LOG.info("stopped")


def _tell(output: int, message: WorkerMessage) -> None:
    """A line to the supervisor, which always reads."""
    line = msgspec.json.encode(message) + b"\n"
    while line:
        line = line[os.write(output, line) :]
