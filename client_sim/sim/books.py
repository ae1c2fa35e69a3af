"""The books of the witness: what users were told about each packet and each stream, and the rules for packets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from client_sim.sdk import fairness
from client_sim.sdk.pushes import Numbered, Reloaded
from protocol import messages

DRAWN = fairness.DRAWN  # the kinds that have a best luck
PER_SHARE = frozenset({"equal", "exclusive"})  # the kinds of which all shares are what the sender typed


@dataclass(frozen=True, slots=True)
class Share:
    """A user's share as the server told it: its index from 0 and its amount."""

    index: int
    amount_fen: int


class Order(NamedTuple):
    """The packet that a sender asked for."""

    sender_id: int
    kind: str
    target_id: int
    amount_fen: int
    shares: int
    for_user_ids: tuple[int, ...] = ()  # whom an exclusive one is for
    send_at_ms: int = 0  # when it is to be posted; 0: at once

    @property
    def total_fen(self) -> int:
        """What the packet must cost."""
        return self.amount_fen * self.shares if self.kind in PER_SHARE else self.amount_fen


@dataclass(slots=True)
class PacketBook:
    """Everything that the server told users about one packet."""

    packet_id: int
    order: Order | None = None
    sent: messages.PacketSent | None = None
    posted: messages.PacketPosted | None = None
    finished: messages.PacketFinished | None = None
    revealed: messages.Revealed | None = None
    follows: PacketBook | None = None  # the packet whose best luck this one was sent for
    answered_gone: bool = False
    cancelled_fen: int | None = None  # what came back, as its sender was told who cancelled it
    told_posted: bool = False  # its sender was told that it is too late to cancel it
    shares: dict[int, Share] = field(default_factory=dict)  # by user, as told first
    winners: set[int] = field(default_factory=set)  # users who were answered `won`
    friends: set[int] = field(default_factory=set)  # users who came by a link
    contradictions: list[str] = field(default_factory=list)  # between what was told first and later

    @property
    def claimed_fen(self) -> int:
        """The sum of all shares that users were told."""
        return sum(share.amount_fen for share in self.shares.values())

    def record_share(self, user_id: int, share: Share, answer: str) -> None:
        """A user was answered `won` or `claimed`."""
        before = self.shares.setdefault(user_id, share)
        if before != share:
            self.contradictions.append(f"user {user_id} got {before} first and {share} later")
        if answer == "won":
            if user_id in self.winners:
                self.contradictions.append(f"user {user_id} won twice, {share} the second time")
            self.winners.add(user_id)

    def record_page(self, user_id: int, page: messages.ResultPageBody) -> None:
        """A user saw the result page. It must agree with the answers to this user and to the others."""
        shown = {line.user_id: Share(line.index, line.amount_fen) for line in page.claims}
        for claimer, share in shown.items():
            if (told := self.shares.get(claimer, share)) != share:
                self.contradictions.append(f"user {claimer} got {told}, a result page shows {share}")
        own = self.shares.get(user_id)
        if own is not None and own.amount_fen != page.amount_fen:
            self.contradictions.append(f"user {user_id} got {own}, their result page shows {page.amount_fen} fen")
        if page.best_index >= 0 and page.state != "finished":
            self.contradictions.append(f"the result page of a packet in state {page.state} marks a best luck")


# --- the rules: each yields what is wrong with one packet -------------------------------------------------------


def _indexes_are_unique(book: PacketBook) -> Iterator[str]:
    indexes = Counter(share.index for share in book.shares.values())
    yield from (f"share {index} was given to {times} users" for index, times in indexes.items() if times > 1)


def _shares_fit_the_order(book: PacketBook) -> Iterator[str]:
    if book.order is None:
        return
    if len(book.shares) > book.order.shares:
        yield f"{len(book.shares)} users have a share, the packet has {book.order.shares}"
    if book.claimed_fen > book.order.total_fen:
        yield f"{book.claimed_fen} fen were claimed, the packet has {book.order.total_fen}"
    if len(book.shares) == book.order.shares and book.claimed_fen < book.order.total_fen:
        yield f"all shares are claimed, but only {book.claimed_fen} of {book.order.total_fen} fen"
    for user_id, share in book.shares.items():
        if not (0 <= share.index < book.order.shares and share.amount_fen > 0):
            yield f"user {user_id} got the invalid {share}"
        if book.order.kind in PER_SHARE and share.amount_fen != book.order.amount_fen:
            yield f"user {user_id} got {share} of a packet with {book.order.amount_fen} fen for each"


def _sent_as_ordered(book: PacketBook) -> Iterator[str]:
    if book.order is None or book.sent is None:
        return
    if book.sent.total_fen != book.order.total_fen:
        yield f"cost {book.sent.total_fen} fen instead of {book.order.total_fen}"
    if book.posted is not None:
        posted = (book.posted.sender_id, book.posted.packet_kind, book.posted.shares, book.posted.commitment)
        sent = (book.order.sender_id, book.order.kind, book.order.shares, book.sent.commitment)
        if posted != sent:
            yield f"was posted as {posted} and sent as {sent}"


def _posted_at_its_time_or_cancelled(book: PacketBook) -> Iterator[str]:
    if book.order is None or not book.order.send_at_ms:
        return
    if book.posted is not None and book.posted.at_ms < book.order.send_at_ms:
        yield f"was posted {book.order.send_at_ms - book.posted.at_ms} ms before its time"
    if book.cancelled_fen is None:
        return
    if book.cancelled_fen != book.order.total_fen:
        yield f"was cancelled, and {book.cancelled_fen} of {book.order.total_fen} fen came back"
    if book.told_posted:
        yield "was cancelled, and its sender was told that it was posted"
    if book.posted is not None or book.shares:
        yield f"was cancelled, and yet posted, and opened by {len(book.shares)} users"


