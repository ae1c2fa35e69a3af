"""The audit: sound books pass, and every kind of planted discrepancy is named by the check that is there for it."""

from __future__ import annotations

from typing import TypeAlias

import asyncpg
import pytest

from server.services.money.audit import CHECKS, Report, audit
from storage.postgres.database import Database
from tests.campaigns.test_books import PLANTED as OF_CAMPAIGNS
from tests.conftest import SEED_KEYS, StartServer
from tests.services.conftest import MakeParty, until
from tests.uncommitted import Uncommitted

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# name of the check -> what a broken program or a bad hand might have done; {p}: a finished packet, {o}: an open one
PLANTED: dict[str, list[str]] = {
    "wallets": [
        "UPDATE wallets SET balance_fen = balance_fen + 1 WHERE user_id = 2",
        "DELETE FROM wallets WHERE user_id = 2",
        "UPDATE wallets SET balance_fen = -5 WHERE user_id = 1",
    ],
    "sends": [
        "DELETE FROM transfers WHERE kind = 3 AND credit_account = {p}",
        "UPDATE transfers SET amount_fen = amount_fen - 1 WHERE kind = 3 AND credit_account = {p}",
        "UPDATE transfers SET debit_account = 77 WHERE kind = 3 AND credit_account = {p}",
    ],
    "totals": [
        "UPDATE packets SET claimed_fen = claimed_fen - 1 WHERE packet_id = {p}",
        "UPDATE packets SET version = version + 1 WHERE packet_id = {o}",
        "DELETE FROM claims WHERE packet_id = {p} AND index = 1",
        "INSERT INTO claims VALUES ({p} + 1, 0, 2, 1, 1)",
        "UPDATE packets SET closed_at_ms = 5 WHERE packet_id = {o}",
    ],
    "shares": ["UPDATE claims SET amount_fen = 20001 WHERE packet_id = {p} AND index = 0"],
    "once": [
        "UPDATE claims SET user_id = 2 WHERE packet_id = {p}",
        "UPDATE claims SET index = 0 WHERE packet_id = {p}",
    ],
    "settlement": [
        "DELETE FROM transfers WHERE kind = 4 AND debit_account = {p} AND credit_account = 2",
        "INSERT INTO settlement_queue VALUES ({p}, 2, 1, 0, 0)",
        "INSERT INTO transfers VALUES ({p}, 88, 4, '', 1, 0)",
    ],
    "refunds": [
        "INSERT INTO transfers VALUES ({p}, 1, 5, '', 10, 0)",
        "UPDATE packets SET refunded_fen = 1 WHERE packet_id = {o}",
    ],
    "late": [
        "UPDATE claims SET at_ms = 9000000000000 WHERE packet_id = {p} AND index = 0",
        "UPDATE claims SET at_ms = 1 WHERE packet_id = {p} AND index = 0",
    ],
    "scheduled": [
        "UPDATE packets SET send_at_ms = created_at_ms + 1 WHERE packet_id = {o}",
        "INSERT INTO scheduled_packets VALUES ({p}, 1, 5, 'posted', 6)",
    ],
    "allowed": [
        "DELETE FROM memberships WHERE user_id = 2",
        "UPDATE packets SET kind = 'personal', target_id = 55 WHERE packet_id = {p}",
    ],
    "bills": ["INSERT INTO bills VALUES (1, 'event.follow.3', 2, 5, '', '', 0)"],
    "directions": [
        "INSERT INTO transfers VALUES (1, 2, 4, '', 1, 0)",
        "INSERT INTO transfers VALUES (1, -3, 2, 'k', 1, 0)",
        "INSERT INTO transfers VALUES (1, 0, 99, 'k', 1, 0)",
    ],
    "entries": [
        "DELETE FROM entries WHERE user_id = 2 AND version = (SELECT min(version) FROM entries WHERE user_id = 2)",
        "DELETE FROM entries WHERE user_id = 1 AND version = 2",
        "DELETE FROM entries WHERE (user_id, version) IN (SELECT user_id, max(version) FROM entries GROUP BY 1)",
        "UPDATE entries SET version = version + 1 WHERE user_id = 3",
        "UPDATE entries SET change_fen = change_fen + 1 WHERE user_id = 1 AND version = 2",
        "UPDATE entries SET balance_fen = balance_fen - 1 WHERE user_id = 1 AND version = 2",
        "UPDATE entries SET account = 5 WHERE user_id = 2",
        "UPDATE entries SET kind = 5 WHERE user_id = 2",
        "UPDATE wallets SET version = version + 1 WHERE user_id = 2",
        "INSERT INTO entries VALUES (77, 1, 0, 0, '', 0, 5, 0)",
        "UPDATE entries SET kind = 0 WHERE user_id = 1 AND version = 2",
        "UPDATE entries SET accounts = ARRAY[account, account], changes_fen = ARRAY[change_fen - 1, 1] "
        "WHERE user_id = 3",
        "UPDATE entries SET accounts = ARRAY[account], changes_fen = ARRAY[change_fen + 1] WHERE user_id = 3",
    ],
    "pending": [
        "UPDATE wallets SET pending_fen = 1 WHERE user_id = 1",
        "INSERT INTO pending_transfers VALUES (1, 0, 'k', 5)",
        "INSERT INTO transfers VALUES (1, 0, 6, 'k', 5, 0)",
        "INSERT INTO transfers VALUES (1, 0, 7, 'k', 5, 0)",
        "INSERT INTO transfers VALUES (1, 0, 6, 'k', 5, 0), (1, 0, 7, 'k', 5, 0), (1, 0, 8, 'k', 5, 0)",
        "INSERT INTO transfers VALUES (1, 0, 6, 'k', 5, 0), (1, 0, 8, 'k', 4, 0)",
    ],
    "payments": [
        "INSERT INTO transfers VALUES (0, 1, 9, '5', 5, 0)",
        "INSERT INTO payments (number, gateway, kind, user_id, amount_fen, state, next_try_ms, created_at_ms, "
        "changed_at_ms) VALUES (9007199254740999, 'host', 'payout', 1, 5, 'created', 0, 0, 0)",
    ],
    "corrections": [
        "INSERT INTO transfers VALUES (0, 1, 15, 'break 1 correction 1', 5, 0)",
        "INSERT INTO corrections (break_id, debit_account, credit_account, amount_fen, state, proposed_uid, "
        "proposed_at_ms, decided_uid) VALUES (1, 0, 1, 5, 'approved', 7, 0, 8)",
        "WITH t AS (INSERT INTO transfers VALUES (0, 1, 15, 'break 1 correction 1', 5, 0)), "
        "b AS (INSERT INTO payment_breaks (class, at_ms, detail) VALUES ('amount', 0, '')) "
        "INSERT INTO corrections (break_id, debit_account, credit_account, amount_fen, state, proposed_uid, "
        "proposed_at_ms, decided_uid) VALUES (1, 0, 1, 5, 'approved', 7, 0, 7)",
        "WITH t AS (INSERT INTO transfers VALUES (0, 1, 15, 'break 1 correction 1', 5, 0)), "
        "b AS (INSERT INTO payment_breaks (class, at_ms, detail, difference_fen) VALUES ('amount', 0, '', 4)) "
        "INSERT INTO corrections (break_id, debit_account, credit_account, amount_fen, state, proposed_uid, "
        "proposed_at_ms, decided_uid) VALUES (1, 0, 1, 5, 'approved', 7, 0, 8)",
    ],
    "posts": [
        "DELETE FROM messages WHERE reminder = 1 AND packet_id = {p}",
        "DELETE FROM messages WHERE reminder = 2 AND stream_id = 1",
        "DELETE FROM messages WHERE reminder = 2 AND stream_id > 1",
        "UPDATE messages SET end_index = end_index + 1 WHERE reminder = 1 AND packet_id = {p}",
        "UPDATE messages SET first_index = 1 WHERE reminder = 1 AND packet_id = {p} AND first_index = 0",
        "UPDATE messages SET end_index = 2 WHERE reminder = 1 AND packet_id = {p} AND end_index = 3",
        "UPDATE messages SET stream_id = 3 WHERE reminder = 1 AND packet_id = {p}",
        "INSERT INTO outbox (stream_id, reminder, packet_ids, at_ms) VALUES (1, 2, ARRAY[{p}], 0)",
        "INSERT INTO outbox (stream_id, reminder, packet_ids, at_ms) VALUES (1, 3, ARRAY[{o}], 0)",
        "INSERT INTO outbox (stream_id, reminder, packet_ids, at_ms) VALUES ({o}, 2, ARRAY[{p}], 0)",
        "UPDATE messages SET end_index = NULL WHERE reminder = 1 AND packet_id = {p} AND end_index = 3",
        "UPDATE posted_claims SET claims = claims + 1 WHERE packet_id = {o}",
        "INSERT INTO entries VALUES (1, 99, 5, {o}, '', 1, 1, 0)",
    ],
    "records": [
        "UPDATE years SET sent_count = sent_count + 1 WHERE user_id = 1",
        "UPDATE years SET sent_fen = sent_fen - 1 WHERE user_id = 1",
        "UPDATE years SET received_count = received_count - 1 WHERE user_id = 2",
        "UPDATE years SET received_fen = received_fen + 1 WHERE user_id = 2",
        "UPDATE years SET best_lucks = 0 WHERE best_lucks = 1",
        "UPDATE years SET year = year - 1 WHERE user_id = 2",
        "INSERT INTO years VALUES (77, 2025, 1, 1, 0, 0, 0)",
        "DELETE FROM received WHERE user_id = 2 AND packet_id = {p}",
        "INSERT INTO received VALUES (2, 5, {o})",
        "UPDATE received SET at_ms = at_ms + 1 WHERE user_id = 2 AND packet_id = {p}",
        "DELETE FROM best_lucks WHERE packet_id = {p}",
        "INSERT INTO best_lucks VALUES ({o}, 2)",
        "UPDATE best_lucks SET user_id = user_id % 3 + 2",
    ],
    "seeds": [
        "UPDATE packets SET seed_index = seed_index + 5 WHERE packet_id = {o}",
        "WITH moved AS (UPDATE wallets SET next_seed = next_seed + 5 WHERE user_id = 1) "
        "UPDATE packets SET seed_index = seed_index + 5 WHERE packet_id = {o}",
        "UPDATE packets SET seed_index = seed_index + 64 WHERE sender_id = 1",
        "UPDATE packets SET seed_index = (SELECT min(seed_index) FROM packets) WHERE packet_id = {o}",
        "UPDATE packets SET seed = sha256('x') WHERE packet_id = {p}",
        "UPDATE packets SET commitment = NULL WHERE packet_id = {o}",
        "UPDATE packets SET commitment = '' WHERE packet_id = {o}",
        "UPDATE packets SET client_seed = 'short' WHERE packet_id = {o}",
        "UPDATE wallets SET next_seed = next_seed + 1 WHERE user_id = 1",
        "UPDATE wallets SET next_seed = 7 WHERE user_id = 2",
        "DELETE FROM seed_trees WHERE user_id = 1",
        "DELETE FROM seed_epochs",
    ],
    "trees": [
        "UPDATE seed_trees SET root = sha256('x') WHERE user_id = 1",
        "UPDATE seed_trees SET root = sha256('x') WHERE number = (SELECT max(number) FROM seed_trees)",
        "UPDATE seed_trees SET sealed = sha256('x') WHERE user_id = 1",
        "UPDATE seed_trees SET user_id = 2 WHERE user_id = 1",
        "UPDATE seed_trees SET number = number + 9 WHERE user_id = 1",
    ],
    "commitments": [
        "UPDATE packets SET commitment = sha256('x') WHERE packet_id = {o}",
        "UPDATE packets SET client_seed = decode(repeat('00', 16), 'hex') WHERE packet_id = {p}",
        "UPDATE packets SET share_fen_max = share_fen_max + 1 WHERE packet_id = {o}",
    ],
    "fairness": [
        "UPDATE packets SET client_seed = decode(repeat('00', 16), 'hex') WHERE packet_id = {p}",
        "UPDATE packets SET sender_id = 2, seed = sha256('x'), seed_index = NULL WHERE packet_id = {p}",
        "UPDATE claims SET amount_fen = CASE index WHEN 0 THEN amount_fen + 1 ELSE amount_fen - 1 END "
        "WHERE packet_id = {p} AND index < 2",
    ],
    "balance": ["UPDATE transfers SET amount_fen = amount_fen + 7 WHERE kind = 1"],
}


