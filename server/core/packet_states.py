"""The states of a packet in memory, and the one table of transitions between them. Pure.

The diagram in docs/design.md is generated from this table (`python -m server.core.packet_states`); a test compares
the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class PacketState(StrEnum):
    """What memory knows of a packet."""

    ABSENT = "absent"  # not in memory
    LOADING = "loading"  # waits to be read from the stores, or is being read; requests wait
    READY = "ready"  # memory holds what the stores hold, and the claims in flight
    DISTRUSTED = "distrusted"  # a store rejected a batch; requests wait until its last batch has returned
    POSTPONED = "postponed"  # the stores are away and claims must be recorded; read again by itself


class PacketEvent(StrEnum):
    """What moves a packet from one state to another."""

    REQUESTED = "requested"  # a request, or a log that only the mirror holds, names the packet
    SENT = "sent"  # it was recorded by this process
    READ = "read"  # record and mirror were read, and agree
    OVERTAKEN = "overtaken"  # another writer moved the record meanwhile, or it was sent while it was looked for
    MISSING = "missing"  # there is no such packet, or its record is damaged
    STORES_AWAY = "stores away"  # it could not be read, and nothing of it is left to record
    STORES_AWAY_OWING = "stores away, claims to record"  # it could not be read, but claims must be recorded
    RETRY = "retry"  # the time of the next try has come, or a request asks for it
    REJECTED = "rejected"  # a store refused a batch, or its outcome is unknown
    DOUBTED = "doubted"  # another server may have moved it on, or it has expired and the mirror was never read
    RELEASED = "released"  # no batch of it is in flight any more
    EVICTED = "evicted"  # memory is short, and nothing of it is in flight


S, E = PacketState, PacketEvent
TRANSITIONS: Final[Mapping[tuple[PacketState, PacketEvent], PacketState]] = {
    (S.ABSENT, E.REQUESTED): S.LOADING,
    (S.ABSENT, E.SENT): S.READY,
    (S.LOADING, E.READ): S.READY,
    (S.LOADING, E.OVERTAKEN): S.LOADING,
    (S.LOADING, E.MISSING): S.ABSENT,
    (S.LOADING, E.STORES_AWAY): S.ABSENT,
    (S.LOADING, E.STORES_AWAY_OWING): S.POSTPONED,
    (S.POSTPONED, E.RETRY): S.LOADING,
    (S.READY, E.REJECTED): S.DISTRUSTED,
    (S.READY, E.DOUBTED): S.DISTRUSTED,
    (S.READY, E.EVICTED): S.ABSENT,
    (S.DISTRUSTED, E.REJECTED): S.DISTRUSTED,
    (S.DISTRUSTED, E.RELEASED): S.LOADING,
}


def next_state(state: PacketState, event: PacketEvent) -> PacketState:
    """The state after an event. Raises ValueError: this event cannot happen in this state."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ValueError(f"a packet that is {state} cannot be {event}") from None


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = [f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {PacketState.ABSENT}", *lines])


if __name__ == "__main__":
    print(diagram())
