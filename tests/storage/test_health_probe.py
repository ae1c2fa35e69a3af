"""The watch over a database, in virtual time: who is there when it freezes hears so within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from storage.errors import StoreUnavailable
from storage.postgres.health_probe import HealthProbe
from tests.sim.loop import SimLoop

NEVER_S = 1e6
TIMEOUT_S = 20.0


class Store:
    """Answers until it freezes, and again when it thaws; what was asked in between is never answered."""

    def __init__(self, freezes_s: float = NEVER_S, thaws_s: float = NEVER_S) -> None:
        self._freezes_s = freezes_s
        self._thaws_s = thaws_s
        self.takes_connections = True
        self.probes = 0
        self.watch = HealthProbe(self._probe)

    async def _probe(self) -> None:
        self.probes += 1
        if not self.takes_connections:
            raise StoreUnavailable("too many connections")
        await self._answer(0.01)

    async def _answer(self, takes_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        reaches_the_frost = now_s < self._thaws_s and now_s + takes_s > self._freezes_s
        await asyncio.sleep(TIMEOUT_S if reaches_the_frost else takes_s)
        if reaches_the_frost:
            raise StoreUnavailable("timed out")

    async def ask(self, at_s: float, takes_s: float = 0.01) -> tuple[bool, float]:
        """Ask at a moment: whether there was an answer, and when this was known."""
        await asyncio.sleep(at_s)
        answered = False
        try:
            with self.watch.asking():
                try:
                    await self.watch.unless_away(self._answer(takes_s))
                except TimeoutError as error:
                    raise StoreUnavailable("broken off") from error
            answered = True
        except StoreUnavailable:
            pass
        return answered, asyncio.get_running_loop().time()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    loop = SimLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


@pytest.mark.parametrize("others_take_s", [0.01, 0.25, 0.7])
def test_callers_learn_of_a_freeze_within_a_second(others_take_s: float) -> None:
    """At whatever moment, also while a slow statement has it probed already."""

    async def scene(freezes_s: float) -> None:
        store = Store(freezes_s)
        times_s = [number * 0.06 for number in range(50)]
        others = [store.ask(at_s, others_take_s) for at_s in times_s[::5]]
        for at_s, (answered, heard_s) in zip(
            [*times_s, *times_s[::5]], await asyncio.gather(*map(store.ask, times_s), *others), strict=True
        ):
            assert answered or heard_s - max(at_s, freezes_s) < 1.0
        store.watch.close()

    for step in range(70):
        run(scene(1.0 + step * 0.011))


def test_second_slow_statement_during_a_probe_causes_another_probe() -> None:
    """It froze just behind the probe that the first of two has caused, and nobody else asks."""

    async def scene() -> None:
        store = Store(freezes_s=0.22)
        heard = await asyncio.gather(store.ask(0.0, takes_s=0.3), store.ask(0.05, takes_s=0.3))
        assert max(heard_s for _, heard_s in heard) < 1.0

    run(scene())


def test_store_is_used_again_after_a_successful_probe() -> None:
    async def scene() -> None:
        store = Store(freezes_s=0.0, thaws_s=3.0)
        heard = await asyncio.gather(store.ask(0.1), store.ask(0.9), store.ask(2.9), store.ask(3.7))
        assert [answered for answered, _ in heard] == [False, False, False, True]
        assert heard[1][1] == pytest.approx(0.9)

    run(scene())


def test_failed_probe_is_no_outage_while_statements_are_answered() -> None:
    """There may be no connection left; whoever has one goes on, and a statement that takes long gets its time."""

    async def scene() -> None:
        store = Store()
        store.takes_connections = False
        others = [store.ask(number * 0.1) for number in range(30)]
        heard = await asyncio.gather(store.ask(0.0, takes_s=1.8), *others)
        assert all(answered for answered, _ in heard)
        assert store.probes >= 1

    run(scene())


def test_slow_statements_cause_few_probes() -> None:
    async def scene() -> None:
        store = Store()
        await asyncio.gather(*(store.ask(number * 0.01, takes_s=0.9) for number in range(200)))
        assert 3 <= store.probes <= 30  # in three seconds

    run(scene())


def test_failed_probe_after_a_stall_of_the_loop_is_no_outage() -> None:
    async def scene() -> None:
        store, loop = Store(), asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)

        async def stands_still() -> None:
            store.probes += 1
            if store.probes == 1:
                loop.now_s += 3.0  # something of ours has held the loop up
            await asyncio.sleep(0.01)

        watch = HealthProbe(stands_still)
        with watch.asking():
            await asyncio.sleep(0.3)
            assert not watch.away
        assert (watch.away, store.probes) == ("", 1)
        await asyncio.sleep(0.3)
        assert store.probes == 2
        watch.close()

    run(scene())
