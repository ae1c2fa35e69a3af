"""Invariants of claims, money and pushes under races and lost replies; planted faults showed the gaps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from protocol.framing import frame
from protocol.messages import BalanceChanged
from server.core.ledger import WalletBalance
from server.core.limits import Limits
from server.core.packet import Packet
from server.net.hub import Hub
from server.services.runtime import events
from server.services.runtime.bus import Bus
from storage.postgres.database import Database
from storage.postgres.packets.packets import Advance, ClaimRow, PacketStore
from storage.redis import mirror as log
from storage.redis.mirror import Extension, Mirror, MirroredClaim
from tests.conftest import Connect, StartServer
from tests.services.conftest import MakeParty, caught_up, until, waiting
from tests.services.test_faults import Gate, all_grab, live

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
PACKET = 9_007_199_254_740_993
SILENCE_S = 0.1  # no answer may arrive within this time


async def test_batch_on_a_version_that_was_never_recorded_is_refused(
    start_server: StartServer, party: MakeParty, database: Database
) -> None:
    """No index is given twice here, so only the version shows the conflict."""
    room = await party(await start_server(), 2)
    packet_id = await room.lucky(1_000, 3)
    packet = live(room.server, packet_id)
    at_ms = packet.terms.created_at_ms
    assert (
        await PacketStore(database).record([Advance(packet_id, 1, [ClaimRow(packet_id, 1, 2, 100, at_ms)])])
        == set()
    )


async def test_claim_that_commits_while_a_refund_waits_for_the_packet_is_not_refunded(
    start_server: StartServer, party: MakeParty, sql: Sql, database: Database, lock_view: Sql
) -> None:
    room = await party(await start_server(), 1)
    packet_id = await room.lucky(1_000, 2)
    async with sql.transaction():
        await sql.execute(
            "UPDATE packets SET version = 1, claimed_fen = 400 WHERE packet_id = $1 AND version = 0", packet_id
        )
        await sql.execute("INSERT INTO claims VALUES ($1, 0, 2, 400, 1)", packet_id)
        refund = asyncio.create_task(PacketStore(database).refund([packet_id], 9_000_000_000_000))
        await until(lambda: waiting(lock_view, 1))
    (outcome,) = await asyncio.gather(refund, return_exceptions=True)
    assert isinstance(outcome, list), outcome
    assert [row.refunded_fen for row in outcome] == [600]


@pytest.fixture
async def mirror(redis_url: str) -> AsyncIterator[Mirror]:
    """A mirror of its own, without a server."""
    opened = Mirror(redis_url, 2.0)
    yield opened
    await opened.close()


@pytest.mark.parametrize("claims", [0, 1])
async def test_closed_log_takes_no_claim(mirror: Mirror, claims: int) -> None:
    """Neither an empty log nor one with claims: a batch built on the log before it was closed is refused."""
    first, second = (log.pack([MirroredClaim(user, 5, 100)]) for user in (2, 3))
    seen = 0
    if claims:
        assert await mirror.append([Extension(PACKET, 0, log.HEAD, first)]) == set()
        seen = log.length(1)
    found = await mirror.close_logs([PACKET])
    assert len(found[PACKET].claims) == claims
    image = b"" if claims else log.HEAD
    assert await mirror.append([Extension(PACKET, seen, image, second)]) == {PACKET}
    assert (await mirror.read([PACKET]))[PACKET].closed


async def test_gone_and_claimed_wait_until_the_claims_behind_them_are_durable(
    start_server: StartServer, party: MakeParty
) -> None:
    room = await party(await start_server(), 2)
    packet_id = await room.lucky(1_000, 1)
    winner, late = room.guests
    ticket = (await winner.grab(packet_id)).ticket
    assert ticket
    gate = Gate(room.server.app)
    first = asyncio.create_task(winner.open(packet_id))
    await gate.reached.wait()
    others = [asyncio.create_task(one.grab(packet_id)) for one in (winner, late)]
    for one in (winner, late):
        await caught_up(one)
    done, _ = await asyncio.wait([first, *others], timeout=SILENCE_S)
    gate.open.set()
    assert not done, "answered before the claim is durable"
    answers = [(await first).answer, *[(await one).answer for one in others]]
    assert answers == ["won", "claimed", "gone"]


@pytest.mark.parametrize("strangers", [1, 9])
async def test_strangers_receive_no_pushes_of_a_group(
    start_server: StartServer, party: MakeParty, connect: Connect, strangers: int
) -> None:
    """Whether more users are online than are in the group, or fewer."""
    room = await party(await start_server(), 4)
    for guest in room.guests[:3]:
        await guest.close()
    outsiders = [await connect(room.server, 100 + number) for number in range(strangers)]
    packet_id = await room.lucky(100, 1)
    await room.sender.say(room.group, "for members")
    await room.guests[3].open(packet_id)
    backend = await connect(room.server, 0)
    for stranger in outsiders:
        await backend.top_up(stranger.user_id, 5)
        assert isinstance(await _first_push(stranger), BalanceChanged)


async def _first_push(client: Client) -> object:
    async for push in client.pushes():
        return push
    return None


class PushRecorder:
    """Stands for a session: it only records its pushes."""

    frame = staticmethod(frame)
    holds_pushes = False

    def __init__(self) -> None:
        self.features = ()
        self.received: list[bytes] = []

    def push(self, framed: bytes, can_wait: bool) -> None:
        self.received.append(framed)


@pytest.mark.parametrize("audience", [{1}, {1, 2, 3, 4, 5}])
def test_pushes_reach_only_the_audience(audience: set[int]) -> None:
    """Whether the audience is larger than the set of online users, or smaller."""
    hub, member, stranger = Hub(Limits(connections_of_user_max=1), Bus()), PushRecorder(), PushRecorder()
    assert hub.join(1, member, 0.0)
    assert hub.join(9, stranger, 0.0)
    hub.announce(events.BalanceChange(1, WalletBalance(5, 1), 5, "claim"), audience)
    assert (len(member.received), stranger.received) == (1, [])


async def test_send_sees_a_debit_of_another_server(
    start_server: StartServer, party: MakeParty, sql: Sql, lock_view: Sql
) -> None:
    """The send waits for the wallet and then finds it empty: no packet is made without money."""
    room = await party(await start_server(), 1)
    async with sql.transaction():
        await sql.execute("UPDATE wallets SET balance_fen = 0 WHERE user_id = 1")
        sending = asyncio.create_task(room.lucky(20_000, 2))
        await until(lambda: waiting(lock_view, 1))
    (outcome,) = await asyncio.gather(sending, return_exceptions=True)
    assert getattr(outcome, "name", "sent") == "not_enough_money"
    assert await sql.fetchval("SELECT count(*) FROM packets") == 0


@pytest.mark.parametrize(
    ("durability", "slow"), [("postgres", "postgres"), ("postgres", "redis"), ("redis", "redis")]
)
async def test_won_is_not_sent_before_the_claim_is_durable(
    start_server: StartServer, party: MakeParty, durability: str, slow: str
) -> None:
    """The store is slow: no answer arrives meanwhile."""
    room = await party(await start_server(stores__durability=durability), 2)
    packet_id = await room.lucky(1_000, 2)
    await room.guests[0].open(packet_id)
    await all_grab(room, packet_id)
    stores, opened, reached = room.server.app.services.commit._stores, asyncio.Event(), asyncio.Event()
    store, name = (stores._packets, "record") if slow == "postgres" else (stores._mirror, "append")
    work = getattr(store, name)

    async def slowly(items: object) -> object:
        reached.set()
        await opened.wait()
        return await work(items)

    setattr(store, name, slowly)
    opening = asyncio.create_task(room.guests[1].open(packet_id))
    await reached.wait()
    await caught_up(room.guests[1])
    done, _ = await asyncio.wait([opening], timeout=SILENCE_S)
    opened.set()
    assert not done, "answered before the claim is durable"
    assert (await opening).answer == "won"


async def test_winner_in_a_commit_whose_reply_was_lost_receives_won(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str]
) -> None:
    """Not `claimed`, which would mean an earlier open."""
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 2)
    packet_id = await room.lucky(1_000, 2)
    await room.guests[0].open(packet_id)
    await all_grab(room, packet_id)
    proxy.lose_reply_to = str(packet_id).encode()
    opened = await room.guests[1].open(packet_id)
    assert proxy.lost_replies == 1
    assert (opened.answer, opened.index) == ("won", 1)


async def test_refund_whose_redrive_was_refused_pays_nothing_yet(
    start_server: StartServer, party: MakeParty, mirror: Mirror, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that only the mirror has was answered: the rest is not known before that claim is recorded."""
    options = {"limits__packet_lifetime_s": 0.3, "refunds__interval_s": 3600, "stores__durability": "redis"}
    room = await party(await start_server(**options), 1)
    packet_id = await room.lucky(1_000, 2)
    packet = live(room.server, packet_id)
    claim = Packet(packet.terms).take(2, packet.terms.created_at_ms + 1).claim
    assert claim is not None
    assert await mirror.append([Extension(packet_id, 0, log.HEAD, log.pack([claim]))]) == set()
    refunds, refused = room.server.app.services.refunds, asyncio.Event()

    async def overtaken(ahead: object) -> set[int]:
        refused.set()
        return set()

    with monkeypatch.context() as patched:
        patched.setattr(refunds._records, "record", overtaken)
        paid = [await refunds.refund_once()]
        while not refused.is_set():
            await asyncio.sleep(0.05)
            paid.append(await refunds.refund_once())
    assert sum(paid) == 0
    assert await refunds.refund_once() == 1
    row = await sql.fetchrow("SELECT version, refunded_fen FROM packets WHERE packet_id = $1", packet_id)
    assert row is not None
    assert tuple(row) == (1, 1_000 - claim.amount_fen)
