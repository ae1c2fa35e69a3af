"""Packets with words, for a later time, and that are passed on, with users and packets of two sets."""

from __future__ import annotations

from typing import Any

import pytest

from client_sim.sdk.errors import Refusal
from storage.errors import StoreUnavailable
from storage.postgres.sets.outbox import SQL, SetPostStore, ToldRow, _record
from tests.conftest import DAY_MS, Connect
from tests.services.conftest import until
from tests.services.test_scheduled import make_due, now_ms
from tests.sets.conftest import EACH_FEN, NEW, OLD, FindDiscrepancies, MakeCrowd, Sql, StartPair, is_settled
from tests.sets.test_full_path import has_posts, sender_of

TEXTS = "SELECT sender_id, text FROM messages WHERE stream_id = $1 AND text IS NOT NULL ORDER BY sender_id"


@pytest.mark.parametrize("number", [0, 1])
async def test_words_of_a_packet_are_said_in_the_group_once_by_users_of_both_sets(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(2, 2)
    sent = await sender_of(one, number).send_packet("password", one.group, 700, 2, words="sesame")
    with pytest.raises(Refusal, match="attempts left"):
        await one.old[1].open(sent.packet_id, words="wrong")
    for user in (one.old[1], one.new[1]):
        for _ in range(2):
            opened = await user.open(sent.packet_id, words="sesame")
            assert opened.answer in ("won", "claimed")
    await until(lambda: is_settled(sql, other_sql))
    said = [tuple(row) for row in await sql.fetch(TEXTS, one.group)]
    assert said == [(OLD + 1, "sesame"), (NEW + 1, "sesame")]
    assert await other_sql.fetchval("SELECT count(*) FROM messages WHERE text IS NOT NULL") == 0
    assert await discrepancies() == []


async def test_words_killed_between_the_two_commits_are_posted_once(
    crowd: MakeCrowd,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The set of the group has the text, the set of the packet has still to tell it."""
    one = await crowd(1, 2)
    sent = await one.new[0].send_packet("password", one.group, 700, 2, words="sesame")
    await until(lambda: is_settled(sql, other_sql))
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
    assert (await one.old[0].open(sent.packet_id, words="sesame")).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    assert SetPostStore.tell is tell  # it was killed once
    assert [tuple(row) for row in await sql.fetch(TEXTS, one.group)] == [(OLD, "sesame")]
    assert await discrepancies() == []


@pytest.mark.parametrize("number", [0, 1])
async def test_scheduled_packet_is_posted_at_its_time_in_the_group(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(2, 2)
    sender, own_sql = sender_of(one, number), (sql, other_sql)[number]
    send_at_ms = now_ms(one.server) + DAY_MS
    sent = await sender.send_packet("lucky", one.group, 700, 2, send_at_ms=send_at_ms)
    assert [line.packet_id for line in await sender.scheduled()] == [sent.packet_id]
    assert (await one.old[1].open(sent.packet_id)).answer == "not_allowed"
    assert await discrepancies() == []
    await make_due(own_sql, sent.packet_id)
    await until(lambda: has_posts(one.new[1], one.group, ["PacketPosted"]))
    assert [(await user.open(sent.packet_id)).answer for user in (one.old[1], one.new[1])] == ["won"] * 2
    await until(lambda: is_settled(sql, other_sql))
    assert await discrepancies() == []


@pytest.mark.parametrize("number", [0, 1])
async def test_scheduled_packet_to_a_user_of_the_other_set_is_posted_in_the_inbox(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(1, 1)
    sender, receiver = sender_of(one, number), sender_of(one, 1 - number)
    receiver_id = (OLD, NEW)[1 - number]
    sent = await sender.send_packet("personal", receiver_id, 500, send_at_ms=now_ms(one.server) + DAY_MS)
    await make_due((sql, other_sql)[number], sent.packet_id)
    await until(lambda: has_posts(receiver, receiver_id, ["PacketPosted"]))
    assert (await receiver.open(sent.packet_id)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    assert await discrepancies() == []


async def test_scheduled_packet_of_a_sender_who_has_left_the_group_comes_back(
    crowd: MakeCrowd, connect: Connect, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(1, 2)
    sent = await one.new[0].send_packet("lucky", one.group, 700, 2, send_at_ms=now_ms(one.server) + DAY_MS)
    backend = await connect(one.server, 0)
    await backend.sync_members(one.group, 2, [OLD, NEW + 1])
    await make_due(other_sql, sent.packet_id)

    async def is_back() -> bool:
        return await one.new[0].balance() == EACH_FEN

    await until(is_back)
    await until(lambda: is_settled(sql, other_sql))
    assert await discrepancies() == []


async def test_scheduled_packet_of_a_further_set_is_cancelled_once(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    one = await crowd(1, 1)
    sent = await one.new[0].send_packet("lucky", one.group, 700, 2, send_at_ms=now_ms(one.server) + DAY_MS)
    assert [await one.new[0].cancel_scheduled(sent.packet_id) for _ in range(2)] == [700, 700]
    with pytest.raises(Refusal) as refused:
        await one.old[0].cancel_scheduled(sent.packet_id)
    assert refused.value.name == "not_allowed"
    assert await one.new[0].balance() == EACH_FEN
    assert await discrepancies() == []


@pytest.mark.parametrize("number", [0, 1])
async def test_packet_is_passed_on_between_users_of_both_sets(
    crowd: MakeCrowd, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(3, 3)
    sender, receiver = sender_of(one, number), sender_of(one, 1 - number)
    packet_id = (await sender.send_packet("fission", (OLD, NEW)[1 - number], 900, 3)).packet_id
    assert (await one.old[1].open(packet_id)).answer == "not_allowed"
    assert (await receiver.open(packet_id)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    link = (await receiver.pass_on(packet_id)).link
    assert (await one.old[1].open_link(link)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    deeper = (await one.old[1].pass_on(packet_id)).link
    assert (await one.new[1].open_link(deeper)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    admitted = (sql, other_sql)[number]
    assert await admitted.fetchval("SELECT count(*) FROM admissions WHERE packet_id = $1", packet_id) == 2
    assert await discrepancies() == []


async def test_admission_to_a_packet_of_a_further_set_holds_at_every_server_with_the_reply(
    crowd: MakeCrowd, start_pair: StartPair, connect: Connect, sql: Sql, other_sql: Sql
) -> None:
    """The packet is in the memory of the other server, which may not answer that the friend is no guest."""
    one = await crowd(2, 2, stores__postgres_pool_max=2)
    other = await start_pair(stores__postgres_pool_max=2)
    packet_id = (await one.new[0].send_packet("fission", OLD, 900, 3)).packet_id
    assert (await one.old[0].open(packet_id)).answer == "won"
    await until(lambda: is_settled(sql, other_sql))
    at_other = {user_id: await connect(other, user_id) for user_id in (OLD + 1, NEW + 1)}
    assert [(await user.open(packet_id)).answer for user in at_other.values()] == ["not_allowed"] * 2
    link = (await one.old[0].pass_on(packet_id)).link
    for here, user_id in ((one.old[1], OLD + 1), (one.new[1], NEW + 1)):
        await here.tap_link(link)
        assert (await at_other[user_id].open(packet_id)).answer == "won"


@pytest.mark.parametrize("number", [0, 1])
async def test_relay_of_a_group_says_whose_turn_it_is_whichever_set_has_the_packet(
    crowd: MakeCrowd, connect: Connect, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await crowd(2, 2)
    await (await connect(one.server, 0)).set_relay(one.group, 2)
    users = {OLD: one.old[0], OLD + 1: one.old[1], NEW: one.new[0], NEW + 1: one.new[1]}
    packet_id = (await sender_of(one, number).send_packet("lucky", one.group, 7_000, 4)).packet_id
    fen = {user_id: (await user.open(packet_id)).amount_fen for user_id, user in users.items()}
    winner = max(fen, key=lambda user_id: fen[user_id])
    await until(lambda: is_settled(sql, other_sql))
    page = (await one.old[0].result_page(packet_id, "zh")).page
    assert (page.state, page.turn_user_id) == ("finished", winner)
    rows = await sql.fetch("SELECT packet_id, group_id, user_id, times FROM relays")
    assert [tuple(row) for row in rows] == [(packet_id, one.group, winner, 2)]
    posts = "SELECT count(*) FROM messages WHERE stream_id = $1 AND reminder = 4"
    assert await sql.fetchval(posts, one.group) == 1
    found = await one.new[1].catch_up(one.group, 0)
    relayed = [post for post in found if type(post).__name__ == "RelayPosted"]  # type: ignore[union-attr]
    assert [(post.packet_id, post.user_id) for post in relayed] == [(packet_id, winner)]
    assert await discrepancies() == []
