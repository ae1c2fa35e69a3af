"""How values of decisions travel between servers: as arrays of what their classes are made of.

They are plain classes, which MessagePack does not know by itself (see core/decisions).
"""

from __future__ import annotations

from typing import Any, Final

from server.core.decisions import Answer, Claim, Decision, Ticket


def as_array(value: object) -> list[object]:
    """For an encoder. Raises NotImplementedError for a value of another class."""
    match value:
        case Claim():
            return [value.index, value.user_id, value.amount_fen, value.at_ms]
        case Ticket():
            return [value.number, value.given_at_ms, value.lapses_at_ms]
        case Decision():
            return [value.answer, value.claim, value.ticket, value.retry_after_ms, value.left_shares]
    raise NotImplementedError(f"{type(value).__name__} does not travel")


def from_array(kind: type, array: Any) -> object:
    """For a decoder. Raises ValueError, TypeError for an array that no server has made."""
    if kind is Claim or kind is Ticket:
        return kind(*_numbers(array, LENGTHS[kind]))
    if kind is not Decision:
        raise NotImplementedError(f"{kind.__name__} does not travel")
    answer, claim, ticket, *more = array
    return Decision(
        Answer(answer),
        None if claim is None else Claim(*_numbers(claim, LENGTHS[Claim])),
        None if ticket is None else Ticket(*_numbers(ticket, LENGTHS[Ticket])),
        *_numbers(more, 2),
    )


def _numbers(array: Any, length: int) -> list[int]:
    if not isinstance(array, list) or len(array) != length or not all(type(one) is int for one in array):
        raise ValueError(f"{length} numbers expected")
    return array


LENGTHS: Final[dict[type, int]] = {Claim: 4, Ticket: 3}
