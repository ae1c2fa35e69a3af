"""A campaign whose seed cannot be unsealed, for its key is lost: it holds up no other, and its rest comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.campaigns.conftest import SPONSOR, Festival, MakeFestival, Settled, Sql, budget_of, closed, crowd
from tests.conftest import PATIENCE_S, Connect, StartServer

OTHER = 701
LOST = f"UPDATE seed_trees SET key_id = 'lost' WHERE user_id = {SPONSOR}; DELETE FROM servers"
WINS = "SELECT count(*) FROM wins WHERE campaign_id = $1"


@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_campaign_whose_seed_is_sealed_holds_up_no_other_and_its_money_comes_back(
    durability: str,
    start_server: StartServer,
    connect: Connect,
    make_festival: MakeFestival,
    settled: Settled,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await start_server(stores__durability=durability)
    first.loops_may_fail = True
    festival = await make_festival(first)
    await festival.backend.put_sponsor(OTHER, "另一家")
    await festival.backend.top_up(OTHER, 1_000_000, "other")
    sealed = await festival.campaign(40)
    free = await festival.campaign(40, sponsor=OTHER)
    users = await crowd(connect, first, 100, 3)
    won_fen = [await won(festival, user, sealed) for user in users[:2]]
    await settled()
    if durability == "redis":  # told to its user, and not recorded yet
        monkeypatch.setattr(first.app.stores.packets, "record", never)
        won_fen.append(await won(festival, users[2], sealed))
    await first.kill()
    await sql.execute(LOST)  # the key, and the server has been silent for long

    second = await start_server(stores__durability=durability, server__node=1)
    again = Festival(await connect(second, 0), festival.clock, festival.database)
    alice, bob = await crowd(connect, second, 200, 2)
    assert (await bob.shake(sealed)).result in ("rest", "nothing")
    await again.shake_until(alice, free)
    for campaign_id in (free, sealed):
        await again.backend.end_campaign(campaign_id)
    assert await returned_fen(again, sealed) == budget_of(40) - sum(won_fen)
    await closed(again, free)
    assert await sql.fetchval(WINS, sealed) == len(won_fen)
    await settled()
    await again.assert_books_balance()


async def won(festival: Festival, user: Any, campaign_id: int) -> int:
    """What a user is told to have won."""
    win = (await festival.shake_until(user, campaign_id)).win
    assert win is not None
    return win.amount_fen


async def never(_: Any) -> Any:
    """The record gives no answer."""
    await asyncio.Event().wait()


async def returned_fen(festival: Festival, campaign_id: int) -> int:
    """What has come back of a campaign, once its books are closed. Its report has no seed."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            report = await festival.backend.campaign_report(campaign_id)
            if report.returned_fen:
                return report.returned_fen
            await asyncio.sleep(0.05)
