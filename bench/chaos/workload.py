"""The workload: SDK users who send, grab and open at planned moments, retry until an answer, and keep logs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from time import perf_counter
from typing import Any, Final, NamedTuple

from bench.chaos.history import NEVER, UNKNOWN, History, Op, SendOp, TopUp
from bench.load.load import arrivals, pace
from client_sim.sdk.backoff import Backoff
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from protocol import messages

Mint = Callable[[int], str]
Ask = Callable[[], Awaitable[Any]]

FIRST_USER: Final = 1_001
FUNDS_FEN: Final = 10_000_000_000
GROUP_MEMBERS: Final = 25
TIMEOUT_S: Final = 2.5  # short, so that many answers are missed and the requests repeated
RECONNECT_MAX_S: Final = 0.5  # between two attempts to connect
OPEN_WITHIN_S: Final = 1.0  # of the send
GRAB_SHARE: Final = 0.15  # of the users grab before they open
AGAIN_SHARE: Final = 0.1  # of the users open a second time
ABSENT_SHARE: Final = 0.5  # of the users do not open a packet that is left to expire
ROUND_S: Final = 2.0  # sends are planned for so long at a time
WAITING_MAX: Final = 6_000  # unanswered requests: beyond it no sends begin, or all would be retried at once later
RETRY_MAX_S: Final = 2.0  # thousands of users who retry every moment would be an attack, not a load
CONNECT_TIMEOUT_S: Final = 60.0


class PacketShape(NamedTuple):
    """A kind of packet that users send, and its weight."""

    weight: int
    kind: str
    shares: int
    amount_fen: int
    left_to_expire: bool = False


SHAPES: Final = (
    PacketShape(12, "lucky", 22, 2_222),
    PacketShape(3, "equal", 20, 50),
    PacketShape(2, "personal", 1, 188),
    PacketShape(2, "lucky", 24, 500, left_to_expire=True),
    PacketShape(1, "lucky", 10, 11),
)
CLAIMS_PER_SEND: Final = sum(one.weight * one.shares for one in SHAPES) / sum(one.weight for one in SHAPES)


class Answered(NamedTuple):
    """The result of a request: a reply, or the name of the error."""

    reply: Any
    name: str
    tries: int
    try_s: float  # the start of the last try


class Workload:
    def __init__(self, url: str, mint: Mint, users: int, seed: int, history: History) -> None:
        self._seed = seed
        self._history = history
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = 0
        self.not_sent = 0
        self._readers: list[asyncio.Task[None]] = []
        self._backend = new_client(url, mint(0))
        self._users = [new_client(url, mint(user_id)) for user_id in range(FIRST_USER, FIRST_USER + users)]
        self._groups: dict[int, list[Client]] = {}

    @property
    def backend(self) -> Client:
        """The chat backend."""
        return self._backend

    @property
    def users(self) -> list[Client]:
        """All users."""
        return self._users

    @property
    def waiting(self) -> int:
        return len(self._tasks)

    @property
    def timeouts(self) -> int:
        """Requests that were not answered in time, and repeated."""
        return sum(one.timeouts for one in self._users)

    async def prepare(self) -> None:
        """Connect, get money, form groups; before the first fault. Raises ClientError."""
        await self._backend.connect(CONNECT_TIMEOUT_S)
        for user in self._users:
            await user.connect(CONNECT_TIMEOUT_S)
            key = f"funds-{user.user_id}"
            await self._backend.top_up(user.user_id, FUNDS_FEN, key)
            self._history.top_ups.append(TopUp(user.user_id, key, FUNDS_FEN))
            self._readers.append(asyncio.create_task(_read_pushes(user)))
        for first in range(0, len(self._users), GROUP_MEMBERS):
            members = self._users[first : first + GROUP_MEMBERS]
            group_id = await self._backend.put_group(f"group {first}", "chaos", members[0].user_id)
            await self._backend.sync_members(group_id, 1, [user.user_id for user in members])
            self._groups[group_id] = members

    async def run(self, claims_per_s: float, is_over: Callable[[], bool]) -> None:
        """Send at the planned moments, whatever happened to earlier packets, until it is over.

        Sends are left out, and counted, only while more than WAITING_MAX requests would wait.
        """
        draw, began_s, planned = random.Random(f"rounds {self._seed}"), perf_counter(), 0
        while not is_over():
            arrivals_s = arrivals(draw.getrandbits(32), claims_per_s / CLAIMS_PER_SEND, ROUND_S)
            await pace(arrivals_s, began_s, partial(self._begin_send, planned))
            began_s += ROUND_S
            planned += len(arrivals_s)

    async def wait_for_answers(self, timeout_s: float) -> int:
        """Wait until every request is answered; returns the number that is not, which the logs call unknown."""
        deadline_s = perf_counter() + timeout_s
        while self._tasks and perf_counter() < deadline_s:
            await asyncio.wait(set(self._tasks), timeout=deadline_s - perf_counter())
        unanswered = set(self._tasks)
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*unanswered, return_exceptions=True)
        return len(unanswered)

    async def close(self) -> None:
        for client in (self._backend, *self._users):
            await client.close()
        await asyncio.gather(*self._readers, return_exceptions=True)

    # --- requests ---------------------------------------------------------------------------------------------

    def _begin_send(self, planned: int, number: int, _: float) -> None:
        if len(self._tasks) + self._sending * GROUP_MEMBERS < WAITING_MAX:
            self._begin(self._send(planned + number))
        else:
            self.not_sent += 1

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
        terms = (shape.kind, target_id, shape.amount_fen, shape.shares, "chaos", key)
        total_fen = shape.amount_fen * (shape.shares if shape.kind == "equal" else 1)
        send, try_s = SendOp(sender.user_id, key, total_fen, UNKNOWN), 0.0
        self._sending += 1
        try:
            answered = await until_answered(sender, lambda: sender.send_packet(*terms))
            send, try_s = send._replace(answer=answered.name), answered.try_s
            if isinstance(answered.reply, messages.PacketSent):
                send = send._replace(answer="sent", packet_id=answered.reply.packet_id)
        finally:
            self._sending -= 1
            self._history.add_send(send, try_s)
        if send.packet_id:
            self._begin_opens(send.packet_id, [receiver] if shape.kind == "personal" else members, shape, draw)

    def _begin_opens(self, packet_id: int, users: list[Client], shape: PacketShape, draw: random.Random) -> None:
        for user in users:
            if shape.left_to_expire and draw.random() < ABSENT_SHARE:
                continue
            moments_s = sorted(draw.random() * OPEN_WITHIN_S for _ in range(3))
            kinds = ["grab" if draw.random() < GRAB_SHARE else "", "open", ""]
            kinds[2] = "open" if draw.random() < AGAIN_SHARE else ""
            self._begin(self._open(user, packet_id, moments_s, kinds))

    async def _open(self, user: Client, packet_id: int, moments_s: list[float], kinds: list[str]) -> None:
        """One user and one packet: one request after the other; "" is none."""
        began_s = perf_counter()
        ask: dict[str, Ask] = {"grab": lambda: user.grab(packet_id), "open": lambda: user.open(packet_id, 0.0)}
        for moment_s, kind in zip(moments_s, kinds, strict=True):
            if kind:
                await asyncio.sleep(began_s + moment_s - perf_counter())
                await self._ask(user, packet_id, kind, ask[kind])

    async def _ask(self, user: Client, packet_id: int, kind: str, ask: Ask) -> None:
        op, try_s = Op(user.user_id, packet_id, kind, perf_counter(), NEVER, UNKNOWN), 0.0
        try:
            answered = await until_answered(user, ask)
            op = op._replace(return_s=perf_counter(), answer=answered.name, tries=answered.tries)
            try_s = answered.try_s
            if (reply := answered.reply) is not None:
                op = op._replace(answer=reply.answer, share=reply.index, amount_fen=reply.amount_fen)
        finally:
            self._history.add(op, try_s)


def new_client(url: str, token: str) -> Client:
    """A client that gives up on a reply soon, not connected yet."""
    return Client(url, token, timeout_s=TIMEOUT_S, pushes_max=10, backoff_most_s=RECONNECT_MAX_S)


async def _read_pushes(client: Client) -> None:
    async for _ in client.pushes():
        pass


async def until_answered(client: Client, ask: Ask, refused: Callable[[str], None] = lambda name: None) -> Answered:
    """Repeat until the answer is final; a repetition by the SDK itself counts as a try, too.

    `refused` is told the name of each refusal that is not final.
    """
    tries, repeats, backoff = 0, client.repeats, Backoff(0.05, RETRY_MAX_S)
    while True:
        tries += 1
        try_s = perf_counter()
        try:
            reply = await ask()
            return Answered(reply, "", tries + client.repeats - repeats, try_s)
        except ClientError as error:
            if not error.temporary:
                return Answered(None, error.name, tries, try_s)
            refused(error.name)
            await asyncio.sleep(error.retry_after_ms / 1000 + backoff.delay_s())
