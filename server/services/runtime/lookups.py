"""Read-only lookups for operators: one packet, user or group, the two stores, the queues. Plain values come back.

A packet's seed never leaves this module: it determines every share that is still unopened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, TypeVar

import msgspec

from server.services.packets.stored_state import state_of
from storage.errors import StoreUnavailable
from storage.stores import Stores

NEWEST_CLAIMS: Final = 20
DUE_PACKETS_MAX: Final = 1_000
STORE_TIMEOUT_S: Final = 1.0  # the probe finds PostgreSQL away within it; Redis' own is longer
Result = TypeVar("Result")


class MirrorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A packet's log in Redis."""

    bytes: int
    claims: int
    closed: bool
    readable: bool  # false: the log has a format that this version does not know


class ClaimFacts(msgspec.Struct, frozen=True):
    """A claim."""

    index: int
    user_id: int
    amount_fen: int
    at_ms: int


class PacketFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A packet as PostgreSQL and Redis have it, without its seed. Times in ms since 1970."""

    packet_id: int
    state: str
    kind: str
    sender_id: int
    target_id: int
    total_fen: int
    shares: int
    created_at_ms: int
    expires_at_ms: int
    claims: int
    claimed_fen: int
    refunded_fen: int
    closed_at_ms: int | None
    newest_claims: list[ClaimFacts]  # newest first
    mirror: MirrorFacts | str  # a text says why Redis gave no answer


class ChatFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One of a user's chats: a group, or their inbox."""

    stream_id: int
    name: str
    owner_id: int
    last_message: int


class UserFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the records hold of a user."""

    is_known: bool
    is_banned: bool
    tokens_from_s: int  # 0: no tokens were revoked
    balance_fen: int
    arriving_fen: int
    chats: list[ChatFacts]


class GroupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the records hold of a group."""

    name: str
    owner_id: int
    members: Collection[int]
    last_message: int


class GroupLine(msgspec.Struct, frozen=True, kw_only=True):
    """A group in a list."""

    group_id: int
    external_id: str  # the chat backend's; empty if a user made the group
    kind: str
    name: str
    owner_id: int
    members: int


class BacklogFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Claims that wait to be credited. `oldest_ms`: when the oldest was opened; None when no claim waits."""

    claims: int
    amount_fen: int
    oldest_ms: int | None


class DueRefunds(msgspec.Struct, frozen=True, kw_only=True):
    """Expired packets that are not refunded yet, counted up to DUE_PACKETS_MAX."""

    packets: int
    oldest_packet_id: int | None


class StoreCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one request to a store. `answer` is None and `error` is set when it failed."""

    answer: str | Mapping[str, str] | None
    error: str
    took_ms: float


