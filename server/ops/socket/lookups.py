"""Lookups of operators: what the records hold, completed with what this process has in memory.

Ids of packets and groups are texts: they are larger than the numbers that JSON readers hold exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import nlargest
from typing import Any, Final

import msgspec

from server.net.address_limits import name_of, text_of
from server.net.session import ClientSession
from server.ops.samples.observed_parts import ObservedParts
from server.services.packets.live_packet import LivePacket
from server.services.payments.lookups import PaymentFacts
from server.services.runtime.lookups import MirrorFacts, PacketFacts, StoreCheck

CHATS_MAX: Final = 50
Facts = dict[str, Any]

SORTS: Final[dict[str, Callable[[ClientSession], float]]] = {
    "pending": lambda one: one.transport.get_write_buffer_size(),
    "idle": lambda one: -one.heard_s,
    "requests": lambda one: one.requests,
}


class Lookups:
    """Answers as JSON-ready mappings. All methods that await raise StoreUnavailable."""

    def __init__(self, parts: ObservedParts, now_ms: Callable[[], int]) -> None:
        self._parts = parts
        self._records = parts.services.lookups
        self._now_ms = now_ms

    # --- one packet, user or group ----------------------------------------------------------------------------

    async def packet(self, packet_id: int) -> Facts | None:
        """A packet in the record, in memory and in the mirror; None if there is no such packet."""
        facts = await self._records.packet(packet_id)
        if facts is None:
            return None
        live = self._parts.services.live_packets.get(packet_id)
        return {
            "packet": str(packet_id),
            "state": facts.state,
            "kind": facts.kind,
            "sender_id": facts.sender_id,
            "target": str(facts.target_id),
            "total_fen": facts.total_fen,
            "shares": facts.shares,
            "created_at_ms": facts.created_at_ms,
            "expires_at_ms": facts.expires_at_ms,
            "record": _record(facts),
            "memory": None if live is None else _memory(live),
            "mirror": facts.mirror if isinstance(facts.mirror, MirrorFacts) else {"error": facts.mirror},
            "newest_claims": facts.newest_claims,
        }

    async def user(self, user_id: int) -> Facts:
        """A user's ban, money, chats and connections."""
        facts = await self._records.user(user_id)
        now_s = self._parts.listener.now_s()
        return {
            "user_id": user_id,
            "known": facts.is_known,
            "banned": facts.is_banned,
            "tokens_from_at_ms": facts.tokens_from_s * 1000 or None,
            "balance_fen": facts.balance_fen,
            "arriving_fen": facts.arriving_fen,
            "connections": [_connection(one, now_s) for one in self._parts.hub.sessions(user_id)],
            "chats": [
                {
                    "stream": str(chat.stream_id),
                    "name": chat.name,
                    "owner_id": chat.owner_id,
                    "last_message": chat.last_message,
                }
                for chat in facts.chats[:CHATS_MAX]
            ],
            "chats_total": len(facts.chats),
        }

    async def group(self, group_id: int) -> Facts | None:
        """A group, and how many of its members are online; None if there is no such group."""
        facts, hub = await self._records.group(group_id), self._parts.hub
        if facts is None:
            return None
        return {
            "group": str(group_id),
            "name": facts.name,
            "owner_id": facts.owner_id,
            "members": len(facts.members),
            "online": sum(1 for user_id in facts.members if hub.sessions(user_id)),
            "last_message": facts.last_message,
        }

    async def groups(self, most: int) -> Facts:
        """The newest groups."""
        return {
            "groups": [
                {
                    "group": str(one.group_id),
                    "external_id": one.external_id,
                    "kind": one.kind,
                    "name": one.name,
                    "owner_id": one.owner_id,
                    "members": one.members,
                }
                for one in await self._records.newest_groups(most)
            ]
        }

    async def payments(self, user_id: int, state: str, most: int) -> Facts:
        """The newest payments, of one user (0: of all) and in one state (empty: in any)."""
        found = await self._parts.services.payments.lookups.newest(user_id, state, most)
        return {"payments": [_payment(one) for one in found]}

    async def payment(self, number: int) -> Facts | None:
        """A payment with all evidence about it; None if there is no such payment."""
        found = await self._parts.services.payments.lookups.payment(number)
        if found is None:
            return None
        payment, evidence = found
        packet = str(payment.packet_id) if payment.packet_id else None
        more = {
            "gateway": payment.gateway,
            "card": payment.card or None,
            "created_at_ms": payment.created_at_ms,
            "changed_at_ms": payment.changed_at_ms,
            "next_try_at_ms": payment.next_try_ms,
            "key": payment.key,
            "packet": packet,
            **({"of_payment": str(payment.of_number)} if payment.of_number else {}),
        }
        return {**_payment(payment), **more, "evidence": [msgspec.structs.asdict(one) for one in evidence]}

    # --- all connections, the stores, the queues --------------------------------------------------------------

    def connections(self, sort: str, most: int) -> Facts:
        """The first connections in an order (a row of SORTS), and the number of all connections."""
        sessions, now_s = self._parts.listener.sessions.values(), self._parts.listener.now_s()
        first = nlargest(most, sessions, key=SORTS[sort])
        return {"connections": [_connection(one, now_s) for one in first], "total": len(sessions)}

    async def stores(self) -> Mapping[str, Facts]:
        """How fast both stores answer a read now, and what they say of themselves."""
        checks = await self._records.check_stores()
        return {
            "postgres": {
                **_answered(checks.postgres, "version"),
                "pool_open": checks.pool_open,
                "pool_idle": checks.pool_idle,
            },
            "redis": _answered(checks.redis, "settings"),
        }

    async def settlement(self) -> Facts:
        """The settlement queue as it is now, and the posts that follow from it.

        A claim that is credited while the queue is read counts as waiting and as settled.
        """
        backlog = await self._records.backlog()
        age_ms = 0 if backlog.oldest_ms is None else self._now_ms() - backlog.oldest_ms
        return {
            "settled": self._parts.services.of_sets.settled_claims,
            "in_flight": self._parts.services.commit.unrecorded,
            "waiting": {
                "claims": backlog.claims,
                "amount_fen": backlog.amount_fen,
                "oldest_at_ms": backlog.oldest_ms,
                "age_s": max(0.0, age_ms / 1000),
            },
            "outbox": {
                "posted": self._parts.services.of_sets.posted,
                "waiting_rows": await self._records.outbox_rows(),
            },
        }

    async def refunds(self) -> Facts:
        """What was refunded since the start, and how many packets are due now."""
        due = await self._records.due_refunds()
        refunds = self._parts.services.refunds
        return {
            "refunded_packets": refunds.refunded_packets,
            "refunded_fen": refunds.refunded_fen,
            "due_packets": due.packets,
            "oldest_due": None if due.oldest_packet_id is None else str(due.oldest_packet_id),
        }


