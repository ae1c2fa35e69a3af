"""Deliberate defects of the settlement over sets: worlds of two sets must find each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from storage.errors import StoreUnavailable, Unanswered
from storage.postgres.money.settlement import Credit
from storage.postgres.sets.opening import TRANSIT
from storage.postgres.sets.settlement import QueuedClaim, QueueOfSet, _credit

if TYPE_CHECKING:
    from tests.sim.sets.world import SetsServer, SetsWorld


class SetsDefect:
    """No defect; each subclass breaks one thing."""

    def break_world(self, world: SetsWorld) -> None:
        """Called when the tables have just been made, and no server."""


class CreditsForgetTheirKey(SetsDefect):
    """A claim whose row is still in the queue is credited once more."""

    def break_world(self, world: SetsWorld) -> None:
        for tables in world.tables:
            tables.is_new = lambda key: True  # type: ignore[method-assign]


class _TakesOffFirst(QueueOfSet):
    async def settle(self, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        found = await self._next(most)
        if found is None:
            return 0, []
        to_set, claims = found
        account = None if to_set == self._number else TRANSIT - to_set
        try:
            async with self._crediting[self._number].transaction() as connection:
                taken = await self._take_off(connection, claims, now_ms, account)
            async with self._crediting[to_set].transaction() as connection:
                credits = await _credit(connection, claims, now_ms)
        except StoreUnavailable as error:
            raise Unanswered(error, []) from error
        return taken, credits


class TakenOffFirst(SetsDefect):
    """A claim leaves the queue before it is credited in the other set."""

    def break_world(self, world: SetsWorld) -> None:
        world.queue = _TakesOffFirst


class _TakesAll(QueueOfSet):
    async def _take_off(self, connection: Any, claims: Sequence[QueuedClaim], now_ms: int, account: Any) -> int:
        return await super()._take_off(connection, claims, now_ms, None)


class NothingIsHandedOver(SetsDefect):
    """What is credited in another set does not leave the set of its packet."""

    def break_world(self, world: SetsWorld) -> None:
        world.queue = _TakesAll


class _CreditsHere(QueueOfSet):
    async def _by_set(self, rows: Sequence[QueuedClaim]) -> dict[int, list[QueuedClaim]]:
        await super()._by_set(rows)
        return {self._number: list(rows)}


class CreditedInTheSetOfThePacket(SetsDefect):
    """A user gets a second wallet, in the set of a packet."""

    def break_world(self, world: SetsWorld) -> None:
        world.queue = _CreditsHere


class DoubtIsForgotten(SetsDefect):
    """No user is told of a credit whose commit, or that of the other set, has got no reply."""

    def break_world(self, world: SetsWorld) -> None:
        def equip(server: SetsServer) -> None:
            for one in server.settlements:
                one.in_doubt.add = lambda credits: None  # type: ignore[method-assign,assignment]

        world.equip = equip


SETS_DEFECTS: tuple[type[SetsDefect], ...] = (
    CreditsForgetTheirKey,
    TakenOffFirst,
    NothingIsHandedOver,
    CreditedInTheSetOfThePacket,
    DoubtIsForgotten,
)
