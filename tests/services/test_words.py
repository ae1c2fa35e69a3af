"""Password packets (口令红包): opened by saying words, hidden until then, which become a text in the chat."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from client_sim.sdk import transport
from client_sim.sdk.errors import KeyReused, Refusal
from client_sim.sdk.methods.everyday_errors import BadWords, WordsNeeded, WordsSpent, WordsWrong
from protocol import messages
from server.core.limits import Limits
from server.services.everyday.words import HiddenWords
from server.services.money.audit import audit
from storage.postgres.chat.messages import Post
from storage.postgres.database import Database
from storage.postgres.packets.words import Saying, WordsStore
from tests.cases import each
from tests.conftest import SEED_KEYS, Connect, Server, StartServer
from tests.services.conftest import SENDER, MakeParty, Party, caught_up
from tests.services.test_membership import first_push

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance = Callable[[], Awaitable[None]]
WORDS = "芝麻开门"
ANNA, BEN = 2, 3


@pytest.fixture
async def room(server: Server, party: MakeParty) -> Party:
    """A sender and three guests."""
    return await party(server, 3)


async def with_words(room: Party, words: str = WORDS, shares: int = 3, key: str | None = None) -> int:
    """A packet of 9.00 yuan; its id."""
    sent = await room.sender.send_packet("password", room.group, 900, shares, "", key, words=words)
    return sent.packet_id


async def texts(room: Party) -> list[tuple[int, str]]:
    """The texts of the group: who says what."""
    posts = await room.sender.catch_up(room.group, 0)
    assert isinstance(posts, list)
    return [(one.sender_id, one.text) for one in posts if isinstance(one, messages.TextPosted)]


async def test_users_who_say_the_words_open_it_as_a_lucky_packet(room: Party, books_balance: BooksBalance) -> None:
    packet_id = await with_words(room)
    opened = [await guest.open(packet_id, words=WORDS) for guest in room.guests]
    assert [one.answer for one in opened] == ["won"] * 3
    assert sum(one.amount_fen for one in opened) == 900
    assert await texts(room) == [(2, WORDS), (3, WORDS), (4, WORDS)]
    assert (await room.guests[0].verify(packet_id)).faults == []
    await books_balance()


async def test_grab_without_the_words_is_refused_and_takes_no_ticket(room: Party) -> None:
    packet_id = await with_words(room)
    for user in (room.guests[0], room.sender):
        with pytest.raises(WordsNeeded):
            await user.open(packet_id)
    with pytest.raises(Refusal) as refused:
        await room.guests[0].open_with(packet_id, 1)
    assert refused.value.name == "no_ticket"
    assert await texts(room) == []


@each(
    ("language", "line", "button"),
    [
        ("zh", "在聊天里说出口令，就能拆红包", "说出口令"),
        ("en", "Say its words in the chat to open it", "Say the words"),
    ],
)
async def test_page_asks_for_the_words_until_they_are_said(
    room: Party, language: str, line: str, button: str
) -> None:
    packet_id = await with_words(room)
    page = await room.guests[0].open_page(packet_id, language)
    assert (page.answer, page.view, page.line, page.button) == ("words_needed", "words", line, button)
    assert page.ticket == 0
    assert await room.guests[0].say_words(packet_id, WORDS) == "right"
    page = await room.guests[0].open_page(packet_id, language)
    assert (page.answer, page.view) == ("ticket", "open")


async def test_wrong_words_are_counted_and_then_no_words_are_accepted(room: Party) -> None:
    packet_id = await with_words(room)
    left = []
    for _ in range(5):
        with pytest.raises(WordsWrong) as wrong:
            await room.guests[0].say_words(packet_id, "open sesame")
        left.append(wrong.value.attempts_left)
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(WordsSpent):
        await room.guests[0].say_words(packet_id, WORDS)
    assert await room.guests[1].say_words(packet_id, WORDS) == "right"  # the attempts are each user's own
    assert await texts(room) == [(BEN, WORDS)]


async def test_attempts_at_one_moment_are_counted_one_by_one(room: Party) -> None:
    packet_id = await with_words(room)
    tries = [room.guests[0].say_words(packet_id, f"guess {n}") for n in range(8)]
    refused = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one) for one in refused].count(WordsWrong) == 5
    assert [type(one) for one in refused].count(WordsSpent) == 3


async def test_attempts_are_counted_across_a_restart(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> None:
    room = await party(await start_server(limits__words_attempts_max=2), 1)
    packet_id = await with_words(room, shares=1)
    with pytest.raises(WordsWrong):
        await room.guests[0].say_words(packet_id, "one")
    await room.server.kill()
    guest = await connect(await start_server(limits__words_attempts_max=2), ANNA)
    with pytest.raises(WordsWrong):
        await guest.say_words(packet_id, "two")
    with pytest.raises(WordsSpent):
        await guest.say_words(packet_id, WORDS)


async def test_words_that_were_said_hold_across_a_restart(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> None:
    room = await party(await start_server(), 2)
    packet_id = await with_words(room, shares=2)
    assert await room.guests[0].say_words(packet_id, WORDS) == "right"
    await room.server.kill()
    second = await start_server()
    assert (await (await connect(second, ANNA)).open(packet_id)).answer == "won"
    with pytest.raises(WordsNeeded):
        await (await connect(second, BEN)).open(packet_id)


async def test_words_said_on_one_server_are_said_on_another_without_a_second_text(
    start_server: StartServer, party: MakeParty, connect: Connect
) -> None:
    room = await party(await start_server(), 2)
    second = await start_server(server__port=0)
    guest = await connect(second, ANNA)
    packet_id = await with_words(room, shares=2)
    with pytest.raises(WordsNeeded):
        await guest.grab(packet_id)  # now the second server has it in memory
    assert await room.guests[0].say_words(packet_id, WORDS) == "right"
    assert (await guest.open(packet_id, words=WORDS)).answer == "won"
    assert await texts(room) == [(ANNA, WORDS)]


async def test_words_said_again_are_one_text(room: Party) -> None:
    packet_id = await with_words(room)
    said = await asyncio.gather(*(room.guests[0].say_words(packet_id, WORDS) for _ in range(4)))
    assert said == ["right"] * 4
    assert await texts(room) == [(ANNA, WORDS)]


async def test_text_is_pushed_to_the_group(room: Party) -> None:
    packet_id = await with_words(room)
    await room.guests[0].say_words(packet_id, f"  {WORDS} ")
    told = await first_push(room.guests[2], messages.TextPosted)
    assert (told.stream_id, told.message, told.sender_id, told.text) == (room.group, 2, ANNA, WORDS)


@each(
    ("words", "said"),
    [("Open 7", "Ｏｐｅｎ　７"), ("ｶﾞ", "ガ"), ("é", "e\u0301"), ("芝麻", "\t芝麻\n"), (" x ", "x")],
)
async def test_words_are_compared_in_one_form_of_unicode_without_spaces_around_them(
    room: Party, words: str, said: str
) -> None:
    packet_id = await with_words(room, words)
    assert await room.guests[0].say_words(packet_id, said.strip()) == "right"


async def test_case_matters(room: Party) -> None:
    packet_id = await with_words(room, "Sesame")
    with pytest.raises(WordsWrong):
        await room.guests[0].say_words(packet_id, "sesame")


@each("words", ["", "  ", "x" * 61, "one\ntwo", "\u202eabc", "\ufdfa" * 10])
async def test_packet_without_usable_words_is_refused(room: Party, words: str) -> None:
    with pytest.raises(BadWords):
        await with_words(room, words)
    assert await room.sender.balance() == 100_000


async def test_other_kinds_have_no_words(room: Party) -> None:
    with pytest.raises(BadWords):
        await room.sender.send_packet("lucky", room.group, 900, 3, words=WORDS)


async def test_same_key_with_the_same_words_is_one_packet_and_with_others_refused(room: Party) -> None:
    packet_id = await with_words(room, key="k")
    assert await with_words(room, f" {WORDS}", key="k") == packet_id
    with pytest.raises(KeyReused, match="words"):
        await with_words(room, "others", key="k")
    assert await room.sender.balance() == 100_000 - 900


async def test_same_key_is_one_packet_when_another_key_of_the_server_hides_words(room: Party) -> None:
    """The sender had no answer, and the server has a new seed key since, or another server has it."""
    hidden = room.server.app.services.everyday.hidden_words
    packet_id = await with_words(room, key="k")
    hidden.use_keys({**SEED_KEYS, "new": bytes(32)})
    assert await with_words(room, key="k") == packet_id
    with pytest.raises(KeyReused, match="words"):
        await with_words(room, "others", key="k")
    with pytest.raises(KeyReused, match="kind"):
        await room.sender.send_packet("lucky", room.group, 900, 3, "", "k")
    assert await room.sender.balance() == 100_000 - 900
    assert (await room.guests[0].open(packet_id, words=WORDS)).answer == "won"


async def test_answers_of_a_packet_that_is_over_need_no_words_and_count_no_attempt(room: Party, sql: Sql) -> None:
    packet_id = await with_words(room, shares=1)
    assert (await room.guests[0].open(packet_id, words=WORDS)).answer == "won"
    assert (await room.guests[0].open(packet_id)).answer == "claimed"
    assert (await room.guests[1].open(packet_id)).answer == "gone"
    assert await room.guests[1].say_words(packet_id, "anything") == "gone"
    assert await sql.fetchval("SELECT count(*) FROM words_said") == 1
    page = await room.guests[1].open_page(packet_id)
    assert (page.answer, page.view) == ("gone", "gone")


async def test_stranger_is_not_told_that_there_are_words(room: Party, connect: Connect, sql: Sql) -> None:
    packet_id = await with_words(room)
    stranger = await connect(room.server, 9)
    assert await stranger.say_words(packet_id, WORDS) == "not_allowed"
    assert (await stranger.open(packet_id)).answer == "not_allowed"
    assert await sql.fetchval("SELECT count(*) FROM words_said") == 0


async def test_packet_without_words_answers_right_and_posts_nothing(room: Party) -> None:
    packet_id = await room.lucky(900, 3)
    assert await room.guests[0].say_words(packet_id, WORDS) == "right"
    assert await texts(room) == []


async def test_words_are_a_text_where_the_user_sees_the_packet(room: Party) -> None:
    packet_id = await with_words(room)
    other = await room.sender.create_group("other")
    await room.guests[0].leave_group(room.group)
    await room.guests[0].join_group(other, await room.sender.invite(other))
    await room.sender.send_again(packet_id, other)
    assert (await room.guests[0].open(packet_id, words=WORDS)).answer == "won"
    posts = await room.sender.catch_up(other, 0)
    assert isinstance(posts, list)
    assert [one.text for one in posts if isinstance(one, messages.TextPosted)] == [WORDS]


async def test_words_stand_nowhere_before_they_are_said(
    room: Party, sql: Sql, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """In no table, and in no line that the server has written."""
    secret = "Schneewittchen 7"
    packet_id = await with_words(room, secret)
    with pytest.raises(WordsWrong):
        await room.guests[0].say_words(packet_id, "Rumpelstilzchen")
    await caught_up(room.guests[0])
    tables = await sql.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 20
    for (table,) in tables:
        dump = io.BytesIO()
        await sql.copy_from_table(table, output=dump)
        for words in (secret, secret.encode().hex(), "Rumpelstilzchen"):
            assert words.encode() not in dump.getvalue(), table
    captured = capsys.readouterr()
    told = captured.out + captured.err + caplog.text
    assert "Schneewittchen" not in told
    assert "Rumpelstilzchen" not in told


def test_requests_with_words_do_not_print_them() -> None:
    assert WORDS not in repr(messages.SayWords(0, 1, WORDS))
    assert WORDS not in repr(messages.SendPacket(0, "k", "password", 1, 1, 1, words=WORDS))


def test_hidden_words_need_the_key_and_the_salt_of_their_send() -> None:
    one, other = (HiddenWords({"a": bytes([n]) * 32}, Limits()) for n in (1, 2))
    hidden = one.hide(SENDER, "k", WORDS)
    assert one.fit(hidden, WORDS)
    assert not one.fit(hidden, "others")
    assert not other.fit(hidden, WORDS)
    assert len({hidden, one.hide(SENDER, "l", WORDS), one.hide(ANNA, "k", WORDS)}) == 3
    assert one.hide(SENDER, "k", WORDS) == hidden


def test_words_hidden_under_an_older_key_are_compared_and_without_it_fit_nothing() -> None:
    old, new = bytes(32), bytes([1]) * 32
    hidden = HiddenWords({"old": old}, Limits()).hide(SENDER, "k", WORDS)
    both = HiddenWords({"old": old, "new": new}, Limits())
    assert both.fit(hidden, WORDS)
    assert both.hide(SENDER, "k", WORDS).startswith("new$")
    assert not HiddenWords({"new": new}, Limits()).fit(hidden, WORDS)


async def test_client_without_the_feature_gets_a_text_and_clear_refusals(
    room: Party, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "FEATURES", ())
    old = await connect(room.server, ANNA)
    packet_id = await with_words(room)
    pushed = await first_push(old, messages.TextPosted)
    assert (pushed.message, pushed.text) == (1, "[红包] 当前版本无法显示，请升级后查看")
    for request in (messages.Grab(0, packet_id), messages.OpenPage(0, packet_id)):
        with pytest.raises(WordsNeeded):
            await old._ask(request, messages.Grabbed)


async def test_audit_names_a_claim_without_the_words(room: Party, sql: Sql, database: Database) -> None:
    packet_id = await with_words(room)
    await room.guests[0].open(packet_id, words=WORDS)
    await room.server.stop()
    await sql.execute("UPDATE words_said SET said_at_ms = NULL")
    found = {one.name: one.discrepancies for one in (await audit(database, SEED_KEYS)).findings}
    assert found["allowed"] == [f"packet {packet_id}: user {ANNA} opened it without its words"]


async def test_attempts_of_one_batch_are_counted_one_by_one(room: Party, database: Database) -> None:
    packet_id = await with_words(room)
    tries = [Saying(packet_id, ANNA, Post(room.group, ANNA, 1, f"{n}", None), f"{n}") for n in range(4)]
    spoken = await WordsStore(database).say(tries, lambda hidden, words: words == "3", 3, 1)
    assert [(one.outcome, one.attempts) for one in spoken] == [
        ("wrong", 1),
        ("wrong", 2),
        ("wrong", 3),
        ("spent", 0),
    ]
