"""Where operators ask: the status socket, its TCP port, and HTTP with probes, metrics and the dashboard."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from protocol.money_unit import MoneyUnit
from server.config import OpsSection
from server.net.addresses import host_and_port
from server.ops.health import Health
from server.ops.samples.sample import CampaignReportLine, WorkerRow
from server.ops.samples.sampler import Sampler
from server.ops.socket.status_socket import Command, StatusSocket
from server.services.runtime.supervised import Loop
from server.version import version

if TYPE_CHECKING:
    from server.ops.dashboard.feed import Dashboard
    from server.ops.http import Http

LOG = structlog.get_logger()


class OperatorSockets:
    """Opens them, all answering from one sampler. `http_port` and `web` tell where HTTP is."""

    def __init__(
        self,
        config: OpsSection,
        table: Mapping[str, Command],
        sampler: Sampler,
        health: Callable[[], Health],
        money: MoneyUnit,
        *,
        supervisor_pid: int | None = None,
        workers: Callable[[], list[WorkerRow]] = list,
        campaigns: Callable[[], Sequence[CampaignReportLine]] = tuple,
    ) -> None:
        """`health`: of now. `supervisor_pid`: of a worker's supervisor. `workers`: those of a supervisor.

        `campaigns`: what open ones have spent, for the dashboard.
        """
        self._config, self._campaigns = config, campaigns
        self._sampler, self._health, self._money, self._workers = sampler, health, money, workers
        self._status = StatusSocket(table, config.change_uids, supervisor_pid=supervisor_pid)
        self._http: Http | None = None
        self._dashboard: Dashboard | None = None
        self.http_port = 0  # while it is open
        self.web = ""  # the address of the dashboard, or why there is none; empty if HTTP is not configured

    async def open(self, status_socket: Path) -> None:
        """Start to answer. Raises OSError; if only HTTP fails, that is logged."""
        try:
            await self._status.open(status_socket, int(self._config.socket_mode, 8))
            if self._config.tcp:
                await self._status.open_tcp(*host_and_port(self._config.tcp))
        except OSError:
            await self._status.close()
            raise
        if self._config.http:
            await self._open_http()

    @property
    def has_viewers(self) -> bool:
        """A dashboard is open in a browser."""
        return self._dashboard is not None and self._dashboard.clients > 0

    def loops(self) -> dict[str, Loop]:
        """The background loops by name, to be supervised."""
        return {} if self._dashboard is None else {"dashboard": self._dashboard.run}

    async def close(self) -> None:
        """Stop answering."""
        await self._status.close()
        if self._http is not None:
            await self._http.close()

    async def _open_http(self) -> None:
        # importing aiohttp takes half a second and 10 MB: not for commands, nor for servers without HTTP
        from server.ops.dashboard.feed import Dashboard
        from server.ops.http import Http
        from server.ops.metrics import Metrics

        host, port = host_and_port(self._config.http)
        dashboard = Dashboard(self._sampler, self._health, version(), self._money, self._workers, self._campaigns)
        metrics = Metrics(self._sampler, version(), self._money, self._workers)
        http = Http(self._health, metrics, dashboard.routes(), {host, *self._config.http_names})
        try:
            self.http_port = await http.open(host, port)
        except OSError as error:
            LOG.warning("http_is_off", address=self._config.http, why=str(error))
            why = f"port {port} is taken" if error.errno == errno.EADDRINUSE else str(error)
            self.web = f"no dashboard: {why}"
        else:
            self._http, self._dashboard = http, dashboard
            self.web = f"dashboard http://{self._config.http.rpartition(':')[0]}:{self.http_port}/"
