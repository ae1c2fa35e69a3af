"""Reviews and challenges go to the chat backend as webhooks, once, and only in mode on."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from tests.conftest import StartServer
from tests.risk.test_effects import NEVER_BY_ITSELF, judge
from tests.risk.test_path import rules_file
from tests.services.conftest import MakeParty
from tests.webhooks.conftest import LOOPBACK, MakeReceiver, make_receiver, subscribe

__all__ = ["make_receiver"]
Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
RULES = "".join(
    f'[[rules]]\nname = "{name}"\nwhen = "{when}"\nthen = "{then}"\nsays = "s"\n{more}\n'
    for name, when, then, more in (
        ("asks", "sends_1d >= 1 and sends_1d <= 2", "challenge", ""),
        ("looks", "sends_1d == 1", "review", ""),
        ("small", "true", "limit", "send_fen_a_day = 100000"),
    )
)


@pytest.mark.parametrize("mode", ["shadow", "on"])
async def test_backend_is_asked_once_while_a_rule_hits_and_again_after_it_did_not(
    start_server: StartServer,
    party: MakeParty,
    sql: Sql,
    tmp_path: Path,
    make_receiver: MakeReceiver,
    mode: str,
) -> None:
    receiver = await make_receiver()
    server = await start_server(
        risk__mode=mode,
        risk__rules=rules_file(tmp_path, RULES),
        risk__interval_s=NEVER_BY_ITSELF,
        webhooks__allow_private=LOOPBACK,
    )
    await subscribe(server, receiver, "shop", "risk.challenge", "risk.review")
    guests = await party(server, 1)
    for _ in range(3):  # the third send ends both rules
        await guests.lucky(100, 1)
        await judge(server)
    await sql.execute(
        "UPDATE packets SET created_at_ms = 1 WHERE packet_id <> (SELECT max(packet_id) FROM packets)"
    )
    await sql.execute("INSERT INTO risk_activity VALUES (1)")
    await judge(server)
    told = await sql.fetch("SELECT type, subject FROM webhook_events WHERE type LIKE 'risk.%' ORDER BY event_id")
    counts = {row["type"]: sum(one["type"] == row["type"] for one in told) for row in told}
    assert counts == ({} if mode == "shadow" else {"risk.challenge": 2, "risk.review": 2})
    if mode == "shadow":
        return
    (first, *_) = await receiver.wait_for(2, "risk.challenge")
    decision = await sql.fetchrow(
        "SELECT * FROM risk_decisions WHERE decision_id = $1", int(first.data["decision_id"])
    )
    assert decision is not None
    assert first.data == {
        "user_id": "1",
        "decision_id": str(decision["decision_id"]),
        "action": "limit",
        "rules": ["asks", "looks", "small"],
        "at_ms": decision["at_ms"],
    }
