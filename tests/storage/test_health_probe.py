"""The health probe of a database, in virtual time: callers learn of a freeze within a second."""

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


@pytest.fixture(autouse=True)
def patient_probes() -> None:
    """Here the limits are those of the program."""


class Store:
    """A store that answers until it freezes and again after it thaws; requests in between get no answer."""

    def __init__(self, freezes_s: float = NEVER_S, thaws_s: float = NEVER_S) -> None:
        self._freezes_s = freezes_s
        self._thaws_s = thaws_s
        self.takes_connections = True
        self.probes = 0
        self.health = HealthProbe(self._probe)

    async def _probe(self) -> None:
        self.probes += 1
        if not self.takes_connections:
            raise StoreUnavailable("too many connections")
        await self._answer(0.01)

    async def _answer(self, takes_s: float) -> None:
        now_s = asyncio.get_running_loop().time()
        is_frozen = now_s < self._thaws_s and now_s + takes_s > self._freezes_s
        await asyncio.sleep(TIMEOUT_S if is_frozen else takes_s)
        if is_frozen:
            raise StoreUnavailable("timed out")

    async def ask(self, at_s: float, takes_s: float = 0.01) -> tuple[bool, float]:
        """Ask at a moment: whether there was an answer, and the time when the caller knew."""
        await asyncio.sleep(at_s)
        answered = False
        try:
            with self.health.asking():
                try:
                    await self.health.unless_away(self._answer(takes_s))
                except TimeoutError as error:
                    raise StoreUnavailable("interrupted") from error
            answered = True
        except StoreUnavailable:
            pass
        return answered, asyncio.get_running_loop().time()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=SimLoop) as runner:  # it ends the probes that are under way
        return runner.run(work)


@pytest.mark.parametrize("others_take_s", [0.01, 0.25, 0.7])
def test_callers_learn_of_a_freeze_within_a_second(others_take_s: float) -> None:
    """At any moment, also while a slow statement has caused a probe already."""

    async def scenario(freezes_s: float) -> None:
        store = Store(freezes_s)
        times_s = [number * 0.06 for number in range(50)]
        others = [store.ask(at_s, others_take_s) for at_s in times_s[::5]]
        for at_s, (answered, known_s) in zip(
            [*times_s, *times_s[::5]], await asyncio.gather(*map(store.ask, times_s), *others), strict=True
        ):
            assert answered or known_s - max(at_s, freezes_s) < 1.0
        store.health.close()

    for step in range(70):
        run(scenario(1.0 + step * 0.011))


def test_second_slow_statement_during_a_probe_causes_another_probe() -> None:
    """The store freezes right after the probe that the first of two statements caused; there are no others."""

    async def scenario() -> None:
        store = Store(freezes_s=0.22)
        outcomes = await asyncio.gather(store.ask(0.0, takes_s=0.3), store.ask(0.05, takes_s=0.3))
        assert max(known_s for _, known_s in outcomes) < 1.0

    run(scenario())


def test_store_is_used_again_after_a_successful_probe() -> None:
    async def scenario() -> None:
        store = Store(freezes_s=0.0, thaws_s=3.0)
        outcomes = await asyncio.gather(store.ask(0.1), store.ask(0.9), store.ask(2.9), store.ask(3.7))
        assert [answered for answered, _ in outcomes] == [False, False, False, True]
        assert outcomes[1][1] == pytest.approx(0.9)

    run(scenario())


def test_failed_probe_is_no_outage_while_statements_are_answered() -> None:
    """There may be no free connection for the probe; statements with a connection continue, also slow ones."""

    async def scenario() -> None:
        store = Store()
        store.takes_connections = False
        others = [store.ask(number * 0.1) for number in range(30)]
        outcomes = await asyncio.gather(store.ask(0.0, takes_s=1.8), *others)
        assert all(answered for answered, _ in outcomes)
        assert store.probes >= 1

    run(scenario())


def test_slow_statements_cause_few_probes() -> None:
    async def scenario() -> None:
        store = Store()
        await asyncio.gather(*(store.ask(number * 0.01, takes_s=0.9) for number in range(200)))
        assert 3 <= store.probes <= 30  # in three seconds

    run(scenario())


def test_failed_probe_after_a_stall_of_the_loop_is_no_outage() -> None:
    async def scenario() -> None:
        store, loop = Store(), asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)

        async def blocks_the_loop() -> None:
            store.probes += 1
            if store.probes == 1:
                loop.now_s += 3.0  # our own code has blocked the loop
            await asyncio.sleep(0.01)

        health = HealthProbe(blocks_the_loop)
        with health.asking():
            await asyncio.sleep(0.3)
            assert not health.away
        assert (health.away, store.probes) == ("", 1)
        await asyncio.sleep(0.3)
        assert store.probes == 2
        health.close()

    run(scenario())
