"""Every message of the protocol, one class each, and the tables that list them.

A message travels as a MessagePack array `[kind, seq, field, ...]`. `kind` is the tag of its class, `seq` is chosen
by the client and repeated in the reply; the server's pushes carry 0. A reply's kind is its request's plus 100.
Amounts are whole fen, times are milliseconds since 1970 (UTC) unless a name says otherwise. A reader ignores
elements after the last one it knows; a field that is new comes last and has a default.
"""

from __future__ import annotations

import warnings
from typing import Final

import msgspec

from protocol.messages import (
    campaigns,
    cards,
    chat,
    connection,
    enterprise,
    everyday,
    links,
    money,
    packets,
    pages,
    people,
    reminders,
)
from protocol.messages.base import (
    AVATARS,
    FEATURES_MAX,
    ID_MAX,
    MEMBERS_MAX,
    NAMES_MAX,
    REMINDERS,
    REPLY_OFFSET,
    USER_ID_MAX,
    VERSION,
    Id,
    Int64,
    Message,
    Seq,
    UserId,
)
from protocol.messages.campaigns import *  # noqa: F403 - it has a list of its own
from protocol.messages.cards import *  # noqa: F403 - it has a list of its own
from protocol.messages.chat import (
    AddedToGroup,
    CatchUp,
    CaughtUp,
    ChatOpened,
    CreateGroup,
    GetInvite,
    GetNames,
    GrabStatLine,
    GrabStats,
    GrabStatsShown,
    GroupCreated,
    GroupJoined,
    GroupLeft,
    Invite,
    JoinGroup,
    Kick,
    Kicked,
    LeaveGroup,
    ListMembers,
    Members,
    Names,
    NameSet,
    OpenChat,
    PacketPosted,
    PassShown,
    RemovedFromGroup,
    Said,
    Say,
    SetName,
    ShowPass,
    TextPosted,
)
from protocol.messages.codec import (
    FROM_CLIENT,
    FROM_SERVER,
    KINDS_FROM_CLIENT,
    KINDS_FROM_SERVER,
    PUSHES,
    REQUESTS,
    Envelope,
    decode_envelope,
    decode_from_client,
    decode_from_server,
    encode,
    kind_of,
    naming_field,
)
from protocol.messages.connection import Goodbye, Hello, Login, Ping, Pong, Refused, StreamPosition, Welcome
from protocol.messages.enterprise import *  # noqa: F403 - it has a list of its own
from protocol.messages.everyday import *  # noqa: F403 - it has a list of its own
from protocol.messages.links import *  # noqa: F403 - it has a list of its own
from protocol.messages.money import *  # noqa: F403 - it has a list of its own
from protocol.messages.packets import (
    ClaimLine,
    ClaimNotice,
    GetSeedTrees,
    Grab,
    Grabbed,
    Open,
    Opened,
    PacketFinished,
    PacketRefunded,
    PacketSent,
    Reveal,
    Revealed,
    SeedTree,
    SeedTrees,
    SendAgain,
    SendPacket,
    SentAgain,
)
from protocol.messages.pages import (
    OpenPage,
    OpenPageShown,
    RecordLine,
    Records,
    RecordsShown,
    ResultLine,
    ResultPage,
    ResultPageBody,
    ResultPageShown,
    ResultUpdate,
    StopWatching,
    WatchingStopped,
)
from protocol.messages.people import *  # noqa: F403 - it has a list of its own
from protocol.messages.reminders import *  # noqa: F403 - it has a list of its own

__all__ = [
    "AVATARS",
    "FEATURES_MAX",
    "FROM_CLIENT",
    "FROM_SERVER",
    "ID_MAX",
    "KINDS_FROM_CLIENT",
    "KINDS_FROM_SERVER",
    "MEMBERS_MAX",
    "NAMES_MAX",
    "PUSHES",
    "REMINDERS",
    "REPLY_OFFSET",
    "REQUESTS",
    "USER_ID_MAX",
    "VERSION",
    "AddedToGroup",
    "CatchUp",
    "CaughtUp",
    "ChatOpened",
    "ClaimLine",
    "ClaimNotice",
    "CreateGroup",
    "Envelope",
    "GetInvite",
    "GetNames",
    "GetSeedTrees",
    "Goodbye",
    "Grab",
    "GrabStatLine",
    "GrabStats",
    "GrabStatsShown",
    "Grabbed",
    "GroupCreated",
    "GroupJoined",
    "GroupLeft",
    "Hello",
    "Id",
    "Int64",
    "Invite",
    "JoinGroup",
    "Kick",
    "Kicked",
    "LeaveGroup",
    "ListMembers",
    "Login",
    "Members",
    "Message",
    "NameSet",
    "Names",
    "Open",
    "OpenChat",
    "OpenPage",
    "OpenPageShown",
    "Opened",
    "PacketFinished",
    "PacketPosted",
    "PacketRefunded",
    "PacketSent",
    "PassShown",
    "Ping",
    "Pong",
    "RecordLine",
    "Records",
    "RecordsShown",
    "Refused",
    "RemovedFromGroup",
    "ResultLine",
    "ResultPage",
    "ResultPageBody",
    "ResultPageShown",
    "ResultUpdate",
    "Reveal",
    "Revealed",
    "Said",
    "Say",
    "SeedTree",
    "SeedTrees",
    "SendAgain",
    "SendPacket",
    "SentAgain",
    "Seq",
    "SetName",
    "ShowPass",
    "StopWatching",
    "StreamPosition",
    "TextPosted",
    "UserId",
    "WatchingStopped",
    "Welcome",
    "decode_envelope",
    "decode_from_client",
    "decode_from_server",
    "encode",
    "kind_of",
    "naming_field",
]
__all__ += campaigns.__all__ + cards.__all__ + enterprise.__all__ + everyday.__all__ + links.__all__
__all__ += money.__all__ + people.__all__ + reminders.__all__

# Names of classes until version 0.1; they work for one version more. The numbers on the wire never change.
_OLD_NAMES: Final[dict[str, type[msgspec.Struct]]] = {
    "ClaimSeen": packets.ClaimNotice,
    "ClaimsSeen": pages.ResultUpdate,
    "Place": connection.StreamPosition,
    "ReactionLine": chat.GrabStatLine,
    "Reactions": chat.GrabStats,
    "ReactionsShown": chat.GrabStatsShown,
}


def __getattr__(name: str) -> type[msgspec.Struct]:
    """Find a class by its old name, with a DeprecationWarning. Raises AttributeError."""
    if name not in _OLD_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{name} is now {_OLD_NAMES[name].__name__}", DeprecationWarning, stacklevel=2)
    return _OLD_NAMES[name]
