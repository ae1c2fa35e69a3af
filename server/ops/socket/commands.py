"""The functions behind the commands of the status socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from protocol.codes import Close
from protocol.money_unit import MoneyUnit
from server import logs
from server.core.payments import PaymentState
from server.net.hub import Hub
from server.ops.audit_runs import AuditRuns
from server.ops.health import Health
from server.ops.samples.sample import Sample
from server.ops.samples.sampler import Sampler
from server.ops.socket.arguments import ID_MAX, integer, no_arguments, one_id, options_in, seconds_in
from server.ops.socket.command_texts import LEVELS, MOST_MAX
from server.ops.socket.lookups import SORTS, Lookups
from server.ops.socket.status_socket import Answer, BadArguments, Run
from server.ops.status import rates_of, status_of

MOST: Final = 20


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

    def runs(self) -> dict[str, Run]:
        """The functions by the names of their commands."""
        return {
            "status": self.status,
            "rates": self.rates,
            "connections": self.connections,
            "packet": self.packet,
            "user": self.user,
            "group": self.group,
            "groups": self.groups,
            "payments": self.payments,
            "payment": self.payment,
            "stores": self.stores,
            "settlement": self.settlement,
            "refunds": self.refunds,
            "audit": self.audit,
            "log-level": self.log_level,
            "disconnect": self.disconnect,
            "drain": self.drain,
            "reload": self.reload,
            "restart": self.restart,
        }

    async def status(self, words: list[str]) -> Answer:
        no_arguments(words)
        sample = self._sampler.now()
        return status_of(sample, self._health(sample), self._money)

    async def rates(self, words: list[str]) -> Answer:
        return rates_of(self._sampler, seconds_in(words))

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

    async def restart(self, words: list[str]) -> Answer:
        no_arguments(words)
        return {"error": "this server has no workers (server.workers): restart it with your service manager"}


async def _found(look_up: Callable[[int], Awaitable[Answer | None]], what: str, one_id: int) -> Answer:
    answer = await look_up(one_id)
    return {"error": f"there is no {what} {one_id}"} if answer is None else answer
