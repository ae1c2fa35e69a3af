"""Wires the operators' side: samples, status socket, HTTP. It starts before the stores and stops last."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from protocol.money_unit import MoneyUnit
from server.config import OpsSection
from server.net.addresses import host_and_port
from server.ops.audit_runs import AuditRuns
from server.ops.health import Health, health
from server.ops.samples.campaign_reports import CampaignReportLine, open_campaigns
from server.ops.samples.observer import ObservedParts, Observer
from server.ops.samples.periodic_query import PeriodicQuery
from server.ops.samples.sample import Figures, Sample
from server.ops.samples.sampler import Sampler
from server.ops.socket.book_commands import book_commands
from server.ops.socket.command_table import command_table
from server.ops.socket.commands import AdminActions, Commands, status_of
from server.ops.socket.lookups import Lookups
from server.ops.socket.payment_commands import PaymentCommands
from server.ops.socket.status_socket import StatusSocket
from server.services.runtime.supervised import Loop
from server.version import version

if TYPE_CHECKING:
    from server.ops.dashboard.feed import Dashboard
    from server.ops.http import Http

LOG = structlog.get_logger()


class Operations:
    """What a server reports about itself, and the commands it accepts from operators."""

    def __init__(
        self,
        config: OpsSection,
        *,
        durability: str,
        money: MoneyUnit,
        postgres_dsn: str,
        parts: ObservedParts,
        actions: AdminActions,
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
    ) -> None:
        """`now_s` is a monotonic clock."""
        self._config = config
        self._money = money
        self._lookups = parts.services.lookups
        self._audits = AuditRuns(
            postgres_dsn,
            parts.services.audit_results,
            lambda: parts.services.seeds.keys,
            now_ms,
            now_s,
            money.smallest,
        )
        self._figures = PeriodicQuery(self._query_figures, now_s)
        self._campaigns = self._campaign_query(parts, now_s)
        self.observer = Observer(
            parts,
            figures=self._figures,
            audits=self._audits,
            durability=durability,
            now_ms=now_ms,
            now_s=now_s,
        )
        self.sampler = Sampler(self.observer, now_s)
        commands = Commands(
            sampler=self.sampler,
            health=self._judge,
            lookups=Lookups(parts, now_ms),
            hub=parts.hub,
            audits=self._audits,
            actions=actions,
            money=money,
        )
        table = command_table(commands, PaymentCommands(parts), book_commands(parts.services.reconciliation))
        self._status = StatusSocket(table, config.change_uids)
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

    def loops(self) -> dict[str, Loop]:
        """The background loops by name, to be supervised, once the stores are open."""
        dashboards = {} if self._dashboard is None else {"dashboard": self._dashboard.run}
        queries = {"figures": self._figures.run, "campaign_reports": self._campaigns.run}
        return {"samples": self.sampler.run, **queries, **dashboards}

    async def close(self) -> None:
        """Stop answering."""
        await self._audits.close()
        await self._status.close()
        if self._http is not None:
            await self._http.close()

    def status(self) -> dict[str, Any]:
        """The answer of the command `status`."""
        sample = self.sampler.now()
        return status_of(sample, self._judge(sample), self._money)

    async def _open_http(self) -> None:
        # importing aiohttp takes half a second and 10 MB: not for commands, nor for servers without HTTP
        from server.ops.dashboard.feed import Dashboard
        from server.ops.http import Http
        from server.ops.metrics import Metrics

        host, port = host_and_port(self._config.http)
        reports = self._campaigns
        dashboard = Dashboard(self.sampler, self._health_now, version(), self._money, lambda: reports.figures or ())
        metrics = Metrics(self.sampler, version(), self._money)
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
        """As of this moment, without the cost of a whole sample: any HTTP client may request it."""
        return self._judge(self.sampler.fresh)

    def _judge(self, sample: Sample) -> Health:
        return health(sample, self._config.ready_backlog_s)

    def _campaign_query(
        self, parts: ObservedParts, now_s: Callable[[], float]
    ) -> PeriodicQuery[tuple[CampaignReportLine, ...]]:
        """What open campaigns have spent; asked while a dashboard is open in a browser."""
        campaigns = parts.services.campaigns
        return PeriodicQuery(
            lambda: open_campaigns(campaigns),
            now_s,
            lambda: self._dashboard is not None and bool(self._dashboard.clients),
        )

    async def _query_figures(self) -> Figures:
        backlog = await self._lookups.backlog()
        await self._audits.look()
        unopened_fen = await self._lookups.unopened_fen()
        return Figures(backlog.claims, backlog.amount_fen, backlog.oldest_ms, unopened_fen)
