"""What the users of a crowd were told when they shook, and what of it cannot all be true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from protocol import messages

DUE_LEAST: Final = 5  # numbers won of a band, and as many not won: with fewer, χ² says nothing (Cochran, 1954)

Share = tuple[int, int]  # packet and index: names a share that was won


@dataclass(slots=True)
class ShakeBook:
    """One campaign. Figures are split by whether the user is a bot.

    Guests shake, too, who are no part of the crowd: what they have won is known from their proofs alone.
    """

    campaign_id: int = 0
    bands: list[tuple[int, int, int]] = field(default_factory=list)
    shares: int = 0
    budget_fen: int = 0
    bots: frozenset[int] = frozenset()
    results: Counter[str] = field(default_factory=Counter)
    shakes: Counter[bool] = field(default_factory=Counter)
    wins: dict[int, list[messages.WinLine]] = field(default_factory=dict)  # by user
    numbers: dict[int, int] = field(default_factory=dict)  # of the pool, with amounts, as the proofs say
    verified: int = 0  # users whose proof was checked
    at_most_left: list[int] = field(default_factory=list)  # as it was told, in order
    guests: dict[int, list[int]] = field(default_factory=dict)  # amounts that guests have won, by user
    with_company: bool = False  # guests were there when it began
    ends_at: float = 0.0  # by the clock of the loop
    is_cut: bool = False  # it was ended before, because guests came or left
    returned_fen: int = 0
    report: messages.CampaignReportShown | None = None
    contradictions: list[str] = field(default_factory=list)
    _shares: set[Share] = field(default_factory=set)

    def take(self, user_id: int, shaken: messages.Shaken) -> bool:
        """A shake was answered; whether it has won."""
        self.results[shaken.result] += 1
        self.shakes[user_id in self.bots] += 1
        if shaken.result != "won":
            return False
        if shaken.win is None:
            self.contradictions.append(f"user {user_id} has won, and was not told what")
            return False
        share = shaken.win.packet_id, shaken.win.index
        if share in self._shares:
            self.contradictions.append(f"share {share} was won twice, the second time by user {user_id}")
        self._shares.add(share)
        self.wins.setdefault(user_id, []).append(shaken.win)
        return True

    def take_left(self, campaign: messages.CampaignLine) -> bool:
        """The number of shares left was told; whether it is another one."""
        left, told = campaign.at_most_left, self.at_most_left
        if told and left > told[-1]:
            self.contradictions.append(f"at most {left} shares are left, and before at most {told[-1]}")
        won = self.won + self.guests_won
        if not left and won < self.shares and self.report is not None:
            self.contradictions.append(f"none of {self.shares} shares is left, and {won} were won")
        if told and left == told[-1]:
            return False
        told.append(left)
        return True

    def take_proof(self, user_id: int, revealed: messages.Revealed, faults: Iterable[str]) -> None:
        """The proof of what a user has won."""
        self.verified += 1
        self.contradictions += [f"proof of user {user_id}: {fault}" for fault in faults]
        amounts = sorted(line.amount_fen for line in revealed.claims)
        if amounts != sorted(win.amount_fen for win in self.wins.get(user_id, [])):
            self.contradictions.append(f"user {user_id} was told other wins than the proof has: {amounts}")
        self._take_numbers(revealed)

    def take_guest(self, user_id: int, revealed: messages.Revealed, faults: Iterable[str]) -> None:
        """The proof of what a guest has won."""
        self.contradictions += [f"proof of guest {user_id}: {fault}" for fault in faults]
        self._take_numbers(revealed)
        if revealed.claims:
            self.guests[user_id] = [line.amount_fen for line in revealed.claims]

    def _take_numbers(self, revealed: messages.Revealed) -> None:
        for line in revealed.claims:
            if line.index in self.numbers:
                self.contradictions.append(f"number {line.index} was won twice")
            self.numbers[line.index] = line.amount_fen

    @property
    def won(self) -> int:
        """How many shares the crowd has won."""
        return sum(map(len, self.wins.values()))

    @property
    def won_fen(self) -> int:
        """What they are worth."""
        return sum(win.amount_fen for wins in self.wins.values() for win in wins)

    @property
    def guests_won(self) -> int:
        """How many shares guests have won."""
        return sum(map(len, self.guests.values()))

    @property
    def guests_fen(self) -> int:
        """What they are worth."""
        return sum(map(sum, self.guests.values()))

    def wins_of(self, user_ids: Iterable[int]) -> float:
        """How many shares each of these users has won, on average."""
        found = [len(self.wins.get(user_id, ())) for user_id in user_ids]
        return sum(found) / len(found) if found else 0.0

    def chi_square(self, quotas: list[int]) -> tuple[float, int]:
        """χ² of the numbers won by band, as so many drawn from the pool without replacement, and its degrees of
        freedom: bands of which too few are due are counted with their neighbour. 0 degrees: nothing to compare.
        """
        won, drawn = len(self.numbers), [self._drawn_between(low, high) for low, high, _ in self.bands]
        if won in (0, self.shares):
            return 0.0, 0
        groups = joined_bands(drawn, quotas, DUE_LEAST * self.shares / min(won, self.shares - won))
        dues = [won * quota / self.shares for _, quota in groups]
        total = sum((count - due) ** 2 / due for (count, _), due in zip(groups, dues, strict=True))
        return total * (self.shares - 1) / (self.shares - won), len(groups) - 1

    def _drawn_between(self, low: int, high: int) -> int:
        """How many numbers of this band were won."""
        return sum(low <= amount <= high for amount in self.numbers.values())


def joined_bands(drawn: list[int], quotas: list[int], quota_least: float) -> list[tuple[int, int]]:
    """Numbers drawn and quota by group of neighbouring bands. Two groups or more: each of at least this quota."""
    groups: list[tuple[int, int]] = []
    for band in zip(drawn, quotas, strict=True):
        if groups and (groups[-1][1] < quota_least or band[1] < quota_least):
            band = groups[-1][0] + band[0], groups.pop()[1] + band[1]
        groups.append(band)
    return groups
