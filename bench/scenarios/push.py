"""Scenario `push`: one member writes to a large group of which everybody is online, against a bare write loop.

`--depth` texts are under way at once, so that nobody waits for the commit of one: the next is written when the last
member has got the oldest. A delivery lasts from the writing to the reading by one member, and all are timed. The
same members hear the same texts from rivals.echo, which writes each to every connection and nothing more; the
two servers take turns, one idle while the other is measured, and the medians are compared. The ratio may exceed 1:
texts that were committed together leave our server in one write to each member. With `--depth 1` there are none.
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
from bench.load.outcome import Outcome, reckon
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
    """A turn is one delivery."""

    about = "one text to a large group online, deliveries per second, against a bare write loop"
    rate_of = "deliveries, in the median round"
    standard = Standard(connections=2_000, depth=4, requests=150)
    limits: ClassVar = {"group_members_max": 20_000}
    server = "both"
    refuses: ClassVar = ("--rate", "--seconds", "--find-max", "--p99-ms", "--warmup-s", "--generators")
    because = "it is a closed loop, in which one user writes"
    depth_of = "texts under way at once"

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        super().__init__(job, say)
        self._ours: Room
        self._bare: Room
        self._warm_s = 0.0

    @property
    def completed(self) -> int:
        """How many texts all have got by now."""
        return self._ours.heard_by_all

    async def prepare(self) -> None:
        """The same users, online at both servers."""
        order, stage = self.job.order, self.stage
        if not self.job.bare_url:
            raise SetupFailed("there is no bare server to compare with")
        tokens = [stage.token(self.job.first_user + place) for place in range(order.connections)]
        stage.say(f"{len(tokens):,} users log in at both servers and join one group")
        ours, bare = [Member(one) for one in tokens], [Member(one) for one in tokens]
        await stage.log_in(ours)
        await stage.log_in(bare, self.job.bare_url)
        (group_id,) = await stage.groups(ours[0], [ours])
        stage.told.answers.clear()
        self._ours, self._bare = Room(ours, group_id), Room(bare, group_id)

    async def measure(self) -> None:
        """Both servers in turn."""
        order, rooms = self.job.order, (self._ours, self._bare)
        self.log.began_s = perf_counter()
        for room in rooms:
            await room.write(WARMUP_TEXTS, order.depth)
            room.rates_per_s.clear()
        self._warm_s = perf_counter() - self.log.began_s
        for _ in range(ROUNDS):
            for room in rooms:
                await room.write(-(-order.requests // ROUNDS), order.depth)

    def outcome(self) -> Outcome:
        """Latencies of our deliveries, and the rates of both."""
        ours, bare, told = self._ours, self._bare, self.stage.told
        ends_s = [end_s - self.log.began_s for end_s in ours.heard_s]
        starts_s = [ours.written_s[number] - self.log.began_s for number in ours.heard]
        outcome = Outcome(connections=len(ours.members), begin_s=self._warm_s, pushes=len(ends_s))
        reckon(outcome, starts_s, ends_s, repeat(True, len(ends_s)), ends_s[-1] if ends_s else 0.0)
        for reply in ours.replies:
            told.note(ours.members[0].user_id, reply)
        lost = sum(1 for one in ours.members if one.why)
        told.errors.update({"undelivered": sum(ours.missing), "connection_lost": lost})
        told.into(outcome)
        outcome.own_rate_per_s = median(ours.rates_per_s)
        outcome.extra = {
            "deliveries_per_s": round(outcome.own_rate_per_s),
            "bare_deliveries_per_s": round(median(bare.rates_per_s)),
            "ratio": round(outcome.own_rate_per_s / median(bare.rates_per_s), 3),
        }
        return outcome


class Member(MeasuredConnection):
    """A connection that tells its room of every text. The texts of a group come in the order of their writing."""

    __slots__ = ("room",)

    def __init__(self, token: Token) -> None:
        super().__init__(token)
        self.room: Room | None = None

    def data_received(self, data: bytes) -> None:
        """As ever, then the news."""
        before = self.pushes
        super().data_received(data)
        if self.room is not None and self.pushes > before:
            self.room.hear(before, self.pushes)


class Room:
    """The group as it is on one server: who is in it, what was written, who has got it when."""

    def __init__(self, members: Sequence[Member], group_id: int) -> None:
        self.members = members
        self._group_id = group_id
        self._to_write = 0
        self._over = asyncio.Event()
        self.written_s: list[float] = []  # of each text
        self.missing: list[int] = []  # of each text: members who have not got it
        self.heard = array("L")  # of each delivery: which text
        self.heard_s = array("d")  # and when
        self.heard_by_all = 0
        self.replies: list[Message] = []
        self.rates_per_s: list[float] = []  # deliveries, of each round
        members[0].hear = self.replies.append
        for one in members:
            one.room = self

    async def write(self, texts: int, depth: int) -> None:
        """So many texts, to their last delivery, or until nothing has come for so long that nothing will."""
        before, began_s = len(self.heard), perf_counter()
        self._over.clear()
        self._to_write = texts
        for _ in range(depth):
            self._write()
        await load.patiently(self._over, lambda: len(self.heard))
        last_s = self.heard_s[-1] if len(self.heard) > before else perf_counter()
        self.rates_per_s.append((len(self.heard) - before) / (last_s - began_s))

    def _write(self) -> None:
        if not self._to_write:
            return
        self._to_write -= 1
        self.written_s.append(perf_counter())
        self.missing.append(len(self.members))
        self.members[0].send(frame(messages.encode(messages.Say(len(self.missing), self._group_id, TEXT))))

    def hear(self, first: int, end: int) -> None:
        """A member has got the texts from number `first` to before `end`."""
        now_s, missing = perf_counter(), self.missing
        for number in range(first, end):
            self.heard.append(number)
            self.heard_s.append(now_s)
            missing[number] -= 1
            if not missing[number]:
                self.heard_by_all += 1
                self._write()
                if self.heard_by_all == len(missing):
                    self._over.set()
