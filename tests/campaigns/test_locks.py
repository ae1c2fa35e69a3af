"""Rows of one campaign that another transaction locks: all other campaigns go on, begin and end."""

from __future__ import annotations

import pytest

from tests.campaigns.conftest import SPONSOR, Festival, Sql, closed
from tests.conftest import Connect, Server

HOUR_MS = 3_600_000
OTHER = 701
CAMPAIGN = f"campaigns WHERE sponsor_id = {SPONSOR}"
ROWS = {
    "wallet": f"wallets WHERE user_id = {SPONSOR}",
    "campaign": CAMPAIGN,
    "leases": f"packets WHERE target_id IN (SELECT campaign_id FROM {CAMPAIGN})",
}


async def other_sponsor(festival: Festival) -> int:
    """With money for some campaigns."""
    await festival.backend.put_sponsor(OTHER, "另一家")
    await festival.backend.top_up(OTHER, 1_000_000, "other")
    return OTHER


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS.keys())
async def test_campaign_whose_rows_are_locked_holds_up_the_end_of_no_other(
    server: Server, connect: Connect, festival: Festival, sql: Sql, rows: str
) -> None:
    locked = await festival.campaign(lasts_ms=HOUR_MS)
    free = await festival.campaign(lasts_ms=HOUR_MS, sponsor=await other_sponsor(festival))
    for user_id, campaign_id in ((11, locked), (12, free)):
        await festival.shake_until(await connect(server, user_id), campaign_id)
    async with sql.transaction():
        await sql.execute(f"SELECT FROM {rows} FOR UPDATE")
        festival.ahead(2 * HOUR_MS)
        await closed(festival, free)
        assert not (await festival.backend.campaign_report(locked)).seed
    await closed(festival, locked)
    await festival.assert_books_balance()


async def test_campaign_whose_row_is_locked_holds_up_the_begin_of_no_other(
    server: Server, connect: Connect, festival: Festival, sql: Sql
) -> None:
    at_ms = festival.now_ms() + HOUR_MS
    times = {"starts_at_ms": at_ms, "ends_at_ms": at_ms + HOUR_MS}
    locked = await festival.campaign(**times)
    free = await festival.campaign(**times, sponsor=await other_sponsor(festival))
    alice, bob = await connect(server, 11), await connect(server, 12)
    async with sql.transaction():
        await sql.execute(f"SELECT FROM {CAMPAIGN} FOR UPDATE")
        festival.ahead(HOUR_MS + HOUR_MS // 2)
        await festival.shake_until(alice, free)
    await festival.shake_until(bob, locked)
    await festival.assert_books_balance()
