"""What the independent auditor checks of campaigns: the wins that users were told of, numbers, limits, money."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from bench.chaos.audited_books import AuditedBooks
from bench.chaos.audited_pools import AuditedCampaign, AuditedLease, Pool
from bench.chaos.history import History

CAMPAIGN, LEASE, LEASE_RETURNED, CAMPAIGN_RETURNED = 18, 19, 20, 21  # kinds of transfers, docs/money.md
KIND: Final = "shake"  # of the packets that are leases


def lost_wins(history: History, books: AuditedBooks) -> Iterator[str]:
    """Every win that a user was told of is recorded, in its campaign."""
    booked = {(one.packet_id, one.share): (one.user_id, one.amount_fen) for one in books.claims}
    campaign_of = {one.packet_id: one.campaign_id for one in books.pools.leases}
    counted = {(one.packet_id, one.share): one.user_id for one in books.pools.wins}
    for told in history.wins:
        place = told.packet_id, told.share
        if booked.get(place) != (told.user_id, told.amount_fen):
            recorded = booked.get(place, "nothing")
            yield f"lease {told.packet_id}: {told} was told, recorded is {recorded}"
        elif campaign_of.get(told.packet_id) != told.campaign_id or counted.get(place) != told.user_id:
            yield f"{told} was told, and is not counted as a win of this user in this campaign"


def doubled_wins(history: History, books: AuditedBooks) -> Iterator[str]:
    """A share was told as won once, and a number of a pool was won once."""
    told = Counter((one.packet_id, one.share) for one in history.wins if one.result == "won")
    yield from (f"lease {one[0]}: share {one[1]} was told as won {n} times" for one, n in told.items() if n > 1)
    leases = {one.packet_id: one for one in books.pools.leases}
    won = Counter(
        (leases[claim.packet_id].campaign_id, leases[claim.packet_id].first_number + claim.share)
        for claim in books.claims
        if claim.packet_id in leases
    )
    yield from (f"campaign {one[0]}: number {one[1]} was won {n} times" for one, n in won.items() if n > 1)
    counters: dict[str, Counter[Any]] = {
        "payments of campaign": Counter(one.credit for one in books.transfers if one.kind == CAMPAIGN),
        "leases of money to packet": Counter(one.credit for one in books.transfers if one.kind == LEASE),
        "returns of lease": Counter(one.debit for one in books.transfers if one.kind == LEASE_RETURNED),
        "returns of campaign": Counter(one.debit for one in books.transfers if one.kind == CAMPAIGN_RETURNED),
        "campaigns of sponsor with key": Counter((one.sponsor_id, one.key) for one in books.pools.campaigns),
    }
    for name, counter in counters.items():
        yield from (f"{count} {name} {key}" for key, count in counter.items() if count > 1)


def wrong_wins(history: History, books: AuditedBooks) -> Iterator[str]:
    """No user has won more than the campaign says, who was told so has, and nothing was refused that may not be."""
    limits = {one.campaign_id: one.per_user_limit for one in books.pools.campaigns}
    campaign_of = {one.packet_id: one.campaign_id for one in books.pools.leases}
    won = Counter(
        (campaign_of[claim.packet_id], claim.user_id) for claim in books.claims if claim.packet_id in campaign_of
    )
    for (campaign_id, user_id), count in won.items():
        if count > (most := limits[campaign_id]):
            yield f"campaign {campaign_id}: user {user_id} has won {count} shares, allowed are {most}"
    for told in history.wins:
        if told.result == "limit" and won[told.campaign_id, told.user_id] < limits.get(told.campaign_id, 0):
            count = won[told.campaign_id, told.user_id]
            yield f"campaign {told.campaign_id}: user {told.user_id} was told `limit` with {count} shares"
    if sum(won.values()) != len(books.pools.wins):
        yield f"{sum(won.values())} shares were won, {len(books.pools.wins)} are counted as wins of users"
    yield from (f"a shake was refused: {line}" for line in history.refused_shakes)


def unbalanced_pools(history: History, books: AuditedBooks) -> Iterator[str]:
    """Σ leased = Σ won + returned; the rest went back, once; every number is worth what the seed says."""
    asked = {(one.sponsor_id, one.key): one for one in history.campaigns}
    moved = {(one.kind, one.debit, one.credit): one.amount_fen for one in books.transfers}
    leases: defaultdict[int, list[AuditedLease]] = defaultdict(list)
    for lease in books.pools.leases:
        leases[lease.campaign_id].append(lease)
    won_fen: Counter[int] = Counter()
    won: Counter[int] = Counter()
    for claim in books.claims:
        won_fen[claim.packet_id] += claim.amount_fen
        won[claim.packet_id] += 1
    for campaign in books.pools.campaigns:
        id_, sponsor = campaign.campaign_id, campaign.sponsor_id
        op = asked.get((sponsor, campaign.key))
        if op is None or (op.campaign_id, op.budget_fen) != (id_, campaign.budget_fen):
            yield f"campaign {id_} is recorded, its sponsor was told {op}"
        spent = sum(won_fen[one.packet_id] for one in leases[id_])
        if not campaign.closed or campaign.returned_fen != campaign.budget_fen - spent:
            parts = f"won were {spent}, {campaign.returned_fen} went back, closed is {campaign.closed}"
            yield f"campaign {id_}: {campaign.budget_fen} fen, {parts}"
        if moved.get((CAMPAIGN_RETURNED, id_, sponsor), 0) != campaign.returned_fen:
            yield f"campaign {id_}: {campaign.returned_fen} fen went back, the transfers say otherwise"
        if moved.get((CAMPAIGN, sponsor, id_)) != campaign.budget_fen:
            yield f"campaign {id_} was not paid by its sponsor"
        for lease in leases[id_]:
            yield from _unbalanced_lease(lease, won[lease.packet_id], won_fen[lease.packet_id], moved)
        yield from _wrong_numbers(campaign, leases[id_], books)


def _unbalanced_lease(
    lease: AuditedLease, won: int, won_fen: int, moved: dict[tuple[int, int, int], int]
) -> Iterator[str]:
    leased_fen = moved.get((LEASE, lease.campaign_id, lease.packet_id), 0)
    back_fen = moved.get((LEASE_RETURNED, lease.packet_id, lease.campaign_id), 0)
    if lease.rest is None or lease.rest + won != lease.numbers:
        yield f"lease {lease.packet_id} of {lease.numbers} numbers: {won} were won, {lease.rest} are the rest"
    if leased_fen != won_fen + back_fen:
        yield f"lease {lease.packet_id}: leased {leased_fen}, won {won_fen}, returned {back_fen} fen"


def _wrong_numbers(campaign: AuditedCampaign, leases: list[AuditedLease], books: AuditedBooks) -> Iterator[str]:
    """A number is leased again only after it came back, so at the end one lease at most has not returned it."""
    kept: Counter[int] = Counter()
    first_of = {lease.packet_id: lease.first_number for lease in leases}
    for lease in leases:
        last = lease.first_number + lease.numbers - (lease.rest or 0)
        kept.update(range(lease.first_number, last))
        if lease.first_number + lease.numbers > campaign.shares:
            yield f"lease {lease.packet_id} has numbers that campaign {campaign.campaign_id} has not"
    yield from (
        f"campaign {campaign.campaign_id}: {n} leases kept number {one}" for one, n in kept.items() if n > 1
    )
    pool = Pool(campaign)
    for claim in books.claims:
        if claim.packet_id in first_of:
            due_fen = pool.amount(first_of[claim.packet_id] + claim.share)
            if claim.amount_fen != due_fen:
                yield f"{claim} of campaign {campaign.campaign_id}, by its seed {due_fen} fen"
