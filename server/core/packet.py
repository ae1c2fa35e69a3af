"""One packet in memory: immutable terms, and one counter word that only changes by compare-and-swap.

A grab admits a user with a ticket, an open turns the ticket into the next claim. Both decide here, in the order
they are called, without awaiting anything. Making a claim durable is the caller's affair, and until that is done
the caller says nothing.

In one process the swap cannot fail, as nothing is awaited in between: a failure would be a defect. The mirror and
the record compare the version again: there another server may have come first. I1 to I11: docs/design.md.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

from server.core import amounts
from server.core.decisions import (
    CLAIMED,
    EXPIRED,
    GONE,
    NO_TICKET,
    NOT_ALLOWED,
    WON,
    WORDS_NEEDED,
    Answer,
    Claim,
    Decision,
    Ticket,
)
from server.core.kinds import Allocation
from server.core.limits import Limits
from server.core.packet_request import Terms
from server.core.seeds import SeedUnknown

BUSY_RETRY_MS_MAX: Final = 500  # a packet is often gone long before a ticket can be taken
SET_BACK_MS: Final = 60_000  # a ticket that was given so far ahead is of a clock that was set back since
WASTERS_MAX: Final = 10_000  # users of whom a packet remembers wasted tickets; the oldest are forgotten first
NONE_WASTED: Final[OrderedDict[int, int]] = OrderedDict()  # of most packets, for good; it stays empty
# Asked for each packet, and reading a member off its class costs a call (Python 3.11).
DRAWN: Final = Allocation.DRAWN
DEALT: Final = Allocation.DEALT


class Counter:
    """All that a grab or an open changes together, in one word with compare-and-swap.

    Version (= claims made) in bits 0-15, tickets out in bits 16-39, closed in bit 40.
    """

    __slots__ = ("word",)

    TICKET: Final = 1 << 16
    CLOSED: Final = 1 << 40

    def __init__(self, version: int = 0, closed: bool = False) -> None:
        self.word = version | (self.CLOSED if closed else 0)

    @property
    def version(self) -> int:
        """How many claims were made."""
        return self.word & 0xFFFF

    @property
    def tickets(self) -> int:
        """How many tickets are out."""
        return (self.word >> 16) & 0xFFFFFF

    @property
    def closed(self) -> bool:
        """No claim is made any more."""
        return self.word >= self.CLOSED

    def compare_and_swap(self, seen: int, wanted: int) -> bool:
        """Become `wanted` if the word is still `seen`; otherwise change nothing and say so."""
        if self.word != seen:
            return False
        self.word = wanted
        return True


class Packet:
    """A live packet. `claims` is by user, in the order of the indexes; `left_fen` is the unopened rest.

    Of `tickets` and `wasted` the oldest go first, and a dict steps over the places of lost entries: so tickets,
    which each open needs, have a queue beside them, and wasted ones, which are few, an OrderedDict.
    """

    __slots__ = ("_draws", "_grabs", "claims", "counter", "left_fen", "said", "terms", "tickets", "wasted")

    def __init__(self, terms: Terms, claims: list[Claim] | None = None, closed: bool = False) -> None:
        """A new packet, or one as recorded. Raises SeedUnknown, ValueError if the records contradict the terms."""
        self.terms = terms
        self._draws: amounts.Draws | None = None  # of a drawn one, from its first share on
        allocation = terms.kind.row.allocation
        if allocation is DRAWN and not terms.seed:
            raise SeedUnknown(f"packet {terms.packet_id}: its seed is not known")
        if allocation is DEALT and not (terms.dealt or closed):
            raise SeedUnknown(f"packet {terms.packet_id}: what was dealt to it is not known")
        self.claims: dict[int, Claim] = {}
        self.tickets: dict[int, Ticket] = {}  # by user
        self._grabs: deque[int] = deque()  # users who were given tickets, the oldest first; some have opened since
        self.wasted = NONE_WASTED  # by user: tickets that lapsed or were taken
        self.said: set[int] | None = set() if terms.kind.row.has_words else None  # users who have said its words
        self.left_fen = terms.total_fen
        for claim in claims or ():
            if len(self.claims) == terms.shares:
                raise ValueError(f"packet {terms.packet_id}: {claim} on top of all {terms.shares} shares")
            expected = Claim(len(self.claims), claim.user_id, self._next_amount_fen(), claim.at_ms)
            if claim != expected or claim.user_id in self.claims or not self._may_be_next(claim.user_id):
                raise ValueError(f"packet {terms.packet_id}: recorded {claim}, replayed {expected}")
            self.claims[claim.user_id] = claim
            self.left_fen -= claim.amount_fen
        self.counter = Counter(len(self.claims), closed)

    @property
    def version(self) -> int:
        """How many claims were made."""
        return self.counter.version

    @property
    def left_shares(self) -> int:
        """How many shares are unopened."""
        return self.terms.shares - self.counter.version

    @property
    def finished(self) -> bool:
        """All shares are opened."""
        return self.counter.version == self.terms.shares

    def grab(self, user_id: int, now_ms: int, ticket_number: int, limits: Limits) -> Decision:
        """Admit a user who may open. No grab raises the tickets out above unopened shares × `tickets_per_share`.

        Then it takes the oldest ticket if its age is the grace of a ticket, once more for each ticket that the user
        has wasted here: who opens comes before who hoards. `ticket_number` is random; a held ticket is given again.
        Of a packet with words only users who have said them get one.
        """
        if (over := self._over(user_id, now_ms)) is not None:
            return over
        if self.said is not None and user_id not in self.said:
            return WORDS_NEEDED
        self._lapse(now_ms)
        held = self.tickets.get(user_id)
        if held is not None:
            return Decision(Answer.TICKET, ticket=held)
        if self.counter.tickets >= self.left_shares * limits.tickets_per_share:
            oldest = self._oldest()
            age_ms = limits.ticket_grace_ms * (1 + self.wasted.get(user_id, 0))
            wait_ms = min(oldest.given_at_ms + age_ms, oldest.lapses_at_ms) - now_ms
            if wait_ms > 0:
                return Decision(Answer.BUSY, retry_after_ms=min(wait_ms, BUSY_RETRY_MS_MAX))
            self._waste_oldest()
        seen = self.counter.word
        if not self.counter.compare_and_swap(seen, seen + Counter.TICKET):
            raise AssertionError("a grab was interleaved")
        ticket = self.tickets[user_id] = Ticket(ticket_number, now_ms, now_ms + limits.ticket_lifetime_ms)
        self._grabs.append(user_id)
        return Decision(Answer.TICKET, ticket=ticket)

    def open(self, user_id: int, ticket_number: int, now_ms: int) -> Decision:
        """Turn a ticket into the next claim."""
        if (over := self._over(user_id, now_ms)) is not None:
            return over
        held = self.tickets.get(user_id)
        if held is None or held.number != ticket_number or held.lapses_at_ms <= now_ms:
            return NO_TICKET
        return self._claim(user_id, now_ms)

    def take(self, user_id: int, now_ms: int) -> Decision:
        """Make the next claim for a user who was admitted, after a conflict, when the ticket is spent."""
        return self._over(user_id, now_ms) or self._claim(user_id, now_ms)

    def _claim(self, user_id: int, now_ms: int) -> Decision:
        seen, index = self.counter.word, len(self.claims)
        wanted = seen + 1 - (Counter.TICKET if user_id in self.tickets else 0)
        at_ms = max(now_ms, self.terms.created_at_ms)  # also when a clock was set back
        claim = Claim(index, user_id, self._next_amount_fen(), at_ms)
        left_fen = self.left_fen - claim.amount_fen
        assert left_fen >= (self.terms.shares - index - 1) * self.terms.caps.min_fen
        if not self.counter.compare_and_swap(seen, wanted):
            raise AssertionError("an open was interleaved")
        self.tickets.pop(user_id, None)
        self.claims[user_id] = claim
        self.left_fen = left_fen
        return self.decision_for(WON, claim)

    def decision_for(self, answer: Answer, claim: Claim) -> Decision:
        """The decision that carries a claim: `won` the first time, `claimed` when its user asks again."""
        return Decision(answer, claim=claim, left_shares=self.terms.shares - claim.index - 1)

    def close(self) -> None:
        """From now on nothing opens (I5). Again is harmless."""
        seen = self.counter.word
        if not self.counter.closed and not self.counter.compare_and_swap(seen, seen | Counter.CLOSED):
            raise AssertionError("a close was interleaved")

    def keep_tickets(self, before: Packet) -> None:
        """Take over the tickets of the object that this one replaces after a reload; what users wasted or said."""
        self.tickets = {user: ticket for user, ticket in before.tickets.items() if user not in self.claims}
        self._grabs = deque(self.tickets)
        self.wasted = before.wasted
        if self.said is not None and before.said is not None:
            self.said |= before.said
        self.counter.word += len(self.tickets) * Counter.TICKET

    def best_luck(self) -> Claim | None:
        """手气最佳: the largest claim, the earliest on a tie; None if the kind has none or shares are left (I8)."""
        return best_luck(self.terms, list(self.claims.values()))

    def _over(self, user_id: int, now_ms: int) -> Decision | None:
        """The answers that need no ticket, in their order of precedence."""
        claim = self.claims.get(user_id)
        if claim is not None:
            return self.decision_for(CLAIMED, claim)
        if self.counter.version == self.terms.shares:
            return GONE
        if self.counter.closed or now_ms >= self.terms.expires_at_ms:
            return EXPIRED
        return None if self.claims or self._may_be_next(user_id) else NOT_ALLOWED

    def _may_be_next(self, user_id: int) -> bool:
        """Of some kinds the first share is for the user who received the packet."""
        return bool(self.claims) or not self.terms.kind.row.target_opens_first or user_id == self.terms.target_id

    def _lapse(self, now_ms: int) -> None:
        """Take back the tickets whose time is over; they stand in the order in which they lapse."""
        while self.tickets:
            oldest = self._oldest()
            if now_ms < oldest.lapses_at_ms and oldest.given_at_ms <= now_ms + SET_BACK_MS:
                return
            self._waste_oldest()

    def _oldest(self) -> Ticket:
        """Of the tickets that are out, of which there must be one."""
        while (ticket := self.tickets.get(self._grabs[0])) is None:
            self._grabs.popleft()
        return ticket

    def _waste_oldest(self) -> None:
        """Take back the oldest ticket, and remember its holder, who has not opened."""
        seen = self.counter.word
        if not self.counter.compare_and_swap(seen, seen - Counter.TICKET):
            raise AssertionError("the end of a ticket was interleaved")
        self._oldest()
        user_id = self._grabs.popleft()
        del self.tickets[user_id]
        if self.wasted is NONE_WASTED:
            self.wasted = OrderedDict()
        self.wasted[user_id] = self.wasted.pop(user_id, 0) + 1
        if len(self.wasted) > WASTERS_MAX:
            self.wasted.popitem(last=False)

    def _next_amount_fen(self) -> int:
        terms, index, draws = self.terms, len(self.claims), self._draws
        if draws is None:
            if terms.kind.row.allocation is not DRAWN:
                return terms.dealt[index] if terms.dealt else terms.total_fen // terms.shares
            draws = self._draws = amounts.Draws(terms.seed)
        return draws.share(index, self.left_fen, terms.shares - index, terms.caps)


def best_luck(terms: Terms, claims: list[Claim]) -> Claim | None:
    """The largest claim, the earliest on a tie; None unless the kind has a best luck and the packet is finished."""
    if not terms.kind.row.has_best_luck or len(claims) != terms.shares:
        return None
    return max(claims, key=lambda claim: (claim.amount_fen, -claim.index))
