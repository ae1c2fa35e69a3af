"""The commands of operators against a running server, as they print."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.cli import reconciliation as cli
from server.cli.main import commands
from server.cli.shared.answers import ServerOptions
from server.cli.shared.resources import WrongOptions
from server.core.ledger import SYSTEM_ACCOUNTS
from server.core.reconciliation.days import DAY_MS, first_ms
from server.core.reconciliation.rules import BREAK_CLASSES
from server.instance import NoAnswer
from server.ops.socket.status_socket import peer_of as real_peer_of
from tests.reconciliation.books import DAY, Sql, numbered, payment, record, row_of, write
from tests.reconciliation.conftest import Operators

OURS = [payment(first_ms(DAY) + DAY_MS // 2 + serial) for serial in range(5)]
ROWS = numbered(DAY, map(row_of, OURS))


@pytest.fixture
def hongbao(operators: Operators, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """`await hongbao("breaks", "own", 1)`: exit code and output, as the user of the system that runs the tests."""
    operators.server.app.operations._sockets._status._peer_of = real_peer_of

    async def run(*words: object) -> tuple[int, str]:
        line = [*map(str, words), "--data", str(tmp_path / "server0")]
        code = await asyncio.to_thread(commands(line), line, exit_on_error=False, print_error=False)
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


async def test_statement_is_imported_listed_owned_corrected_and_closed(
    hongbao: Callable[..., Any], sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    await sql.execute("INSERT INTO users (user_id) VALUES (1)")
    folder = tmp_path / "a folder 对账"
    folder.mkdir()
    path = write(folder / "s.csv", [ROWS[0]._replace(amount_fen=200), *ROWS[1:]])
    code, told = await hongbao("reconcile", path)
    assert code == 1
    assert "bank 2026-11-27, issue 1: 5 rows\n" in told
    assert [line.split()[:2] for line in told.splitlines() if "yuan" in line][-2:] == [
        ["matched", "4"],
        ["amount", "1"],
    ]
    code, told = await hongbao("reconcile", path)
    assert (code, "5 rows, imported before" in told) == (1, True)
    code, told = await hongbao("breaks", "--open", "--class", "amount", "--day", DAY)
    assert (code, str(OURS[0].number) in told, "1.00 yuan" in told) == (0, True, True)
    code, told = await hongbao("breaks", "own", 1)
    assert (code, f"({os.getuid()})" in told) == (0, True)
    code, told = await hongbao(
        "correct", "propose", 1, "--from", 1, "--to", "outside", "--amount", 100, "--dry-run"
    )
    assert (code, "-1.00 yuan" in told, await sql.fetchval("SELECT count(*) FROM corrections")) == (0, True, 0)
    words = "correct", "propose", 1, "--from", "in-transit", "--to", 1, "--amount", 100
    code, told = await hongbao(*words)
    digest = told.split()[-1]
    assert (code, "Nothing is proposed yet" in told, len(digest)) == (0, True, 12)
    with pytest.raises(NoAnswer, match="not what a dry run has shown"):
        await hongbao(*words[:-1], 99, "--as-shown", digest)
    with pytest.raises(WrongOptions, match="give one of"):
        await hongbao(*words, "--as-shown", digest, "--dry-run")
    assert await sql.fetchval("SELECT count(*) FROM corrections") == 0
    code, told = await hongbao(*words, "--as-shown", digest)
    assert (code, "proposed" in told) == (0, True)
    with pytest.raises(NoAnswer, match="is your own proposal"):
        await hongbao("correct", "approve", 1)
    code, told = await hongbao("correct", "reject", 1, "--reason", "the wrong account")
    assert (code, "rejected" in told) == (0, True)
    code, told = await hongbao("correct", "list", "--break", 1)
    assert (code, "the wrong account" in told) == (0, True)
    code, told = await hongbao("breaks", "close", 1, "--reason", "the bank has paid the difference")
    assert (code, "the bank has paid the difference" in told) == (0, True)
    assert (await hongbao("breaks", "--open"))[0] == 0


async def test_correction_that_is_proposed_at_once_prints_its_dry_run_first(
    hongbao: Callable[..., Any], sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    await sql.execute("INSERT INTO users (user_id) VALUES (1)")
    await hongbao("reconcile", write(tmp_path / "s.csv", [ROWS[0]._replace(amount_fen=200), *ROWS[1:]]))
    words = "correct", "propose", 1, "--from", "suspense", "--to", 1, "--amount", 100, "--yes-as-shown"
    code, told = await hongbao(*words)
    assert (code, told.index("-1.00 yuan") < told.index("proposed")) == (0, True)
    code, told = await hongbao(*words, "--json")
    assert (code, json.loads(told.splitlines()[-1])["state"]) == (0, "proposed")
    assert await sql.fetchval("SELECT count(*) FROM corrections") == 2


async def test_refused_file_is_one_line_and_the_others_are_imported(
    hongbao: Callable[..., Any], sql: Sql, tmp_path: Path
) -> None:
    await record(sql, OURS)
    bad, good = write(tmp_path / "bad.csv", ROWS), write(tmp_path / "good.csv", ROWS)
    bad.write_bytes(bad.read_bytes()[:-9])
    code, told = await hongbao("reconcile", bad, good)
    assert code == 1
    assert f"hongbao: {bad}: the digest is not the one that the bank signed: it has 4 of 5 rows\n" in told
    assert await sql.fetchval("SELECT count(*) FROM statements") == 1
    assert (await hongbao("reconcile", good))[0] == 0


async def test_reconcile_without_a_server_or_a_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="no server"):
        await asyncio.to_thread(cli.reconcile, tmp_path / "s.csv", server=ServerOptions(data=tmp_path))
    with pytest.raises(Exception, match="name the files"):
        cli.reconcile()


def test_classes_and_accounts_of_the_command_line_are_those_of_the_rules() -> None:
    assert set(cli.BreakClass.__args__) == set(BREAK_CLASSES)  # type: ignore[attr-defined]
    assert "suspense" in set(map(str, SYSTEM_ACCOUNTS))
