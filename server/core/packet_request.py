"""What a sender asks for, whether it may be sent, and the terms that were agreed with it: also who may open it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from server.core import amounts, ids, seeds
from server.core.amounts import Caps
from server.core.kinds import AmountOf, Audience, PacketKind, SentBy
from server.core.limits import Limits, check_bytes, check_number, check_text
from server.core.refusals import Reason, RequestRefused
from server.core.seeds import Content, SeedUse

# Asked for at every open or send, and reading a member off its class costs a call (Python 3.11).
RECEIVER: Final = Audience.RECEIVER
LISTED: Final = Audience.LISTED
INVITED: Final = Audience.INVITED
SHARE: Final = AmountOf.SHARE
BILLS: Final = SentBy.BILLS
USERS: Final = SentBy.USERS
BAD_KEY, BAD_GREETING, BAD_SHARES, BAD_AMOUNT = (
    Reason.BAD_KEY,
    Reason.BAD_GREETING,
    Reason.BAD_SHARES,
    Reason.BAD_AMOUNT,
)
DEFAULT_GREETING = "恭喜发财,大吉大利"
_BY_NAME: Final = {kind.value: kind for kind in PacketKind if kind.row.sent_by is not SentBy.CAMPAIGNS}


class PacketRequest(NamedTuple):
    """A packet to be. `amount_fen` is the total or the amount of one share, as the kind says."""

    sender_id: int
    key: str
    kind: PacketKind
    target_id: int
    amount_fen: int
    shares: int
    greeting: str
    client_seed: bytes = b""  # no content of the key: the first one counts
    chat_id: int = 0  # the one-to-one chat of sender and receiver in which a personal one is posted; 0: none
    only_for: tuple[int, ...] = ()  # of an exclusive one: who may open it, in the order of their ids
    send_at_ms: int = 0  # when it is posted; 0: at once
    words: str = ""  # of a password one: what is recorded of them, never the words
    share_caps: Caps | None = None  # of a bill for a group: what a share is worth; None: the limits say

    @property
    def total_fen(self) -> int:
        """What the wallet is debited."""
        return self.amount_fen * self.shares if self.kind.row.amount_of is SHARE else self.amount_fen


class Payer(NamedTuple):
    """Who pays: a card of the sender (0: their wallet). `password` None: the chat backend asks for the send."""

    card_id: int = 0
    password: str | None = None

    def __repr__(self) -> str:
        """Without the password, whatever prints it."""
        return f"Payer(card_id={self.card_id})"


WALLET = Payer()


def request_of(
    sender_id: int,
    key: str,
    kind: str,
    target_id: int,
    amount_fen: int,
    shares: int,
    greeting: str,
    client_seed: bytes = b"",
    for_user_ids: Sequence[int] = (),
    words: str = "",
    send_at_ms: int = 0,
) -> PacketRequest:
    """What a sender asks for, in the words of a request. Raises RequestRefused if there is no such kind.

    `words`: those of a password packet, hidden (see services/everyday/words).
    """
    known = _BY_NAME.get(kind)
    if known is None:
        raise RequestRefused(Reason.BAD_TARGET, f"packet_kind: no kind of packet is called {kind[:20]!r}")
    if known.row.sent_by is not USERS:
        raise RequestRefused(Reason.BAD_TARGET, f"packet_kind: the chat backend sends {known}, by a bill number")
    return PacketRequest(
        sender_id,
        key,
        known,
        target_id,
        amount_fen,
        shares,
        greeting or DEFAULT_GREETING,
        client_seed,
        0,
        tuple(sorted(for_user_ids)) if for_user_ids else (),
        send_at_ms,
        words,
    )


def check(request: PacketRequest, limits: Limits, members: int, smallest: str) -> None:
    """Raise RequestRefused at the first broken limit. `members`: size of the group, 1 for one receiver.

    `smallest`: what an amount counts, for the words of a refusal.
    """
    check_bytes("key", request.key, 1, limits.key_bytes_max, BAD_KEY)
    check_text("greeting", request.greeting, 0, limits.greeting_bytes_max, BAD_GREETING)
    if request.client_seed and len(request.client_seed) not in seeds.CLIENT_SEED_BYTES:
        size = len(request.client_seed)
        raise RequestRefused(Reason.BAD_SEED, f"client_seed: 16 to 32 bytes, over HTTP in hex, got {size}")
    check_target(request.kind, request.sender_id, request.target_id)
    if request.only_for or request.kind.row.audience is LISTED:
        _check_listed(request, limits)
    if request.kind.row.has_words != bool(request.words):
        raise RequestRefused(Reason.BAD_WORDS, "words: a packet of kind password has some, and no other one")
    _check_shares(request, limits, members)
    _check_amount(request, limits, smallest)


def check_time(request: PacketRequest, limits: Limits, now_ms: int) -> None:
    """Raise RequestRefused unless a scheduled packet is for a later time, not too far ahead."""
    latest_ms = now_ms + int(limits.schedule_ahead_s * 1000)
    if request.send_at_ms and not now_ms < request.send_at_ms <= latest_ms:
        raise RequestRefused(
            Reason.BAD_TIME, f"send_at_ms: {request.send_at_ms}, allowed are {now_ms + 1} to {latest_ms}"
        )


def _check_listed(request: PacketRequest, limits: Limits) -> None:
    """The users whom a packet names, or must name. Whether they are in the group, the group knows."""
    named, field = request.only_for, "for_user_ids"
    if request.kind.row.audience is not LISTED:
        raise RequestRefused(Reason.BAD_RECEIVERS, f"{field}: a packet of kind {request.kind} names no users")
    check_number(field, len(named), 1, limits.shares_max, Reason.BAD_RECEIVERS, "users")
    if len(set(named)) < len(named):
        raise RequestRefused(Reason.BAD_RECEIVERS, f"{field}: a user is named twice")
    if request.sender_id in named:
        raise RequestRefused(Reason.BAD_RECEIVERS, f"{field}: the sender is named")


def _check_shares(request: PacketRequest, limits: Limits, members: int) -> None:
    row = request.kind.row
    if row.audience is LISTED:
        named = len(request.only_for)
        check_number("shares", request.shares, named, named, BAD_SHARES, why="one for each user named")
        return
    least, most, why = row.shares_min, limits.shares_max, ""
    if row.audience is RECEIVER:
        most, why = 1, "one user receives it"
    elif row.audience is INVITED:
        why = "one for the user who receives it, the others for friends"
    elif members < most:
        most, why = members, f"the group has {members} member{'s' * (members != 1)}"
    check_number("shares", request.shares, least, most, BAD_SHARES, why=why)


def _check_amount(request: PacketRequest, limits: Limits, smallest: str) -> None:
    low, high = caps_of(request, limits)
    shares, is_total = request.shares, request.kind.row.amount_of is not SHARE
    least, most = (low * shares, min(high * shares, limits.total_fen_max)) if is_total else (low, high)
    if least <= request.amount_fen <= most and 1 <= request.total_fen <= limits.total_fen_max:
        return  # nearly always: the words of a refusal are not made
    why = ""
    if is_total:
        if shares > 1:
            why = f"{shares} shares of {low} to {high} each"
        if high * shares > limits.total_fen_max:
            why += f"{', ' * bool(why)}a packet of at most {limits.total_fen_max}"
    check_number("amount_fen", request.amount_fen, least, most, BAD_AMOUNT, smallest, why)
    why, unit = f"{shares} shares of {request.amount_fen}", f"{smallest} in all"
    check_number("amount_fen", request.total_fen, 1, limits.total_fen_max, BAD_AMOUNT, unit, why)


def caps_of(request: PacketRequest, limits: Limits) -> Caps:
    """The smallest and the largest share. A bill for one user has a bound of its own (see core/enterprise)."""
    if request.share_caps is not None:
        return request.share_caps
    if request.kind.row.sent_by is BILLS:
        return Caps(limits.share_fen_min, min(max(limits.share_fen_max, request.total_fen), limits.total_fen_max))
    return limits.caps


def check_target(kind: PacketKind, sender_id: int, target_id: int) -> None:
    """Raise RequestRefused if the kind and the id of its target do not fit together."""
    to_user = ids.is_user(target_id)
    if to_user != kind.row.goes_to_user:
        raise RequestRefused(
            Reason.BAD_TARGET, f"target_id: {kind} goes to {'a user' if not to_user else 'a group'}"
        )
    if target_id == sender_id:
        raise RequestRefused(Reason.BAD_TARGET, "target_id: a packet cannot be sent to its sender")


class Terms(NamedTuple):
    """What was agreed when the packet was sent; times in ms since 1970. An empty `seed` was not derived: nothing is
    drawn. `seed_use` None: a server chose the seed by itself. `dealt`: amounts that are known beforehand (kinds).
    """

    packet_id: int
    kind: PacketKind
    sender_id: int
    target_id: int  # a group, or the one receiver
    total_fen: int
    shares: int
    caps: Caps
    greeting: str
    seed: bytes
    created_at_ms: int  # when it was posted, which for a scheduled one is later than when it was paid
    expires_at_ms: int
    seed_use: SeedUse | None = None
    chat_id: int = 0  # the one-to-one chat that a personal one was posted in; 0: none
    dealt: tuple[int, ...] = ()
    only_for: frozenset[int] = frozenset()  # of an exclusive one: the members who may open it, one share each

    @property
    def stream_id(self) -> int:
        """Where it was announced first."""
        return self.chat_id or self.target_id

    @property
    def commitment(self) -> bytes:
        """What was published at the send (see seeds; of older packets see amounts)."""
        if self.seed_use is not None:
            return self.seed_use.commitment
        return amounts.commitment(self.seed, self.packet_id, self.total_fen, self.shares)

    @property
    def content(self) -> Content:
        """What goes into the seed."""
        return Content(self.sender_id, self.kind, self.total_fen, self.shares, *self.caps)


def may_open(terms: Terms, user_id: int, is_member: bool) -> bool:
    """Members of the group may open, the sender too; or those of them who are named; or the one receiver alone; or
    who is admitted (then `is_member` says so). The kind says which.
    """
    audience = terms.kind.row.audience
    if audience is RECEIVER:
        return user_id == terms.target_id
    return is_member and (audience is not LISTED or user_id in terms.only_for)
