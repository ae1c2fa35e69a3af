"""The shapes that evenings have: what is expected of one, what was seen, and whether it holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from client_sim.sim.books import Order, PacketBook
from client_sim.sim.crowd import Crowd
from client_sim.sim.summary import Expectation

STROKE_S = 2.0
STROKE_PART = 0.8
EQUAL_PART = 0.6
BOSS_PART = 0.5
PERSONAL_PART = 0.15
CHAIN_LEAST = 3
BOTS_FIRST_PART = 0.8
LARGE_SHARES = 20

Look = Callable[[Crowd], Expectation]


def a_lucky_packet_is_finished(crowd: Crowd) -> Expectation:
    """There is one to look at, and its seed to be checked."""
    finished = [book for book in crowd.witness.finished() if book.order is not None and book.order.kind == "lucky"]
    return Expectation("a lucky packet is finished", f"{len(finished):,}", bool(finished))


def every_share_is_won(crowd: Crowd) -> Expectation:
    """Exactly as many win as there are shares, and together they have the total."""
    given = _given(crowd)
    full = sum(len(book.shares) == order.shares and book.claimed_fen == order.total_fen for order, book in given)
    seen = f"so in {full:,} packets of {len(given):,}"
    return Expectation("all shares are won, and are the total", seen, 0 < full == len(given))


def somebody_is_denied(crowd: Crowd) -> Expectation:
    """Who tries what is not theirs is denied."""
    denied = crowd.witness.answers["not_allowed"]
    return Expectation("somebody tries what is not theirs and is denied", f"{denied:,} times", denied > 0)


def somebody_returns(crowd: Crowd) -> Expectation:
    """People were away; that they missed nothing is checked in every scenario."""
    returns = crowd.returns()
    return Expectation("somebody is away and comes back", f"{returns:,} times", returns > 0)


def packets_come_at_the_stroke(crowd: Crowd) -> Expectation:
    """Nearly all packets fall into one moment, by the server's clock."""
    posted_ms = sorted(book.posted.at_ms for _, book in _given(crowd) if book.posted is not None)
    ends = (bisect_right(posted_ms, at_ms + STROKE_S * 1000) for at_ms in posted_ms)
    most = max((end - first for first, end in enumerate(ends)), default=0)
    return _part(f"of packets are sent within {STROKE_S:.0f} s", STROKE_PART, most, len(posted_ms))


def most_packets_are_equal(crowd: Crowd) -> Expectation:
    """The boss gives everybody the same."""
    kinds = [order.kind for order, _ in _given(crowd)]
    return _part("of packets are equal ones", EQUAL_PART, kinds.count("equal"), len(kinds))


def bosses_give_most(crowd: Crowd) -> Expectation:
    """Counted in fen."""
    orders = [order for order, _ in _given(crowd)]
    by_bosses = sum(order.total_fen for order in orders if crowd.user(order.sender_id).character_name == "boss")
    return _part("of fen come from bosses", BOSS_PART, by_bosses, sum(order.total_fen for order in orders))


def people_talk_more_than_they_give(crowd: Crowd) -> Expectation:
    """As everybody hears it."""
    texts, packets = (crowd.witness.pushes[kind] for kind in ("TextPosted", "PacketPosted"))
    return Expectation("more texts are heard than packets", f"{texts:,} and {packets:,}", texts > packets)


def some_packets_are_personal(crowd: Crowd) -> Expectation:
    """From one to another."""
    kinds = [order.kind for order, _ in _given(crowd)]
    return _part("of packets are personal", PERSONAL_PART, kinds.count("personal"), len(kinds))


def packets_come_in_chains(crowd: Crowd) -> Expectation:
    """接龙: whoever has the best luck sends the next, and so on."""
    longest = max((_chain(book) for _, book in _given(crowd)), default=0)
    return Expectation(f"a 接龙 of ≥ {CHAIN_LEAST} packets", f"one of {longest}", longest >= CHAIN_LEAST)


def one_gives_to_many(crowd: Crowd) -> Expectation:
    """All packets come from the sponsor, and have many shares."""
    orders = [order for order, _ in _given(crowd)]
    givers, wanted = (
        len({order.sender_id for order in orders}),
        min(LARGE_SHARES, len(crowd.users) // len(crowd.groups)),
    )
    least = min((order.shares for order in orders), default=0)
    seen = f"{givers:,} in {len(crowd.groups):,}, ≥ {least:,}"
    return Expectation(f"one gives, ≥ {wanted} shares", seen, givers == len(crowd.groups) and least >= wanted)


def bots_come_first(crowd: Crowd) -> Expectation:
    """Few as they are, they have nearly all first places."""
    firsts = [who for _, book in _given(crowd) for who, share in book.shares.items() if share.index == 0]
    by_bots = sum(crowd.user(user_id).character_name == "bot" for user_id in firsts)
    bots = sum(user.character_name == "bot" for user in crowd.users)
    what = f"of first places go to {bots:,} bots of {len(crowd.users):,}"
    return _part(what, BOTS_FIRST_PART, by_bots, len(firsts))


class Given(NamedTuple):
    """A packet whose send was acknowledged."""

    order: Order
    book: PacketBook


def _given(crowd: Crowd) -> list[Given]:
    return [Given(book.order, book) for book in crowd.witness.packets.values() if book.order is not None]


def _part(what: str, least: float, number: int, of: int) -> Expectation:
    part = number / of if of else 0.0
    return Expectation(f"≥ {least:.0%} {what}", f"{part:.0%} of {of:,}", part >= least)


def _chain(book: PacketBook | None) -> int:
    length = 0
    while book is not None:
        length, book = length + 1, book.follows
    return length
