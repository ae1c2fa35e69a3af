"""The tables of all messages, and the codec: bytes to messages and back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from protocol.messages.base import Message, Seq
from protocol.messages.chat import (
    CatchUp,
    CaughtUp,
    CreateGroup,
    GetNames,
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
from protocol.messages.connection import Goodbye, Hello, Login, Ping, Pong, Refused, Welcome
from protocol.messages.money import (
    Balance,
    BalanceChanged,
    Entries,
    GetBalance,
    GetEntries,
    ToppedUp,
    TopUp,
    Withdraw,
    Withdrawn,
)
from protocol.messages.packets import (
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
    Records,
    RecordsShown,
    ResultPage,
    ResultPageShown,
    ResultUpdate,
    StopWatching,
    WatchingStopped,
)
from protocol.messages.reminders import ClaimsReminder, FinishReminder, RefundReminder

REQUESTS: Final[dict[type[Message], type[Message]]] = {
    Ping: Pong,
    Login: Welcome,
    CreateGroup: GroupCreated,
    JoinGroup: GroupJoined,
    LeaveGroup: GroupLeft,
    ListMembers: Members,
    Say: Said,
    CatchUp: CaughtUp,
    SendPacket: PacketSent,
    Grab: Grabbed,
    Open: Opened,
    Reveal: Revealed,
    OpenPage: OpenPageShown,
    ResultPage: ResultPageShown,
    StopWatching: WatchingStopped,
    Records: RecordsShown,
    SendAgain: SentAgain,
    Kick: Kicked,
    GrabStats: GrabStatsShown,
    SetName: NameSet,
    GetNames: Names,
    GetBalance: Balance,
    TopUp: ToppedUp,
    Withdraw: Withdrawn,
    GetEntries: Entries,
}
PUSHES: Final[tuple[type[Message], ...]] = (
    TextPosted,
    PacketPosted,
    ClaimNotice,
    PacketFinished,
    PacketRefunded,
    BalanceChanged,
    ResultUpdate,
    RemovedFromGroup,
    ClaimsReminder,
    FinishReminder,
    RefundReminder,
)
FROM_CLIENT: Final[tuple[type[Message], ...]] = (*REQUESTS, Pong)
FROM_SERVER: Final[tuple[type[Message], ...]] = (Hello, Goodbye, Ping, *REQUESTS.values(), *PUSHES, Refused)


def kind_of(message: type[Message]) -> int:
    """The number that a message of this class begins with."""
    tag = message.__struct_config__.tag
    assert isinstance(tag, int)
    return tag


KINDS_FROM_CLIENT: Final = frozenset(map(kind_of, FROM_CLIENT))
KINDS_FROM_SERVER: Final = frozenset(map(kind_of, FROM_SERVER))

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode


def _decoder(classes: tuple[type[Message], ...]) -> msgspec.msgpack.Decoder[Any]:
    union: Any = classes[0]
    for one in classes[1:]:
        union = union | one
    return msgspec.msgpack.Decoder(union)


class Envelope(msgspec.Struct, array_like=True, gc=False):
    """What every message begins with. What follows is skipped, not built."""

    kind: int
    seq: Seq


_envelope_decoder = msgspec.msgpack.Decoder(Envelope)


def decode_envelope(payload: bytes) -> tuple[int, int]:
    """The kind and seq of any message, known or not. Raises msgspec.DecodeError, RecursionError."""
    envelope = _envelope_decoder.decode(payload)
    return envelope.kind, envelope.seq


decode_from_client = _decoder(FROM_CLIENT).decode
decode_from_server = _decoder(FROM_SERVER).decode
