"""The whole path: shake, won, settled, ended, the rest returned once."""

from __future__ import annotations

from server.ops.samples.campaign_reports import open_campaigns
from tests.campaigns.conftest import SPONSOR, SPONSOR_FEN, Festival, Settled, Sql, budget_of, closed
from tests.conftest import Connect, Server


async def fen_of(sql: Sql, user_id: int) -> int:
    """What is in a wallet."""
    return int(await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", user_id))


async def test_win_is_settled_and_the_rest_returns_once(
    server: Server, connect: Connect, festival: Festival, settled: Settled, sql: Sql
) -> None:
    campaign_id = await festival.campaign(100)
    budget = budget_of(100)
    assert await fen_of(sql, SPONSOR) == SPONSOR_FEN - budget
    alice = await connect(server, 11)
    shaken = await festival.shake_until(alice, campaign_id)
    assert shaken.win is not None
    assert (shaken.win.sponsor_id, shaken.win.sponsor_name) == (SPONSOR, "某超市")
    won_fen = shaken.win.amount_fen
    assert 200 <= won_fen <= 500
    await settled()
    assert await alice.balance() == won_fen
    again = await alice.shake(campaign_id)
    assert (again.result, again.win) == ("limit", shaken.win)
    changed = await festival.backend.end_campaign(campaign_id)
    assert changed.state == "ended"
    report = await closed(festival, campaign_id)
    assert (report.won_shares, report.won_fen, report.winners) == (1, won_fen, 1)
    assert report.returned_fen == budget - won_fen
    assert (await alice.shake(campaign_id)).result == "ended"
    assert await fen_of(sql, SPONSOR) == SPONSOR_FEN - won_fen
    for _ in range(3):
        await server.app.services.campaigns.loop.round()
    assert await fen_of(sql, SPONSOR) == SPONSOR_FEN - won_fen
    await festival.assert_books_balance()


async def test_dashboard_has_open_campaigns_with_what_they_have_spent(
    server: Server, connect: Connect, festival: Festival, settled: Settled
) -> None:
    campaigns = server.app.services.campaigns
    first, second = await festival.campaign(100), await festival.campaign(10)
    shaken = await festival.shake_until(await connect(server, 11), first)
    assert shaken.win is not None
    await settled()
    newest, spent = await open_campaigns(campaigns)
    assert (newest.campaign, newest.won_fen, newest.cost_per_winner_fen) == (str(second), 0, None)
    assert (spent.campaign, spent.sponsor, spent.state) == (str(first), "某超市", "running")
    assert (spent.won_shares, spent.left_shares, spent.winners) == (1, 99, 1)
    won_fen = shaken.win.amount_fen
    assert (spent.won_fen, spent.left_fen, spent.cost_per_winner_fen) == (
        won_fen,
        budget_of(100) - won_fen,
        won_fen,
    )
    assert [(one.won_shares, one.won_fen) for one in spent.hours if one.won_shares] == [(1, won_fen)]
    for campaign_id in (first, second):
        await festival.backend.end_campaign(campaign_id)
        await closed(festival, campaign_id)
    assert await open_campaigns(campaigns) == ()
