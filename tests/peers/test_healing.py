"""A gap is healed for the users of each set of PostgreSQL by itself, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from server.peers.healing import GapHealing
from storage.errors import StoreUnavailable
from tests.sim.loop import SimLoop

BACK_S = 30.0
HERE, AWAY = 1, 2


class News:
    """The user AWAY is in a set that gives no answer until BACK_S; each has one change that was missed."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def in_parts(self, user_ids: Sequence[int]) -> list[list[int]]:
        return [[one] for one in user_ids]

    async def posts(self, user_ids: Sequence[int], also_in: Sequence[int], since_ms: int) -> list[Any]:
        if AWAY in user_ids and asyncio.get_running_loop().time() < BACK_S:
            raise StoreUnavailable("the set is away")
        return []

    async def balances(self, known: Mapping[int, int]) -> list[Any]:
        self.asked += known
        return [SimpleNamespace(user_id=one) for one in known]


class Told:
    """A hub with both users."""

    def __init__(self) -> None:
        self.times_s: dict[int, list[float]] = {HERE: [], AWAY: []}

    def user_ids(self) -> list[int]:
        return [AWAY, HERE]

    def balance_versions(self, user_ids: Sequence[int]) -> dict[int, int]:
        return dict.fromkeys(user_ids, 0)

    def announce(self, event: Any, audience: Collection[int]) -> None:
        self.times_s[event.user_id].append(asyncio.get_running_loop().time())


async def heal_for(hub: Told, for_s: float) -> GapHealing:
    """A gap that begins at once."""
    loop = asyncio.get_running_loop()
    passes = SimpleNamespace(all_held=list)
    made: tuple[Any, ...] = hub, News(), passes, lambda: int(loop.time() * 1000), lambda: None
    healing = GapHealing(*made)
    healing.begin()
    task = loop.create_task(healing.run())
    await asyncio.sleep(for_s)
    task.cancel()
    return healing


def test_gap_stays_open_for_users_of_a_set_that_is_away_and_holds_up_no_others() -> None:
    loop, hub = SimLoop(), Told()
    healing = loop.run_until_complete(heal_for(hub, BACK_S + 60.0))
    loop.close()
    assert hub.times_s[HERE][0] < 1.0
    assert BACK_S <= hub.times_s[AWAY][0] < BACK_S + 5.0
    assert healing._since_ms is None  # it is over
    assert max(hub.times_s[AWAY]) < BACK_S + 10.0


def test_gap_is_over_after_two_looks_if_all_sets_answer() -> None:
    loop, hub = SimLoop(), Told()
    loop.now_s = BACK_S
    healing = loop.run_until_complete(heal_for(hub, 60.0))
    loop.close()
    assert [len(times_s) for times_s in hub.times_s.values()] == [2, 2]
    assert healing._since_ms is None
