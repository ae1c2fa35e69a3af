"""Batches without tasks: each result goes to what was handed in with its item, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.runtime.batching import LOCKED_MAX, Batcher
from storage.errors import StoreBusy, StoreUnavailable

Make = Callable[[Callable[[list[int]], list[int | Exception]]], Batcher[int, int]]


@pytest.fixture
async def batcher() -> AsyncIterator[Make]:
    """A batcher that works as it is told; it runs as soon as its first items are handed in."""
    running: list[asyncio.Task[None]] = []

    def make(work: Callable[[list[int]], list[int | Exception]]) -> Batcher[int, int]:
        async def answer(items: list[int]) -> list[int | Exception]:
            return work(items)

        made: Batcher[int, int] = Batcher(answer, 10, Limits())
        running.append(asyncio.create_task(made.run()))
        return made

    yield make
    for task in running:
        task.cancel()


async def results_of(batcher: Batcher[int, int], items: list[int]) -> dict[int, list[int | Exception]]:
    """What each item of one batch was answered."""
    results: dict[int, list[int | Exception]] = {item: [] for item in items}
    for item in items:
        batcher.hand_in(item, results[item].append)
    await batcher.submit(items[-1] + 1)
    return results


async def test_each_item_gets_its_own_result_or_exception(batcher: Make) -> None:
    refused = RequestRefused(Reason.BANNED)
    made = batcher(lambda items: [refused if item == 2 else item * 10 for item in items])
    assert await results_of(made, [1, 2, 3]) == {1: [10], 2: [refused], 3: [30]}


async def test_defect_in_what_gets_a_result_spoils_no_other(batcher: Make) -> None:
    made = batcher(list)

    def defect(result: int | Exception) -> None:
        raise ValueError("a defect")

    made.hand_in(1, defect)
    assert await results_of(made, [2, 3]) == {2: [2], 3: [3]}


async def test_store_that_gives_no_answer_is_told_to_all(batcher: Make) -> None:
    def away(items: list[int]) -> list[int | Exception]:
        if 4 in items:
            raise StoreUnavailable("PostgreSQL: no answer")
        return [*items]

    made = batcher(away)
    results: list[int | Exception] = []
    made.hand_in(1, results.append)
    with pytest.raises(RequestRefused):
        await made.submit(4)
    (refused,) = results
    assert isinstance(refused, RequestRefused)
    assert (refused.reason, refused.detail) == (Reason.STORE_UNAVAILABLE, "PostgreSQL: no answer")


async def test_only_so_many_items_wait_for_a_lock_one_by_one(batcher: Make) -> None:
    asked: list[list[int]] = []

    def locked(items: list[int]) -> list[int | Exception]:
        asked.append(items)
        raise StoreBusy("PostgreSQL: canceling statement due to lock timeout")

    made = batcher(locked)
    results: list[int | Exception] = []
    for item in range(7):
        made.hand_in(item, results.append)
    with pytest.raises(RequestRefused):
        await made.submit(7)
    assert asked == [[*range(8)], *([item] for item in range(LOCKED_MAX))]
    assert [one.reason for one in results if isinstance(one, RequestRefused)] == [Reason.STORE_UNAVAILABLE] * 7
