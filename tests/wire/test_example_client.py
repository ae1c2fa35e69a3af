"""docs/example_client.py works with a real server, with only Python and `msgpack`."""

from __future__ import annotations

import ast
import asyncio
import hmac
import importlib.util
import re
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from protocol.money_unit import YUAN
from tests.conftest import FAR_AWAY_S, KEYS, Server
from tests.points import COINS, POINTS
from tests.programs import end_of
from tests.wire import raw as wire
from tests.wire.conftest import Dial
from tests.wire.raw import Raw

EXAMPLE = Path(__file__).parents[2] / "docs" / "example_client.py"
LINES_MAX = 165
ALICE, BOB = 1, 2


def token(user_id: int) -> str:
    """A token of version 2, as the chat backend makes it."""
    claims = f"{user_id}.{int(time.time())}.{FAR_AWAY_S}.{wire.KEY_ID}"
    return f"{claims}.{hmac.digest(KEYS[wire.KEY_ID], claims.encode(), 'sha256').hex()}"


class Ended(NamedTuple):
    """The exit code of the example and its output."""

    code: int
    output: str
    errors: str


async def run(*arguments: object) -> Ended:
    """Run the example as a program."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLE),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONUTF8": "1"},
    )
    code, output, errors = await end_of(process)
    return Ended(code or 0, output, errors)


@pytest.fixture
async def bob(attacked: Server, dial: Dial) -> Raw:
    """A second user; Alice, whose token the example gets, has 5.00 yuan."""
    await (await dial(attacked, 0)).ask(wire.TOP_UP, "k", ALICE, 500)
    return await dial(attacked, BOB)


async def claims(sql: Any) -> list[tuple[int, int, int]]:
    """Group, user and amount of every recorded claim."""
    rows = await sql.fetch("SELECT target_id, user_id, amount_fen FROM claims JOIN packets USING (packet_id)")
    return [tuple(row) for row in rows]


async def test_example_without_a_group_creates_one_and_wins_its_own_packet(
    attacked: Server, bob: Raw, sql: Any
) -> None:
    code, output, errors = await run("127.0.0.1", attacked.port, token(ALICE))
    assert (code, errors) == (0, "")
    assert "logged in as user 1 with 5.00 yuan" in output
    assert "opened it: won, 1.00 yuan; shares left: 0" in output
    assert output.endswith("verified: every share follows from the seeds\n")
    group = int(re.findall(r"in group (\d+), members: 1\n", output)[0])
    assert await claims(sql) == [(group, ALICE, 100)]


def test_example_shows_amounts_in_the_unit_of_the_server() -> None:
    spec = importlib.util.spec_from_file_location("example_client", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    for unit in (YUAN, POINTS, COINS):
        for amount_fen in (0, 5, 888, 123_456):
            shown = example.shown(amount_fen, msgspec.to_builtins(unit))
            assert shown == unit.full("en", amount_fen).replace(",", "")


async def play(attacked: Server, bob: Raw, entry: str) -> str:
    """The output of the example while Bob opens the other share of its packet."""
    running = asyncio.create_task(run("127.0.0.1", attacked.port, token(ALICE), entry))
    try:
        packet = (await bob.push(wire.PACKET_POSTED))[4]
        assert (await bob.grab_and_open(packet))[0] == "won"
        code, output, errors = await running
    finally:
        running.cancel()
    assert (code, errors) == (0, "")
    return output


async def test_example_with_an_invite_joins_that_group_and_verifies_the_packet(
    attacked: Server, bob: Raw, sql: Any
) -> None:
    (group,) = await bob.ask(wire.CREATE_GROUP, "family")
    _, invite = await bob.ask(wire.GET_INVITE, group)
    output = await play(attacked, bob, invite)
    assert f"in group {group}, members: 2\n" in output
    assert output.endswith("verified: every share follows from the seeds\n")
    shares = await claims(sql)
    assert sorted((where, user) for where, user, _ in shares) == [(group, ALICE), (group, BOB)]
    assert sum(amount_fen for _, _, amount_fen in shares) == 100


async def test_example_with_a_pass_sends_to_a_group_without_a_member_list(
    attacked: Server, bob: Raw, dial: Dial
) -> None:
    backend = await dial(attacked, 0)
    (group,) = await backend.ask(wire.PUT_GROUP, "room-5", "family", 0, "signature")
    await bob.ask(wire.SHOW_PASS, signed(group, BOB))
    output = await play(attacked, bob, signed(group, ALICE))
    assert f"in group {group}, members: 2\n" in output
    assert output.endswith("verified: every share follows from the seeds\n")


def signed(group: int, user: int) -> str:
    """A pass as the chat backend signs it."""
    claims = f"{group}.{user}.{int(time.time()) + 3600}.{wire.KEY_ID}"
    return f"{claims}.{hmac.digest(KEYS[wire.KEY_ID], f'hongbao-pass:{claims}'.encode(), 'sha256').hex()}"


async def test_example_that_fails_prints_the_reason(attacked: Server, bob: Raw) -> None:
    forged = token(ALICE)[:-1] + ("0" if token(ALICE)[-1] != "0" else "1")
    for arguments, why in (
        ((forged,), "the server says goodbye: login_refused"),
        ((token(3),), "refused: not_enough_money"),
        ((token(ALICE), "A" * 16), "refused: bad_invite"),
    ):
        code, _, errors = await run("127.0.0.1", attacked.port, *arguments)
        assert (code, errors.strip()) == (1, why)
    code, _, errors = await run("127.0.0.1")
    assert code == 1
    assert "HOST PORT TOKEN [INVITE or PASS]" in errors


def test_example_is_short_and_imports_only_msgpack() -> None:
    source = EXAMPLE.read_text()
    imported: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert "msgpack" in imported
    assert imported <= {"msgpack", *sys.stdlib_module_names}
    assert len(source.splitlines()) <= LINES_MAX
