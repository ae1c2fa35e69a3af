"""Scenario `flood`: users read the history of their group as fast as they may, beside users who open and log in.

Each of --connections readers sends READS_PER_S requests a second, each for the last TEXTS messages of TEXT_BYTES,
and does not wait for the replies. Opens and logins run at the same small rate in the first quarter of --seconds,
before the flood, and during it: what they wait for more is what the flood costs others. Readers do not retry.
The first generator opens and logs in, the second one reads: a process that takes 30 MB a second of history would
measure its own delay.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Mapping
from time import perf_counter
from typing import ClassVar, Final

from bench.load import load, transport
from bench.load.load import OperationLog, Work
from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import GROUP, RequestsByUser, Say, Setup
from bench.load.transport import MeasuredConnection
from bench.scenarios.scenario import Operations, Standard
from client_sim.sdk.backoff import Backoff
from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

TEXTS: Final = 200
TEXT_BYTES: Final = 2_000
READS_PER_S: Final = 20
OPENS_PER_S: Final = 50
LOGINS_PER_S: Final = 10
IDLE_PART: Final = 0.25  # of the time, before the flood
READERS_PLACE, LOGINS_PLACE = 10_000, 20_000
LOGIN_MS_MAX: Final = 200.0  # p99 under the flood
OPEN_MS, OPEN_TIMES = 50.0, 2.0  # p99 under the flood: so much, or so many times that before it
LOGIN_USERS: Final = 100_000  # then the first one logs in again
SHARE_FEN: Final = 100
RETRY_S_MIN, RETRY_S_MAX = 0.05, 0.5  # after a refused login


class Logins:
    """Users who log in at planned moments, and try again for `patience_s` if they are refused."""

    def __init__(self, setup: Setup, patience_s: float = 0.0) -> None:
        self._setup = setup
        self._patience_s = patience_s
        self.began_s = 0.0
        self.done: list[tuple[float, float | None]] = []  # (start in s of perf_counter, ms; None: it gave up)
        self.failures: Counter[str] = Counter()  # of tries, by their reason

    async def run(self, starts_s: array[float]) -> None:
        """Log in at these moments, in s from now."""
        self.began_s = perf_counter()
        async with asyncio.TaskGroup() as tasks:

            def begin(number: int, start_s: float) -> None:
                tasks.create_task(self._log_in(number % LOGIN_USERS, start_s))

            await load.pace(starts_s, self.began_s, begin)

    async def _log_in(self, number: int, start_s: float) -> None:
        spec, backoff, ms = self._setup.spec, Backoff(RETRY_S_MIN, RETRY_S_MAX), None
        token = self._setup.token(spec.first_user + LOGINS_PLACE + number)
        while ms is None:
            connection = MeasuredConnection(token)
            try:
                await transport.log_in(spec.url, [connection])
                ms = (perf_counter() - start_s) * 1000
            except OSError:
                self.failures[connection.end_reason or "no answer"] += 1
                if perf_counter() - start_s >= self._patience_s:
                    break
                await asyncio.sleep(backoff.delay_s())
            finally:
                connection.close()
        self.done.append((start_s, ms))


async def full_group(setup: Setup, readers: int) -> tuple[list[MeasuredConnection], int]:
    """Readers in one group with a full history, and the group. Each says a part of it, within a user's limits."""
    users = await setup.log_in_users(readers, first=READERS_PLACE)
    owner = await setup.log_in_sender()
    (group_id,) = await setup.put_groups([(owner.user_id, [one.user_id for one in users])])
    owner.close()
    setup.say(f"{TEXTS} messages of {TEXT_BYTES} bytes are said")
    says: RequestsByUser = {
        one: [messages.Say(0, group_id, "x" * TEXT_BYTES) for _ in range(place, TEXTS, readers)]
        for place, one in enumerate(users)
    }
    await setup.request(says)
    return users, group_id