def _receiver_opened_first(book: PacketBook) -> Iterator[str]:
    if book.order is None or book.order.kind != "fission":
        return
    for user_id, share in book.shares.items():
        if (share.index == 0) != (user_id == book.order.target_id):
            yield f"user {user_id} got {share}, the first share is for user {book.order.target_id}"


def _best_luck_is_announced(book: PacketBook) -> Iterator[str]:
    if book.finished is None or book.order is None:
        return
    best = Share(-1, 0) if book.order.kind not in DRAWN else book.shares.get(book.finished.best_user_id)
    if best is not None and best.amount_fen != book.finished.best_amount_fen:
        yield f"best luck is {best}, announced were {book.finished.best_amount_fen} fen"
    if book.order.kind in DRAWN and book.shares:
        most = max(share.amount_fen for share in book.shares.values())
        if most > book.finished.best_amount_fen:
            yield f"best luck was announced as {book.finished.best_amount_fen} fen, another user has {most}"


def _chain_sender_had_best_luck(book: PacketBook) -> Iterator[str]:
    if book.follows is None or book.order is None or book.follows.finished is None:
        return
    if book.order.sender_id != book.follows.finished.best_user_id:
        yield f"follows packet {book.follows.packet_id}, but its sender did not have the best luck there"


def _revealed_as_told(book: PacketBook) -> Iterator[str]:
    revealed = book.revealed
    if revealed is None:
        return
    claims = {line.user_id: Share(line.index, line.amount_fen) for line in revealed.claims}
    if len(claims) != len(revealed.claims):
        yield "a user was revealed with two claims"
    for user_id, share in book.shares.items():
        if claims.get(user_id) != share:
            yield f"user {user_id} got {share}, revealed is {claims.get(user_id)}"
    if book.answered_gone and revealed.state != "finished":
        yield f"a user was answered gone, revealed is {revealed.state}"
    if book.order is not None and book.sent is not None:
        order, commitment = book.order, book.sent.commitment
        ordered = (order.sender_id, order.kind, order.total_fen, order.shares, commitment)
        shown = (
            *(revealed.sender_id, revealed.packet_kind, revealed.total_fen, revealed.shares),
            revealed.commitment,
        )
        if shown != ordered:
            yield f"was revealed as {shown} and sent as {ordered}"


def _amounts_are_fair(book: PacketBook) -> Iterator[str]:
    if book.revealed is not None:
        yield from fairness.faults(book.revealed)


RULES: tuple[Callable[[PacketBook], Iterator[str]], ...] = (
    _indexes_are_unique,
    _shares_fit_the_order,
    _sent_as_ordered,
    _posted_at_its_time_or_cancelled,
    _receiver_opened_first,
    _best_luck_is_announced,
    _chain_sender_had_best_luck,
    _revealed_as_told,
    _amounts_are_fair,
)


class LaterBook:
    """What senders were told of packets that are to be posted later. `packets`: those that were sent, by id."""

    def __init__(self, packets: Mapping[int, PacketBook]) -> None:
        self._packets = packets

    def record_listed(self, packet_id: int, listed: bool) -> None:
        """A user looked at what waits, well before the time of this packet."""
        if not listed:
            self._packets[packet_id].contradictions.append("waits for its time, and its sender was not shown it")

    def record_cancel(self, packet_id: int, refunded_fen: int) -> None:
        """A packet was cancelled before its time."""
        self._packets[packet_id].cancelled_fen = refunded_fen

    def record_not_cancelled(self, packet_id: int) -> None:
        """It was too late to cancel a packet."""
        self._packets[packet_id].told_posted = True

    def waiting(self) -> list[PacketBook]:
        """The packets that were neither posted nor cancelled yet."""
        return [
            book
            for book in self._packets.values()
            if book.order and book.order.send_at_ms and book.posted is None and book.cancelled_fen is None
        ]


# --- streams ----------------------------------------------------------------------------------------------------


class StreamBook:
    """For all users together. `contradictions` lists every post that was not for its receiver or out of order."""

    def __init__(self) -> None:
        self.contradictions: list[str] = []
        self._readers: set[tuple[int, int]] = set()  # pairs of user and stream
        self._last: dict[tuple[int, int], int] = {}  # number of the last post by user and stream

    def allow(self, user_id: int, stream_id: int) -> None:
        """A user may read a stream from now on: their inbox, or a group that they are about to join."""
        self._readers.add((user_id, stream_id))

    def may_read(self, user_id: int, stream_id: int) -> bool:
        """Whether `allow` was called for this pair."""
        return (user_id, stream_id) in self._readers

    def record_post(self, user_id: int, post: Numbered) -> None:
        """A user received a post. Every user receives the posts of a stream in order, each once."""
        pair = (user_id, post.stream_id)
        if pair not in self._readers:
            self.contradictions.append(f"user {user_id} received a post of stream {post.stream_id}, not theirs")
        expected = self._last.get(pair, post.message - 1) + 1
        if post.message != expected:
            self.contradictions.append(
                f"user {user_id} received {post.message} instead of {expected} in stream {post.stream_id}"
            )
        self._last[pair] = post.message

    def record_reload(self, user_id: int, reloaded: Reloaded) -> None:
        """A user missed more posts than the server hands out: the stream continues after this number."""
        self._last[user_id, reloaded.stream_id] = reloaded.last_message
