"""The connection of one user, kept alive: it reconnects after a loss and sends again what may be repeated."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, cast

import msgspec

from client_sim.sdk import transport
from client_sim.sdk.ask import Reply, WithKey
from client_sim.sdk.backoff import Backoff
from client_sim.sdk.errors import ClientClosed, ClientError, ConnectionLost, ConnectionRefusedForGood
from client_sim.sdk.feed import PushFeed
from client_sim.sdk.idempotency_keys import IdempotencyKeys
from client_sim.sdk.methods.card_errors import is_outcome
from client_sim.sdk.passes import Passes
from client_sim.sdk.pending import PendingRequests
from client_sim.sdk.transport import Handlers, Transport
from protocol import messages
from protocol.tokens import Token

BACKOFF_FIRST_S = 0.1
STABLE_S = 5.0  # after a connection that lasted this long the backoff starts from its first value again


class Endpoint(NamedTuple):
    """Where to connect and with which token; `tls` is None without encryption."""

    url: str
    tls: ssl.SSLContext | None
    token: Token


class Connection:
    """At most one `Transport` at a time. When it is lost, a background task makes the next."""

    def __init__(self, endpoint: Endpoint, feed: PushFeed, timeout_s: float, backoff_most_s: float) -> None:
        self.hello: messages.Hello | None = None
        self.welcome: messages.Welcome | None = None  # of the latest login
        self.pending = PendingRequests(timeout_s)
        self.passes = Passes()
        self.repeats = 0
        self.reconnects = 0
        self._endpoint = endpoint
        self._feed = feed
        self._keys = IdempotencyKeys()
        self._timeout_s = timeout_s
        self._handlers = Handlers(self._welcomed, self._received, self._lost)
        self._transport: Transport | None = None
        self._welcomed_at = 0.0
        self._backoff = Backoff(BACKOFF_FIRST_S, backoff_most_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self._end_reason: Exception | None = None

    @property
    def is_open(self) -> bool:
        """There is a transport and it is logged in."""
        return self._transport is not None

    def ask(self, request: messages.Message, reply: type[Reply]) -> asyncio.Future[Reply]:
        """Send now, or as soon as there is a connection again. `reply` only says what the future will hold."""
        if self._end_reason is not None:
            raise self._end_reason
        pending = self.pending.add(request)
        try:
            if self._transport is not None:
                self._transport.send(request)
            else:
                messages.encode(request)
        except Exception:  # what cannot be written does not wait: it would break the login that sends it again
            pending.cancel()
            raise
        return pending

    async def ask_with_key(
        self, request: WithKey, key: str | None, reply: type[Reply], complete: Callable[[], None] = lambda: None
    ) -> Reply:
        """Send a request that moves money, with the app's key, or without one (None) with a key that is kept until
        the outcome is known.

        An empty key of the app is sent as it is, and refused (bad_key): a key in its place would be another one at
        each call, and money would move at each. `complete` adds to the request what follows from its key.
        """
        if key is not None:
            request.key = key
            complete()
            return await self.ask(request, reply)
        content = _content(request)
        request.key = self._keys.take(content)
        complete()
        try:
            return await self.ask(request, reply)
        except BaseException as error:  # a cancelled request may have moved money, too
            if not is_outcome(error):
                self._keys.keep(content, request.key)
            raise

    async def connect(self) -> None:
        """Connect and log in, once. Raises ConnectionLost, ConnectionRefusedForGood."""
        url, tls, token = self._endpoint
        await transport.connect(url, token, self._handlers, self._timeout_s, tls)

    async def close(self) -> None:
        """Close for good. Requests in flight raise ClientClosed, the iterator of pushes ends."""
        closed, self._transport = self._transport, None
        self._finish(ClientClosed("the client was closed"))
        if closed is not None:
            closed.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Abort the socket without a goodbye."""
        if self._transport is not None:
            self._transport.abort()

    # --- handlers of the transport ----------------------------------------------------------------------------

    def _welcomed(self, opened: Transport, welcome: messages.Welcome) -> None:
        """Logged in: send what waits for a reply (again), fetch what was missed."""
        self.reconnects += self.welcome is not None
        self._transport = opened
        self._welcomed_at = asyncio.get_running_loop().time()
        self.hello, self.welcome = opened.hello, welcome
        repeated = self.pending.waiting()
        if (work := self.passes.show(self.ask)) is not None:  # first: repeated requests may need them
            self._start(work)
        for request in repeated:
            self.repeats += 1
            opened.send(request)
        self._feed.gaps.welcomed(welcome)
        self._catch_up()
        if (work := self._feed.balance.welcomed(self.ask, welcome.balance_version)) is not None:
            self._start(work)

    def _received(self, message: messages.Message) -> None:
        if message.seq:
            self.pending.resolve(message)
        elif not self._feed.take(message):
            self._catch_up()

    def _catch_up(self) -> None:
        if (work := self._feed.catch_up(self.ask)) is not None:
            self._start(work)

    def _lost(self, error: ClientError) -> None:
        self._transport = None
        if self._end_reason is not None:
            return
        if isinstance(error, ConnectionRefusedForGood):
            self._finish(error)
            return
        if asyncio.get_running_loop().time() - self._welcomed_at > STABLE_S:
            self._backoff.reset()
        self.pending.fail_unrepeatable(error)
        self._start(self._come_back(error.retry_after_ms))

    async def _come_back(self, after_ms: int) -> None:
        """Connect until it works once: a connection that is lost after its welcome has begun this again."""
        while True:
            await asyncio.sleep(after_ms / 1000 + self._backoff.delay_s())
            try:
                await self.connect()
                return
            except ConnectionLost as error:
                after_ms = error.retry_after_ms
            except ConnectionRefusedForGood as error:
                self._finish(error)
                return

    # --- the end ----------------------------------------------------------------------------------------------

    def _finish(self, reason: Exception) -> None:
        """End for good, and give the reason to every request and to the reader of pushes."""
        if self._end_reason is not None:
            return
        self._end_reason = reason
        self.pending.fail_all(reason)
        self._feed.queue.end(StopAsyncIteration() if isinstance(reason, ClientClosed) else reason)
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background. A defect there ends the client: otherwise requests would wait without an end."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._finish(cast(Exception, error))


def _content(request: WithKey) -> bytes:
    """What a key stands for: all but client seed and password, which may be others when the app sends again."""
    other = {"client_seed": b"", "password": ""}
    same = {name: other[name] for name in request.__struct_fields__ if name in other}
    return messages.encode(msgspec.structs.replace(request, **same))
