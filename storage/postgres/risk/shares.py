"""Facts about shares of a user of which some are in other sets.

They are counted here as one statement counts them in one set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

from storage.postgres.risk.neighbours import DAY_MS, HOUR_MS, MINUTE_MS

USER_ID_MAX: Final = 2**53 - 1  # as in the migrations; larger numbers are those of groups


class OpenedShare(NamedTuple):
    """A share that was credited to a user. `amount_fen` None, `sender_id` 0: the set of its packet is away."""

    at_ms: int
    amount_fen: int | None
    sender_id: int
    average_fen: int  # of the packet
    target_id: int  # where the packet was sent to


class GotTransfer(NamedTuple):
    """A transfer that a user got."""

    at_ms: int
    giver_id: int
    amount_fen: int


class GivenShares(NamedTuple):
    """What another user got of a user: shares, each as the average of its packet, and transfers."""

    amount_fen: int = 0
    in_minute: int = 0
    in_hour: int = 0
    in_day: int = 0


NOTHING_GIVEN: Final = GivenShares()


def of_shares(
    user_id: int,
    opened: Sequence[OpenedShare],
    transfers: Sequence[GotTransfer],
    given: Mapping[int, GivenShares],
    now_ms: int,
) -> dict[str, int]:
    """The facts about shares and transfers of 24 hours, as `facts` of the risk control of one set has them.

    `given`: by the other user.
    """
    won = [one for one in opened if one.amount_fen is not None]
    got: dict[int, int] = defaultdict(int)
    for one in opened:
        if one.sender_id not in (0, user_id):
            got[one.sender_id] += one.average_fen
    times_ms = _by(opened, lambda one: one.sender_id, {0, user_id})
    for transfer in transfers:
        got[transfer.giver_id] += transfer.amount_fen
        times_ms[transfer.giver_id].append(transfer.at_ms)
    pairs = [(given.get(other, NOTHING_GIVEN).amount_fen, got.get(other, 0)) for other in given.keys() | got.keys()]
    flow_fen = sum(gave + back for gave, back in pairs)
    mutual_fen = sum(2 * min(gave, back) for gave, back in pairs)
    return {
        "opens_1m": sum(one.at_ms > now_ms - MINUTE_MS for one in won),
        "opens_1h": sum(one.at_ms > now_ms - HOUR_MS for one in won),
        "opens_1d": len(won),
        "won_fen_1h": sum(one.amount_fen or 0 for one in won if one.at_ms > now_ms - HOUR_MS),
        "won_fen_1d": sum(one.amount_fen or 0 for one in won),
        "partners_1d": len(pairs),
        "flow_fen_1d": flow_fen,
        "mutual_percent_1d": (200 * mutual_fen + flow_fen) // (2 * flow_fen) if flow_fen else 0,
        "pair_fen_1d": max((gave + back for gave, back in pairs), default=0),
        **_busiest("pair_shares", times_ms, given, now_ms),
        **_busiest("group_opens", _by(opened, lambda one: max(0, one.target_id - USER_ID_MAX), {0}), {}, now_ms),
    }


def _by(
    opened: Sequence[OpenedShare], key_of: Callable[[OpenedShare], int], not_these: Collection[int]
) -> defaultdict[int, list[int]]:
    """The times of shares by what they have in common."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for one in opened:
        if (key := key_of(one)) not in not_these:
            found[key].append(one.at_ms)
    return found


def _busiest(
    name: str, times_ms: Mapping[int, Sequence[int]], given: Mapping[int, GivenShares], now_ms: int
) -> dict[str, int]:
    """How many shares those have that have most, in each of the three spans."""
    keys = times_ms.keys() | given.keys()
    return {
        f"{name}_{short}": max(
            (
                sum(at_ms > now_ms - span_ms for at_ms in times_ms.get(key, ()))
                + given.get(key, NOTHING_GIVEN)[place]
                for key in keys
            ),
            default=0,
        )
        for place, (short, span_ms) in enumerate((("1m", MINUTE_MS), ("1h", HOUR_MS), ("1d", DAY_MS)), 1)
    }
