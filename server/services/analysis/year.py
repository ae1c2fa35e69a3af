"""The year of a user: what was sent and received, best luck, the fastest open, generous to whom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from server.core.analysis.suppression import may_show
from server.core.beijing_year import BEIJING, bounds
from storage.postgres.analysis.user_year import GivenTo, SentInYear, ShareInYear, YearReader, YearSpan, reading_year
from storage.postgres.database import Database

SHOWN: Final = 3  # friends of a list


class Friend(NamedTuple):
    """Another user, who is named by the page, and what went there or came from there."""

    user_id: int
    name: str  # empty: none is known
    shares: int
    amount_fen: int


class YearOfUser(NamedTuple):
    """A year. None, or an empty list: there is nothing to tell."""

    user_id: int
    name: str
    year: int
    sent: int
    sent_fen: int
    received: int
    received_fen: int
    best_lucks: int
    best_share: ShareInYear | None  # the largest
    best_share_from: str
    fastest_ms: int | None  # from a send of another user to the open
    firsts: int  # packets of other users that the user opened first
    largest_sent: SentInYear | None
    fastest_emptied_ms: int | None
    greeting: str  # the most frequent own one
    more_than: float | None  # the part of all senders who sent less; None: fewer than 20
    generous_to: Sequence[Friend]
    received_from: Sequence[Friend]
    months_sent_fen: Sequence[int]
    months_received_fen: Sequence[int]
    busiest_hour: int | None  # of the day, by shares received and packets sent
    friends: int  # users from whom the user received


async def year_of_user(databases: Sequence[Database], user_id: int, year: int) -> YearOfUser:
    """Read in one snapshot of each set, and count. Raises StoreUnavailable."""
    async with reading_year(databases) as reader:
        return await _counted(reader, YearSpan(user_id, year, *bounds(year)))


async def _counted(reader: YearReader, span: YearSpan) -> YearOfUser:
    user_id, year = span.user_id, span.year
    sent, shares = await reader.sent(span), await reader.shares(span)
    given = await reader.generous_to(span)
    totals = await reader.totals(span)
    received_from = _received_from(user_id, shares)
    names = await reader.names(
        [user_id, *(one.user_id for one in (*given, *received_from)), *{one.sender_id for one in shares}]
    )
    senders, less = await reader.givers(year, totals[1])
    best: ShareInYear | None = max(shares, key=lambda share: (share.amount_fen, -share.at_ms), default=None)
    others = [share for share in shares if share.sender_id != user_id and share.kind != "shake"]
    greetings = Counter(packet.greeting for packet in sent if packet.greeting)
    moments_ms = [packet.at_ms for packet in sent] + [share.at_ms for share in shares]
    hours = Counter(_at(at_ms).hour for at_ms in moments_ms)
    return YearOfUser(
        user_id,
        names.get(user_id, ""),
        year,
        *totals,
        best_share=best,
        best_share_from=names.get(best.sender_id, "") if best and best.sender_id != user_id else "",
        fastest_ms=min((share.after_ms for share in others), default=None),
        firsts=sum(share.place == 0 for share in others),
        largest_sent=max(sent, key=lambda packet: (packet.total_fen, -packet.at_ms), default=None),
        fastest_emptied_ms=min((p.emptied_ms for p in sent if p.emptied_ms is not None), default=None),
        greeting=greetings.most_common(1)[0][0] if greetings else "",
        more_than=less / senders if totals[1] and may_show(senders) else None,
        generous_to=_named(given, names),
        received_from=_named(received_from, names),
        months_sent_fen=_months([(packet.at_ms, packet.total_fen) for packet in sent]),
        months_received_fen=_months([(share.at_ms, share.amount_fen) for share in shares]),
        busiest_hour=hours.most_common(1)[0][0] if hours else None,
        friends=len({share.sender_id for share in others}),
    )


def _received_from(user_id: int, shares: Sequence[ShareInYear]) -> list[GivenTo]:
    """Other users from whom most came, the largest sum first."""
    sums: dict[int, list[int]] = defaultdict(list)
    for share in shares:
        if share.sender_id != user_id:
            sums[share.sender_id].append(share.amount_fen)
    found = [GivenTo(sender_id, len(amounts), sum(amounts)) for sender_id, amounts in sums.items()]
    return sorted(found, key=lambda one: (-one.amount_fen, one.user_id))


def _named(found: Sequence[GivenTo], names: dict[int, str]) -> list[Friend]:
    return [Friend(one.user_id, names.get(one.user_id, ""), one.shares, one.amount_fen) for one in found[:SHOWN]]


def _months(amounts: Sequence[tuple[int, int]]) -> list[int]:
    found = [0] * 12
    for at_ms, amount_fen in amounts:
        found[_at(at_ms).month - 1] += amount_fen
    return found


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, BEIJING)
