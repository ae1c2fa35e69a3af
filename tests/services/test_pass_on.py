"""Packets that friends pass on: links, admissions, the first opener, two servers, restarts, and the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import Refusal
from protocol import messages
from server.core.fission import links
from server.core.fission.links import Link
from server.services.fission import pass_on as service
from server.services.money.audit import audit
from storage.postgres.database import Database
from tests.conftest import DAY_MS, KEYS, SEED_KEYS, Connect, Server, StartServer, TurnedClock
from tests.services.conftest import caught_up, until
from tests.webhooks.conftest import LOOPBACK, Receiver, drain_webhooks_s, make_receiver, receiver, subscribe

__all__ = ["drain_webhooks_s", "make_receiver", "receiver"]

SENDER, SEED, ANN, BEN, CAI, DEE = 1, 2, 3, 4, 5, 6
BooksBalance = Callable[[], Awaitable[None]]
KEY = KEYS["test"]
SILENCE_S = 0.15  # no answer may come within this time


class Chain:
    """The sender (1), the seed user (2), friends (3, 4, …), and a packet of four shares."""

    def __init__(self, server: Server, users: dict[int, Client], packet: int) -> None:
        self.server = server
        self.users = users
        self.packet = packet

    async def link(self, user_id: int) -> str:
        """A link of this user."""
        return (await self.users[user_id].pass_on(self.packet)).link

    async def seeded(self) -> str:
        """The seed user opens, and passes on."""
        assert (await self.users[SEED].open(self.packet)).answer == "won"
        return await self.link(SEED)


async def refused(request: Awaitable[Any]) -> str:
    """The name of the refusal."""
    with pytest.raises(Refusal) as caught:
        await request
    return caught.value.name


@pytest.fixture
def chain(start_server: StartServer, connect: Connect) -> Callable[..., Awaitable[Chain]]:
    async def make(shares: int = 4, **limits: Any) -> Chain:
        server = await start_server(**{f"limits__{name}": value for name, value in limits.items()})
        await (await connect(server, 0)).top_up(SENDER, 100_000)
        users = {user_id: await connect(server, user_id) for user_id in range(1, 7)}
        sent = await users[SENDER].send_packet("fission", SEED, 1_000, shares)
        return Chain(server, users, sent.packet_id)

    return make


async def test_packet_goes_from_friend_to_friend_and_balances(
    chain: Callable[..., Awaitable[Chain]], books_balance: BooksBalance, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    one = await chain()
    users = one.users
    link = await one.seeded()
    assert (await users[ANN].open_link(link)).answer == "won"
    deeper = await one.link(ANN)
    assert (await users[BEN].open_link(deeper)).answer == "won"
    assert (await users[CAI].open_link(await one.link(BEN))).answer == "won"
    assert (await users[DEE].open_link(link)).answer == "gone"
    rows = await sql.fetch("SELECT user_id, from_user, depth FROM admissions ORDER BY depth")
    assert [tuple(row) for row in rows] == [(ANN, SEED, 1), (BEN, ANN, 2), (CAI, BEN, 3)]
    await until(lambda: settled(sql))
    await books_balance()


async def settled(sql: asyncpg.Connection[asyncpg.Record]) -> bool:
    """Nothing waits for its money, and no post for its stream."""
    waiting = "SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM outbox)"
    return int(await sql.fetchval(waiting)) == 0


async def test_no_friend_opens_before_the_seed_user(chain: Callable[..., Awaitable[Chain]]) -> None:
    one = await chain()
    assert (await one.users[ANN].grab(one.packet)).answer == "not_allowed"
    assert await refused(one.users[SEED].pass_on(one.packet)) == "not_allowed"
    made_up = links.made(Link(one.packet, SEED, 0, 4_000_000_000), KEY)  # with the right key, and too early
    assert await refused(one.users[ANN].tap_link(made_up)) == "store_unavailable"
    assert (await one.users[ANN].grab(one.packet)).answer == "not_allowed"


async def test_link_of_another_key_and_one_that_was_changed_are_refused(
    chain: Callable[..., Awaitable[Chain]],
) -> None:
    one = await chain()
    link = await one.seeded()
    forged = links.made(Link(one.packet, SEED, 0, 4_000_000_000), b"another key")
    changed = link[:-3] + ("AAA" if link[-3:] != "AAA" else "BBB")
    for text in (forged, changed, link[:-1], link + "A", "", "hbl_", "é" * 59):
        assert await refused(one.users[ANN].tap_link(text)) == "bad_link", text
    assert (await one.users[ANN].grab(one.packet)).answer == "not_allowed"


async def test_link_expires_before_its_packet_if_the_config_says_so(
    chain: Callable[..., Awaitable[Chain]], server_clock: TurnedClock
) -> None:
    one = await chain(pass_on_lifetime_s=60.0)
    link = await one.seeded()
    server_clock.ahead_ms += 58_000
    assert (await one.users[ANN].open_link(link)).answer == "won"
    server_clock.ahead_ms += 2_000
    assert await refused(one.users[BEN].tap_link(link)) == "bad_link"
    assert (await one.users[BEN].open_link(await one.link(ANN))).answer == "won"


async def test_link_ends_with_its_packet_and_the_rest_goes_back(
    chain: Callable[..., Awaitable[Chain]],
    server_clock: TurnedClock,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    one = await chain(pass_on_lifetime_s=1e6)
    link = await one.seeded()
    server_clock.ahead_ms += DAY_MS - 5_000
    assert (await one.users[ANN].tap_link(link)).answer == "ticket"
    server_clock.ahead_ms += 6_000
    assert await refused(one.users[BEN].tap_link(link)) == "bad_link"
    assert await refused(one.users[SEED].pass_on(one.packet)) == "finished"
    await until(lambda: refunded(sql, one.packet))
    await until(lambda: settled(sql))
    left_fen = await sql.fetchval("SELECT total_fen - claimed_fen FROM packets WHERE packet_id = $1", one.packet)
    assert await one.users[SENDER].balance() == 99_000 + left_fen
    await books_balance()


async def refunded(sql: asyncpg.Connection[asyncpg.Record], packet_id: int) -> bool:
    return bool(await sql.fetchval("SELECT refunded_fen > 0 FROM packets WHERE packet_id = $1", packet_id))


async def test_packet_goes_no_deeper_than_the_limit(chain: Callable[..., Awaitable[Chain]]) -> None:
    one = await chain(pass_on_depth_max=1)
    link = await one.seeded()
    assert (await one.users[ANN].open_link(link)).answer == "won"
    assert await refused(one.users[ANN].pass_on(one.packet)) == "too_deep"
    assert (await one.users[ANN].result_page(one.packet)).page.pass_on == ""
    assert (await one.users[SEED].result_page(one.packet)).page.pass_on == "送给好友"
    deep = links.made(Link(one.packet, ANN, 1, 4_000_000_000), KEY)
    assert await refused(one.users[BEN].tap_link(deep)) == "too_deep"
    lying = links.made(Link(one.packet, ANN, 0, 4_000_000_000), KEY)  # a depth that the books do not know
    assert await refused(one.users[BEN].tap_link(lying)) == "store_unavailable"


async def test_link_leads_to_no_other_packet_and_admits_neither_sender_nor_twice(
    chain: Callable[..., Awaitable[Chain]], sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    one = await chain()
    users = one.users
    other = (await users[SENDER].send_packet("fission", CAI, 1_000, 3)).packet_id
    lucky = await users[SENDER].send_packet("lucky", await users[SENDER].create_group("g"), 100, 1)
    link = await one.seeded()
    assert (await users[ANN].open_link(link)).packet_id == one.packet
    assert (await users[ANN].grab(other)).answer == "not_allowed"
    assert await refused(users[SENDER].tap_link(link)) == "not_allowed"
    elsewhere = links.made(Link(lucky.packet_id, SENDER, 0, 4_000_000_000), KEY)
    assert await refused(users[ANN].tap_link(elsewhere)) == "not_allowed"
    assert (await users[ANN].open_link(link)).answer == "claimed"
    assert (await users[SEED].open_link(await one.link(ANN))).answer == "claimed"
    assert await sql.fetchval("SELECT count(*) FROM admissions") == 1


async def test_the_first_link_that_a_user_shows_counts(
    chain: Callable[..., Awaitable[Chain]], sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    one = await chain()
    link = await one.seeded()
    await one.users[ANN].open_link(link)
    shown = [link, await one.link(ANN)]
    await asyncio.gather(*(one.users[BEN].tap_link(text) for text in shown * 3))
    assert await sql.fetchval("SELECT count(*) FROM admissions WHERE user_id = $1", BEN) == 1
    assert (await one.users[BEN].open(one.packet)).answer == "won"


async def test_viewers_see_their_own_share_and_the_sender_and_the_seed_user_all(
    chain: Callable[..., Awaitable[Chain]],
) -> None:
    one = await chain(shares=3)
    users = one.users
    link = await one.seeded()
    shown = await users[ANN].tap_link(link)
    assert (shown.answer, shown.view, shown.sender_id, shown.link) == ("ticket", "open", SENDER, "")
    await users[ANN].open(one.packet)
    page = (await users[ANN].result_page(one.packet)).page
    assert (page.shows_list, page.claims, page.summary) == (False, [], "领取2/3个")
    for user_id in (SENDER, SEED):
        page = (await users[user_id].result_page(one.packet)).page
        assert [line.user_id for line in page.claims] == [ANN, SEED]
    await users[BEN].open_link(await one.link(ANN))
    tapped = await users[CAI].tap_link(link, "en")
    assert (tapped.answer, tapped.view, tapped.link, tapped.result) == ("gone", "gone", "", None)
    assert (await users[CAI].grab(one.packet)).answer == "not_allowed"


async def test_proof_tells_friends_the_amounts_and_not_who_opened(chain: Callable[..., Awaitable[Chain]]) -> None:
    one = await chain(shares=3)
    link = await one.seeded()
    for user_id in (ANN, BEN):
        await one.users[user_id].open_link(link)
    seen = {}
    for user_id in (SENDER, SEED, ANN):
        verdict = await one.users[user_id].verify(one.packet)
        assert verdict.faults == []
        seen[user_id] = [line.user_id for line in (await one.users[user_id].reveal(one.packet)).claims]
    assert seen == {SENDER: [SEED, ANN, BEN], SEED: [SEED, ANN, BEN], ANN: [0, ANN, 0]}
    assert await refused(one.users[CAI].reveal(one.packet)) == "not_allowed"


async def test_restart_between_admission_and_claim_forgets_no_friend(
    chain: Callable[..., Awaitable[Chain]],
    start_server: StartServer,
    connect: Connect,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    one = await chain()
    link = await one.seeded()
    assert (await one.users[ANN].tap_link(link)).answer == "ticket"
    await one.server.kill()
    again = await start_server()
    ann, ben = await connect(again, ANN), await connect(again, BEN)
    assert (await ann.open(one.packet)).answer == "won"
    assert (await ben.grab(one.packet)).answer == "not_allowed"
    assert (await ben.open_link(link)).answer == "won"
    await until(lambda: settled(sql))
    await books_balance()


async def test_user_who_was_admitted_at_one_server_opens_at_the_other(
    chain: Callable[..., Awaitable[Chain]],
    start_server: StartServer,
    connect: Connect,
    books_balance: BooksBalance,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    one = await chain()
    link = await one.seeded()
    other = await start_server(server__node=1)
    ann, there = await connect(other, ANN), await connect(other, BEN)
    assert (await ann.grab(one.packet)).answer == "not_allowed"  # in memory there, without an admission
    assert (await one.users[ANN].tap_link(link)).answer == "ticket"
    assert (await ann.open(one.packet)).answer == "won"
    assert (await there.open_link((await ann.pass_on(one.packet)).link)).answer == "won"
    await until(lambda: settled(sql))
    await books_balance()


async def test_link_that_is_shown_again_waits_for_servers_that_do_not_know_the_admission(
    chain: Callable[..., Awaitable[Chain]],
    start_server: StartServer,
    connect: Connect,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    """The first request may end without an answer; the second one finds its user admitted, and is answered."""
    one = await chain()
    link = await one.seeded()
    other = await start_server(server__node=1)
    there = await connect(other, ANN)
    assert (await there.grab(one.packet)).answer == "not_allowed"  # in memory there
    follows, told = other.app.services.changes._follows["admission"], asyncio.Event()
    (follow,) = follows

    async def follow_later(change: int, version: int) -> None:
        await told.wait()
        await follow(change, version)

    follows[:] = [follow_later]
    first = asyncio.create_task(one.users[ANN].tap_link(link))
    await until(lambda: admitted(sql, ANN))
    admitted_here = one.server.app.services.live_packets._by_id[one.packet].admitted
    while ANN not in admitted_here:  # noqa: ASYNC110  memory sets no event
        await asyncio.sleep(0.01)
    again = asyncio.create_task((await connect(one.server, ANN)).tap_link(link))
    done, _ = await asyncio.wait([first, again], timeout=SILENCE_S)
    told.set()
    assert not done, "answered before the other server knows"
    assert [(await shown).answer for shown in (first, again)] == ["ticket", "ticket"]
    assert (await there.grab(one.packet)).answer == "ticket"


async def admitted(sql: asyncpg.Connection[asyncpg.Record], user_id: int) -> bool:
    return bool(await sql.fetchval("SELECT count(*) FROM admissions WHERE user_id = $1", user_id))


async def test_friend_is_let_in_by_a_server_that_has_not_heard_of_the_first_opener(
    chain: Callable[..., Awaitable[Chain]], start_server: StartServer, connect: Connect, books_balance: BooksBalance
) -> None:
    """The first share must be opened first: of a claim at another server only the record tells."""
    one = await chain()
    other = await start_server(server__node=1)
    ann, ben = await connect(other, ANN), await connect(other, BEN)
    assert (await ben.grab(one.packet)).answer == "not_allowed"  # in memory there, without a claim
    link = await one.seeded()
    assert (await ann.tap_link(link)).answer == "ticket"
    assert (await ann.open(one.packet)).answer == "won"
    assert (await ben.grab(one.packet)).answer == "not_allowed"  # without a link


async def test_server_that_missed_admissions_reads_them_when_it_connects_again(
    chain: Callable[..., Awaitable[Chain]], sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    one = await chain()
    await one.seeded()
    await sql.execute("ALTER TABLE admissions DISABLE TRIGGER notify_insert")
    await sql.execute(
        "INSERT INTO admissions (packet_id, user_id, from_user, depth, depth_max, at_ms) "
        "VALUES ($1, $2, $3, 1, 5, 1)",
        one.packet,
        ANN,
        SEED,
    )
    assert (await one.users[ANN].grab(one.packet)).answer == "not_allowed"
    await one.server.app.services.pass_on.catch_up()
    assert (await one.users[ANN].grab(one.packet)).answer == "ticket"


async def test_friends_who_hoard_tickets_do_not_keep_others_out(
    chain: Callable[..., Awaitable[Chain]], server_clock: TurnedClock
) -> None:
    one = await chain(shares=3, tickets_per_share=1)
    link = await one.seeded()
    for user_id in (ANN, BEN):
        assert (await one.users[user_id].tap_link(link)).answer == "ticket"
    assert (await one.users[CAI].tap_link(link)).answer == "busy"
    server_clock.ahead_ms += 3_000
    assert (await one.users[CAI].open_link(link)).answer == "won"


async def test_client_that_knows_no_other_kinds_is_told_by_a_text(
    chain: Callable[..., Awaitable[Chain]], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await chain()
    monkeypatch.setattr("client_sim.sdk.transport.FEATURES", (messages.REMINDERS,))
    old = await connect(one.server, SEED)
    missed = await old._ask(messages.CatchUp(0, SEED, 0), messages.CaughtUp)
    assert ["当前版本无法显示" in getattr(post, "text", "") for post in missed.messages] == [True]
    await one.users[SENDER].send_packet("fission", SEED, 300, 3)
    async for push in old.pushes():
        if isinstance(push, messages.TextPosted):
            assert (push.sender_id, push.stream_id) == (SENDER, SEED)
            assert "当前版本无法显示" in push.text
            break


async def test_link_and_its_secret_stand_in_no_log(
    chain: Callable[..., Awaitable[Chain]], capfd: pytest.CaptureFixture[str]
) -> None:
    one = await chain()
    link = await one.seeded()
    await one.users[ANN].open_link(link)
    await refused(one.users[BEN].tap_link(link[:-1]))
    assert link[4:-1] not in "".join(capfd.readouterr())


async def test_admissions_that_were_asked_in_one_batch_are_judged_each(
    chain: Callable[..., Awaitable[Chain]],
) -> None:
    one = await chain()
    link = await one.seeded()
    ahead = links.made(Link(one.packet, BEN, 1, 4_000_000_000), KEY)
    good, bad = await asyncio.gather(
        one.users[ANN].tap_link(link), refused(one.users[CAI].tap_link(ahead)), return_exceptions=False
    )
    assert (good.answer, bad) == ("ticket", "store_unavailable")
    assert service.BATCH_MAX > 1


async def test_link_of_a_share_that_is_durable_and_not_recorded_yet_is_refused_for_a_moment(
    start_server: StartServer,
    connect: Connect,
    sql: asyncpg.Connection[asyncpg.Record],
    books_balance: BooksBalance,
) -> None:
    """With durability redis the record follows; here another transaction holds it up."""
    server = await start_server(stores__durability="redis")
    await (await connect(server, 0)).top_up(SENDER, 1_000)
    users = {user_id: await connect(server, user_id) for user_id in (SENDER, SEED, ANN)}
    packet = (await users[SENDER].send_packet("fission", SEED, 300, 3)).packet_id
    async with sql.transaction():
        await sql.execute("SELECT 1 FROM packets WHERE packet_id = $1 FOR UPDATE", packet)
        assert (await users[SEED].open(packet)).answer == "won"
        link = (await users[SEED].pass_on(packet)).link
        assert await refused(users[ANN].tap_link(link)) == "store_unavailable"
    assert (await users[ANN].open_link(link)).answer == "won"
    await until(lambda: settled(sql))
    await books_balance()


async def test_finish_is_told_to_sender_and_receiver_alone(chain: Callable[..., Awaitable[Chain]]) -> None:
    one = await chain(shares=3)
    link = await one.seeded()
    for user_id in (ANN, BEN):
        await one.users[user_id].open_link(link)
    for user_id in (SENDER, SEED, ANN):
        await caught_up(one.users[user_id])
    told = {
        user_id: [push.stream_id for push in pushes if isinstance(push, messages.PacketFinished)]
        for user_id in (SENDER, SEED, ANN)
        if (pushes := one.users[user_id].pushes()._pushes) is not None
    }
    assert told == {SENDER: [SEED], SEED: [SEED], ANN: []}


async def test_admission_is_told_by_a_webhook(
    start_server: StartServer, connect: Connect, receiver: Receiver
) -> None:
    server = await start_server(webhooks__allow_private=LOOPBACK)
    await (await connect(server, 0)).top_up(SENDER, 1_000)
    users = {user_id: await connect(server, user_id) for user_id in (SENDER, SEED, ANN)}
    await subscribe(server, receiver, "shop", "link.shown")
    packet = (await users[SENDER].send_packet("fission", SEED, 300, 3)).packet_id
    await users[SEED].open(packet)
    await users[ANN].open_link((await users[SEED].pass_on(packet)).link)

    async def told() -> bool:
        return bool(receiver.received)

    await until(told)
    (event,) = receiver.received
    data = event.data
    assert data.pop("at_ms") > 0
    assert (event.type, data) == (
        "link.shown",
        {
            "packet_id": str(packet),
            "kind": "fission",
            "sender_id": "1",
            "user_id": "3",
            "from_user_id": "2",
            "depth": 1,
        },
    )


# --- the audit ------------------------------------------------------------------------------------------------

PLANTED = {
    "opened first": "UPDATE packets SET target_id = 6 WHERE kind = 'fission'",
    "was not admitted": "DELETE FROM admissions WHERE user_id = 4",
    "had not opened it": "UPDATE admissions SET from_user = 6 WHERE user_id = 3",
    "had opened it later": "UPDATE admissions SET from_user = 4, depth = 3 WHERE user_id = 3",
    "is 4 steps deep": "UPDATE admissions SET depth = 4 WHERE user_id = 4",
    "deep of 1": "UPDATE admissions SET depth_max = 1 WHERE user_id = 4",
    "not admitted": "UPDATE admissions SET user_id = 6 WHERE user_id = 3",
    "there is no such packet": "UPDATE admissions SET packet_id = packet_id + 1 WHERE user_id = 4",
    "its kind is not passed on": "UPDATE packets SET kind = 'lucky' WHERE kind = 'fission'",
    "who received it": "UPDATE admissions SET user_id = 2 WHERE user_id = 4",
    "who sent it": "UPDATE admissions SET user_id = 1 WHERE user_id = 4",
}


@pytest.mark.parametrize("told", PLANTED)
async def test_planted_discrepancy_of_a_chain_is_named(
    told: str,
    chain: Callable[..., Awaitable[Chain]],
    database: Database,
    sql: asyncpg.Connection[asyncpg.Record],
) -> None:
    one = await chain()
    await one.users[ANN].open_link(await one.seeded())
    await one.users[BEN].open_link(await one.link(ANN))
    await until(lambda: settled(sql))
    await sql.execute("ALTER TABLE admissions DROP CONSTRAINT admissions_check, DROP CONSTRAINT admissions_check1")
    await sql.execute(PLANTED[told])
    report = await audit(database, SEED_KEYS)
    (chains,) = [one.discrepancies for one in report.findings if one.name == "chains"]
    assert any(told in line for line in chains), chains
