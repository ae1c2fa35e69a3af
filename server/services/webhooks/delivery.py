"""The loop that delivers webhooks: looks for due deliveries, leases them, sends them, and marks the outcomes.

Several servers share the work: a lease lets the others pass over a delivery. A server that is killed marks nothing,
so its deliveries are due again when their leases end, with the same `webhook-id`: at least once, never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from server.core.webhooks import backoff, signing
from server.core.webhooks.addresses import Network
from server.core.webhooks.events import shown_id
from server.core.webhooks.flow import ENDPOINT_MAX, EndpointFlow
from server.core.webhooks.nats import is_nats
from server.services.runtime.figure_duty import FigureDuty
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from server.services.seeds.seals import Unsealable
from server.services.webhooks.attempt import Attempt
from server.services.webhooks.bodies import render
from server.services.webhooks.nats_sender import NatsSender
from server.services.webhooks.secrets import WebhookSecrets
from storage.postgres.webhooks.deliveries import (
    DeliveryState,
    DeliveryStore,
    DueEndpoint,
    OutcomeRow,
    QueueRow,
    TakenDelivery,
)
from storage.postgres.webhooks.endpoints import EndpointRow, EndpointStore
from storage.postgres.webhooks.facts import FactStore

if TYPE_CHECKING:
    from server.clock import Clock
    from server.services.webhooks.sender import Sender

LOG = structlog.get_logger()
LEASE_MS: Final = 30_000  # longer than an attempt and its mark may take
BUSY_S: Final = 0.1  # between two looks while there are endpoints
IDLE_S: Final = 1.0  # while there are none
FINISH_LOOK_S: Final = 0.02
FIGURES_S: Final = 5.0
COUNTED_MAX: Final = 1_000  # waiting deliveries of an endpoint
CLEAN_S: Final = 60.0
CLEAN_MAX: Final = 500  # rows at once
REMOVED_MS: Final = 60_000  # that long after its removal an endpoint is forgotten
DAY_MS: Final = 86_400_000


class Done(NamedTuple):
    """An attempt that has ended."""

    taken: TakenDelivery
    endpoint: EndpointRow
    attempt: Attempt


class WebhookDelivery:
    """Delivers. What waits is in the database; memory holds what is in flight."""

    def __init__(
        self,
        endpoints: EndpointStore,
        deliveries: DeliveryStore,
        facts: FactStore,
        secrets: WebhookSecrets,
        clock: Clock,
        allowed: Sequence[Network],
        keep_days: int,
        nats: NatsSender,
        duty: FigureDuty,
    ) -> None:
        """`allowed`: private networks that webhooks may go to."""
        self._nats, self._duty = nats, duty
        self._endpoints, self._store, self._facts = endpoints, deliveries, facts
        self._secrets = secrets
        self._clock = clock
        self._allowed = allowed
        self._keep_ms = keep_days * DAY_MS
        self._flows: dict[int, EndpointFlow] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: list[Done] = []
        self._wake = asyncio.Event()
        self._sender: Sender | None = None
        self._outage_log = OutageLog("webhooks_wait")
        self._figures_at_s = self._clean_at_s = 0.0
        self._takes_more = True
        self.results: dict[str, int] = {"delivered": 0, "retried": 0, "failed": 0}
        self.queues: list[QueueRow] = []

    @property
    def in_flight(self) -> int:
        """Deliveries that are being sent, or sent and not marked yet."""
        return sum(flow.in_flight for flow in self._flows.values())

    async def run(self) -> None:
        """Deliver. Never ends; to be supervised."""
        try:
            await look_again(self.deliver_once, self._wake, self._outage_log)
        finally:
            await self._end()

    def take_no_more(self) -> None:
        """From now on only finish what is in flight: what is due waits for another server."""
        self._takes_more = False

    async def finish(self, seconds: float) -> None:
        """Wait until nothing is in flight, but no longer than this. What is left is delivered again later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.in_flight:  # noqa: ASYNC110  the loop that marks may have to wait for PostgreSQL
                    await asyncio.sleep(FINISH_LOOK_S)

    async def deliver_once(self) -> float:
        """Mark what was sent, send what is due; seconds until the next look. Raises StoreUnavailable."""
        await self._mark()
        now_ms = self._clock.now_ms()
        due = await self._store.look(now_ms, ENDPOINT_MAX)
        rooms = self._rooms(due) if self._takes_more else {}
        if rooms:
            taken = await self._store.take(rooms, now_ms, now_ms + LEASE_MS)
            bodies = {one.event.event_id: one.event.body for one in taken if one.event.body is not None}
            here = [one.event for one in taken if one.event.body is None]
            bodies |= await render(self._facts, here) if here else {}
            endpoints = {one.endpoint.endpoint_id: one.endpoint for one in due}
            for one in taken:
                self._begin(one, endpoints[one.endpoint_id], bodies[one.event.event_id])
        await self._look_after()
        return BUSY_S if due else IDLE_S

    def _rooms(self, due: Sequence[DueEndpoint]) -> dict[int, int]:
        """How many deliveries of which endpoint may begin."""
        known = {one.endpoint.endpoint_id for one in due}
        for gone in [one for one, flow in self._flows.items() if one not in known and not flow.in_flight]:
            del self._flows[gone]
        now_s, in_flight, rooms = self._clock.elapsed_s(), self.in_flight, dict[int, int]()
        waiting = [one for one in due if one.due]
        for one in sorted(waiting, key=lambda one: self._flow(one.endpoint.endpoint_id).in_flight):
            room = min(one.due, self._flow(one.endpoint.endpoint_id).room(now_s, in_flight))
            if room:
                rooms[one.endpoint.endpoint_id] = room
                in_flight += room
        return rooms

    def _flow(self, endpoint_id: int) -> EndpointFlow:
        return self._flows.setdefault(endpoint_id, EndpointFlow())

    def _begin(self, taken: TakenDelivery, endpoint: EndpointRow, body: bytes) -> None:
        self._flow(taken.endpoint_id).in_flight += 1
        task = asyncio.get_running_loop().create_task(self._send(taken, endpoint, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, taken: TakenDelivery, endpoint: EndpointRow, body: bytes) -> None:
        attempt = await self._attempt(taken, endpoint, body)
        flow = self._flow(taken.endpoint_id)
        if attempt.is_delivered:
            if flow.failures:
                LOG.info("webhook_endpoint_works_again", endpoint=endpoint.name, failures=flow.failures)
            flow.succeeded()
        else:
            if not flow.failures:
                advice = "what waits is tried again: hongbao webhooks list"
                LOG.warning("webhook_endpoint_fails", endpoint=endpoint.name, why=attempt.why, advice=advice)
            flow.failed(self._clock.elapsed_s(), self._clock.random_part())
        self._done.append(Done(taken, endpoint, attempt))
        self._wake.set()

    async def _attempt(self, taken: TakenDelivery, endpoint: EndpointRow, body: bytes) -> Attempt:
        now_ms = self._clock.now_ms()
        try:
            keys = self._secrets.valid(endpoint, now_ms)
        except Unsealable as error:
            return Attempt(0, f"the secret cannot be unsealed: {error}; give another one")
        headers = signing.headers(keys, shown_id(taken.event.webhook_id), now_ms // 1000, body)
        if is_nats(endpoint.url):
            return await self._nats.post(endpoint.url, taken.event.type, headers, body)
        return await self._open_sender().post(endpoint.url, headers, body)

    def _open_sender(self) -> Sender:
        if self._sender is None:
            # importing the client takes time and memory: not for servers without webhooks
            from server.services.webhooks.sender import Sender

            self._sender = Sender(self._allowed)
        return self._sender

    async def _mark(self) -> None:
        """Record what became of attempts. They stay in flight until that is done."""
        done = self._done[:]
        if not done:
            return
        outcomes = [self._outcome(one) for one in done]
        await self._store.record(outcomes)
        del self._done[: len(done)]
        for one, outcome in zip(done, outcomes, strict=True):
            self._flow(one.taken.endpoint_id).in_flight -= 1
            self.results[_RESULTS[outcome.state]] += 1
        for one in done:
            if one.attempt.is_gone and await self._endpoints.is_gone(one.endpoint, self._clock.now_ms()):
                LOG.warning(
                    "webhook_endpoint_is_gone", endpoint=one.endpoint.name, advice="it is disabled: put it again"
                )

    def _outcome(self, done: Done) -> OutcomeRow:
        taken, attempt, now_ms = done.taken, done.attempt, self._clock.now_ms()
        state, next_at_ms = DeliveryState.DELIVERED, now_ms
        if not attempt.is_delivered:
            wait_ms = backoff.wait_ms(taken.attempts + 1, self._clock.random_part())
            state = DeliveryState.FAILED if wait_ms is None else DeliveryState.WAITING
            next_at_ms = now_ms + (wait_ms or 0)
        return OutcomeRow(
            taken.endpoint_id,
            taken.event.event_id,
            taken.lease_ms,
            state,
            next_at_ms,
            now_ms,
            attempt.status,
            attempt.error,
        )

    async def _look_after(self) -> None:
        """From time to time: count what waits, and delete a little of what is old."""
        now_s = self._clock.elapsed_s()
        if not self._duty.is_held:
            self.queues, self._figures_at_s = [], 0.0
        elif now_s >= self._figures_at_s:
            self._figures_at_s = now_s + FIGURES_S
            self.queues = await self._store.figures(COUNTED_MAX)
        if now_s >= self._clean_at_s:
            now_ms = self._clock.now_ms()
            await self._secrets.seal_all()  # of commands that had no key, and after a change of the key
            cleaned = await self._store.clean(now_ms - self._keep_ms, now_ms - REMOVED_MS, CLEAN_MAX)
            self._clean_at_s = now_s + (CLEAN_S if cleaned < CLEAN_MAX else BUSY_S)

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._done.clear()
        self._flows.clear()
        if self._sender is not None:
            sender, self._sender = self._sender, None
            await sender.close()


_RESULTS: Final[Mapping[DeliveryState, str]] = {
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.WAITING: "retried",
    DeliveryState.FAILED: "failed",
}
