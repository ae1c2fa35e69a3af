"""Campaigns and bills of sponsors of either set, for users of both."""

from __future__ import annotations

import asyncio

import pytest

from client_sim.sdk.client import Client
from protocol import messages
from server.cli.shared.pool_report import recorded_proof
from server.cli.shared.resources import CommandFailed, all_sets, opened
from server.config import load
from server.core import ids
from server.core.campaigns.deck import Band, fitting_budget
from server.core.campaigns.proof import faults
from tests.conftest import BACKEND, DAY_MS, PATIENCE_S, SEED_KEYS, Connect, TurnedClock
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, Crowd, FindDiscrepancies, MakeCrowd, Sql, StartPair, is_settled

BANDS = [(200, 299, 900_000), (300, 500, 100_000)]
SHARES = 40
BUDGET_FEN = fitting_budget(SHARES, [Band(*band) for band in BANDS])


class Shop:
    """A sponsor in one of the sets, and the clock of the servers."""

    def __init__(self, one: Crowd, backend: Client, sponsor_id: int, clock: TurnedClock) -> None:
        self.one, self.backend, self.sponsor_id, self.clock = one, backend, sponsor_id, clock
        now_ms = clock.now_ms()
        self.times = now_ms - 364 * DAY_MS, now_ms + DAY_MS

    async def campaign(self, key: str = "spring") -> int:
        """One that has run for a year, so all its shares are due."""
        made = await self.backend.create_campaign(
            self.sponsor_id, "spring", *self.times, SHARES, BUDGET_FEN, BANDS, key=key
        )
        return made.campaign_id

    async def win(self, user: Client, campaign_id: int) -> messages.Shaken:
        """Shake, second by second, until a share is won."""
        async with asyncio.timeout(PATIENCE_S):
            while (shaken := await user.shake(campaign_id)).result != "won":
                self.clock.ahead_ms += 1_000
                await asyncio.sleep(0.01)
        return shaken


async def shop_in(crowd: MakeCrowd, connect: Connect, clock: TurnedClock, number: int, **config: object) -> Shop:
    """A sponsor with money; users of both sets are online."""
    one = await crowd(3, 3, **config)
    backend = await connect(one.server, BACKEND)
    sponsor_id = (OLD, NEW)[number] + 2
    await backend.put_sponsor(sponsor_id, "shop")
    return Shop(one, backend, sponsor_id, clock)


@pytest.mark.parametrize("number", [0, 1])
async def test_users_of_both_sets_win_shares_of_a_campaign_and_the_rest_goes_back(
    crowd: MakeCrowd,
    connect: Connect,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    server_clock: TurnedClock,
    number: int,
) -> None:
    shop = await shop_in(crowd, connect, server_clock, number)
    campaign_id = await shop.campaign()
    assert ids.set_of(campaign_id, 1) == number
    assert await shop.campaign() == campaign_id  # once per key
    users = {OLD: shop.one.old[0], NEW: shop.one.new[0]}
    won = {user_id: (await shop.win(user, campaign_id)).win for user_id, user in users.items()}
    wins = {user_id: win for user_id, win in won.items() if win is not None}
    assert {ids.set_of(win.packet_id, 1) for win in wins.values()} == {number}
    await until(lambda: is_settled(sql, other_sql))
    for user_id, user in users.items():
        assert await user.balance() == EACH_FEN + wins[user_id].amount_fen
    await shop.backend.end_campaign(campaign_id)
    own_sql = (sql, other_sql)[number]

    async def is_closed() -> bool:
        return await own_sql.fetchval("SELECT closed_at_ms FROM campaigns") is not None

    await until(is_closed)
    spent_fen = sum(win.amount_fen for win in wins.values())
    balance = await own_sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", shop.sponsor_id)
    assert balance == EACH_FEN - spent_fen
    report = await shop.backend.campaign_report(campaign_id)
    assert (report.won_shares, report.won_fen) == (len(wins), spent_fen)
    assert await discrepancies() == []


async def test_leases_of_a_further_set_stay_with_the_servers_that_live(
    crowd: MakeCrowd,
    start_pair: StartPair,
    connect: Connect,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    server_clock: TurnedClock,
) -> None:
    """Which servers live stands in set 0. Those of a server that was killed are taken over."""
    shop = await shop_in(crowd, connect, server_clock, 1, stores__postgres_pool_max=2)
    other = await start_pair(stores__postgres_pool_max=2)
    campaign_id = await shop.campaign()
    at_other = await connect(other, NEW + 1)
    assert (await shop.win(at_other, campaign_id)).win is not None
    for server in (shop.one.server, other):
        await server.app.services.campaigns.keeper.reclaim()
        assert server.app.services.campaigns.keeper.reclaimed == 0
    assert (await shop.win(shop.one.old[0], campaign_id)).win is not None  # last, so its server holds a lease
    await shop.one.server.kill()

    async def is_taken_over() -> bool:
        return other.app.services.campaigns.keeper.reclaimed > 0

    await until(is_taken_over)
    assert (await shop.win(await connect(other, OLD + 1), campaign_id)).win is not None
    await (await connect(other, BACKEND)).end_campaign(campaign_id)

    async def is_closed() -> bool:
        return await other_sql.fetchval("SELECT closed_at_ms FROM campaigns") is not None

    await until(is_closed)
    await until(lambda: is_settled(sql, other_sql))
    assert await discrepancies() == []


@pytest.mark.parametrize("number", [0, 1])
async def test_bill_is_sent_once_to_a_user_of_the_other_set(
    crowd: MakeCrowd,
    connect: Connect,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    server_clock: TurnedClock,
    number: int,
) -> None:
    shop = await shop_in(crowd, connect, server_clock, number)
    receiver_id, receiver = ((NEW, shop.one.new[0]), (OLD, shop.one.old[0]))[number]
    sent = [await shop.backend.send_bill(shop.sponsor_id, "bill-1", receiver_id, 300) for _ in range(2)]
    assert sent[0].packet_id == sent[1].packet_id
    assert ids.set_of(sent[0].packet_id, 1) == number
    assert (await receiver.open(sent[0].packet_id)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    assert await receiver.balance() == EACH_FEN + 300
    assert await discrepancies() == []


@pytest.mark.parametrize("number", [0, 1])
async def test_proof_of_a_campaign_of_either_set_is_written(
    crowd: MakeCrowd, connect: Connect, postgres_dsn: str, other_dsn: str, server_clock: TurnedClock, number: int
) -> None:
    shop = await shop_in(crowd, connect, server_clock, number)
    campaign_id = await shop.campaign()
    won = (await shop.win(shop.one.old[0], campaign_id)).win
    assert won is not None
    await shop.backend.end_campaign(campaign_id)

    async def is_closed() -> bool:
        return bool((await shop.backend.campaign_report(campaign_id)).seed)

    await until(is_closed)
    settings = load(None, {"stores.postgres": postgres_dsn, "stores.postgres_sets": (other_dsn,)}, environment={})
    async with opened(postgres_dsn) as database, all_sets(database, settings) as sets:
        proof = await recorded_proof(sets, campaign_id, SEED_KEYS)
        with pytest.raises(CommandFailed, match="there is no campaign 5"):
            await recorded_proof(sets, 5, SEED_KEYS)
    assert ([win.amount_fen for win in proof.wins], faults(proof)) == ([won.amount_fen], [])
