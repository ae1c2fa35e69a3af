"""The relay (接龙) of a group: after a lucky packet the user with the best luck is reminded to send the next one.

A reminder moves no money: it names an amount, and the user sends a packet or does not.
"""

from __future__ import annotations

from typing import Final

from server.core.packet_request import Terms
from server.core.refusals import Reason, RequestRefused

OFF: Final = 0
TIMES_MAX: Final = 3


def check_times(times: int) -> None:
    """Raise RequestRefused (BAD_REQUEST) unless a group may have this rule: OFF, or 1 to 3 times the best share."""
    if not OFF <= times <= TIMES_MAX:
        raise RequestRefused(Reason.BAD_REQUEST, f"times: {OFF} (off) to {TIMES_MAX}, not {times}")


def next_fen(terms: Terms, best_fen: int, times: int) -> int:
    """The total that the next packet is to have: the best share of this one, so many times.

    Within what a packet with as many shares and the bounds of this one can hold, so that it can be sent as it is.
    """
    low_fen, high_fen = terms.caps
    return min(max(best_fen * times, terms.shares * low_fen), terms.shares * high_fen)
