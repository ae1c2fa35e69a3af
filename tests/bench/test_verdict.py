"""The money verdict: it holds for true answers, and detects every kind of false answer."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import msgspec
import pytest

from bench.load import verdict
from bench.load.outcome import Outcome
from bench.load.run_spec import RunSpec
from bench.load.verdict import judge
from storage.postgres.database import Database
from tests.bench.conftest import LIMITS, run_scenario
from tests.conftest import SEED_KEYS, StartServer

OPENS = RunSpec("opens", connections=20, depth=2, requests=40)


def wrong_amount(outcome: Outcome) -> None:
    """A user was told one fen more."""
    told = outcome.claims[0]
    outcome.claims[0] = msgspec.structs.replace(told, amount_fen=told.amount_fen + 1)


def wrong_index(outcome: Outcome) -> None:
    """A user was told another index."""
    told = outcome.claims[0]
    outcome.claims[0] = msgspec.structs.replace(told, index=told.index + 1)


def unrecorded_claim(outcome: Outcome) -> None:
    """A user was told a share that is not in the books."""
    outcome.claims.append(msgspec.structs.replace(outcome.claims[0], user_id=5))


def unrecorded_packet(outcome: Outcome) -> None:
    """A sender was told a packet that is not in the books."""
    outcome.sends.append(msgspec.structs.replace(outcome.sends[0], packet_id=1))


def wrong_total(outcome: Outcome) -> None:
    """A sender was told another total."""
    outcome.sends[0] = msgspec.structs.replace(outcome.sends[0], total_fen=1)


def untold(outcome: Outcome) -> None:
    """A claim is in the books that no user was told."""
    del outcome.claims[3]


def told_twice(outcome: Outcome) -> None:
    """A user won the same packet twice."""
    outcome.acked_twice += 1


def untold_but_in_doubt(outcome: Outcome) -> None:
    """The same, but a request was never answered, which may explain it."""
    untold(outcome)
    outcome.errors["unanswered"] = 1


FALSE_ANSWERS: dict[
    Callable[[Outcome], None], tuple[int, int, int, int]
] = {  # missing, duplicates, oversold, in doubt
    wrong_amount: (1, 0, 0, 0),
    wrong_index: (1, 0, 0, 0),
    unrecorded_claim: (1, 0, 0, 0),
    unrecorded_packet: (1, 0, 0, 0),
    wrong_total: (1, 0, 0, 0),
    untold: (0, 0, 1, 0),
    told_twice: (0, 1, 0, 0),
    untold_but_in_doubt: (0, 0, 0, 1),
}


async def test_false_answer_makes_the_run_invalid_and_doubt_does_not(
    start_server: StartServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "RECORD_TIMEOUT_S", 0.1)
    outcome = await run_scenario(OPENS, await start_server(**LIMITS))
    assert (len(outcome.claims), len(outcome.sends)) == (40, 2)
    assert (await judge(database, outcome, SEED_KEYS)).holds
    for falsify, expected in FALSE_ANSWERS.items():
        changed = msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome)
        falsify(changed)
        judged = await judge(database, changed, SEED_KEYS)
        assert (judged.missing, judged.duplicates, judged.oversold, judged.in_doubt) == expected, falsify.__name__
        assert judged.holds == (falsify is untold_but_in_doubt)


async def test_unbalanced_books_make_the_run_invalid(
    start_server: StartServer, database: Database, sql: asyncpg.Connection
) -> None:
    server = await start_server(**LIMITS)
    outcome = await run_scenario(OPENS, server)
    await server.stop()
    sums = (await judge(database, outcome, SEED_KEYS)).report.sums
    assert (sums.funded_fen, sums.claimed_fen, sums.refunded_fen, sums.unopened_fen) == (4000, 4000, 0, 0)
    await sql.execute(
        "UPDATE wallets SET balance_fen = balance_fen + 7 WHERE user_id = (SELECT min(user_id) FROM wallets)"
    )
    judged = await judge(database, outcome, SEED_KEYS)
    assert (judged.holds, judged.missing, judged.difference_fen) == (False, 0, 7)
    claim = outcome.claims[0]
    await sql.execute(
        "UPDATE wallets SET balance_fen = balance_fen - 7 WHERE user_id = (SELECT min(user_id) FROM wallets)"
    )
    await sql.execute("ALTER TABLE claims DISABLE TRIGGER USER")
    await sql.execute("UPDATE claims SET amount_fen = amount_fen + 5 WHERE user_id = $1", claim.user_id)
    judged = await judge(database, outcome, SEED_KEYS)
    assert (judged.holds, judged.missing, judged.difference_fen) == (False, 2, 10)
