"""Cards and payments with two sets: each payment is in the set of its user, whose number says so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from client_sim.sdk import BankUnknown, CardTaken, LimitReached
from client_sim.sdk.errors import StoreUnavailable as Unavailable
from server.core.payments import Evidence, Verdict
from server.core.refusals import RequestRefused
from server.services.payments.payouts import PayoutService
from server.services.reconciliation.breaks import BreakRefused
from storage.errors import StoreUnavailable
from storage.postgres.money.payments import PaymentStore
from storage.postgres.sets.outbox import SetPostStore
from tests.cards.conftest import HAVE_FEN, NUMBER, OTHER_NUMBER, PASSWORD, Bank, answer_lost, bank, no_answer
from tests.conftest import BACKEND, Connect, StartServer
from tests.services.conftest import until
from tests.sets.conftest import EACH_FEN, NEW, OLD, FindDiscrepancies, MakeCrowd, Sql, StartPair, is_settled
from tests.sets.paying import Payers, bound, ended, payers_of
from tests.sets.test_crashes import proxied_dsn
from tests.webhooks.conftest import LOOPBACK, Receiver, drain_webhooks_s, make_receiver, receiver, subscribe

__all__ = ["bank", "drain_webhooks_s", "make_receiver", "proxied_dsn", "receiver"]

EITHER = (pytest.param(0, marks=pytest.mark.long), 1)  # sets; what is in set 0 is as with one set
MakePayers: TypeAlias = Callable[..., Awaitable[Payers]]


@pytest.fixture
def payers(crowd: MakeCrowd, bank: Bank, sql: Sql, other_sql: Sql) -> MakePayers:
    """`await payers(old, new)`: users of both sets, on a server with a bank."""

    async def make(old: int = 1, new: int = 1, **words: Any) -> Payers:
        return await payers_of(crowd, bank, (sql, other_sql), old, new, **words)

    return make


@pytest.mark.parametrize("number", EITHER)
async def test_packet_by_card_is_in_the_set_of_its_sender_and_opened_by_users_of_both(
    payers: MakePayers, connect: Connect, sql: Sql, other_sql: Sql, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await payers()
    sender = one.users[number]
    card_id = await one.bound(sender)
    by_card = {"card_id": card_id, "password": PASSWORD, "key": "k"}
    packet_id = (await sender.send_packet("lucky", one.crowd.group, 300, 2, **by_card)).packet_id
    again = await sender.send_packet("lucky", one.crowd.group, 300, 2, **by_card)
    assert (again.packet_id, one.bank.done("charge")) == (packet_id, [(300, "succeeded")])
    row = await one.sets[number].fetchrow("SELECT * FROM payments")
    assert row is not None
    assert (row["packet_id"], row["card_id"], row["account"] != "") == (packet_id, card_id, True)
    assert (row["number"] >> 16 & 63, packet_id >> 16 & 63) == (number, number)
    assert await one.numbers() == ((1, 0), (0, 1))[number]
    opened = [await user.open(packet_id) for user in one.users]
    assert [reply.answer for reply in opened] == ["won", "won"]
    await until(lambda: is_settled(sql, other_sql))
    assert [await user.balance() for user in one.users] == [EACH_FEN + reply.amount_fen for reply in opened]
    lines = (await sender.statement()).lines
    assert [(line.reason, line.text) for line in lines if line.reason == "charge"] == [("charge", "招商银行 0128")]
    backend = await connect(one.crowd.server, BACKEND)
    assert (await backend.refund_to_card(row["number"], 300, key="back")).state == "succeeded"
    assert await sender.balance() == EACH_FEN + opened[number].amount_fen - 300
    assert await discrepancies() == []


@pytest.mark.parametrize("number", EITHER)
async def test_unknown_outcomes_are_asked_again_in_both_sets_and_money_moves_once(
    payers: MakePayers, connect: Connect, bank: Bank, discrepancies: FindDiscrepancies, number: int
) -> None:
    one = await payers()
    user, backend = one.users[number], await connect(one.crowd.server, BACKEND)
    card_id = await one.bound(user)
    bank.faults["charge"], bank.faults["payout"], bank.faults["refund"] = [answer_lost], [no_answer], [answer_lost]
    with pytest.raises(BankUnknown):
        await user.top_up_by_card(card_id, 1_000, PASSWORD, key="in")
    charge = await one.ended(number, "in")
    assert (await user.withdraw_to_card(card_id, 200, PASSWORD, key="out")).state == "unknown"
    assert (await one.ended(number, "out"))["state"] == "succeeded"
    assert (await backend.refund_to_card(charge["number"], 400, key="back")).state == "unknown"
    assert (await one.ended(number, "back"))["of_number"] == charge["number"]
    assert await user.balance() == EACH_FEN + 1_000 - 200 - 400
    assert [*bank.fen.values()] == [HAVE_FEN - 1_000 + 200 + 400]
    assert (await user.top_up_by_card(card_id, 1_000, PASSWORD, key="in")).payment_id == charge["number"]
    assert await one.numbers() == ((3, 0), (0, 3))[number]
    assert {line.text for line in (await user.statement()).lines} == {"招商银行 0128", ""}
    assert await discrepancies() == []


async def test_packet_whose_charge_was_committed_before_a_kill_is_posted_once_in_the_other_set(
    payers: MakePayers,
    start_pair: StartPair,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Charge, packet and debit are one commit in set 1; the announcement in the group is one in set 0."""

    async def killed(self: SetPostStore, most: int) -> Any:
        raise StoreUnavailable("killed between the commits")

    one = await payers()
    tell, sender = SetPostStore.tell, one.users[1]
    card_id = await one.bound(sender)
    monkeypatch.setattr(SetPostStore, "tell", killed)
    by_card = {"card_id": card_id, "password": PASSWORD, "key": "k"}
    packet_id = (await sender.send_packet("lucky", one.crowd.group, 300, 2, **by_card)).packet_id
    await one.crowd.server.kill()
    assert await discrepancies() == []
    monkeypatch.setattr(SetPostStore, "tell", tell)
    await start_pair()
    await until(lambda: is_settled(sql, other_sql))
    posts = "SELECT count(*) FROM messages WHERE packet_id = $1 AND stream_id = $2"
    assert await sql.fetchval(posts, packet_id, one.crowd.group) == 1
    assert await discrepancies() == []


