"""Every message of the protocol, one class each, and the tables that list them.

A message travels as a MessagePack array `[kind, seq, field, ...]`. `kind` is the tag of its class, `seq` is chosen
by the client and repeated in the reply; the server's pushes carry 0. A reply's kind is its request's plus 100.
Amounts are whole fen, times are milliseconds since 1970 (UTC) unless a name says otherwise. A reader ignores
elements behind the last one it knows; a field that is new comes last and has a default.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

VERSION: Final = 1
USER_ID_MAX: Final = 2**53 - 1
ID_MAX: Final = 2**63 - 1
REPLY_OFFSET: Final = 100
NAMES_MAX: Final = 100  # as many as there are lines on a page
FEATURES_MAX: Final = 16
REMINDERS: Final = "reminders"  # a feature: the client reads ClaimsReminder, FinishReminder and RefundReminder

Seq = Annotated[int, Meta(ge=0, le=2**32 - 1)]
UserId = Annotated[int, Meta(ge=0, le=USER_ID_MAX)]  # 0 is the chat backend itself
Id = Annotated[int, Meta(ge=1, le=ID_MAX)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # any number a column can hold; rules judge the rest


class Message(msgspec.Struct, array_like=True, gc=False):
    """What all messages share: a kind (the tag) and a sequence number."""

    seq: Seq


# --- the connection -------------------------------------------------------------------------------------------


class Hello(Message, tag=1):
    """The server's first words. `limits` maps the names in docs/protocol.md to numbers."""

    version: int
    nonce: bytes
    durability: str
    ping_interval_ms: int
    pong_timeout_ms: int
    now_ms: int
    limits: dict[str, int]


class Goodbye(Message, tag=2):
    """The server's last words before it closes. See codes.Close."""

    code: int
    name: str
    reconnect: bool
    detail: str
    reconnect_after_ms: int = 0


class Ping(Message, tag=3):
    """Are you there? From either side; answered by Pong with the same seq."""


class Pong(Message, tag=4):
    """The answer to Ping."""


class Login(Message, tag=10):
    """Who I am, and the proof that I hold the token: HMAC-SHA256(token's MAC, nonce of the hello)."""

    user_id: UserId
    expires_at_s: Int64
    key_id: str
    proof: bytes
    features: Annotated[list[str], Meta(max_length=FEATURES_MAX)] = msgspec.field(default_factory=list)


class StreamPosition(msgspec.Struct, array_like=True, gc=False):
    """Where one stream of messages stands. A stream is a group or, under the user's own id, their inbox."""

    stream_id: int
    name: str
    owner_id: int
    last_message: int


class Welcome(Message, tag=110):
    """Login accepted: the user's balance and every stream they can catch up on."""

    user_id: int
    balance_fen: int
    places: list[StreamPosition]
    balance_version: int = 0


# --- groups and chat ------------------------------------------------------------------------------------------


class CreateGroup(Message, tag=11):
    """Make a group; its maker owns it and is its first member."""

    name: str


class GroupCreated(Message, tag=111):
    group_id: int


class JoinGroup(Message, tag=12):
    """Become a member. Again is harmless."""

    group_id: Id


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
    """Who is in a group I am in."""

    group_id: Id


class Members(Message, tag=114):
    """`names` has one for each of `user_ids`, "" for who has none."""

    group_id: int
    owner_id: int
    user_ids: list[int]
    names: list[str] = msgspec.field(default_factory=list)


class Kick(Message, tag=32):
    """Owner only: throw somebody out of my group. They cannot come back."""

    group_id: Id
    user_id: UserId


class Kicked(Message, tag=132):
    group_id: int
    user_id: int


class RemovedFromGroup(Message, tag=67):
    """Push: the owner threw you out of this group."""

    group_id: int


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
    """The fastest first, behind them who never grabbed."""

    group_id: int
    lines: list[GrabStatLine]


class SetName(Message, tag=34):
    """What others see me called. "" takes the name away."""

    name: str


class NameSet(Message, tag=134):
    name: str


class GetNames(Message, tag=35):
    """What users are called, at most NAMES_MAX at once."""

    user_ids: Annotated[list[UserId], Meta(max_length=NAMES_MAX)]


class Names(Message, tag=135):
    """In the order in which they were asked for, "" for who has none."""

    names: list[str]


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
    """Push: a packet in a group or, for a personal one, in the receiver's and the sender's inbox."""

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


class CaughtUp(Message, tag=116):
    """The messages asked for, oldest first; ask on from the last one until it equals `last_message`.

    `reload` true: too much was missed to tell it one by one. Nothing is listed; start anew at `last_message`.
    """

    stream_id: int
    last_message: int
    reload: bool
    messages: list[TextPosted | PacketPosted | ClaimsReminder | FinishReminder | RefundReminder]


