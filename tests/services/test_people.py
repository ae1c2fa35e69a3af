"""Users as the chat backend decides: the banned user, the stranger, revoked tokens, names; also on two servers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import (
    Banned,
    ConnectionRefusedForGood,
    Forbidden,
    NameTaken,
    NoSuchUser,
    Refusal,
)
from protocol import tokens
from server.core.packet_request import request_of
from server.core.refusals import Reason, RequestRefused
from storage.postgres.chat.groups import ProfileRow
from storage.postgres.chat.unique_names import unique_form
from storage.postgres.chat.users import UserStore
from storage.postgres.database import Database
from tests.conftest import FAR_AWAY_S, KEYS, PATIENCE_S, Connect, Server, StartServer, TurnedClock, token
from tests.services.conftest import MakeParty, until, waiting

ANN, BEN, CAI = 11, 12, 13
NOW_S, ISSUED_S = 1_800_000_000, 1_700_000_000


def issued_at(user_id: int, issued_at_s: int) -> str:
    """A token of version 2."""
    return str(tokens.mint(user_id, FAR_AWAY_S, "test", KEYS["test"], issued_at_s))


async def end_of(client: Client) -> str:
    """The name of the close code with which the server ends a connection for good."""
    async with asyncio.timeout(PATIENCE_S):
        try:
            async for _ in client.pushes():
                pass
        except ConnectionRefusedForGood as ended:
            return ended.name
    return ""


async def login(server: Server, text: str) -> str:
    """Log in with a token and leave: "welcome", or why it was refused."""
    try:
        async with Client(server.url, text):
            return "welcome"
    except ConnectionRefusedForGood as refused:
        return refused.name


def open_connections(server: Server, user_id: int) -> int:
    """How many connections of a user a server has not ended."""
    return sum(1 for one in server.app.hub.sessions(user_id) if one.connection.closing is None)


@pytest.fixture
async def two_servers(start_server: StartServer) -> tuple[Server, Server]:
    """Two servers on one database that know each other."""
    first, second = await start_server(), await start_server(server__node=1)
    return first, second


# --- bans -----------------------------------------------------------------------------------------------------


async def test_ban_ends_all_connections_of_a_user_and_refuses_logins_until_it_is_lifted(
    server: Server, connect: Connect, backend: Client
) -> None:
    phones = [await connect(server, ANN) for _ in range(2)]
    other = await connect(server, BEN)
    await backend.ban_user(ANN)
    assert open_connections(server, ANN) == 0
    assert [await end_of(phone) for phone in phones] == ["banned", "banned"]
    assert [await login(server, text) for text in (token(ANN), issued_at(ANN, ISSUED_S))] == ["banned", "banned"]
    assert await other.balance() == 0
    await backend.ban_user(ANN, banned=False)
    assert [await login(server, text) for text in (token(ANN), issued_at(ANN, ISSUED_S))] == ["welcome", "welcome"]


async def test_ban_again_is_harmless_and_holds_for_a_user_who_never_was_here(
    server: Server, backend: Client
) -> None:
    for _ in range(2):
        await backend.ban_user(CAI)
    assert await login(server, token(CAI)) == "banned"
    for _ in range(2):
        await backend.ban_user(CAI, banned=False)
    assert await login(server, token(CAI)) == "welcome"


async def test_ban_ends_connections_on_the_other_server_before_the_backend_has_its_reply(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    here, there = two_servers
    backend = await connect(here, 0)
    phone = await connect(there, ANN)
    await backend.ban_user(ANN)
    assert open_connections(there, ANN) == 0
    assert await end_of(phone) == "banned"
    assert await login(there, token(ANN)) == "banned"


async def gated_login(server: Server) -> tuple[asyncio.Event, asyncio.Event]:
    """Logins at this server wait when the record has been read: `read` is set then, until `gate` is set."""
    service = server.app.services.login
    read, gate, profiles = asyncio.Event(), asyncio.Event(), service._store.profiles

    async def slow(user_ids: Sequence[int]) -> dict[int, ProfileRow]:
        found = await profiles(user_ids)
        read.set()
        await gate.wait()
        return found

    service._store.profiles = slow  # type: ignore[method-assign]
    return read, gate


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("what", ["banned", "token_revoked"])
async def test_login_in_flight_when_the_backend_decides_is_not_welcomed(
    two_servers: tuple[Server, Server], connect: Connect, at: int, what: str
) -> None:
    backend, server = await connect(two_servers[0], 0), two_servers[at]
    read, gate = await gated_login(server)
    logging_in = asyncio.create_task(login(server, token(ANN)))
    await read.wait()
    await (backend.ban_user(ANN) if what == "banned" else backend.revoke_tokens(ANN))
    gate.set()
    assert await logging_in == what


async def test_repeated_ban_is_told_to_the_other_server_although_nothing_changes(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    """The first one was recorded, and its reply was lost with the server that should have told it."""
    here, there = two_servers
    backend, phone = await connect(here, 0), await connect(there, ANN)
    follow = there.app.services.people.follow
    there.app.services.changes._follows["user"] = [_nothing]
    await backend.ban_user(ANN)
    assert await phone.balance() == 0  # the other server missed it
    there.app.services.changes._follows["user"] = [follow]
    await backend.ban_user(ANN)
    assert await end_of(phone) == "banned"


async def _nothing(user_id: int, version: int) -> None:
    """Follow no change."""


async def test_ban_by_a_statement_of_an_operator_ends_connections(
    server: Server, connect: Connect, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    phone = await connect(server, ANN)
    await sql.execute("UPDATE users SET banned_at_ms = 1, version = version + 1 WHERE user_id = $1", ANN)
    assert await end_of(phone) == "banned"


async def test_ban_that_was_missed_during_an_outage_of_the_feed_is_caught_up(
    server: Server, connect: Connect, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    phone, other = await connect(server, ANN), await connect(server, BEN)
    server.app.services.changes._follows["user"] = [_nothing]
    await sql.execute("UPDATE users SET banned_at_ms = 1, version = version + 1 WHERE user_id = $1", ANN)
    assert await phone.balance() == 0
    await server.app.services.people.catch_up()
    assert open_connections(server, ANN) == 0
    assert await end_of(phone) == "banned"
    assert await other.balance() == 0


@pytest.mark.long
async def test_refused_login_of_a_banned_user_counts_against_the_address_and_an_ended_connection_does_not(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(
        limits__failed_logins_of_address_burst=2, limits__failed_logins_of_address_per_s=0.001
    )
    backend, phones = await connect(server, 0), [await connect(server, ANN) for _ in range(5)]
    await backend.ban_user(ANN)
    for phone in phones:
        await end_of(phone)
    assert await login(server, token(BEN)) == "welcome"
    assert [await login(server, token(ANN)) for _ in range(2)] == ["banned"] * 2
    with pytest.raises(Exception, match="too_many_failed_logins"):
        await Client(server.url, token(BEN)).connect(patience_s=0.0)


# --- revoked tokens -------------------------------------------------------------------------------------------


async def test_revoked_tokens_end_their_connections_and_newer_ones_are_accepted(
    server: Server, connect: Connect, backend: Client, server_clock: TurnedClock
) -> None:
    server_clock.stopped_ms = NOW_S * 1000 + 999
    old = await connect(server, ANN)
    assert await login(server, issued_at(ANN, NOW_S)) == "welcome"
    assert await backend.revoke_tokens(ANN) == NOW_S + 1
    assert await end_of(old) == "token_revoked"
    revoked = (token(ANN), issued_at(ANN, NOW_S - 9), issued_at(ANN, NOW_S))
    assert [await login(server, text) for text in revoked] == ["token_revoked"] * 3
    assert await login(server, issued_at(ANN, NOW_S + 1)) == "welcome"
    assert await login(server, token(BEN)) == "welcome"  # version 1 of another user


async def test_connection_with_a_newer_token_stays_when_the_revocation_is_told_later(
    two_servers: tuple[Server, Server], server_clock: TurnedClock, connect: Connect
) -> None:
    server_clock.stopped_ms = NOW_S * 1000
    here, there = two_servers
    backend = await connect(here, 0)
    async with Client(there.url, issued_at(ANN, NOW_S + 1)) as phone:
        old = await connect(there, ANN)
        assert await backend.revoke_tokens(ANN) == NOW_S + 1
        assert await end_of(old) == "token_revoked"
        assert await phone.balance() == 0


async def test_revocation_stays_behind_a_ban_that_is_lifted(
    server: Server, backend: Client, server_clock: TurnedClock
) -> None:
    server_clock.stopped_ms = NOW_S * 1000
    await backend.revoke_tokens(ANN)
    await backend.ban_user(ANN)
    assert await login(server, issued_at(ANN, NOW_S + 1)) == "banned"
    await backend.ban_user(ANN, banned=False)
    assert await login(server, issued_at(ANN, NOW_S)) == "token_revoked"
    assert await login(server, issued_at(ANN, NOW_S + 1)) == "welcome"


# --- sends ----------------------------------------------------------------------------------------------------


async def test_personal_packet_needs_a_receiver_who_is_known_and_not_banned(
    server: Server, connect: Connect, backend: Client
) -> None:
    ann = await connect(server, ANN)
    await backend.top_up(ANN, 1_000)
    for receiver in (BEN, CAI, 14):
        with pytest.raises(NoSuchUser):
            await ann.send_packet("personal", receiver, 100)
    assert await ann.balance() == 1_000
    await backend.put_users({BEN: ""})  # named by the backend
    await connect(server, CAI)  # has logged in
    await backend.top_up(14, 1)  # has a wallet of the backend's making
    for receiver in (BEN, CAI, 14):
        await ann.send_packet("personal", receiver, 100)
    sent = await ann.send_packet("personal", BEN, 100, key="once")
    await backend.ban_user(BEN)
    with pytest.raises(NoSuchUser):
        await ann.send_packet("personal", BEN, 100)
    assert (await ann.send_packet("personal", BEN, 100, key="once")).packet_id == sent.packet_id
    assert await ann.balance() == 600
    await backend.ban_user(BEN, banned=False)
    await ann.send_packet("personal", BEN, 100)


async def test_send_of_a_sender_who_was_banned_meanwhile_is_refused_and_moves_nothing(
    start_server: StartServer, party: MakeParty, database: Database, books_balance: Callable[[], Awaitable[None]]
) -> None:
    room = await party(await start_server(), 1)
    service, before = room.server.app.services.sends, request_of(1, "before", "lucky", room.group, 100, 2, "")
    sent = await service.send(before)
    await UserStore(database).ban(1, 5)
    with pytest.raises(RequestRefused) as refused:
        await service.send(before._replace(key="after"))
    assert refused.value.reason is Reason.BANNED
    again = await service.send(before)
    assert again.packet_id == sent.packet_id
    await books_balance()


async def test_ban_waits_for_a_send_that_holds_the_wallet(
    database: Database,
    server: Server,
    backend: Client,
    sql: asyncpg.Connection[asyncpg.Record],
    lock_view: asyncpg.Connection[asyncpg.Record],
) -> None:
    await backend.top_up(ANN, 100)
    async with sql.transaction():  # a send that has looked for bans and is not committed
        await sql.execute("SELECT FROM wallets WHERE user_id = $1 FOR UPDATE", ANN)
        banning = asyncio.create_task(UserStore(database).ban(ANN, 5))
        await until(lambda: waiting(lock_view, 1))
        assert not banning.done()
    assert (await banning).is_banned


async def test_send_that_waits_for_a_ban_is_refused(
    start_server: StartServer,
    party: MakeParty,
    sql: asyncpg.Connection[asyncpg.Record],
    lock_view: asyncpg.Connection[asyncpg.Record],
) -> None:
    room = await party(await start_server(), 1)
    async with sql.transaction():  # as UserStore.ban does it
        await sql.execute("SELECT FROM wallets WHERE user_id = 1 FOR UPDATE")
        await sql.execute("UPDATE users SET banned_at_ms = 5 WHERE user_id = 1")
        sending = asyncio.create_task(room.sender.send_packet("lucky", room.group, 100, 2))
        await until(lambda: waiting(lock_view, 1))
    with pytest.raises(Banned):
        await sending


# --- names and known users ------------------------------------------------------------------------------------


async def test_name_that_looks_like_that_of_another_user_is_taken(server: Server, connect: Connect) -> None:
    ann, ben = await connect(server, ANN), await connect(server, BEN)
    await ann.set_name("Zoë")
    for name in ("Zoë", "zoë", "ZOE\u0308", "\uff3aoë", "zo\u00ad\u00eb", "Zoë "):
        with pytest.raises(NameTaken):
            await ben.set_name(name)
    await ann.set_name("ZOË")
    await ben.set_name("Zoe")  # another letter is another name
    assert (await ann.names([ANN, BEN])).names == ["ZOË", "Zoe"]


async def test_name_is_chosen_by_one_of_many_who_choose_it_at_once(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    users = [await connect(two_servers[n % 2], 20 + n) for n in range(8)]
    names = ["LIN", "lin"] * 4
    choices = [user.set_name(name) for user, name in zip(users, names, strict=True)]
    outcomes = await asyncio.gather(*choices, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["NameTaken"] * 7 + ["NoneType"]


async def test_user_who_chose_a_name_loses_it_on_all_servers_when_the_backend_gives_it(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    """So no user can pass for one whom the backend named, neither before nor afterwards."""
    here, there = two_servers
    backend, ann, far = await connect(here, 0), await connect(here, ANN), await connect(there, CAI)
    await ann.set_name("Z\u200boe\u0301")
    for client in (ann, far):
        assert (await client.names([ANN])).names == ["Z\u200boe\u0301"]
    await backend.put_users({BEN: "Zoé"})
    assert (await ann.names([ANN, BEN])).names == ["", "Zoé"]
    await until(lambda: _names_are(far, [ANN, BEN], ["", "Zoé"]))
    for user in (ann, far):
        with pytest.raises(NameTaken):
            await user.set_name("ZOÉ")


@pytest.mark.parametrize("given_first", [False, True])
async def test_name_that_is_chosen_and_given_at_once_is_the_given_users_alone(
    database: Database,
    sql: asyncpg.Connection[asyncpg.Record],
    lock_view: asyncpg.Connection[asyncpg.Record],
    given_first: bool,
) -> None:
    """The first one is recorded and not committed yet; its row is held back by the row of another user."""
    users = UserStore(database)
    await users.know([ANN, BEN])
    chooses, gives = (lambda: users.choose_name(ANN, "lin")), (lambda: users.put({BEN: "Lin"}))
    first, then = (gives, chooses) if given_first else (chooses, gives)
    async with sql.transaction():
        await sql.execute("SELECT FROM users WHERE user_id = $1 FOR UPDATE", BEN if given_first else ANN)
        tasks = [asyncio.create_task(first())]
        await until(lambda: waiting(lock_view, 1))
        tasks.append(asyncio.create_task(then()))
        await until(lambda: waiting(lock_view, 2))
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one).__name__ for one in outcomes] == (
        ["list", "NameTaken"] if given_first else ["NoneType", "list"]
    )
    assert await users.names([ANN, BEN]) == {BEN: "Lin"}


async def test_put_users_gives_any_name_and_other_servers_read_it(
    two_servers: tuple[Server, Server], connect: Connect
) -> None:
    here, there = two_servers
    backend, ann, far = await connect(here, 0), await connect(here, ANN), await connect(there, CAI)
    await ann.set_name("阿安")
    assert (await far.names([ANN, BEN])).names == ["阿安", ""]
    assert await backend.put_users({ANN: "Ann", BEN: "阿安", 15: ""}) == 3
    assert (await ann.names([ANN, BEN])).names == ["Ann", "阿安"]
    await until(lambda: _names_are(far, [ANN, BEN], ["Ann", "阿安"]))
    assert await backend.put_users({ANN: "Ann", BEN: "阿安"}) == 2


async def _names_are(client: Client, user_ids: list[int], names: list[str]) -> bool:
    return (await client.names(user_ids)).names == names


async def test_put_users_with_a_bad_name_puts_none_of_them(server: Server, backend: Client, sql: Any) -> None:
    with pytest.raises(Refusal, match="bad_name: name: the character U\\+202E"):
        await backend.put_users({ANN: "ann", BEN: "nn\u202ea"})
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


async def test_put_users_takes_a_thousand_at_once(start_server: StartServer, connect: Connect) -> None:
    server = await start_server(limits__frame_bytes_max=1 << 16)
    backend, ann = await connect(server, 0), await connect(server, ANN)
    assert await backend.put_users({user_id: f"user {user_id}" for user_id in range(1, 1_001)}) == 1_000
    assert (await ann.names([1, 1_000])).names == ["user 1", "user 1000"]
    with pytest.raises(Refusal, match="bad_request"):
        await backend.put_users(dict.fromkeys(range(1, 1_002), ""))


async def test_users_may_ask_nothing_of_the_backend(server: Server, connect: Connect) -> None:
    mallory = await connect(server, ANN)
    for request in (mallory.put_users({BEN: "x"}), mallory.ban_user(BEN), mallory.revoke_tokens(BEN)):
        with pytest.raises(Forbidden):
            await request
    assert await login(server, token(BEN)) == "welcome"


async def test_login_makes_a_user_known_once(
    server: Server, connect: Connect, sql: asyncpg.Connection[asyncpg.Record]
) -> None:
    for _ in range(2):
        await connect(server, ANN)
    await connect(server, 0)
    rows = [tuple(row) for row in await sql.fetch("SELECT user_id, name, version FROM users")]
    assert rows == [(ANN, "", 1)]


def test_unique_form_folds_case_width_space_and_invisible_characters() -> None:
    same = ("Lin Wei", "lin wei", "ＬＩＮ　ＷＥＩ", " lin  wei ", "l\u200bin\ufe0f wei")
    assert {unique_form(name) for name in same} == {"lin wei"}
    assert unique_form("ß") == unique_form("SS")
    assert len({unique_form(name) for name in ("lin", "1in", "林", "")}) == 4
