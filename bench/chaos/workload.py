"""Users of the SDK who send, grab and open when a seeded plan says so, ask again until they know, and keep logs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from time import perf_counter
from typing import Any, Final, NamedTuple, TypeVar

from bench.chaos.history import NEVER, UNKNOWN, History, Op, SendOp, TopUp
from bench.load.load import arrivals, pace
from client_sim.sdk.backoff import Backoff
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from protocol import messages

Answer = TypeVar("Answer")
Mint = Callable[[int], str]

FIRST_USER: Final = 1_001
FUNDS_FEN: Final = 10_000_000_000
GROUP_MEMBERS: Final = 25
TIMEOUT_S: Final = 2.5  # short, so that many answers are missed and asked for again
BACK_WITHIN_S: Final = 0.5  # nobody waits longer between two attempts to connect
OPEN_WITHIN_S: Final = 1.0  # of the send, who opens at all
PEEKS: Final = 0.15  # so many grab first and look
AGAIN: Final = 0.1  # so many open a second time
STAYS_AWAY: Final = 0.5  # of the packets that are left to expire: who does not come
ROUND_S: Final = 2.0  # sends are planned for so long at a time
WAIT_MAX: Final = 6_000  # who expect an answer: beyond it nobody sends, or all would come at once later
AGAIN_WITHIN_S: Final = 2.0  # thousands who ask again every moment would be an attack, not a load
MOVE_IN_S: Final = 60.0


class WorkloadShape(NamedTuple):
    """A kind of packet that people send, and how often."""

    weight: int
    kind: str
    shares: int
    amount_fen: int
    left_to_expire: bool = False


SHAPES: Final = (
    WorkloadShape(12, "lucky", 22, 2_222),
    WorkloadShape(3, "equal", 20, 50),
    WorkloadShape(2, "personal", 1, 188),
    WorkloadShape(2, "lucky", 24, 500, left_to_expire=True),
    WorkloadShape(1, "lucky", 10, 11),
)
CLAIMS_PER_SEND: Final = sum(one.weight * one.shares for one in SHAPES) / sum(one.weight for one in SHAPES)


class WorkloadUser(NamedTuple):
    """One user."""

    user_id: int
    client: Client


class Answered(NamedTuple):
    """How asking ended: a reply, or the name of what came instead."""

    reply: Any
    name: str
    tries: int
    asked_s: float  # the last try


class Workload:
    """All users of a run."""

    def __init__(self, url: str, mint: Mint, users: int, seed: int, history: History) -> None:
        self._seed = seed
        self._history = history
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = 0
        self.not_sent = 0
        self._readers: list[asyncio.Task[None]] = []
        self._backend = _client(url, mint(0))
        ids = range(FIRST_USER, FIRST_USER + users)
        self._people = [WorkloadUser(user_id, _client(url, mint(user_id))) for user_id in ids]
        self._groups: dict[int, list[WorkloadUser]] = {}

    @property
    def waiting(self) -> int:
        """How many have not got their answer yet."""
        return len(self._tasks)

    @property
    def timeouts(self) -> int:
        """Requests that were not answered in time, and asked again."""
        return sum(one.client.timeouts for one in self._people)

    async def move_in(self) -> None:
        """Connect, get money, form groups; before anything is broken. Raises ClientError."""
        await self._backend.connect(MOVE_IN_S)
        for one in self._people:
            await one.client.connect(MOVE_IN_S)
            key = f"funds-{one.user_id}"
            await self._backend.top_up(one.user_id, FUNDS_FEN, key)
            self._history.top_ups.append(TopUp(one.user_id, key, FUNDS_FEN))
            self._spawn_reader(one.client)
        for first in range(0, len(self._people), GROUP_MEMBERS):
            members = self._people[first : first + GROUP_MEMBERS]
            group_id = await members[0].client.create_group(f"group {first}")
            for one in members[1:]:
                await one.client.join_group(group_id)
            self._groups[group_id] = members

    def _spawn_reader(self, client: Client) -> None:
        async def read() -> None:
            async for _ in client.pushes():
                pass

        self._readers.append(asyncio.create_task(read()))

    async def live(self, claims_per_s: float, enough: Callable[[], bool]) -> None:
        """Send at the planned moments, whatever became of the packets before, until it is enough.

        Only when more than WAIT_MAX would wait are sends left out, and counted.
        """
        draw, began_s, planned = random.Random(f"rounds {self._seed}"), perf_counter(), 0
        while not enough():
            arrivals_s = arrivals(draw.getrandbits(32), claims_per_s / CLAIMS_PER_SEND, ROUND_S)
            await pace(arrivals_s, began_s, partial(self._send_soon, planned))
            began_s += ROUND_S
            planned += len(arrivals_s)

    def _send_soon(self, planned: int, number: int, _: float) -> None:
        if len(self._tasks) + self._sending * GROUP_MEMBERS < WAIT_MAX:
            self._begin(self._send(planned + number))
        else:
            self.not_sent += 1

    async def come_to_rest(self, within_s: float) -> int:
        """Wait until everybody has their answer; how many have not, which their logs call unknown."""
        deadline_s = perf_counter() + within_s
        while self._tasks and perf_counter() < deadline_s:
            await asyncio.wait(set(self._tasks), timeout=deadline_s - perf_counter())
        unanswered = set(self._tasks)
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*unanswered, return_exceptions=True)
        return len(unanswered)

    async def leave(self) -> None:
        """Close all connections."""
        for client in (self._backend, *(one.client for one in self._people)):
            await client.close()
        await asyncio.gather(*self._readers, return_exceptions=True)

    # --- what they do -----------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, number: int) -> None:
        draw = random.Random(f"send {self._seed} {number}")
        shape = draw.choices(SHAPES, [one.weight for one in SHAPES])[0]
        group_id, members = draw.choice(list(self._groups.items()))
        sender, receiver = draw.sample(members, 2)
        target_id = receiver.user_id if shape.kind == "personal" else group_id
        key = f"send-{self._seed}-{number}"
        total_fen = shape.amount_fen * (shape.shares if shape.kind == "equal" else 1)
        send, asked_s = SendOp(sender.user_id, key, total_fen, UNKNOWN), 0.0
        self._sending += 1
        try:
            answered = await _until_answered(
                sender.client,
                lambda: sender.client.send_packet(
                    shape.kind, target_id, shape.amount_fen, shape.shares, "chaos", key
                ),
            )
            send, asked_s = send._replace(answer=answered.name), answered.asked_s
            if isinstance(answered.reply, messages.PacketSent):
                send = send._replace(answer="sent", packet_id=answered.reply.packet_id)
        finally:
            self._sending -= 1
            self._history.sent(send, asked_s)
        if send.packet_id:
            guests = [receiver] if shape.kind == "personal" else members
            self._invite(send.packet_id, guests, shape, draw)

    def _invite(
        self, packet_id: int, guests: list[WorkloadUser], shape: WorkloadShape, draw: random.Random
    ) -> None:
        for one in guests:
            if shape.left_to_expire and draw.random() < STAYS_AWAY:
                continue
            moments_s = sorted(draw.random() * OPEN_WITHIN_S for _ in range(3))
            peeks, again = draw.random() < PEEKS, draw.random() < AGAIN
            self._begin(self._play(one, packet_id, moments_s, peeks, again))

    async def _play(
        self, one: WorkloadUser, packet_id: int, moments_s: list[float], peeks: bool, again: bool
    ) -> None:
        """One user and one packet, one thing after the other."""
        client, began_s = one.client, perf_counter()
        turns: list[tuple[bool, str, Callable[[], Awaitable[Any]]]] = [
            (peeks, "grab", lambda: client.grab(packet_id)),
            (True, "open", lambda: client.open(packet_id, 0.0)),
            (again, "open", lambda: client.open(packet_id, 0.0)),
        ]
        for moment_s, (wanted, kind, ask) in zip(moments_s, turns, strict=True):
            if wanted:
                await asyncio.sleep(began_s + moment_s - perf_counter())
                await self._ask(one, packet_id, kind, ask)

    async def _ask(self, one: WorkloadUser, packet_id: int, kind: str, ask: Callable[[], Awaitable[Any]]) -> None:
        op, asked_s = Op(one.user_id, packet_id, kind, perf_counter(), NEVER, UNKNOWN), 0.0
        try:
            answered = await _until_answered(one.client, ask)
            op = op._replace(return_s=perf_counter(), answer=answered.name, tries=answered.tries)
            asked_s = answered.asked_s
            if answered.reply is not None:
                reply = answered.reply
                op = op._replace(answer=reply.answer, share=reply.index, amount_fen=reply.amount_fen)
        finally:
            self._history.done(op, asked_s)


def _client(url: str, token: str) -> Client:
    return Client(url, token, timeout_s=TIMEOUT_S, pushes_max=10, backoff_most_s=BACK_WITHIN_S)


async def _until_answered(client: Client, ask: Callable[[], Awaitable[Answer]]) -> Answered:
    """Ask again and again until the answer is final; a repeat that the SDK makes by itself is a try, too."""
    tries, repeats, backoff = 0, client.repeats, Backoff(0.05, AGAIN_WITHIN_S)
    while True:
        tries += 1
        asked_s = perf_counter()
        try:
            reply = await ask()
            return Answered(reply, "", tries + client.repeats - repeats, asked_s)
        except ClientError as error:
            if not error.temporary:
                return Answered(None, error.name, tries, asked_s)
            await asyncio.sleep(error.retry_after_ms / 1000 + backoff.delay_s())
