"""All that anybody was told about one packet, and the rules that it must obey."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from client_sim.sdk import fairness
from protocol import messages


@dataclass(frozen=True, slots=True)
class Share:
    """What one user was told about their share: its index from 0 and its amount."""

    index: int
    amount_fen: int


class Order(NamedTuple):
    """What a sender asked for."""

    sender_id: int
    kind: str
    target_id: int
    amount_fen: int
    shares: int

    @property
    def total_fen(self) -> int:
        """What the packet must cost."""
        return self.amount_fen * self.shares if self.kind == "equal" else self.amount_fen


@dataclass(slots=True)
class PacketBook:
    """All that anybody was told about one packet."""

    packet_id: int
    order: Order | None = None
    sent: messages.PacketSent | None = None
    posted: messages.PacketPosted | None = None
    finished: messages.PacketFinished | None = None
    revealed: messages.Revealed | None = None
    follows: PacketBook | None = None  # the one whose best luck this was sent for
    told_gone: bool = False
    shares: dict[int, Share] = field(default_factory=dict)  # by user, as they were told first
    winners: set[int] = field(default_factory=set)  # who was told `won`
    oddities: list[str] = field(default_factory=list)  # told twice, and not the same

    @property
    def claimed_fen(self) -> int:
        """What the users who opened it were told, together."""
        return sum(share.amount_fen for share in self.shares.values())

    def tell_share(self, user_id: int, share: Share, answer: str) -> None:
        """A user was told `won` or `claimed`."""
        before = self.shares.setdefault(user_id, share)
        if before != share:
            self.oddities.append(f"user {user_id} was told {before} first and {share} later")
        if answer == "won":
            if user_id in self.winners:
                self.oddities.append(f"user {user_id} won twice, {share} the second time")
            self.winners.add(user_id)

    def tell_page(self, user_id: int, page: messages.ResultPageBody) -> None:
        """A user was shown the result page. It must say what they were told before, of themselves and of others."""
        shown = {line.user_id: Share(line.index, line.amount_fen) for line in page.claims}
        for claimer, share in shown.items():
            if (told := self.shares.get(claimer, share)) != share:
                self.oddities.append(f"user {claimer} was told {told}, the page shows {share}")
        own = self.shares.get(user_id)
        if own is not None and own.amount_fen != page.amount_fen:
            self.oddities.append(f"user {user_id} was told {own}, their page shows {page.amount_fen} fen")
        if page.best_index >= 0 and page.state != "finished":
            self.oddities.append(f"the page of a packet that is {page.state} marks the best luck")


# --- the rules: each says what is wrong with one packet ---------------------------------------------------------


def _no_index_twice(book: PacketBook) -> Iterator[str]:
    told = Counter(share.index for share in book.shares.values())
    yield from (f"share {index} was told to {times} users" for index, times in told.items() if times > 1)


def _within_the_terms(book: PacketBook) -> Iterator[str]:
    if book.order is None:
        return
    if len(book.shares) > book.order.shares:
        yield f"{len(book.shares)} users have a share, there are {book.order.shares}"
    if book.claimed_fen > book.order.total_fen:
        yield f"{book.claimed_fen} fen were told, there are {book.order.total_fen}"
    if len(book.shares) == book.order.shares and book.claimed_fen < book.order.total_fen:
        yield f"all shares are told, and are {book.claimed_fen} of {book.order.total_fen} fen"
    for user_id, share in book.shares.items():
        if not (0 <= share.index < book.order.shares and share.amount_fen > 0):
            yield f"user {user_id} was told {share}"
        if book.order.kind == "equal" and share.amount_fen != book.order.amount_fen:
            yield f"user {user_id} was told {share} of an equal packet of {book.order.amount_fen} fen each"


def _sent_as_ordered(book: PacketBook) -> Iterator[str]:
    if book.order is None or book.sent is None:
        return
    if book.sent.total_fen != book.order.total_fen:
        yield f"cost {book.sent.total_fen} fen instead of {book.order.total_fen}"
    if book.posted is not None:
        posted = (book.posted.sender_id, book.posted.packet_kind, book.posted.shares, book.posted.commitment)
        sent = (book.order.sender_id, book.order.kind, book.order.shares, book.sent.commitment)
        if posted != sent:
            yield f"was posted as {posted}, sent as {sent}"


def _finished_rightly(book: PacketBook) -> Iterator[str]:
    if book.finished is None or book.order is None:
        return
    best = Share(-1, 0) if book.order.kind != "lucky" else book.shares.get(book.finished.best_user_id)
    if best is not None and best.amount_fen != book.finished.best_amount_fen:
        yield f"best luck was told {best}, announced {book.finished.best_amount_fen} fen"
    if book.order.kind == "lucky" and book.shares:
        most = max(share.amount_fen for share in book.shares.values())
        if most > book.finished.best_amount_fen:
            yield f"best luck was announced as {book.finished.best_amount_fen} fen, somebody has {most}"


def _passed_on_rightly(book: PacketBook) -> Iterator[str]:
    if book.follows is None or book.order is None or book.follows.finished is None:
        return
    if book.order.sender_id != book.follows.finished.best_user_id:
        yield f"follows packet {book.follows.packet_id}, whose best luck somebody else had"


def _revealed_as_told(book: PacketBook) -> Iterator[str]:
    revealed = book.revealed
    if revealed is None:
        return
    claims = {line.user_id: Share(line.index, line.amount_fen) for line in revealed.claims}
    if len(claims) != len(revealed.claims):
        yield "somebody is revealed with two claims"
    for user_id, share in book.shares.items():
        if claims.get(user_id) != share:
            yield f"user {user_id} was told {share}, revealed is {claims.get(user_id)}"
    if book.told_gone and revealed.state != "finished":
        yield f"somebody was told gone, revealed is {revealed.state}"
    if book.order is not None and book.sent is not None:
        ordered = (
            book.order.sender_id,
            book.order.kind,
            book.order.total_fen,
            book.order.shares,
            book.sent.commitment,
        )
        shown = (
            revealed.sender_id,
            revealed.packet_kind,
            revealed.total_fen,
            revealed.shares,
            revealed.commitment,
        )
        if shown != ordered:
            yield f"was revealed as {shown}, sent as {ordered}"


def _fair(book: PacketBook) -> Iterator[str]:
    if book.revealed is not None:
        yield from fairness.faults(book.revealed)


RULES: tuple[Callable[[PacketBook], Iterator[str]], ...] = (
    _no_index_twice,
    _within_the_terms,
    _sent_as_ordered,
    _finished_rightly,
    _passed_on_rightly,
    _revealed_as_told,
    _fair,
)
