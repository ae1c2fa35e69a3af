"""What a sender asks for, and whether it may be sent."""

from __future__ import annotations

from typing import NamedTuple

from server.core import ids, seeds
from server.core.kinds import AmountOf, Audience, PacketKind
from server.core.limits import Limits, check_bytes, check_number, check_text
from server.core.refusals import Reason, RequestRefused

DEFAULT_GREETING = "恭喜发财,大吉大利"


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

    @property
    def total_fen(self) -> int:
        """What the wallet is debited."""
        return self.amount_fen * self.shares if self.kind.row.amount_of is AmountOf.SHARE else self.amount_fen


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
) -> PacketRequest:
    """What a sender asks for, in the words of a request. Raises RequestRefused if there is no such kind."""
    known = next((one for one in PacketKind if one == kind and one.row.can_be_sent), None)
    if known is None:
        raise RequestRefused(Reason.BAD_TARGET, f"packet_kind: no kind of packet is called {kind[:20]!r}")
    return PacketRequest(
        sender_id, key, known, target_id, amount_fen, shares, greeting or DEFAULT_GREETING, client_seed
    )


def check(request: PacketRequest, limits: Limits, members: int, smallest: str) -> None:
    """Raise RequestRefused at the first broken limit. `members`: size of the group, 1 for one receiver.

    `smallest`: what an amount counts, for the words of a refusal.
    """
    check_bytes("key", request.key, 1, limits.key_bytes_max, Reason.BAD_KEY)
    check_text("greeting", request.greeting, 0, limits.greeting_bytes_max, Reason.BAD_GREETING)
    if request.client_seed and len(request.client_seed) not in seeds.CLIENT_SEED_BYTES:
        size = len(request.client_seed)
        raise RequestRefused(Reason.BAD_SEED, f"client_seed: 16 to 32 bytes, over HTTP in hex, got {size}")
    check_target(request.kind, request.sender_id, request.target_id)
    _check_shares(request, limits, members)
    _check_amount(request, limits, smallest)


def _check_shares(request: PacketRequest, limits: Limits, members: int) -> None:
    row = request.kind.row
    least, most, why = row.shares_min, limits.shares_max, ""
    if row.audience is Audience.RECEIVER:
        most, why = 1, "one user receives it"
    elif row.audience is Audience.INVITED:
        why = "one for the user who receives it, the others for friends"
    elif members < most:
        most, why = members, f"the group has {members} member{'s' * (members != 1)}"
    check_number("shares", request.shares, least, most, Reason.BAD_SHARES, why=why)


def _check_amount(request: PacketRequest, limits: Limits, smallest: str) -> None:
    low, high, shares, why = limits.share_fen_min, limits.share_fen_max, request.shares, ""
    if request.kind.row.by_bill:
        high = limits.total_fen_max
    if request.kind.row.amount_of is AmountOf.PACKET:
        if shares > 1:
            why = f"{shares} shares of {low} to {high} each"
        if high * shares > limits.total_fen_max:
            why += f"{', ' * bool(why)}a packet of at most {limits.total_fen_max}"
        low, high = low * shares, min(high * shares, limits.total_fen_max)
    check_number("amount_fen", request.amount_fen, low, high, Reason.BAD_AMOUNT, smallest, why)
    why, unit = f"{shares} shares of {request.amount_fen}", f"{smallest} in all"
    check_number("amount_fen", request.total_fen, 1, limits.total_fen_max, Reason.BAD_AMOUNT, unit, why)


def check_target(kind: PacketKind, sender_id: int, target_id: int) -> None:
    """Raise RequestRefused if the kind and the id of its target do not fit together."""
    to_user = ids.is_user(target_id)
    if to_user != kind.row.goes_to_user:
        raise RequestRefused(
            Reason.BAD_TARGET, f"target_id: {kind} goes to {'a user' if not to_user else 'a group'}"
        )
    if target_id == sender_id:
        raise RequestRefused(Reason.BAD_TARGET, "target_id: a packet cannot be sent to its sender")
