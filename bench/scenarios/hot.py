"""Scenario `hot`: one packet of 500 shares in a group of 500 or 5,000 users, all of whom act at once.

A round is one packet. First every user taps it (grab) and is answered. Then, at one moment, all users with a ticket
press open (開); users who received `busy` wait as the reply says and tap again, until every answer is final. An
operation begins with the press. The measure is the time from the press until the last share is told as won; the
rate is the number of shares by this time, in the median round. The sender stays online and receives a push for each
claim. The first round is warm-up, and there is a pause between rounds.
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
from bench.scenarios.scenario import Operations, Standard
from client_sim.sim.histogram import Histogram
from protocol import messages
from protocol.framing import frame
from protocol.messages import Message

SHARES = 500
SHARE_FEN = 100
WARMUP_ROUNDS = 1
PAUSE_S = 0.1  # users read the announcements of the last round, most of its claims are settled


class Hot(Operations):
    """One round after the other."""

    about = "one packet of 500 shares, all users of a large group tap and open it at once, again and again"
    rate_of = "claims told as won, in the median round"
    standard = Standard(connections=500, depth=1, rounds=20)
    counted: ClassVar = frozenset({"won"})
    limits: ClassVar = {"group_members_max": 20_000}
    refuses: ClassVar = ("--rate", "--seconds", "--find-max", "--p99-ms", "--depth", "--warmup-s", "--generators")
    because = "it is a closed loop, in which all users act at once"

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._users: list[HotUser] = []
        self._packets: list[int] = []
        self._last_won_s: list[float] = []  # of each round, since the press
        self._all_tapped_s: list[float] = []  # of each round: from the first tap to the last answer to a tap
        self._warmup_end_s = 0.0
        self.left = 0  # users of this step of the round without an answer
        self.won_s = 0.0  # the moment of the last win
        self.over = asyncio.Event()

    async def prepare(self) -> None:
        run_spec, setup = self.run_spec, self.setup
        connections = await setup.log_in_users(run_spec.connections)
        rounds = WARMUP_ROUNDS + max(1, run_spec.requests // len(connections))
        setup.say(f"all join one group, which gets {rounds} packets")
        sender = await setup.log_in_sender()
        shares = min(SHARES, len(connections))
        await setup.fund({sender.user_id: rounds * shares * SHARE_FEN})
        (group_id,) = await setup.make_groups(sender, [connections])
        self._packets = await setup.send_packets(sender, [group_id] * rounds, shares, SHARE_FEN)
        setup.acknowledged.answers.clear()
        self._users = [HotUser(self, one) for one in connections]
        self.connections = len(self._users)
        await asyncio.sleep(PAUSE_S)

    async def measure(self) -> None:
        self.log.began_s = perf_counter()
        for number, packet_id in enumerate(self._packets, 1):
            await self._round(number, packet_id)
            if self.left:  # some users got no answer
                break
            if number == WARMUP_ROUNDS:
                self._warmup_end_s = perf_counter() - self.log.began_s
            await asyncio.sleep(PAUSE_S)
        for one in self._users:
            one.connection.detach()
        self.log.unanswered += self.left

    async def _round(self, number: int, packet_id: int) -> None:
        grab = frame(messages.encode(messages.Grab(number, packet_id)))
        tapped_s = perf_counter()
        await self._step(HotUser.tap, number, grab)
        all_tapped_s, self.won_s = perf_counter() - tapped_s, 0.0
        if self.left:
            return
        pressed_s = perf_counter()
        await self._step(HotUser.press, pressed_s)
        if self.won_s and number > WARMUP_ROUNDS:
            self._last_won_s.append(self.won_s - pressed_s)
            self._all_tapped_s.append(all_tapped_s)

    async def _step(self, act: Callable[..., None], *arguments: object) -> None:
        """All users act; wait for the last answer as long as answers come."""
        self.over.clear()
        self.left = users = len(self._users)
        for one in self._users:
            act(one, *arguments)
        await load.wait_while_progress(self.over, lambda: users - self.left)

    def outcome(self) -> Outcome:
        """With the time to the last win of each round."""
        outcome = super().outcome()
        if self._last_won_s:
            for name, times_s in (("last_won_ms", self._last_won_s), ("all_tapped_ms", self._all_tapped_s)):
                outcome.spreads[name] = Histogram.of(time_s * 1000 for time_s in times_s).encoded()
            outcome.own_rate_per_s = min(SHARES, len(self._users)) / median(self._last_won_s)
        outcome.extra["rounds"] = len(self._last_won_s)
        return outcome

    def answered(self) -> None:
        """One user has the answer of this step."""
        self.left -= 1
        if not self.left:
            self.over.set()

    def warmup_s(self) -> float:
        return self._warmup_end_s


class HotUser:
    __slots__ = ("connection", "grab", "hot", "operation", "pressed", "start_s", "tap_reply")

    def __init__(self, hot: Hot, connection: MeasuredConnection) -> None:
        self.hot = hot
        self.connection = connection
        self.operation = 0
        self.start_s = 0.0
        self.grab = b""
        self.tap_reply: Message | None = None  # until the press
        self.pressed = False
        connection.on_reply, connection.on_lost = self.on_reply, self.on_lost

    def tap(self, operation: int, grab: bytes) -> None:
        self.operation, self.grab, self.tap_reply, self.pressed = operation, grab, None, False
        self.connection.send(grab)

    def press(self, start_s: float) -> None:
        """Begin the operation with the reply to the tap."""
        self.start_s, self.pressed = start_s, True
        if self.tap_reply is not None:
            self._continue(self.tap_reply)

    def on_reply(self, reply: Message) -> None:
        """Before the press keep the reply, after it continue the operation."""
        if reply.seq != self.operation:
            self.hot.log.unexpected += 1
        elif self.pressed:
            self._continue(reply)
        else:
            self.tap_reply = reply
            self.hot.answered()

    def _continue(self, reply: Message) -> None:
        """Open with a ticket, wait and tap again when busy, else log the end of the operation."""
        if isinstance(reply, messages.Grabbed) and reply.answer == "ticket":
            self.connection.send(
                frame(messages.encode(messages.Open(self.operation, reply.packet_id, reply.ticket)))
            )
        elif isinstance(reply, messages.Grabbed) and reply.answer == "busy":
            asyncio.get_running_loop().call_later(reply.retry_after_ms / 1000, self.connection.send, self.grab)
        else:
            self._end(reply)

    def _end(self, reply: Message) -> None:
        now_s = perf_counter()
        self.operation = 0
        self.hot.log.end(self.connection.user_id, self.start_s, now_s, reply)
        if isinstance(reply, messages.Opened) and reply.answer == "won":
            self.hot.won_s = now_s
        self.hot.answered()

    def on_lost(self) -> None:
        self.hot.log.lost += 1
