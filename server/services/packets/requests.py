"""Requests on packets as plain values: they can be queued, and served again.

A request names where its reply goes: a session and the seq of the request there (see runtime.bus). `answered` and
`claim` belong to the process that serves the request.
"""

from __future__ import annotations

from typing import TypeAlias

from server.core.decisions import Claim


class PendingRequest:
    """One request in flight. `at_ms`: when it arrived."""

    __slots__ = ("answered", "at_ms", "claim", "failures", "needs_read_s", "packet_id", "seq", "session", "user_id")

    def __init__(self, packet_id: int, user_id: int, at_ms: int, session: int, seq: int) -> None:
        self.packet_id = packet_id
        self.user_id = user_id
        self.at_ms = at_ms
        self.session = session
        self.seq = seq
        self.answered = False
        self.claim: Claim | None = None  # an open that was decided as a win, while it is not durable
        self.failures = 0  # of a store, to record its claim
        # of the loop: the answer needs memory that was read since then; 0: not known yet
        self.needs_read_s = 0.0


class GrabRequest(PendingRequest):
    """Tap a packet: is there anything to open, and a ticket if so."""

    __slots__ = ()


class OpenRequest(PendingRequest):
    """Turn a ticket into a claim."""

    __slots__ = ("ticket",)

    def __init__(self, packet_id: int, user_id: int, at_ms: int, session: int, seq: int, ticket: int) -> None:
        super().__init__(packet_id, user_id, at_ms, session, seq)
        self.ticket = ticket


class WinRequest(PendingRequest):
    """Make the next claim of a lease, for a user whose shake has won."""

    __slots__ = ("is_first",)

    def __init__(self, packet_id: int, user_id: int, at_ms: int, session: int, seq: int) -> None:
        super().__init__(packet_id, user_id, at_ms, session, seq)
        self.is_first = False  # of its user in the campaign, as far as this server knows: the record need not count


class LookRequest(PendingRequest):
    """Have the packet in memory, to take a snapshot. The reply says no more than that it is there."""

    __slots__ = ()


PacketCall: TypeAlias = GrabRequest | OpenRequest | LookRequest
