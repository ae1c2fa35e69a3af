"""Bodies of events: one table of type and renderer. They are rendered from the records when they are sent.

Ids are strings, because JavaScript reads large numbers inexactly; amounts are integers in fen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from server.core import ledger
from server.core.ids import USER_ID_MAX
from server.core.webhooks.events import TEST, EventType
from server.services.webhooks.gathered_facts import Facts, claims_of, gathered, share, told_claims
from server.services.webhooks.sponsor_bodies import SPONSOR_RENDERERS
from storage.postgres.webhooks.deliveries import EventRow
from storage.postgres.webhooks.facts import FactStore, PacketRecord


def _sent(event: EventRow, facts: Facts) -> dict[str, Any]:
    packet = facts.packets[event.subject]
    return {
        **_packet(packet),
        "greeting": packet.greeting,
        "created_at_ms": packet.created_at_ms,
        "expires_at_ms": packet.expires_at_ms,
        **({} if packet.send_at_ms is None else {"send_at_ms": packet.send_at_ms}),
        **({} if packet.only_for is None else {"for_user_ids": [str(one) for one in packet.only_for]}),
    }


def _claimed(event: EventRow, facts: Facts) -> dict[str, Any]:
    packet = facts.packets[event.subject]
    return {
        **_packet(packet),
        "claims": [{"index": one.index, **share(one)} for one in told_claims(event, facts)],
        "left_shares": packet.shares - claims_of(event)[1],
    }


def _finished(event: EventRow, facts: Facts) -> dict[str, Any]:
    packet = facts.packets[event.subject]
    best = {}
    if packet.best_luck_user_id is not None:
        best["best_luck"] = {"user_id": str(packet.best_luck_user_id), "amount_fen": packet.best_luck_fen}
    return {**_packet(packet), "finished_at_ms": packet.closed_at_ms, **best}


def _refunded(event: EventRow, facts: Facts) -> dict[str, Any]:
    packet = facts.packets[event.subject]
    return {
        **_packet(packet),
        "claimed_shares": packet.version,
        "claimed_fen": packet.claimed_fen,
        "refunded_fen": packet.refunded_fen,
        "refunded_at_ms": packet.closed_at_ms,
    }


def _changed(event: EventRow, facts: Facts) -> dict[str, Any]:
    entry = facts.entries[event.subject, event.number]
    packets = [account for account in entry.accounts if account > USER_ID_MAX]
    changes = zip(entry.accounts, entry.changes_fen, strict=True)
    return {
        "user_id": str(entry.user_id),
        "reason": ledger.reason_of(entry.kind),
        "change_fen": entry.change_fen,
        "balance_fen": entry.balance_fen,
        **({"key": entry.key} if entry.key else {}),
        **({"packets": [{"packet_id": str(one), "change_fen": fen} for one, fen in changes]} if packets else {}),
    }


def _payment_ended(event: EventRow, facts: Facts) -> dict[str, Any]:
    payment = facts.payments[event.subject]
    named = {"card_id": payment.card_id, "packet_id": payment.packet_id, "of_payment_id": payment.of_number}
    return {
        "payment_id": str(payment.number),
        "user_id": str(payment.user_id),
        "kind": payment.kind,
        "state": payment.state,
        "amount_fen": payment.amount_fen,
        **({"key": payment.key} if payment.key else {}),
        **({"reason": payment.reason} if payment.reason else {}),
        **{name: str(one) for name, one in named.items() if one is not None},
    }


def _link_shown(event: EventRow, facts: Facts) -> dict[str, Any]:
    one = facts.admissions[event.subject]
    users = {"sender_id": one.sender_id, "user_id": one.user_id, "from_user_id": one.from_user}
    return {
        "packet_id": str(one.packet_id),
        "kind": one.kind,
        **{name: str(user_id) for name, user_id in users.items()},
        "depth": one.depth,
        "at_ms": one.at_ms,
    }


def _judged(event: EventRow, facts: Facts) -> dict[str, Any]:
    one = facts.risk[event.subject]
    decision = {"decision_id": str(one.decision_id), "action": one.action, "rules": one.hits, "at_ms": one.at_ms}
    return {"user_id": str(one.user_id), **decision}


def _banned(event: EventRow, facts: Facts) -> dict[str, Any]:
    return {"user_id": str(event.subject)}


def _test(event: EventRow, facts: Facts) -> dict[str, Any]:
    return {"message": "a test of hongbao webhooks"}


def _packet(packet: PacketRecord) -> dict[str, Any]:
    group = {} if packet.external_id is None else {"group": packet.external_id}
    return {
        "packet_id": str(packet.packet_id),
        "kind": packet.kind,
        "sender_id": str(packet.sender_id),
        "target_id": str(packet.target_id),
        **group,
        "total_fen": packet.total_fen,
        "shares": packet.shares,
    }


RENDERERS: Final[dict[str, Callable[[EventRow, Facts], dict[str, Any]]]] = {
    EventType.PACKET_SENT: _sent,
    EventType.PACKET_CLAIMED: _claimed,
    EventType.PACKET_FINISHED: _finished,
    EventType.PACKET_REFUNDED: _refunded,
    EventType.LINK_SHOWN: _link_shown,
    EventType.WALLET_CHANGED: _changed,
    EventType.PAYMENT_ENDED: _payment_ended,
    **SPONSOR_RENDERERS,
    EventType.RISK_CHALLENGE: _judged,
    EventType.RISK_REVIEW: _judged,
    EventType.USER_BANNED: _banned,
    EventType.USER_UNBANNED: _banned,
    TEST: _test,
}


async def render(store: FactStore, events: Sequence[EventRow]) -> dict[int, bytes]:
    """The body of each event. Raises StoreUnavailable."""
    facts = await gathered(store, events)
    return {one.event_id: _body(one, facts) for one in events}


def _body(event: EventRow, facts: Facts) -> bytes:
    at = datetime.fromtimestamp(event.at_ms // 1000, UTC).replace(microsecond=event.at_ms % 1000 * 1000)
    numbers = {"number": event.number, "previous": event.previous} if event.number else {}
    return msgspec.json.encode(
        {
            "type": event.type,
            "timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": {**RENDERERS[event.type](event, facts), **numbers},
        }
    )