class Flood(Operations):
    """An operation is a grab, and the open that its ticket allows; reads and logins have figures of their own."""

    about = "users read 200 messages of 2 kB, 20 times a second each, beside opens and logins"
    rate_of = "claims told as won"
    standard = Standard(connections=100, depth=0, seconds=20.0, generators=2)
    counted: ClassVar = frozenset({"won"})
    refuses: ClassVar = ("--rate", "--find-max", "--p99-ms", "--depth", "--requests", "--warmup-s", "--generators")
    because = "its rates are those of the rule that it shows"
    supports_tls = False

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._opens: Work = {}
        self._reads: Work = {}
        self._read_log = OperationLog()
        self._is_opening = False
        self._logins = Logins(self.setup)

    @property
    def _idle_s(self) -> float:
        return self.run_spec.seconds * IDLE_PART

    async def prepare(self) -> None:
        """Openers with packets, or readers in one group with a full history; one generator alone has both."""
        is_alone = self.run_spec.generators == 1
        if is_alone or self.spec.number == 0:
            await self._prepare_opens()
        if is_alone or self.spec.number == 1:
            await self._prepare_reads(self.run_spec.connections * self.run_spec.generators)
        self.connections = len(self._opens) + len(self._reads)
        self.setup.acknowledged.answers.clear()

    async def _prepare_opens(self) -> None:
        setup = self.setup
        openers = await setup.log_in_users(GROUP)
        each = -(-round(OPENS_PER_S * self.run_spec.seconds) // len(openers))
        packets = await setup.make_packets(openers, each, GROUP, SHARE_FEN)
        self._opens = {one: load.encode_requests([messages.Grab(0, p) for p in packets[one]]) for one in openers}
        self._is_opening = True

    async def _prepare_reads(self, readers: int) -> None:
        users, group_id = await full_group(self.setup, readers)
        reads = round(READS_PER_S * (self.run_spec.seconds - self._idle_s)) + 1
        self._reads = {one: load.encode_requests([messages.CatchUp(0, group_id, 0)] * reads) for one in users}

    async def measure(self) -> None:
        seconds, readers, openers = self.run_spec.seconds, len(self._reads), len(self._opens)
        opens_s = evenly(0.0, seconds, OPENS_PER_S if self._is_opening else 0)
        reads_s = evenly(self._idle_s, seconds, READS_PER_S * readers)
        await asyncio.gather(
            load.open_loop(self._opens, opens_s, range(openers), _open_with_ticket, self.log),
            load.open_loop(self._reads, reads_s, range(readers), log=self._read_log),
            self._logins.run(evenly(0.0, seconds, LOGINS_PER_S if self._is_opening else 0)),
        )

    @classmethod
    def beyond(cls, extra: Mapping[str, float]) -> list[str]:
        """What the flood costs others more than it may."""
        most_ms = {"login": LOGIN_MS_MAX, "open": max(OPEN_MS, OPEN_TIMES * extra["open_idle_p99_ms"])}
        return [
            f"{name}: p99 under the flood is {extra[f'{name}_flood_p99_ms']:,.1f} ms, more than {most:,.1f}"
            for name, most in most_ms.items()
            if extra[f"{name}_flood_p99_ms"] > most
        ]

    def outcome(self) -> Outcome:
        """With latencies before and during the flood, and the answers to the reads by their reason."""
        outcome, log = super().outcome(), self.log
        opens = [
            (start_s, (end_s - start_s) * 1000) for start_s, end_s in zip(log.starts_s, log.ends_s, strict=True)
        ]
        begun = self._logins.done
        logins = [(start_s - self._logins.began_s, ms) for start_s, ms in begun if ms is not None]
        for name, measured in (("open", opens), ("login", logins)):
            idle = Histogram.of(ms for start_s, ms in measured if start_s < self._idle_s)
            flood = Histogram.of(ms for start_s, ms in measured if start_s >= self._idle_s)
            if measured:
                outcome.spreads |= {f"{name}_idle_ms": idle.encoded(), f"{name}_flood_ms": flood.encoded()}
                outcome.extra[f"{name}_idle_p99_ms"] = round(idle.percentile(99), 1)
                outcome.extra[f"{name}_flood_p99_ms"] = round(flood.percentile(99), 1)
        answers = Counter(map(name_of, self._read_log.replies))
        for name in ("caughtup", "overloaded", "rate_limited", "store_unavailable"):
            outcome.extra[f"reads_{name}"] = answers.pop(name, 0)
        outcome.extra["reads_other"] = sum(answers.values()) + self._read_log.unanswered + self._read_log.lost
        outcome.extra["logins_failed"] = len(begun) - len(logins)
        return outcome


def evenly(first_s: float, end_s: float, per_s: float) -> array[float]:
    return array("d", (first_s + number / per_s for number in range(round((end_s - first_s) * per_s))))


def _open_with_ticket(user_id: int, reply: Message) -> Message | None:
    if isinstance(reply, messages.Grabbed) and reply.ticket:
        return messages.Open(0, reply.packet_id, reply.ticket)
    return None


def name_of(reply: Message) -> str:
    return reply.name if isinstance(reply, messages.Refused) else type(reply).__name__.lower()
