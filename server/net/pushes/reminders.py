"""Posts as messages: reminders typed for clients that say so in their login, as texts for those that do not."""

from __future__ import annotations

from collections.abc import Collection

from protocol import messages
from server.core.ids import BACKEND
from server.core.pages import named
from server.core.texts import Language, MoneyWords, Text, plain, say
from server.services.runtime import events

LANGUAGE = Language.ZH  # of the texts for clients that ask for none


def feature_of(event: events.Posted) -> str:
    """What a client must know to read a post as what it is; "": all do, and others get a text in its place."""
    if isinstance(event, events.PacketPost):
        return event.terms.kind.row.feature
    if isinstance(event, events.RelayPost):
        return messages.RELAY
    return "" if isinstance(event, events.TextPost) else messages.REMINDERS


def packet_as_text(event: events.PacketPost) -> messages.TextPosted:
    """The announcement of a packet for a client that does not know its kind."""
    place = event.stream_id, event.message, event.terms.sender_id, event.at_ms
    return messages.TextPosted(0, *place, plain(LANGUAGE, Text.NEW_KIND, {}))


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
        list(named(terms)) if terms.only_for else [],
    )


def reminder(
    event: events.Reminder,
) -> messages.ClaimsReminder | messages.FinishReminder | messages.RefundReminder | messages.RelayPosted:
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
        case events.RelayPost(user_id=user_id, times=times, amount_fen=amount_fen, terms=terms):
            return messages.RelayPosted(0, *place, user_id, times, amount_fen, terms.shares)


def caught_up(
    event: events.Posted, features: Collection[str], money: MoneyWords
) -> (
    messages.TextPosted
    | messages.PacketPosted
    | messages.ClaimsReminder
    | messages.FinishReminder
    | messages.RefundReminder
    | messages.RelayPosted
):
    """A post that was caught up on looks just like the push that was missed, if the client knows the kind."""
    if isinstance(event, events.TextPost):
        return messages.TextPosted(0, event.group_id, event.message, event.sender_id, event.at_ms, event.text)
    if isinstance(event, events.PacketPost):
        feature = feature_of(event)
        return packet_posted(event) if not feature or feature in features else packet_as_text(event)
    if feature_of(event) in features:
        return reminder(event)
    return messages.TextPosted(0, event.stream_id, event.message, BACKEND, event.at_ms, _text(event, money))


def _text(event: events.Reminder, money: MoneyWords) -> str:
    match event:
        case events.ClaimsPost(claims=claims):
            figures = {"opened": len(claims), "claimed": sum(one.amount_fen for one in claims)}
            return say(LANGUAGE, Text.REMIND_CLAIMS, figures, money)
        case events.FinishPost(terms=terms, took_ms=took_ms):
            return say(LANGUAGE, Text.REMIND_FINISH, {"shares": terms.shares, "took": took_ms}, money)
        case events.RefundPost(refunded_fen=refunded_fen, terms=terms, at_ms=at_ms):
            text = Text.REMIND_CANCEL if at_ms < terms.created_at_ms else Text.REMIND_REFUND  # before its time
            return say(LANGUAGE, text, {"left": refunded_fen}, money)
        case events.RelayPost(user_id=user_id, amount_fen=amount_fen):
            return say(LANGUAGE, Text.REMIND_RELAY, {"n": user_id, "amount": amount_fen}, money)
