"""What servers tell each other. Messages of one turn of the loop travel together, in one frame.

    frame = 4 bytes length, big-endian | 4 bytes number, big-endian | MessagePack array of messages
    message = [tag, field, …]

The length is that of the array. The frames of a connection are numbered from 0 in each direction: a frame that is
lost on the way is noticed with the next one, and ends the connection, as any loss does (see healing). This format
is no public protocol: servers of another PEER_VERSION make no peers with each other, and each then decides alone.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from protocol import messages
from protocol.undecodable import UNDECODABLE
from server.core.decisions import Decision
from server.peers.decided_values import as_array, from_array
from server.services.runtime.events import BalanceChange

PEER_VERSION: Final = 5
LENGTH_BYTES: Final = 4
NUMBER_BYTES: Final = 4
NUMBERS: Final = 1 << 8 * NUMBER_BYTES  # then they begin again
FRAME_BYTES_MAX: Final = 1 << 26  # a whole presence of a million users has 9 MB


class _Message(msgspec.Struct, array_like=True, gc=False):
    pass


class PeerHello(_Message, tag=0):
    """The first message of both sides."""

    version: int
    server_id: int
    owns: bool  # False: my server owns nothing while another one does


class UsersCame(_Message, tag=1):
    """These users have a connection at my server. Answered by UsersNoted with the same number."""

    number: int
    user_ids: list[int]


class UsersNoted(_Message, tag=2):
    """Events for these users come to your server from now on."""

    number: int


class UsersLeft(_Message, tag=3):
    """These users have no connection at my server any more."""

    user_ids: list[int]


class SharedEvent(_Message, tag=4):
    """Something happened that users at your server are told of; `event` is an EncodedPush of it (see events)."""

    name: str
    event: msgspec.Raw
    audience: list[int]


class ForwardingSession(_Message, tag=5):
    """A connection at my server whose requests come to you from now on."""

    session: int
    user_id: int
    features: list[str]


class SessionEnded(_Message, tag=6):
    """A connection at my server was lost."""

    session: int


class ForwardedRequest(_Message, tag=7):
    """A request of such a connection; my server has admitted it."""

    session: int
    request: ForwardedKind


class ForwardedReply(_Message, tag=8):
    """The reply to it, encoded for the client. `rows`: of a read, which is charged for; None: it is none."""

    session: int
    seq: int
    reply: bytes
    rows: int | None


class ForwardedRefusal(_Message, tag=9):
    """It is refused; `retry_after_ms` None: that of the refusal."""

    session: int
    seq: int
    refusal: int
    detail: str
    retry_after_ms: int | None


class NotServed(_Message, tag=10):
    """My server goes down and has not begun with this request."""

    session: int
    seq: int


class ForwardedPush(_Message, tag=11):
    """A push for these connections, encoded for the client."""

    sessions: list[int]
    push: bytes
    can_wait: bool


class SubscriptionMoves(_Message, tag=12):
    """A connection follows a packet that is yours now. It has been told of so many claims."""

    session: int
    packet_id: int
    language: str
    told: int


class PacketChanged(_Message, tag=13):
    """My server has changed a packet that is yours: what you have in memory may be older than the record."""

    packet_id: int


class SharedPass(msgspec.Struct, array_like=True, gc=False):
    """A user is in a group without a member list, by a pass that was shown. See HeldPass."""

    user_id: int
    group_id: int
    issued_at_s: int
    until_s: int


class PassesHeld(_Message, tag=14):
    """Passes that users have shown at my server. Answered by PassesNoted with the same number."""

    number: int
    passes: list[SharedPass]


class PassesNoted(_Message, tag=15):
    """The passes hold at my server, too, as far as the record lets them."""

    number: int


class OpenOnBehalf(_Message, tag=17):
    """The chat backend asks my server to open a packet of yours for a user."""

    number: int
    user_id: int
    packet_id: int


class OpenedOnBehalf(_Message, tag=18):
    """The answer to it, or why it is refused (the name of a Reason, and when it may be repeated)."""

    number: int
    decision: Decision | None
    refused: str = ""
    retry_after_ms: int | None = None


class BalancesChanged(_Message, tag=19):
    """Wallets have changed, of users who are at your server: all of one turn of the loop that follow each other."""

    changes: list[BalanceChange]


class ServerLeaves(_Message, tag=16):
    """My server goes down: it owns nothing from now on. What it has begun it finishes."""


class PeerPulse(_Message, tag=20):
    """My server is there; each half second, and when its owners change.

    `owners`: the servers that own something, as it knows. `is_quiet`: none of its claims of packets of other owners
    is in flight.
    """

    owners: list[int]
    is_quiet: bool


class ListensForPushes(_Message, tag=21):
    """Whether my server listens to what is published over NATS; if it does not, pushes come over this link."""

    listens: bool


class PushesPublished(_Message, tag=22):
    """My server has published so many messages of pushes over NATS."""

    number: int


class ClaimsQueued(_Message, tag=23):
    """My server has recorded claims of this set of PostgreSQL, which yours settles. So many more are in flight."""

    set_number: int
    unrecorded: int


ForwardedKind: TypeAlias = (
    messages.Grab
    | messages.Open
    | messages.Shake
    | messages.OpenPage
    | messages.ResultPage
    | messages.StopWatching
    | messages.SayWords
)
PeerMessage: TypeAlias = (
    PeerHello
    | UsersCame
    | UsersNoted
    | UsersLeft
    | SharedEvent
    | ForwardingSession
    | SessionEnded
    | ForwardedRequest
    | ForwardedReply
    | ForwardedRefusal
    | NotServed
    | ForwardedPush
    | SubscriptionMoves
    | PacketChanged
    | PassesHeld
    | PassesNoted
    | ServerLeaves
    | OpenOnBehalf
    | OpenedOnBehalf
    | BalancesChanged
    | PeerPulse
    | ListensForPushes
    | PushesPublished
    | ClaimsQueued
)

_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=as_array)
_DECODER: Final[msgspec.msgpack.Decoder[list[Any]]] = msgspec.msgpack.Decoder(
    list[PeerMessage], dec_hook=from_array
)


class BadFrame(Exception):
    """The other side sends what no server of this version sends, or a frame was lost."""


def frame_of(batch: list[Any], number: int) -> bytes:
    """Messages as the frame with this number."""
    body = _ENCODER.encode(batch)
    return len(body).to_bytes(LENGTH_BYTES, "big") + (number % NUMBERS).to_bytes(NUMBER_BYTES, "big") + body


class FrameReader:
    """Bytes in, messages out."""

    __slots__ = ("_number", "_unread")

    def __init__(self) -> None:
        self._number = 0  # of the next frame
        self._unread = b""

    def read(self, data: bytes) -> list[Any]:
        """The messages that are complete with these bytes. Raises BadFrame."""
        data, at, found = self._unread + data, 0, []
        while len(data) - at >= LENGTH_BYTES + NUMBER_BYTES:
            begin = at + LENGTH_BYTES
            size = int.from_bytes(data[at:begin], "big")
            number = int.from_bytes(data[begin : begin + NUMBER_BYTES], "big")
            begin += NUMBER_BYTES
            if size > FRAME_BYTES_MAX:
                raise BadFrame(f"a frame of {size} bytes")
            if number != self._number:
                raise BadFrame(f"the frame {number} in place of {self._number}: frames were lost")
            if len(data) < begin + size:
                break
            at = begin + size
            self._number = (number + 1) % NUMBERS
            try:
                found += _DECODER.decode(memoryview(data)[begin:at])
            except UNDECODABLE as error:
                raise BadFrame(str(error)) from None
        self._unread = data[at:]
        return found
