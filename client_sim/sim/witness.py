"""What the simulated users were told, and whether all of it can be true.

The witness keeps its own books from requests and replies and believes nothing. Users report what they hear; at any
moment `contradictions()` lists what cannot all be true. `claimed` without a `won` before it is no contradiction: it
is what a user hears when the reply to the first open was lost.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from client_sim.sdk.errors import ClientError
from client_sim.sdk.pushes import Numbered, Push, Reloaded
from client_sim.sim.books import RULES, Order, PacketBook, Share
from client_sim.sim.histogram import Histogram
from protocol import messages

FAILURES_KEPT = 50
KINDS = ("lucky", "equal", "personal")


class KindRow(NamedTuple):
    """The packets of one kind, together."""

    kind: str
    sent: int
    shares: int
    opened: int
    total_fen: int
    claimed_fen: int


class Witness:
    """Ears for a whole crowd, and one memory."""

    def __init__(self) -> None:
        self.packets: dict[int, PacketBook] = {}
        self.answers: Counter[str] = Counter()  # to grabs and opens
        self.refusals: Counter[str] = Counter()  # and losses, by name
        self.pushes: Counter[str] = Counter()
        self.open_ms = Histogram()
        self.pages = 0
        self.failures: list[str] = []
        self.failed = 0
        self._may_see: set[tuple[int, int]] = set()
        self._heard: dict[tuple[int, int], int] = {}  # last message number by user and stream
        self._oddities: list[str] = []

    # --- what is told -----------------------------------------------------------------------------------------

    def may_see(self, user_id: int, stream_id: int) -> None:
        """A user has a right to a stream from now on: their inbox, or a group that they are about to join."""
        self._may_see.add((user_id, stream_id))

    def was_sent(self, order: Order, sent: messages.PacketSent) -> None:
        """A send was acknowledged."""
        book = self._book(sent.packet_id)
        if book.sent is not None:
            book.oddities.append(f"two sends got the same packet: {book.order} and {order}")
        book.order, book.sent = order, sent

    def was_grabbed(self, grabbed: messages.Grabbed) -> None:
        """A tap was answered, and not followed by an opening."""
        self.answers[grabbed.answer] += 1

    def was_opened(self, user_id: int, opened: messages.Opened, took_ms: float) -> None:
        """An opening was answered, `took_ms` after the tap, waits and repeats included."""
        self.answers[opened.answer] += 1
        self.open_ms.record(took_ms)
        if opened.answer in ("won", "claimed"):
            share = Share(opened.index, opened.amount_fen)
            self._book(opened.packet_id).tell_share(user_id, share, opened.answer)
        elif opened.answer == "gone":
            self._book(opened.packet_id).told_gone = True

    def was_shown(self, user_id: int, packet_id: int, page: messages.ResultPageBody) -> None:
        """A result page was looked at."""
        self.pages += 1
        self._book(packet_id).tell_page(user_id, page)

    def was_passed_on(self, packet_id: int, next_id: int) -> None:
        """Who had the best luck with one packet sent the next (接龙)."""
        self._book(next_id).follows = self._book(packet_id)

    def was_denied(self, user_id: int, opened: messages.Opened) -> None:
        """A user tried what was not theirs. There is one right answer, whatever the state of the packet."""
        self.answers[opened.answer] += 1
        if opened.answer != "not_allowed":
            self._oddities.append(f"user {user_id} was told {opened} of a packet that was not theirs")

    def was_revealed(self, revealed: messages.Revealed) -> None:
        """A packet's proof."""
        self._book(revealed.packet_id).revealed = revealed

    def was_pushed(self, user_id: int, push: Push) -> None:
        """Anything that came without being asked for."""
        self.pushes[type(push).__name__] += 1
        match push:
            case messages.TextPosted():
                self._was_posted(user_id, push)
            case messages.ClaimsReminder() | messages.FinishReminder() | messages.RefundReminder():
                self._was_posted(user_id, push)
            case messages.PacketPosted():
                self._was_posted(user_id, push)
                self._book(push.packet_id).posted = push
            case messages.PacketFinished():
                self._book(push.packet_id).finished = push
            case Reloaded():
                self._heard[user_id, push.stream_id] = push.last_message

    def _was_posted(self, user_id: int, post: Numbered) -> None:
        """Only to those it is for, and every user hears a stream in order, nothing twice and nothing left out."""
        place = (user_id, post.stream_id)
        if place not in self._may_see:
            self._oddities.append(f"user {user_id} got a post of stream {post.stream_id}, not theirs")
        expected = self._heard.get(place, post.message - 1) + 1
        if post.message != expected:
            self._oddities.append(f"user {user_id} heard {post.message} instead of {expected} in {post.stream_id}")
        self._heard[place] = post.message

    def was_refused(self, error: ClientError) -> None:
        """A request was refused or lost, as can happen to anybody."""
        self.refusals[error.name] += 1

    def has_failed(self, who: str, error: BaseException) -> None:
        """Something happened that nobody expects: the run fails. Counted always, described the first few times."""
        self.failed += 1
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(f"{who}: " + "".join(traceback.format_exception(error)).rstrip())

    def expect(self, holds: bool, what: str) -> None:
        """What a scenario knows must be so in the end."""
        if not holds:
            self._oddities.append(f"expected, but not so: {what}")

    def _book(self, packet_id: int) -> PacketBook:
        book = self.packets.get(packet_id)
        if book is None:
            book = self.packets[packet_id] = PacketBook(packet_id)
        return book

    # --- what follows from it ---------------------------------------------------------------------------------

    @property
    def ok(self) -> bool:
        """Nothing failed and nothing contradicts itself."""
        return not self.failed and not self.contradictions()

    def contradictions(self) -> list[str]:
        """All that cannot be true, each as a sentence that names the packet."""
        found = list(self._oddities)
        for book in self.packets.values():
            found += (f"packet {book.packet_id}: {oddity}" for oddity in book.oddities)
            found += (f"packet {book.packet_id}: {fault}" for rule in RULES for fault in rule(book))
            found += (f"packet {book.packet_id}: {fault}" for fault in self._strangers(book))
        return found

    def _strangers(self, book: PacketBook) -> Iterator[str]:
        """Shares that went to people whom the packet was not for."""
        if book.order is None:
            return
        for user_id in book.shares:
            if book.order.kind == "personal":
                entitled = user_id == book.order.target_id
            else:
                entitled = (user_id, book.order.target_id) in self._may_see
            if not entitled:
                yield f"user {user_id} opened it, but it was for {book.order.target_id}"

    def by_kind(self) -> list[KindRow]:
        """One row for each kind of packet, of those whose send was acknowledged."""
        return [
            self._row(kind, [b for b in self.packets.values() if b.order and b.order.kind == kind])
            for kind in KINDS
        ]

    @staticmethod
    def _row(kind: str, books: list[PacketBook]) -> KindRow:
        return KindRow(
            kind,
            sent=len(books),
            shares=sum(book.order.shares for book in books if book.order),
            opened=sum(len(book.shares) for book in books),
            total_fen=sum(book.sent.total_fen for book in books if book.sent),
            claimed_fen=sum(book.claimed_fen for book in books),
        )

    def finished(self) -> list[PacketBook]:
        """The packets that were said to be finished."""
        return [book for book in self.packets.values() if book.finished is not None]
