"""Changes: users are frozen and let in again, breaks owned and closed, corrections made by two operators."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import Any

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.errors import ClientError
from server.core.office.roles import OfficeRole
from server.services.money.audit import audit
from server.services.office.operators import OperatorService
from storage.postgres.database import Database
from tests.conftest import SEED_KEYS, Connect, Server
from tests.office.conftest import ALICE, BEN, CAUSE, ROOT, Answered, Desk, Sit, desk_at, entries, texts_in

RULES = '[{"name": "fast", "when": "opens_1m > 60", "then": "deny", "says": "looks like a program"}]'
MONEY = {"from": "outside", "to": str(ALICE), "amount": "3.00"}
DIGEST = re.compile(r'name="seen" value="([0-9a-f]{12})"')


@pytest.fixture
async def break_id(server: Server, sql: Any) -> int:
    """A break of 3.00 of a bank, without an owner."""
    return int(
        await sql.fetchval(
            "INSERT INTO payment_breaks (at_ms, class, gateway, subject, bank_ref, difference_fen, detail) "
            "VALUES (1800000000000, 'bank_only', 'bank', 'B1', 'B1', 300, 'the bank has a row of 300 ¤') "
            "RETURNING break_id"
        )
    )


async def propose(desk: Desk, break_id: int, **form: str) -> Answered:
    """First the dry run, then the proposal as it was shown."""
    shown = await desk.post(f"/break/{break_id}/propose", **{**MONEY, **CAUSE, **form})
    found = DIGEST.search(shown.text)
    assert found, shown.text
    return await desk.post(f"/break/{break_id}/propose", **{**MONEY, **CAUSE, **form}, seen=found[1])


async def balance(sql: Any, user_id: int) -> int:
    return int(await sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", user_id))


async def test_freeze_ends_connections_and_logins_until_the_user_is_let_in_again(
    sit: Sit, server: Server, people: Client, connect: Connect, sql: Any
) -> None:
    alice = await connect(server, ALICE)
    desk = await sit("support", "lin")
    done = await desk.post(f"/user/{ALICE}/freeze", **CAUSE)
    assert re.fullmatch(rf"/user/{ALICE}\?done=\d+", done.place)
    with pytest.raises(ClientError):
        await alice.balance()
    page = await desk.get(done.place)
    assert "frozen since" in page.text
    assert "Freeze the user" in page.text  # what was done, and among what operators did
    assert "/unfreeze" in page.text
    with pytest.raises(ClientError):
        await connect(server, ALICE)
    await desk.post(f"/user/{ALICE}/unfreeze", case="CASE-2", reason="it was the wrong user")
    again = await connect(server, ALICE)
    assert await again.balance() == 50_000
    changes = [one for one in await entries(sql, "begun", "done") if one[1] in ("freeze", "unfreeze")]
    assert [one[1:3] for one in changes] == [
        ("freeze", "begun"),
        ("freeze", "done"),
        ("unfreeze", "begun"),
        ("unfreeze", "done"),
    ]


async def test_freeze_of_an_unknown_user_is_refused_and_makes_none(sit: Sit, sql: Any) -> None:
    desk = await sit("support")
    assert (await desk.post("/user/424242/freeze", **CAUSE)).status == 409
    assert await sql.fetchval("SELECT count(*) FROM users") == 0


async def test_correction_needs_two_operators_and_moves_once(
    sit: Sit, people: Client, sql: Any, break_id: int, database: Database
) -> None:
    lin, wu = await sit("finance", "lin"), await sit("finance", "wu")
    done = await propose(lin, break_id)
    assert done.place.startswith(f"/break/{break_id}?done=")
    assert await balance(sql, ALICE) == 50_000
    (number,) = await sql.fetchrow("SELECT correction_id FROM corrections")
    own = await lin.get(f"/correction/{number}")
    assert "another operator approves it" in own.text
    assert f"/correction/{number}/approve" not in own.text
    refused = await lin.post(f"/correction/{number}/approve", **CAUSE)
    assert refused.status == 409
    assert "your own proposal" in refused.text
    assert await balance(sql, ALICE) == 50_000
    for _ in range(2):  # again is harmless
        assert (await wu.post(f"/correction/{number}/approve", **CAUSE)).status == 303
    assert await balance(sql, ALICE) == 50_300
    row = await sql.fetchrow("SELECT state, proposed_uid, decided_uid FROM corrections")
    assert tuple(row) == ("approved", 2**32 + 1, 2**32 + 2)
    refusals = await entries(sql, "refused")
    assert refusals == [("lin", "approve", "refused", "correction", str(number))]
    page = await wu.get(f"/break/{break_id}")
    assert "CASE-1" in page.text
    found = await audit(database, SEED_KEYS)
    assert {one.name for one in found.findings if one.discrepancies} == set()


async def test_correction_is_approved_under_the_case_number_of_its_proposal_alone(
    sit: Sit, people: Client, sql: Any, break_id: int
) -> None:
    lin, wu = await sit("finance", "lin"), await sit("finance", "wu")
    await propose(lin, break_id)
    for _ in range(25):  # however often it is tried
        refused = await wu.post("/correction/1/approve", case="CASE-9", reason="looks right")
        assert refused.status == 409
        assert "CASE-1" in refused.text
    assert await balance(sql, ALICE) == 50_000
    assert (await wu.post("/correction/1/reject", case="CASE-1", reason="the wrong wallet")).status == 303
    assert (await wu.post("/correction/1/approve", **CAUSE)).status == 409
    assert await balance(sql, ALICE) == 50_000
    assert await sql.fetchval("SELECT reason FROM corrections") == "CASE-1: the wrong wallet"


async def test_correction_of_a_person_who_also_has_a_shell_is_one_pair_of_eyes(
    browsers: AsyncExitStack, server: Server, operators: OperatorService, people: Client, sql: Any, break_id: int
) -> None:
    corrections = server.app.services.reconciliation.corrections
    shown = await corrections.dry_run(break_id, 0, ALICE, 300)
    await corrections.propose(break_id, 0, ALICE, 300, 1000, shown.digest)  # as user 1000 of the system
    key = await operators.add("lin", OfficeRole.FINANCE, 1000, ROOT)
    lin = await (await desk_at(browsers, server.app.office.url)).log_in(str(key))
    assert (await lin.post("/correction/1/approve", **CAUSE)).status == 409
    assert await balance(sql, ALICE) == 50_000
    other = await operators.add("wu", OfficeRole.FINANCE, None, ROOT)
    wu = await (await desk_at(browsers, server.app.office.url)).log_in(str(other))
    assert (await wu.post("/correction/1/approve", **CAUSE)).status == 303
    assert await balance(sql, ALICE) == 50_300


async def test_correction_is_proposed_only_as_its_dry_run_has_shown_it(
    sit: Sit, people: Client, sql: Any, break_id: int
) -> None:
    lin = await sit("finance", "lin")
    shown = await lin.post(f"/break/{break_id}/propose", **MONEY, **CAUSE)
    assert "500.00" in shown.text
    assert "503.00" in shown.text
    found = DIGEST.search(shown.text)
    assert found
    await people.top_up(ALICE, 1, "meanwhile")
    assert (await lin.post(f"/break/{break_id}/propose", **MONEY, **CAUSE, seen=found[1])).status == 409
    for wrong in (
        {"amount": "3.01"},
        {"amount": "0"},
        {"amount": "-1"},
        {"to": "0"},
        {"to": "nowhere"},
        {"to": "outside"},
    ):
        assert (await lin.post(f"/break/{break_id}/propose", **{**MONEY, **CAUSE, **wrong})).status == 409
    assert await sql.fetchval("SELECT count(*) FROM corrections") == 0
    # what a dry run shows of a wallet is logged, too
    assert ("lin", "propose", "seen", "break", str(break_id)) in await entries(sql)


async def test_change_whose_end_is_not_known_keeps_its_first_entry_and_the_page_says_so(
    sit: Sit, people: Client, sql: Any
) -> None:
    desk = await sit("support", "lin")
    await sql.execute(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$"
    )
    await sql.execute("CREATE TRIGGER no_room BEFORE UPDATE ON users EXECUTE FUNCTION no_room()")
    refused = await desk.post(f"/user/{ALICE}/freeze", **CAUSE)
    assert refused.status == 503
    assert "its outcome is unknown" in refused.text
    assert [one[1:3] for one in await entries(sql)][-1] == ("freeze", "begun")
    page = await desk.get(f"/user/{ALICE}")
    assert "no end was logged: its outcome is unknown" in page.text
    await sql.execute("DROP TRIGGER no_room ON users")
    assert (await desk.post(f"/user/{ALICE}/freeze", **CAUSE)).status == 303
    assert [one[1:3] for one in await entries(sql, "begun", "done")][-2:] == [
        ("freeze", "begun"),
        ("freeze", "done"),
    ]


async def test_break_is_owned_and_closed_with_its_case_number(sit: Sit, sql: Any, break_id: int) -> None:
    lin = await sit("finance", "lin")
    assert "the bank has a row of 300 fen" in (await lin.get(f"/break/{break_id}")).text
    await lin.post(f"/break/{break_id}/own", **CAUSE)
    assert await sql.fetchval("SELECT owner_uid FROM payment_breaks") == 2**32 + 1
    await lin.post(f"/break/{break_id}/close", case="CASE-1", reason="booked on the 29th")
    row = await sql.fetchrow("SELECT closed_uid, reason FROM payment_breaks")
    assert tuple(row) == (2**32 + 1, "CASE-1: booked on the 29th")
    assert (await lin.post(f"/break/{break_id}/own", **CAUSE)).status == 409
    page = await lin.get("/breaks?state=all")
    assert "operator 1" in page.text
    assert f"/break/{break_id}" not in (await lin.get("/breaks")).text


async def test_release_of_a_user_whom_nothing_holds_back_is_refused(sit: Sit, people: Client, sql: Any) -> None:
    desk = await sit("support", "lin")
    refused = await desk.post(f"/user/{BEN}/release", **CAUSE)
    assert refused.status == 409
    assert await entries(sql, "refused") == [("lin", "release", "refused", "user", str(BEN))]


async def test_release_lets_a_user_whom_risk_control_denies_send_again(sit: Sit, people: Client, sql: Any) -> None:
    await sql.execute(
        "INSERT INTO risk_verdicts (user_id, decision_id, action, holds_withdrawals, says, checked_at_ms) "
        "VALUES ($1, 7, 'deny', true, 'looks like a program', 1)",
        BEN,
    )
    desk = await sit("support", "lin")
    await sql.execute("INSERT INTO risk_rules VALUES ('v', $1, 1)", RULES)
    await sql.execute(
        "INSERT INTO risk_decisions (user_id, at_ms, mode, rules, action, hits, errors, facts) "
        "VALUES ($1, 1, 'on', 'v', 'deny', '{fast}', '{}', '{\"opens_1m\": 77, \"sends_1m\": 0}')",
        BEN,
    )
    assert "looks like a program" not in (await desk.get(f"/user/{BEN}")).text  # the mode is off
    await sql.execute("UPDATE risk_state SET mode = 'on'")
    page = await desk.get(f"/user/{BEN}")
    assert "looks like a program" in page.text
    assert 'href="/decision/1"' in page.text
    why = texts_in((await desk.get("/decision/1")).text)
    assert ("opens_1m > 60" in why, "77" in why, "sends_1m" in why) == (True, True, False)
    assert (await desk.get("/decision/2")).status == 404
    assert "fast" in (await desk.get("/risk")).text
    await desk.post(f"/user/{BEN}/release", **CAUSE)
    assert await sql.fetchval("SELECT action FROM risk_verdicts") == "allow"
    row = await sql.fetchrow("SELECT uid, reason, decision_id FROM risk_releases")
    assert tuple(row) == (2**32 + 1, "CASE-1: asked for by phone", 7)
