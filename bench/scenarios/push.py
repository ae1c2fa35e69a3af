"""Scenario `push`: one member writes to a large group whose members are all online, against a bare write loop.

`--depth` texts are in flight at once, so the commit of one does not delay the others: the next text is written when
the last member has received the oldest. A delivery lasts from the writing to the reading by one member, and all are
timed. The same members receive the same texts from rivals.echo, which only writes each to every connection. The two
servers are measured in turns, one idle while the other is measured, and the medians are compared. The ratio may
exceed 1: texts that were committed together leave our server in one write to each member. With `--depth 1` there
are none.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from itertools import repeat
from statistics import median
from time import perf_counter
from typing import ClassVar

from bench.load import load
from bench.load.outcome import Outcome, summarize
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import Say, SetupFailed
from bench.load.transport import MeasuredConnection
from bench.scenarios.scenario import Scenario, Standard
from protocol import messages
from protocol.framing import frame
from protocol.messages import Message
from protocol.tokens import Token

TEXT = "恭喜发财，红包拿来！" * 3
ROUNDS = 3  # of each server
WARMUP_TEXTS = 10  # to each server


class Push(Scenario):
    """An operation is one delivery."""

    about = "one text to a large group online, deliveries per second, against a bare write loop"
    rate_of = "deliveries, in the median round"
    standard = Standard(connections=2_000, depth=4, requests=150)
    limits: ClassVar = {"group_members_max": 20_000}
    server = "both"
    refuses: ClassVar = ("--rate", "--seconds", "--find-max", "--p99-ms", "--warmup-s", "--generators")
    because = "it is a closed loop, in which one user writes"
    depth_of = "texts in flight at once"

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._ours: PushGroup
        self._bare: PushGroup
        self._warmup_end_s = 0.0

    @property
    def completed(self) -> int:
        """The texts that all members have received until now."""
        return self._ours.received_by_all

    async def prepare(self) -> None:
        setup, first_user = self.setup, self.spec.first_user
        if not self.spec.bare_url:
            raise SetupFailed("there is no bare server to compare with")
        tokens = [setup.token(first_user + place) for place in range(self.run_spec.connections)]
        setup.say(f"{len(tokens):,} users log in at both servers and join one group")
        ours, bare = [PushMember(one) for one in tokens], [PushMember(one) for one in tokens]
        (group_id,) = await setup.make_groups(ours[0], [ours])  # before the logins: so no member is pushed that
        await setup.log_in(ours)
        await setup.log_in(bare, self.spec.bare_url)
        setup.acknowledged.answers.clear()
        self._ours, self._bare = PushGroup(ours, group_id), PushGroup(bare, group_id)

    async def measure(self) -> None:
        run_spec, groups = self.run_spec, (self._ours, self._bare)
        self.log.began_s = perf_counter()
        for group in groups:
            await group.write(WARMUP_TEXTS, run_spec.depth)
            group.rates_per_s.clear()
        self._warmup_end_s = perf_counter() - self.log.began_s
        for _ in range(ROUNDS):
            for group in groups:
                await group.write(-(-run_spec.requests // ROUNDS), run_spec.depth)

    def outcome(self) -> Outcome:
        """Latencies of our deliveries, and the rates of both servers."""
        ours, bare, acknowledged = self._ours, self._bare, self.setup.acknowledged
        ends_s = [end_s - self.log.began_s for end_s in ours.received_s]
        starts_s = [ours.written_s[number] - self.log.began_s for number in ours.received]
        outcome = Outcome(connections=len(ours.members), begin_s=self._warmup_end_s, pushes=len(ends_s))
        summarize(outcome, starts_s, ends_s, repeat(True, len(ends_s)), ends_s[-1] if ends_s else 0.0)
        for reply in ours.replies:
            acknowledged.add(ours.members[0].user_id, reply)
        lost = sum(1 for one in ours.members if one.end_reason)
        acknowledged.errors.update({"undelivered": sum(ours.missing), "connection_lost": lost})
        acknowledged.copy_to(outcome)
        outcome.own_rate_per_s, bare_per_s = median(ours.rates_per_s), median(bare.rates_per_s)
        outcome.extra = {
            "deliveries_per_s": round(outcome.own_rate_per_s),
            "bare_deliveries_per_s": round(bare_per_s),
            "ratio": round(outcome.own_rate_per_s / bare_per_s, 3),
        }
        return outcome


class PushMember(MeasuredConnection):
    """A connection that reports every text to its group. Texts of a group arrive in the order of their writing."""

    __slots__ = ("group",)

    def __init__(self, token: Token) -> None:
        super().__init__(token)
        self.group: PushGroup | None = None

    def data_received(self, data: bytes) -> None:
        before = self.pushes
        super().data_received(data)
        if self.group is not None and self.pushes > before:
            self.group.on_received(before, self.pushes)


class PushGroup:
    """The group on one server: its members, the texts written, the deliveries."""

    def __init__(self, members: Sequence[PushMember], group_id: int) -> None:
        self.members = members
        self._group_id = group_id
        self._to_write = 0
        self._over = asyncio.Event()
        self.written_s: list[float] = []  # of each text
        self.missing: list[int] = []  # of each text: the members who have not received it
        self.received = array("L")  # of each delivery: the number of its text
        self.received_s = array("d")  # of each delivery: its moment
        self.received_by_all = 0
        self.replies: list[Message] = []
        self.rates_per_s: list[float] = []  # deliveries, of each round
        members[0].on_reply = self._on_reply
        for one in members:
            one.group = self

    async def write(self, texts: int, depth: int) -> None:
        """So many texts, until their last delivery and reply, or until no more of them come."""
        before, began_s = len(self.received), perf_counter()
        self._over.clear()
        self._to_write = texts
        for _ in range(depth):
            self._write_one()
        await load.wait_while_progress(self._over, lambda: len(self.received) + len(self.replies))
        last_s = self.received_s[-1] if len(self.received) > before else perf_counter()
        self.rates_per_s.append((len(self.received) - before) / (last_s - began_s))

    def _write_one(self) -> None:
        if not self._to_write:
            return
        self._to_write -= 1
        self.written_s.append(perf_counter())
        self.missing.append(len(self.members))
        self.members[0].send(frame(messages.encode(messages.Say(len(self.missing), self._group_id, TEXT))))

    def on_received(self, first: int, end: int) -> None:
        """A member has received the texts from number `first` to before `end`."""
        now_s, missing = perf_counter(), self.missing
        for number in range(first, end):
            self.received.append(number)
            self.received_s.append(now_s)
            missing[number] -= 1
            if not missing[number]:
                self.received_by_all += 1
                self._write_one()
        self._end_if_complete()

    def _on_reply(self, reply: Message) -> None:
        self.replies.append(reply)
        self._end_if_complete()

    def _end_if_complete(self) -> None:
        """The reply to a text may come after its last delivery: without it the text would not be counted."""
        if self.received_by_all == len(self.missing) == len(self.replies):
            self._over.set()
