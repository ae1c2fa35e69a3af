"""The path: a file of rules, facts from a real database, a decision that is stored, and `hongbao why`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from server.cli.main import main
from server.core.risk.actions import RiskAction
from server.core.risk.facts import FACTS
from server.core.risk.rules import RiskRule, RuleBook
from storage.postgres.database import Database
from storage.postgres.risk.risk import NewDecision, RiskStore, VerdictRow
from tests.conftest import Connect, Server, StartServer
from tests.services.conftest import MakeParty, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
RULES = """
[[rules]]
name = "sends-much"
when = "sent_fen_1d >= 900"
then = "review"
says = "sends much"

[[rules]]
name = "wins"
when = "opens_1m >= 1 and won_fen_1d > 0"
then = "deny"
says = "wins too much"
"""


def rules_file(folder: Path, text: str = RULES) -> str:
    file = folder / "rules.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


async def decisions(sql: Sql) -> list[tuple[Any, ...]]:
    rows = await sql.fetch("SELECT user_id, mode, action, hits FROM risk_decisions ORDER BY decision_id")
    return [tuple(row) for row in rows]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """A command, and what it prints."""
    with pytest.raises(SystemExit) as ended:
        main([*words])
    printed = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, " ".join((printed.out + printed.err).split())


async def test_decision_is_stored_with_its_facts_and_explained(
    start_server: StartServer,
    party: MakeParty,
    sql: Sql,
    postgres_dsn: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = await start_server(risk__mode="on", risk__rules=rules_file(tmp_path), risk__interval_s=0.05)
    guests = await party(server, 1)
    packet_id = await guests.lucky(900, 1)
    assert [reply.amount_fen for reply in await guests.all_open(packet_id)] == [900]

    async def both() -> bool:
        return {(1, "review"), (2, "deny")} <= {(row[0], row[2]) for row in await decisions(sql)}

    await until(both)
    facts = await sql.fetchval("SELECT facts::text FROM risk_decisions WHERE user_id = 2 AND action = 'deny'")
    assert '"won_fen_1d": 900' in facts
    number = await sql.fetchval("SELECT decision_id FROM risk_verdicts WHERE user_id = 2 AND action = 'deny'")
    await server.stop()
    monkeypatch.setenv("COLUMNS", "200")
    loop = asyncio.get_running_loop()
    where = "--postgres", postgres_dsn
    code, told = await loop.run_in_executor(None, run, capsys, "why", "2", *where)
    assert code == 0
    for part in (
        "in force: deny",
        "wins -> deny: wins too much",
        "opens_1m = 1, won_fen_1d = 900",
        f"decision {number}",
    ):
        assert part in told
    code, told = await loop.run_in_executor(None, run, capsys, "risk", "cases", "--rule", "sends-much", *where)
    assert (code, "review" in told, "deny" in told) == (0, True, False)
    code, told = await loop.run_in_executor(None, run, capsys, "why", "77", *where)
    assert (code, "no decision has the number 77" in told) == (1, True)


async def test_why_names_the_facts_of_any_condition_and_a_decision_whose_number_is_a_user(
    database: Database,
    sql: Sql,
    postgres_dsn: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dense = RiskRule("dense", "(won_fen_1d*2>sent_fen_1d)and not(opens_1m==0)", RiskAction.DENY, "dense")
    book, store = RuleBook([dense]), RiskStore(database)
    await store.use_rules("on", book.version, book.encoded, 1)
    facts = dict.fromkeys(FACTS, 0) | {"won_fen_1d": 7, "opens_1m": 3}
    async with store.apart() as part:
        for user_id in (1, 2):
            new = NewDecision(user_id, "deny", ["dense"], [], {}, facts)
            number = (await part.decide("on", book.version, 1, [new]))[user_id]
            await part.put_verdicts([VerdictRow(user_id, number, "deny", True, None, "dense", 1, 0)], 1)
    monkeypatch.setenv("COLUMNS", "200")
    first = await sql.fetchval("SELECT min(decision_id) FROM risk_decisions")
    loop = asyncio.get_running_loop()

    async def why(*words: str) -> str:
        code, told = await loop.run_in_executor(None, run, capsys, "why", *words, "--postgres", postgres_dsn)
        assert code == 0, told
        return told

    told = await why("2")
    same = "judged again by these rules and facts: the same"
    for part_of in ("in force: deny", "opens_1m = 3, won_fen_1d = 7, sent_fen_1d = 0", "user 2", same):
        assert part_of in told
    wrong = NewDecision(3, "review", ["loose"], [], {}, facts)  # what these rules do not say of these facts
    async with store.apart() as part:
        await part.decide("on", book.version, 1, [wrong])
    assert "judged again by these rules and facts: deny (dense)" in await why("3")
    told = await why(f"{first}", "--decision")
    assert (f"decision {first}: user 1," in told, "in force" in told) == (True, False)
    await sql.execute("UPDATE risk_state SET mode = 'shadow'")
    assert "in force: nothing, the mode is shadow; in mode on it was deny" in await why("2")


async def test_every_fact_that_rules_may_name_is_read_for_a_user_without_any(database: Database) -> None:
    facts = await RiskStore(database).facts([5], 1_800_000_000_000)
    assert list(facts) == [5]
    assert list(facts[5]) == list(FACTS)
    assert {name for name, value in facts[5].items() if value} == set()


async def test_decisions_are_never_changed(server: Server, sql: Sql) -> None:
    await sql.execute("INSERT INTO risk_rules VALUES ('v', '[]', 1)")
    await sql.execute(
        "INSERT INTO risk_decisions (user_id, at_ms, mode, rules, action, hits, errors, facts) "
        "VALUES (1, 1, 'on', 'v', 'deny', '{}', '{}', '{}')"
    )
    for change in (
        "UPDATE risk_decisions SET action = 'allow'",
        "TRUNCATE risk_decisions",
        "UPDATE risk_rules SET rules = '{}'",
        "DELETE FROM risk_rules",
    ):
        with pytest.raises(asyncpg.RaiseError, match="never changed"):
            await sql.execute(change)


async def test_mode_shadow_records_what_a_wrong_rule_would_do_and_changes_nothing(
    start_server: StartServer, party: MakeParty, connect: Connect, sql: Sql, tmp_path: Path
) -> None:
    wrong = '[[rules]]\nname = "all"\nwhen = "true"\nthen = "freeze"\nsays = "everybody"\n'
    server = await start_server(risk__mode="shadow", risk__rules=rules_file(tmp_path, wrong), risk__interval_s=0.05)
    guests = await party(server, 1)
    packet_id = await guests.lucky(900, 1)
    await guests.all_open(packet_id)

    async def decided() -> bool:
        return {(1, "shadow", "freeze", ("all",)), (2, "shadow", "freeze", ("all",))} <= {
            (user, mode, action, tuple(hits)) for user, mode, action, hits in await decisions(sql)
        }

    await until(decided)
    await guests.lucky(100, 1)
    assert await (await connect(server, 0)).withdraw(1, 50, "k") == 100_000 - 900 - 100 - 50
    assert await sql.fetchval("SELECT count(*) FROM risk_verdicts") == 0


async def test_mode_off_notes_and_reads_nothing(server: Server, party: MakeParty, sql: Sql) -> None:
    guests = await party(server, 1)
    await guests.all_open(await guests.lucky(900, 1))
    assert await sql.fetchval("SELECT count(*) FROM risk_activity") == 0
    assert server.app.services.risk.engine is None


def test_rule_file_with_an_unknown_key_or_fact_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, told in (
        (RULES + "unless = 3\n", "unknown field `unless`"),
        (RULES.replace("opens_1m", "opens_2m"), "wins: when: "),
        (RULES.replace('"deny"', '"shoot"'), "Invalid enum value 'shoot'"),
        ("[[rules]\n", "risk.rules: "),
    ):
        code, printed = run(capsys, "risk", "rules", "--file", rules_file(tmp_path, text))
        assert (code, told in printed) == (1, True), printed


async def test_server_in_mode_off_does_not_end_the_notes_of_one_in_mode_on(
    start_server: StartServer, sql: Sql
) -> None:
    one = await start_server(server__node=1, risk__mode="on", risk__interval_s=0.05)
    await start_server(server__node=2)
    engine = one.app.services.risk.engine
    assert engine is not None

    async def is_on() -> bool:
        row = await sql.fetchrow("SELECT mode, rules FROM risk_state")
        return row is not None and tuple(row) == ("on", engine.book.version)

    await until(is_on)
