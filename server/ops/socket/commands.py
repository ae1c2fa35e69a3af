"""What an operator may ask for and change: one row per command of the status socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from protocol.codes import Close
from server import logs
from server.net.hub import Hub
from server.ops.audit_runs import AuditRuns
from server.ops.health import Health
from server.ops.samples.rates import non_zero, rates
from server.ops.samples.sample import Sample
from server.ops.samples.sampler import KEPT, Sampler
from server.ops.socket.lookups import SORTS, Lookups
from server.ops.socket.status_socket import Answer, Command, Misused

ID_MAX: Final = 2**63 - 1
LEVELS: Final = ("debug", "info", "warning", "error")
SECONDS: Final = 10
MOST: Final = 20
MOST_MAX: Final = 1_000


class AdminActions(NamedTuple):
    """What changes the server itself; all are called without awaiting."""

    drain: Callable[[], None]
    reload: Callable[[], Mapping[str, object]]


def table(do: Commands) -> dict[str, Command]:
    """The commands by name."""
    commands = {
        "status": Command("read", "", "everything at a glance", do.status),
        "rates": Command("read", f"[--seconds 1…{KEPT - 1}]", "per second, over the last seconds", do.rates),
        "connections": Command(
            "read",
            f"[--sort {'|'.join(SORTS)}] [--most 1…{MOST_MAX}]",
            "who is connected: unread bytes, idle time, requests",
            do.connections,
        ),
        "packet": Command("read", "ID", "a packet in record, memory and mirror", do.packet),
        "user": Command("read", "ID", "a user's money, groups and connections", do.user),
        "group": Command("read", "ID", "a group, and how many of it are online", do.group),
        "stores": Command("read", "", "whether the stores answer, and how fast", do.stores),
        "settlement": Command("read", "", "claims that wait for their credit", do.settlement),
        "refunds": Command("read", "", "what went back, and what is due", do.refunds),
        "audit": Command(
            "read",
            "[--again]",
            "the last audit, and why one since then failed; starts one if there is none",
            do.audit,
        ),
        "log-level": Command("change", "|".join(LEVELS), "what is logged, until the next reload", do.log_level),
        "kick": Command("change", "USER", "close a user's connections; they may come back", do.kick),
        "drain": Command("change", "", "finish what was begun, say goodbye, end", do.drain),
        "reload": Command("change", "", "read the config, keys and certificates again", do.reload),
    }

    async def tell_help(words: list[str]) -> Answer:
        _none(words)
        return {
            "commands": [
                {"command": f"{name} {row.arguments}".strip(), "role": row.role, "help": row.help}
                for name, row in sorted(commands.items())
            ]
        }

    commands["help"] = Command("read", "", "this table", tell_help)
    return commands


class Commands:
    """What stands behind each name: the words behind it in, the answer out. Raises Misused, StoreUnavailable."""

    def __init__(
        self,
        sampler: Sampler,
        health: Callable[[Sample], Health],
        lookups: Lookups,
        hub: Hub,
        audits: AuditRuns,
        levers: AdminActions,
    ) -> None:
        self._sampler = sampler
        self._health = health
        self._lookups = lookups
        self._hub = hub
        self._audits = audits
        self._levers = levers

    async def status(self, words: list[str]) -> Answer:
        _none(words)
        sample = self._sampler.now()
        return status_of(sample, self._health(sample))

    async def rates(self, words: list[str]) -> Answer:
        said = _options(words, seconds=str(SECONDS))
        samples = self._sampler.last(_whole(said["seconds"], 1, KEPT - 1))
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
                "stores": newest.stores,
            },
            "hottest": newest.hottest,
        }

    async def connections(self, words: list[str]) -> Answer:
        said = _options(words, sort="pending", most=str(MOST))
        if said["sort"] not in SORTS:
            raise Misused(f"--sort is one of {', '.join(SORTS)}")
        return self._lookups.connections(said["sort"], _whole(said["most"], 1, MOST_MAX))

    async def packet(self, words: list[str]) -> Answer:
        return await _found(self._lookups.packet, "packet", _id(words))

    async def user(self, words: list[str]) -> Answer:
        return await _found(self._lookups.user, "user", _id(words))

    async def group(self, words: list[str]) -> Answer:
        return await _found(self._lookups.group, "group", _id(words))

    async def stores(self, words: list[str]) -> Answer:
        _none(words)
        states = self._sampler.now().stores
        return {
            name: {"since_ms": states[name].since_ms, **told}
            for name, told in (await self._lookups.stores()).items()
        }

    async def settlement(self, words: list[str]) -> Answer:
        _none(words)
        return await self._lookups.settlement()

    async def refunds(self, words: list[str]) -> Answer:
        _none(words)
        return await self._lookups.refunds()

    async def audit(self, words: list[str]) -> Answer:
        if words not in ([], ["--again"]):
            raise Misused("nothing, or --again")
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
            raise Misused(f"one of {', '.join(LEVELS)}")
        logs.set_level(words[0])
        return {"log_level": words[0]}

    async def kick(self, words: list[str]) -> Answer:
        user_id = _id(words)
        sessions = list(self._hub.sessions(user_id))
        if not sessions:
            return {"error": f"user {user_id} has no connection"}
        for session in sessions:
            session.close(Close.BY_OPERATOR)
        return {"closed": len(sessions)}

    async def drain(self, words: list[str]) -> Answer:
        _none(words)
        self._levers.drain()
        return {"draining": True}

    async def reload(self, words: list[str]) -> Answer:
        _none(words)
        outcome = self._levers.reload()
        if outcome.get("fault"):
            return {"error": outcome["fault"]}
        return {name: keys for name, keys in outcome.items() if name != "fault"}


def status_of(sample: Sample, health: Health) -> dict[str, Any]:
    """A sample as the status tells it: everything at a glance, without what never happened."""
    figures = sample.figures
    return {
        "state": sample.state,
        "ready": health.ready,
        "reasons": health.reasons,
        "degraded": health.degraded,
        "durability": sample.durability,
        "up_s": round((sample.at_ms - sample.started_at_ms) / 1000),
        "connections": sample.connections,
        "users_online": sample.users_online,
        "accepted": sample.accepted,
        "requests": non_zero(sample.requests),
        "pushes": sample.pushes,
        "answers": non_zero(sample.answers),
        "refusals": non_zero(sample.refusals),
        "closes": non_zero(sample.closes),
        "slow_readers": sample.slow_readers,
        "live_packets": sample.live_packets,
        "commit": {
            "batches": sample.batches,
            "claims": sample.claims,
            "on_their_way": sample.unrecorded,
            "undone": sample.rejected,
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
        "money_fen": sample.money_fen | {"in_packets": None if figures is None else figures.in_packets_fen},
        "loop_lag_ms": sample.loop_lag_ms,
        "rss_bytes": sample.rss_bytes,
        "stores": {name: "up" if store.up else f"away: {store.why}" for name, store in sample.stores.items()},
        "audit": sample.audit,
        "audit_fault": sample.audit_fault,
    }


# --- what stands behind the name of a command ---------------------------------------------------------------------


def _none(words: list[str]) -> None:
    if words:
        raise Misused("nothing stands behind it")


def _id(words: list[str]) -> int:
    if len(words) != 1:
        raise Misused("one id")
    return _whole(words[0], 0, ID_MAX)


def _whole(word: str, least: int, most: int) -> int:
    if word.isascii() and word.isdecimal() and len(word) < 20 and least <= int(word) <= most:
        return int(word)
    raise Misused(f"a whole number from {least} to {most}, not {word[:40]!r}")


def _options(words: list[str], **defaults: str) -> dict[str, str]:
    """`--name value` pairs over these defaults."""
    names, values = words[::2], words[1::2]
    if len(names) != len(values) or any(name not in [f"--{known}" for known in defaults] for name in names):
        raise Misused(" and ".join(f"--{known} VALUE" for known in defaults))
    return defaults | {name[2:]: value for name, value in zip(names, values, strict=True)}


async def _found(look_up: Callable[[int], Awaitable[Answer | None]], what: str, one_id: int) -> Answer:
    answer = await look_up(one_id)
    return {"error": f"there is no {what} {one_id}"} if answer is None else answer
