"""The shaking crowd: a campaign that runs while server and stores are killed, and users who shake and keep logs.

A shake is not repeated: its user shakes again. So a win whose answer was lost stands in the books, and in no log.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Final, NamedTuple

from bench.chaos.audited_pools import Deck
from bench.chaos.history import CampaignOp, History, ToldWin, TopUp
from bench.chaos.workload import until_answered
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from protocol import messages

SPONSOR: Final = 900
KEY: Final = "chaos"
WINS_PER_S: Final = 20
BANDS: Final = ((100, 199, 900_000), (200, 300, 99_000), (61_800, 61_800, 1_000))
SHAKE_EVERY_S: Final = 1.0  # a user, on average: a user has one chance a second
AFTER_S: Final = (
    120.0  # the campaign would end so long after the planned end of the run; the backend ends it before
)
LIMIT_PART: Final = 0.7  # of what a user would win on average: most users reach the limit


class ShakePlan(NamedTuple):
    """What the campaign gives away."""

    shares: int
    per_user_limit: int
    lasts_s: float


def plan_of(seconds: float, users: int, durability: str) -> ShakePlan:
    """With durability redis no user reaches the limit: then it does not survive kills (docs/campaigns.md)."""
    lasts_s = seconds + AFTER_S
    each = WINS_PER_S * seconds / users
    limit = max(1, round(each * LIMIT_PART)) if durability == "postgres" else round(each * 3) + 10
    return ShakePlan(max(1_000, round(WINS_PER_S * lasts_s)), limit, lasts_s)  # so many that each band has a number


class ShakingCrowd:
    """The campaign, and the users of the workload who shake beside their packets."""

    def __init__(
        self, backend: Client, users: Sequence[Client], seed: int, plan: ShakePlan, history: History
    ) -> None:
        self._backend, self._users, self._history = backend, users, history
        self._draw = random.Random(f"shakes {seed}")
        self._plan = plan
        self._campaign_id = 0

    async def prepare(self) -> None:
        """The sponsor, the money and the campaign, before the first fault. Raises ClientError."""
        from_ms = time.time_ns() // 1_000_000
        plan, budget_fen = self._plan, Deck(self._plan.shares, BANDS).total_fen
        await self._backend.put_sponsor(SPONSOR, "chaos")
        await self._backend.top_up(SPONSOR, budget_fen, KEY)
        self._history.top_ups.append(TopUp(SPONSOR, KEY, budget_fen))
        made = await self._backend.create_campaign(
            SPONSOR,
            "chaos",
            from_ms,
            from_ms + round(plan.lasts_s * 1000),
            plan.shares,
            budget_fen,
            BANDS,
            key=KEY,
            per_user_limit=plan.per_user_limit,
        )
        self._campaign_id = made.campaign_id
        self._history.campaigns.append(CampaignOp(made.campaign_id, SPONSOR, KEY, budget_fen, plan.per_user_limit))

    async def run(self, is_over: Callable[[], bool]) -> None:
        """All users shake until it is over."""
        await asyncio.gather(
            *(self._shake_on(user, random.Random(self._draw.random()), is_over) for user in self._users)
        )

    async def end(self, timeout_s: float) -> list[str]:
        """The backend ends the campaign; a line if that is not confirmed."""
        try:
            async with asyncio.timeout(timeout_s):
                ended = await until_answered(self._backend, partial(self._backend.end_campaign, self._campaign_id))
        except TimeoutError:
            return [f"the end of the campaign was not confirmed within {timeout_s:g} s"]
        return [] if ended.reply is not None else [f"the end of the campaign was refused: {ended.name}"]

    async def _shake_on(self, user: Client, draw: random.Random, is_over: Callable[[], bool]) -> None:
        while not is_over():
            await asyncio.sleep(draw.uniform(0.5, 1.5) * SHAKE_EVERY_S)
            began_s = perf_counter()
            try:
                shaken = await user.shake(self._campaign_id)
            except ClientError as error:
                self._history.shakes[error.name] += 1
                if not error.temporary:
                    self._history.refused_shakes.append(f"user {user.user_id}: {error.name}")
            else:
                self._told(user.user_id, shaken, began_s)

    def _told(self, user_id: int, shaken: messages.Shaken, began_s: float) -> None:
        self._history.shakes[shaken.result] += 1
        if (win := shaken.win) is not None:
            told = ToldWin(user_id, shaken.campaign_id, win.packet_id, win.index, win.amount_fen, shaken.result)
            self._history.add_win(told, began_s)
        elif shaken.result in ("won", "limit"):
            self._history.refused_shakes.append(f"user {user_id}: {shaken.result} without a share")
