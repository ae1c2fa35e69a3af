"""Posts as messages: reminders typed for clients that say so in their login, as texts for those that do not."""

from __future__ import annotations

from collections.abc import Collection

from protocol import messages
from server.core.ids import BACKEND
from server.core.texts import Language, MoneyWords, Text, plain, say
from server.services.runtime import events

LANGUAGE = Language.ZH  # of the texts for clients that ask for none


def packet_posted(event: events.PacketPost) -> messages.PacketPosted:
    """The announcement of a packet, pushed now or caught up on later."""
    terms = event.terms
    return messages.PacketPosted(
        0,
        event.stream_id,
        event.message,
        terms.sender_id,
        event.at_ms,
        terms.packet_id,
        terms.kind,
        terms.shares,
        terms.greeting,
        terms.commitment,
        terms.expires_at_ms,
    )


def needs_kinds(event: events.PacketPost) -> bool:
    """Whether only a client with the feature draws it."""
    return not event.terms.kind.row.is_known_to_all


def packet_as_text(event: events.PacketPost) -> messages.TextPosted:
    """The announcement of a packet for a client that does not know its kind."""
    stream_id, message, terms, at_ms = event
    return messages.TextPosted(0, stream_id, message, terms.sender_id, at_ms, plain(LANGUAGE, Text.OTHER_KIND))


def reminder(
    event: events.Reminder,
) -> messages.ClaimsReminder | messages.FinishReminder | messages.RefundReminder:
    """A reminder as a client with the feature reads it."""
    place = event.stream_id, event.message, event.at_ms, event.terms.packet_id
    match event:
        case events.ClaimsPost(terms=terms, claims=claims):
            lines = [messages.ClaimLine(one.index, one.user_id, one.amount_fen, one.at_ms) for one in claims]
            return messages.ClaimsReminder(0, *place, terms.shares, lines)
        case events.FinishPost(terms=terms, took_ms=took_ms, best=best):
            luck = (0, 0) if best is None else (best.user_id, best.amount_fen)
            return messages.FinishReminder(0, *place, terms.shares, took_ms, *luck)
        case events.RefundPost(refunded_fen=refunded_fen):
            return messages.RefundReminder(0, *place, refunded_fen)


def caught_up(
    event: events.Posted, features: Collection[str], money: MoneyWords
) -> (
    messages.TextPosted
    | messages.PacketPosted
    | messages.ClaimsReminder
    | messages.FinishReminder
    | messages.RefundReminder
):
    """A post that was caught up on looks just like the push that was missed, if the client knows the kind."""
    if isinstance(event, events.TextPost):
        return messages.TextPosted(0, event.group_id, event.message, event.sender_id, event.at_ms, event.text)
    if isinstance(event, events.PacketPost):
        is_known = messages.KINDS in features or not needs_kinds(event)
        return packet_posted(event) if is_known else packet_as_text(event)
    if messages.REMINDERS in features:
        return reminder(event)
    return messages.TextPosted(0, event.stream_id, event.message, BACKEND, event.at_ms, _text(event, money))


def _text(event: events.Reminder, money: MoneyWords) -> str:
    match event:
        case events.ClaimsPost(claims=claims):
            figures = {"opened": len(claims), "claimed": sum(one.amount_fen for one in claims)}
            return say(LANGUAGE, Text.REMIND_CLAIMS, figures, money)
        case events.FinishPost(terms=terms, took_ms=took_ms):
            return say(LANGUAGE, Text.REMIND_FINISH, {"shares": terms.shares, "took": took_ms}, money)
        case events.RefundPost(refunded_fen=refunded_fen):
            return say(LANGUAGE, Text.REMIND_REFUND, {"left": refunded_fen}, money)
