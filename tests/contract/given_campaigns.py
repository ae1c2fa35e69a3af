"""A literal campaign of ten shares of 1.00 yuan, its leases and wins."""

from __future__ import annotations

from server.core.campaigns.deck import Band, BandDeck
from server.core.decisions import Claim
from server.core.ledger import TransferKind
from storage.postgres.campaigns.campaigns import CampaignRow, Created
from storage.postgres.campaigns.leases import ClosedLease, LeaseRow
from storage.postgres.money.wallets import TransferRow
from storage.postgres.packets.packets import Advance, PacketRow, Wins
from storage.stores import Stores
from tests.contract.given import OPENED_MS
from tests.seeds import LiteralSeeds

SPONSOR, SPONSOR_FEN = 700, 10_000
SHARES, SHARE_FEN = 10, 100
STARTS_MS, ENDS_MS, RETURNED_MS = 2_000, 90_000, 50_000
SERVER, OTHER_SERVER = 71, 72
DECK = BandDeck(SHARES, [Band(SHARE_FEN, SHARE_FEN, 1_000_000)])
KIND = DECK.kind


def campaign_id(number: int) -> int:
    """The id of the campaign with this number."""
    return 9_007_199_254_741_700 + number


def lease_id(number: int) -> int:
    """The packet of the lease with this number."""
    return 9_007_199_254_741_800 + number


CAMPAIGN = campaign_id(1)


def campaign(number: int, limit: int = 2) -> CampaignRow:
    """A campaign to be; its key is `k` and its number."""
    return CampaignRow(
        campaign_id=campaign_id(number),
        sponsor_id=SPONSOR,
        sponsor_name="",
        key=f"k{number}",
        name="spring",
        greeting="hi",
        cover="",
        group_id=0,
        highlighted=False,
        shares=SHARES,
        budget_fen=SHARES * SHARE_FEN,
        share_fen_min=SHARE_FEN,
        share_fen_max=SHARE_FEN,
        per_user_limit=limit,
        deck=DECK.canonical(),
        seed_index=0,
        client_seed=b"",
        commitment=b"",
        created_at_ms=1_000,
        starts_at_ms=STARTS_MS,
        ends_at_ms=ENDS_MS,
    )


def money_of(row: CampaignRow) -> TransferRow:
    """The transfer into its pool."""
    return TransferRow(
        row.sponsor_id, row.campaign_id, TransferKind.CAMPAIGN, "", row.budget_fen, row.created_at_ms
    )


async def create(stores: Stores, number: int, limit: int = 2) -> Created:
    """A campaign that stands in the records."""
    row, seeds = campaign(number, limit), LiteralSeeds()
    return await stores.campaigns.create(row, KIND, money_of(row), lambda: seeds)


def packet_of(number: int, numbers: int, campaign_number: int = 1) -> PacketRow:
    """The packet of a lease."""
    terms = numbers * SHARE_FEN, numbers, SHARE_FEN, SHARE_FEN, "hi", None, STARTS_MS, ENDS_MS
    return PacketRow(lease_id(number), SPONSOR, f"lease {number}", "shake", campaign_id(campaign_number), *terms)


async def lease(
    stores: Stores, number: int, first: int, numbers: int, rest_of: int | None = None, server: int = SERVER
) -> bool:
    """Take numbers of the first campaign. `rest_of`: the number of the lease whose rest it is."""
    packet = packet_of(number, numbers)
    row = LeaseRow(packet.packet_id, CAMPAIGN, first, numbers)
    money = TransferRow(CAMPAIGN, packet.packet_id, TransferKind.LEASE, "", packet.total_fen, STARTS_MS)
    before = None if rest_of is None else lease_id(rest_of)
    return await stores.leases.take(row, server, packet, money, before)


def wins(number: int, version: int, *users: int, kind: Wins = Wins.UNTOLD, first: bool = False) -> Advance:
    """The next claims of a lease, of these users. `first`: the server takes each for the first of its user."""
    claims = [Claim(version + place, user_id, SHARE_FEN, OPENED_MS) for place, user_id in enumerate(users)]
    return Advance(lease_id(number), version, claims, kind, first)


async def win(stores: Stores, number: int, version: int, *users: int, first: bool = False) -> None:
    """Wins that stand in the records."""
    assert await stores.packets.record([wins(number, version, *users, first=first)]) == {lease_id(number)}


async def close_lease(stores: Stores, *numbers: int) -> list[ClosedLease]:
    """Close leases of these numbers."""
    ids = [lease_id(number) for number in numbers]
    return await stores.leases.close(ids, RETURNED_MS, TransferKind.LEASE_RETURNED)
