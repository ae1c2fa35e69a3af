"""Scenario `login`: the storm after a restart. Users who were online before connect, prove who they are, come in.

A turn lasts from the connect to the welcome, which names the user's group. In a closed loop `--depth` connections
are in progress at once, over all; when everybody is online all hang up and it begins anew, until there have been
`--requests` logins. The hanging up, until the server has seen to it, is off the clock. In an open loop users come
as the plan says, and each hangs up after the welcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from time import perf_counter
from typing import ClassVar

from bench.load import arrivals, load
from bench.load.dialer import Call, Dialer
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import GROUP, Say
from bench.scenarios.scenario import Standard, Turns, whole_groups
from protocol import messages
from protocol.messages import Message
from protocol.tokens import Token

AT_ONCE = 50 * GROUP  # users who are online together while the groups form


class Login(Turns):
    """A turn is one login."""

    about = "users connect and log in, all who were online before (one turn: from the connect to the welcome)"
    rate_of = "users welcomed"
    standard = Standard(connections=10_000, depth=256, requests=30_000, rate_per_s=4_000)
    counted: ClassVar = frozenset({"welcome"})
    depth_of = "in progress at once"
    speaks_tls = False

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        super().__init__(job, say)
        self._tokens: list[Token] = []
        self._dialer: Dialer
        self._callers: Iterator[Token] = iter(())  # of a closed loop: who is next
        self._in_progress = 0
        self._nobody_is = asyncio.Event()
        self._nobody_is.set()
        self._failed: OSError | None = None

    @property
    def connections(self) -> int:
        """Of users who come again and again."""
        return len(self._tokens)

    async def prepare(self) -> None:
        """Everybody has been online before and is in a group."""
        stage = self.stage
        user_ids = [self.job.first_user + place for place in range(whole_groups(self.job.order.connections))]
        stage.say(f"{len(user_ids):,} users form groups")
        owner = await stage.sender()
        for first in range(0, len(user_ids), AT_ONCE):
            wires = await stage.connect(user_ids[first : first + AT_ONCE])
            await stage.groups(owner, [wires[place : place + GROUP] for place in range(0, len(wires), GROUP)])
            for one in wires:
                one.close()
        owner.close()
        stage.told.answers.clear()
        self._tokens = [stage.token(user_id) for user_id in user_ids]
        self._dialer = Dialer(self.job.url, self._heard)

    async def measure(self) -> None:
        """Open loop if there is a rate."""
        self.log.began_s = perf_counter()
        try:
            await (self._arrivals() if self.job.order.is_open else self._storms())
        finally:
            self._dialer.close()
        if self._failed is not None:
            raise self._failed
        self.log.unanswered += self._in_progress

    async def _arrivals(self) -> None:
        order, tokens = self.job.order, self._tokens
        users = arrivals.order(order.seed, len(tokens))
        arrivals_s = arrivals.arrivals(order.seed, order.rate_per_s, order.seconds)
        await load.pace(
            arrivals_s,
            self.log.began_s,
            lambda number, start_s: self._dial(tokens[users[number % len(users)]], start_s),
        )
        await self._answered()

    async def _storms(self) -> None:
        left, depth, tokens = self.job.order.requests, self.job.order.depth, self._tokens
        while left > 0 and not self._in_progress and self._failed is None:
            self._callers = iter(tokens[:left])
            left -= len(tokens)
            for token in islice(self._callers, depth):
                self._dial(token, perf_counter())
            await self._answered()
            await self._all_hang_up()

    async def _all_hang_up(self) -> None:
        began_s = perf_counter()
        self._dialer.hang_up_all()
        (await self.stage.sender()).close()  # the server has seen who went before this one came
        self.log.began_s += perf_counter() - began_s

    async def _answered(self) -> None:
        """Nobody is in progress any more, or nothing has come for so long that nothing will."""
        await load.patiently(self._nobody_is, lambda: len(self.log.replies))

    def _dial(self, token: Token, start_s: float) -> None:
        try:
            self._dialer.dial(token, start_s)
            self._in_progress += 1
            self._nobody_is.clear()
        except OSError as error:
            self._failed = error

    def _heard(self, call: Call, reply: Message | None) -> None:
        log, now_s = self.log, perf_counter()
        if reply is None:
            log.lost += 1
            if call.welcomed:  # before, somebody waited for it
                return
            log.unanswered += 1
        else:
            log.starts_s.append(call.start_s - log.began_s)
            log.ends_s.append(now_s - log.began_s)
            log.users.append(call.token.user_id)
            log.replies.append(reply)
            log.strange += isinstance(reply, messages.Welcome) and len(reply.places) < 2
        self._in_progress -= 1
        if self.job.order.is_open and call.welcomed:
            self._dialer.hang_up(call)
        token = next(self._callers, None)
        if token is not None:
            self._dial(token, now_s)
        if not self._in_progress:
            self._nobody_is.set()
