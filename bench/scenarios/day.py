"""Scenario `day`: what a chat does all day, mixed as the table says; 1,000 users in groups of 20 to 50, all online.

Most taps meet packets that were finished long ago. New packets have shares for half of their group: who comes early
wins, the others find them gone. What is written and sent reaches everybody in the group, as it would.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import ClassVar, Final, NamedTuple

from bench.job import Job
from bench.outcome import Outcome
from bench.scenario import Requests, Standard
from bench.scenarios.open import OpenPackets
from bench.stage import Say, Stage
from bench.wire import Wire
from client_sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

# What users do, in percent.
WEIGHTS: Final = {
    "text": 20,
    "grab_old": 45,
    "grab_new": 25,  # and open it, if there is a ticket
    "send": 3,
    "balance": 4,
    "catch_up": 3,
}
MEMBERS: Final = (20, 50)
OLD_PACKETS: Final = 10  # of each group
OLD_SHARES: Final = 2
SENT_SHARES: Final = 5
SHARE_FEN: Final = 100
MISSED: Final = 20  # messages from before the clock that somebody who catches up has not seen
TEXT: Final = "新年快乐，万事如意！今晚谁来？"


class Group(NamedTuple):
    """One group and what happened in it before the clock starts."""

    group_id: int
    members: Sequence[Wire]
    old: Sequence[int]  # packets
    new: Sequence[int]

    @property
    def last_message(self) -> int:
        """Nothing but packets was posted."""
        return len(self.old) + len(self.new)


class Member:
    """One user, who makes the first requests of their turns, one after the other."""

    def __init__(self, stage: Stage, group: Group) -> None:
        self._stage = stage
        self._group = group
        self._old = cycle(group.old)
        self._new = iter(group.new)

    def text(self) -> Message:
        return messages.Say(0, self._group.group_id, TEXT)

    def grab_old(self) -> Message:
        return messages.Grab(0, next(self._old))

    def grab_new(self) -> Message:
        return messages.Grab(0, next(self._new))

    def send(self) -> Message:
        total_fen = SENT_SHARES * SHARE_FEN
        return messages.SendPacket(0, self._stage.key(), "lucky", self._group.group_id, total_fen, SENT_SHARES)

    def balance(self) -> Message:
        return messages.GetBalance(0)

    def catch_up(self) -> Message:
        return messages.CatchUp(0, self._group.group_id, max(0, self._group.last_message - MISSED))


ACTS: Final[Mapping[str, Callable[[Member], Message]]] = {kind: getattr(Member, kind) for kind in WEIGHTS}


class Day(OpenPackets):
    """A turn is one act of one user: a request, or a grab and the open that its ticket allows."""

    about = "a realistic mix: texts, grabs of old packets, grab and open of new ones, sends, balances, catching up"
    rate_of = "turns answered"
    standard = Standard(connections=1_000, depth=1, requests=20_000, rate_per_s=2_000)
    counted: ClassVar = frozenset({"said", "claimed", "gone", "won", "sent", "balance", "caughtup"})

    def __init__(self, job: Job, say: Say) -> None:
        super().__init__(job, say)
        self._plans: dict[int, list[str]] = {}  # of each user: what they do, turn by turn

    async def first_requests(self, users: int, turns_each: int) -> Mapping[Wire, Sequence[Message]]:
        """Everybody has a plan for the day, a group, and the money to send what they plan to."""
        stage, chance = self.stage, random.Random(f"day {self.job.order.seed}")
        wires = await stage.users(users)
        self._plans = {
            one.user_id: chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=turns_each) for one in wires
        }
        ...