async def drop_guards(sql: Sql) -> None:
    """Take away every constraint and trigger, so that the audit alone is left."""
    for table in ("claims", "transfers", "entries", "seed_trees", "seed_epochs"):
        await sql.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await sql.execute("DROP INDEX packets_seeds")
    rows = await sql.fetch(
        "SELECT conrelid::regclass::text AS of, conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid "
        "WHERE t.relkind = 'r' AND c.contype IN ('c', 'u', 'p', 'f') AND c.connamespace = 'public'::regnamespace "
        "ORDER BY c.contype = 'p'"
    )
    for row in rows:
        await sql.execute(f'ALTER TABLE {row["of"]} DROP CONSTRAINT IF EXISTS "{row["conname"]}" CASCADE')


async def test_every_check_has_something_planted() -> None:
    of_campaigns = {planted.partition(":")[0] for planted in OF_CAMPAIGNS}
    in_their_own_files = of_campaigns | {"chains"}  # test_pass_on.py
    with_seeds = {"trees", "commitments", "fairness", "dealt", "balance"}
    assert PLANTED.keys() | in_their_own_files == CHECKS.keys() | with_seeds


def named_in(report: Report) -> set[str]:
    """The checks that found something."""
    assert report.ok == (not any(one.discrepancies for one in report.findings))
    return {one.name for one in report.findings if one.discrepancies}


