"""Packets: send, grab, open, reveal, and the pushes that tell of claims, the finish and the refund."""

from __future__ import annotations

import msgspec

from protocol.messages.base import Id, Int64, Message, Person


class SendPacket(Message, tag=20):
    """Send a packet. `amount_fen`: the total (lucky, password, personal) or that of one share (equal, exclusive).

    `target_id` is a group, or a user or one-to-one chat (personal). `for_user_ids`: of an exclusive one the members
    of the group who may open it, one share each. `words`: of a password one what users say to open it.
    `send_at_ms`: when it is posted; 0: at once. The same `key` with the same content answers the same packet and
    moves no money. `client_seed` (0 or 16 to 32 random bytes) goes into the packet's seed; it is no part of the
    content: the first one counts. `card_id`: the card of mine that pays the whole packet; 0: the wallet.
    `password`: my pay password, with a card, and from the wallet if it is needed.
    """

    key: str
    packet_kind: str
    target_id: Id
    amount_fen: Int64
    shares: Int64
    greeting: str = ""
    client_seed: bytes = b""
    card_id: Int64 = 0
    password: str = ""
    for_user_ids: list[Person] = msgspec.field(default_factory=list)
    words: str = ""
    send_at_ms: Int64 = 0

    def __repr__(self) -> str:
        return f"SendPacket(seq={self.seq}, key={self.key!r}, {self.packet_kind}, {self.amount_fen} fen, …)"


class PacketSent(Message, tag=120):
    """`seed_index`: which of my server seeds was used (see GetSeedTrees); -1 for a packet of an older server."""

    packet_id: int
    total_fen: int
    commitment: bytes
    expires_at_ms: int
    seed_index: int = -1


class GetSeedTrees(Message, tag=47):
    """The roots that the server has committed to for my next packets; ask before sending, to check later."""


class SeedTree(msgspec.Struct, array_like=True, gc=False):
    """Tree `number` holds the server seeds 64 * number to 64 * number + 63."""

    number: int
    root: bytes


class SeedTrees(Message, tag=147):
    """The current and the next tree; `next_index`: the seed of my next packet."""

    next_index: int
    trees: list[SeedTree]


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


class SendAgain(Message, tag=31):
    """Push my unfinished packet again: where it was sent (`group_id` 0), or to another group that I am in."""

    packet_id: Id
    group_id: Int64 = 0


class SentAgain(Message, tag=131):
    packet_id: int
    stream_id: int
    message: int


class Reveal(Message, tag=23):
    """The proof of a packet that is over: its seed and all its claims; or of a campaign, with my claims."""

    packet_id: Id


class ClaimLine(msgspec.Struct, array_like=True, gc=False):
    """One claim of a packet that is over."""

    index: int
    user_id: int
    amount_fen: int
    at_ms: int


class Revealed(Message, tag=123):
    """`state` is finished or refunded: before the record is closed, a claim may be missing from it.

    `seed_index` is -1 for a packet of an older server: then the fields after it are empty. Otherwise `path` leads
    from `server_seed` to `root`, the root of the sender's tree (six hashes of 32 bytes).

    Of a campaign (`packet_id` is its id) the kind is `pool`, `claims` are those that I won, each with its number in
    the pool as index, and `deck` says which amounts there were.
    """

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
    seed_index: int = -1
    client_seed: bytes = b""
    server_seed: bytes = b""
    path: list[bytes] = msgspec.field(default_factory=list)
    root: bytes = b""
    deck: bytes = b""


class ClaimNotice(Message, tag=62):
    """Push to the sender: a user opened a share of your packet (红包被抢提醒)."""

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
