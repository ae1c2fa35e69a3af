"""Scenario `day`: the mix of a chat's day, as the table says; 1,000 users in groups of 20 to 50, all online.

Most taps meet packets that were finished long ago. New packets have shares for half of their group: early users
win, the others get `gone`. Texts and packets reach every member of the group, and the sender of the packets
receives a push for each claim.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import ClassVar, Final, NamedTuple

from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import Connections, RequestsByUser, Say, Setup
from bench.load.transport import MeasuredConnection
from bench.scenarios.basic import OpenPackets
from bench.scenarios.scenario import Standard
from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.messages import Message

MEMBERS: Final = (20, 50)
OLD_PACKETS: Final = 10  # of each group
OLD_SHARES: Final = 2
SENT_SHARES: Final = 5
SHARE_FEN: Final = 100
MISSED: Final = 20  # a user who catches up has missed so many messages from before the clock, and all since
TEXT: Final = "新年快乐，万事如意！今晚谁来？"


class DayUser(NamedTuple):
    """One user's group, and the packets that this user has not tapped yet."""

    setup: Setup
    group_id: int
    last_message: int  # before the clock starts
    old: Iterator[int]
    new: Iterator[int]


def _packet(user: DayUser) -> Message:
    key, total_fen = user.setup.new_key(), SENT_SHARES * SHARE_FEN
    return messages.SendPacket(0, key, "lucky", user.group_id, total_fen, SENT_SHARES)


class DayKind(NamedTuple):
    """One row of KINDS: its part of all operations in percent, and its first request."""

    weight: int
    request: Callable[[DayUser], Message]


KINDS: Final = {
    "text": DayKind(20, lambda user: messages.Say(0, user.group_id, TEXT)),
    "grab_old": DayKind(45, lambda user: messages.Grab(0, next(user.old))),
    "grab_new": DayKind(25, lambda user: messages.Grab(0, next(user.new))),  # and open it with the ticket
    "send": DayKind(3, _packet),
    "balance": DayKind(4, lambda _: messages.GetBalance(0)),
    "catch_up": DayKind(3, lambda user: messages.CatchUp(0, user.group_id, max(0, user.last_message - MISSED))),
}


class Day(OpenPackets):
    """An operation is one request, or a grab and the open that its ticket allows."""

    about = "a realistic mix: texts, grabs of old packets, grab and open of new ones, sends, balances, catching up"
    rate_of = "operations answered"
    standard = Standard(connections=1_000, depth=1, requests=20_000, rate_per_s=2_000)
    counted: ClassVar = frozenset({"said", "claimed", "gone", "busy", "won", "sent", "balance", "caughtup"})

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._plans: dict[int, list[str]] = {}  # of each user: the kinds of their operations

    async def first_requests(self, users: int, operations_each: int) -> RequestsByUser:
        """Every user has a plan, a group with packets, and the money for the sends of the plan."""
        draw = random.Random(f"day {self.run_spec.seed}")
        connections = await self.setup.log_in_users(users)
        weights = [kind.weight for kind in KINDS.values()]
        self._plans = {one.user_id: draw.choices(list(KINDS), weights, k=operations_each) for one in connections}
        users_by_connection = await self._prepare_groups(list(_split_into_groups(connections, draw)))
        return {
            one: [KINDS[kind].request(user) for kind in self._plans[one.user_id]]
            for one, user in users_by_connection.items()
        }

    async def _prepare_groups(self, groups: Sequence[Connections]) -> dict[MeasuredConnection, DayUser]:
        """For each group old packets, opened by a few members, and as many new ones as its busiest member taps."""
        setup = self.setup
        setup.say(f"{len(groups):,} groups form, each with packets")
        sender = await setup.log_in_sender()
        new_counts = [max(self._count(one, "grab_new") for one in members) for members in groups]
        new_shares = [max(1, len(members) // 2) for members in groups]
        old_fen = OLD_PACKETS * OLD_SHARES * SHARE_FEN * len(groups)
        new_fen = sum(count * shares * SHARE_FEN for count, shares in zip(new_counts, new_shares, strict=True))
        funds_fen = {sender.user_id: old_fen + new_fen}
        for one in (one for members in groups for one in members):
            if sends := self._count(one, "send"):
                funds_fen[one.user_id] = sends * SENT_SHARES * SHARE_FEN
        await setup.fund(funds_fen)
        users: dict[MeasuredConnection, DayUser] = {}
        openers: dict[MeasuredConnection, Sequence[int]] = {}
        group_ids = await setup.make_groups(sender, groups)
        for group_id, members, count, shares in zip(group_ids, groups, new_counts, new_shares, strict=True):
            old_ids = await setup.send_packets(sender, [group_id] * OLD_PACKETS, OLD_SHARES, SHARE_FEN)
            new_ids = await setup.send_packets(sender, [group_id] * count, shares, SHARE_FEN)
            openers |= dict.fromkeys(members[:OLD_SHARES], old_ids)
            for one in members:
                users[one] = DayUser(setup, group_id, OLD_PACKETS + count, cycle(old_ids), iter(new_ids))
        await setup.request(await setup.take_tickets(openers))
        return users

    def _count(self, one: MeasuredConnection, kind: str) -> int:
        return self._plans[one.user_id].count(kind)

    def outcome(self) -> Outcome:
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


def _split_into_groups(connections: Connections, draw: random.Random) -> Iterator[Connections]:
    """Groups of MEMBERS; the last one has the remaining users."""
    first = 0
    while first < len(connections):
        size = draw.randint(*MEMBERS)
        yield connections[first : first + size]
        first += size
