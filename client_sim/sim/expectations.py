"""What each scenario expects of its run: the shape that its users' habits should give it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

from client_sim.sim.books import Order, PacketBook
from client_sim.sim.crowd import Crowd
from client_sim.sim.summary import Expectation

MIDNIGHT_S = 2.0
MIDNIGHT_PART = 0.8
EQUAL_PART = 0.6
BOSS_PART = 0.5
PERSONAL_PART = 0.15
CHAIN_LEAST = 3
BOTS_FIRST_PART = 0.8
LARGE_SHARES = 20

Check = Callable[[Crowd], Expectation]


def lucky_packet_is_finished(crowd: Crowd) -> Expectation:
    """There is one whose result list can be shown and whose seed can be checked."""
    finished = [book for book in crowd.witness.finished() if book.order is not None and book.order.kind == "lucky"]
    return Expectation(crowd.context.words("is_finished"), f"{len(finished):,}", bool(finished))


def every_share_is_won(crowd: Crowd) -> Expectation:
    """Of each packet, as many users win as there are shares, and together they get the total."""
    sent = _sent(crowd)
    full = sum(len(book.shares) == order.shares and book.claimed_fen == order.total_fen for order, book in sent)
    say = crowd.context.words
    return Expectation(say("all_won"), say("all_won_seen", full=full, of=len(sent)), 0 < full == len(sent))


def foreign_open_is_denied(crowd: Crowd) -> Expectation:
    """Users who try packets of others are denied."""
    denied = crowd.witness.answers["not_allowed"]
    return Expectation(crowd.context.words("foreign_denied"), crowd.context.words("n_times", n=denied), denied > 0)


def users_return(crowd: Crowd) -> Expectation:
    """Users were offline. That they missed nothing is checked in every scenario."""
    returns = crowd.returns()
    return Expectation(crowd.context.words("return"), crowd.context.words("n_times", n=returns), returns > 0)


def packets_come_at_midnight(crowd: Crowd) -> Expectation:
    """Nearly all packets are sent at one moment, by the server's clock."""
    say = crowd.context.words
    posted_ms = sorted(book.posted.at_ms for _, book in _sent(crowd) if book.posted is not None)
    ends = (bisect_right(posted_ms, at_ms + MIDNIGHT_S * 1000) for at_ms in posted_ms)
    most = max((end - first for first, end in enumerate(ends)), default=0)
    return _part(crowd, say("at_midnight", seconds=MIDNIGHT_S), MIDNIGHT_PART, most, len(posted_ms))


def most_packets_are_equal(crowd: Crowd) -> Expectation:
    """Bosses send equal packets."""
    kinds = [order.kind for order, _ in _sent(crowd)]
    return _part(crowd, crowd.context.words("are_equal"), EQUAL_PART, kinds.count("equal"), len(kinds))


def bosses_give_most(crowd: Crowd) -> Expectation:
    """Counted in fen."""
    orders = [order for order, _ in _sent(crowd)]
    by_bosses = sum(order.total_fen for order in orders if crowd.user(order.sender_id).character_name == "boss")
    return _part(
        crowd,
        crowd.context.words("from_bosses", smallest=crowd.context.money.smallest),
        BOSS_PART,
        by_bosses,
        sum(order.total_fen for order in orders),
    )


def more_texts_than_packets(crowd: Crowd) -> Expectation:
    """Counted in pushes."""
    say = crowd.context.words
    texts, packets = (crowd.witness.pushes[kind] for kind in ("TextPosted", "PacketPosted"))
    return Expectation(say("more_texts"), say("texts_seen", texts=texts, packets=packets), texts > packets)


def some_packets_are_personal(crowd: Crowd) -> Expectation:
    """From one user to another."""
    kinds = [order.kind for order, _ in _sent(crowd)]
    return _part(crowd, crowd.context.words("are_personal"), PERSONAL_PART, kinds.count("personal"), len(kinds))


def packets_come_in_chains(crowd: Crowd) -> Expectation:
    """接龙: the user with the best luck sends the next packet, and so on."""
    longest = max((_chain_length(book) for _, book in _sent(crowd)), default=0)
    say = crowd.context.words
    return Expectation(say("chain", least=CHAIN_LEAST), say("chain_seen", longest=longest), longest >= CHAIN_LEAST)


def one_sender_for_many(crowd: Crowd) -> Expectation:
    """All packets come from the sponsor, and have many shares."""
    orders = [order for order, _ in _sent(crowd)]
    senders = len({order.sender_id for order in orders})
    wanted = min(LARGE_SHARES, len(crowd.users) // len(crowd.groups))
    least = min((order.shares for order in orders), default=0)
    say = crowd.context.words
    seen = say("one_sender_seen", senders=senders, groups=len(crowd.groups), least=least)
    holds = senders == len(crowd.groups) and least >= wanted
    return Expectation(say("one_sender", wanted=wanted), seen, holds)


def bots_come_first(crowd: Crowd) -> Expectation:
    """A few bots take nearly all first shares."""
    firsts = [user_id for _, book in _sent(crowd) for user_id, share in book.shares.items() if share.index == 0]
    by_bots = sum(crowd.user(user_id).character_name == "bot" for user_id in firsts)
    bots = sum(user.character_name == "bot" for user in crowd.users)
    what = crowd.context.words("bots_first", bots=bots, users=len(crowd.users))
    return _part(crowd, what, BOTS_FIRST_PART, by_bots, len(firsts))


class SentPacket(NamedTuple):
    """A packet whose send was acknowledged."""

    order: Order
    book: PacketBook


def _sent(crowd: Crowd) -> list[SentPacket]:
    return [SentPacket(book.order, book) for book in crowd.witness.packets.values() if book.order is not None]


def _part(crowd: Crowd, what: str, least: float, number: int, of: int) -> Expectation:
    part, say = number / of if of else 0.0, crowd.context.words
    return Expectation(say("part", least=least, what=what), say("part_seen", part=part, of=of), part >= least)


def _chain_length(book: PacketBook | None) -> int:
    length = 0
    while book is not None:
        length, book = length + 1, book.follows
    return length
