"""What crosses sets, with a server that is killed between the two commits, and with a set that is away."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import ConnectionLost
from client_sim.sdk.errors import StoreUnavailable as Unavailable
from protocol import messages
from storage.errors import StoreUnavailable
from storage.postgres.sets.outbox import SQL, SetPostStore, ToldRow, _record
from storage.postgres.sets.settlement import QueueOfSet
from tests.conftest import Connect, token
from tests.peers.test_peers import pushed
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, FindDiscrepancies, MakeCrowd, Sql, StartPair, is_settled
from tests.sets.playing import Players


async def balance_of(sql: Sql, user_id: int) -> int:
    """What is in a wallet of this set."""
    return int(await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", user_id))


async def test_settlement_killed_between_the_two_commits_credits_each_fen_once(
    crowd: MakeCrowd,
    start_pair: StartPair,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_off = QueueOfSet._take_off

    async def killed(*_: Any) -> int:
        raise StoreUnavailable("killed between the commits")

    one = await crowd(2, 2)
    monkeypatch.setattr(QueueOfSet, "_take_off", killed)
    packet_id = (await one.new[0].send_packet("lucky", one.group, 1_000, 2)).packet_id
    opened = await asyncio.gather(*(user.open(packet_id) for user in one.old))
    after = [EACH_FEN + reply.amount_fen for reply in opened]

    async def is_credited() -> bool:
        return [await balance_of(sql, OLD), await balance_of(sql, OLD + 1)] == after

    await until(is_credited)
    await one.server.kill()
    assert await other_sql.fetchval("SELECT count(*) FROM settlement_queue") == 2
    assert await discrepancies() == []  # what is between its two commits is no discrepancy
    monkeypatch.setattr(QueueOfSet, "_take_off", take_off)
    await start_pair()
    await until(lambda: is_settled(sql, other_sql))
    assert await is_credited()
    assert await discrepancies() == []


async def test_post_killed_between_the_two_commits_is_made_once(
    crowd: MakeCrowd,
    start_pair: StartPair,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The set of the group has the post, the set of the packet has still to tell it."""
    one = await crowd(1, 2)
    tell = SetPostStore.tell

    async def lost(self: SetPostStore, most: int) -> Any:
        async with self._writer.transaction() as connection:
            rows = [ToldRow(*row) for row in await connection.fetch(SQL["oldest"], 0, most)]
        if not rows:
            return 0, []
        await _record(self._sets.home, rows)
        monkeypatch.setattr(SetPostStore, "tell", tell)
        raise StoreUnavailable("killed between the commits")

    monkeypatch.setattr(SetPostStore, "tell", lost)
    packet_id = (await one.new[0].send_packet("lucky", one.group, 1_000, 2)).packet_id
    await until(lambda: is_settled(sql, other_sql))
    assert SetPostStore.tell is tell  # it was killed once
    posts = "SELECT count(*) FROM messages WHERE packet_id = $1 AND reminder IS NULL AND stream_id = $2"
    assert await sql.fetchval(posts, packet_id, one.group) == 1
    assert (await pushed(one.old[0], messages.PacketPosted)).packet_id == packet_id  # by the next server
    assert await discrepancies() == []


