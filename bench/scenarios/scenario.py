"""The base classes of scenarios: prepared before the clock starts, evaluated after it has stopped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from bench.load import load
from bench.load.load import OperationLog, Work, arrivals, user_order
from bench.load.outcome import Outcome, moment_of_share, summarize
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import GROUP, RequestsByUser, Say, Setup
from protocol.messages import Message

WARMUP_S = 1.0  # of an open loop
WARMUP_SHARE = 0.1  # of the operations of a closed loop


class Standard(NamedTuple):
    """The values of options that the command line leaves out."""

    connections: int
    depth: int
    requests: int = 0  # of a closed loop
    rate_per_s: float = 0.0  # of an open loop; 0: closed unless the command line has a rate
    rounds: int = 0  # of a closed loop, instead of requests: operations of each connection
    seconds: float = 0.0  # of a scenario without requests
    generators: int = 1

    def requests_of(self, connections: int) -> int:
        """Operations of a closed loop with so many connections."""
        return self.requests or self.rounds * connections


class Scenario(ABC):
    """One generator's part of a run: `prepare`, then `measure` with the clock running, then `outcome`."""

    about: ClassVar[str]  # one line for --help
    rate_of: ClassVar[str]  # the events that rate_per_s counts
    standard: ClassVar[Standard]
    limits: ClassVar[Mapping[str, float]] = {}  # server limits beyond the bench's own config
    sections: ClassVar[str] = ""  # other sections of the server's config, as TOML
    server: ClassVar[Literal["ours", "bare", "both"]] = (
        "ours"  # bare: bench.compare.rivals.echo; both: side by side
    )
    refuses: ClassVar[Sequence[str]] = ()  # options without a meaning here,
    because: ClassVar[str] = ""  # and the reason
    depth_of: ClassVar[str] = "in flight on each connection"
    supports_tls: ClassVar[bool] = True
    maximum_of: ClassVar[str] = ""  # without --rate, the rate is the maximum of this scenario, which is found first

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        self.spec = spec
        self.run_spec = spec.run_spec
        self.setup = Setup(spec, say)
        self.log = OperationLog()
        self.connections = 0  # set by `prepare`

    @abstractmethod
    async def prepare(self) -> None:
        """The work that must not be measured. Raises SetupFailed, OSError."""

    @abstractmethod
    async def measure(self) -> None:
        """The measured work. CPU is read before and after it, so leave all evaluation to `outcome`."""

    @abstractmethod
    def outcome(self) -> Outcome:
        """The results."""

    @classmethod
    def beyond(cls, _: Mapping[str, float]) -> list[str]:
        """Which figures of a whole run, those that it has `extra`, do not hold what is promised; each as a line."""
        return []

    @property
    def completed(self) -> int:
        """The operations that have ended until now, for the live line."""
        return len(self.log.replies)


class Operations(Scenario):
    """A scenario that logs operations, each with its last reply."""

    counted: ClassVar[frozenset[str]]  # the answers that rate_per_s counts

    def outcome(self) -> Outcome:
        log, run_spec, acknowledged = self.log, self.run_spec, self.setup.acknowledged
        names = [acknowledged.add(user_id, reply) for user_id, reply in zip(log.users, log.replies, strict=True)]
        last_s = log.ends_s[-1] if log.ends_s else 0.0
        outcome = Outcome(connections=self.connections, begin_s=self.warmup_s(), pushes=log.pushes)
        end_s = run_spec.seconds if run_spec.is_open else last_s
        summarize(outcome, log.starts_s, log.ends_s, (name in self.counted for name in names), end_s)
        acknowledged.errors.update(
            {"unanswered": log.unanswered, "unexpected_reply": log.unexpected, "connection_lost": log.lost}
        )
        acknowledged.copy_to(outcome)
        return outcome

    def warmup_s(self) -> float:
        """The end of the warm-up, in s since the load began."""
        run_spec = self.run_spec
        if run_spec.warmup_s is not None:
            return run_spec.warmup_s
        if run_spec.is_open:
            return min(WARMUP_S, run_spec.seconds / 2)
        return moment_of_share(self.log.ends_s, WARMUP_SHARE)


class Requests(Operations):
    """A scenario of requests and replies, in an open or a closed loop."""

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._work: Work = {}

    @abstractmethod
    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """Log in and prepare; returns for each user the first requests of `operations_each` operations or more."""

    def next_request(self, user_id: int, reply: Message) -> Message | None:
        """While the clock runs: the user's next request in this operation, None if the reply ends it."""

    @property
    def operations(self) -> int:
        return self.run_spec.operations

    async def prepare(self) -> None:
        """Encode every first request before the clock starts."""
        users = max(1, self.run_spec.connections)
        requests = await self.first_requests(users, -(-self.operations // users))
        self._work = {one: load.encode_requests(those) for one, those in requests.items()}
        self.connections = len(self._work)
        self.setup.acknowledged.answers.clear()  # the claims and sends stay, the counts of the preparation do not

    async def measure(self) -> None:
        run_spec = self.run_spec
        if run_spec.is_open:
            await self.measure_open(arrivals(run_spec.seed, run_spec.rate_per_s, run_spec.seconds))
        else:
            await load.closed_loop(self._work, run_spec.depth, self.next_request, self.log)

    async def measure_open(self, arrivals_s: Sequence[float]) -> None:
        users = user_order(self.run_spec.seed, len(self._work))
        await load.open_loop(self._work, arrivals_s, users, self.next_request, self.log)


def whole_groups(users: int) -> int:
    """So many users or a few more, so that every group is full."""
    return -(-users // GROUP) * GROUP
