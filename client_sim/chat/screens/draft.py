"""The content of the send form. Pure: switching between the kinds keeps what was typed."""

from __future__ import annotations

from typing import NamedTuple

FOR_GROUP, FOR_ONE = ("lucky", "equal"), ("personal", "fission")
OTHER = {"lucky": "equal", "equal": "lucky", "personal": "fission", "fission": "personal"}
WITH_SHARES = ("lucky", "equal", "fission")
FISSION_SHARES_MIN = 3


class Draft(NamedTuple):
    """A packet to send. `amount_fen` was typed for `typed_kind`: the total, or one share (equal)."""

    kind: str = "lucky"
    amount_fen: int = 0
    shares: int = 1
    typed_kind: str = "lucky"

    @property
    def shown_fen(self) -> int:
        """The amount as the form shows it: single = total ÷ shares, total = single x shares.

        A single amount is rounded down to a whole fen, so the packet never costs more than was typed.
        """
        if self.kind == self.typed_kind:
            return self.amount_fen
        return self.amount_fen // max(1, self.shares) if self.kind == "equal" else self.amount_fen * self.shares

    @property
    def total_fen(self) -> int:
        """What the packet costs."""
        return self.shown_fen * self.shares if self.kind == "equal" else self.shown_fen

    def for_one(self, is_for_one: bool) -> Draft:
        """The packet for one user (a personal one), or again one for a group; the amount stays."""
        if is_for_one == (self.kind in FOR_ONE):
            return self
        kind = "personal" if is_for_one else "lucky"
        return Draft(kind, self.total_fen, 1 if is_for_one else self.shares, kind)

    def switched(self) -> Draft:
        """The other kind. Switching back gives exactly what was typed; no fen is lost."""
        kind = OTHER[self.kind]
        if kind not in FOR_ONE:
            return self._replace(kind=kind)
        shares = max(FISSION_SHARES_MIN, self.shares) if kind == "fission" else 1
        return Draft(kind, self.amount_fen, shares, kind)

    def with_amount(self, amount_fen: int) -> Draft:
        """An amount was typed."""
        return self._replace(amount_fen=amount_fen, typed_kind=self.kind)

    def with_shares(self, shares: int) -> Draft:
        """A number of shares was typed; the amount that the form shows does not change."""
        return self.with_amount(self.shown_fen)._replace(shares=shares)
