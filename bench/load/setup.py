"""Sets the stage before the clock starts: users log in, money comes in, groups form, packets go out.

Everything is asked many at a time on the measuring connections; one await per request would take longer than the
run. What users are told meanwhile is remembered as well: the verdict asks for it in the books, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.load import load, transport
from bench.load.outcome import Told
from bench.load.run_spec import GeneratorSpec
from bench.load.transport import MeasuredConnection
from protocol import messages, tokens
from protocol.messages import Message
from protocol.tokens import Token

GROUP: Final = 20
BACKEND: Final = 0
TOKEN_LIFETIME_S: Final = 24 * 3600
DEPTH: Final = 200  # requests of one user at once
DEPTH_OF_ALL: Final = 2_000  # requests of all users at once
JOINS_AT_ONCE: Final = 200  # those of one group wait for each other

Say = Callable[[str], None]


class SetupFailed(Exception):
    """The stage cannot be set; the message is one line."""


class Setup:
    """One generator's users and what they prepare."""

    def __init__(self, job: GeneratorSpec, say: Say) -> None:
        self.job = job
        self.say = say
        self.told = Told()
        self._wires: list[MeasuredConnection] = []
        self._keys = 0

    def close(self) -> None:
        """Everybody hangs up."""
        for one in self._wires:
            one.close()

    def token(self, user_id: int) -> Token:
        """As the chat backend would mint it."""
        job = self.job
        return tokens.mint(user_id, int(time.time()) + TOKEN_LIFETIME_S, job.key_id, bytes.fromhex(job.key_hex))

    def key(self) -> str:
        """An idempotency key that was never used."""
        self._keys += 1
        return f"{self.job.run}-{self.job.number}-{self._keys}"

    async def users(self, count: int, first: int = 0) -> list[MeasuredConnection]:
        """So many of this generator's users log in, from the one at place `first`. Raises OSError."""
        self.say(f"{count:,} users log in")
        return await self.connect([self.job.first_user + first + place for place in range(count)])

    async def sender(self) -> MeasuredConnection:
        """Who owns the groups and sends packets to all; not one of the users."""
        (one,) = await self.connect([self.job.first_user + SENDER_PLACE])
        return one

    async def log_in(self, wires: Sequence[MeasuredConnection], url: str = "") -> None:
        """These log in, here or at another server. Raises OSError."""
        await transport.log_in(url or self.job.url, wires, self.job.ca_file)
        self._wires += wires

    async def connect(self, user_ids: Sequence[int]) -> list[MeasuredConnection]:
        """These users log in. Raises OSError."""
        wires = [MeasuredConnection(self.token(user_id)) for user_id in user_ids]
        await self.log_in(wires)
        return wires

    async def ask(
        self, todo: Mapping[MeasuredConnection, Sequence[Message]], users_at_once: int = DEPTH_OF_ALL
    ) -> dict[MeasuredConnection, list[Message]]:
        """Ask all of it; the replies in the order of the requests. Raises StageFailed if one is not to be had."""
        users, replies = list(todo), dict[MeasuredConnection, list[Message]]()
        for first in range(0, len(users), users_at_once):
            replies |= await self._ask({one: todo[one] for one in users[first : first + users_at_once]})
        return replies

    async def _ask(
        self, todo: Mapping[MeasuredConnection, Sequence[Message]]
    ) -> dict[MeasuredConnection, list[Message]]:
        depth = max(1, min(DEPTH, DEPTH_OF_ALL // max(1, len(todo))))
        log = await load.closed({one: load.frames_of(requests) for one, requests in todo.items()}, depth)
        if log.unanswered or log.lost:
            why = next((one.why for one in todo if one.why), "the server is silent")
            raise SetupFailed(f"the stage cannot be set: {why}")
        replies: dict[int, list[Message]] = {one.user_id: [] for one in todo}
        for user_id, reply in zip(log.users, log.replies, strict=True):
            if isinstance(reply, messages.Refused):
                raise SetupFailed(f"the stage cannot be set: {reply.name} {reply.detail}".rstrip())
            self.told.note(user_id, reply)
            replies[user_id].append(reply)
        return {one: sorted(replies[one.user_id], key=_by_seq) for one in todo}

    async def fund(self, amounts_fen: Mapping[int, int]) -> None:
        """Money from outside, to each user their amount."""
        (backend,) = await self.connect([BACKEND])
        await self.ask({backend: [messages.TopUp(0, self.key(), *one) for one in amounts_fen.items()]})
        backend.close()

    async def groups(self, owner: MeasuredConnection, members: Sequence[Sequence[MeasuredConnection]]) -> list[int]:
        """A group of this owner for each of these lists of members; their ids."""
        made = (await self.ask({owner: [messages.CreateGroup(0, "bench") for _ in members]}))[owner]
        group_ids = [reply.group_id for reply in made if isinstance(reply, messages.GroupCreated)]
        joins: dict[MeasuredConnection, Sequence[Message]] = {
            one: [messages.JoinGroup(0, group_id)]
            for group_id, those in zip(group_ids, members, strict=True)
            for one in those
        }
        await self.ask(joins, JOINS_AT_ONCE)
        return group_ids

    async def groups_of_their_own(self, owners: Sequence[MeasuredConnection]) -> list[int]:
        """Each of them makes a group; their ids."""
        made = await self.ask({one: [messages.CreateGroup(0, "bench")] for one in owners})
        return [reply.group_id for (reply,) in made.values() if isinstance(reply, messages.GroupCreated)]

    async def send(
        self, sender: MeasuredConnection, group_ids: Sequence[int], shares: int, share_fen: int
    ) -> list[int]:
        """A lucky packet into each of these groups; their ids."""
        packets: list[Message] = [
            messages.SendPacket(0, self.key(), "lucky", group_id, shares * share_fen, shares)
            for group_id in group_ids
        ]
        replies = (await self.ask({sender: packets}))[sender]
        return [reply.packet_id for reply in replies if isinstance(reply, messages.PacketSent)]

    async def packets(
        self, users: Sequence[MeasuredConnection], each: int, shares: int, share_fen: int
    ) -> dict[MeasuredConnection, list[int]]:
        """Groups of GROUP users, and `each` packets into each group; the packets of each user's group.

        The sender stays, and hears of each claim.
        """
        groups = [users[first : first + GROUP] for first in range(0, len(users), GROUP)]
        self.say(f"{len(groups) * each:,} packets are sent")
        sender = await self.sender()
        await self.fund({sender.user_id: shares * share_fen * each * len(groups)})
        group_ids = await self.groups(sender, groups)
        sent = await self.send(sender, [group_id for group_id in group_ids for _ in range(each)], shares, share_fen)
        return {
            one: sent[number * each : (number + 1) * each] for number, those in enumerate(groups) for one in those
        }

    async def tickets(
        self, packets: Mapping[MeasuredConnection, Sequence[int]]
    ) -> dict[MeasuredConnection, list[Message]]:
        """Everybody grabs their packets; the opens that this entitles them to. Raises StageFailed."""
        self.say("everybody takes their tickets")
        grabbed = await self.ask(
            {one: [messages.Grab(0, packet_id) for packet_id in packet_ids] for one, packet_ids in packets.items()}
        )
        opens: dict[MeasuredConnection, list[Message]] = {one: [] for one in packets}
        for one, replies in grabbed.items():
            for reply in replies:
                if not isinstance(reply, messages.Grabbed) or not reply.ticket:
                    raise SetupFailed(f"no ticket: {reply}")
                opens[one].append(messages.Open(0, reply.packet_id, reply.ticket))
        return opens


SENDER_PLACE: Final = 200_000  # behind all users who open


def _by_seq(reply: Message) -> int:
    return reply.seq
