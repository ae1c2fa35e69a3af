"""The content of the send form. Pure: switching between the kinds keeps what was typed."""

from __future__ import annotations

from typing import NamedTuple

from client_sim.chat.money.checkout import PER_SHARE

KINDS = ("lucky", "equal", "exclusive", "password")  # for a group, in the order in which the form switches
FOR_ONE = ("personal", "fission")  # for one user
WITH_SHARES = ("lucky", "equal", "password", "fission")  # whose number of shares is typed
FISSION_SHARES_MIN = 3


class Draft(NamedTuple):
    """A packet to send. `amount_fen` was typed for `typed_kind`: a total, or one share (of the kinds PER_SHARE)."""

    kind: str = "lucky"
    amount_fen: int = 0
    shares: int = 1
    typed_kind: str = "lucky"

    @property
    def shown_fen(self) -> int:
        """The amount as the form shows it: single = total ÷ shares, total = single x shares.

        A single amount is rounded down to a whole fen, so the packet never costs more than was typed.
        """
        if (self.kind in PER_SHARE) == (self.typed_kind in PER_SHARE):
            return self.amount_fen
        return self.amount_fen // max(1, self.shares) if self.kind in PER_SHARE else self.amount_fen * self.shares

    @property
    def total_fen(self) -> int:
        """What the packet costs."""
        return self.shown_fen * self.shares if self.kind in PER_SHARE else self.shown_fen

    def for_one(self, is_for_one: bool) -> Draft:
        """The packet for one user (a personal one), or again one for a group; the amount stays."""
        if is_for_one == (self.kind in FOR_ONE):
            return self
        kind = "personal" if is_for_one else "lucky"
        return Draft(kind, self.total_fen, 1 if is_for_one else self.shares, kind)

    def switched(self) -> Draft:
        """The next kind. Switching on to the first one gives exactly what was typed; no fen is lost."""
        if self.kind not in FOR_ONE:
            return self._replace(kind=KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)])
        kind = FOR_ONE[(FOR_ONE.index(self.kind) + 1) % len(FOR_ONE)]
        shares = max(FISSION_SHARES_MIN, self.shares) if kind == "fission" else 1
        return Draft(kind, self.amount_fen, shares, kind)

    def with_amount(self, amount_fen: int) -> Draft:
        """An amount was typed."""
        return self._replace(amount_fen=amount_fen, typed_kind=self.kind)

    def with_shares(self, shares: int) -> Draft:
        """A number of shares was typed; the amount that the form shows does not change."""
        return self.with_amount(self.shown_fen)._replace(shares=shares)