class StoreChecks(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one request to each store, and the size of the connection pool."""

    postgres: StoreCheck  # answers its version
    redis: StoreCheck  # answers its settings, as far as they may be read
    pool_open: int
    pool_idle: int


class LookupService:
    """Each lookup sends one or two statements. All methods raise StoreUnavailable unless they say otherwise."""

    def __init__(
        self,
        stores: Stores,
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
    ) -> None:
        """`now_s` is a monotonic clock."""
        self._database = stores.database
        self._packets = stores.packets
        self._queue = stores.settlement
        self._outbox = stores.outbox
        self._groups = stores.groups
        self._messages = stores.messages
        self._mirror = stores.mirror
        self._now_ms = now_ms
        self._now_s = now_s

    async def packet(self, packet_id: int) -> PacketFacts | None:
        """A packet in the record and in the mirror; None if there is no such packet."""
        rows, claims = await self._packets.load([packet_id])
        row = rows.get(packet_id)
        if row is None:
            return None
        return PacketFacts(
            packet_id=row.packet_id,
            state=state_of(row, self._now_ms()),
            kind=row.kind,
            sender_id=row.sender_id,
            target_id=row.target_id,
            total_fen=row.total_fen,
            shares=row.shares,
            created_at_ms=row.created_at_ms,
            expires_at_ms=row.expires_at_ms,
            claims=row.version,
            claimed_fen=row.claimed_fen,
            refunded_fen=row.refunded_fen,
            closed_at_ms=row.closed_at_ms,
            newest_claims=[
                ClaimFacts(one.index, one.user_id, one.amount_fen, one.at_ms)
                for one in reversed(claims[packet_id][-NEWEST_CLAIMS:])
            ],
            mirror=await self._mirror_facts(packet_id),
        )

    async def _mirror_facts(self, packet_id: int) -> MirrorFacts | str:
        try:
            log = (await _within_timeout(self._mirror.read([packet_id])))[packet_id]
        except StoreUnavailable as error:
            return str(error)
        return MirrorFacts(bytes=log.length, claims=len(log.claims), closed=log.closed, readable=log.ours)

    async def user(self, user_id: int) -> UserFacts:
        """A user's balance, chats and ban. A user without records has no money and no chats."""
        profile = (await self._groups.profiles([user_id]))[user_id]
        access = profile.access
        return UserFacts(
            is_known=access is not None,
            is_banned=access is not None and access.is_banned,
            tokens_from_s=0 if access is None else access.tokens_from_s,
            balance_fen=profile.holding.balance.fen,
            arriving_fen=profile.holding.arriving_fen,
            chats=[
                ChatFacts(
                    stream_id=stream.stream_id,
                    name=stream.name,
                    owner_id=stream.owner_id,
                    last_message=stream.last_message,
                )
                for stream in profile.streams
            ],
        )

    async def group(self, group_id: int) -> GroupFacts | None:
        """A group and its members; None if there is no such group."""
        groups = await self._groups.load([group_id])
        if not groups:
            return None
        return GroupFacts(
            name=groups[0].name,
            owner_id=groups[0].owner_id,
            members=groups[0].members,
            last_message=await self._messages.last(group_id),
        )

    async def newest_groups(self, most: int) -> list[GroupLine]:
        """The newest groups and one-to-one chats."""
        return [GroupLine(**row._asdict()) for row in await self._groups.newest(most)]

    async def backlog(self) -> BacklogFacts:
        """The settlement queue."""
        backlog = await self._queue.backlog()
        return BacklogFacts(claims=backlog.claims, amount_fen=backlog.amount_fen, oldest_ms=backlog.oldest_ms)

    async def outbox_rows(self) -> int:
        """How many rows of the outbox wait to become posts."""
        return await self._outbox.waiting()

    async def unopened_fen(self) -> int:
        """The unopened money in all open packets."""
        return await self._packets.unopened_fen()

    async def due_refunds(self) -> DueRefunds:
        """Packets that are due for a refund now."""
        due = await self._packets.due(self._now_ms(), DUE_PACKETS_MAX)
        return DueRefunds(packets=len(due), oldest_packet_id=due[0] if due else None)

    async def check_stores(self) -> StoreChecks:
        """Send one request to each store at the same time. Raises nothing: an outage is part of the result."""
        postgres, redis = await asyncio.gather(
            self._check(self._database.version), self._check(self._redis_settings)
        )
        pool_open, pool_idle = self._database.connections()
        return StoreChecks(postgres=postgres, redis=redis, pool_open=pool_open, pool_idle=pool_idle)

    async def _redis_settings(self) -> Mapping[str, str]:
        found = await self._mirror.settings()
        if not found[0].place:
            return found[0].told
        return {one.place: ", ".join(f"{name} {value}" for name, value in one.told.items()) for one in found}

    async def _check(self, request: Callable[[], Awaitable[str | Mapping[str, str]]]) -> StoreCheck:
        answer, error, began_s = None, "", self._now_s()
        try:
            answer = await _within_timeout(request())
        except StoreUnavailable as unavailable:
            error = str(unavailable)
        return StoreCheck(answer=answer, error=error, took_ms=round((self._now_s() - began_s) * 1000, 2))


async def _within_timeout(answer: Awaitable[Result]) -> Result:
    """The answer, early enough that the rest of the lookup is still reported. Raises StoreUnavailable."""
    try:
        async with asyncio.timeout(STORE_TIMEOUT_S):
            return await answer
    except TimeoutError:
        raise StoreUnavailable(f"no answer within {STORE_TIMEOUT_S:g} s") from None