# --- packets --------------------------------------------------------------------------------------------------


class SendPacket(Message, tag=20):
    """Send a packet. `amount_fen` is the total (lucky, personal) or the amount of one share (equal).

    `target_id` is a group (lucky, equal) or a user (personal). The same `key` with the same content answers the
    same packet and moves no money.
    """

    key: str
    packet_kind: str
    target_id: Id
    amount_fen: Int64
    shares: Int64
    greeting: str = ""


class PacketSent(Message, tag=120):
    packet_id: int
    total_fen: int
    commitment: bytes
    expires_at_ms: int


class Grab(Message, tag=21):
    """Tap a packet: is it still worth opening?"""

    packet_id: Id


class Grabbed(Message, tag=121):
    """`answer` is ticket, claimed, gone, expired, busy or not_allowed; fields that do not belong to it are 0.

    ticket: `ticket` and `lapses_at_ms`. claimed: `amount_fen` and `index`. busy: `retry_after_ms`.
    """

    packet_id: int
    answer: str
    ticket: int = 0
    lapses_at_ms: int = 0
    amount_fen: int = 0
    index: int = 0
    retry_after_ms: int = 0


class Open(Message, tag=22):
    """Turn a ticket into a share."""

    packet_id: Id
    ticket: Int64


class Opened(Message, tag=122):
    """`answer` is won, claimed, gone, expired or not_allowed; amount and index (from 0) belong to the first two."""

    packet_id: int
    answer: str
    amount_fen: int = 0
    index: int = 0
    left_shares: int = 0


class ResultLine(msgspec.Struct, array_like=True, gc=False):
    """One claim in the list of a result page. `when` is for the screen: just now, 3 minutes ago."""

    index: int
    user_id: int
    name: str
    amount_fen: int
    at_ms: int
    when: str


class ResultPageBody(msgspec.Struct, array_like=True, gc=False):
    """What the result page shows to this viewer. Texts are in the language asked for; "" is not there.

    `state` is open, finished, expired or refunded. `amount_fen` is the viewer's own share, 0 without one, and
    `amount` says it. `claims` come newest first; if there are `more`, ask on with the index of the last one.
    `best_index` is -1 while nobody may be marked, with `best_mark`. `ending`: what becomes of the rest when it has
    expired. `watched`: claims to come will be pushed (ClaimsSeen).
    """

    packet_kind: str
    state: str
    sender_id: int
    sender_name: str
    greeting: str
    amount_fen: int
    note: str
    summary: str
    button: str
    link: str
    shows_list: bool
    best_index: int
    opened: int
    shares: int
    claims: list[ResultLine]
    more: bool
    watched: bool
    amount: str = ""
    ending: str = ""
    best_mark: str = ""


class OpenPage(Message, tag=27):
    """Tap a packet: a grab, and the page to show, in one round trip. `language` is zh or en."""

    packet_id: Id
    language: str = "zh"


class OpenPageShown(Message, tag=127):
    """`answer` is that of a grab. `view` is open, gone, expired or result, and "" for busy and not_allowed.

    `button` (拆) opens with the ticket; `link` leads to the result page. view result: `result` is that page. Who
    sent a packet that they may not open is answered not_allowed and sees the result.
    """

    packet_id: int
    answer: str
    view: str = ""
    sender_id: int = 0
    sender_name: str = ""
    greeting: str = ""
    line: str = ""
    button: str = ""
    link: str = ""
    ticket: int = 0
    lapses_at_ms: int = 0
    retry_after_ms: int = 0
    result: ResultPageBody | None = None


class ResultPage(Message, tag=28):
    """Who got how much, as far as I may see it. `before_index` 0: the newest; `watch`: push claims to come."""

    packet_id: Id
    language: str = "zh"
    before_index: Int64 = 0
    watch: bool = False


class ResultPageShown(Message, tag=128):
    packet_id: int
    page: ResultPageBody


class StopWatching(Message, tag=29):
    """No more pushes of this packet's claims. Again is harmless."""

    packet_id: Id


class WatchingStopped(Message, tag=129):
    packet_id: int


class ResultUpdate(Message, tag=66):
    """Push to who watches a result page: claims since the last push, oldest first, at most ten pushes a second.

    `summary` is the line above the list as it reads now. When all shares are opened this is the last push.
    """

    packet_id: int
    opened: int
    claims: list[ResultLine]
    summary: str = ""


class SendAgain(Message, tag=31):
    """Push my unfinished packet again: where it was sent (`group_id` 0), or to another group that I am in."""

    packet_id: Id
    group_id: Int64 = 0


class SentAgain(Message, tag=131):
    packet_id: int
    stream_id: int
    message: int


