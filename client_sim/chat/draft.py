"""What is typed into the send form. Pure: switching between the kinds keeps it."""

from __future__ import annotations

from typing import NamedTuple

OTHER = {"lucky": "equal", "equal": "lucky"}


class Draft(NamedTuple):
    """A packet to be sent. `amount_fen` was typed for `typed_kind`: the total (lucky) or one share (equal)."""

    kind: str = "lucky"
    amount_fen: int = 0
    shares: int = 1
    typed_kind: str = "lucky"

    @property
    def shown_fen(self) -> int:
        """The amount as the form shows it: single = total ÷ shares, total = single x shares.

        A single amount is rounded down to a whole fen, so nobody sends more than they typed.
        """
        if self.kind == self.typed_kind:
            return self.amount_fen
        return self.amount_fen // max(1, self.shares) if self.kind == "equal" else self.amount_fen * self.shares

    @property
    def total_fen(self) -> int:
        """What sending it would cost."""
        return self.shown_fen * self.shares if self.kind == "equal" else self.shown_fen

    def switched(self) -> Draft:
        """The other kind, with what was typed. Switching back gives exactly that again; no fen is lost."""
        return self._replace(kind=OTHER[self.kind])

    def with_amount(self, amount_fen: int) -> Draft:
        """An amount was typed."""
        return self._replace(amount_fen=amount_fen, typed_kind=self.kind)

    def with_shares(self, shares: int) -> Draft:
        """A number of shares was typed; the amount that the form shows stays as it is."""
        return self.with_amount(self.shown_fen)._replace(shares=shares)
