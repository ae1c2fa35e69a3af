"""What operators look up: one packet, user or group in every layer, the connections, the stores, the queues.

Ids of packets and groups are told as text: they are larger than what JSON's readers hold exactly. A seed is never
told: whoever has it knows every share to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from heapq import nlargest
from typing import Any, Final, NamedTuple, TypeVar

from server.net.session import Session
from server.ops.samples.observer import ObservedParts
from server.services.packets.grab_open import state_of
from server.services.packets.live_packet import LivePacket
from storage.errors import StoreUnavailable
from storage.postgres.chat.groups import GroupStore
from storage.postgres.chat.messages import MessageStore
from storage.postgres.database import Database
from storage.postgres.money.settlement import SettlementQueue as Queue
from storage.postgres.packets.packets import ClaimRow, PacketRow
from storage.postgres.packets.packets import PacketStore as Records
from storage.redis.mirror import Mirror

NEWEST_CLAIMS: Final = 20
PLACES_MAX: Final = 50
DUE_MAX: Final = 1_000
STORE_S: Final = 1.0  # PostgreSQL is known to be away within it; Redis by its own clock only in twice that
Facts = dict[str, Any]
Answered = TypeVar("Answered")

SORTS: Final[dict[str, Callable[[Session], float]]] = {
    "pending": lambda one: one.pending_bytes,
    "idle": lambda one: -one.heard_s,
    "requests": lambda one: one.requests,
}


class Stores(NamedTuple):
    """Where facts are looked up."""

    database: Database
    records: Records
    queue: Queue
    groups: GroupStore
    messages: MessageStore
    mirror: Mirror


class Lookups:
    """Answers for people; each asks the stores at most once or twice. Raises StoreUnavailable."""

    def __init__(
        self, parts: ObservedParts, stores: Stores, now_ms: Callable[[], int], now_s: Callable[[], float]
    ) -> None:
        """`now_s` is a clock that never jumps."""
        self._parts = parts
        self._stores = stores
        self._now_ms = now_ms
        self._now_s = now_s

    # --- one of them ------------------------------------------------------------------------------------------

    async def packet(self, packet_id: int) -> Facts | None:
        """A packet in the record, in memory and in the mirror; None: there is none."""
        rows, claims = await self._stores.records.load([packet_id])
        if packet_id not in rows:
            return None
        row, live = rows[packet_id], self._parts.packets.live(packet_id)
        return {
            **_terms(row, self._now_ms()),
            "record": _record(row),
            "memory": None if live is None else _memory(live),
            "mirror": await self._mirrored(packet_id),
            "newest_claims": [_claim(one) for one in reversed(claims[packet_id][-NEWEST_CLAIMS:])],
        }

    async def _mirrored(self, packet_id: int) -> Facts:
        try:
            log = (await _soon(self._stores.mirror.read([packet_id])))[packet_id]
        except StoreUnavailable as error:
            return {"error": str(error)}
        return {"bytes": log.length, "claims": len(log.claims), "closed": log.closed, "readable": log.ours}

    async def user(self, user_id: int) -> Facts:
        """A user's money, places and connections."""
        profile = (await self._stores.groups.profiles([user_id]))[user_id]
        now_s = self._parts.listener.now_s()
        return {
            "user_id": user_id,
            "balance_fen": profile.balance.fen,
            "connections": [_connection(one, now_s) for one in self._parts.hub.sessions(user_id)],
            "places": [
                {
                    "stream": str(place.stream_id),
                    "name": place.name,
                    "owner_id": place.owner_id,
                    "last_message": place.last_message,
                }
                for place in profile.places[:PLACES_MAX]
            ],
            "places_in_all": len(profile.places),
        }

    async def group(self, group_id: int) -> Facts | None:
        """A group, and how many of it are online; None: there is none."""
        groups = await self._stores.groups.load([group_id])
        if not groups:
            return None
        group, hub = groups[0], self._parts.hub
        return {
            "group": str(group_id),
            "name": group.name,
            "owner_id": group.owner_id,
            "members": len(group.members),
            "online": sum(1 for user_id in group.members if hub.sessions(user_id)),
            "last_message": await self._stores.messages.last(group_id),
        }

    # --- all of them ------------------------------------------------------------------------------------------

    def connections(self, sort: str, most: int) -> Facts:
        """The connections that have most of something (a row of SORTS), and how many there are."""
        sessions, now_s = self._parts.listener.sessions, self._parts.listener.now_s()
        first = nlargest(most, sessions, key=SORTS[sort])
        return {"connections": [_connection(one, now_s) for one in first], "in_all": len(sessions)}

    async def stores(self) -> Facts:
        """Whether both stores answer now, and how fast."""
        database, mirror = self._stores.database, self._stores.mirror
        postgres, redis = await asyncio.gather(
            self._asked(database.version, "version"), self._asked(mirror.fsyncs_every_write, "fsyncs_every_write")
        )
        opened, idle = database.connections()
        return {
            "postgres": {**postgres, "pool_open": opened, "pool_idle": idle},
            "redis": {**redis, "mirrors": self._parts.path.mirror_is_up},
        }

    async def settlement(self) -> Facts:
        """The queue of credits, as it is now."""
        backlog = await self._stores.queue.backlog()
        age_ms = 0 if backlog.oldest_ms is None else self._now_ms() - backlog.oldest_ms
        return {
            "settled": self._parts.settlement.settled_claims,
            "on_their_way": self._parts.path.unrecorded,
            "waiting": {
                "claims": backlog.claims,
                "amount_fen": backlog.amount_fen,
                "oldest_at_ms": backlog.oldest_ms,
                "age_s": max(0.0, age_ms / 1000),
            },
        }

    async def refunds(self) -> Facts:
        """What was paid back since the start, and how many packets are due now (counted up to DUE_MAX)."""
        due = await self._stores.records.due(self._now_ms(), DUE_MAX)
        refunds = self._parts.refunds
        return {
            "refunded_packets": refunds.refunded_packets,
            "refunded_fen": refunds.refunded_fen,
            "due_packets": len(due),
            "oldest_due": str(due[0]) if due else None,
        }

    async def _asked(self, ask: Callable[[], Awaitable[object]], name: str) -> Facts:
        """What a store answers, and how fast; or why it does not."""
        began_s = self._now_s()
        try:
            answer = await _soon(ask())
        except StoreUnavailable as error:
            return {"up": False, "why": str(error)}
        return {"up": True, "answered_in_ms": round((self._now_s() - began_s) * 1000, 2), name: answer}


