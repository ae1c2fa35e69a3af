"""Scenario `opens`: users open packets for which they hold tickets; nothing but the opening is on the clock.

Users sit in groups of 20. Every group gets packets of 20 shares, and each of its users opens each of them, so
every share is won. What a real chat sees happens here too: the sender hears of each claim, the group of each
finish, every winner of their balance, and settlement runs.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.opener import Opener
from client_sim.client import Client
from client_sim.histogram import Histogram
from client_sim.wire import parse_url
from protocol import messages, tokens
from protocol.messages import Message

GROUP = 20
SHARE_FEN = 100
SENDER = 1
BACKEND = 0
FIRST_USER = 1_000_000
AT_ONCE = 200  # logins, joins and sends before the clock starts

Mint = Callable[[int], str]


@dataclass
class Outcome:
    """What was measured and what the users were told."""

    connections: int
    depth: int
    opens: int
    seconds: float = 0.0
    latency: Histogram = field(default_factory=Histogram)
    answers: Counter[str] = field(default_factory=Counter)
    told: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # (packet, user) -> (index, fen)
    told_twice: int = 0

    @property
    def rate_per_s(self) -> float:
        """Claims that were told as won, per second."""
        return self.answers["won"] / self.seconds if self.seconds else 0.0

    def hear(self, user_id: int, reply: Message, took_ms: float) -> None:
        """Note the answer to one open."""
        self.latency.record(took_ms)
        if not isinstance(reply, messages.Opened):
            self.answers[getattr(reply, "name", type(reply).__name__)] += 1
            return
        self.answers[reply.answer] += 1
        if reply.answer == "won":
            self.told_twice += (reply.packet_id, user_id) in self.told
            self.told[reply.packet_id, user_id] = (reply.index, reply.amount_fen)


async def run(
    url: str, mint: Mint, connections: int, depth: int, packets: int, say: Callable[[str], None]
) -> Outcome:
    """Open `packets` packets per user from so many connections, `depth` opens in flight on each.

    Raises ClientError, ConnectionError. `connections` is rounded up to whole groups.
    """
    users = [FIRST_USER + number for number in range(-(-connections // GROUP) * GROUP)]
    outcome = Outcome(len(users), depth, len(users) * packets)
    say(f"{len(users):,} users log in")
    openers = await _connect(url, mint, users)
    try:
        say(f"{len(users) * packets // GROUP:,} packets are sent")
        groups = [openers[first : first + GROUP] for first in range(0, len(openers), GROUP)]
        to_open = await _send(url, mint, groups, packets)
        say("everybody takes their tickets")
        requests = await _take_tickets(to_open)
        say(f"{outcome.opens:,} opens, {depth} in flight on each connection (closed loop)")
        began_s = time.perf_counter()
        await asyncio.gather(*(opener.ask_all(todo, depth, outcome.hear) for opener, todo in requests.items()))
        outcome.seconds = time.perf_counter() - began_s
    finally:
        for opener in openers:
            opener.close()
    return outcome


async def _connect(url: str, mint: Mint, users: list[int]) -> list[Opener]:
    host, port = parse_url(url)
    loop = asyncio.get_running_loop()
    openers: list[Opener] = []
    for first in range(0, len(users), AT_ONCE):
        batch = [Opener(tokens.parse(mint(user_id))) for user_id in users[first : first + AT_ONCE]]
        for opener in batch:
            await loop.create_connection(lambda opener=opener: opener, host, port)  # type: ignore[misc]
        await asyncio.gather(*(opener.ready for opener in batch))
        openers += batch
    return openers


async def _send(url: str, mint: Mint, groups: list[list[Opener]], packets: int) -> dict[Opener, list[int]]:
    """Fund the sender, make the groups, send the packets; which packets each user opens."""
    total_fen = GROUP * SHARE_FEN
    async with Client(url, mint(BACKEND)) as backend:
        await backend.top_up(SENDER, total_fen * packets * len(groups))
    to_open: dict[Opener, list[int]] = {}
    async with Client(url, mint(SENDER), timeout_s=60.0) as sender:
        for members in groups:
            group_id = await sender.create_group("bench")
            joins = [one.ask_all([messages.JoinGroup(0, group_id)], 1, lambda *_: None) for one in members]
            await asyncio.gather(*joins)
            sent = await asyncio.gather(
                *(sender.send_packet("lucky", group_id, total_fen, GROUP) for _ in range(packets))
            )
            to_open |= {one: [packet.packet_id for packet in sent] for one in members}
    return to_open


async def _take_tickets(to_open: dict[Opener, list[int]]) -> dict[Opener, list[Message]]:
    requests: dict[Opener, list[Message]] = {opener: [] for opener in to_open}
    by_user = {opener.user_id: opener for opener in to_open}

    def keep(user_id: int, reply: Message, _: float) -> None:
        if not isinstance(reply, messages.Grabbed) or not reply.ticket:
            raise ConnectionError(f"no ticket: {reply}")
        requests[by_user[user_id]].append(messages.Open(0, reply.packet_id, reply.ticket))

    asked = [
        opener.ask_all([messages.Grab(0, packet_id) for packet_id in packet_ids], len(packet_ids), keep)
        for opener, packet_ids in to_open.items()
    ]
    await asyncio.gather(*asked)
    return requests
