"""What each push changes in a session, and the event that it becomes, as a table."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from client_sim.chat import group_requests, packet_requests
from client_sim.chat.clean import cleaned
from client_sim.chat.model import EXPIRED, GONE, Card, Notice, Said
from client_sim.chat.session import Fields, Session
from client_sim.sdk.errors import ClientError
from client_sim.sdk.pushes import MissedChanges, Post, Push, Reloaded
from protocol import messages


async def take(session: Session, push: Push) -> None:
    """Take in one push; unknown kinds are for newer clients and are ignored."""
    handler = PUSHES.get(type(push))
    if handler is not None:
        await handler(session, push)


async def _posted(session: Session, post: messages.TextPosted | messages.PacketPosted) -> None:
    await session.learn_names(group_requests.named_in(post))
    name = session.model.names[post.sender_id]
    _know_stream(session, post)
    entry = session.model.posted(post, session.now_ms())
    if entry is None:
        return
    where: Fields = {"group": post.stream_id, "message": post.message, "user": post.sender_id, "from": name}
    if isinstance(entry, Card):
        packet = entry.packet
        about: Fields = {"packet": packet.packet_id, "kind": packet.kind, "shares": packet.shares}
        named: Fields = {"for": ",".join(map(str, packet.for_user_ids))} if packet.for_user_ids else {}
        session.emit("packet", **where, **about, state=packet.state, greeting=packet.greeting, **named)
    elif isinstance(entry, Said):
        session.emit("text", **where, text=entry.text)


def _know_stream(session: Session, post: Post) -> None:
    """A group may have been joined in another session of the user."""
    if post.stream_id not in session.model.conversations:
        session.add_conversation(messages.StreamPosition(post.stream_id, str(post.stream_id), 0, post.message - 1))


async def _relay_posted(session: Session, post: messages.RelayPosted) -> None:
    name = await session.name_of(post.user_id)
    _know_stream(session, post)
    if session.model.posted(post, session.now_ms()) is not None:
        whose: Fields = {"packet": post.packet_id, "user": post.user_id, "name": name}
        amounts: Fields = {"times": post.times, "amount_fen": post.amount_fen, "shares": post.shares}
        session.emit("turn", group=post.stream_id, message=post.message, **whose, **amounts)


async def _claim_notice(session: Session, push: messages.ClaimNotice) -> None:
    name = await session.name_of(push.user_id)
    key = "notice_own_claim" if push.user_id == session.model.user_id else "notice_claim"
    session.add_notice(push.packet_id, Notice(key, name, push.amount_fen))
    about: Fields = {"amount_fen": push.amount_fen, "left": push.left_shares}
    session.emit("claim", packet=push.packet_id, user=push.user_id, name=name, **about)


async def _finished(session: Session, push: messages.PacketFinished) -> None:
    session.move_packet(push.packet_id, GONE)
    best = ""
    if push.best_user_id:
        best = await session.name_of(push.best_user_id)
        notice = Notice("notice_best", best, push.best_amount_fen)
        session.add_notice(push.packet_id, notice, push.stream_id)
    about: Fields = {"group": push.stream_id, "shares": push.shares, "took_ms": push.took_ms}
    best_amount_fen = push.best_amount_fen if best else 0
    session.emit("finished", packet=push.packet_id, **about, best=best, best_amount_fen=best_amount_fen)


async def _refunded(session: Session, push: messages.PacketRefunded) -> None:
    if push.packet_id in session.desk.cancelled:
        return
    session.move_packet(push.packet_id, EXPIRED)
    session.add_notice(push.packet_id, Notice("notice_refund", "", push.refunded_fen))
    session.emit("refund", packet=push.packet_id, amount_fen=push.refunded_fen)


async def _balance_changed(session: Session, push: messages.BalanceChanged) -> None:
    arrived_fen = push.change_fen if push.reason == "claim" else 0
    arriving_fen = max(0, session.model.arriving_fen - arrived_fen)
    session.take_wallet(push.balance_fen, arriving_fen, push.change_fen, push.reason)
    if push.reason == "claim":
        with contextlib.suppress(ClientError):  # the next change asks again
            await packet_requests.learn_claims(session, push.version)
    else:
        session.wallet_version = max(session.wallet_version, push.version)


async def _missed_changes(session: Session, missed: MissedChanges) -> None:
    session.take_claims(missed.entries)


async def _result_update(session: Session, push: messages.ResultUpdate) -> None:
    for one in map(cleaned, push.claims):
        about: Fields = {
            "user": one.user_id,
            "name": one.name,
            "amount_fen": one.amount_fen,
            "at_ms": one.at_ms,
        }
        session.emit("seen", packet=push.packet_id, index=one.index, **about, when=one.when, opened=push.opened)


async def _removed(session: Session, push: messages.RemovedFromGroup) -> None:
    session.remove_conversation(push.group_id)


async def _added(session: Session, push: messages.AddedToGroup) -> None:
    place = messages.StreamPosition(push.group_id, push.name, push.owner_id, push.last_message)
    session.add_conversation(place)
    await group_requests.name_chats(session)
    one = session.model.conversations[push.group_id]
    session.emit("added", group=one.stream_id, name=one.name, owner=one.owner_id)


async def _reloaded(session: Session, push: Reloaded) -> None:
    conversation = session.model.conversations.get(push.stream_id)
    if conversation is None:
        return
    conversation.restart(push.last_message)
    session.emit("reload", group=push.stream_id)
    if conversation is session.model.current:
        with contextlib.suppress(ClientError):  # fetched when the conversation is shown again
            await group_requests.load(session, conversation)


PUSHES: dict[type, Callable[[Session, Any], Awaitable[None]]] = {
    messages.TextPosted: _posted,
    messages.PacketPosted: _posted,
    messages.RelayPosted: _relay_posted,
    messages.ClaimNotice: _claim_notice,
    messages.PacketFinished: _finished,
    messages.PacketRefunded: _refunded,
    messages.BalanceChanged: _balance_changed,
    messages.ResultUpdate: _result_update,
    messages.RemovedFromGroup: _removed,
    messages.AddedToGroup: _added,
    Reloaded: _reloaded,
    MissedChanges: _missed_changes,
}
