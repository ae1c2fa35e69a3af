"""Corrections of wallets in either of two sets, and from one to the other: each once, whichever commit is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from client_sim.sdk.client import Client
from server.services.money.audit_sets import audit_sets_at
from server.services.reconciliation.breaks import BreakRefused
from server.services.reconciliation.corrections import CorrectionFacts, CorrectionService
from storage.errors import StoreUnavailable
from storage.postgres.reconciliation.corrections import CorrectionStore
from storage.postgres.sets.between import carrying
from storage.postgres.sets.between.carrying import MoneyCarrier
from tests.cases import Failures
from tests.conftest import SEED_KEYS
from tests.reconciliation.books import ALICE, BOB
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, Crowd, FindDiscrepancies, MakeCrowd, Sql, StartPair
from tests.sets.test_orders import has

IN_FLIGHT = "SELECT count(*) FROM corrections_between_sets"
BREAK_OF_UNKNOWN_SIZE = (
    "INSERT INTO payment_breaks (class, gateway, subject, detail, at_ms)"
    " VALUES ('bank_only', 'bank', 'any', '', 1) RETURNING break_id"
)
WALLET = "SELECT balance_fen FROM wallets WHERE user_id = $1"


@pytest.fixture
async def pair(crowd: MakeCrowd) -> Crowd:
    """A user of each set, and their server."""
    return await crowd(1, 1)


@pytest.fixture
async def users(pair: Crowd) -> tuple[Client, Client, Any]:
    """The users, and the services of their server."""
    return pair.old[0], pair.new[0], pair.server.app.services.reconciliation


@pytest.fixture
async def break_id(users: tuple[Client, Client, Any], sql: Sql) -> int:
    """A break in set 0, of 3.00 yuan that only the bank has."""
    return int(
        await sql.fetchval(
            "INSERT INTO payment_breaks (class, gateway, subject, difference_fen, detail, at_ms)"
            " VALUES ('bank_only', 'bank', 'r1', 300, '', 1) RETURNING break_id"
        )
    )


async def proposed(service: CorrectionService, *correction: int) -> CorrectionFacts:
    """A proposal of what a dry run has shown."""
    return await service.propose(*correction, ALICE, (await service.dry_run(*correction)).digest)


@pytest.mark.parametrize("number", [0, 1])
async def test_correction_moves_a_wallet_of_either_set_once_and_holds_its_break(
    users: tuple[Client, Client, Any],
    break_id: int,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    number: int,
) -> None:
    user, books = users[number], users[2]
    made = await proposed(books.corrections, break_id, 0, (OLD, NEW)[number], 300)
    assert made.correction_id // 10**9 == number
    with pytest.raises(BreakRefused, match="a correction of it waits"):
        await books.breaks.close(break_id, ALICE, "too early")
    done = await asyncio.gather(*(books.corrections.approve(made.correction_id, BOB) for _ in range(3)))
    assert {one.state for one in done} == {"approved"}
    assert await user.balance() == EACH_FEN + 300
    kept = "SELECT count(*) FROM transfers WHERE kind = 15 AND key = $1"
    key = f"break {break_id} correction {made.correction_id}"
    assert [await one.fetchval(kept, key) for one in (sql, other_sql)] == [[1, 0], [0, 1]][number]
    assert (await books.breaks.get(break_id)).corrections == 1
    (listed,) = await books.corrections.newest(break_id, 10)
    assert listed.correction_id == made.correction_id
    await books.breaks.close(break_id, ALICE, "paid")
    with pytest.raises(BreakRefused, match="is closed"):
        await books.corrections.dry_run(break_id, 0, (OLD, NEW)[number], 300)
    assert await discrepancies() == []


async def test_correction_of_more_than_its_break_in_the_other_set_is_refused_and_named(
    users: tuple[Client, Client, Any], break_id: int, sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    books = users[2]
    with pytest.raises(BreakRefused, match="is a difference of 300, not 301"):
        await proposed(books.corrections, break_id, 0, NEW, 301)
    made = await proposed(books.corrections, break_id, 0, NEW, 300)
    await books.corrections.approve(made.correction_id, BOB)
    await sql.execute("UPDATE payment_breaks SET difference_fen = 299")
    assert await discrepancies() == [
        f"correction {made.correction_id} moved 300 fen, break {break_id} is a difference of 299 fen"
    ]


async def test_corrections_of_a_break_in_both_sets_move_no_more_than_its_difference_together(
    users: tuple[Client, Client, Any], break_id: int, sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    """Also if both are approved at once: the break is held by one of them after the other."""
    service = users[2].corrections
    made = [await proposed(service, break_id, 0, user_id, 300) for user_id in (OLD, NEW)]
    assert [one.correction_id // 10**9 for one in made] == [0, 1]
    done = await asyncio.gather(*(service.approve(one.correction_id, BOB) for one in made), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["BreakRefused", "CorrectionFacts"]
    assert sorted([await user.balance() for user in users[:2]]) == [EACH_FEN, EACH_FEN + 300]
    for user_id in (OLD, NEW):
        with pytest.raises(BreakRefused, match="its corrections would have moved 301"):
            await service.dry_run(break_id, -3, user_id, 1)
    assert await discrepancies() == []


async def test_corrections_in_both_sets_that_exceed_their_break_together_are_named(
    users: tuple[Client, Client, Any], break_id: int, sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    for words in ((0, OLD, 150), (0, NEW, 150), (NEW, OLD, 100)):
        await approved(users[2], break_id, *words)
    assert await discrepancies() == []
    await sql.execute("UPDATE payment_breaks SET difference_fen = 299")
    assert await discrepancies() == [
        f"corrections of break {break_id} moved 300 fen together, it is a difference of 299 fen"
    ]


async def test_account_of_the_system_holds_what_corrections_of_all_sets_have_put_there(
    users: tuple[Client, Client, Any], break_id: int, sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    books = users[2]
    for debit, credit in ((OLD, -3), (-3, NEW)):
        made = await proposed(books.corrections, break_id, debit, credit, 300)
        await books.corrections.approve(made.correction_id, BOB)
    assert [await user.balance() for user in users[:2]] == [EACH_FEN - 300, EACH_FEN + 300]
    shown = await books.corrections.dry_run(await sql.fetchval(BREAK_OF_UNKNOWN_SIZE), -3, -4, 300)
    assert [one.before_fen for one in shown.changes] == [0, 0]
    assert await discrepancies() == []


async def test_approval_whose_reply_is_lost_has_moved_the_money_once(
    users: tuple[Client, Client, Any],
    break_id: int,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commit in the set of the wallet is done, and the one that held the break is lost: approve again."""
    books = users[2]
    made = await proposed(books.corrections, break_id, 0, NEW, 300)
    approve = CorrectionStore.approve

    async def lost(self: CorrectionStore, *words: Any) -> Any:
        await approve(self, *words)
        raise StoreUnavailable("lost behind the commit")

    monkeypatch.setattr(CorrectionStore, "approve", lost)
    with pytest.raises(StoreUnavailable):
        await books.corrections.approve(made.correction_id, BOB)
    monkeypatch.setattr(CorrectionStore, "approve", approve)
    assert (await books.corrections.approve(made.correction_id, BOB)).state == "approved"
    assert await users[1].balance() == EACH_FEN + 300
    assert await discrepancies() == []


