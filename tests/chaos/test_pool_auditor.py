"""The auditor names every planted contradiction about a campaign, and nothing in a correct history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.chaos import auditor
from bench.chaos.audited_books import AuditedBooks, AuditedClaim, AuditedPacket, AuditedTransfer
from bench.chaos.audited_pools import AuditedCampaign, AuditedLease, AuditedPools, AuditedWin, Pool
from bench.chaos.auditor import CLAIM, TOP_UP
from bench.chaos.history import CampaignOp, History, ToldWin
from bench.chaos.history import TopUp as ToppedUp
from bench.chaos.pool_auditor import CAMPAIGN, CAMPAIGN_RETURNED, LEASE, LEASE_RETURNED

POOL, FIRST, SECOND, SPONSOR = 2**60, 2**60 + 1, 2**60 + 2, 9  # a campaign of four shares, and its leases
DECK = "hongbao deck 1\nbands 4\n100 100 1000000\n"
# The first lease was closed after one win, the second got its rest and the last two numbers come back from it.
LEASES = (
    AuditedLease(FIRST, POOL, 0, 2, 1),
    AuditedLease(SECOND, POOL, 1, 1, 0),
    AuditedLease(SECOND + 1, POOL, 2, 2, 2),
)


def lease_packet(packet_id: int, shares: int, refunded_fen: int) -> AuditedPacket:
    """The packet of a lease."""
    terms = packet_id, SPONSOR, f"lease {packet_id}", "shake", shares * 100, shares, 100, 100
    return AuditedPacket(*terms, b"", refunded_fen, closed=True)


def history_of_run() -> History:
    history = History()
    history.top_ups.append(ToppedUp(SPONSOR, "funds", 500))
    history.campaigns.append(CampaignOp(POOL, SPONSOR, "k", 400, 1))
    history.add_win(ToldWin(1, POOL, FIRST, 0, 100, "won"), 0.0)
    history.add_win(ToldWin(1, POOL, FIRST, 0, 100, "limit"), 0.0)
    return history  # the answer to the win of user 2 was lost


def books_of_run() -> AuditedBooks:
    campaign = AuditedCampaign(POOL, SPONSOR, "k", 4, 400, 1, 200, True, DECK, bytes(32))
    return AuditedBooks(
        [lease_packet(FIRST, 2, 100), lease_packet(SECOND, 1, 0), lease_packet(SECOND + 1, 2, 200)],
        [AuditedClaim(FIRST, 0, 1, 100), AuditedClaim(SECOND, 0, 2, 100)],
        [
            AuditedTransfer(0, SPONSOR, TOP_UP, "funds", 500),
            AuditedTransfer(SPONSOR, POOL, CAMPAIGN, "", 400),
            AuditedTransfer(POOL, FIRST, LEASE, "", 200),
            AuditedTransfer(POOL, SECOND, LEASE, "", 100),
            AuditedTransfer(POOL, SECOND + 1, LEASE, "", 200),
            AuditedTransfer(FIRST, 1, CLAIM, "", 100),
            AuditedTransfer(SECOND, 2, CLAIM, "", 100),
            AuditedTransfer(FIRST, POOL, LEASE_RETURNED, "", 100),
            AuditedTransfer(SECOND + 1, POOL, LEASE_RETURNED, "", 200),
            AuditedTransfer(POOL, SPONSOR, CAMPAIGN_RETURNED, "", 200),
        ],
        {SPONSOR: 300, 1: 100, 2: 100},
        0,
        AuditedPools(
            [campaign], list(LEASES), [AuditedWin(POOL, 1, 1, FIRST, 0), AuditedWin(POOL, 2, 1, SECOND, 0)]
        ),
    )


def test_judge_with_an_agreeing_campaign_finds_nothing() -> None:
    assert auditor.judge(history_of_run(), books_of_run()).all == []


Fault = Callable[[History, AuditedBooks], object]
TOLD = ToldWin(2, POOL, SECOND, 0, 100, "won")
LOST: dict[str, Fault] = {
    "a win is gone": lambda history, books: books.claims.pop(0),
    "another user has it": lambda history, books: history.wins.append(TOLD._replace(user_id=3)),
    "another amount was told": lambda history, books: history.wins.append(TOLD._replace(amount_fen=101)),
    "it is of another campaign": lambda history, books: history.wins.append(TOLD._replace(campaign_id=1)),
    "it is not counted": lambda history, books: books.pools.wins.pop(0),  # type: ignore[attr-defined]
}
DOUBLED: dict[str, Fault] = {
    "a share was told as won twice": lambda history, books: history.wins.append(history.wins[0]),
    "a number was won twice": lambda history, books: _first_numbers(books, 0, 0, 2),
    "a rest came back twice": lambda history, books: books.transfers.append(books.transfers[7]),
    "the campaign was paid twice": lambda history, books: books.transfers.append(books.transfers[1]),
    "the rest went back twice": lambda history, books: books.transfers.append(books.transfers[9]),
}
OTHERS: dict[str, Fault] = {
    "a user has won too much": lambda history, books: books.claims.append(AuditedClaim(SECOND + 1, 0, 1, 100)),
    "`limit` was told too early": lambda history, books: _change_campaign(books, per_user_limit=2),
    "a lease is open": lambda history, books: _change_lease(books, 2, rest=None),
    "more is the rest than was not won": lambda history, books: _change_lease(books, 0, rest=2),
    "a number was kept by two leases": lambda history, books: _change_lease(books, 0, numbers=3),
    "a number is not in the pool": lambda history, books: _change_lease(books, 2, first_number=3),
    "the books are open": lambda history, books: _change_campaign(books, closed=False),
    "too little went back": lambda history, books: _change_campaign(books, returned_fen=100),
    "nothing went back": lambda history, books: books.transfers.pop(9),
    "a lease gave nothing back": lambda history, books: books.transfers.pop(7),
    "the sponsor did not pay": lambda history, books: books.transfers.pop(1),
    "another amount than that of the seed": lambda history, books: _change_campaign(
        books, deck="hongbao deck 1\nbands 4\n101 101 1000000\n"
    ),
    "no user has asked for it": lambda history, books: history.campaigns.clear(),
    "a shake was refused": lambda history, books: history.refused_shakes.append("user 1: no_such_campaign"),
}


def _change_campaign(books: AuditedBooks, **changes: object) -> None:
    books.pools.campaigns[0] = books.pools.campaigns[0]._replace(**changes)  # type: ignore[index, arg-type]


def _change_lease(books: AuditedBooks, place: int, **changes: object) -> None:
    books.pools.leases[place] = books.pools.leases[place]._replace(**changes)  # type: ignore[index, arg-type]


def _first_numbers(books: AuditedBooks, *numbers: int) -> None:
    for place, number in enumerate(numbers):
        _change_lease(books, place, first_number=number)


def findings(fault: Fault) -> auditor.Findings:
    """What the auditor says of a run with this fault."""
    history, books = history_of_run(), books_of_run()
    fault(history, books)
    return auditor.judge(history, books)


@pytest.mark.parametrize("name", LOST)
def test_judge_with_a_lost_win_names_it(name: str) -> None:
    assert findings(LOST[name]).lost


@pytest.mark.parametrize("name", DOUBLED)
def test_judge_with_a_doubled_win_names_it(name: str) -> None:
    assert findings(DOUBLED[name]).duplicated


@pytest.mark.parametrize("name", OTHERS)
def test_judge_with_another_contradiction_about_a_campaign_names_it(name: str) -> None:
    assert findings(OTHERS[name]).others


def test_judge_names_a_user_who_has_won_more_than_the_limit() -> None:
    found = findings(OTHERS["a user has won too much"]).others
    assert f"campaign {POOL}: user 1 has won 2 shares, allowed are 1" in found


def test_numbers_of_a_pool_are_worth_what_the_published_vectors_say() -> None:
    checked = 0
    for one in json.loads((Path(__file__).parent.parent / "vectors" / "pools.json").read_text()):
        head = one["deck"].split("\n")[1]
        if head.startswith("bands"):
            shares = int(head.split(" ")[1])
            about = one["campaign_id"], one["sponsor_id"], "k", shares, 0, 1, 0, True
            pool = Pool(AuditedCampaign(*about, one["deck"], bytes.fromhex(one["seed"])))
            for number, amount_fen in one["wins"]:
                assert pool.amount(number) == amount_fen
                checked += 1
    assert checked > 10
