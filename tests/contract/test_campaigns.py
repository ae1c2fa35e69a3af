"""Campaigns: made once, changed until they have ended, closed once."""

from __future__ import annotations

import pytest

from server.core.ledger import TransferKind
from storage.postgres.campaigns.campaigns import CampaignRow, Created, NoSponsor, Progress, Returned
from storage.postgres.money.wallets import BalanceRow, NotEnoughMoney
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, balance, pay_in
from tests.contract.given_campaigns import (
    CAMPAIGN,
    ENDS_MS,
    KIND,
    SPONSOR,
    SPONSOR_FEN,
    campaign,
    campaign_id,
    close_lease,
    create,
    lease,
    money_of,
    win,
)
from tests.seeds import LiteralSeeds

CLOSED_MS = ENDS_MS + 1_000
BACK = TransferKind.CAMPAIGN_RETURNED


@pytest.fixture
async def sponsor(both: Stores) -> Stores:
    """There is one, with money."""
    await pay_in(both, SPONSOR, SPONSOR_FEN)
    await both.campaigns.put_sponsor(SPONSOR, "sponsor", 1)
    return both


def made(number: int, **more: object) -> CampaignRow:
    """As it is recorded: the commitment is that of the seeds of the tests."""
    row = campaign(number)
    told = {"sponsor_name": "sponsor", "published_left": row.shares, "published_at_ms": row.created_at_ms}
    return row._replace(**{"seed_index": number - 1, "commitment": b"c" * 32, **told, **more})  # type: ignore[arg-type]


async def test_campaign_is_paid_and_has_the_next_seed_of_its_sponsor(sponsor: Stores) -> None:
    assert await create(sponsor, 1) == Created(made(1), BalanceRow(SPONSOR_FEN - 1_000, 2))
    assert await create(sponsor, 2) == Created(made(2), BalanceRow(SPONSOR_FEN - 2_000, 3))
    rows = await sponsor.campaigns.rows([campaign_id(1), campaign_id(2), campaign_id(9)])
    assert rows == {campaign_id(number): made(number) for number in (1, 2)}
    assert await sponsor.campaigns.open_ids() == [campaign_id(1), campaign_id(2)]


async def test_key_makes_one_campaign(sponsor: Stores) -> None:
    await create(sponsor, 1)
    again = campaign(2)._replace(key=campaign(1).key, name="other")
    seeds = LiteralSeeds()
    assert await sponsor.campaigns.create(again, KIND, money_of(again), lambda: seeds) == Created(made(1), None)
    assert (await balance(sponsor, SPONSOR)).fen == SPONSOR_FEN - 1_000


async def test_campaign_is_found_by_the_key_that_has_made_it(sponsor: Stores) -> None:
    await create(sponsor, 1)
    assert await sponsor.campaigns.before(SPONSOR, campaign(1).key) == made(1)
    assert await sponsor.campaigns.before(SPONSOR, campaign(2).key) is None
    assert await sponsor.campaigns.before(ANNA, campaign(1).key) is None


async def test_campaign_needs_a_sponsor_with_money(sponsor: Stores) -> None:
    seeds = LiteralSeeds()
    await pay_in(sponsor, ANNA, 5_000)
    by_anna = campaign(1)._replace(sponsor_id=ANNA)
    with pytest.raises(NoSponsor):
        await sponsor.campaigns.create(by_anna, KIND, money_of(by_anna), lambda: seeds)
    large = campaign(1)._replace(budget_fen=SPONSOR_FEN + 1)
    with pytest.raises(NotEnoughMoney):
        await sponsor.campaigns.create(large, KIND, money_of(large), lambda: seeds)
    assert await sponsor.campaigns.open_ids() == []
    assert await balance(sponsor, SPONSOR) == BalanceRow(SPONSOR_FEN, 1)