async def _soon(answer: Awaitable[Answered]) -> Answered:
    """It, if it comes soon, so that the rest can still be told in time. Raises StoreUnavailable."""
    try:
        async with asyncio.timeout(STORE_S):
            return await answer
    except TimeoutError:
        raise StoreUnavailable(f"no answer within {STORE_S:g} s") from None


def _terms(row: PacketRow, now_ms: int) -> Facts:
    return {
        "packet": str(row.packet_id),
        "state": state_of(row, now_ms),
        "kind": row.kind,
        "sender_id": row.sender_id,
        "target": str(row.target_id),
        "total_fen": row.total_fen,
        "shares": row.shares,
        "created_at_ms": row.created_at_ms,
        "expires_at_ms": row.expires_at_ms,
    }


def _record(row: PacketRow) -> Mapping[str, object]:
    return {
        "claims": row.version,
        "claimed_fen": row.claimed_fen,
        "refunded_fen": row.refunded_fen,
        "unopened_fen": row.total_fen - row.claimed_fen - row.refunded_fen,
        "closed_at_ms": row.closed_at_ms,
    }


def _memory(live: LivePacket) -> Mapping[str, object]:
    return {
        "being_read": live.packet is None,
        "claims": live.packet.version if live.packet is not None else None,
        "durable_claims": live.durable,
        "batches_in_flight": live.in_flight,
        "waiting": len(live.waiting),
        "undone": len(live.rejected),
        "mirrored": live.mirrored,
    }


def _claim(row: ClaimRow) -> Mapping[str, object]:
    return {"index": row.index, "user_id": row.user_id, "amount_fen": row.amount_fen, "at_ms": row.at_ms}


def _connection(session: Session, now_s: float) -> Mapping[str, object]:
    return {
        "connection": session.number,  # as in the log
        "user_id": session.user_id if session.user_id >= 0 else None,  # None: not logged in
        "address": session.peer,
        "pending_bytes": session.pending_bytes,
        "idle_s": round(now_s - session.heard_s, 1),
        "requests": session.requests,
        "connected_s": round(now_s - session.since_s, 1),
    }
