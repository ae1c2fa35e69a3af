"""What a user can do with groups and conversations. Each function raises ClientError."""

from __future__ import annotations

import contextlib

from client_sim.chat import packet_requests
from client_sim.chat.clean import cleaned
from client_sim.chat.model import OPEN, Conversation
from client_sim.chat.session import Session
from client_sim.sdk.errors import ClientError
from client_sim.sdk.pushes import Post, Reloaded
from protocol import messages

HISTORY = 50  # posts that are fetched when a conversation is first shown
STATES_ASKED = 10  # open packets in it whose states are fetched


async def go(session: Session, stream_id: int) -> None:
    """Show a conversation; the first time its history is fetched."""
    session.model.go(stream_id)
    session.emit("here", group=stream_id, name=session.model.current.name)
    await load(session, session.model.current)


async def load(session: Session, conversation: Conversation) -> None:
    """Fetch the last posts, once; a temporary failure is tried again for a while.

    After an error they are fetched when the conversation is shown again.
    """
    if conversation.is_loaded:
        return
    after = max(0, conversation.last_message - HISTORY)
    found = await session.patiently(lambda: session.client.catch_up(conversation.stream_id, after))
    posts = [] if isinstance(found, Reloaded) else found
    await session.learn_names([user_id for post in posts for user_id in named_in(post)])
    conversation.add_history([session.model.entry(post, session.now_ms()) for post in posts])
    for card in [card for card in conversation.cards() if card.packet.state == OPEN][-STATES_ASKED:]:
        with contextlib.suppress(ClientError):  # not_allowed: the user may still open it and has no result page yet
            await packet_requests.result(session, card.packet.packet_id)
    session.emit("loaded", group=conversation.stream_id, posts=len(posts))


def named_in(post: Post) -> list[int]:
    """The users whom a post names: its sender and those whom an exclusive packet is for, or whose turn it is."""
    if isinstance(post, messages.RelayPosted):
        return [post.user_id]
    return [post.sender_id, *(post.for_user_ids if isinstance(post, messages.PacketPosted) else ())]


async def say(session: Session, text: str) -> None:
    """Post a text to the group on the screen."""
    await session.client.say(session.model.current_id, text)


async def create(session: Session, name: str) -> None:
    """Make a group and show it."""
    group_id = await session.client.create_group(name)
    session.add_conversation(messages.StreamPosition(group_id, name, session.model.user_id, 0))
    await go(session, group_id)


async def join(session: Session, group_id: int = 0, invite: str = "") -> None:
    """Become a member of a group, by its invite code, and show it."""
    one = await session.client.join_group(group_id, invite)
    session.add_conversation(messages.StreamPosition(one.group_id, one.name, one.owner_id, one.last_message))
    await go(session, one.group_id)


async def invite(session: Session, renew: bool = False) -> str:
    """The invite code of the group on the screen; `renew`: a new one."""
    return await session.client.invite(session.model.current_id, renew)


async def open_chat(session: Session, user_id: int) -> None:
    """Show the one-to-one chat with a user."""
    opened = await session.client.open_chat(user_id)
    session.add_conversation(messages.StreamPosition(opened.stream_id, "", 0, opened.last_message))
    await name_chats(session)
    await go(session, opened.stream_id)


async def name_chats(session: Session) -> None:
    """A one-to-one chat has no name of its own: it is shown under the name of the other user."""
    for chat in [one for one in session.model.conversations.values() if one.is_one_to_one and not one.name]:
        with contextlib.suppress(ClientError):  # tried again a moment later
            user_ids = await session.client.members(chat.stream_id)
            others = [user_id for user_id in user_ids if user_id != session.model.user_id]
            await session.learn_names(others)
            chat.name = " ".join(session.model.names[user_id] for user_id in others)
            session.emit("group", group=chat.stream_id, name=chat.name, owner=0)


async def leave(session: Session) -> None:
    """Leave the group on the screen."""
    group_id = session.model.current_id
    await session.client.leave_group(group_id)
    session.remove_conversation(group_id)


async def members(session: Session) -> list[int]:
    """The members of the group on the screen; their names are known afterwards."""
    user_ids = await session.patiently(lambda: session.client.members(session.model.current_id))
    await session.learn_names(user_ids, again=True)
    return user_ids


async def grab_stats(session: Session) -> list[messages.GrabStatLine]:
    """How fast the members of the group on the screen grab; for its owner."""
    shown = await session.patiently(lambda: session.client.grab_stats(session.model.current_id))
    return [cleaned(one) for one in shown.lines]


async def kick(session: Session, user_id: int) -> None:
    """Remove a member from the group on the screen."""
    await session.client.remove_member(session.model.current_id, user_id)


async def set_name(session: Session, name: str) -> None:
    """Set the name that others see."""
    await session.client.set_name(name)
    session.name = name
    session.model.names.learn(session.model.user_id, name)
