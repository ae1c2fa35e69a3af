"""What a scenario is: something that users do, prepared before the clock starts and reckoned after it stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from bench.load import arrivals, load
from bench.load.load import Log, Work
from bench.load.outcome import Outcome, after, reckon
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import GROUP, Say, Setup
from bench.load.transport import MeasuredConnection
from protocol.messages import Message

WARMUP_S = 1.0  # of an open loop
WARMUP_SHARE = 0.1  # of the turns of a closed one


class Standard(NamedTuple):
    """What is measured unless the command line says otherwise."""

    connections: int
    depth: int
    requests: int = 0  # of a closed loop
    rate_per_s: float = 0.0  # of an open loop; 0: closed unless the command line says a rate
    rounds: int = 0  # of a closed loop, instead of requests: turns of each connection
    seconds: float = 0.0  # of a scenario that asks nothing and only lasts

    def requests_of(self, connections: int) -> int:
        """Turns of a closed loop with so many connections."""
        return self.requests or self.rounds * connections


class Scenario(ABC):
    """One generator's part of a run: `prepare`, then `measure` with the clock running, then `outcome`."""

    about: ClassVar[str]  # one line for --help
    rate_of: ClassVar[str]  # what rate_per_s counts
    standard: ClassVar[Standard]
    limits: ClassVar[Mapping[str, float]] = {}  # the server needs these beyond the bench's own config
    server: ClassVar[Literal["ours", "bare", "both"]] = (
        "ours"  # bare: bench.compare.rivals.echo; both: it runs beside ours
    )
    refuses: ClassVar[Sequence[str]] = ()  # options that say nothing here,
    because: ClassVar[str] = ""  # and why
    depth_of: ClassVar[str] = "in flight on each connection"
    speaks_tls: ClassVar[bool] = True
    maximum_of: ClassVar[str] = ""  # the scenario whose maximum is found first if no rate is said: that is the rate

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        self.job = job
        self.stage = Setup(job, say)
        self.log = Log()

    @abstractmethod
    async def prepare(self) -> None:
        """All that must not be on the clock. Raises StageFailed, OSError."""

    @abstractmethod
    async def measure(self) -> None:
        """Do it. The processes' CPU is taken before and after; leave all reckoning to `outcome`."""

    @abstractmethod
    def outcome(self) -> Outcome:
        """What it came to."""

    @property
    def completed(self) -> int:
        """How many turns have ended by now, for the live line."""
        return len(self.log.replies)


class Turns(Scenario):
    """A scenario that logs turns, each with its last reply."""

    counted: ClassVar[frozenset[str]]  # the answers that rate_per_s counts

    @property
    @abstractmethod
    def connections(self) -> int:
        """How many there were."""

    def outcome(self) -> Outcome:
        """Note every reply, then reckon."""
        log, order, told = self.log, self.job.order, self.stage.told
        counts = [
            told.note(user_id, reply) in self.counted for user_id, reply in zip(log.users, log.replies, strict=True)
        ]
        last_s = log.ends_s[-1] if log.ends_s else 0.0
        outcome = Outcome(connections=self.connections, begin_s=self.warmup_s(), pushes=log.pushes)
        reckon(outcome, log.starts_s, log.ends_s, counts, order.seconds if order.is_open else last_s)
        told.errors.update(
            {"unanswered": log.unanswered, "unexpected_reply": log.strange, "connection_lost": log.lost}
        )
        told.into(outcome)
        return outcome

    def warmup_s(self) -> float:
        """The end of what does not count, in s since the load began."""
        order = self.job.order
        if order.warmup_s is not None:
            return order.warmup_s
        return min(WARMUP_S, order.seconds / 2) if order.is_open else after(self.log.ends_s, WARMUP_SHARE)


class Requests(Turns):
    """A scenario of requests and replies, in an open or a closed loop."""

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        super().__init__(job, say)
        self._work: Work = {}

    @abstractmethod
    async def first_requests(self, users: int, turns_each: int) -> Mapping[MeasuredConnection, Sequence[Message]]:
        """Log users in and set the stage; for each of them what begins their turns, `turns_each` or more."""

    def hear(self, user_id: int, reply: Message) -> Message | None:
        """On the clock: what the user asks next in this turn, None if it is over. The last reply is noted later."""

    @property
    def connections(self) -> int:
        """Of users who have work."""
        return len(self._work)

    async def prepare(self) -> None:
        """Everything that can be made before the clock starts, down to the bytes."""
        order = self.job.order
        users = max(1, order.connections)
        requests = await self.first_requests(users, -(-order.turns // users))
        self._work = {one: load.frames_of(those) for one, those in requests.items()}
        self.stage.told.answers.clear()  # what was told stays, how often does not count

    async def measure(self) -> None:
        """Open loop if there is a rate."""
        order = self.job.order
        if order.is_open:
            arrivals_s = arrivals.arrivals(order.seed, order.rate_per_s, order.seconds)
            turns = arrivals.order(order.seed, len(self._work))
            await load.open_loop(self._work, arrivals_s, turns, self.hear, self.log)
        else:
            await load.closed(self._work, order.depth, self.hear, self.log)


def whole_groups(users: int) -> int:
    """So many users or a few more, so that every group is full."""
    return -(-users // GROUP) * GROUP
