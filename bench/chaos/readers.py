"""Readers of a soak: they ask for the whole history of their group as often as they may, whatever comes back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bench.load import load
from bench.load.load import OperationLog
from bench.load.setup import Setup
from bench.load.transport import MeasuredConnection
from bench.scenarios.flood import READS_PER_S, evenly, full_group, name_of
from protocol import messages
from protocol.messages import Message

ROUND_S: Final = 5.0  # reads are planned, and lost readers connected again, for so long at a time
RECONNECT_S: Final = 0.2
NO_REPLY: Final = messages.Pong(0)


class NamedReplies(OperationLog):
    """Keeps only the names of replies: a history is 400 kB."""

    __slots__ = ("names",)

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def end(self, user_id: int, start_s: float, now_s: float, reply: Message) -> None:
        """Count an operation; the list of replies shows progress."""
        self.names[name_of(reply)] += 1
        self.replies.append(NO_REPLY)


class Readers:
    """Users in one group with a full history."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._users: list[MeasuredConnection] = []
        self._group_id = 0
        self.replies: Counter[str] = Counter()  # by name

    async def prepare(self, count: int) -> None:
        """Raises OSError, SetupFailed."""
        self._users, self._group_id = await full_group(self._setup, count)

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Read until it is over."""
        reads = [messages.CatchUp(0, self._group_id, 0) for _ in range(round(READS_PER_S * ROUND_S))]
        frames, starts_s = load.encode_requests(reads), evenly(0.0, ROUND_S, READS_PER_S * len(self._users))
        while not is_over():
            self._users = list(await asyncio.gather(*map(self._connected, self._users)))
            work, log = dict.fromkeys(self._users, frames), NamedReplies()
            await load.open_loop(work, starts_s, range(len(work)), log=log)
            self.replies += log.names
            self.replies["unanswered"] += log.unanswered
            await asyncio.sleep(RECONNECT_S if log.lost else 0)

    async def _connected(self, user: MeasuredConnection) -> MeasuredConnection:
        """The same user, connected again if that is needed and possible."""
        with suppress(OSError):
            return (await self._setup.connect([user.user_id]))[0] if user.end_reason else user
        return user
