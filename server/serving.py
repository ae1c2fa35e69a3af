"""A server as the work of a process: signals, open files, reloads, and what is told when it serves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import structlog

from server.app import App, app_at
from server.compiled import finder
from server.config import Config
from server.embedded import StoreAddresses
from server.loop import tame_garbage_collector
from server.operating_system.open_files import Needs, OpenFiles, Room, raise_limit
from server.operating_system.signals import stop_on_signals
from server.operating_system.systemd import Systemd
from server.peers.links.tcp import HANDSHAKES_MAX
from server.reload import Reading, Reload
from server.start_line import tell_made, tell_start
from server.worker_place import WorkerPlace

LOG = structlog.get_logger()


class ServerWork(NamedTuple):
    """What a process serves with. `read` reads config and credentials again; `place`: of a worker."""

    now: Reading
    read: Callable[[], Reading]
    data: Path
    stores: StoreAddresses
    place: WorkerPlace | None = None

    def app(self, systemd: Systemd, room: Room) -> App:
        """The server. `room`: so many connections the limit of open files has room for."""
        keys, seed_keys, tls, _, api_keys = self.now.credentials
        return app_at(
            self.stores.postgres_dsn,
            self.stores.redis_url,
            self.now.config,
            keys=keys,
            seed_keys=seed_keys,
            api_keys=api_keys,
            data=self.data,
            tls=tls,
            reload=Reload(self.read, self.now),
            systemd=systemd,
            room=room,
            place=self.place,
            peers_folder=None if self.place is None else self.place.folder,
        )


async def serve_alone(work: ServerWork, made: Path | None) -> int:
    """Serve as the only process; the exit code. `made`: the file of seed keys, if this start has made it."""

    def serves(app: App, url: str) -> None:
        durability = work.now.config.stores.durability
        websocket = app.websocket.url if app.websocket is not None else ""
        http_api = app.http_api.url and f"HTTP API {app.http_api.url}"
        pages = app.operations.web, app.office.url and f"back office {app.office.url}"
        tell_start(url, (websocket, f"data {work.data}", f"durability {durability}", *pages, http_api))
        more = {"websocket": websocket} if websocket else {}
        LOG.info("serving", url=url, durability=durability, modules=finder.state(), **more)
        tell_made(made)

    await serve_until_stopped(work, Systemd(), serves)
    LOG.info("stopped")
    return 0


async def serve_until_stopped(work: ServerWork, systemd: Systemd, tell: Callable[[App, str], None]) -> App:
    """Serve until a signal stops it; the ended server. `tell` gets the server and its url when it serves."""
    stop = stop_on_signals()
    files = raise_limit(needs_of(work.now.config))
    app = work.app(systemd, files.room)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.reload)

    def ready(url: str) -> None:
        tame_garbage_collector()
        _tell_open_files(files, work.now.config.limits.connections_max)
        tell(app, url)
        systemd.ready()

    background = [asyncio.create_task(one) for one in (systemd.ping_watchdog(), _tell_stopping(stop, systemd))]
    try:
        await app.run(stop, ready)
    finally:
        for task in background:
            task.cancel()
        systemd.close()
    return app


def needs_of(config: Config) -> Needs:
    """What a server with this config has open beside its clients."""
    return Needs(
        pool_max=config.stores.postgres_pool_max,
        sets=1 + len(config.stores.postgres_sets),
        http_api=bool(config.http_api.address),
        office=config.office.enabled,
        handshakes=HANDSHAKES_MAX if config.peers.listen else 0,
    )


def _tell_open_files(files: OpenFiles, wanted: int) -> None:
    """Say how many connections the limit of open files has room for."""
    say = LOG.info if files.room.clients >= wanted else LOG.warning
    most = min(wanted, files.room.clients)
    say("open_files", limit=files.limit, kept_for_stores_and_files=files.kept, connections_max=most, wanted=wanted)


async def _tell_stopping(stop: asyncio.Event, systemd: Systemd) -> None:
    await stop.wait()
    systemd.stopping()