def _payment(payment: PaymentFacts) -> Facts:
    return {
        "payment": str(payment.number),
        "kind": payment.kind,
        "state": payment.state,
        "user_id": payment.user_id,
        "amount_fen": payment.amount_fen,
        "attempts": payment.attempts,
        "age_s": round(payment.age_s, 1),
        "reason": payment.reason,
    }


def _answered(check: StoreCheck, name: str) -> Facts:
    if check.error:
        return {"read_error": check.error}
    return {"answered_in_ms": check.took_ms, name: check.answer}


def _record(facts: PacketFacts) -> Mapping[str, object]:
    return {
        "claims": facts.claims,
        "claimed_fen": facts.claimed_fen,
        "refunded_fen": facts.refunded_fen,
        "unopened_fen": facts.total_fen - facts.claimed_fen - facts.refunded_fen,
        "closed_at_ms": facts.closed_at_ms,
    }


def _memory(live: LivePacket) -> Mapping[str, object]:
    return {
        "loading": live.packet is None,
        "claims": live.packet.version if live.packet is not None else None,
        "durable_claims": live.durable,
        "batches_in_flight": live.in_flight,
        "waiting": len(live.waiting),
        "rejected": len(live.rejected),
        "mirrored": live.mirrored,
    }


def _connection(session: ClientSession, now_s: float) -> Mapping[str, object]:
    peer = session.transport.get_extra_info("peername")
    return {
        "connection": session.number,  # the same number as in the log
        "user_id": session.user_id if session.user_id >= 0 else None,  # None: not logged in
        "address": text_of(session.address) if session.is_proxied else name_of(peer),
        "pending_bytes": session.transport.get_write_buffer_size(),
        "idle_s": round(now_s - session.heard_s, 1),
        "requests": session.requests,
        "connected_s": round(now_s - session.since_s, 1),
    }
