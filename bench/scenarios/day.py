"""Scenario `day`: what a chat does all day, mixed as the table says; 1,000 users in groups of 20 to 50, all online.

Most taps meet packets that were finished long ago. New packets have shares for half of their group: who comes early
wins, the others find them gone. What is written and sent reaches everybody in the group, and who sent the packets
hears of each claim.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import ClassVar, Final, NamedTuple

from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import Say, Setup
from bench.load.transport import MeasuredConnection
from bench.scenarios.open import OpenPackets
from bench.scenarios.scenario import Standard
from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

MEMBERS: Final = (20, 50)
OLD_PACKETS: Final = 10  # of each group
OLD_SHARES: Final = 2
SENT_SHARES: Final = 5
SHARE_FEN: Final = 100
MISSED: Final = 20  # who catches up has missed so many messages from before the clock, and all since
TEXT: Final = "新年快乐，万事如意！今晚谁来？"


class Place(NamedTuple):
    """Where one user stands: in which group, and which packets they have not tapped yet."""

    stage: Setup
    group_id: int
    last_message: int  # before the clock starts
    old: Iterator[int]
    new: Iterator[int]


class Kind(NamedTuple):
    """One row of KINDS: how often users do it, in percent, and what they ask for first."""

    weight: int
    ask: Callable[[Place], Message]


KINDS: Final = {
    "text": Kind(20, lambda at: messages.Say(0, at.group_id, TEXT)),
    "grab_old": Kind(45, lambda at: messages.Grab(0, next(at.old))),
    "grab_new": Kind(25, lambda at: messages.Grab(0, next(at.new))),  # and open it with the ticket
    "send": Kind(3, lambda at: _packet(at)),
    "balance": Kind(4, lambda _: messages.GetBalance(0)),
    "catch_up": Kind(3, lambda at: messages.CatchUp(0, at.group_id, max(0, at.last_message - MISSED))),
}


def _packet(at: Place) -> Message:
    key, total_fen = at.stage.key(), SENT_SHARES * SHARE_FEN
    return messages.SendPacket(0, key, "lucky", at.group_id, total_fen, SENT_SHARES)


class Day(OpenPackets):
    """A turn is one request, or a grab and the open that its ticket allows."""

    about = "a realistic mix: texts, grabs of old packets, grab and open of new ones, sends, balances, catching up"
    rate_of = "turns answered"
    standard = Standard(connections=1_000, depth=1, requests=20_000, rate_per_s=2_000)
    counted: ClassVar = frozenset({"said", "claimed", "gone", "busy", "won", "sent", "balance", "caughtup"})

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        super().__init__(job, say)
        self._plans: dict[int, list[str]] = {}  # of each user: the kinds of their turns

    async def first_requests(self, users: int, turns_each: int) -> Mapping[MeasuredConnection, Sequence[Message]]:
        """Everybody has a plan for the day, a group with packets, and the money for what they will send."""
        chance = random.Random(f"day {self.job.order.seed}")
        wires = await self.stage.users(users)
        weights = [kind.weight for kind in KINDS.values()]
        self._plans = {one.user_id: chance.choices(list(KINDS), weights, k=turns_each) for one in wires}
        places = await self._places(list(_crowds(wires, chance)))
        return {one: [KINDS[kind].ask(place) for kind in self._plans[one.user_id]] for one, place in places.items()}

    async def _places(self, crowds: Sequence[Sequence[MeasuredConnection]]) -> dict[MeasuredConnection, Place]:
        """A group for each crowd: old packets, which a few have opened, and as many new ones as anybody taps."""
        stage = self.stage
        stage.say(f"{len(crowds):,} groups form, each with packets")
        sender = await stage.sender()
        new = [max(self._times(one, "grab_new") for one in crowd) for crowd in crowds]
        shares = [max(1, len(crowd) // 2) for crowd in crowds]
        old_fen = OLD_PACKETS * OLD_SHARES * SHARE_FEN
        all_fen = sum(old_fen + n * s * SHARE_FEN for n, s in zip(new, shares, strict=True))
        sent_fen = {
            one.user_id: self._times(one, "send") * SENT_SHARES * SHARE_FEN for crowd in crowds for one in crowd
        }
        await stage.fund({sender.user_id: all_fen} | {user_id: fen for user_id, fen in sent_fen.items() if fen})
        places: dict[MeasuredConnection, Place] = {}
        quick: dict[MeasuredConnection, Sequence[int]] = {}
        group_ids = await stage.groups(sender, crowds)
        for group_id, crowd, new_here, shares_here in zip(group_ids, crowds, new, shares, strict=True):
            old_ids = await stage.send(sender, [group_id] * OLD_PACKETS, OLD_SHARES, SHARE_FEN)
            new_ids = await stage.send(sender, [group_id] * new_here, shares_here, SHARE_FEN)
            quick |= dict.fromkeys(crowd[:OLD_SHARES], old_ids)
            for one in crowd:
                places[one] = Place(stage, group_id, OLD_PACKETS + new_here, cycle(old_ids), iter(new_ids))
        await stage.ask(await stage.tickets(quick))
        return places

    def _times(self, one: MeasuredConnection, kind: str) -> int:
        return self._plans[one.user_id].count(kind)

    def outcome(self) -> Outcome:
        """With the answers and latencies of each kind."""
        outcome, log = super().outcome(), self.log
        answers: Counter[str] = Counter()
        latencies_ms: defaultdict[str, list[float]] = defaultdict(list)
        for user_id, reply, start_s, end_s in zip(log.users, log.replies, log.starts_s, log.ends_s, strict=True):
            kind = self._plans[user_id][reply.seq - 1]
            if not isinstance(reply, messages.Refused):
                answers[f"{kind} {getattr(reply, 'answer', '')}".rstrip()] += 1
            if start_s >= outcome.begin_s:
                latencies_ms[kind].append((end_s - start_s) * 1000)
        outcome.answers = dict(sorted(answers.items()))
        outcome.spreads = {f"{kind}_ms": Histogram.of(latencies_ms[kind]).encoded() for kind in KINDS}
        return outcome


def _crowds(wires: Sequence[MeasuredConnection], chance: random.Random) -> Iterator[Sequence[MeasuredConnection]]:
    """Groups of MEMBERS; the last one has whoever is left."""
    first = 0
    while first < len(wires):
        size = chance.randint(*MEMBERS)
        yield wires[first : first + size]
        first += size
