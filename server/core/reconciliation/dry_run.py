"""What a correction would move, as it is shown before it is proposed, and a digest of what was shown. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

DIGEST_LENGTH: Final = 12  # hex digits: to be copied by a person, not a secret


class AccountChange(NamedTuple):
    """What an account holds before and after a correction; None of the outside, whose balance is not kept."""

    account: str
    before_fen: int | None
    after_fen: int | None


class DryRun(NamedTuple):
    """A correction that is not proposed yet. `difference_fen`: of its break; None: not known."""

    break_id: int
    difference_fen: int | None
    amount_fen: int
    changes: Sequence[AccountChange]

    @property
    def digest(self) -> str:
        """Of all that is shown: another amount, another account or another balance has another one."""
        lines = [f"break {self.break_id} {self.difference_fen} {self.amount_fen}"]
        lines += [f"{one.account} {one.before_fen} {one.after_fen}" for one in self.changes]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGEST_LENGTH]
