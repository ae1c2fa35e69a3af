"""The life of a packet on one line of time: what happened, in order, with what was left after each step. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple


class LifeStep(StrEnum):
    """What happened. The order is that of steps of one millisecond."""

    CHARGED = "charged"  # a payment brings the money of the packet
    SENT = "sent"
    SCHEDULED = "scheduled"  # it is posted at this time
    POSTED = "posted"  # its message stands in a stream
    SENT_AGAIN = "sent_again"  # to one more group
    CLAIMED = "claimed"
    CREDITED = "credited"  # the money of claims is in wallets
    FINISHED = "finished"
    EXPIRES = "expires"
    REFUNDED = "refunded"
    TOLD = "told"  # a reminder stands in a stream


ORDER: Final = {step: place for place, step in enumerate(LifeStep)}


class LifeClaim(NamedTuple):
    """A share that was opened. `credited_at_ms` None: its money is still queued."""

    place: int  # its index
    user_id: int
    amount_fen: int
    at_ms: int
    credited_at_ms: int | None
    is_best: bool


class LifePost(NamedTuple):
    """A message about the packet. `reminder` 0: the packet itself; of claims 1, finish 2, refund 3, relay 4."""

    stream_id: int
    message: int
    reminder: int
    at_ms: int


class PacketLife(NamedTuple):
    """All that is known of a packet, without its seed. Times in ms since 1970.

    `send_at_ms` None: it was not scheduled; `scheduled`: the state of a scheduled one; `closed_at_ms`: finished or
    refunded. `refunded_at_ms`: when the transfer was made. `groups`: further groups, with times. `payment`: number
    and time of the charge that brought the money; None: the wallet paid.
    """

    packet_id: int
    kind: str
    state: str
    sender_id: int
    target_id: int
    key: str
    greeting: str
    total_fen: int
    shares: int
    created_at_ms: int
    send_at_ms: int | None
    scheduled: str
    expires_at_ms: int
    closed_at_ms: int | None
    claims: Sequence[LifeClaim]
    claimed_fen: int
    refunded_fen: int
    refunded_at_ms: int | None
    groups: Mapping[int, int]
    posts: Sequence[LifePost]
    payment: tuple[int, int] | None


class Moment(NamedTuple):
    """A step of the life. `left_shares`, `left_fen`: of the packet after it. `place`: index, message or id."""

    at_ms: int
    step: LifeStep
    user_id: int = 0
    amount_fen: int = 0
    place: int = 0
    left_shares: int = 0
    left_fen: int = 0
    stream_id: int = 0
    reminder: int = 0  # of a message: what it tells, as in LifePost
    is_best: bool = False
    is_ahead: bool = False  # it has not happened yet


def line_of(life: PacketLife, now_ms: int) -> list[Moment]:
    """The line of time, the oldest first. Claims of one millisecond stand in the order of their index."""
    steps = sorted(_steps(life, now_ms), key=lambda one: (one.at_ms, ORDER[one.step], one.place))
    left_shares, left_fen, line = life.shares, life.total_fen, []
    for one in steps:
        if one.step is LifeStep.CLAIMED:
            left_shares, left_fen = left_shares - 1, left_fen - one.amount_fen
        elif one.step is LifeStep.REFUNDED:
            left_fen -= one.amount_fen
        line.append(one._replace(left_shares=left_shares, left_fen=left_fen))
    return line


def _steps(life: PacketLife, now_ms: int) -> Iterator[Moment]:
    if life.payment is not None:
        number, at_ms = life.payment
        yield Moment(at_ms, LifeStep.CHARGED, life.sender_id, life.total_fen, number)
    yield Moment(life.created_at_ms, LifeStep.SENT, life.sender_id, life.total_fen)
    if life.send_at_ms is not None and life.scheduled in ("waiting", "posted"):
        yield Moment(life.send_at_ms, LifeStep.SCHEDULED, is_ahead=life.send_at_ms > now_ms)
    for group_id, at_ms in life.groups.items():
        yield Moment(at_ms, LifeStep.SENT_AGAIN, stream_id=group_id)
    for post in life.posts:
        step = LifeStep.TOLD if post.reminder else LifeStep.POSTED
        yield Moment(post.at_ms, step, place=post.message, stream_id=post.stream_id, reminder=post.reminder)
    yield from _claims(life)
    if life.refunded_at_ms is None and life.closed_at_ms is not None:
        yield Moment(life.closed_at_ms, LifeStep.FINISHED, place=life.shares)
    if life.refunded_at_ms is not None:
        yield Moment(life.refunded_at_ms, LifeStep.REFUNDED, life.sender_id, life.refunded_fen)
    if life.closed_at_ms is None or life.expires_at_ms <= life.closed_at_ms:
        yield Moment(life.expires_at_ms, LifeStep.EXPIRES, is_ahead=life.expires_at_ms > now_ms)


def _claims(life: PacketLife) -> Iterator[Moment]:
    """Each claim, and one step for all claims that were credited in one transaction."""
    credited: dict[int, list[LifeClaim]] = {}
    for claim in life.claims:
        yield Moment(
            claim.at_ms, LifeStep.CLAIMED, claim.user_id, claim.amount_fen, claim.place, is_best=claim.is_best
        )
        if claim.credited_at_ms is not None:
            credited.setdefault(claim.credited_at_ms, []).append(claim)
    for at_ms, together in credited.items():
        amount_fen = sum(one.amount_fen for one in together)
        yield Moment(at_ms, LifeStep.CREDITED, amount_fen=amount_fen, place=len(together))


def waiting(life: PacketLife) -> tuple[int, int]:
    """How many claims wait for their credit, and how much that is."""
    queued = [one.amount_fen for one in life.claims if one.credited_at_ms is None]
    return len(queued), sum(queued)