async def test_break_is_not_closed_while_a_correction_in_the_other_set_is_being_approved(
    users: tuple[Client, Client, Any], break_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = users[2]
    made = await proposed(books.corrections, break_id, 0, NEW, 300)
    approve, refused = CorrectionStore.approve, list[bool]()

    async def with_a_close(self: CorrectionStore, *words: Any) -> Any:
        done = await approve(self, *words)
        with pytest.raises(StoreUnavailable):  # its lock is waited for
            await books.breaks.close(break_id, ALICE, "meanwhile")
        refused.append(True)
        return done

    monkeypatch.setattr(CorrectionStore, "approve", with_a_close)
    await books.corrections.approve(made.correction_id, BOB)
    assert refused == [True]
    assert (await books.breaks.close(break_id, ALICE, "now")).state == "closed"


# --- between wallets of two sets ------------------------------------------------------------------------------


async def approved(books: Any, break_id: int, debit: int, credit: int, fen: int = 300) -> int:
    """The number of a correction that was proposed and approved."""
    made = await proposed(books.corrections, break_id, debit, credit, fen)
    assert (await books.corrections.approve(made.correction_id, BOB)).state == "approved"
    return made.correction_id


@pytest.mark.parametrize("number", [0, 1])
async def test_correction_between_wallets_of_two_sets_moves_the_money_once(
    users: tuple[Client, Client, Any],
    break_id: int,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    number: int,
) -> None:
    giver, receiver, books = users[number], users[1 - number], users[2]
    debit, credit = ((OLD, NEW), (NEW, OLD))[number]
    made = await proposed(books.corrections, break_id, debit, credit, 300)
    assert made.correction_id // 10**9 == number  # where the money is taken from
    with pytest.raises(BreakRefused, match="a correction of it waits"):
        await books.breaks.close(break_id, ALICE, "too early")
    done = await asyncio.gather(*(books.corrections.approve(made.correction_id, BOB) for _ in range(3)))
    assert {one.state for one in done} == {"approved"}
    assert await giver.balance() == EACH_FEN - 300
    await until(lambda: has(receiver, EACH_FEN + 300))
    for user, fen in ((giver, -300), (receiver, 300)):
        line = (await user.statement()).lines[0]
        assert (line.reason, line.change_fen) == ("correction", fen)
    kept = "SELECT count(*) FROM transfers WHERE kind IN (15, 23, 24) AND key = $1"
    key = f"break {break_id} correction {made.correction_id}"
    assert [await one.fetchval(kept, key) for one in (sql, other_sql)] == [2, 2]
    assert (await books.breaks.get(break_id)).corrections == 1
    (listed,) = await books.corrections.newest(break_id, 10)
    assert (listed.correction_id, listed.from_account, listed.to_account) == (
        made.correction_id,
        str(debit),
        str(credit),
    )
    await books.breaks.close(break_id, ALICE, "moved")
    assert await discrepancies() == []


async def test_correction_out_of_a_wallet_that_does_not_hold_it_leaves_nothing_in_either_set(
    users: tuple[Client, Client, Any], sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies
) -> None:
    books = users[2]
    break_id = await sql.fetchval(BREAK_OF_UNKNOWN_SIZE)
    made = await proposed(books.corrections, break_id, NEW, OLD, EACH_FEN + 1)
    with pytest.raises(BreakRefused, match="holds less"):
        await books.corrections.approve(made.correction_id, BOB)
    assert (await books.corrections.correction(made.correction_id)).state == "proposed"
    assert [await one.fetchval(IN_FLIGHT) for one in (sql, other_sql)] == [0, 0]
    assert [await user.balance() for user in users[:2]] == [EACH_FEN, EACH_FEN]
    assert await discrepancies() == []


async def test_correction_killed_between_the_two_sets_arrives_once(
    users: tuple[Client, Client, Any],
    break_id: int,
    pair: Crowd,
    start_pair: StartPair,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has arrived, and the set that it came from does not know: it is brought a second time."""
    arrive, killed = carrying._arrive, asyncio.Event()

    async def kill_behind(*words: Any) -> Any:
        await arrive(*words)
        killed.set()
        raise StoreUnavailable("killed between the commits")

    monkeypatch.setattr(carrying, "_arrive", kill_behind)
    await approved(users[2], break_id, NEW, OLD)
    await killed.wait()
    await pair.server.kill()
    assert await other_sql.fetchval(IN_FLIGHT) == 1
    assert await sql.fetchval(WALLET, OLD) == EACH_FEN + 300
    assert await discrepancies() == []  # what is between its two commits is no discrepancy
    monkeypatch.setattr(carrying, "_arrive", arrive)
    await start_pair()

    async def all_is_brought() -> bool:
        return await other_sql.fetchval(IN_FLIGHT) == 0

    await until(all_is_brought)
    assert [await sql.fetchval(WALLET, OLD), await other_sql.fetchval(WALLET, NEW)] == [
        EACH_FEN + 300,
        EACH_FEN - 300,
    ]
    assert await discrepancies() == []


async def in_transit_fen(*dsns: str) -> int:
    """What the audit of these sets knows to be between them."""
    return (await audit_sets_at(dsns, 10, SEED_KEYS)).sums.in_transit_fen


async def test_correction_killed_before_it_arrives_is_in_transit_and_completes_later(
    users: tuple[Client, Client, Any],
    break_id: int,
    pair: Crowd,
    start_pair: StartPair,
    sql: Sql,
    discrepancies: FindDiscrepancies,
    postgres_dsn: str,
    other_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bring = MoneyCarrier.bring

    async def bring_nothing(self: MoneyCarrier, most: int) -> Any:
        return 0, []

    monkeypatch.setattr(MoneyCarrier, "bring", bring_nothing)
    await approved(users[2], break_id, NEW, OLD)
    await pair.server.kill()
    assert await in_transit_fen(postgres_dsn, other_dsn) == 300
    assert await discrepancies() == []
    monkeypatch.setattr(MoneyCarrier, "bring", bring)
    await start_pair()

    async def has_arrived() -> bool:
        return bool(await sql.fetchval(WALLET, OLD) == EACH_FEN + 300)

    await until(has_arrived)
    assert await in_transit_fen(postgres_dsn, other_dsn) == 0
    assert await discrepancies() == []


async def test_correction_that_left_its_set_and_never_arrived_is_named(
    users: tuple[Client, Client, Any],
    break_id: int,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def bring_nothing(self: MoneyCarrier, most: int) -> Any:
        return 0, []

    monkeypatch.setattr(MoneyCarrier, "bring", bring_nothing)
    number = await approved(users[2], break_id, NEW, OLD)
    name = f"break {break_id} correction {number} in set 1"
    assert await discrepancies() == []  # it is in flight
    await other_sql.execute("UPDATE corrections_between_sets SET made_at = now() - interval '2 minutes'")
    (line,) = await discrepancies()
    assert line.startswith(f"{name} waits for 12")
    await other_sql.execute("DELETE FROM corrections_between_sets")
    assert await discrepancies() == [f"{name}: 300 fen for user {OLD} was sent to set 0, there it is not recorded"]


PLANTS = {  # in which set, what is planted, what names it
    "other amount": (
        0,
        "UPDATE transfers SET amount_fen = 301 WHERE kind = 24",
        "301 fen for user 1 came from set 1, there it is 300 fen",
    ),
    "missing half": (
        0,
        "DELETE FROM transfers WHERE kind = 24",
        "was sent to set 0, there it is not recorded",
    ),
    "without its correction": (0, "DELETE FROM corrections_of_sets", "for user None"),
    "other receiver": (
        0,
        "UPDATE corrections_of_sets SET credit_account = 5",
        "there it is 300 fen for user 5",
    ),
    "double half": (
        0,
        "INSERT INTO transfers (debit_account, credit_account, kind, key, amount_fen, at_ms)"
        " SELECT -100, credit_account, kind, key, amount_fen, at_ms FROM transfers WHERE kind = 24",
        "came from set 0, there it is not recorded",
    ),
    "not credited": (0, "DELETE FROM transfers WHERE kind = 15", "were approved, the transfer"),
    "never left": (
        1,
        "DELETE FROM transfers WHERE kind = 23",
        "came from set 1, there it is not recorded",
    ),
    "not approved": (1, "UPDATE corrections SET state = 'rejected'", "correction none: 0 fen"),
}
KEPT = ("transfers", "corrections", "corrections_of_sets")


async def test_half_of_a_correction_that_is_missing_double_or_wrong_is_named(
    users: tuple[Client, Client, Any],
    break_id: int,
    pair: Crowd,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
) -> None:
    number = await approved(users[2], break_id, NEW, OLD)
    await until(lambda: has(users[0], EACH_FEN + 300))
    await pair.server.stop()
    for side in (sql, other_sql):
        await side.execute("SET session_replication_role = replica")
        for table in KEPT:
            await side.execute(f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table}")
    failures = Failures(len(PLANTS))
    for plant, (place, statement, words) in PLANTS.items():
        side = (sql, other_sql)[place]
        with failures.of({"plant": plant}):
            await side.execute(statement)
            lines = await discrepancies()
            assert any(words in line and str(number) in line for line in lines), lines
        for table in KEPT:
            await side.execute(f"DELETE FROM {table}")
            await side.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}")
    assert await discrepancies() == []
    failures.tell()