@pytest.fixture
async def proxied_dsn(other_dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before set 1 alone, and the DSN that leads through it."""
    with tempfile.TemporaryDirectory(prefix="hb-") as folder:
        (host,) = parse_qs(urlsplit(other_dsn).query)["host"]
        socket = Path(folder) / ".s.PGSQL.5432"
        proxy = await Proxy(socket, Path(host) / socket.name).heal()
        yield proxy, other_dsn.replace(host, folder)
        await proxy.cut()


async def test_set_that_is_away_holds_up_its_own_packets_only(
    crowd: MakeCrowd,
    proxied_dsn: tuple[Proxy, str],
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
) -> None:
    proxy, dsn = proxied_dsn
    one = await crowd(3, 3, stores__postgres_sets=(dsn,))
    of_new = (await one.new[0].send_packet("lucky", one.group, 1_000, 4)).packet_id
    of_old = (await one.old[0].send_packet("lucky", one.group, 1_000, 4)).packet_id
    assert (await one.old[1].open(of_new)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    await proxy.cut()
    with pytest.raises(Unavailable):
        await one.new[0].send_packet("lucky", one.group, 100, 1)
    with pytest.raises(Unavailable):
        await one.old[2].open(of_new, patience_s=0.0)
    opened = [await user.open(of_old) for user in (one.new[1], one.new[2], one.old[2])]
    assert [reply.answer for reply in opened] == ["won"] * 3

    async def is_credited() -> bool:
        return await balance_of(sql, OLD + 2) == EACH_FEN + opened[2].amount_fen

    await until(is_credited)  # the claims of the users whose set is away wait, although they are more
    assert {row["user_id"] for row in await sql.fetch("SELECT user_id FROM settlement_queue")} == {NEW + 1, NEW + 2}
    late = (await one.old[0].send_packet("lucky", one.group, 500, 1)).packet_id
    assert (await one.old[1].open(late)).answer == "won"
    assert await discrepancies() == []
    await proxy.heal()
    await until(lambda: is_settled(sql, other_sql))
    assert await balance_of(other_sql, NEW + 1) == EACH_FEN + opened[0].amount_fen
    assert (await one.old[2].open(of_new)).answer in ("won", "claimed")  # its mirror had the claim already
    await until(lambda: is_settled(sql, other_sql))
    assert await discrepancies() == []


@pytest.mark.parametrize("lasts_s", [2, pytest.param(50, marks=pytest.mark.long)])
async def test_audits_while_a_set_is_away_and_comes_back_find_nothing(
    crowd: MakeCrowd,
    proxied_dsn: tuple[Proxy, str],
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    lasts_s: int,
) -> None:
    """Users go on all the while, and so do the audits. What waits for longer than a minute would be named."""
    proxy, dsn = proxied_dsn
    one = await crowd(3, 3, stores__postgres_sets=(dsn,))
    players, stop, found, audits = Players(one), asyncio.Event(), list[str](), 0
    playing = asyncio.create_task(players.play(stop))

    async def audit_for(seconds: float) -> None:
        nonlocal audits
        loop = asyncio.get_running_loop()
        until_s = loop.time() + seconds
        while loop.time() < until_s or not audits:
            found.extend(await discrepancies())
            audits += 1

    await players.more_claims(20)
    await audit_for(0.5)
    await proxy.cut()
    await audit_for(lasts_s)
    await proxy.heal()
    more = asyncio.create_task(players.more_claims(40))
    while not more.done():
        await audit_for(0.5)
    await more
    stop.set()
    await playing
    await until(lambda: is_settled(sql, other_sql))
    found += await discrepancies()
    assert found == []
    assert audits >= 3
    assert players.contradictions == []


async def test_server_starts_while_a_further_set_is_away_and_opens_it_later(
    crowd: MakeCrowd,
    start_pair: StartPair,
    connect: Connect,
    proxied_dsn: tuple[Proxy, str],
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
) -> None:
    proxy, dsn = proxied_dsn
    one = await crowd(2, 2, stores__postgres_sets=(dsn,))
    of_new = (await one.new[0].send_packet("lucky", one.group, 1_000, 4)).packet_id
    await until(lambda: is_settled(sql, other_sql))
    await one.server.stop()
    await proxy.cut()
    server = await start_pair(stores__postgres_sets=(dsn,))
    old, other = await connect(server, OLD), await connect(server, OLD + 1)
    packet_id = (await old.send_packet("lucky", one.group, 500, 2)).packet_id
    assert [(await user.open(packet_id)).answer for user in (old, other)] == ["won", "won"]
    with pytest.raises(Unavailable):
        await old.open(of_new, patience_s=0.0)
    with pytest.raises(ConnectionLost, match="stores_away"):
        await Client(server.url, token(NEW)).connect(patience_s=0.0)
    assert server.app.services.sets_health["postgres_set_1"].why != ""
    await proxy.heal()
    assert (await old.open(of_new, patience_s=60.0)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    assert (await (await connect(server, NEW)).send_packet("lucky", one.group, 100, 1)).packet_id
    await until(lambda: is_settled(sql, other_sql))
    assert await discrepancies() == []


async def test_set_that_comes_back_as_another_one_is_not_used(
    crowd: MakeCrowd, start_pair: StartPair, connect: Connect, proxied_dsn: tuple[Proxy, str], other_sql: Sql
) -> None:
    """An operator has turned the address to the wrong database while the server started without it."""
    proxy, dsn = proxied_dsn
    one = await crowd(1, 1, stores__postgres_sets=(dsn,))
    await one.server.stop()
    await proxy.cut()
    server = await start_pair(stores__postgres_sets=(dsn,))
    await other_sql.execute("UPDATE facts SET value = 2 WHERE name = 'set_number'")
    await proxy.heal()
    (late,) = server.app.stores.sets.databases[1:]

    async def is_refused() -> bool:
        return "is not set 1 of this record" in late.away

    await until(is_refused)
    with pytest.raises(ConnectionLost, match="stores_away"):
        await Client(server.url, token(NEW)).connect(patience_s=0.0)
    await other_sql.execute("UPDATE facts SET value = 1 WHERE name = 'set_number'")

    async def is_used() -> bool:
        return not late.away

    await until(is_used)
    assert await (await connect(server, NEW)).balance() == EACH_FEN


async def test_set_that_was_away_when_risk_control_was_turned_off_notes_wallets_no_more(
    crowd: MakeCrowd, start_pair: StartPair, proxied_dsn: tuple[Proxy, str], other_sql: Sql
) -> None:
    proxy, dsn = proxied_dsn
    one = await crowd(1, 1, stores__postgres_sets=(dsn,), risk__mode="shadow")
    assert await other_sql.fetchval("SELECT mode FROM risk_state") == "shadow"
    await one.server.stop()
    await proxy.cut()
    server = await start_pair(stores__postgres_sets=(dsn,))
    await proxy.heal()
    (late,) = server.app.stores.sets.databases[1:]

    async def is_used() -> bool:
        return not late.away

    await until(is_used)
    assert await other_sql.fetchval("SELECT mode FROM risk_state") == "off"


async def test_wallet_that_is_locked_in_another_set_holds_up_its_own_claims_only(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(2, 1)
    async with sql.transaction():
        await sql.execute("SELECT FROM wallets WHERE user_id = $1 FOR UPDATE", OLD)
        packet_id = (await one.new[0].send_packet("equal", one.group, 700, 2)).packet_id
        await asyncio.gather(*(user.open(packet_id) for user in one.old))

        async def is_credited() -> bool:
            return await balance_of(sql, OLD + 1) == EACH_FEN + 700

        await until(is_credited)
        assert await balance_of(sql, OLD) == EACH_FEN
    await until(lambda: is_settled(sql, other_sql))
    assert await balance_of(sql, OLD) == EACH_FEN + 700
    assert await discrepancies() == []
