"""Scenario `hot`: one packet of 500 shares in a group of 500 users or 5,000, all of whom act at once.

A round is one packet. First everybody taps it (grab) and is answered; then, at one moment, all who got a ticket
press open (開), and those who heard `busy` wait as it says and tap again, until every answer is final. Turns begin
with the press. What counts is how long it takes from there until the last share is told as won; the rate is the
shares by this time, in the median round. The sender stays, and hears of each claim. The first round is warm-up,
and between two rounds everybody takes breath.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import ClassVar

from bench.load import load
from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import Say
from bench.load.transport import MeasuredConnection
from bench.scenarios.scenario import Standard, Turns
from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.framing import frame
from protocol.messages import Message

SHARES = 500
SHARE_FEN = 100
WARMUP_ROUNDS = 1
BREATH_S = 0.1  # the announcements of the last round are read, most of its claims are settled


class Hot(Turns):
    """Round after round."""

    about = "one packet of 500 shares, all users of a large group tap and open it at once, again and again"
    rate_of = "claims told as won, in the median round"
    standard = Standard(connections=500, depth=1, rounds=20)
    counted: ClassVar = frozenset({"won"})
    limits: ClassVar = {"group_members_max": 20_000}
    refuses: ClassVar = ("--rate", "--seconds", "--find-max", "--p99-ms", "--depth", "--warmup-s", "--generators")
    because = "it is a closed loop, in which all users act at once"

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        super().__init__(job, say)
        self._users: list[User] = []
        self._packets: list[int] = []
        self._last_won_s: list[float] = []  # of each round, since the press
        self._all_tapped_s: list[float] = []  # of each round: from the first tap to the last answer to one
        self._warm_s = 0.0
        self.left = 0  # users of this step of the round who have not been answered
        self.won_s = 0.0  # the last time that somebody won
        self.over = asyncio.Event()

    @property
    def connections(self) -> int:
        """Of users who tap."""
        return len(self._users)

    async def prepare(self) -> None:
        """One group of all, and a packet for each round."""
        order, stage = self.job.order, self.stage
        wires = await stage.users(order.connections)
        rounds = WARMUP_ROUNDS + max(1, order.requests // len(wires))
        stage.say(f"all join one group, which gets {rounds} packets")
        sender = await stage.sender()
        shares = min(SHARES, len(wires))
        await stage.fund({sender.user_id: rounds * shares * SHARE_FEN})
        (group_id,) = await stage.groups(sender, [wires])
        self._packets = await stage.send(sender, [group_id] * rounds, shares, SHARE_FEN)
        stage.told.answers.clear()
        self._users = [User(self, one) for one in wires]
        await asyncio.sleep(BREATH_S)

    async def measure(self) -> None:
        """All rounds, one after the other."""
        self.log.began_s = perf_counter()
        for number, packet_id in enumerate(self._packets, 1):
            await self._round(number, packet_id)
            if self.left:  # some were not answered, and will not be
                break
            if number == WARMUP_ROUNDS:
                self._warm_s = perf_counter() - self.log.began_s
            await asyncio.sleep(BREATH_S)
        for one in self._users:
            one.wire.rest()
        self.log.unanswered += self.left

    async def _round(self, number: int, packet_id: int) -> None:
        grab = frame(messages.encode(messages.Grab(number, packet_id)))
        tapped_s = perf_counter()
        await self._step(User.tap, number, grab)
        all_tapped_s, self.won_s = perf_counter() - tapped_s, 0.0
        if self.left:
            return
        pressed_s = perf_counter()
        await self._step(User.press, pressed_s)
        if self.won_s and number > WARMUP_ROUNDS:
            self._last_won_s.append(self.won_s - pressed_s)
            self._all_tapped_s.append(all_tapped_s)

    async def _step(self, act: Callable[..., None], *how: object) -> None:
        """All users do it; wait for the last answer, but not for ever."""
        self.over.clear()
        self.left = users = len(self._users)
        for one in self._users:
            act(one, *how)
        await load.patiently(self.over, lambda: users - self.left)

    def outcome(self) -> Outcome:
        """With the time to the last win of each round."""
        outcome = super().outcome()
        if self._last_won_s:
            for name, lasts_s in (("last_won_ms", self._last_won_s), ("all_tapped_ms", self._all_tapped_s)):
                outcome.spreads[name] = Histogram.of(last_s * 1000 for last_s in lasts_s).encoded()
            outcome.own_rate_per_s = min(SHARES, len(self._users)) / median(self._last_won_s)
        outcome.extra["rounds"] = len(self._last_won_s)
        return outcome

    def answered(self) -> None:
        """One user less to wait for."""
        self.left -= 1
        if not self.left:
            self.over.set()

    def warmup_s(self) -> float:
        """The end of the first round."""
        return self._warm_s


class User:
    """One of those who tap and press."""

    __slots__ = ("grab", "hot", "pressed", "start_s", "tapped", "turn", "wire")

    def __init__(self, hot: Hot, wire: MeasuredConnection) -> None:
        self.hot = hot
        self.wire = wire
        self.turn = 0
        self.start_s = 0.0
        self.grab = b""
        self.tapped: Message | None = None  # the answer to the tap, until the press
        self.pressed = False
        wire.hear, wire.lost = self.hear, self.lose

    def tap(self, turn: int, grab: bytes) -> None:
        """Tap; what is answered waits for the press."""
        self.turn, self.grab, self.tapped, self.pressed = turn, grab, None, False
        self.wire.send(grab)

    def press(self, start_s: float) -> None:
        """Begin the turn with what the tap was answered."""
        self.start_s, self.pressed = start_s, True
        if self.tapped is not None:
            self.go_on(self.tapped)

    def hear(self, reply: Message) -> None:
        """Keep the answer to the tap, go on after the press."""
        if reply.seq != self.turn:
            self.hot.log.strange += 1
        elif self.pressed:
            self.go_on(reply)
        else:
            self.tapped = reply
            self.hot.answered()

    def go_on(self, reply: Message) -> None:
        """Open, wait and tap again, or note the end of the turn."""
        if isinstance(reply, messages.Grabbed) and reply.answer == "ticket":
            self.wire.send(frame(messages.encode(messages.Open(self.turn, reply.packet_id, reply.ticket))))
        elif isinstance(reply, messages.Grabbed) and reply.answer == "busy":
            asyncio.get_running_loop().call_later(reply.retry_after_ms / 1000, self.wire.send, self.grab)
        else:
            self.end(reply)

    def end(self, reply: Message) -> None:
        """The answer is final."""
        hot, log, now_s = self.hot, self.hot.log, perf_counter()
        self.turn = 0
        log.starts_s.append(self.start_s - log.began_s)
        log.ends_s.append(now_s - log.began_s)
        log.users.append(self.wire.user_id)
        log.replies.append(reply)
        if isinstance(reply, messages.Opened) and reply.answer == "won":
            hot.won_s = now_s
        hot.answered()

    def lose(self) -> None:
        """The connection has ended."""
        self.hot.log.lost += 1
