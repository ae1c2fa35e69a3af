"""The witness: it keeps its own books of what the server told the simulated users, and finds contradictions.

It trusts no reply and no push. Users report to it; `contradictions()` lists at any moment what cannot all be true.
`claimed` without an earlier `won` is not a contradiction: the reply to the first open may have been lost.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from client_sim.sdk.errors import ClientError
from client_sim.sdk.pushes import Push, Reloaded
from client_sim.sim.books import RULES, LaterBook, Order, PacketBook, Share, StreamBook
from client_sim.sim.histogram import Histogram
from protocol import messages

FAILURES_KEPT = 50
KINDS = ("lucky", "equal", "personal", "fission", "exclusive", "password")


class KindRow(NamedTuple):
    """Totals of the packets of one kind."""

    kind: str
    sent: int
    shares: int
    opened: int
    total_fen: int
    claimed_fen: int


class Witness:
    """The books of a whole crowd."""

    def __init__(self) -> None:
        self.packets: dict[int, PacketBook] = {}
        self.later = LaterBook(self.packets)
        self.streams = StreamBook()
        self.answers: Counter[str] = Counter()  # to grabs and opens
        self.refusals: Counter[str] = Counter()  # and lost requests, by name
        self.pushes: Counter[str] = Counter()
        self.open_ms = Histogram()
        self.pages = 0
        self.failures: list[str] = []
        self.failed = 0
        self._contradictions: list[str] = []

    # --- reports of users -------------------------------------------------------------------------------------

    def record_send(self, order: Order, sent: messages.PacketSent) -> None:
        """A send was acknowledged."""
        book = self._book(sent.packet_id)
        if book.sent is not None:
            book.contradictions.append(f"two sends got the same packet: {book.order} and {order}")
        book.order, book.sent = order, sent

    def record_grab(self, grabbed: messages.Grabbed) -> None:
        """A tap was answered, and no open followed."""
        self.answers[grabbed.answer] += 1

    def record_open(self, user_id: int, opened: messages.Opened, took_ms: float) -> None:
        """An open was answered, `took_ms` after the tap, including waits and retries."""
        self.answers[opened.answer] += 1
        self.open_ms.record(took_ms)
        if opened.answer in ("won", "claimed"):
            share = Share(opened.index, opened.amount_fen)
            self._book(opened.packet_id).record_share(user_id, share, opened.answer)
        elif opened.answer == "gone":
            self._book(opened.packet_id).answered_gone = True

    def record_link(self, user_id: int, packet_id: int) -> None:
        """A user has shown a friend's link, and was shown the packet."""
        self._book(packet_id).friends.add(user_id)

    def record_page(self, user_id: int, packet_id: int, page: messages.ResultPageBody) -> None:
        """A user saw a result page."""
        self.pages += 1
        self._book(packet_id).record_page(user_id, page)

    def record_chain(self, packet_id: int, next_id: int) -> None:
        """The user with the best luck of one packet sent the next one (接龙)."""
        self._book(next_id).follows = self._book(packet_id)

    def record_foreign_open(self, user_id: int, opened: messages.Opened) -> None:
        """A user tried a packet of others. Only one answer is right, whatever the state of the packet."""
        self.answers[opened.answer] += 1
        if opened.answer != "not_allowed":
            self._contradictions.append(f"user {user_id} got {opened} for a packet of others")

    def record_reveal(self, revealed: messages.Revealed) -> None:
        """The proof of a packet."""
        self._book(revealed.packet_id).revealed = revealed

    def record_push(self, user_id: int, push: Push) -> None:
        """Any push to a user."""
        self.pushes[type(push).__name__] += 1
        match push:
            case messages.TextPosted():
                self.streams.record_post(user_id, push)
            case messages.ClaimsReminder() | messages.FinishReminder() | messages.RefundReminder():
                self.streams.record_post(user_id, push)
            case messages.PacketPosted():
                self.streams.record_post(user_id, push)
                self._book(push.packet_id).posted = push
            case messages.PacketFinished():
                self._book(push.packet_id).finished = push
            case Reloaded():
                self.streams.record_reload(user_id, push)

    def record_refusal(self, error: ClientError) -> None:
        """A request was refused or lost in a way that the run expects."""
        self.refusals[error.name] += 1

    def record_failure(self, name: str, error: BaseException) -> None:
        """An unexpected error: the run fails. All are counted, the first ones are described."""
        self.failed += 1
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(f"{name}: " + "".join(traceback.format_exception(error)).rstrip())

    def expect(self, holds: bool, what: str) -> None:
        """A condition that must hold at the end of a run."""
        if not holds:
            self._contradictions.append(f"not as expected: {what}")

    def _book(self, packet_id: int) -> PacketBook:
        book = self.packets.get(packet_id)
        if book is None:
            book = self.packets[packet_id] = PacketBook(packet_id)
        return book

    # --- conclusions ------------------------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """No failure and no contradiction."""
        return not self.failed and not self.contradictions()

    def contradictions(self) -> list[str]:
        """Everything that cannot be true, each as a sentence that names its packet or user."""
        found = [*self._contradictions, *self.streams.contradictions]
        for book in self.packets.values():
            found += (f"packet {book.packet_id}: {fault}" for fault in book.contradictions)
            found += (f"packet {book.packet_id}: {fault}" for rule in RULES for fault in rule(book))
            found += (f"packet {book.packet_id}: {fault}" for fault in self._foreign_shares(book))
        return found

    def _foreign_shares(self, book: PacketBook) -> Iterator[str]:
        """Shares of users whom the packet was not for."""
        if book.order is None:
            return
        for user_id in book.shares:
            if book.order.kind in ("personal", "fission"):
                is_entitled = user_id == book.order.target_id or user_id in book.friends
            elif book.order.kind == "exclusive" and user_id not in book.order.for_user_ids:
                is_entitled = False
            else:
                is_entitled = self.streams.may_read(user_id, book.order.target_id)
            if not is_entitled:
                yield f"user {user_id} opened it, but it was for {book.order.target_id}"

    def by_kind(self) -> list[KindRow]:
        """One row for each kind, with the packets whose send was acknowledged."""
        return [
            _row(kind, [book for book in self.packets.values() if book.order and book.order.kind == kind])
            for kind in KINDS
        ]

    def finished(self) -> list[PacketBook]:
        """The packets whose finish was announced."""
        return [book for book in self.packets.values() if book.finished is not None]


def _row(kind: str, books: list[PacketBook]) -> KindRow:
    return KindRow(
        kind,
        sent=len(books),
        shares=sum(book.order.shares for book in books if book.order),
        opened=sum(len(book.shares) for book in books),
        total_fen=sum(book.sent.total_fen for book in books if book.sent),
        claimed_fen=sum(book.claimed_fen for book in books),
    )