class Records(Message, tag=30):
    """What I `sent` or `received` in a year (0: this one), newest first, behind a line (0: from the top)."""

    direction: str
    year: Int64 = 0
    before_at_ms: Int64 = 0
    before_packet_id: Int64 = 0


class RecordLine(msgspec.Struct, array_like=True, gc=False):
    """One packet. Received: from whom and my share. Sent: to which group or user, and the total."""

    packet_id: int
    packet_kind: str
    at_ms: int
    user_id: int
    name: str
    amount_fen: int
    shares: int
    opened: int
    state: str
    is_best: bool


class RecordsShown(Message, tag=130):
    """Count and total are of the whole year; `years` are those with anything, newest first."""

    direction: str
    year: int
    years: list[int]
    count: int
    total_fen: int
    best_lucks: int
    lines: list[RecordLine]
    more: bool


class Reveal(Message, tag=23):
    """The proof of a packet that is over: its seed and all its claims."""

    packet_id: Id


class ClaimLine(msgspec.Struct, array_like=True, gc=False):
    """One claim of a packet that is over."""

    index: int
    user_id: int
    amount_fen: int
    at_ms: int


class Revealed(Message, tag=123):
    """`state` is finished or refunded: before the record is closed, a claim may be missing from it."""

    packet_id: int
    packet_kind: str
    state: str
    sender_id: int
    total_fen: int
    shares: int
    share_fen_max: int
    commitment: bytes
    seed: bytes
    best_index: int
    claims: list[ClaimLine]
    share_fen_min: int = 1


class ClaimNotice(Message, tag=62):
    """Push to the sender: somebody opened a share of your packet (红包被抢提醒)."""

    packet_id: int
    user_id: int
    index: int
    amount_fen: int
    left_shares: int


class PacketFinished(Message, tag=63):
    """Push to the group and the sender: all shares are opened. Best luck is 0 where the kind has none."""

    packet_id: int
    stream_id: int
    shares: int
    took_ms: int
    best_user_id: int
    best_amount_fen: int


class PacketRefunded(Message, tag=64):
    """Push to the sender: the packet expired and this came back."""

    packet_id: int
    refunded_fen: int


# --- money ----------------------------------------------------------------------------------------------------


class GetBalance(Message, tag=24):
    """What is in my wallet."""


class Balance(Message, tag=124):
    balance_fen: int


class TopUp(Message, tag=25):
    """Chat backend only: money comes in from outside. The same key with the same content moves nothing twice."""

    key: str
    user_id: Annotated[int, Meta(ge=1, le=USER_ID_MAX)]
    amount_fen: Int64


class ToppedUp(Message, tag=125):
    user_id: int
    balance_fen: int


class Withdraw(Message, tag=26):
    """Chat backend only: money leaves to the outside. Keyed like TopUp."""

    key: str
    user_id: Annotated[int, Meta(ge=1, le=USER_ID_MAX)]
    amount_fen: Int64


class Withdrawn(Message, tag=126):
    user_id: int
    balance_fen: int


class BalanceChanged(Message, tag=65):
    """Push: your wallet changed. `reason` is top_up, withdraw, send, claim or refund."""

    balance_fen: int
    change_fen: int
    reason: str
    version: int = 0


class Refused(Message, tag=200):
    """A request was refused. See codes.Refusal; `detail` is for the developer, not for the screen."""

    code: int
    name: str
    temporary: bool
    retry_after_ms: int
    detail: str = ""


# --- reminders and entries: what a user missed ------------------------------------------------------------------


class ClaimsReminder(Message, tag=68):
    """In the sender's inbox: claims on your packet, also those that ClaimNotice has told. See Login.features."""

    stream_id: int
    message: int
    at_ms: int
    packet_id: int
    shares: int
    claims: list[ClaimLine]


class FinishReminder(Message, tag=69):
    """In a group, and in the sender's inbox: all shares are opened, as PacketFinished has told."""

    stream_id: int
    message: int
    at_ms: int
    packet_id: int
    shares: int
    took_ms: int
    best_user_id: int
    best_amount_fen: int


class RefundReminder(Message, tag=70):
    """In the sender's inbox: the packet expired and this came back, as PacketRefunded has told."""

    stream_id: int
    message: int
    at_ms: int
    packet_id: int
    refunded_fen: int


class GetEntries(Message, tag=36):
    """The changes of my wallet behind a version of it, oldest first."""

    after_version: Int64


class EntryLine(msgspec.Struct, array_like=True, gc=False):
    """One change. `version` counts a wallet's changes; `packet_id` is 0 where no packet moved the money."""

    version: int
    at_ms: int
    reason: str
    change_fen: int
    balance_fen: int
    packet_id: int


class Entries(Message, tag=136):
    """If there are `more`, ask on behind the last one."""

    entries: list[EntryLine]
    more: bool


# --- the tables -----------------------------------------------------------------------------------------------

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
