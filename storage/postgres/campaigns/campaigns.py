"""Campaigns and their sponsors: made, changed, ended, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from storage import statements
from storage.postgres.campaigns import leases
from storage.postgres.money import wallets
from storage.postgres.money.wallets import BalanceRow, NotEnoughMoney, TransferRow
from storage.postgres.packets import seed_trees
from storage.postgres.packets.packets import PacketRow
from storage.postgres.packets.seed_trees import PacketSeeds

if TYPE_CHECKING:
    from storage.postgres.database import Connection, Database

_SQL = statements.load(__file__)
HOUR_MS = 3_600_000


class CampaignRow(NamedTuple):
    """A campaign as it is recorded. `state`: open, paused or ended; `closed_at_ms`: when the rest went back.

    For all users, or one group, or those of whom an event of the sponsor (`event_kind`) was reported.
    """

    campaign_id: int
    sponsor_id: int
    sponsor_name: str
    key: str
    name: str
    greeting: str
    cover: str
    group_id: int
    highlighted: bool
    shares: int
    budget_fen: int
    share_fen_min: int
    share_fen_max: int
    per_user_limit: int
    deck: bytes
    seed_index: int
    client_seed: bytes
    commitment: bytes
    created_at_ms: int
    starts_at_ms: int
    ends_at_ms: int
    state: str = "open"
    version: int = 1
    published_left: int = 0
    published_at_ms: int = 0
    closed_at_ms: int | None = None
    returned_fen: int = 0
    event_kind: str = ""

    def pool_packet(self, kind: str) -> PacketRow:
        """The packet whose seed the pool has; no such packet is recorded. `kind`: that of its deck."""
        return PacketRow(
            self.campaign_id,
            self.sponsor_id,
            self.key,
            kind,
            self.campaign_id,
            self.budget_fen,
            self.shares,
            self.share_fen_min,
            self.share_fen_max,
            self.greeting,
            None,
            self.created_at_ms,
            self.ends_at_ms,
            self.seed_index,
            self.client_seed,
            self.commitment,
        )


class Progress(NamedTuple):
    """What is recorded of a campaign: how many shares were won, and what was published."""

    campaign_id: int
    published_left: int
    published_at_ms: int
    won: int


class Created(NamedTuple):
    """A campaign that stands in the records: this one, or (`balance` None) the one its key made earlier."""

    row: CampaignRow
    balance: BalanceRow | None


class Returned(NamedTuple):
    """The end of a campaign's books: what went back, and the sponsor's balance then (None: nothing was left)."""

    campaign_id: int
    sponsor_id: int
    returned_fen: int
    balance: BalanceRow | None


class CampaignTotals(NamedTuple):
    """What a campaign has given away."""

    open_leases: int
    won_shares: int
    won_fen: int
    winners: int


class HourRow(NamedTuple):
    """An hour of a campaign."""

    at_ms: int
    shakes: int
    rests: int
    nothings: int
    won_shares: int = 0
    won_fen: int = 0


class NoSponsor(Exception):
    """The user is not a sponsor; nothing was recorded."""


class CampaignStore:
    """Statements on campaigns. All methods raise StoreUnavailable."""

    tells_changes = True  # every server is told of each change by a trigger

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_of_sponsor(self, sponsor_id: int) -> int:
        """The set of PostgreSQL in which the campaigns of a sponsor are."""
        return 0

    async def put_sponsor(self, user_id: int, name: str, now_ms: int) -> None:
        """This user, who is known, is a sponsor, called so."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["put_sponsor"], user_id, name, now_ms)

    async def create(
        self, row: CampaignRow, kind: str, transfer: TransferRow, seeds: Callable[[], PacketSeeds]
    ) -> Created:
        """Record a campaign, with its money and the next server seed of its sponsor, or find what its key made.

        `kind`: that of its deck, for the seed. Raises NoSponsor, NotEnoughMoney.
        """
        try:
            async with self._database.transaction() as connection:
                return await _create(connection, row, kind, transfer, seeds())
        except asyncpg.UniqueViolationError:  # another process has used the key since we looked
            async with self._database.transaction() as connection:
                return await _create(connection, row, kind, transfer, seeds())

    async def before(self, sponsor_id: int, key: str) -> CampaignRow | None:
        """The campaign that a key of a sponsor has made, if it has."""
        async with self._database.reading() as connection:
            earlier = await connection.fetchval(_SQL["before"], sponsor_id, key)
            return None if earlier is None else (await _rows(connection, [earlier]))[earlier]

    async def rows(self, campaign_ids: Collection[int]) -> dict[int, CampaignRow]:
        """The campaigns that exist."""
        async with self._database.reading() as connection:
            return await _rows(connection, campaign_ids)

    async def open_ids(self) -> list[int]:
        """All campaigns whose books are not closed."""
        async with self._database.reading() as connection:
            return [row["campaign_id"] for row in await connection.fetch(_SQL["open_ids"])]

    async def page(self, before_id: int, most: int) -> list[CampaignRow]:
        """Campaigns before an id, the newest first."""
        async with self._database.reading() as connection:
            ids = [row["campaign_id"] for row in await connection.fetch(_SQL["page"], before_id, most)]
            found = await _rows(connection, ids)
        return [found[campaign_id] for campaign_id in ids]

    async def change(self, campaign_id: int, state: str) -> CampaignRow | None:
        """Change the state, unless it has ended; what is recorded then. None: there is no such campaign."""
        async with self._database.transaction() as connection:
            await connection.execute(_SQL["change"], campaign_id, state)
            return (await _rows(connection, [campaign_id])).get(campaign_id)

    async def end_due(self, now_ms: int) -> None:
        """Campaigns whose time is over have ended."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["end_due"], now_ms)

    async def start_due(self, now_ms: int) -> None:
        """Campaigns whose time has come have started; each is told once."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["start_due"], now_ms)

    async def progress(self, campaign_ids: Collection[int]) -> list[Progress]:
        """What is recorded of these."""
        async with self._database.reading() as connection:
            return [Progress(*row) for row in await connection.fetch(_SQL["progress"], list(campaign_ids))]

    async def publish(self, campaign_id: int, left: int, now_ms: int) -> None:
        """Publish how many shares are left at most, unless less was published before."""
        async with self._database.reading() as connection:
            await connection.execute(_SQL["publish"], campaign_id, left, now_ms)

    async def close(self, campaign_id: int, now_ms: int, kind: int) -> Returned | None:
        """Pay back what is left of a campaign that has ended, once; None while leases are open, or if it was done.

        `kind`: that of the transfer.
        """
        async with self._database.transaction() as connection:
            sponsor_id = await connection.fetchval(_SQL["sponsor_of"], campaign_id)
            await wallets.lock(connection, [sponsor_id])  # before other rows, as every writer
            budget_fen = await connection.fetchval(_SQL["lock_ended"], campaign_id)
            if budget_fen is None:
                return None
            row = await connection.fetchrow(_SQL["leased"], campaign_id)
            assert row is not None
            open_leases, won_fen = row
            if open_leases:
                return None
            await leases.tell_all_wins(connection, campaign_id, now_ms)  # before the end is told
            left_fen = budget_fen - won_fen
            await connection.execute(_SQL["close"], campaign_id, now_ms, left_fen)
            balance = None
            if left_fen:
                transfer = TransferRow(campaign_id, sponsor_id, kind, "", left_fen, now_ms)
                balance = await wallets.credit(connection, transfer, sponsor_id)
            return Returned(campaign_id, sponsor_id, left_fen, balance)

    # --- what is told -----------------------------------------------------------------------------------------

    async def count(self, counted: Sequence[tuple[int, int, int, int, int]]) -> None:
        """Add shakes: campaign, hour, shakes, of them rests and nothings."""
        columns = [[row[column] for row in counted] for column in range(5)]
        async with self._database.reading() as connection:
            await connection.execute(_SQL["count_hours"], *columns)

    async def report(self, campaign_id: int) -> tuple[CampaignTotals, list[HourRow]]:
        """What a campaign has given away, in all and by hour."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(_SQL["totals"], campaign_id)
            hours = await connection.fetch(_SQL["hours"], campaign_id, HOUR_MS)
        assert row is not None
        return CampaignTotals(*row), [HourRow(*hour) for hour in hours]


async def _rows(connection: Connection, campaign_ids: Collection[int]) -> dict[int, CampaignRow]:
    rows = await connection.fetch(_SQL["rows"], list(campaign_ids))
    return {row["campaign_id"]: CampaignRow(*row) for row in rows}


async def _create(
    connection: Connection, row: CampaignRow, kind: str, transfer: TransferRow, seeds: PacketSeeds
) -> Created:
    sponsor_id = row.sponsor_id
    purses = await wallets.lock(connection, [sponsor_id])  # its seeds are taken under this lock
    earlier = await connection.fetchval(_SQL["before"], sponsor_id, row.key)
    if earlier is not None:
        return Created((await _rows(connection, [earlier]))[earlier], None)
    if not await connection.fetchval(_SQL["is_sponsor"], sponsor_id):
        raise NoSponsor
    if sponsor_id not in purses or purses[sponsor_id].free_fen < row.budget_fen:
        raise NotEnoughMoney
    index = purses[sponsor_id].next_seed
    await seed_trees.learn(connection, seeds, {seeds.tree_of(sponsor_id, index)})
    used = seeds.use(row.pool_packet(kind), index)
    assert used.commitment is not None
    after = await wallets.debit(connection, {sponsor_id: row.budget_fen}, {sponsor_id: 1}, {sponsor_id: index + 1})
    row = row._replace(seed_index=index, commitment=used.commitment)
    await connection.execute(_SQL["insert"], row.campaign_id, sponsor_id, *row[3:21], row.event_kind)
    await wallets.insert_debits(connection, [transfer], after)
    return Created((await _rows(connection, [row.campaign_id]))[row.campaign_id], after[sponsor_id])
