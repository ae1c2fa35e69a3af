"""The functions behind the commands of the status socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from protocol.codes import Close
from protocol.money_unit import MoneyUnit
from server import logs
from server.core.payments import PaymentState
from server.net.hub import Hub
from server.ops.audit_runs import AuditRuns
from server.ops.health import Health
from server.ops.samples.rates import non_zero, rates
from server.ops.samples.sample import OpenPayments, Sample, WebhookFigures
from server.ops.samples.sampler import SAMPLES_KEPT, Sampler
from server.ops.socket.arguments import ID_MAX, integer, no_arguments, one_id, options_in
from server.ops.socket.lookups import SORTS, Lookups
from server.ops.socket.status_socket import Answer, BadArguments

LEVELS: Final = ("debug", "info", "warning", "error")
SECONDS: Final = 10
SECONDS_MAX: Final = SAMPLES_KEPT - 1
MOST: Final = 20
MOST_MAX: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class AdminActions:
    """Actions that change the server itself. None of them awaits."""

    drain: Callable[[], None]
    reload: Callable[[], Mapping[str, object]]


class Commands:
    """The function behind each command: arguments in, answer out. Raises BadArguments, StoreUnavailable."""

    def __init__(
        self,
        *,
        sampler: Sampler,
        health: Callable[[Sample], Health],
        lookups: Lookups,
        hub: Hub,
        audits: AuditRuns,
        actions: AdminActions,
        money: MoneyUnit,
    ) -> None:
        self._sampler = sampler
        self._health = health
        self._lookups = lookups
        self._hub = hub
        self._audits = audits
        self._actions = actions
        self._money = money

    async def status(self, words: list[str]) -> Answer:
        no_arguments(words)
        sample = self._sampler.now()
        return status_of(sample, self._health(sample), self._money)

    async def rates(self, words: list[str]) -> Answer:
        options = options_in(words, seconds=str(SECONDS))
        samples = self._sampler.last(integer(options["seconds"], 1, SECONDS_MAX))
        newest = samples[-1]
        return {
            "rates": rates(samples),
            "now": {
                "connections": newest.connections,
                "users_online": newest.users_online,
                "live_packets": newest.live_packets,
                "unrecorded": newest.unrecorded,
                "figures": newest.figures,
                "backlog_age_s": newest.backlog_age_s,
                "rss_bytes": newest.rss_bytes,
                "state": newest.state,
                "stores": self._sampler.fresh.stores,
            },
            "hottest": newest.hottest,
        }

    async def connections(self, words: list[str]) -> Answer:
        options = options_in(words, sort="pending", most=str(MOST))
        if options["sort"] not in SORTS:
            raise BadArguments(f"--sort must be one of {', '.join(SORTS)}")
        return self._lookups.connections(options["sort"], integer(options["most"], 1, MOST_MAX))

    async def packet(self, words: list[str]) -> Answer:
        return await _found(self._lookups.packet, "packet", one_id(words))

    async def user(self, words: list[str]) -> Answer:
        return await _found(self._lookups.user, "user", one_id(words))

    async def group(self, words: list[str]) -> Answer:
        return await _found(self._lookups.group, "group", one_id(words))

    async def groups(self, words: list[str]) -> Answer:
        options = options_in(words, most=str(MOST))
        return await self._lookups.groups(integer(options["most"], 1, MOST_MAX))

    async def payments(self, words: list[str]) -> Answer:
        options = options_in(words, user="0", state="", most=str(MOST))
        if options["state"] not in ("", *PaymentState):
            raise BadArguments(f"--state must be one of {', '.join(PaymentState)}")
        user_id, most = integer(options["user"], 0, ID_MAX), integer(options["most"], 1, MOST_MAX)
        return await self._lookups.payments(user_id, options["state"], most)

    async def payment(self, words: list[str]) -> Answer:
        return await _found(self._lookups.payment, "payment", one_id(words))

    async def stores(self, words: list[str]) -> Answer:
        no_arguments(words)
        figures = await self._lookups.stores()
        states = self._sampler.fresh.stores  # the one judgement that all commands and screens give
        return {name: {**msgspec.structs.asdict(state), **figures[name]} for name, state in states.items()}

    async def settlement(self, words: list[str]) -> Answer:
        no_arguments(words)
        return await self._lookups.settlement()

    async def refunds(self, words: list[str]) -> Answer:
        no_arguments(words)
        return await self._lookups.refunds()

    async def audit(self, words: list[str]) -> Answer:
        if words not in ([], ["--again"]):
            raise BadArguments("the only argument is --again")
        if words or self._audits.last is None:
            self._audits.start()
        last = self._audits.last
        return {
            "running": self._audits.running,
            "ok": None if last is None else last.ok,
            "last": last,
            "fault": self._audits.fault,
        }

    async def log_level(self, words: list[str]) -> Answer:
        if len(words) != 1 or words[0] not in LEVELS:
            raise BadArguments(f"the level must be one of {', '.join(LEVELS)}")
        logs.set_level(words[0])
        return {"log_level": words[0]}

    async def disconnect(self, words: list[str]) -> Answer:
        user_id = one_id(words)
        sessions = list(self._hub.sessions(user_id))
        if not sessions:
            return {"error": f"user {user_id} has no connection"}
        for session in sessions:
            session.close(Close.BY_OPERATOR)
        return {"closed": len(sessions)}

    async def drain(self, words: list[str]) -> Answer:
        no_arguments(words)
        self._actions.drain()
        return {"draining": True}

    async def reload(self, words: list[str]) -> Answer:
        no_arguments(words)
        outcome = self._actions.reload()
        if outcome.get("fault"):
            return {"error": outcome["fault"]}
        return {name: keys for name, keys in outcome.items() if name != "fault"}


def status_of(sample: Sample, health: Health, money: MoneyUnit) -> dict[str, Any]:
    """A sample as the answer of `status`, without the counters that are zero."""
    figures = sample.figures
    return {
        "state": sample.state,
        "ready": health.ready,
        "reasons": health.reasons,
        "degraded": health.degraded,
        "durability": sample.durability,
        "up_s": round((sample.at_ms - sample.started_at_ms) / 1000),
        "connections": sample.connections,
        "connections_max": sample.connections_max,
        "users_online": sample.users_online,
        "accepted": sample.accepted,
        "requests": non_zero(sample.requests),
        "pushes": sample.pushes,
        "answers": non_zero(sample.answers),
        "refusals": non_zero(sample.refusals),
        "closes": non_zero(sample.closes),
        "slow_readers": sample.slow_readers,
        "live_packets": sample.live_packets,
        "other_servers": sample.other_servers,
        "current": sample.current,
        "commit": {
            "batches": sample.batches,
            "claims": sample.claims,
            "in_flight": sample.unrecorded,
            "rejected": sample.rejected,
            "redriven": sample.redriven,
        },
        "settlement": {
            "settled": sample.settled,
            "waiting_claims": None if figures is None else figures.backlog_claims,
            "waiting_fen": None if figures is None else figures.backlog_fen,
            "oldest_s": sample.backlog_age_s,
        },
        "sends": sample.sends,
        "refunded_packets": sample.refunded_packets,
        "webhooks": _webhooks_of(sample.webhooks),
        **({} if sample.payments is None else {"payments": _payments_of(sample.payments)}),
        **({} if sample.campaigns is None else {"campaigns": msgspec.structs.asdict(sample.campaigns)}),
        "money_unit": msgspec.structs.asdict(money),
        "money_fen": sample.money_fen | {"in_packets": None if figures is None else figures.in_packets_fen},
        "loop_lag_ms": sample.loop_lag_ms,
        "loop_failures": non_zero(sample.loop_failures),
        "rss_bytes": sample.rss_bytes,
        "stores": {name: "up" if store.up else f"away: {store.why}" for name, store in sample.stores.items()},
        "audit": sample.audit,
        "audit_fault": sample.audit_fault,
    }


def _payments_of(figures: OpenPayments) -> dict[str, Any]:
    """Payments that have not ended, by state (`hongbao payments`), breaks, gateways that do not respond."""
    oldest_s = max(figures.oldest_s.values(), default=0.0)
    return {**figures.waiting, "oldest_s": oldest_s, "breaks": figures.breaks, "away": list(figures.away)}


def _webhooks_of(figures: WebhookFigures) -> dict[str, Any]:
    queues = figures.queues.values()
    return {
        "endpoints": figures.endpoints,
        "waiting": sum(queue.waiting for queue in queues),
        "oldest_s": max((queue.oldest_s for queue in queues), default=0.0),
        "in_flight": figures.in_flight,
        **figures.results,
    }


async def _found(look_up: Callable[[int], Awaitable[Answer | None]], what: str, one_id: int) -> Answer:
    answer = await look_up(one_id)
    return {"error": f"there is no {what} {one_id}"} if answer is None else answer
