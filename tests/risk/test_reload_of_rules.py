"""Other rules without a restart: a reload reads the file again; one that cannot be used changes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest

from server import config
from server.credentials import Credentials
from server.reload import Reading, Reload
from server.services.risk.rule_files import rules_of
from storage.postgres.risk.risk import RiskRound
from tests.conftest import API_KEYS, KEYS, SEED_KEYS, Server, StartServer
from tests.risk.test_effects import NEVER_BY_ITSELF, held_by, judge, refused
from tests.risk.test_path import decisions, rules_file
from tests.services.conftest import MakeParty, until

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
RULE = '[[rules]]\nname = "{name}"\nwhen = "{when}"\nthen = "deny"\nsays = "{name}"\n'
NEVER = RULE.format(name="never", when="opens_1d >= 100")
WINNERS = RULE.format(name="winners", when="opens_1d >= 1")


class Reloading:
    """A server whose config can be read again, like SIGHUP."""

    def __init__(self, server: Server, **options: Any) -> None:
        self._server = server
        self._options = {key.replace("__", "."): value for key, value in options.items()}
        self._reload = Reload(self._read, self._read())

    def _read(self) -> Reading:
        settings = config.load(None, self._options, environment={})
        return Reading(settings, Credentials(KEYS, SEED_KEYS, None, {}, API_KEYS), rules_of(settings))

    def __call__(self, **changed: Any) -> tuple[list[str], list[str], str]:
        """Reload: the keys that changed, those that need a restart, the fault."""
        self._options |= {key.replace("__", "."): value for key, value in changed.items()}
        return tuple(self._reload(self._server.app.apply))  # type: ignore[return-value]


async def test_reload_judges_by_the_other_rules_from_the_next_round_on(
    start_server: StartServer, party: MakeParty, sql: Sql, tmp_path: Path
) -> None:
    options = {"risk__mode": "on", "risk__rules": rules_file(tmp_path, NEVER), "risk__interval_s": NEVER_BY_ITSELF}
    server = await start_server(**options)
    reload = Reloading(server, **options)
    guests = await party(server, 1)
    await guests.all_open(await guests.lucky(900, 1))

    async def is_judged() -> bool:
        await judge(server)
        return any(row[0] == 2 for row in await decisions(sql))

    await until(is_judged)
    assert reload() == ([], [], "")
    rules_file(tmp_path, WINNERS)
    assert reload() == (["risk.rules"], [], "")
    await guests.all_open(await guests.lucky(900, 1))
    await held_by(server, sql, 2)
    assert await refused(guests.guests[0].transfer(1, 1)) == ("not_allowed", "winners")
    versions = await sql.fetch("SELECT rules FROM risk_decisions WHERE user_id = 2 ORDER BY decision_id")
    assert len({row["rules"] for row in versions}) == 2
    assert await sql.fetchval("SELECT rules FROM risk_state") == versions[-1]["rules"]


async def test_reload_of_rules_that_cannot_be_used_changes_nothing(
    start_server: StartServer, sql: Sql, tmp_path: Path
) -> None:
    rules = rules_file(tmp_path, NEVER)
    options = {"risk__mode": "shadow", "risk__rules": rules, "risk__interval_s": NEVER_BY_ITSELF}
    server = await start_server(**options)
    reload, engine = Reloading(server, **options), server.app.services.risk.engine
    assert engine is not None
    version = engine.book.version
    rules_file(tmp_path, RULE.format(name="bad", when="no_such_fact > 1"))
    changed, needs_restart, fault = reload(risk__keep_days=50)
    assert (changed, needs_restart) == ([], [])
    assert "bad: when:" in fault
    await judge(server)
    assert (engine.book.version, server.app.services.risk.retention.keep_days) == (version, 400)
    rules_file(tmp_path, WINNERS)
    assert reload(risk__mode="on") == (["risk.rules", "risk.keep_days"], ["risk.mode"], "")
    assert server.app.services.risk.retention.keep_days == 50
    assert server.app.services.risk.mode == "shadow"


async def test_reload_while_users_are_judged_leaves_them_the_rules_that_they_were_judged_by(
    start_server: StartServer, party: MakeParty, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"risk__mode": "on", "risk__rules": rules_file(tmp_path, NEVER), "risk__interval_s": NEVER_BY_ITSELF}
    server = await start_server(**options)
    reload, engine = Reloading(server, **options), server.app.services.risk.engine
    assert engine is not None
    before = engine.book.version
    await party(server, 1)  # wallets have changed
    real = RiskRound.facts
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def waits(part: RiskRound, *asked: Any) -> Any:
        reading.set()
        await go_on.wait()
        return await real(part, *asked)

    monkeypatch.setattr(RiskRound, "facts", waits)
    round_ = asyncio.create_task(judge(server))
    await reading.wait()
    rules_file(tmp_path, WINNERS)
    assert reload() == (["risk.rules"], [], "")
    go_on.set()
    assert await round_ > 0
    assert {row[0] for row in await sql.fetch("SELECT rules FROM risk_decisions")} == {before}
    await judge(server)
    assert engine.book.version != before