@pytest.mark.parametrize("number", EITHER)
async def test_server_killed_behind_the_bank_learns_the_charge_after_its_start(
    payers: MakePayers,
    start_pair: StartPair,
    connect: Connect,
    discrepancies: FindDiscrepancies,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    one = await payers()
    apply = PaymentStore.apply

    async def killed(self: PaymentStore, change: Any, packet: Any) -> Any:
        if change.transfer is not None:
            raise StoreUnavailable("killed before the commit")
        return await apply(self, change, packet)

    card_id = await one.bound(one.users[number])
    monkeypatch.setattr(PaymentStore, "apply", killed)
    with pytest.raises(Unavailable):
        await one.users[number].top_up_by_card(card_id, 500, PASSWORD, key="in")
    await one.crowd.server.kill()
    assert await discrepancies() == []
    monkeypatch.setattr(PaymentStore, "apply", apply)
    server = await start_pair()
    assert (await one.ended(number, "in", server))["state"] == "succeeded"
    assert await (await connect(server, (OLD, NEW)[number])).balance() == EACH_FEN + 500
    assert one.bank.done("charge") == [(500, "succeeded")]
    assert await discrepancies() == []


async def test_record_with_cards_and_an_open_payment_gets_a_second_set(
    start_server: StartServer,
    start_pair: StartPair,
    connect: Connect,
    bank: Bank,
    sql: Sql,
    other_sql: Sql,
    discrepancies: FindDiscrepancies,
) -> None:
    alone = await start_server()
    await (await connect(alone, BACKEND)).top_up(OLD, EACH_FEN)
    user = await connect(alone, OLD)
    card_id = await bound(bank, user)
    bank.faults["charge"] = [answer_lost]
    with pytest.raises(BankUnknown):
        await user.top_up_by_card(card_id, 1_000, PASSWORD, key="before")
    await alone.stop()
    server = await start_pair()
    assert (await ended(sql, "before", server))["state"] == "succeeded"
    user, new = await connect(server, OLD), await connect(server, NEW)
    assert (await user.withdraw_to_card(card_id, 300, PASSWORD, key="after")).state == "succeeded"
    with pytest.raises(CardTaken):
        await bound(bank, new, holder="李四")
    own_id = await bound(bank, new, OTHER_NUMBER)
    await new.top_up_by_card(own_id, 700, PASSWORD, key="new")
    assert [await one.balance() for one in (user, new)] == [EACH_FEN + 700, 700]
    assert await other_sql.fetchval("SELECT count(*) FROM payments WHERE key = 'new'") == 1
    assert await other_sql.fetchval("SELECT count(*) FROM cards") == 0
    assert await discrepancies() == []


async def test_limit_of_a_day_counts_what_was_paid_and_transferred_in_the_set_of_the_user(
    payers: MakePayers, discrepancies: FindDiscrepancies
) -> None:
    one = await payers(payments__day_limit_fen=1_000)
    user = one.users[1]
    card_id = await one.bound(user)
    await user.transfer(OLD, 300, password=PASSWORD)
    tries = (user.top_up_by_card(card_id, 100, PASSWORD, key=f"k{place}") for place in range(12))
    done = await asyncio.gather(*tries, return_exceptions=True)
    refused = [one for one in done if isinstance(one, LimitReached)]
    assert (len(done) - len(refused), len(refused)) == (7, 5)
    await until(lambda: is_settled(*one.sets))
    assert await discrepancies() == []


async def test_user_with_an_open_payment_in_a_further_set_is_not_forgotten(payers: MakePayers, bank: Bank) -> None:
    one = await payers()
    card_id = await one.bound(one.users[1])
    bank.faults["payout"] = [no_answer]
    await one.users[1].withdraw_to_card(card_id, 200, PASSWORD, key="out")
    forget = one.crowd.server.app.services.cards.service.forget
    with pytest.raises(RequestRefused, match="has not ended"):
        await forget(NEW)
    await one.ended(1, "out")
    await forget(NEW)
    assert await one.sets[0].fetchval("SELECT count(*) FROM cards WHERE sealed IS NOT NULL") == 0
    assert await one.sets[0].fetchval("SELECT count(*) FROM payers WHERE password_hash IS NOT NULL") == 0


async def test_set_that_is_away_holds_up_payments_of_its_own_users_only(
    payers: MakePayers,
    proxied_dsn: tuple[Any, str],
    bank: Bank,
    discrepancies: FindDiscrepancies,
) -> None:
    proxy, dsn = proxied_dsn
    one = await payers(stores__postgres_sets=(dsn,))
    numbers = NUMBER, OTHER_NUMBER  # codes for one card are sent a minute apart
    cards = [await one.bound(user, number) for user, number in zip(one.users, numbers, strict=True)]
    bank.faults["charge"] = [answer_lost, answer_lost]
    for number, user in enumerate(one.users):
        with pytest.raises(BankUnknown):
            await user.top_up_by_card(cards[number], 500, PASSWORD, key="in")
    await proxy.cut()
    assert (await one.ended(0, "in"))["state"] == "succeeded"
    with pytest.raises(Unavailable):
        await one.users[1].top_up_by_card(cards[1], 500, PASSWORD, key="in")
    assert (await one.users[0].withdraw_to_card(cards[0], 100, PASSWORD)).state == "succeeded"
    await proxy.heal()
    assert (await one.ended(1, "in"))["state"] == "succeeded"
    assert await one.users[0].balance() == EACH_FEN + 400
    assert await discrepancies() == []


async def test_figures_lists_and_evidence_are_of_payments_of_both_sets(payers: MakePayers, bank: Bank) -> None:
    one = await payers()
    numbers = NUMBER, OTHER_NUMBER  # codes for one card are sent a minute apart
    cards = [await one.bound(user, number) for user, number in zip(one.users, numbers, strict=True)]
    bank.faults["payout"] = [no_answer, no_answer]
    bank.faults["query"] = [no_answer] * 100
    told = [await user.withdraw_to_card(cards[n], 200, PASSWORD, key="out") for n, user in enumerate(one.users)]
    services = one.crowd.server.app.services.payments
    assert services.attempts is not None
    (figure,) = [row for row in await services.attempts.store.figures([]) if row.kind]
    assert (figure.kind, figure.state, figure.payments) == ("payout", "unknown", 2)
    assert await services.attempts.store.without_gateway([]) == {"bank": 2}
    listed = await services.lookups.newest(0, "", 10)
    assert [row.number for row in listed] == sorted((one.payment_id for one in told), reverse=True)
    (mine,) = await services.lookups.newest(NEW, "", 10)
    found = await services.lookups.payment(mine.number)
    assert found is not None
    assert (found[0].card, found[1][0].source) == ("招商银行 ****1111", "submit")


async def test_pages_of_wallets_of_both_sets_leave_no_user_out(payers: MakePayers) -> None:
    one = await payers(3, 5)
    store = one.crowd.server.app.stores.payments
    found, last, pages = list[int](), 0, 0
    while last is not None:
        users, last = await store.page_of_wallets(last, 2)
        found += users
        pages += 1
    assert found == [OLD, OLD + 1, OLD + 2, NEW, NEW + 1, NEW + 2, NEW + 3, NEW + 4]
    assert pages == 4


async def test_payouts_of_users_of_both_sets_are_ordered_once(
    payers: MakePayers, bank: Bank, discrepancies: FindDiscrepancies
) -> None:
    one = await payers(2, 2)
    app = one.crowd.server.app
    attempts = app.services.payments.attempts
    assert attempts is not None
    bank.faults["payout"], bank.faults["query"] = [no_answer] * 100, [no_answer] * 100
    parts = attempts, bank, app.services._ids, app._clock, app.services._bus, app.services.sends.gate
    payouts = PayoutService(*parts, app.stores.sets)  # type: ignore[arg-type]
    for _ in range(2):
        await payouts.order([OLD, OLD + 1, NEW, NEW + 1, 77])
    assert await one.numbers() == (2, 2)
    left = [await sql.fetch("SELECT balance_fen FROM wallets ORDER BY user_id") for sql in one.sets]
    assert [[row[0] for row in rows] for rows in left] == [[0, 0], [0, 0]]
    assert await discrepancies() == []


async def test_payment_of_a_further_set_is_told_to_webhooks_once(payers: MakePayers, receiver: Receiver) -> None:
    one = await payers(webhooks__allow_private=LOOPBACK)
    await subscribe(one.crowd.server, receiver, "shop", "payment.ended")
    card_id = await one.bound(one.users[1])
    told = await one.users[1].top_up_by_card(card_id, 500, PASSWORD, key="in")
    (event,) = await receiver.wait_for(1, "payment.ended")
    assert (event.data["payment_id"], event.data["state"]) == (str(told.payment_id), "succeeded")


# --- breaks and corrections -----------------------------------------------------------------------------------


async def test_contradiction_is_a_break_of_the_set_of_its_payment_and_is_corrected_there(
    payers: MakePayers, discrepancies: FindDiscrepancies
) -> None:
    one = await payers(2, 1)
    services = one.crowd.server.app.services
    card_id = await one.bound(one.users[1])
    told = await one.users[1].withdraw_to_card(card_id, 200, PASSWORD, key="out")
    attempts = services.payments.attempts
    assert attempts is not None
    payment = await attempts.store.get(told.payment_id)
    assert payment is not None
    await attempts.evidence.apply(payment, Evidence("notice", Verdict.FAILED, "reversed"))
    books = services.reconciliation
    (found,) = await books.breaks.newest(only_open=True)
    assert (found.break_id, found.number, found.break_class) == (10**9, told.payment_id, "contradiction")
    assert (await books.breaks.own(found.break_id, 4_001)).state == "owned"
    with pytest.raises(BreakRefused, match="is a difference of 200, not 201"):
        await books.corrections.dry_run(found.break_id, 0, NEW, 201)
    correction = found.break_id, 0, NEW, 200
    shown = await books.corrections.dry_run(*correction)
    made = await books.corrections.propose(*correction, 4_001, shown.digest)
    assert made.correction_id == 10**9
    assert (await books.corrections.approve(made.correction_id, 4_002)).state == "approved"
    assert await one.users[1].balance() == EACH_FEN
    assert (await books.breaks.close(found.break_id, 4_001, "given back")).corrections == 1
    assert (await attempts.store.figures([]))[-1].payments == 0
    assert await discrepancies() == []
