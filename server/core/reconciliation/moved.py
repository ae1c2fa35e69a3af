"""What corrections of a break have moved together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping


def moved_together(moves: Iterable[tuple[int, int, int]], before: Mapping[int, int] | None = None) -> int:
    """How much the accounts that have gained have gained. A move: from an account, to another one, how much.

    `before`: by how much each account has changed before. What one move gives and another one takes back has not
    been moved, and what goes on from one account to the next counts once.
    """
    changes = Counter(before)
    for debit_account, credit_account, amount_fen in moves:
        changes[debit_account] -= amount_fen
        changes[credit_account] += amount_fen
    return sum(fen for fen in changes.values() if fen > 0)
