"""What is told of a campaign, its proof, and the audit, which names every planted discrepancy."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import pytest

from client_sim.sdk import (
    BadBudget,
    CampaignOver,
    KeyReused,
    NotAllowed,
    NotASponsor,
    NotEnoughMoney,
    NotFinished,
    fairness,
)
from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from client_sim.sdk.methods import campaign_proofs
from server.core.campaigns import deck
from server.core.campaigns.pool import Pool
from server.core.ids import BACKEND
from storage.postgres.campaigns.campaigns import CampaignRow, CampaignStore
from tests.campaigns.conftest import BANDS, SPONSOR, SPONSOR_FEN, Festival, Settled, Sql, budget_of, closed, crowd
from tests.cases import each
from tests.conftest import DAY_MS, Connect, Server, StartServer
from tests.uncommitted import Uncommitted
from tests.webhooks.conftest import until


async def fen_of_sponsor(sql: Sql) -> int:
    """What is in the sponsor's wallet."""
    return int(await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", SPONSOR))


async def test_published_number_falls_to_zero_only_with_the_last_share(
    server: Server, connect: Connect, festival: Festival, sql: Sql
) -> None:
    campaign_id = await festival.campaign(40)
    look = server.app.services.campaigns.board.look
    told = [40]
    for user in await crowd(connect, server, 100, 40):
        assert (await festival.shake_until(user, campaign_id)).win is not None
        await look()
        line = (await user.campaign(campaign_id)).campaign
        won = await sql.fetchval("SELECT sum(version) FROM packets WHERE target_id = $1", campaign_id)
        assert told[-1] >= line.at_most_left >= 40 - won
        assert (line.at_most_left == 0) == (won == 40)
        told.append(line.at_most_left)
    assert set(told) >= {40, 20, 4, 3, 2, 1, 0}
    late = await connect(server, 200)
    assert (await late.shake(campaign_id)).result == "ended"


async def test_same_key_makes_one_campaign(server: Server, festival: Festival, sql: Sql) -> None:
    now_ms = festival.now_ms()

    async def create(name: str) -> int:
        asked = SPONSOR, name, now_ms, now_ms + DAY_MS, 40, budget_of(40), BANDS
        return (await festival.backend.create_campaign(*asked, key="one")).campaign_id

    first = await create("spring")
    assert await create("spring") == first
    with pytest.raises(KeyReused):
        await create("autumn")
    assert await fen_of_sponsor(sql) == SPONSOR_FEN - budget_of(40)


async def test_same_key_finds_its_campaign_when_its_time_is_over(
    server: Server, festival: Festival, sql: Sql
) -> None:
    """A backend that was away for so long asks again, and must not be told that nothing was made."""
    now_ms = festival.now_ms()

    async def create(name: str, key: str) -> int:
        asked = SPONSOR, name, now_ms, now_ms + DAY_MS, 40, budget_of(40), BANDS
        return (await festival.backend.create_campaign(*asked, key=key)).campaign_id

    first = await create("spring", "one")
    festival.ahead(2 * DAY_MS)
    assert await create("spring", "one") == first
    for other in (("autumn", "one"), ("spring", "two"), ("spring", "o\0e")):
        with pytest.raises(Refusal) as caught:
            await create(*other)
        assert caught.value.name in ("bad_campaign", "bad_key")
    await closed(festival, first)
    assert await create("spring", "one") == first
    assert await fen_of_sponsor(sql) == SPONSOR_FEN


async def test_same_key_finds_its_campaign_when_a_limit_is_lower(
    server: Server, festival: Festival, start_server: StartServer, connect: Connect
) -> None:
    now_ms = festival.now_ms()
    asked = SPONSOR, "spring festival", now_ms, now_ms + DAY_MS, 40, budget_of(40), BANDS
    first = await festival.backend.create_campaign(*asked, key="one")
    strict = await connect(await start_server(server__node=1, limits__name_bytes_max=6), BACKEND)
    assert (await strict.create_campaign(*asked, key="one")).campaign_id == first.campaign_id
    with pytest.raises(Refusal) as caught:
        await strict.create_campaign(*asked, key="two")
    assert caught.value.name == "bad_name"


async def test_users_list_campaigns_newest_first_in_whatever_order_they_were_read(
    server: Server, festival: Festival, start_server: StartServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the shake page would show an older one, and a page of the list leave some out."""
    made = [await festival.campaign(40) for _ in range(4)]
    rows = CampaignStore.rows

    async def shuffled(self: CampaignStore, ids: Collection[int]) -> dict[int, CampaignRow]:
        return dict(sorted((await rows(self, ids)).items(), key=lambda one: made.index(one[0]) % 2))

    monkeypatch.setattr(CampaignStore, "rows", shuffled)
    alice = await connect(await start_server(server__node=1), 11)
    assert [one.campaign_id for one in (await alice.campaigns()).campaigns] == made[::-1]
    older = await alice.campaigns(made[2])
    assert [one.campaign_id for one in older.campaigns] == [made[1], made[0]]


async def test_campaign_that_cannot_be_paid_is_refused(server: Server, festival: Festival, sql: Sql) -> None:
    with pytest.raises(BadBudget, match=f"budget_fen: 1, the shares need {budget_of(40)}"):
        await festival.campaign(40, budget_fen=1)
    with pytest.raises(NotEnoughMoney):
        await festival.campaign(1_000_000)
    now_ms = festival.now_ms()
    with pytest.raises(NotASponsor):
        await festival.backend.create_campaign(
            701, "spring", now_ms, now_ms + DAY_MS, 40, budget_of(40), BANDS, key="other"
        )
    assert await fen_of_sponsor(sql) == SPONSOR_FEN


async def test_end_is_final(server: Server, festival: Festival) -> None:
    campaign_id = await festival.campaign(40)
    await festival.backend.end_campaign(campaign_id)
    for action in (festival.backend.pause_campaign, festival.backend.resume_campaign):
        with pytest.raises(CampaignOver):
            await action(campaign_id)
    await closed(festival, campaign_id)
    assert (await festival.backend.end_campaign(campaign_id)).returned_fen == budget_of(40)


async def test_report_counts_shakes_and_wins_by_hour(
    server: Server, connect: Connect, festival: Festival, sql: Sql
) -> None:
    campaign_id = await festival.campaign(40)
    users = await crowd(connect, server, 100, 4)
    won = 0
    for user in users:
        win = (await festival.shake_until(user, campaign_id)).win
        assert win is not None
        won += win.amount_fen
    assert (await users[0].shake(campaign_id)).result == "limit"
    await server.app.services.campaigns.loop.count()
    report = await festival.backend.campaign_report(campaign_id)
    assert (report.won_shares, report.won_fen, report.winners, report.left_shares) == (4, won, 4, 36)
    assert sum(hour.won_shares for hour in report.hours) == 4
    assert report.shakes == sum(hour.shakes for hour in report.hours) >= 5
    assert (report.seed, report.deck) == (b"", b"")


async def test_report_counts_the_shakes_of_a_server_that_others_overtake_with_the_end(
    server: Server, start_server: StartServer, connect: Connect, festival: Festival, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its counts are written every five seconds; the books may be closed in between."""
    other = await start_server(server__node=1)
    monkeypatch.setattr(other.app.services.campaigns.loop, "end", nothing)
    campaign_id = await festival.campaign(40)
    bob = await connect(other, 12)
    await festival.shake_until(bob, campaign_id)
    for one in (server, other):
        await one.app.services.campaigns.loop.count()
    before = (await festival.backend.campaign_report(campaign_id)).shakes
    assert [(await bob.shake(campaign_id)).result for _ in range(3)] == ["limit"] * 3
    await festival.backend.end_campaign(campaign_id)
    await closed(festival, campaign_id)
    await until(lambda: other.app.services.campaigns.board.get(campaign_id) is None)
    await other.app.services.campaigns.loop.count()
    assert (await festival.backend.campaign_report(campaign_id)).shakes == before + 3


async def nothing() -> None:
    """This server closes no books."""


async def test_report_counts_the_shakes_of_a_server_that_drains(
    server: Server, start_server: StartServer, connect: Connect, festival: Festival
) -> None:
    other = await start_server(server__node=1)
    campaign_id = await festival.campaign(40)
    bob = await connect(other, 12)
    await festival.shake_until(bob, campaign_id)
    await other.app.services.campaigns.loop.count()
    before = (await festival.backend.campaign_report(campaign_id)).shakes
    assert [(await bob.shake(campaign_id)).result for _ in range(3)] == ["limit"] * 3
    await other.stop()
    assert (await festival.backend.campaign_report(campaign_id)).shakes == before + 3


async def test_proof_of_a_campaign_shows_what_each_number_was_worth(
    server: Server, connect: Connect, festival: Festival
) -> None:
    told = await festival.backend.put_sponsor(SPONSOR, "某超市")
    campaign_id = await festival.campaign(40, client_seed=bytes(range(16)), per_user_limit=2)
    alice, bob = await crowd(connect, server, 11, 2)
    wins = []
    for _ in range(2):
        wins.append((await festival.shake_until(alice, campaign_id)).win)
        festival.next_second()
    with pytest.raises(NotFinished):
        await alice.reveal(campaign_id)
    await festival.backend.end_campaign(campaign_id)
    await closed(festival, campaign_id)
    proof = await alice.reveal(campaign_id)
    assert proof.packet_kind == f"pool:{hashlib.sha256(proof.deck).hexdigest()}"
    assert fairness.commitment_2(proof) == proof.commitment == (await bob.campaign(campaign_id)).campaign.commitment
    assert fairness.packet_seed(proof) == proof.seed
    assert proof.seed_index == told.next_index
    assert fairness.root_of(proof.server_seed, proof.seed_index, proof.path) == proof.root == told.trees[0].root
    pool = Pool(deck.parsed(proof.deck), proof.seed)
    assert [line.amount_fen for line in proof.claims] == [
        amount for line in proof.claims for amount in pool.amounts(line.index, 1)
    ]
    assert [line.amount_fen for line in proof.claims] == [win.amount_fen for win in wins if win is not None]
    assert (await bob.reveal(campaign_id)).claims == []
    assert (await alice.verify(campaign_id)).faults == []
    proof.claims[1].amount_fen += 1
    assert [fault.partition(" is ")[0] for fault in campaign_proofs.win_faults(proof)] == [
        f"number {proof.claims[1].index}"
    ]
    proof.deck += b"0"
    assert "the deck does not fit the kind" in list(campaign_proofs.win_faults(proof))


PLANTED = {
    "pools: a campaign was not paid for": (
        "UPDATE campaigns SET budget_fen = budget_fen + 1",
        "the records say",
    ),
    "pools: more went back than was left": (
        "UPDATE campaigns SET returned_fen = returned_fen - 1",
        "were won and",
    ),
    "leases: numbers of two leases": (
        "UPDATE leases SET first_number = 0 WHERE first_number > 0",
        "belong to another lease, too",
    ),
    "leases: a rest that is too large": (
        "UPDATE leases SET rest = rest + 1 WHERE rest < numbers",
        "its rest is",
    ),
    "leases: numbers that were never leased": (
        "UPDATE campaigns SET next_number = next_number - 1",
        "numbers up to",
    ),
    "leases: a rest that two leases got": (
        "UPDATE leases SET rest_lease = (SELECT max(packet_id) FROM leases) WHERE rest_lease IS NULL AND rest > 0",
        "went to lease",
    ),
    "wins: a win of another user": (
        "INSERT INTO wins (campaign_id, user_id, n, packet_id, index) "
        "SELECT campaign_id, 999, 1, packet_id, index FROM wins LIMIT 1",
        "claims of user",
    ),
    "wins: more than is allowed": (
        "UPDATE campaigns SET per_user_limit = 1",
        "has won 2 shares, allowed are 1",
    ),
    "dealt: another deck": (
        "UPDATE campaigns SET deck = convert_to(replace(convert_from(deck, 'UTF8'), '299', '298'), 'UTF8')",
        "campaign",
    ),
    "dealt: another commitment": (
        "UPDATE campaigns SET commitment = decode(repeat('00', 32), 'hex')",
        "its seed does not give the commitment",
    ),
}


@pytest.fixture
async def books(
    server: Server, connect: Connect, festival: Festival, settled: Settled, sql: Sql
) -> tuple[Festival, Client]:
    """A campaign that is over, of which a user has won two shares, with a lease that got the rest of another."""
    campaign_id = await festival.campaign(40, per_user_limit=2)
    alice = await connect(server, 11)
    for _ in range(2):
        await festival.shake_until(alice, campaign_id)
        festival.next_second()
    await server.app.services.campaigns.keeper.give_up()
    await server.app.services.campaigns.loop.round()
    await festival.backend.end_campaign(campaign_id)
    await closed(festival, campaign_id)
    await settled()
    await festival.assert_books_balance()
    await server.stop()
    return festival, alice


@pytest.mark.usefixtures("books")
@each("planted", PLANTED)
async def test_audit_names_a_planted_discrepancy(sql: Sql, planted: str) -> None:
    statement, words = PLANTED[planted]
    found = {one.name: one.discrepancies for one in (await Uncommitted(sql).audit_with(statement)).findings}
    name = planted.partition(":")[0]
    assert any(words in line for line in found[name]), found


async def test_audit_names_a_share_with_another_amount(books: tuple[Festival, Client], sql: Sql) -> None:
    await sql.execute("ALTER TABLE claims DISABLE TRIGGER USER")
    await sql.execute("UPDATE claims SET amount_fen = amount_fen + 1")
    festival, _ = books
    found = {one.name: one.discrepancies for one in (await festival.audit()).findings}
    assert len([line for line in found["dealt"] if "was won with" in line]) == 2


async def test_proof_of_a_lease_is_that_of_its_campaign(
    server: Server, connect: Connect, festival: Festival
) -> None:
    campaign_id = await festival.campaign(40)
    alice = await connect(server, 11)
    win = (await festival.shake_until(alice, campaign_id)).win
    assert win is not None
    await festival.backend.end_campaign(campaign_id)
    await closed(festival, campaign_id)
    with pytest.raises(NotAllowed):
        await alice.reveal(win.packet_id)
    assert len((await alice.reveal(campaign_id)).claims) == 1


async def test_figures_count_shakes_leases_and_the_money_between_pool_and_leases(
    server: Server, connect: Connect, festival: Festival, sql: Sql
) -> None:
    assert server.app.operations.observer.sample(0.0).campaigns is None
    campaign_id = await festival.campaign(40)
    alice = await connect(server, 11)
    await festival.shake_until(alice, campaign_id)
    await alice.shake(campaign_id)
    running = server.app.operations.observer.sample(0.0).campaigns
    assert running is not None
    assert (running.open, running.shakes["won"], running.shakes["limit"]) == (1, 1, 1)
    assert running.leases > 0
    await festival.backend.end_campaign(campaign_id)
    await closed(festival, campaign_id)
    over = server.app.operations.observer.sample(0.0).campaigns
    assert over is not None
    assert (over.open, over.leases, over.reclaimed) == (0, 0, 0)
    moved = await sql.fetchrow(
        "SELECT sum(amount_fen) FILTER (WHERE kind = 19), sum(amount_fen) FILTER (WHERE kind = 20) FROM transfers"
    )
    assert moved is not None
    assert (over.leased_fen, over.returned_fen) == tuple(moved)
