"""Groups, names, texts, and catching up on a stream."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.messages.base import ID_MAX, NAMES_MAX, Id, Int64, Message, Person, UserId
from protocol.messages.everyday import RelayPosted
from protocol.messages.reminders import ClaimsReminder, FinishReminder, RefundReminder


class CreateGroup(Message, tag=11):
    """Make a group; its maker owns it and is its first member."""

    name: str


class GroupCreated(Message, tag=111):
    group_id: int


class JoinGroup(Message, tag=12):
    """Become a member by an invite code. Again is harmless, and a member needs no code.

    `group_id` 0: the group that the code belongs to.
    """

    group_id: Annotated[int, Meta(ge=0, le=ID_MAX)]
    invite: str = ""


class GroupJoined(Message, tag=112):
    group_id: int
    name: str
    owner_id: int
    last_message: int


class LeaveGroup(Message, tag=13):
    """Stop being a member. Again is harmless."""

    group_id: Id


class GroupLeft(Message, tag=113):
    group_id: int


class ListMembers(Message, tag=14):
    """The members of a group that I am in, by their ids, those after `after_user_id`; at most MEMBERS_MAX."""

    group_id: Id
    after_user_id: UserId = 0


class Members(Message, tag=114):
    """`names` has one for each of `user_ids`, "" for a user without a name. `more`: ask on after the last one.

    `avatar_urls`, for clients with the feature AVATARS: one for each, "" for a user without a picture.
    """

    group_id: int
    owner_id: int
    user_ids: list[int]
    names: list[str] = msgspec.field(default_factory=list)
    more: bool = False
    avatar_urls: list[str] = msgspec.field(default_factory=list)


class GetInvite(Message, tag=43):
    """The invite code of a group that I am in; `renew` (owner only): a new one, and the old one ends."""

    group_id: Id
    renew: bool = False


class Invite(Message, tag=143):
    """`code`: 80 random bits, as 16 letters and digits. To be told only to those who may join."""

    group_id: int
    code: str


class OpenChat(Message, tag=45):
    """The one-to-one chat with another user; made if there is none yet."""

    user_id: Person


class ChatOpened(Message, tag=145):
    """The chat is a stream like a group's: `stream_id` takes texts and personal packets."""

    stream_id: int
    user_id: int
    last_message: int


class ShowPass(Message, tag=44):
    """Show what the chat backend signed: that I am in a group without a member list, until a time."""

    signed: str


class PassShown(Message, tag=144):
    """On this server I am a member of the group until the pass expires. Show it again on each new connection."""

    group_id: int
    expires_at_s: int


class Kick(Message, tag=32):
    """Owner only: remove a user from my group for good."""

    group_id: Id
    user_id: UserId


class Kicked(Message, tag=132):
    group_id: int
    user_id: int


class RemovedFromGroup(Message, tag=67):
    """Push: the owner removed you from this group."""

    group_id: int


class AddedToGroup(Message, tag=71):
    """Push: the chat backend made you a member of this group, or another user opened a chat with you."""

    group_id: int
    name: str
    owner_id: int
    last_message: int


class GrabStats(Message, tag=33):
    """Owner only: who grabs first, and who never sends."""

    group_id: Id


class GrabStatLine(msgspec.Struct, array_like=True, gc=False):
    """One member: median time from push to grab (0: never grabbed), packets grabbed, grabbed first, and sent."""

    user_id: int
    name: str
    median_ms: int
    grabs: int
    first_places: int
    sent_packets: int


class GrabStatsShown(Message, tag=133):
    """The fastest first, then those who never grabbed."""

    group_id: int
    lines: list[GrabStatLine]


class SetName(Message, tag=34):
    """What others see me called. "" takes the name away."""

    name: str


class NameSet(Message, tag=134):
    name: str


class GetNames(Message, tag=35):
    """The names of users, at most NAMES_MAX at once."""

    user_ids: Annotated[list[UserId], Meta(max_length=NAMES_MAX)]


class Names(Message, tag=135):
    """In the order of the request, "" for a user without a name; `avatar_urls` as in Members."""

    names: list[str]
    avatar_urls: list[str] = msgspec.field(default_factory=list)


class Say(Message, tag=15):
    """A text to a group."""

    group_id: Id
    text: str


class Said(Message, tag=115):
    group_id: int
    message: int


class CatchUp(Message, tag=16):
    """What came in a stream after message number `after`."""

    stream_id: Id
    after: Int64


class TextPosted(Message, tag=60):
    """Push: a text in a group. `message` numbers a stream's messages 1, 2, 3, … without a gap."""

    stream_id: int
    message: int
    sender_id: int
    at_ms: int
    text: str


class PacketPosted(Message, tag=61):
    """Push: a packet in a group or, for a personal one, in the receiver's and the sender's inbox.

    `for_user_ids`: whom an exclusive one is for, the first 10 of them.
    """

    stream_id: int
    message: int
    sender_id: int
    at_ms: int
    packet_id: int
    packet_kind: str
    shares: int
    greeting: str
    commitment: bytes
    expires_at_ms: int
    for_user_ids: list[int] = msgspec.field(default_factory=list)


class CaughtUp(Message, tag=116):
    """The messages asked for, oldest first; ask on from the last one until it equals `last_message`.

    `reload` true: too much was missed to list it. The list is empty; continue from `last_message`.
    """

    stream_id: int
    last_message: int
    reload: bool
    messages: list[TextPosted | PacketPosted | ClaimsReminder | FinishReminder | RefundReminder | RelayPosted]
