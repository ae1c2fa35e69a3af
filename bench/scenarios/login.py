"""Scenario `login`: the storm after a restart. Users who were online before connect and log in.

An operation lasts from the connect to the welcome, which names the user's group. In a closed loop `--depth` logins
are in progress at once, over all users. When all users are online, all connections are closed and the storm starts
again, until there have been `--requests` logins; the clock does not run until the server has handled the closes. In
an open loop users come at planned moments, and each connection is closed after the welcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from time import perf_counter
from typing import ClassVar

from bench.load import load
from bench.load.dialer import Dialer, LoginAttempt
from bench.load.load import arrivals, user_order
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import GROUP, Say
from bench.scenarios.scenario import Operations, Standard, whole_groups
from protocol import messages
from protocol.messages import Message
from protocol.tokens import Token

USERS_AT_ONCE = 50 * GROUP  # online together while the groups form


class Login(Operations):
    """An operation is one login."""

    about = "users who were online before connect and log in (one operation: from the connect to the welcome)"
    rate_of = "users welcomed"
    standard = Standard(connections=10_000, depth=256, requests=30_000, rate_per_s=4_000)
    counted: ClassVar = frozenset({"welcome"})
    depth_of = "in progress at once"
    supports_tls = False

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._tokens: list[Token] = []
        self._dialer: Dialer
        self._next_tokens: Iterator[Token] = iter(())  # of a closed loop
        self._in_progress = 0
        self._none_in_progress = asyncio.Event()
        self._none_in_progress.set()
        self._failed: OSError | None = None

    async def prepare(self) -> None:
        """Every user has been online before and is in a group."""
        setup, first_user = self.setup, self.spec.first_user
        user_ids = [first_user + place for place in range(whole_groups(self.run_spec.connections))]
        setup.say(f"{len(user_ids):,} users form groups")
        owner = await setup.log_in_sender()
        for first in range(0, len(user_ids), USERS_AT_ONCE):
            users = await setup.connect(user_ids[first : first + USERS_AT_ONCE])
            await setup.make_groups(owner, [users[place : place + GROUP] for place in range(0, len(users), GROUP)])
            for one in users:
                one.close()
        owner.close()
        setup.acknowledged.answers.clear()
        self._tokens = [setup.token(user_id) for user_id in user_ids]
        self.connections = len(self._tokens)
        self._dialer = Dialer(self.spec.url, self._on_reply)

    async def measure(self) -> None:
        """An open loop with a rate, else storms."""
        self.log.began_s = perf_counter()
        try:
            await (self._arrivals() if self.run_spec.is_open else self._storms())
        finally:
            self._dialer.close()
        if self._failed is not None:
            raise self._failed
        self.log.unanswered += self._in_progress

    async def _arrivals(self) -> None:
        run_spec, tokens = self.run_spec, self._tokens
        users = user_order(run_spec.seed, len(tokens))
        arrivals_s = arrivals(run_spec.seed, run_spec.rate_per_s, run_spec.seconds)
        await load.pace(
            arrivals_s,
            self.log.began_s,
            lambda number, start_s: self._dial(tokens[users[number % len(users)]], start_s),
        )
        await self._wait_for_answers()

    async def _storms(self) -> None:
        left, depth, tokens = self.run_spec.requests, self.run_spec.depth, self._tokens
        while left > 0 and not self._in_progress and self._failed is None:
            self._next_tokens = iter(tokens[:left])
            left -= len(tokens)
            for token in islice(self._next_tokens, depth):
                self._dial(token, perf_counter())
            await self._wait_for_answers()
            await self._hang_up_all()

    async def _hang_up_all(self) -> None:
        began_s = perf_counter()
        self._dialer.hang_up_all()
        (await self.setup.log_in_sender()).close()  # the server handles the closes before this login
        self.log.began_s += perf_counter() - began_s

    async def _wait_for_answers(self) -> None:
        await load.wait_while_progress(self._none_in_progress, lambda: len(self.log.replies))

    def _dial(self, token: Token, start_s: float) -> None:
        try:
            self._dialer.dial(token, start_s)
            self._in_progress += 1
            self._none_in_progress.clear()
        except OSError as error:
            self._failed = error

    def _on_reply(self, attempt: LoginAttempt, reply: Message | None) -> None:
        log, now_s = self.log, perf_counter()
        if reply is None:
            log.lost += 1
            if attempt.welcomed:  # otherwise the login was still in progress
                return
            log.unanswered += 1
        else:
            log.end(attempt.token.user_id, attempt.start_s, now_s, reply)
            log.unexpected += isinstance(reply, messages.Welcome) and len(reply.places) < 2
        self._in_progress -= 1
        if self.run_spec.is_open and attempt.welcomed:
            self._dialer.hang_up(attempt)
        token = next(self._next_tokens, None)
        if token is not None:
            self._dial(token, now_s)
        if not self._in_progress:
            self._none_in_progress.set()
