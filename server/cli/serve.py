"""`hongbao serve`."""

from __future__ import annotations

import signal

import structlog

from server import logs
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
from server.http_api.address import check_address
from server.instance import exclusive
from server.loop import run
from server.net.addresses import check_free, host_and_port, is_loopback, shown
from server.office.listening import check_office
from server.operating_system.standard_streams import open_missing
from server.peers.links.place import check_peers
from server.reload import Reading
from server.services.risk.rule_files import rules_of
from server.workers.sizing import postgres_connections, workers_of

LOG = structlog.get_logger()


def serve(*, data: DataOption = DATA, config: ConfigOption = None, flags: Flags = NO_FLAGS) -> int:
    """Run the server until it is stopped (Ctrl-C or SIGTERM; a second one stops it at once).

    Without --postgres and --redis it starts a private PostgreSQL and Valkey under --data. On SIGHUP it reads again
    what may change while it runs: limits, log level, token keys, TLS files (see: hongbao config default).
    With --workers it is several processes behind one address, each on a core of its own.

    Example: hongbao serve --port 7788 --postgres postgresql://me@db/hongbao --redis redis://cache:6379/0
    """

    def read() -> Reading:
        settings = load_to_serve(config, flags)
        return Reading(settings, load_credentials(settings, data, may_make=False), rules_of(settings))

    open_missing()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until a reload is possible: its default would end the process
    settings = load_to_serve(config, flags)
    data.mkdir(parents=True, exist_ok=True)
    logs.configure(settings.log.level, settings.log.format)
    if leaves_self_service_open(config, flags):
        LOG.warning("self_service_is_not_set", meaning="users decide about groups; set chat.self_service", now=True)
    check_address(settings)
    check_peers(settings)
    check_office(settings)
    if settings.nats.url:
        import nats  # noqa: F401  missing it is said now, not by a loop that fails
    workers = workers_of(settings)
    _warn_of_open_doors(settings)
    with exclusive(data):
        _check_addresses(settings, workers)
        seed_keys = seed_key_path(settings, data)
        made = None if seed_keys.exists() else seed_keys
        now = Reading(settings, load_credentials(settings, data), rules_of(settings))
        # what only one of both ways needs is imported there: a supervisor has no stores and no clients
        if workers > 1:
            from server.workers.supervisor import AskedFor, SupervisorWork, supervise

            asked = AskedFor(data, config, flags.overrides())
            with stores_of(settings, data, postgres_connections(settings, workers)) as stores:
                return run(supervise(SupervisorWork(now, read, asked, stores, workers), made))
        from server.serving import ServerWork, serve_alone

        with stores_of(settings, data) as stores:
            return run(serve_alone(ServerWork(now, read, data, stores), made))


def _check_addresses(settings: Config, workers: int) -> None:
    """Raise OSError if an address is taken. (HTTP for operators is left out then, and the server serves.)"""
    check_free(settings.server.host, settings.server.port)
    others = {
        "http_api.address": settings.http_api.address,
        "websocket.listen": settings.websocket.listen,
        "office.listen": settings.office.listen if settings.office.enabled else "",
        "ops.tcp": settings.ops.tcp,
    }
    for key, address in others.items():
        if address:
            check_free(*host_and_port(address), where=key)
    if settings.peers.listen:
        from server.peers.links.tcp import bind_first, ports_of  # not for a server of one machine

        bind_first(*host_and_port(settings.peers.listen), ports_of(workers)).close()


def _warn_of_open_doors(settings: Config) -> None:
    """Warn of what others in the network can reach or read."""
    server, http_host = settings.server, settings.ops.http.rpartition(":")[0]
    if not (is_loopback(server.host) or server.tls_certificate):
        meaning = "others can read and change what clients send: set server.tls_certificate, or end TLS in a proxy"
        LOG.warning("listens_without_tls", address=shown(server.host, server.port), meaning=meaning)
    if http_host and not is_loopback(http_host):
        meaning = "all who reach this address can read dashboard and metrics: set ops.http to 127.0.0.1:…"
        LOG.warning("http_is_open", address=settings.ops.http, meaning=meaning)
