"""`hongbao serve`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import structlog

from server import logs
from server.app import App, app_at
from server.cli.shared.options import (
    DATA,
    NO_FLAGS,
    ConfigOption,
    DataOption,
    Flags,
    leaves_self_service_open,
    load_to_serve,
)
from server.cli.shared.resources import stores_of
from server.config import Config, seed_key_path
from server.credentials import load_credentials
from server.embedded import StoreAddresses
from server.http_api.api import check_address
from server.instance import exclusive
from server.loop import run, tame_garbage_collector
from server.net.addresses import check_free, host_and_port, is_loopback, shown
from server.open_files import OpenFiles, raise_limit
from server.reload import Reading, Reload
from server.standard_streams import open_missing, tell
from server.systemd import Systemd

LOG = structlog.get_logger()


def serve(*, data: DataOption = DATA, config: ConfigOption = None, flags: Flags = NO_FLAGS) -> int:
    """Run the server until it is stopped (Ctrl-C or SIGTERM; a second one stops it at once).

    Without --postgres and --redis it starts a private PostgreSQL and Valkey under --data. On SIGHUP it reads again
    what may change while it runs: limits, log level, token keys, TLS files (see: hongbao config default).

    Example: hongbao serve --port 7788 --postgres postgresql://me@db/hongbao --redis redis://cache:6379/0
    """

    def read() -> Reading:
        settings = load_to_serve(config, flags)
        return Reading(settings, load_credentials(settings, data, may_make=False))

    open_missing()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until a reload is possible: its default would end the process
    settings = load_to_serve(config, flags)
    data.mkdir(parents=True, exist_ok=True)
    logs.configure(settings.log.level, settings.log.format)
    if leaves_self_service_open(config, flags):
        LOG.warning("self_service_is_not_set", meaning="users decide about groups; set chat.self_service", now=True)
    check_address(settings)
    _warn_of_open_doors(settings)
    with exclusive(data):
        check_free(settings.server.host, settings.server.port)
        if settings.http_api.address:
            check_free(*host_and_port(settings.http_api.address), where="http_api.address")
        if settings.websocket.listen:
            check_free(*host_and_port(settings.websocket.listen), where="websocket.listen")
        seed_keys = seed_key_path(settings, data)
        made = None if seed_keys.exists() else seed_keys
        now = Reading(settings, load_credentials(settings, data))
        with stores_of(settings, data) as stores:
            return run(_serve(now, read, data, stores, made))


def _warn_of_open_doors(settings: Config) -> None:
    """Warn of what others in the network can reach or read."""
    server, http_host = settings.server, settings.ops.http.rpartition(":")[0]
    if not (is_loopback(server.host) or server.tls_certificate):
        meaning = "others can read and change what clients send: set server.tls_certificate, or end TLS in a proxy"
        LOG.warning("listens_without_tls", address=shown(server.host, server.port), meaning=meaning)
    if http_host and not is_loopback(http_host):
        meaning = "all who reach this address can read dashboard and metrics: set ops.http to 127.0.0.1:…"
        LOG.warning("http_is_open", address=settings.ops.http, meaning=meaning)


def _tell_open_files(files: OpenFiles, wanted: int) -> None:
    """Say how many connections the limit of open files has room for."""
    say = LOG.info if files.connections_most >= wanted else LOG.warning
    most = min(wanted, files.connections_most)
    say("open_files", limit=files.limit, kept_for_stores_and_files=files.kept, connections_max=most, wanted=wanted)


def _app_of(
    now: Reading,
    read: Callable[[], Reading],
    data: Path,
    stores: StoreAddresses,
    systemd: Systemd,
    connections_most: int,
) -> App:
    keys, seed_keys, tls, _, api_keys = now.credentials
    return app_at(
        stores.postgres_dsn,
        stores.redis_url,
        now.config,
        keys=keys,
        seed_keys=seed_keys,
        api_keys=api_keys,
        data=data,
        tls=tls,
        reload=Reload(read, now),
        systemd=systemd,
        connections_most=connections_most,
    )


async def _serve(
    now: Reading, read: Callable[[], Reading], data: Path, stores: StoreAddresses, made: Path | None
) -> int:
    """`made`: the file of seed keys, if this start has made it."""
    stop, systemd = _stop_on_signals(), Systemd()
    files = raise_limit(now.config.stores.postgres_pool_max)
    app = _app_of(now, read, data, stores, systemd, files.connections_most)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, app.reload)

    def ready(url: str) -> None:
        tame_garbage_collector()
        durability = now.config.stores.durability
        websocket = app.websocket.url if app.websocket is not None else ""
        http_api = app.http_api.url and f"HTTP API {app.http_api.url}"
        facts = (websocket, f"data {data}", f"durability {durability}", app.operations.web, http_api)
        if why := tell(f"hongbao serves {url}  ({', '.join(filter(None, facts))}; Ctrl-C stops it)"):
            LOG.warning("standard_output_failed", why=why)
        _tell_open_files(files, now.config.limits.connections_max)
        LOG.info("serving", url=url, durability=durability, **({"websocket": websocket} if websocket else {}))
        if made is not None:
            LOG.info("seed_key_made", path=str(made), advice="keep a copy, apart from the dumps of the database")
        systemd.ready()

    background = [asyncio.create_task(work) for work in (systemd.ping_watchdog(), _tell_stopping(stop, systemd))]
    try:
        await app.run(stop, ready)
    finally:
        for task in background:
            task.cancel()
        systemd.close()
    LOG.info("stopped")
    return 0


def _stop_on_signals() -> asyncio.Event:
    """The event that the first SIGTERM or SIGINT sets; a second one cancels the current task."""
    stop, task = asyncio.Event(), asyncio.current_task()
    assert task is not None

    def stop_or_cancel() -> None:
        LOG.info("stopping", at_once=stop.is_set())
        task.cancel() if stop.is_set() else stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_or_cancel)
    return stop


async def _tell_stopping(stop: asyncio.Event, systemd: Systemd) -> None:
    await stop.wait()
    systemd.stopping()
