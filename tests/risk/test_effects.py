"""Mode on: what is held back, on all servers, and what never is: opens, and what was done before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from client_sim.sdk.errors import Refusal
from server.services.risk import engine as engine_module
from server.services.risk.engine import CHECK_AGAIN_MS, RiskEngine
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.risk.risk import RiskRound, RiskStore, VerdictRow
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, Turn
from tests.risk.test_path import rules_file
from tests.services.conftest import MakeParty, until
from tests.services.test_scheduled import later, make_due

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
BooksBalance: TypeAlias = Callable[[], Awaitable[None]]
DENY_WINNERS = '[[rules]]\nname = "wins"\nwhen = "opens_1d >= 1"\nthen = "{then}"\nsays = "looked into"\n'
NEVER_BY_ITSELF = 3_600  # seconds: the test makes the rounds


async def refused(request: Awaitable[Any]) -> tuple[str, str]:
    """The refusal of a request: its name and its detail."""
    with pytest.raises(Refusal) as told:
        await request
    return told.value.name, told.value.detail


async def judge(server: Server) -> int:
    """A round; how many users it judged."""
    engine = server.app.services.risk.engine
    assert engine is not None
    return await engine.round()


async def held_by(server: Server, sql: Sql, user_id: int) -> None:
    """Make rounds until a user has a verdict other than allow."""

    async def is_held() -> bool:
        await judge(server)
        found = "SELECT action FROM risk_verdicts WHERE user_id = $1 AND action <> 'allow'"
        return await sql.fetchval(found, user_id) is not None

    await until(is_held)


async def grown_up(sql: Sql) -> None:
    """All users have been known for years."""
    await sql.execute("UPDATE users SET known_at_ms = 0")


async def test_new_account_sends_200_yuan_a_day_and_withdraws_after_a_day(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    sql: Sql,
    turn_clock: Turn,
    books_balance: BooksBalance,
) -> None:
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    guests = await party(server, 1)
    backend = await connect(server, 0)
    await guests.lucky(15_000, 2)
    name, detail = await refused(guests.lucky(5_001, 2))
    assert (name, "at most 20000 fen in 24 hours, 15000 are sent" in detail) == ("limit", True)
    await guests.lucky(5_000, 2)
    assert (await refused(guests.sender.transfer(2, 1)))[0] == "limit"
    name, detail = await refused(backend.withdraw(1, 50, "w"))
    assert (name, detail) == ("not_allowed", "withdrawals begin 24 hours after the first login")
    await grown_up(sql)
    turn_clock(CHECK_AGAIN_MS + 1)
    await judge(server)
    await guests.lucky(30_000, 2)
    assert await backend.withdraw(1, 50, "w") == 100_000 - 20_000 - 30_000 - 50
    await books_balance()


class Meet:
    """Sums of what was sent are read by two requests before one of them goes on, so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self._real, self._turns = RiskStore.sent_since, [asyncio.Event() for _ in range(times)]
        self.count = 0
        monkeypatch.setattr(RiskStore, "sent_since", lambda store, *asked: self._meets(store, *asked))

    async def _meets(self, store: RiskStore, *asked: Any) -> int:
        sent_fen = await self._real(store, *asked)
        if self.count < 2 * len(self._turns):
            turn = self._turns[self.count // 2]
            self.count += 1
            if self.count % 2 == 0:
                turn.set()
            await turn.wait()  # each has seen that nothing was sent
        return sent_fen


@pytest.mark.parametrize("transfers", [0, 1, 2])
async def test_two_sends_at_once_do_not_pass_the_limit_of_a_day_together(
    start_server: StartServer, party: MakeParty, sql: Sql, monkeypatch: pytest.MonkeyPatch, transfers: int
) -> None:
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    guests = await party(server, 1)
    met = Meet(monkeypatch, 1)
    asked = [
        guests.sender.transfer(2, 15_000) if place < transfers else guests.lucky(15_000, 2) for place in (0, 1)
    ]
    sent = await asyncio.gather(*asked, return_exceptions=True)
    (lost,) = [one for one in sent if isinstance(one, Refusal)]
    assert (lost.name, met.count) == ("limit", 2)
    assert await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 1") == 100_000 - 15_000


async def test_denied_user_opens_and_keeps_what_was_won_and_repeats_what_was_done(
    start_server: StartServer,
    party: MakeParty,
    connect: Connect,
    sql: Sql,
    tmp_path: Path,
    books_balance: BooksBalance,
) -> None:
    rules = rules_file(tmp_path, DENY_WINNERS.format(then="deny"))
    server = await start_server(risk__mode="on", risk__rules=rules, risk__interval_s=NEVER_BY_ITSELF)
    guests, backend = await party(server, 1), await connect(server, 0)
    (guest,) = guests.guests
    await backend.top_up(2, 1_000)
    await backend.withdraw(2, 100, "before")
    sent = await guest.send_packet("lucky", guests.group, 200, 2, key="before")
    (won,) = await guests.all_open(await guests.lucky(900, 1))
    await held_by(server, sql, 2)
    for _ in range(2):  # the second time the verdict is in memory
        assert await refused(guest.send_packet("lucky", guests.group, 200, 2)) == ("not_allowed", "looked into")
    assert await refused(guest.transfer(1, 1)) == ("not_allowed", "looked into")
    assert await refused(backend.withdraw(2, 100, "now")) == ("not_allowed", "looked into")
    assert (await guest.send_packet("lucky", guests.group, 200, 2, key="before")).packet_id == sent.packet_id
    (again,) = await guests.all_open(await guests.lucky(700, 1))
    assert (won.amount_fen, again.amount_fen) == (900, 700)

    async def has_all() -> bool:
        return await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = 2") == 1_000 - 300 + 1_600

    await until(has_all)
    assert await backend.withdraw(2, 100, "before") == 1_000 - 300 + 1_600
    await books_balance()


async def test_verdict_holds_on_all_servers_and_after_a_restart(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, tmp_path: Path
) -> None:
    rules = rules_file(tmp_path, DENY_WINNERS.format(then="freeze"))
    options = {"risk__mode": "on", "risk__rules": rules, "risk__interval_s": NEVER_BY_ITSELF}
    one = await start_server(server__node=1, **options)
    guests = await party(one, 1)
    other = await start_server(server__node=2, **options)
    elsewhere, backend = await connect(other, 2), await connect(one, 0)
    await backend.top_up(2, 1_000)
    await elsewhere.send_packet("lucky", guests.group, 100, 1)  # the other server has a verdict in memory now
    await guests.all_open(await guests.lucky(900, 1))
    await held_by(one, sql, 2)

    async def is_told() -> bool:
        try:
            await elsewhere.send_packet("lucky", guests.group, 100, 1)
        except Refusal as told:
            return told.name == "not_allowed"
        return False

    await until(is_told)
    await sql.execute("UPDATE risk_verdicts SET checked_at_ms = 1 WHERE user_id = 2")
    third = await start_server(server__node=3, **options)
    late = await connect(third, 2)
    assert (await refused(late.send_packet("lucky", guests.group, 100, 1)))[0] == "not_allowed"
    assert await RiskStore(third.app.stores.database).release(2, 5, 0, 2**60, "seen on a call") is not None

    async def is_released() -> bool:
        try:
            await late.send_packet("lucky", guests.group, 100, 1)
        except Refusal:
            return False
        return True

    await until(is_released)
    await judge(one)
    await late.send_packet("lucky", guests.group, 100, 1)
    assert await sql.fetchval("SELECT reason FROM risk_releases WHERE user_id = 2") == "seen on a call"


@pytest.mark.parametrize(("action", "state"), [("deny", "returned"), ("freeze", "returned"), ("limit", "posted")])
async def test_packet_that_a_user_had_scheduled_before_they_were_held_goes_back_at_its_time(
    start_server: StartServer, party: MakeParty, sql: Sql, books_balance: BooksBalance, action: str, state: str
) -> None:
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    guests = await party(server, 1)
    await grown_up(sql)
    packet_id = await later(guests)
    await sql.execute("UPDATE risk_verdicts SET action = $1, version = version + 1 WHERE user_id = 1", action)
    gate = server.app.services.risk.held
    assert gate is not None
    await gate.follow(1, 9)  # told of it
    await make_due(sql, packet_id)

    async def has_ended() -> bool:
        found = await sql.fetchval("SELECT state FROM scheduled_packets WHERE packet_id = $1", packet_id)
        return found != "waiting"

    await until(has_ended)
    assert await sql.fetchval("SELECT state FROM scheduled_packets") == state
    assert await guests.sender.balance() == (100_000 if state == "returned" else 99_500)
    await books_balance()


@pytest.mark.parametrize("then", ["deny", "freeze"])
async def test_deny_ends_with_its_reason_and_a_freeze_only_by_an_operator(
    start_server: StartServer, party: MakeParty, sql: Sql, tmp_path: Path, turn_clock: Turn, then: str
) -> None:
    rules = rules_file(tmp_path, DENY_WINNERS.format(then=then))
    server = await start_server(risk__mode="on", risk__rules=rules, risk__interval_s=NEVER_BY_ITSELF)
    guests = await party(server, 1)
    await guests.all_open(await guests.lucky(900, 1))
    await held_by(server, sql, 2)
    await sql.execute("UPDATE received SET at_ms = 1")
    turn_clock(CHECK_AGAIN_MS - 1_000)
    await judge(server)
    assert await sql.fetchval("SELECT action FROM risk_verdicts WHERE user_id = 2") == then
    turn_clock(2 * CHECK_AGAIN_MS)
    assert await judge(server) == int(then == "deny")
    await sql.execute("INSERT INTO risk_activity VALUES (2)")
    await judge(server)
    expected = "freeze" if then == "freeze" else "allow"
    assert await sql.fetchval("SELECT action FROM risk_verdicts WHERE user_id = 2") == expected


async def test_released_user_is_left_alone_until_the_time_is_over(
    start_server: StartServer, party: MakeParty, sql: Sql, tmp_path: Path, turn_clock: Turn
) -> None:
    rules = rules_file(tmp_path, DENY_WINNERS.format(then="freeze"))
    server = await start_server(risk__mode="on", risk__rules=rules, risk__interval_s=NEVER_BY_ITSELF)
    guests = await party(server, 1)
    await guests.all_open(await guests.lucky(900, 1))
    await held_by(server, sql, 2)
    until_ms = server.app.services.risk.engine._now_ms() + 100_000  # type: ignore[union-attr]
    assert await server.app.stores.risk.release(2, 5, 0, until_ms, "seen") is not None
    assert await server.app.stores.risk.release(2, 6, 0, until_ms, "again") is None
    found = []
    for ahead_ms in (0, 99_000, 101_000):
        turn_clock(ahead_ms)
        await sql.execute("INSERT INTO risk_activity VALUES (2)")
        await judge(server)
        found.append(await sql.fetchval("SELECT action FROM risk_verdicts WHERE user_id = 2"))
    assert found == ["allow", "allow", "freeze"]


async def test_withdrawals_wait_while_no_rounds_are_made_and_sends_go_on(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql
) -> None:
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    guests, backend = await party(server, 1), await connect(server, 0)
    await grown_up(sql)
    await sql.execute("DELETE FROM risk_verdicts")  # one of the first round, in which they were not
    await guests.lucky(900, 1)
    assert await backend.withdraw(1, 1, "a") == 99_099
    engine = server.app.services.risk.engine
    assert engine is not None
    real = engine._elapsed_s
    engine._elapsed_s = lambda: real() + 10 * NEVER_BY_ITSELF + 1  # the rounds have hung for so long
    name, detail = await refused(backend.withdraw(1, 1, "b"))
    assert (name, "withdrawals wait" in detail) == ("overloaded", True)
    assert await backend.withdraw(1, 1, "a") == 99_099
    await guests.all_open(await guests.lucky(900, 1))
    engine._elapsed_s = real
    assert await backend.withdraw(1, 1, "b") == 99_098 - 900


async def test_hold_holds_the_next_withdrawal_also_before_this_server_was_told_of_it(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql
) -> None:
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    _, backend = await party(server, 1), await connect(server, 0)
    await grown_up(sql)
    await sql.execute("DELETE FROM risk_verdicts")
    assert await backend.withdraw(1, 1, "a") == 99_999
    server.app.services.changes._follows["risk"].clear()  # what another server decides is in flight
    held = (
        "UPDATE risk_verdicts SET action = 'deny', holds_withdrawals = true, says = 'held', version = version + 1"
    )
    await sql.execute(held)
    assert await refused(backend.withdraw(1, 1, "b")) == ("not_allowed", "held")


async def test_user_who_is_frozen_for_days_is_not_judged_at_each_withdrawal(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, turn_clock: Turn
) -> None:
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    _, backend = await party(server, 1), await connect(server, 0)
    await judge(server)
    await sql.execute("UPDATE risk_verdicts SET action = 'freeze', holds_withdrawals = true, says = 'held'")
    turn_clock(3 * 86_400_000)
    await judge(server)
    counted = await sql.fetchval("SELECT count(*) FROM risk_decisions WHERE user_id = 1")
    for key in ("a", "b"):
        assert await refused(backend.withdraw(1, 1, key)) == ("not_allowed", "held")
    assert await sql.fetchval("SELECT count(*) FROM risk_decisions WHERE user_id = 1") == counted


async def test_withdrawals_wait_and_sends_go_on_while_no_verdict_can_be_read(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    guests, backend = await party(server, 1), await connect(server, 0)

    async def away(*asked: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(RiskStore, "verdicts", away)
    await guests.lucky(20_000, 1)
    assert (await refused(backend.withdraw(1, 1, "a")))[0] == "overloaded"


async def test_round_that_fails_is_made_again_with_the_same_users(
    start_server: StartServer, party: MakeParty, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start_server(risk__mode="shadow", risk__interval_s=NEVER_BY_ITSELF)
    await party(server, 1)  # its sender was topped up

    async def fails(*asked: Any) -> Any:
        raise StoreUnavailable("away")

    await judge(server)
    before = await sql.fetchval("SELECT count(*) FROM risk_decisions")
    await sql.execute("INSERT INTO risk_activity VALUES (7), (7), (8)")
    with monkeypatch.context() as broken:
        broken.setattr(RiskRound, "decide", fails)
        with pytest.raises(StoreUnavailable):
            await judge(server)
    assert await sql.fetchval("SELECT count(*) FROM risk_activity") == 3
    assert await judge(server) == 2
    assert await sql.fetchval("SELECT count(*) FROM risk_activity") == 0
    assert await sql.fetchval("SELECT count(*) FROM risk_decisions") == before + 2


async def test_round_ends_while_users_go_on_opening(
    start_server: StartServer, party: MakeParty, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did not end, so after half a minute all withdrawals waited. What comes meanwhile is the next round's."""
    monkeypatch.setattr(engine_module, "ACTIVE_MAX", 3)
    server = await start_server(risk__mode="shadow", risk__interval_s=NEVER_BY_ITSELF)
    engine = server.app.services.risk.engine
    assert engine is not None
    await party(server, 1)
    await judge(server)
    ended_at_ms, facts = engine._round_at_ms, RiskRound.facts

    async def opens_meanwhile(part: RiskRound, user_ids: list[int], now_ms: int) -> dict[int, dict[str, int]]:
        await sql.execute("INSERT INTO risk_activity VALUES (7)")
        return await facts(part, user_ids, now_ms)

    monkeypatch.setattr(RiskRound, "facts", opens_meanwhile)
    await sql.execute("INSERT INTO risk_activity VALUES (7), (8), (9), (9), (10)")
    async with asyncio.timeout(PATIENCE_S):
        assert await judge(server) in (4, 5)  # 7 may be judged twice
    assert engine._round_at_ms > ended_at_ms
    assert await sql.fetch("SELECT DISTINCT user_id FROM risk_activity") == [(7,)]


@pytest.mark.parametrize(
    ("judged", "pause_s"),
    [
        (0, 0.05),  # the interval
        (3, 0.05),
        (300, 4.5),
        (100_000, 15.0),  # withdrawals wait for a round after half a minute
    ],
)
async def test_pause_after_a_round_is_as_long_as_its_users_are_many(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, judged: int, pause_s: float
) -> None:
    """Its work is a sixtieth of what a server does, however many users open."""
    server = await start_server(risk__mode="shadow", risk__interval_s=0.05)
    engine = server.app.services.risk.engine
    assert engine is not None

    async def round_of_many() -> int:
        return judged

    monkeypatch.setattr(engine, "round", round_of_many)
    assert await engine._look() == pause_s


async def test_one_server_at_a_time_makes_a_round(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: RiskEngine) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(RiskEngine, "run", never)  # a server makes its first round when it starts
    options = {"risk__mode": "on", "risk__interval_s": NEVER_BY_ITSELF}
    one, other = await start_server(server__node=1, **options), await start_server(server__node=2, **options)
    async with one.app.stores.risk.round() as held, other.app.stores.risk.round() as second:
        assert held is not None
        assert second is None
    async with other.app.stores.risk.round() as later:
        assert later is not None


async def test_user_who_is_held_back_and_does_nothing_is_judged_each_minute_and_recorded_once_a_day(
    start_server: StartServer, party: MakeParty, sql: Sql, tmp_path: Path, turn_clock: Turn
) -> None:
    rules = rules_file(tmp_path, DENY_WINNERS.format(then="deny").replace("opens_1d", "received_shares"))
    server = await start_server(risk__mode="on", risk__rules=rules, risk__interval_s=NEVER_BY_ITSELF)
    guests = await party(server, 1)
    await guests.all_open(await guests.lucky(900, 1))
    await held_by(server, sql, 2)
    verdict = "SELECT decision_id, checked_at_ms FROM risk_verdicts WHERE user_id = 2"
    before = await sql.fetchrow(verdict)
    counted = "SELECT count(*) FROM risk_decisions WHERE user_id = 2 AND action = 'deny'"
    recorded = await sql.fetchval(counted)
    for turn in (1, 2, 3, 15):
        turn_clock(turn * (CHECK_AGAIN_MS + 1))
        assert await judge(server) == 1
    after = await sql.fetchrow(verdict)
    assert before is not None
    assert after is not None
    assert await sql.fetchval(counted) == recorded
    assert (after["decision_id"], after["checked_at_ms"] > before["checked_at_ms"]) == (before["decision_id"], True)
    for _ in range(2):  # did something: what led to it stands in the record, once in ten minutes
        await sql.execute("INSERT INTO risk_activity VALUES (2)")
        await judge(server)
        assert await sql.fetchval(counted) == recorded + 1
    turn_clock(86_400_000 + 20 * CHECK_AGAIN_MS)
    await judge(server)
    assert await sql.fetchval(counted) == recorded + 2


async def test_round_is_complete_before_all_who_are_held_back_are_looked_at_again(
    start_server: StartServer, sql: Sql, turn_clock: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "USERS_MAX", 2)
    server = await start_server(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    await judge(server)
    await sql.execute(
        "INSERT INTO risk_verdicts SELECT user_id, 1, 'limit', false, 5, 'new', user_id "
        "FROM generate_series(1, 5) AS user_id"
    )
    turns = []
    for turn in (1, 2, 3, 4):
        turn_clock(turn)
        turns.append(await judge(server))
        began_ms = server.app.services.risk.engine._now_ms()  # type: ignore[union-attr]
        assert began_ms - await sql.fetchval("SELECT round_at_ms FROM risk_state") < 60_000
    assert turns == [2, 2, 1, 0]


@pytest.mark.parametrize(("checked_at_ms", "expected"), [(99, "allow"), (100, "allow"), (101, "deny")])
async def test_judgement_beside_the_rounds_gives_way_to_a_round_that_began_later(
    database: Database, sql: Sql, checked_at_ms: int, expected: str
) -> None:
    store = RiskStore(database)
    async with store.apart() as apart:  # has read its facts, and is held up
        async with store.round() as part:
            assert part is not None
            found = VerdictRow(2, 1, "deny", True, None, "by newer facts", checked_at_ms, 0)
            await part.put_verdicts([found], checked_at_ms)
        await apart.put_verdicts([VerdictRow(2, 2, "allow", False, None, "", 100, 0)], 100)
    assert await sql.fetchval("SELECT action FROM risk_verdicts WHERE user_id = 2") == expected
    async with store.round() as part:  # a round is the one to decide, also of a server whose clock is behind
        assert part is not None
        await part.put_verdicts([VerdictRow(2, 3, "review", False, None, "", 50, 0)], 50)
    assert await sql.fetchval("SELECT action FROM risk_verdicts WHERE user_id = 2") == "review"
