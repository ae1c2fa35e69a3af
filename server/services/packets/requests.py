"""Requests on packets as plain values: they can be queued, forwarded, encoded and replayed.

A request names where its reply goes: a session and the seq of the request there (see runtime.bus). `answered` and
`claim` belong to the process that serves the request.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from server.core.decisions import Claim


class PendingRequest(msgspec.Struct, eq=False, omit_defaults=True):
    """One request in flight. `at_ms`: when it arrived."""

    packet_id: int
    user_id: int
    at_ms: int
    session: int
    seq: int
    answered: bool = False
    claim: Claim | None = None  # an open that was decided as a win, while it is not durable
    failures: int = 0  # of a store, to record its claim
    needs_read_s: float = 0.0  # of the loop: its answer needs memory that was read since then; 0: not known yet


class GrabRequest(PendingRequest, tag="grab"):
    """Tap a packet: is there anything to open, and a ticket if so."""


class OpenRequest(PendingRequest, tag="open", kw_only=True):
    """Turn a ticket into a claim."""

    ticket: int


class WinRequest(PendingRequest, tag="win"):
    """Make the next claim of a lease, for a user whose shake has won."""


class LookRequest(PendingRequest, tag="look"):
    """Have the packet in memory, to take a snapshot. The reply says no more than that it is there."""


PacketCall: TypeAlias = GrabRequest | OpenRequest | LookRequest