async def test_planted_discrepancies_are_named(
    start_server: StartServer, party: MakeParty, sql: Sql, database: Database
) -> None:
    room = await party(await start_server(), 3)
    finished, still_open = await room.lucky(900, 3), await room.lucky(500, 2)
    await room.all_open(finished)
    await room.guests[0].open(still_open)
    await room.sender.seed_trees()  # one more tree, of which nothing is revealed

    async def settled() -> bool:
        waits = "SELECT (SELECT count(*) FROM settlement_queue) + (SELECT count(*) FROM outbox)"
        return await sql.fetchval(waits) == 0

    await until(settled)
    await room.server.stop()
    assert named_in(await audit(database, SEED_KEYS)) == set()
    await drop_guards(sql)
    assert named_in(await audit(database, SEED_KEYS)) == set()
    books = Uncommitted(sql)
    missed = [
        (check, statement)
        for check, statements in PLANTED.items()
        for statement in statements
        if check not in named_in(await books.audit_with(statement.format(p=finished, o=still_open)))
    ]
    assert missed == []
    assert named_in(await audit(database, SEED_KEYS)) == set()  # each was undone


async def test_the_database_itself_refuses(start_server: StartServer, party: MakeParty, sql: Sql) -> None:
    room = await party(await start_server(), 1)
    await room.all_open(await room.lucky(100, 1))
    for statement in (
        "UPDATE transfers SET amount_fen = 1",
        "DELETE FROM transfers",
        "UPDATE claims SET user_id = 9",
        "DELETE FROM claims",
        "TRUNCATE claims",
        "UPDATE wallets SET balance_fen = -1 WHERE user_id = 1",
        "INSERT INTO transfers VALUES (1, 2, 4, '', 5, 0)",
        "INSERT INTO transfers VALUES (0, 2, 99, 'x', 5, 0)",
    ):
        with pytest.raises((asyncpg.RaiseError, asyncpg.CheckViolationError)):
            await sql.execute(statement)
