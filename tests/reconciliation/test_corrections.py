"""Corrections: proposed by one user of the system, approved by another, moved once, and known to all books."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from client_sim.sdk.client import Client
from protocol.messages import BalanceChanged
from server.core.ids import BACKEND
from server.core.reconciliation.days import DAY_MS, first_ms
from server.instance import STATUS_SOCKET
from server.ops.socket.status_socket import peer_of as real_peer_of
from server.services.money.audit import audit
from server.services.reconciliation.breaks import BreakRefused
from server.services.reconciliation.corrections import CorrectionFacts, CorrectionService
from storage.postgres.database import Database
from tests.cases import each
from tests.conftest import SEED_KEYS, Connect
from tests.reconciliation.books import ALICE, BOB, DAY, Sql, numbered, payment, record, row_of, write
from tests.reconciliation.conftest import Operators
from tests.services.test_reminders import received

NOON_MS = first_ms(DAY) + DAY_MS // 2
USER, OTHER = 1, 2
OTHER_UID = 65_534


@pytest.fixture
async def user(operators: Operators, connect: Connect) -> Client:
    """A user with 5.00 yuan."""
    backend = await connect(operators.server, BACKEND)
    for user_id in (USER, OTHER):
        await backend.top_up(user_id, 500, f"first {user_id}")
    return await connect(operators.server, USER)


@pytest.fixture
async def break_id(operators: Operators, user: Client, sql: Sql, tmp_path: Path) -> int:
    """A charge of 3.00 that failed here, and that the bank has booked; its break."""
    ours = payment(NOON_MS, state="failed")
    await record(sql, [ours])
    path = write(tmp_path / "s.csv", numbered(DAY, [row_of(ours, state="succeeded")]))
    assert (await operators.reconcile(path))["classes"] == [{"class": "state", "rows": 1, "amount_fen": 300}]
    (one,) = (await operators.ask(ALICE, "breaks", "--state", "open"))["breaks"]
    assert (one["class"], one["payment"], one["difference_fen"]) == ("state", str(ours.number), 300)
    return int(one["break_id"])


async def proposed(operators: Operators, *correction: object) -> dict[str, Any]:
    """The answer to a proposal of what a dry run has shown."""
    shown = await operators.ask(ALICE, "preview-correction", *correction)
    return await operators.ask(ALICE, "propose-correction", *correction, shown["digest"])


async def propose(service: CorrectionService, *correction: int) -> CorrectionFacts:
    """The same without the socket."""
    return await service.propose(*correction, ALICE, (await service.dry_run(*correction)).digest)


async def approved(service: CorrectionService, *correction: int) -> None:
    """The same, and another user approves it."""
    await service.approve((await propose(service, *correction)).correction_id, BOB)


async def is_sound(database: Database) -> bool:
    """All checks of the audit that do not ask where payments of the test come from."""
    found = await audit(database, SEED_KEYS)
    return {one.name for one in found.findings if one.discrepancies} <= {"payments"}


async def test_correction_moves_money_once_and_is_in_the_entries_the_pushes_and_the_audit(
    operators: Operators, user: Client, database: Database, sql: Sql, break_id: int
) -> None:
    made = await proposed(operators, break_id, "outside", USER, 300)
    assert (made["state"], made["proposed_by"]) == ("proposed", str(ALICE))
    assert await user.balance() == 500
    done = await operators.ask(BOB, "approve-correction", made["correction_id"])
    assert (done["state"], done["decided_by"]) == ("approved", str(BOB))
    (push,) = await received(user, 1, BalanceChanged)
    assert (push.balance_fen, push.change_fen, push.reason) == (800, 300, "correction")
    assert [one.reason for one in (await user.statement()).lines] == ["correction", "top_up"]
    again = await operators.ask(BOB, "approve-correction", made["correction_id"])
    assert again == done
    transfers = await sql.fetch(
        "SELECT debit_account, credit_account, key, amount_fen FROM transfers WHERE kind = 15"
    )
    assert [tuple(row) for row in transfers] == [
        (0, USER, f"break {break_id} correction {made['correction_id']}", 300)
    ]
    assert await is_sound(database)


async def test_correction_is_proposed_only_as_a_dry_run_has_shown_it(
    operators: Operators, user: Client, sql: Sql, break_id: int
) -> None:
    correction = break_id, "outside", USER, 300
    shown = await operators.ask(ALICE, "preview-correction", *correction)
    assert shown == {
        "break_id": break_id,
        "difference_fen": 300,
        "amount_fen": 300,
        "accounts": [
            {"account": "outside", "before_fen": None, "after_fen": None},
            {"account": "1", "before_fen": 500, "after_fen": 800},
        ],
        "digest": shown["digest"],
    }
    why = "this is not what a dry run has shown, or a balance has changed since: look again"
    for other in ((*correction, "0" * 12), (break_id, "outside", USER, 299, shown["digest"])):
        assert await operators.ask(ALICE, "propose-correction", *other) == {"error": why}
    await operators.server.app.services.wallets.top_up(USER, 1, "meanwhile", known_only=False)
    assert await operators.ask(ALICE, "propose-correction", *correction, shown["digest"]) == {"error": why}
    assert await sql.fetchval("SELECT count(*) FROM corrections") == 0
    assert (await proposed(operators, *correction))["state"] == "proposed"


async def test_two_approvals_at_once_make_one_transfer(
    operators: Operators, user: Client, sql: Sql, break_id: int
) -> None:
    service = operators.services.corrections
    made = await propose(service, break_id, 0, USER, 300)
    both = await asyncio.gather(*(service.approve(made.correction_id, uid) for uid in (BOB, BOB + 1)))
    assert [one.state for one in both] == ["approved", "approved"]
    assert both[0] == both[1]
    assert (await user.balance(), await sql.fetchval("SELECT count(*) FROM transfers WHERE kind = 15")) == (800, 1)


async def test_proposer_does_not_approve_and_the_database_would_refuse_it_too(
    operators: Operators, user: Client, sql: Sql, break_id: int
) -> None:
    made = await proposed(operators, break_id, "outside", USER, 300)
    refused = await operators.ask(ALICE, "approve-correction", made["correction_id"])
    assert refused == {"error": "correction 1 is your own proposal: another user approves it"}
    with pytest.raises(Exception, match="corrections_by_two"):
        await sql.execute(
            "UPDATE corrections SET state = 'approved', decided_uid = proposed_uid, decided_at_ms = 0, reason = 'x'"
        )
    assert await user.balance() == 500
    assert (await operators.ask(BOB, "approve-correction", made["correction_id"]))["state"] == "approved"


async def test_correction_of_a_closed_break_is_refused_when_proposed_and_when_approved(
    operators: Operators, user: Client, sql: Sql, break_id: int
) -> None:
    made = await proposed(operators, break_id, "outside", USER, 300)
    waits = await operators.ask(BOB, "close-break", break_id, "the", "bank", "reverses", "it")
    assert waits == {"error": f"break {break_id}: a correction of it waits: approve or reject that first"}
    await sql.execute("UPDATE payment_breaks SET closed_at_ms = 1, reason = 'a later statement'")
    for words in (
        ("approve-correction", made["correction_id"]),
        ("propose-correction", break_id, "outside", USER, 1, "0" * 12),
        ("preview-correction", break_id, "outside", USER, 1),
    ):
        assert await operators.ask(BOB, *words) == {"error": f"break {break_id} is closed"}
    assert (await user.balance(), await sql.fetchval("SELECT state FROM corrections")) == (500, "proposed")


async def test_rejected_correction_moves_nothing_and_stays_rejected(
    operators: Operators, user: Client, sql: Sql, break_id: int
) -> None:
    made = await proposed(operators, break_id, "outside", USER, 300)
    number = made["correction_id"]
    rejected = await operators.ask(ALICE, "reject-correction", number, "the", "wrong", "wallet")
    assert (rejected["state"], rejected["reason"], rejected["decided_by"]) == (
        "rejected",
        "the wrong wallet",
        str(ALICE),
    )
    assert await operators.ask(BOB, "approve-correction", number) == {"error": f"correction {number} was rejected"}
    with pytest.raises(Exception, match="was decided: it stays rejected"):
        await sql.execute("UPDATE corrections SET state = 'proposed', decided_uid = NULL, decided_at_ms = NULL")
    closed = await operators.ask(BOB, "close-break", break_id, "the bank reverses it")
    assert (closed["state"], closed["closed_by"], closed["reason"]) == ("closed", str(BOB), "the bank reverses it")
    listed = (await operators.ask(ALICE, "corrections", "--break", break_id))["corrections"]
    assert [(one["state"], one["from"], one["to"]) for one in listed] == [("rejected", "outside", "1")]
    assert await user.balance() == 500


async def test_approved_correction_cannot_be_rejected(operators: Operators, user: Client, break_id: int) -> None:
    made = await proposed(operators, break_id, "outside", USER, 300)
    await operators.ask(BOB, "approve-correction", made["correction_id"])
    refused = await operators.ask(BOB, "reject-correction", made["correction_id"], "too late")
    assert refused["error"].startswith("correction 1 was approved: correct it by another one")


async def test_corrections_of_a_break_move_no_more_than_its_difference_together(
    operators: Operators, user: Client, database: Database, break_id: int
) -> None:
    """Two operators who do not know of each other, and a wrong correction that makes room for the right one."""
    service = operators.services.corrections
    await approved(service, break_id, 0, USER, 200)
    doubled = f"break {break_id} is a difference of 300: with this one its corrections would have moved 500"
    with pytest.raises(BreakRefused, match=doubled):
        await service.dry_run(break_id, 0, USER, 300)
    first, second = [await propose(service, break_id, 0, one, 100) for one in (USER, OTHER)]
    await service.approve(first.correction_id, BOB)
    with pytest.raises(BreakRefused, match="its corrections would have moved 400"):
        await service.approve(second.correction_id, BOB)
    assert (await service.newest(0, 1))[0].state == "proposed"
    await service.reject(second.correction_id, BOB, "the other one was right")
    for words in ((USER, 0, 300), (0, -3, 300), (-3, OTHER, 300)):  # taken back, and moved in two steps
        await approved(service, break_id, *words)
    with pytest.raises(BreakRefused, match="its corrections would have moved 301"):
        await service.dry_run(break_id, -4, USER, 1)
    taken_back, right = (await service.dry_run(break_id, USER, OTHER, 0)).changes
    assert (taken_back.before_fen, right.before_fen) == (500, 800)
    assert await is_sound(database)


async def test_corrections_of_a_break_that_are_approved_at_once_do_not_exceed_it(
    operators: Operators, user: Client, sql: Sql, break_id: int
) -> None:
    service = operators.services.corrections
    made = [await propose(service, break_id, 0, one, 300) for one in (USER, OTHER)]
    done = await asyncio.gather(*(service.approve(one.correction_id, BOB) for one in made), return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["BreakRefused", "CorrectionFacts"]
    assert await sql.fetchval("SELECT sum(amount_fen)::bigint FROM transfers WHERE kind = 15") == 300


@each(
    ("words", "why"),
    [
        (("BREAK", "outside", USER, 301), "is a difference of 300, not 301"),
        (("999", "outside", USER, 300), "there is no break 999"),
        (("BREAK", "outside", 77, 300), "there is no account 77"),
        (("BREAK", "outside", 2**53, 300), "there is no account 9007199254740992"),
        (("BREAK", USER, USER, 300), "both accounts are the same"),
    ],
)
async def test_correction_that_does_not_fit_is_refused_and_leaves_nothing(
    operators: Operators, user: Client, sql: Sql, break_id: int, words: tuple[object, ...], why: str
) -> None:
    asked = [break_id if word == "BREAK" else word for word in words]
    assert why in (await operators.ask(ALICE, "preview-correction", *asked))["error"]
    assert why in (await operators.ask(ALICE, "propose-correction", *asked, "0" * 12))["error"]
    assert await sql.fetchval("SELECT count(*) FROM corrections") == 0


async def test_correction_out_of_a_wallet_needs_the_money_and_moves_between_wallets_and_accounts(
    operators: Operators, user: Client, database: Database, sql: Sql, break_id: int
) -> None:
    """From a wallet to suspense, from there to another wallet, and between two wallets: nothing is lost."""
    service = operators.services.corrections
    for debit, credit, amount_fen in ((USER, -3, 200), (-3, OTHER, 150), (USER, OTHER, 50)):
        made = await propose(service, break_id, debit, credit, amount_fen)
        await service.approve(made.correction_id, BOB)
    suspense, other = (await service.dry_run(break_id, -3, OTHER, 10)).changes
    assert (suspense, other) == (("suspense", 50, 40), ("2", 700, 710))
    await operators.server.app.services.orders.pay(USER, 250, "all", "")
    made = await propose(service, break_id, USER, OTHER, 50)
    with pytest.raises(BreakRefused, match="the wallet holds less than the amount"):
        await service.approve(made.correction_id, BOB)
    assert (await service.newest(0, 1))[0].state == "proposed"
    balances = await sql.fetch("SELECT balance_fen FROM wallets WHERE user_id IN (1, 2) ORDER BY user_id")
    assert [row[0] for row in balances] == [0, 700]
    assert await is_sound(database)


async def named_by_audit(database: Database) -> list[str]:
    """What the audit says of corrections."""
    found = await audit(database, SEED_KEYS)
    return [line for one in found.findings if one.name == "corrections" for line in one.discrepancies]


async def test_wrong_corrections_that_are_planted_are_named_by_the_audit(
    operators: Operators, user: Client, database: Database, sql: Sql, break_id: int
) -> None:
    assert await named_by_audit(database) == []
    await sql.execute("INSERT INTO transfers VALUES (0, -3, 15, 'break 1 correction 9', 5, 0)")
    assert await named_by_audit(database) == [
        "correction none: 0 fen from 0 to -3 were approved, the transfer break 1 correction 9 moved 5 fen"
    ]


async def test_corrections_that_exceed_their_break_together_are_named_by_the_audit(
    operators: Operators, user: Client, database: Database, sql: Sql, break_id: int
) -> None:
    service = operators.services.corrections
    for words in ((0, USER, 150), (0, -3, 150), (-3, OTHER, 100)):
        await approved(service, break_id, *words)
    assert await named_by_audit(database) == []
    await sql.execute("UPDATE payment_breaks SET difference_fen = 299")
    assert await named_by_audit(database) == [
        f"corrections of break {break_id} moved 300 fen together, it is a difference of 299 fen"
    ]


async def test_peer_of_another_user_is_asked_of_the_kernel(
    operators: Operators, user: Client, break_id: int
) -> None:
    """A process of a user of the system who may not change anything, and the server's own user."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    status = operators.server.app.operations._sockets._status
    status._peer_of = real_peer_of
    script = (
        "import os, socket, sys; os.chdir(sys.argv[1]); os.setuid(int(sys.argv[2])); "
        "s = socket.socket(socket.AF_UNIX); s.connect('status.sock'); "
        "s.sendall((sys.argv[3] + chr(10)).encode()); print(s.makefile().readline())"
    )
    folder = operators._folder / "server0"
    (folder / STATUS_SOCKET).chmod(0o666)

    async def as_user(uid: int, words: str) -> dict[str, Any]:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, str(folder), str(uid), words), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await child.communicate()
        answer: dict[str, Any] = json.loads(told)
        return answer

    shown = await operators.services.corrections.dry_run(break_id, 0, USER, 300)
    proposal = f"propose-correction {break_id} outside {USER} 300 {shown.digest}"
    assert "is a change" in (await as_user(OTHER_UID, proposal))["error"]
    status._change_uids |= {OTHER_UID}
    made = await as_user(OTHER_UID, proposal)
    assert made["proposed_by"] == str(OTHER_UID)
    approval = f"approve-correction {made['correction_id']}"
    assert "is your own proposal" in (await as_user(OTHER_UID, approval))["error"]
    assert (await as_user(0, approval))["decided_by"] == "0"
    assert await user.balance() == 800