async def test_state_changes_until_it_is_the_end(sponsor: Stores) -> None:
    await create(sponsor, 1)
    states = ["paused", "paused", "open", "ended", "open"]
    found = [await sponsor.campaigns.change(CAMPAIGN, state) for state in states]
    assert [one and (one.state, one.version) for one in found] == [
        ("paused", 2),
        ("paused", 2),
        ("open", 3),
        ("ended", 4),
        ("ended", 4),
    ]
    assert await sponsor.campaigns.change(campaign_id(9), "paused") is None


async def test_campaign_ends_at_its_time(sponsor: Stores) -> None:
    await create(sponsor, 1)
    await sponsor.campaigns.end_due(ENDS_MS - 1)
    assert (await sponsor.campaigns.rows([CAMPAIGN]))[CAMPAIGN].state == "open"
    await sponsor.campaigns.end_due(ENDS_MS)
    await sponsor.campaigns.end_due(ENDS_MS)
    row = (await sponsor.campaigns.rows([CAMPAIGN]))[CAMPAIGN]
    assert (row.state, row.version) == ("ended", 2)


async def test_progress_is_what_was_won_and_published(sponsor: Stores) -> None:
    await create(sponsor, 1)
    await lease(sponsor, 1, first=0, numbers=3)
    await lease(sponsor, 2, first=3, numbers=2)
    await win(sponsor, 1, 0, ANNA, BEN)
    await win(sponsor, 2, 0, ANNA)
    await close_lease(sponsor, 1)
    assert await sponsor.campaigns.progress([CAMPAIGN, campaign_id(9)]) == [Progress(CAMPAIGN, 10, 1_000, 3)]
    await sponsor.campaigns.publish(CAMPAIGN, 8, 5_000)
    await sponsor.campaigns.publish(CAMPAIGN, 9, 6_000)
    assert await sponsor.campaigns.progress([CAMPAIGN]) == [Progress(CAMPAIGN, 8, 5_000, 3)]


async def test_rest_goes_back_once_the_leases_are_closed(sponsor: Stores) -> None:
    await create(sponsor, 1)
    await lease(sponsor, 1, first=0, numbers=3)
    await win(sponsor, 1, 0, ANNA)
    assert await sponsor.campaigns.close(CAMPAIGN, CLOSED_MS, BACK) is None
    await sponsor.campaigns.end_due(ENDS_MS)
    assert await sponsor.campaigns.close(CAMPAIGN, CLOSED_MS, BACK) is None
    await close_lease(sponsor, 1)
    back = Returned(CAMPAIGN, SPONSOR, 900, BalanceRow(SPONSOR_FEN - 100, 3))
    assert await sponsor.campaigns.close(CAMPAIGN, CLOSED_MS, BACK) == back
    assert await sponsor.campaigns.close(CAMPAIGN, CLOSED_MS + 1, BACK) is None
    row = (await sponsor.campaigns.rows([CAMPAIGN]))[CAMPAIGN]
    assert (row.closed_at_ms, row.returned_fen, row.version) == (CLOSED_MS, 900, 3)
    assert await sponsor.campaigns.open_ids() == []


async def test_nothing_goes_back_of_a_campaign_that_was_won_whole(sponsor: Stores) -> None:
    await create(sponsor, 1)
    await lease(sponsor, 1, first=0, numbers=10)
    await win(sponsor, 1, 0, *range(10, 20))
    await sponsor.campaigns.end_due(ENDS_MS)
    assert await sponsor.campaigns.close(CAMPAIGN, CLOSED_MS, BACK) == Returned(CAMPAIGN, SPONSOR, 0, None)


async def test_shakes_are_counted_by_hour(sponsor: Stores) -> None:
    await create(sponsor, 1)
    await sponsor.campaigns.count([(CAMPAIGN, 0, 5, 1, 1)])
    await sponsor.campaigns.count([(CAMPAIGN, 0, 2, 0, 1), (CAMPAIGN, 3_600_000, 1, 0, 0)])
