"""The SDK: one user's connection to the server, kept alive, as methods and one iterator of pushes.

    async with Client("tcp://127.0.0.1:7900", token) as client:
        sent = await client.send_packet("lucky", group_id, amount_fen=888, shares=8)
        opened = await client.open(sent.packet_id)
        async for push in client.pushes():
            ...

Amounts are whole fen, times milliseconds since 1970. Every method raises `ClientError`s only (see errors): a
`Refusal` when the server said no, `TimedOut`, `ConnectionLost`, or `ConnectionRefusedForGood` when it must not come
back. A connection that breaks is made again in the background, and requests that may be repeated go out once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar, cast

from client_sim.sdk import transport
from client_sim.sdk.backoff import Backoff, patiently
from client_sim.sdk.errors import (
    Busy,
    ClientClosed,
    ClientError,
    ConnectionLost,
    ConnectionRefusedForGood,
    Refusal,
    TimedOut,
    refusal_of,
)
from client_sim.sdk.idempotency_keys import IdempotencyKeys
from client_sim.sdk.pushes import MissedChanges, Numbered, Post, PushQueue, Reloaded
from client_sim.sdk.reminders import Notice, Reminder, Told
from client_sim.sdk.stream_gaps import StreamGaps
from client_sim.sdk.transport import Handlers, Transport
from protocol import messages, tokens

Reply = TypeVar("Reply", bound=messages.Message)

CONNECT_PATIENCE_S = 10.0
OPEN_PATIENCE_S = 10.0
BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 5.0
SETTLED_S = 5.0  # a connection that lasted this long was a good one: the next backoff begins anew
SEQ_MAX = 2**32 - 1

# carried out twice they would do something twice, and they have no key to prevent it
NOT_REPEATABLE = frozenset({messages.Say, messages.CreateGroup, messages.SendAgain})


class Pending(NamedTuple):
    """A request that waits for its reply."""

    request: messages.Message
    reply: asyncio.Future[Any]
    deadline: float


class Client:
    """One user. Safe to use from many tasks of one event loop."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        positions: Mapping[int, int] | None = None,
        timeout_s: float = 10.0,
        pushes_max: int = 1000,
        backoff_most_s: float = BACKOFF_MOST_S,
        ca_file: str | None = None,
        balance_version: int | None = None,
    ) -> None:
        """`url` reads tcp://host:port or tls://host:port. `positions`: the last message the app has of each stream,
        from an earlier `Client.positions`; the pushes then begin with what was missed. `pushes_max`: how many
        pushes wait for an app that does not read them, before the oldest are dropped. `backoff_most_s`: the longest
        wait between two attempts to come back.

        `ca_file`: with tls, a PEM file that says whose certificates are believed instead of those the system does.

        `balance_version`: of the last change of the wallet that the app has; it then hears of those that it missed.

        Raises ValueError for a malformed url or token, OSError for a `ca_file` that cannot be used.
        """
        self._address = transport.parse_url(url, "tcp", "tls")
        self._tls = transport.tls_of(url, ca_file)
        self._token = tokens.parse(token)
        self._timeout_s = timeout_s
        self._handlers = Handlers(self._welcomed, self._received, self._lost)
        self._wire: Transport | None = None
        self._welcomed_at = 0.0
        self._pending: dict[int, Pending] = {}  # by seq, in the order of their deadlines
        self._last_seq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._keys = IdempotencyKeys()
        self._following = StreamGaps(positions or {})
        self._told = Told()
        self._pushes = PushQueue(pushes_max)
        self._backoff = Backoff(BACKOFF_FIRST_S, backoff_most_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self._catching_up = False
        self._reading_entries = False
        self.balance_version = balance_version  # of the last change that the app has heard of; None: of none yet
        self._end_reason: Exception | None = None
        self.hello: messages.Hello | None = None
        self.welcome: messages.Welcome | None = None  # of the latest login
        self.requests = 0
        self.repeats = 0
        self.reconnects = 0
        self.timeouts = 0

    # --- the connection ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self, patience_s: float = CONNECT_PATIENCE_S) -> None:
        """Connect and log in, trying again for `patience_s`. Raises ConnectionLost, ConnectionRefusedForGood."""
        await patiently(self._connect, patience_s)

    async def close(self) -> None:
        """Close for good. Requests in flight raise ClientClosed, the iterator of pushes ends."""
        closed, self._wire = self._wire, None
        self._finish(ClientClosed("the client was closed"))
        if closed is not None:
            closed.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Let go of the connection without a word, as a phone in a tunnel does. The client comes back by itself."""
        if self._wire is not None:
            self._wire.abort()

    @property
    def user_id(self) -> int:
        """Whose connection this is."""
        return self._token.user_id

    @property
    def is_connected(self) -> bool:
        """There is a connection and it is logged in."""
        return self._wire is not None

    @property
    def positions(self) -> dict[int, int]:
        """The number of the last message handed on, by stream. Keep it, and a later Client goes on from there."""
        return self._following.positions

    @property
    def limits(self) -> dict[str, int]:
        """The server's limits by name, as its hello told them."""
        return self.hello.limits if self.hello is not None else {}

    # --- packets ----------------------------------------------------------------------------------------------

    async def send_packet(
        self,
        kind: str,
        target_id: int,
        amount_fen: int,
        shares: int = 1,
        greeting: str = "",
        key: str | None = None,
    ) -> messages.PacketSent:
        """Send a packet: `lucky` or `equal` to a group, `personal` to a user.

        `amount_fen` is the total (lucky, personal) or the amount of one share (equal). The idempotency key is made
        here: a send that is repeated after a lost connection moves money once, and so does calling this again with
        the same content after TimedOut or another temporary failure. Give `key` (1 to 64 bytes) to keep that
        promise across restarts of the app.

        Raises NotEnoughMoney, NotAMember, NoSuchGroup, BadAmount, BadShares, KeyReused, StoreUnavailable, ….
        """
        request = messages.SendPacket(0, key or "", kind, target_id, amount_fen, shares, greeting)
        return await self._ask_once(request, messages.PacketSent)

    async def grab(self, packet_id: int) -> messages.Grabbed:
        """Tap a packet: is it still worth opening? Every answer is a value, `not_allowed` too."""
        return await self._ask(messages.Grab(0, packet_id), messages.Grabbed)

    async def open(self, packet_id: int, patience_s: float = OPEN_PATIENCE_S) -> messages.Opened:
        """Grab and open in one. Answers `won`, `claimed`, `gone`, `expired` or `not_allowed`; again is harmless.

        While the packet is busy or a refusal is temporary this waits as told and tries again, for `patience_s`.
        Raises Busy or the last refusal after that.
        """
        return await patiently(lambda: self._grab_and_open(packet_id), patience_s)

    async def _grab_and_open(self, packet_id: int) -> messages.Opened:
        grabbed = await self.grab(packet_id)
        if grabbed.answer == "busy":
            raise Busy(packet_id, grabbed.retry_after_ms)
        if grabbed.answer != "ticket":
            return messages.Opened(0, packet_id, grabbed.answer, grabbed.amount_fen, grabbed.index)
        return await self._ask(messages.Open(0, packet_id, grabbed.ticket), messages.Opened)

    async def send_again(self, packet_id: int, group_id: int = 0) -> messages.SentAgain:
        """Push my unfinished packet again: where it was sent first (0), or to another group of mine, whose members
        may then open it. Not repeated by itself: raises ConnectionLost if in flight.

        Raises NotAllowed (not mine), Finished, NotAMember, Refusal (bad_target, too_many_groups).
        """
        return await self._ask(messages.SendAgain(0, packet_id, group_id), messages.SentAgain)

    async def open_page(self, packet_id: int, language: str = "zh") -> messages.OpenPageShown:
        """Tap a packet: the page to draw, and the ticket if it may be opened. In one round trip."""
        return await self._ask(messages.OpenPage(0, packet_id, language), messages.OpenPageShown)

    async def open_with(self, packet_id: int, ticket: int) -> messages.Opened:
        """Open with the ticket of a page. Raises NoTicket if it has lapsed: tap again."""
        return await self._ask(messages.Open(0, packet_id, ticket), messages.Opened)

    async def result_page(
        self, packet_id: int, language: str = "zh", before_index: int = 0, watch: bool = False
    ) -> messages.ResultPageShown:
        """Who got how much, as far as this user may see it. `before_index`: go on behind the last line of a page.

        `watch`: claims to come are pushed (ClaimsSeen) if the page says `watched`, until `stop_watching`, the
        finish, or the end of the connection: ask again after a reconnect. Raises NotAllowed.
        """
        request = messages.ResultPage(0, packet_id, language, before_index, watch)
        return await self._ask(request, messages.ResultPageShown)

    async def stop_watching(self, packet_id: int) -> None:
        """No more pushes of this packet's claims; again is harmless."""
        await self._ask(messages.StopWatching(0, packet_id), messages.WatchingStopped)

    async def records(
        self, direction: str, year: int = 0, before_at_ms: int = 0, before_packet_id: int = 0
    ) -> messages.RecordsShown:
        """What I `sent` or `received` in a year (0: this one), newest first; `before_…`: behind a line I have."""
        request = messages.Records(0, direction, year, before_at_ms, before_packet_id)
        return await self._ask(request, messages.RecordsShown)

    async def reveal(self, packet_id: int) -> messages.Revealed:
        """The proof of a packet that is finished or refunded. Raises NotFinished, NotAllowed."""
        return await self._ask(messages.Reveal(0, packet_id), messages.Revealed)

    # --- money ------------------------------------------------------------------------------------------------

    async def balance(self) -> int:
        """What is in the wallet, in fen."""
        return (await self._ask(messages.GetBalance(0), messages.Balance)).balance_fen

    async def entries(self, after_version: int = 0) -> messages.Entries:
        """The changes of the wallet behind a version of it, oldest first, a page at a time."""
        return await self._ask(messages.GetEntries(0, after_version), messages.Entries)

    async def top_up(self, user_id: int, amount_fen: int, key: str | None = None) -> int:
        """Chat backend only: money comes in. The user's balance afterwards, in fen. Keyed as `send_packet` is.

        Raises Forbidden, BadAmount, KeyReused, StoreUnavailable.
        """
        request = messages.TopUp(0, key or "", user_id, amount_fen)
        return (await self._ask_once(request, messages.ToppedUp)).balance_fen

    async def withdraw(self, user_id: int, amount_fen: int, key: str | None = None) -> int:
        """Chat backend only: money leaves. The user's balance afterwards, in fen. Keyed as `send_packet` is.

        Raises Forbidden, NotEnoughMoney, BadAmount, KeyReused, StoreUnavailable.
        """
        request = messages.Withdraw(0, key or "", user_id, amount_fen)
        return (await self._ask_once(request, messages.Withdrawn)).balance_fen

    # --- groups and chat --------------------------------------------------------------------------------------

    async def create_group(self, name: str) -> int:
        """Make a group that this user owns; its id. Not repeated by itself: raises ConnectionLost if in flight."""
        group_id = (await self._ask(messages.CreateGroup(0, name), messages.GroupCreated)).group_id
        self._following.follow(group_id, 0)
        return group_id

    async def join_group(self, group_id: int) -> messages.GroupJoined:
        """Become a member; again is harmless. Raises NoSuchGroup, GroupFull."""
        joined = await self._ask(messages.JoinGroup(0, group_id), messages.GroupJoined)
        self._following.follow(group_id, joined.last_message)
        return joined

    async def leave_group(self, group_id: int) -> None:
        """Stop being a member; again is harmless. Raises Refusal (owner_stays) for the owner."""
        await self._ask(messages.LeaveGroup(0, group_id), messages.GroupLeft)
        self._following.forget(group_id)

    async def kick(self, group_id: int, user_id: int) -> None:
        """Throw somebody out of my group, for good; again is harmless. Raises NotOwner, NotAMember, NoSuchGroup."""
        await self._ask(messages.Kick(0, group_id, user_id), messages.Kicked)

    async def grab_stats(self, group_id: int) -> messages.GrabStatsShown:
        """Who grabs first in my group, and who never sends. Raises NotOwner, NotAMember, NoSuchGroup."""
        return await self._ask(messages.GrabStats(0, group_id), messages.GrabStatsShown)

    async def set_name(self, name: str) -> None:
        """What others see me called; "" takes the name away. Raises Refusal (bad_name)."""
        await self._ask(messages.SetName(0, name), messages.NameSet)

    async def names(self, user_ids: list[int]) -> messages.Names:
        """What users are called, in their order, "" for who has no name; at most messages.NAMES_MAX at once."""
        return await self._ask(messages.GetNames(0, user_ids), messages.Names)

    async def members(self, group_id: int) -> list[int]:
        """Who is in a group. Raises NotAMember, NoSuchGroup."""
        return (await self._ask(messages.ListMembers(0, group_id), messages.Members)).user_ids

    async def say(self, group_id: int, text: str) -> int:
        """A text to a group; the number it got. Not repeated by itself: raises ConnectionLost if in flight."""
        return (await self._ask(messages.Say(0, group_id, text), messages.Said)).message

    async def catch_up(self, stream_id: int, after: int) -> list[Post] | Reloaded:
        """All that came in a stream after message number `after`, or that it is too much to be told one by one.

        The client does this by itself after a gap; an app needs it for what it missed before it began.
        """
        posts: list[Post] = []
        while True:
            page = await self._ask(messages.CatchUp(0, stream_id, after), messages.CaughtUp)
            if page.reload:
                return Reloaded(stream_id, page.last_message)
            posts += [post for post in page.messages if isinstance(post, Post)]
            if not page.messages or page.messages[-1].message >= page.last_message:
                return posts
            after = page.messages[-1].message

    # --- pushes -----------------------------------------------------------------------------------------------

    def pushes(self) -> PushQueue:
        """What the server pushes, as an async iterator for one reader.

        Posts of a stream come in order and without a gap, also over reconnects; if too much was missed there is
        one `Reloaded` instead. The iterator ends when the client is closed, and raises ConnectionRefusedForGood.
        """
        return self._pushes

    @property
    def pushes_dropped(self) -> int:
        """How many pushes were thrown away because the app did not read."""
        return self._pushes.dropped

    # --- requests and replies ---------------------------------------------------------------------------------

    def _ask(self, request: messages.Message, reply: type[Reply]) -> asyncio.Future[Reply]:
        """Send now, or as soon as there is a connection again. `reply` only says what the future will hold."""
        if self._end_reason is not None:
            raise self._end_reason
        loop = asyncio.get_running_loop()
        self._last_seq = request.seq = self._last_seq % SEQ_MAX + 1
        pending = Pending(request, loop.create_future(), loop.time() + self._timeout_s)
        self._pending[request.seq] = pending
        if self._timer is None:
            self._timer = loop.call_at(pending.deadline, self._expire)
        self.requests += 1
        if self._wire is not None:
            self._wire.send(request)
        return pending.reply

    async def _ask_once(
        self, request: messages.SendPacket | messages.TopUp | messages.Withdraw, reply: type[Reply]
    ) -> Reply:
        """Ask for what moves money, under the app's key or one that is kept until the outcome is known."""
        if request.key:
            return await self._ask(request, reply)
        content = messages.encode(request)
        request.key = self._keys.take(content)
        try:
            return await self._ask(request, reply)
        except BaseException as error:  # a cancelled try may have moved money, too
            if not isinstance(error, Refusal) or error.temporary:
                self._keys.keep(content, request.key)
            raise

    def _received(self, message: messages.Message) -> None:
        if message.seq == 0:
            self._pushed(message)
            return
        pending = self._pending.pop(message.seq, None)
        if pending is None or pending.reply.done():
            return
        if isinstance(message, messages.Refused):
            pending.reply.set_exception(refusal_of(message))
        elif type(message) is messages.REQUESTS[type(pending.request)]:
            pending.reply.set_result(message)
        else:
            pending.reply.set_exception(ClientError(f"{message} is no reply to {pending.request}"))

    def _expire(self) -> None:
        """One timer for all requests: all have the same time, so the first that waits is the first that is due."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._pending:
            seq, pending = next(iter(self._pending.items()))
            if pending.deadline > loop.time():
                self._timer = loop.call_at(pending.deadline, self._expire)
                return
            del self._pending[seq]
            if not pending.reply.done():
                self.timeouts += 1
                pending.reply.set_exception(TimedOut(f"no reply to {pending.request}"))

    # --- losing the connection and coming back ----------------------------------------------------------------

    async def _connect(self) -> None:
        await transport.connect(self._address, self._token, self._handlers, self._timeout_s, self._tls)

    def _welcomed(self, opened: Transport, welcome: messages.Welcome) -> None:
        """Logged in: what waits for a reply goes out (again), what was missed is fetched."""
        self._wire = opened
        self._welcomed_at = asyncio.get_running_loop().time()
        self.hello, self.welcome = opened.hello, welcome
        for pending in self._pending.values():
            if not pending.reply.done():
                self.repeats += 1
                opened.send(pending.request)
        self._following.welcomed(welcome)
        self._catch_up_soon()
        if self.balance_version is None:
            self.balance_version = welcome.balance_version
        elif self.balance_version < welcome.balance_version and not self._reading_entries:
            self._reading_entries = True
            self._start(self._read_entries(self.balance_version))

    def _lost(self, error: ClientError) -> None:
        self._wire = None
        if self._end_reason is not None:
            return
        if isinstance(error, ConnectionRefusedForGood):
            self._finish(error)
            return
        if asyncio.get_running_loop().time() - self._welcomed_at > SETTLED_S:
            self._backoff.reset()
        for seq, pending in list(self._pending.items()):
            if type(pending.request) in NOT_REPEATABLE:
                del self._pending[seq]
                _fail(pending.reply, error)
        self._start(self._come_back(error.retry_after_ms))

    async def _come_back(self, after_ms: int) -> None:
        while self._wire is None:
            await asyncio.sleep(after_ms / 1000 + self._backoff.delay_s())
            try:
                await self._connect()
                self.reconnects += 1
            except ConnectionLost as error:
                after_ms = error.retry_after_ms
            except ConnectionRefusedForGood as error:
                self._finish(error)
                return

    def _finish(self, reason: Exception) -> None:
        """Over: everybody who waits is told why."""
        if self._end_reason is not None:
            return
        self._end_reason = reason
        if self._timer is not None:
            self._timer.cancel()
        for pending in self._pending.values():
            _fail(pending.reply, reason)
        self._pending.clear()
        self._pushes.end(StopAsyncIteration() if isinstance(reason, ClientClosed) else reason)
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background. A defect there ends the client, so that nobody waits for ever."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._finish(cast(Exception, error))

    # --- following the streams --------------------------------------------------------------------------------

    def _pushed(self, push: messages.Message) -> None:
        if isinstance(push, messages.RemovedFromGroup):
            self._following.forget(push.group_id)
        if isinstance(push, messages.BalanceChanged) and not self._reading_entries:
            self.balance_version = max(self.balance_version or 0, push.version)
        if isinstance(push, Numbered) and not self._following.pushed(push):
            self._catch_up_soon()
        else:
            self._hand_on(push)

    def _hand_on(self, push: messages.Message) -> None:
        """To the app, which hears of a claim, a finish or a refund once, live or right before its reminder."""
        if isinstance(push, Reminder):
            for notice in self._told.fresh(push):
                self._pushes.put(notice)
        if not isinstance(push, Notice) or self._told.is_new(push):
            self._pushes.put(push)

    def _catch_up_soon(self) -> None:
        if not self._catching_up and self._following.lagging():
            self._catching_up = True
            self._start(self._catch_up_all())

    async def _catch_up_all(self) -> None:
        """Page after page until no stream lags. One task, so a client that was away asks one thing at a time."""
        backoff = Backoff(0.05, BACKOFF_MOST_S)
        try:
            while lagging := self._following.lagging():
                for stream_id, last in lagging.items():
                    wait_s = await self._catch_up_page(stream_id, last)
                    if wait_s is None:
                        backoff.reset()
                    else:
                        await asyncio.sleep(wait_s + backoff.delay_s())
        finally:
            self._catching_up = False

    async def _catch_up_page(self, stream_id: int, last: int) -> float | None:
        """Fetch one page. None if it helped, otherwise how many seconds to wait at least before the next."""
        try:
            page = await self._ask(messages.CatchUp(0, stream_id, last), messages.CaughtUp)
        except ClientError as error:
            if isinstance(error, Refusal) and not error.temporary:
                self._following.forget(stream_id)  # no longer a member
            return error.retry_after_ms / 1000
        fresh = self._following.caught_up(page)
        if page.reload:
            self._pushes.put(Reloaded(stream_id, page.last_message))
        for post in fresh:
            self._hand_on(post)
        return None if fresh or page.reload else 0.0

    async def _read_entries(self, after_version: int) -> None:
        """Tell the app what changes of its wallet it missed; what is lost again is asked for at the next login."""
        try:
            more = True
            while more:
                page = await self.entries(after_version)
                more = page.more
                if page.entries:
                    after_version = self.balance_version = page.entries[-1].version
                    self._pushes.put(MissedChanges(page.entries))
        except ClientError:
            return
        finally:
            self._reading_entries = False


def _fail(reply: asyncio.Future[Any], error: Exception) -> None:
    if not reply.done():
        reply.set_exception(error)
