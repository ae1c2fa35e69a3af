"""Pools of campaigns as the independent auditor reads them, and what each number is worth, by its own formula.

The formulas are those of docs/protocol.md ("The pool of a campaign"); no code of the services is used. Only decks
of bands are known here.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

PPM: Final = 1_000_000
ROUNDS: Final = 12
CAMPAIGN_QUERY: Final = (
    "SELECT campaign_id, sponsor_id, c.key, shares, budget_fen, share_fen_min, share_fen_max, per_user_limit,"
    " returned_fen, closed_at_ms IS NOT NULL AS closed, deck, seed_index, client_seed, sealed, key_id"
    " FROM campaigns c LEFT JOIN seed_trees t ON t.user_id = sponsor_id AND t.number = seed_index / 64"
)
LEASE_QUERY: Final = "SELECT packet_id, campaign_id, first_number, numbers, rest FROM leases"
WIN_QUERY: Final = "SELECT campaign_id, user_id, n, packet_id, index FROM wins"


class AuditedCampaign(NamedTuple):
    """A row of `campaigns`, with the seed of its pool."""

    campaign_id: int
    sponsor_id: int
    key: str
    shares: int
    budget_fen: int
    per_user_limit: int
    returned_fen: int
    closed: bool
    deck: str
    seed: bytes


class AuditedLease(NamedTuple):
    """A row of `leases`. `rest` None: it is open."""

    packet_id: int
    campaign_id: int
    first_number: int
    numbers: int
    rest: int | None


class AuditedWin(NamedTuple):
    """A row of `wins`: the n-th of a user."""

    campaign_id: int
    user_id: int
    n: int
    packet_id: int
    share: int


class AuditedPools(NamedTuple):
    """All of them."""

    campaigns: Sequence[AuditedCampaign] = ()
    leases: Sequence[AuditedLease] = ()
    wins: Sequence[AuditedWin] = ()


NO_POOLS: Final = AuditedPools()


def pools_of(rows: Sequence[Sequence[Any]], secret_of: Mapping[Any, bytes]) -> AuditedPools:
    """From the rows of the three queries. `secret_of`: the secrets of seed trees, by sponsor and number."""
    campaigns, leases, wins = rows
    return AuditedPools(
        [_campaign(row, secret_of) for row in campaigns],
        [AuditedLease(*row) for row in leases],
        [AuditedWin(*row) for row in wins],
    )


def _campaign(row: Any, secret_of: Mapping[Any, bytes]) -> AuditedCampaign:
    campaign_id, sponsor_id, key, shares, budget_fen, low, high, limit, returned_fen, closed = row[:10]
    deck, index, client_seed = row[10:13]
    kind = b"pool:" + hashlib.sha256(deck).hexdigest().encode()
    server_seed = hmac.digest(secret_of[sponsor_id, index // 64], index.to_bytes(8, "big"), "sha256")
    given = b"".join(bytes([len(one)]) + one for one in (client_seed, kind))
    numbers = struct.pack(">QQ", sponsor_id, index) + given + struct.pack(">QIQQ", budget_fen, shares, low, high)
    seed = hmac.digest(server_seed, numbers, "sha256")
    about = campaign_id, sponsor_id, key, shares, budget_fen, limit, returned_fen, closed
    return AuditedCampaign(*about, deck.decode("ascii"), seed)


class Deck:
    """A deck of bands: (smallest, largest, parts per million) each."""

    def __init__(self, shares: int, bands: Sequence[Sequence[int]]) -> None:
        self.bands = [tuple(band) for band in bands]
        exact = [divmod(shares * ppm, PPM) for _, _, ppm in self.bands]
        self.quotas = [whole for whole, _ in exact]
        for place in sorted(range(len(exact)), key=lambda one: -exact[one][1])[: shares - sum(self.quotas)]:
            self.quotas[place] += 1

    @property
    def total_fen(self) -> int:
        """What all its places are worth."""
        return sum(self.amount_at(place) for place in range(sum(self.quotas)))

    def amount_at(self, place: int) -> int:
        """What a place is worth."""
        for (low, high, _), quota in zip(self.bands, self.quotas, strict=True):
            if place < quota:
                return low + place * (high - low + 1) // quota
            place -= quota
        raise ValueError(f"the deck has no place {place}")


class Pool:
    """What each number is worth."""

    def __init__(self, campaign: AuditedCampaign) -> None:
        """Raises ValueError for a deck that is not of bands."""
        title, head, *lines = campaign.deck.removesuffix("\n").split("\n")
        if title != "hongbao deck 1" or head != f"bands {campaign.shares}":
            raise ValueError(f"campaign {campaign.campaign_id}: an auditor of bands cannot read {head!r}")
        self._deck = Deck(campaign.shares, [[int(word) for word in line.split(" ")] for line in lines])
        self._shares, self._seed = campaign.shares, campaign.seed
        self._a = math.isqrt(campaign.shares - 1) + 1
        self._b = -(-campaign.shares // self._a)

    def amount(self, number: int) -> int:
        """In fen."""
        place = self._permuted(number)
        while place >= self._shares:  # a walk that ends in the pool
            place = self._permuted(place)
        return self._deck.amount_at(place)

    def _permuted(self, value: int) -> int:
        right, left = divmod(value, self._a)
        for turn in range(ROUNDS):
            half = left if turn % 2 else right
            message = b"permutation" + bytes([turn]) + half.to_bytes(4, "big")
            drawn = int.from_bytes(hmac.digest(self._seed, message, "sha256"), "big")
            if turn % 2:
                right = (right + drawn) % self._b
            else:
                left = (left + drawn) % self._a
        return right * self._a + left
