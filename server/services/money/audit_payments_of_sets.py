"""The audit of what payments of several sets of PostgreSQL name in another one: users, cards, breaks.

What names something was read in the first round of snapshots, what is named in the second: users stay in their set,
and cards and breaks are never removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from server.core.reconciliation.moved import moved_together
from storage.postgres.sets.audit import BreakCited, CardNamed, SetSnapshot
from storage.postgres.sets.places import HOME, NUMBERS_OF_SET


class NamedByPayments(NamedTuple):
    """What the payments of one set name, as of the first round."""

    payers: Mapping[int, int]
    strangers: list[str]
    cards: list[CardNamed]
    cited: list[BreakCited]


async def named_by_payments(one: SetSnapshot, first_id: int) -> NamedByPayments:
    """Read it. Raises StoreUnavailable."""
    return NamedByPayments(
        await one.payments.payers(),
        await one.payments.strangers(first_id, NUMBERS_OF_SET),
        await one.payments.cards_named(),
        await one.payments.breaks_cited(),
    )


async def check_payers(first: Mapping[int, NamedByPayments], home: SetSnapshot) -> list[str]:
    """Every payment is in the set of its user, which its number says."""
    lines = []
    for number, one in first.items():
        lines += [f"{name} is in set {number}, its number says another one" for name in one.strangers]
        places = await home.sets_of_users(one.payers)
        lines += [
            f"payment {payment} of user {user_id} is in set {number}, the user is not"
            for user_id, payment in one.payers.items()
            if places.get(user_id) != number
        ]
    return lines


async def check_cards(first: Mapping[int, NamedByPayments], home: SetSnapshot) -> list[str]:
    """Every card that a payment names is one of its user, at its gateway."""
    named = [card for one in first.values() for card in one.cards]
    owners = await home.payments.owners_of_cards({card.card_id for card in named})
    return [
        f"payment {card.number} of user {card.user_id} names card {card.card_id}, which is not the user's"
        for card in named
        if owners.get(card.card_id) != (card.user_id, card.gateway)
    ]


async def check_citations(first: Mapping[int, NamedByPayments], second: Sequence[SetSnapshot]) -> list[str]:
    """Every correction cites a break of some set; neither it nor all of the break exceed its difference."""
    lines = []
    cited = [one for number in first for one in first[number].cited]
    for of_break in {_set_of(one.break_id) for one in cited}:
        asked: dict[int, list[BreakCited]] = defaultdict(list)
        for one in cited:
            if _set_of(one.break_id) == of_break:
                asked[one.break_id].append(one)
        found = await _breaks(second, of_break, asked)
        for break_id, some in asked.items():
            lines += _excess(break_id, some, found)
    return lines


def _excess(break_id: int, cited: Sequence[BreakCited], found: Mapping[int, int | None]) -> list[str]:
    """Corrections of a break that move more than it allows, or all of them together."""
    most_fen = found.get(break_id, 0)
    if most_fen is None:
        return []
    what = f"a difference of {most_fen} ¤" if break_id in found else "not recorded"
    lines = [
        f"correction {one.correction_id} moved {one.amount_fen} ¤, break {break_id} is {what}"
        for one in cited
        if one.amount_fen > most_fen
    ]
    fen = moved_together((one.debit_account, one.credit_account, one.amount_fen) for one in cited)
    if not lines and fen > most_fen:
        lines.append(f"corrections of break {break_id} moved {fen} ¤ together, it is {what}")
    return lines


async def _breaks(
    snapshots: Sequence[SetSnapshot], of_break: int, break_ids: Collection[int]
) -> dict[int, int | None]:
    return await snapshots[of_break].payments.breaks(break_ids) if of_break < len(snapshots) else {}


def _set_of(number: int) -> int:
    return max(HOME, number // NUMBERS_OF_SET)
