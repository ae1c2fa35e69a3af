"""Every message of the protocol, one class each, and the tables that list them.

A message travels as a MessagePack array `[kind, seq, field, ...]`. `kind` is the tag of its class, `seq` is chosen
by the client and repeated in the reply; the server's pushes carry 0. A reply's kind is its request's plus 100.
Amounts are whole fen, times are milliseconds since 1970 (UTC) unless a name says otherwise. A reader ignores
elements behind the last one it knows; a field that is new comes last and has a default.
"""

from __future__ import annotations

import warnings
from typing import Final

import msgspec

from protocol.messages import chat, connection, packets, pages
from protocol.messages.base import (
    ID_MAX,
    NAMES_MAX,
    REPLY_OFFSET,
    USER_ID_MAX,
    VERSION,
    Id,
    Int64,
    Message,
    Seq,
    UserId,
)
from protocol.messages.chat import (
    CatchUp,
    CaughtUp,
    CreateGroup,
    GetNames,
    GrabStatLine,
    GrabStats,
    GrabStatsShown,
    GroupCreated,
    GroupJoined,
    GroupLeft,
    JoinGroup,
    Kick,
    Kicked,
    LeaveGroup,
    ListMembers,
    Members,
    Names,
    NameSet,
    PacketPosted,
    RemovedFromGroup,
    Said,
    Say,
    SetName,
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
)
from protocol.messages.connection import Goodbye, Hello, Login, Ping, Pong, Refused, StreamPosition, Welcome
from protocol.messages.money import Balance, BalanceChanged, GetBalance, ToppedUp, TopUp, Withdraw, Withdrawn
from protocol.messages.packets import (
    ClaimLine,
    ClaimNotice,
    Grab,
    Grabbed,
    Open,
    Opened,
    PacketFinished,
    PacketRefunded,
    PacketSent,
    Reveal,
    Revealed,
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

__all__ = [
    "FROM_CLIENT",
    "FROM_SERVER",
    "ID_MAX",
    "KINDS_FROM_CLIENT",
    "KINDS_FROM_SERVER",
    "NAMES_MAX",
    "PUSHES",
    "REPLY_OFFSET",
    "REQUESTS",
    "USER_ID_MAX",
    "VERSION",
    "Balance",
    "BalanceChanged",
    "CatchUp",
    "CaughtUp",
    "ClaimLine",
    "ClaimNotice",
    "CreateGroup",
    "Envelope",
    "GetBalance",
    "GetNames",
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
    "OpenPage",
    "OpenPageShown",
    "Opened",
    "PacketFinished",
    "PacketPosted",
    "PacketRefunded",
    "PacketSent",
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
    "SendAgain",
    "SendPacket",
    "SentAgain",
    "Seq",
    "SetName",
    "StopWatching",
    "StreamPosition",
    "TextPosted",
    "TopUp",
    "ToppedUp",
    "UserId",
    "WatchingStopped",
    "Welcome",
    "Withdraw",
    "Withdrawn",
    "decode_envelope",
    "decode_from_client",
    "decode_from_server",
    "encode",
    "kind_of",
]

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
