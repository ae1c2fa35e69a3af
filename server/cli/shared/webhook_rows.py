"""Endpoints of webhooks and their deliveries as rows: for a table in words, for JSON as numbers."""

from __future__ import annotations

from typing import Any, TypeAlias

from server.services.webhooks.service import DeliveryItem, EndpointCondition, EndpointItem

Row: TypeAlias = dict[str, Any]


def last_result(last_at_ms: int, status: int, error: str) -> str:
    """The last attempt in words."""
    return (error or f"status {status}") if last_at_ms else "none yet"


def next_try(next_at_ms: int, now_ms: int) -> str:
    """When the next attempt is made, in words."""
    if not next_at_ms:
        return "-"
    seconds = -(-(next_at_ms - now_ms) // 1000)
    return f"in {seconds} s" if seconds > 0 else "now"


def paused(name: str, condition: EndpointCondition, now_ms: int) -> str:
    """That an endpoint pauses after failures, in words."""
    last = last_result(condition.last_at_ms, condition.last_status, condition.last_error)
    tried = next_try(condition.next_at_ms, now_ms)
    return f"{name} is paused after failures (last: {last}; next try {tried}); the test is sent then"


def endpoint_row(one: EndpointItem, condition: EndpointCondition, now_ms: int) -> Row:
    """An endpoint, for a table."""
    return {
        "name": one.name,
        "state": one.state,
        "last_result": last_result(condition.last_at_ms, condition.last_status, condition.last_error),
        "next_try": next_try(condition.next_at_ms if one.state == "enabled" else 0, now_ms),
        "waiting": condition.waiting,
        "url": one.url,
        "types": ", ".join(one.types) or "all",
        "secrets": one.secrets,
    }


def endpoint_json(one: EndpointItem, condition: EndpointCondition) -> Row:
    """An endpoint, for JSON: times 0: none."""
    return {
        "name": one.name,
        "state": one.state,
        "url": one.url,
        "types": ", ".join(one.types) or "all",
        "secrets": one.secrets,
        **condition._asdict(),
    }


def delivery_row(name: str, one: DeliveryItem, now_ms: int) -> Row:
    """A delivery, for a table."""
    return {
        "event": str(one.event_id),
        "endpoint": name,
        "type": one.type,
        "at_ms": one.at_ms,
        "state": one.state,
        "attempts": one.attempts,
        "last_result": last_result(one.last_at_ms, one.last_status, one.last_error),
        "next_try": next_try(one.next_at_ms, now_ms),
    }


def delivery_json(name: str, one: DeliveryItem) -> Row:
    """A delivery, for JSON: times 0: none."""
    return {"endpoint": name, **one._asdict(), "event_id": str(one.event_id), "subject": str(one.subject)}
