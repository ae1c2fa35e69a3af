"""What each push does to the model, and the event that it becomes, as a table."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from client_sim.chat.clean import cleaned
from client_sim.chat.model import EXPIRED, GONE, Card
from client_sim.sdk.errors import ClientError
from client_sim.sdk.money import yuan
from client_sim.sdk.pushes import Push, Reloaded
from protocol import messages

if TYPE_CHECKING:
    from client_sim.chat.session import Fields, Session


async def take(session: Session, push: Push) -> None:
    """Take one in; kinds that are not known are for newer clients."""
    handler = PUSHES.get(type(push))
    if handler is not None:
        await handler(session, push)


async def _posted(session: Session, post: messages.TextPosted | messages.PacketPosted) -> None:
    name = await session.name_of(post.sender_id)
    if post.stream_id not in session.model.conversations:
        session.model.place(messages.StreamPosition(post.stream_id, str(post.stream_id), 0, post.message - 1))
        session.tell_group(post.stream_id)
    entry = session.model.posted(post, session.now_ms())
    if entry is None:
        return
    where: Fields = {"group": post.stream_id, "message": post.message, "user": post.sender_id, "from": name}
    if isinstance(entry, Card):
        packet = entry.packet
        about: Fields = {"packet": packet.packet_id, "kind": packet.kind, "shares": packet.shares}
        session.tell("packet", **where, **about, state=packet.state, greeting=packet.greeting)
    else:
        session.tell("text", **where, text=entry.text)


async def _claim_seen(session: Session, push: messages.ClaimNotice) -> None:
    name = await session.name_of(push.user_id)
    key = "notice_own_claim" if push.user_id == session.model.user_id else "notice_claim"
    session.notice(push.packet_id, key, name=name, amount=yuan(push.amount_fen))
    about: Fields = {"amount_fen": push.amount_fen, "left": push.left_shares}
    session.tell("claim", packet=push.packet_id, user=push.user_id, name=name, **about)


async def _finished(session: Session, push: messages.PacketFinished) -> None:
    session.move(push.packet_id, GONE)
    best: Fields = {"best": "", "best_amount_fen": 0}
    if push.best_user_id:
        best = {"best": await session.name_of(push.best_user_id), "best_amount_fen": push.best_amount_fen}
        amount = yuan(push.best_amount_fen)
        session.notice(push.packet_id, "notice_best", push.stream_id, name=str(best["best"]), amount=amount)
    about: Fields = {"group": push.stream_id, "shares": push.shares, "took_ms": push.took_ms}
    session.tell("finished", packet=push.packet_id, **about, **best)


async def _refunded(session: Session, push: messages.PacketRefunded) -> None:
    session.move(push.packet_id, EXPIRED)
    session.notice(push.packet_id, "notice_refund", amount=yuan(push.refunded_fen))
    session.tell("refund", packet=push.packet_id, amount_fen=push.refunded_fen)


async def _balance_changed(session: Session, push: messages.BalanceChanged) -> None:
    session.model.balance_fen = push.balance_fen
    session.tell("balance", balance_fen=push.balance_fen, change_fen=push.change_fen, reason=push.reason)


async def _claims_seen(session: Session, push: messages.ResultUpdate) -> None:
    for one in map(cleaned, push.claims):
        about: Fields = {
            "user": one.user_id,
            "name": one.name,
            "amount_fen": one.amount_fen,
            "at_ms": one.at_ms,
        }
        session.tell("seen", packet=push.packet_id, index=one.index, **about, when=one.when, opened=push.opened)


async def _removed(session: Session, push: messages.RemovedFromGroup) -> None:
    session.remove(push.group_id)


async def _reloaded(session: Session, push: Reloaded) -> None:
    conversation = session.model.conversations.get(push.stream_id)
    if conversation is None:
        return
    conversation.restart(push.last_message)
    session.tell("reload", group=push.stream_id)
    if conversation is session.model.current:
        with contextlib.suppress(ClientError):  # fetched at the next look
            await session.load(conversation)


PUSHES: dict[type, Callable[[Session, Any], Awaitable[None]]] = {
    messages.TextPosted: _posted,
    messages.PacketPosted: _posted,
    messages.ClaimNotice: _claim_seen,
    messages.PacketFinished: _finished,
    messages.PacketRefunded: _refunded,
    messages.BalanceChanged: _balance_changed,
    messages.ResultUpdate: _claims_seen,
    messages.RemovedFromGroup: _removed,
    Reloaded: _reloaded,
}
