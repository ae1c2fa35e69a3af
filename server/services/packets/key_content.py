"""The content of a key: what must be the same in every send with it (I6)."""

from __future__ import annotations

from server.core.packet_request import PacketRequest
from storage.postgres.packets.packets import PacketRow


def recorded_content(row: PacketRow) -> tuple[object, ...]:
    """What must be the same when a key is used again."""
    only_for = tuple(sorted(row.only_for or ()))
    told = row.kind, row.target_id, row.total_fen, row.shares, row.greeting
    return (*told, row.chat_id or 0, only_for, row.words or "", row.send_at_ms or 0)


def differences(earlier: PacketRow, now: PacketRow) -> str:
    """For the sender: which packet the key has sent, and what is other in it."""
    names = ("kind", "target", "total", "shares", "greeting", "chat", "users", "words", "time")
    pairs = zip(names, recorded_content(earlier), recorded_content(now), strict=True)
    return f"the key has sent packet {earlier.packet_id} with other {', '.join(n for n, a, b in pairs if a != b)}"


def requested_content(one: PacketRequest) -> tuple[object, ...]:
    """The same of a request, whose receiver is known."""
    return (
        one.kind,
        one.target_id,
        one.total_fen,
        one.shares,
        one.greeting,
        one.chat_id,
        one.only_for,
        one.words,
        one.send_at_ms,
    )
