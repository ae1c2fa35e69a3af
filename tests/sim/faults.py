"""The faults of one call to a store, drawn from the seed: when its effect and its reply come, if at all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from storage.errors import StoreUnavailable, Unanswered

TIMEOUT_S = 2.0  # as in server.app: after this time the caller gives up; the store may still act
LATE_S_MAX = 5.0  # an effect may still come this long after the caller gave up


Late: TypeAlias = Callable[[Sequence[Any]], None]
Effects: TypeAlias = tuple[Callable[[], Any], Callable[[], None]]  # what happens, or what is called if it does not


class Fate(NamedTuple):
    """`effect_s` None: the effect never happens. `reply_s` None: the reply is lost."""

    effect_s: float | None
    reply_s: float | None


class Rates(NamedTuple):
    """Probabilities of the faults of one call."""

    fails_before: float = 0.0
    fails_after: float = 0.0
    comes_late: float = 0.0
    stalls: float = 0.0
    latency_s: float = 0.004


CALM = Rates()


class Line:
    """The connection to one store. An effect belongs to the store: it happens even if the caller is gone."""

    def __init__(self, name: str, rng: random.Random, rates: Rates, trace: Callable[..., None]) -> None:
        self.name = name
        self.rng = rng
        self.rates = rates
        self.trace = trace
        self.away = False
        self.life = 0  # number of restarts: calls in flight at a restart are dropped
        self.thaws_at_s = 0.0
        self.on_restart: list[Callable[[], None]] = []  # connections that listen are lost

    async def call(self, what: str, effect: Callable[[], Any], dropped: Callable[[], None] | None = None) -> Any:
        """Run an effect at the store. Raises StoreUnavailable: it may have happened, or may still happen.

        `dropped` is called instead of an effect that never happens.
        """
        loop, dropped = asyncio.get_running_loop(), dropped or _ignore
        if self.away:
            dropped()
            await asyncio.sleep(self.rng.uniform(0.0, 0.01))
            raise StoreUnavailable(f"{self.name} is away")
        fate = self._fate()
        answer: asyncio.Future[Any] = loop.create_future()
        if fate.effect_s is not None:
            begins_s = max(loop.time() + fate.effect_s, self.thaws_at_s)
            loop.call_at(begins_s, self._happen, what, (effect, dropped), fate, self.life, answer)
        else:
            dropped()
        if fate.reply_s is None and fate.effect_s is None:
            loop.call_later(self.rng.uniform(0.0, 0.3), _lose, answer)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await answer
        except TimeoutError as error:
            self.trace("timeout", self.name, what)
            raise StoreUnavailable(f"{self.name}: timed out") from error

    async def commit(self, what: str, effect: Callable[[], Any], made: Sequence[Any], late: Late) -> Any:
        """As `call`, of a transaction of which the server knows what it makes before it asks for the commit.

        `made`: the effect has put it there. Raises Unanswered with it; what is made after that is told to `late`.
        """
        gave_up = False

        def act() -> Any:
            result = effect()
            if gave_up and made:
                late(made)
            return result

        try:
            return await self.call(what, act)
        except asyncio.CancelledError:
            gave_up = True  # the server is dead
            raise
        except StoreUnavailable as error:
            gave_up = True
            raise Unanswered(error, made) from error

    def _fate(self) -> Fate:
        rng, rates = self.rng, self.rates
        first_s, then_s = rng.uniform(0.0, rates.latency_s), rng.uniform(0.0, rates.latency_s)
        drawn = rng.random()
        for chance, fate in (
            (rates.fails_before, Fate(None, None)),
            (rates.fails_after, Fate(first_s, None)),
            (rates.comes_late, Fate(TIMEOUT_S + first_s * LATE_S_MAX / max(rates.latency_s, 1e-9), None)),
            (rates.stalls, Fate(rng.uniform(0.0, TIMEOUT_S), rng.uniform(0.0, TIMEOUT_S))),
        ):
            if drawn < chance:
                return fate
            drawn -= chance
        return Fate(first_s, then_s)

    def _happen(self, what: str, either: Effects, fate: Fate, life: int, answer: Any) -> None:
        effect, dropped = either
        if life != self.life:
            dropped()
            _lose(answer)
            return
        try:
            result = effect()
        except Exception as error:
            asyncio.get_running_loop().call_later(fate.reply_s or 0.0, _settle, answer, error)
            return
        lost = fate.reply_s is None
        self.trace("effect", self.name, what, result if not lost else f"{result}, reply lost")
        after_s = self.rng.uniform(0.0, 0.2) if fate.reply_s is None else fate.reply_s
        asyncio.get_running_loop().call_later(
            after_s, _lose if lost else _settle, answer, *(() if lost else (result,))
        )

    def restart(self, away_s: float) -> None:
        """Down and up again: calls in flight are dropped, effects stay."""
        self.life += 1
        self.away = True
        lost, self.on_restart = self.on_restart, []
        for lose in lost:
            lose()
        asyncio.get_running_loop().call_later(away_s, self._back, self.life)

    def _back(self, life: int) -> None:
        self.away = self.away and life != self.life

    def freeze(self, for_s: float) -> None:
        """Calls that arrive now take effect only afterwards."""
        self.thaws_at_s = asyncio.get_running_loop().time() + for_s

    def calm(self) -> None:
        """No faults from now on."""
        self.rates, self.away, self.thaws_at_s = CALM, False, 0.0


def _settle(answer: asyncio.Future[Any], result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def _ignore() -> None:
    """An effect that never happens is nothing to most."""


def _lose(answer: asyncio.Future[Any]) -> None:
    _settle(answer, StoreUnavailable("the connection was lost"))
