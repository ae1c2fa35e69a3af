"""Preparation before the clock starts: users log in, get money, form groups and receive packets.

Requests are sent many at a time on the measuring connections; one await per request would take longer than the run.
The answers of the preparation are remembered too, because the verdict compares them with the books.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.load import load, transport
from bench.load.outcome import Acknowledgements
from bench.load.run_spec import GeneratorSpec
from bench.load.transport import MeasuredConnection, connection_to
from protocol import messages, tokens
from protocol.messages import Message
from protocol.tokens import Token

GROUP: Final = 20
BACKEND: Final = 0
SENDER_PLACE: Final = 200_000  # behind all users who open
TOKEN_LIFETIME_S: Final = 24 * 3600
DEPTH: Final = 200  # concurrent requests of one user
TOTAL_DEPTH: Final = 2_000  # concurrent requests of all users
MEMBERS_VERSION: Final = 1  # of the member lists: each is put once

Say = Callable[[str], None]
Connections = Sequence[MeasuredConnection]
RequestsByUser = Mapping[MeasuredConnection, Sequence[Message]]


class SetupFailed(Exception):
    """The preparation failed; the message is one line."""


class Setup:
    """One generator's users and the objects that they prepare."""

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        self.spec = spec
        self.say = say
        self.acknowledged = Acknowledgements()
        self._connections: list[MeasuredConnection] = []
        self._keys = 0

    def close(self) -> None:
        for one in self._connections:
            one.close()

    def token(self, user_id: int) -> Token:
        """A token as the chat backend would mint it."""
        spec = self.spec
        return tokens.mint(user_id, int(time.time()) + TOKEN_LIFETIME_S, spec.key_id, bytes.fromhex(spec.key_hex))

    def new_key(self) -> str:
        """An idempotency key that was never used."""
        self._keys += 1
        return f"{self.spec.run_name}-{self.spec.number}-{self._keys}"

    async def log_in_users(self, count: int, first: int = 0) -> list[MeasuredConnection]:
        """Log in so many of this generator's users, from the one at place `first`. Raises OSError."""
        self.say(f"{count:,} users log in")
        return await self.connect([self.spec.first_user + first + place for place in range(count)])

    async def log_in_sender(self) -> MeasuredConnection:
        """Log in the user that owns all groups and sends all packets; it is not one of the measured users."""
        (one,) = await self.connect([self.spec.first_user + SENDER_PLACE])
        return one

    async def log_in(self, connections: Connections, url: str = "") -> None:
        """Log in, on our server or on another one. Raises OSError."""
        await transport.log_in(url or self.spec.url, connections, self.spec.ca_file)
        self._connections += connections

    async def connect(self, user_ids: Sequence[int]) -> list[MeasuredConnection]:
        connections = [connection_to(self.spec.url, self.token(user_id)) for user_id in user_ids]
        await self.log_in(connections)
        return connections

    async def request(
        self, todo: RequestsByUser, users_at_once: int = TOTAL_DEPTH
    ) -> dict[MeasuredConnection, list[Message]]:
        """Send all requests; returns the replies in order. Raises SetupFailed if one is missing or an error."""
        users = {one.user_id: one for one in todo}
        replies: dict[MeasuredConnection, list[Message]] = {one: [] for one in todo}
        for first in range(0, len(todo), users_at_once):
            work = {one: load.encode_requests(todo[one]) for one in list(todo)[first : first + users_at_once]}
            log = await load.closed_loop(work, max(1, min(DEPTH, TOTAL_DEPTH // len(work))))
            if log.unanswered or log.lost:
                reason = next((one.end_reason for one in work if one.end_reason), "the server does not answer")
                raise SetupFailed(f"the preparation failed: {reason}")
            for user_id, reply in zip(log.users, log.replies, strict=True):
                if isinstance(reply, messages.Refused):
                    raise SetupFailed(f"the preparation failed: {reply.name} {reply.detail}".rstrip())
                self.acknowledged.add(user_id, reply)
                replies[users[user_id]].append(reply)
        return {one: sorted(those, key=lambda reply: reply.seq) for one, those in replies.items()}

    async def fund(self, amounts_fen: Mapping[int, int]) -> None:
        (backend,) = await self.connect([BACKEND])
        await self.request({backend: [messages.TopUp(0, self.new_key(), *one) for one in amounts_fen.items()]})
        backend.close()

    async def make_groups(self, owner: MeasuredConnection, members: Sequence[Connections]) -> list[int]:
        """A group of this owner for each list of members; returns their ids."""
        return await self.put_groups([(owner.user_id, [one.user_id for one in those]) for those in members])

    async def put_groups(self, groups: Sequence[tuple[int, Sequence[int]]]) -> list[int]:
        """A group for each owner and its other members, as the chat backend makes them; returns their ids."""
        (backend,) = await self.connect([BACKEND])
        puts = [messages.PutGroup(0, self.new_key(), "bench", owner_id) for owner_id, _ in groups]
        made = (await self.request({backend: puts}))[backend]
        group_ids = [reply.group_id for reply in made if isinstance(reply, messages.GroupPut)]
        syncs = [
            messages.SyncMembers(0, group_id, MEMBERS_VERSION, list(dict.fromkeys((owner_id, *user_ids))))
            for group_id, (owner_id, user_ids) in zip(group_ids, groups, strict=True)
        ]
        await self.request({backend: syncs})
        backend.close()
        return group_ids

    async def send_packets(
        self, sender: MeasuredConnection, group_ids: Sequence[int], shares: int, share_fen: int
    ) -> list[int]:
        """A lucky packet into each of these groups; returns their ids."""
        packets = [
            messages.SendPacket(0, self.new_key(), "lucky", group_id, shares * share_fen, shares)
            for group_id in group_ids
        ]
        replies = (await self.request({sender: packets}))[sender]
        return [reply.packet_id for reply in replies if isinstance(reply, messages.PacketSent)]

    async def make_packets(
        self, users: Connections, each: int, shares: int, share_fen: int
    ) -> dict[MeasuredConnection, list[int]]:
        """Groups of GROUP users, and `each` packets into each group; returns the packets of each user's group.

        The sender stays online and receives a push for each claim.
        """
        groups = [users[first : first + GROUP] for first in range(0, len(users), GROUP)]
        self.say(f"{len(groups) * each:,} packets are sent")
        sender = await self.log_in_sender()
        await self.fund({sender.user_id: shares * share_fen * each * len(groups)})
        group_ids = await self.make_groups(sender, groups)
        targets = [group_id for group_id in group_ids for _ in range(each)]
        sent = await self.send_packets(sender, targets, shares, share_fen)
        return {
            one: sent[number * each : (number + 1) * each] for number, those in enumerate(groups) for one in those
        }

    async def take_tickets(
        self, packets: Mapping[MeasuredConnection, Sequence[int]]
    ) -> dict[MeasuredConnection, list[Message]]:
        """Every user grabs their packets; returns the opens that the tickets allow. Raises SetupFailed."""
        self.say("users grab their packets")
        grabs = {one: [messages.Grab(0, packet_id) for packet_id in those] for one, those in packets.items()}
        opens: dict[MeasuredConnection, list[Message]] = {one: [] for one in packets}
        for one, replies in (await self.request(grabs)).items():
            for reply in replies:
                if not isinstance(reply, messages.Grabbed) or not reply.ticket:
                    raise SetupFailed(f"no ticket: {reply}")
                opens[one].append(messages.Open(0, reply.packet_id, reply.ticket))
        return opens
