"""How each event is told: which messages it becomes, to whom, and when they leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from protocol import messages
from server.net.pushes.encoded import EncodedPush
from server.net.pushes.reminders import feature_of, packet_as_text, packet_posted, reminder
from server.services.runtime import events


def _text_posted(event: events.TextPost) -> Iterator[messages.Message]:
    yield messages.TextPosted(0, event.group_id, event.message, event.sender_id, event.at_ms, event.text)


def _packet_posted(event: events.PacketPost) -> Iterator[messages.Message]:
    yield packet_posted(event)


def _packet_as_text(event: events.PacketPost) -> Iterator[messages.Message]:
    yield packet_as_text(event)


def _reminder(event: events.Reminder) -> Iterator[messages.Message]:
    yield reminder(event)


def _claimed(event: events.Claimed) -> Iterator[messages.Message]:
    for claim in event.claims:
        left_shares = event.shares - claim.index - 1
        yield messages.ClaimNotice(0, event.packet_id, claim.user_id, claim.index, claim.amount_fen, left_shares)


def _finished(event: events.Finished) -> Iterator[messages.Message]:
    terms, best = event.terms, event.best
    user_id, amount_fen = (best.user_id, best.amount_fen) if best is not None else (0, 0)
    yield messages.PacketFinished(
        0, terms.packet_id, event.stream_id, terms.shares, event.took_ms, user_id, amount_fen
    )


def _refunded(event: events.Refunded) -> Iterator[messages.Message]:
    yield messages.PacketRefunded(0, event.packet_id, event.refunded_fen)


def _added(event: events.Added) -> Iterator[messages.Message]:
    yield messages.AddedToGroup(0, *event)


def _removed(event: events.Removed) -> Iterator[messages.Message]:
    yield messages.RemovedFromGroup(0, event.group_id)


def _balance_changed(event: events.BalanceChange) -> Iterator[messages.Message]:
    yield messages.BalanceChanged(0, event.balance.fen, event.change_fen, event.reason, event.balance.version)


class Push(NamedTuple):
    """How an event is told. A push that `can_wait` leaves with the next message that cannot.

    A push that is `in_welcome` is left out for a connection that waits for its welcome, which contains it.
    """

    messages: Callable[[Any], Iterable[messages.Message]]
    can_wait: bool
    in_welcome: bool = False
    feature: str = ""  # told to clients that know it; the others catch up on it as a text
    instead: Callable[[Any], Iterable[messages.Message]] | None = None  # for clients that do not know the event

    def feature_of(self, event: events.Event | EncodedPush) -> str:
        """What a client must know to read the event; "": all do."""
        if isinstance(event, EncodedPush):
            return event.feature
        return feature_of(event) if isinstance(event, events.PacketPost) else self.feature

    def payloads(self, event: events.Event | EncodedPush, *, is_known: bool) -> list[bytes]:
        """The event as encoded messages, the same for every receiver that knows it, or for all that do not."""
        if isinstance(event, EncodedPush):
            return event.known if is_known or event.instead is None else event.instead
        made = self.messages if is_known or self.instead is None else self.instead
        return [messages.encode(message) for message in made(event)]


PUSHES: dict[type[events.Event], Push] = {
    events.TextPost: Push(_text_posted, can_wait=False),
    events.PacketPost: Push(_packet_posted, can_wait=False, instead=_packet_as_text),
    events.ClaimsPost: Push(_reminder, can_wait=True, feature=messages.REMINDERS),
    events.FinishPost: Push(_reminder, can_wait=True, feature=messages.REMINDERS),
    events.RefundPost: Push(_reminder, can_wait=True, feature=messages.REMINDERS),
    events.RelayPost: Push(_reminder, can_wait=True, feature=messages.RELAY),
    events.Claimed: Push(_claimed, can_wait=True),
    events.Finished: Push(_finished, can_wait=True),
    events.Refunded: Push(_refunded, can_wait=True),
    events.Added: Push(_added, can_wait=False),
    events.Removed: Push(_removed, can_wait=False),
    events.BalanceChange: Push(_balance_changed, can_wait=True, in_welcome=True),
}


def _nothing(event: EncodedPush) -> Iterator[messages.Message]:
    """It is encoded."""
    yield from ()


# By whether it can wait, and whether there is something for clients that do not know it.
_ENCODED: dict[tuple[bool, bool], Push] = {
    (can_wait, has_other): Push(_nothing, can_wait, instead=_nothing if has_other else None)
    for can_wait in (False, True)
    for has_other in (False, True)
}


def push_of(event: events.Event | EncodedPush) -> Push:
    """How an event is told."""
    if isinstance(event, EncodedPush):
        return _ENCODED[event.can_wait, event.instead is not None]
    return PUSHES[type(event)]


def stream_of(event: Any) -> int:
    """The stream that an event belongs to; 0 for one that concerns a single user."""
    found: int = getattr(event, "stream_id", 0) or getattr(event, "group_id", 0)
    return found


def encoded(event: events.Event) -> EncodedPush:
    """An event for other servers, which tell their clients of it."""
    push = PUSHES[type(event)]
    feature = push.feature_of(event)
    instead = push.payloads(event, is_known=False) if feature and push.instead is not None else None
    known = push.payloads(event, is_known=True)
    return EncodedPush(stream_of(event), getattr(event, "message", 0), push.can_wait, feature, known, instead)
