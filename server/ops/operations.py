"""Wires the operators' side: samples, status socket, HTTP. It starts before the stores and stops last."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from protocol.money_unit import MoneyUnit
from server.config import OpsSection
from server.ops.audit_runs import AuditRuns
from server.ops.health import Health, health
from server.ops.operator_sockets import OperatorSockets
from server.ops.samples.campaign_reports import open_campaigns
from server.ops.samples.observed_parts import ObservedParts
from server.ops.samples.observer import Observer
from server.ops.samples.periodic_query import PeriodicQuery
from server.ops.samples.sample import CampaignReportLine, Figures, Sample
from server.ops.samples.sampler import Sampler
from server.ops.socket.book_commands import book_commands
from server.ops.socket.command_table import command_table
from server.ops.socket.command_texts import ON_DUTY, SAMPLE, VIEWED
from server.ops.socket.commands import AdminActions, Commands
from server.ops.socket.lookups import Lookups
from server.ops.socket.payment_commands import PaymentCommands
from server.ops.socket.status_socket import Answer, BadArguments, Run
from server.ops.status import status_of
from server.services.runtime.supervised import Loop

VIEWED_S: Final = 3.0  # a supervisor with an open dashboard asks once a second


class Operations:
    """What a server reports about itself, and the commands it accepts from operators."""

    def __init__(
        self,
        config: OpsSection,
        *,
        durability: str,
        money: MoneyUnit,
        postgres_dsns: Sequence[str],
        parts: ObservedParts,
        actions: AdminActions,
        supervisor_pid: int | None = None,
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
    ) -> None:
        """`now_s` is a monotonic clock. `supervisor_pid`: of a worker's supervisor, which asks for samples."""
        self._config = config
        self._money = money
        self._lookups = parts.services.lookups
        self._audits = AuditRuns(
            postgres_dsns,
            parts.services.audit_results,
            lambda: parts.services.seeds.keys,
            now_ms,
            now_s,
            money.smallest,
        )
        duty = self._duty = parts.services.figure_duty
        self._figures = PeriodicQuery(self._query_figures, now_s, lambda: duty.is_held)
        self.observer = Observer(
            parts,
            figures=self._figures,
            audits=self._audits,
            durability=durability,
            now_ms=now_ms,
            now_s=now_s,
        )
        self.sampler = Sampler(self.observer, now_s)
        runs = self._runs(parts, actions, now_ms)
        if supervisor_pid is not None:
            runs["sample"] = self._sample
        table = command_table(runs, {"sample": SAMPLE})
        about = config, table, self.sampler, self._health_now, money
        self._sockets = OperatorSockets(*about, supervisor_pid=supervisor_pid, campaigns=self._open_campaigns)
        campaigns = parts.services.campaigns
        self._now_s, self._viewed_until_s = now_s, -math.inf
        self._campaigns = PeriodicQuery(lambda: open_campaigns(campaigns), now_s, self._is_viewed)

    def _runs(self, parts: ObservedParts, actions: AdminActions, now_ms: Callable[[], int]) -> dict[str, Run]:
        commands = Commands(
            sampler=self.sampler,
            health=self._judge,
            lookups=Lookups(parts, now_ms),
            hub=parts.hub,
            audits=self._audits,
            actions=actions,
            money=self._money,
        )
        books = book_commands(parts.services.reconciliation)
        return {**commands.runs(), "conclude": PaymentCommands(parts).conclude, **books}

    async def open(self, status_socket: Path) -> None:
        """Start to answer. Raises OSError; if only HTTP fails, that is logged."""
        await self._sockets.open(status_socket)

    @property
    def http_port(self) -> int:
        """The port of HTTP while it is open, else 0."""
        return self._sockets.http_port

    @property
    def web(self) -> str:
        """The address of the dashboard, or why there is none; empty if HTTP is not configured."""
        return self._sockets.web

    def loops(self) -> dict[str, Loop]:
        """The background loops by name, to be supervised, once the stores are open."""
        queries = {"figures": self._figures.run, "campaign_reports": self._campaigns.run}
        return {"samples": self.sampler.run, **queries, **self._sockets.loops()}

    async def close(self) -> None:
        """Stop answering."""
        await self._audits.close()
        await self._sockets.close()

    def status(self) -> dict[str, Any]:
        """The answer of the command `status`."""
        sample = self.sampler.now()
        return status_of(sample, self._judge(sample), self._money)

    async def _sample(self, words: list[str]) -> Answer:
        if not {*words} <= {ON_DUTY, VIEWED}:
            raise BadArguments(f"the arguments are {ON_DUTY} and {VIEWED}")
        if ON_DUTY in words:
            self._duty.renew()
        answer = {"sample": self.sampler.now()}
        if VIEWED not in words:
            return answer
        self._viewed_until_s = self._now_s() + VIEWED_S
        return {**answer, "campaigns": self._open_campaigns()}

    def _is_viewed(self) -> bool:
        """A dashboard is open, of this process or of its supervisor."""
        return self._sockets.has_viewers or self._now_s() < self._viewed_until_s

    def _open_campaigns(self) -> tuple[CampaignReportLine, ...]:
        """What open campaigns have spent, some seconds ago; nothing before a dashboard is open in a browser."""
        return self._campaigns.figures or ()

    def _health_now(self) -> Health:
        """As of this moment, without the cost of a whole sample: any HTTP client may request it."""
        return self._judge(self.sampler.fresh)

    def _judge(self, sample: Sample) -> Health:
        return health(sample, self._config.ready_backlog_s)

    async def _query_figures(self) -> Figures:
        backlog = await self._lookups.backlog()
        await self._audits.look()
        unopened_fen = await self._lookups.unopened_fen()
        return Figures(backlog.claims, backlog.amount_fen, backlog.oldest_ms, unopened_fen)
