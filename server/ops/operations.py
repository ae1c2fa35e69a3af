"""Everything for operators, wired: samples, status socket, HTTP. It starts before the stores and ends last."""

from __future__ import annotations

import errno
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from server.config import OpsSection
from server.ops.audit_runs import AuditRuns
from server.ops.health import Health, health
from server.ops.samples.observer import ObservedParts, Observer
from server.ops.samples.periodic_query import PeriodicQuery
from server.ops.samples.sample import Figures, Sample
from server.ops.samples.sampler import Sampler
from server.ops.socket.commands import AdminActions, Commands, status_of, table
from server.ops.socket.lookups import Lookups, Stores
from server.ops.socket.status_socket import StatusSocket
from server.version import version

if TYPE_CHECKING:
    from server.ops.dashboard.feed import Dashboard
    from server.ops.http import Http

LOG = structlog.get_logger()


class Operations:
    """What a server tells of itself, and takes from operators."""

    def __init__(
        self,
        config: OpsSection,
        durability: str,
        postgres_dsn: str,
        parts: ObservedParts,
        stores: Stores,
        levers: AdminActions,
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
    ) -> None:
        """`now_s` is a clock that never jumps."""
        self._config = config
        self._stores = stores
        self._audits = AuditRuns(postgres_dsn, now_ms, now_s)
        self._figures = PeriodicQuery(self._ask_figures, now_s)
        self.observer = Observer(parts, durability, now_ms, now_s)
        self.observer.figures = lambda: self._figures.figures
        self.observer.audit = lambda: self._audits.last
        self.observer.audit_fault = lambda: self._audits.fault
        self.sampler = Sampler(self.observer, now_s)
        lookups = Lookups(parts, stores, now_ms, now_s)
        commands = Commands(self.sampler, self._judge, lookups, parts.hub, self._audits, levers)
        self._status = StatusSocket(table(commands), config.change_uids)
        self._http: Http | None = None
        self._dashboard: Dashboard | None = None
        self.http_port = 0  # while it is open
        self.web = ""  # where people find the dashboard, or why they do not; empty: nobody asked for one

    async def open(self, status_socket: Path) -> None:
        """Answer from now on. Raises OSError; HTTP that cannot be had is only logged."""
        try:
            await self._status.open(status_socket, int(self._config.socket_mode, 8))
            if self._config.tcp:
                await self._status.open_tcp(*_host_and_port(self._config.tcp))
        except OSError:
            await self._status.close()
            raise
        if self._config.http:
            await self._open_http()

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """What runs for ever, to be supervised, once the stores are open."""
        dashboards = [] if self._dashboard is None else [self._dashboard.run()]
        return [self.sampler.run(), self._figures.run(), *dashboards]

    async def close(self) -> None:
        """Answer nobody any more."""
        await self._audits.close()
        await self._status.close()
        if self._http is not None:
            await self._http.close()

    def status(self) -> dict[str, Any]:
        """What the command `status` tells."""
        sample = self.sampler.now()
        return status_of(sample, self._judge(sample))

    async def _open_http(self) -> None:
        # aiohttp takes half a second and 10 MB, which commands and servers without HTTP need not pay
        from server.ops.dashboard.feed import Dashboard
        from server.ops.http import Http
        from server.ops.metrics import Metrics

        host, port = _host_and_port(self._config.http)
        dashboard = Dashboard(self.sampler, self._health_now, version())
        metrics = Metrics(lambda: self.sampler.newest, version())
        http = Http(self._health_now, metrics, dashboard.routes(), {host, *self._config.http_names})
        try:
            self.http_port = await http.open(host, port)
        except OSError as error:
            LOG.warning("http_is_off", address=self._config.http, why=str(error))
            why = f"port {port} is taken" if error.errno == errno.EADDRINUSE else str(error)
            self.web = f"no dashboard: {why}"
        else:
            self._http, self._dashboard = http, dashboard
            self.web = f"dashboard http://{self._config.http.rpartition(':')[0]}:{self.http_port}/"

    def _health_now(self) -> Health:
        """As of this moment, without the cost of a whole sample: anybody may ask."""
        newest = self.sampler.newest
        fresh = msgspec.structs.replace(newest, state=self.observer.state_now, stores=self.observer.stores())
        return self._judge(fresh)

    def _judge(self, sample: Sample) -> Health:
        return health(sample, self._config.ready_backlog_s)

    async def _ask_figures(self) -> Figures:
        backlog = await self._stores.queue.backlog()
        unopened_fen = await self._stores.records.unopened_fen()
        return Figures(backlog.claims, backlog.amount_fen, backlog.oldest_ms, unopened_fen)


def _host_and_port(address: str) -> tuple[str, int]:
    """ "[::1]:7790" or "127.0.0.1:7790", taken apart."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
