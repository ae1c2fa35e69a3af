"""Natural batching: while one batch is at the store the next one gathers. Alone, nothing waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import structlog

from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.services.runtime.load_shedding import NEW_WORK, LoadShedding
from storage.errors import StoreBusy, StoreUnavailable

LOG = structlog.get_logger()
WAITING_MAX = 20_000
LOCKED_MAX = 4  # items that wait for a lock one after the other; the rest of their batch is refused
Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting:
    """An item, and what its result is handed to, once."""

    __slots__ = ("_on_result", "item")

    def __init__(self, item: Any, on_result: Callable[[Any], None]) -> None:
        self.item = item
        self._on_result: Callable[[Any], None] | None = on_result

    def end(self, result: Any) -> None:
        """The result, or the exception that stands in its place. A second one is dropped."""
        on_result, self._on_result = self._on_result, None
        if on_result is None:
            return
        try:
            on_result(result)
        except Exception:  # a defect of ours: it must not spoil the others, whose results stand
            LOG.exception("result_lost")


class Batcher(Generic[Item, Result]):
    """Gathers items and works on them together, one batch at a time; each gets its own result or exception.

    `work` answers one result an item, in order; a result that is an exception is raised to its submitter.
    What would wait longer than half of `limits.wait_ms_max` is refused: OVERLOADED. If the store is away the whole
    batch gets STORE_UNAVAILABLE.

    `gather_s`: a batch that begins so soon after another one gathers for so long. For work that is so short that
    batches would have few items under load.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        batch_max: int,
        limits: Limits,
        gather_s: float = 0.0,
    ) -> None:
        self._work = work
        self._batch_max = batch_max
        self._gather_s = gather_s
        self._load_shedding = LoadShedding(batch_max, limits, WAITING_MAX)
        self._at_store = 0
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Put an item into the next batch. Raises RequestRefused."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()  # kept: to find it costs a system call
        future: asyncio.Future[Result] = self._loop.create_future()
        self.hand_in(item, partial(_settle, future))
        return future

    def hand_in(self, item: Item, on_result: Callable[[Result | Exception], None]) -> None:
        """Put an item into the next batch, whose end hands the result to `on_result`. Raises RequestRefused.

        For requests that come by the thousand: a task that waits for a future costs more than the item.
        """
        ahead = len(self._waiting) + self._at_store
        if self._load_shedding.is_too_high(ahead, NEW_WORK):
            raise RequestRefused(Reason.OVERLOADED, retry_after_ms=self._load_shedding.retry_after_ms(ahead))
        self._waiting.append(_Waiting(item, on_result))
        self._wake.set()

    async def run(self) -> None:
        """Work. Never ends; to be supervised."""
        loop, ended_s = asyncio.get_running_loop(), float("-inf")
        while True:
            if not self._waiting:
                self._load_shedding.rest()
            await self._wake.wait()
            if self._gather_s and loop.time() - ended_s < self._gather_s:
                await asyncio.sleep(self._gather_s)
            batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
            if not self._waiting:
                self._wake.clear()
            self._at_store = len(batch)
            self._load_shedding.begin()
            try:
                await self._work_on(batch)
            except Exception:
                _fail(batch)
                raise
            finally:
                self._load_shedding.end()
                self._at_store = 0
                ended_s = loop.time()

    async def _work_on(self, batch: list[_Waiting]) -> Sequence[Result | Exception]:
        """The results that were handed out; none if the items were worked on one by one."""
        results: Sequence[Result | Exception]
        try:
            results = await self._work([one.item for one in batch])
        except StoreUnavailable as error:
            if isinstance(error, StoreBusy) and len(batch) > 1:
                # nothing was written, and one item may have met the lock of another transaction
                await self._work_apart(batch)
                return ()
            results = [RequestRefused(Reason.STORE_UNAVAILABLE, str(error)) for _ in batch]
        except Exception:
            if len(batch) > 1:  # one item is a defect of ours: it must not spoil the others
                for one in batch:
                    await self._work_on([one])
                return ()
            LOG.exception("batch_failed", work=getattr(self._work, "__qualname__", ""))
            results = [RequestRefused(Reason.INTERNAL)]
        for one, result in zip(batch, results, strict=True):
            one.end(result)
        return results

    async def _work_apart(self, batch: list[_Waiting]) -> None:
        """Each item alone, until some have met a lock: each of these has waited for it."""
        locked = 0
        for number, one in enumerate(batch):
            if locked == LOCKED_MAX:
                for other in batch[number:]:
                    other.end(RequestRefused(Reason.STORE_UNAVAILABLE))
                return
            locked += any(map(_is_unavailable, await self._work_on([one])))


def _fail(batch: list[_Waiting]) -> None:
    """A defect of ours: no request of the batch waits for an answer for good."""
    for one in batch:
        one.end(RequestRefused(Reason.INTERNAL))


def _settle(future: asyncio.Future[Any], result: object) -> None:
    if future.done():  # the request was cancelled
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _is_unavailable(result: object) -> bool:
    return isinstance(result, RequestRefused) and result.reason is Reason.STORE_UNAVAILABLE
