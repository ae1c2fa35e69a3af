"""Cards are bound by a code to the phone that the bank has of them."""

from __future__ import annotations

import asyncio
import time

import pytest

from client_sim.bank.faults import card_number
from client_sim.sdk import (
    BadCard,
    BankAway,
    BankDeclined,
    CardTaken,
    CodeSpent,
    CodeTooSoon,
    CodeWrong,
    LimitReached,
    PasswordNeeded,
    PasswordWrong,
)
from server.services.cards.secrets import CardSecrets
from server.services.payments import assembly
from tests.cards.conftest import (
    HOLDER,
    NUMBER,
    OTHER_NUMBER,
    PASSWORD,
    PHONE,
    AuditBooks,
    Bank,
    MakeStreet,
    Street,
    away,
)
from tests.cases import each
from tests.conftest import PATIENCE_S, SEED_KEYS, Turn

MINUTE_MS = 60_000


async def test_card_is_bound_by_its_code_and_shown_masked(street: Street, bank: Bank) -> None:
    offered = await street.sender.bind_card("6222 0212-3456 7890 128", " 王小明 ", "138-0000 1234")
    assert (offered.bank, offered.last4, offered.phone) == ("招商银行", "0128", "138****1234")
    assert offered.sets_password
    assert (bank.asks[0].number, bank.asks[0].holder, bank.asks[0].phone) == (NUMBER, HOLDER, PHONE)
    card = await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)
    assert (card.bank, card.last4, card.holder, card.phone) == ("招商银行", "0128", "**明", "138****1234")
    listed = await street.sender.cards()
    assert listed.cards == [card]
    assert listed.has_password
    assert (await street.ben.cards()).cards == []


@pytest.mark.parametrize(
    ("number", "says", "shown"),
    [
        (NUMBER, "A Bank", "A Bank"),  # the bank's own word
        (NUMBER, "", "中国工商银行"),  # 622202
        (OTHER_NUMBER, "", ""),  # no range of the table
    ],
)
async def test_bank_of_a_card_is_what_the_bank_says_or_what_its_number_says(
    street: Street, bank: Bank, number: str, says: str, shown: str
) -> None:
    bank.says = says
    offered = await street.sender.bind_card(number, HOLDER, PHONE)
    assert offered.bank == shown
    card = await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)
    assert (card.bank, (await street.sender.cards()).cards[0].bank) == (shown, shown)


@each(
    ("number", "holder", "phone"),
    [
        ("6222021234567890129", HOLDER, PHONE),  # one digit is another one
        ("62220212345", HOLDER, PHONE),
        ("6222021234567890l28", HOLDER, PHONE),
        (NUMBER, " ", PHONE),
        (NUMBER, "王\x00", PHONE),
        (NUMBER, HOLDER, "1380000abcd"),
        (NUMBER, HOLDER, ""),
    ],
)
async def test_bind_what_cannot_be_a_card_is_refused_before_the_bank_is_asked(
    street: Street, bank: Bank, number: str, holder: str, phone: str
) -> None:
    with pytest.raises(BadCard) as refused:
        await street.sender.bind_card(number, holder, phone)
    assert bank.asks == []
    assert number not in str(refused.value)


async def test_bind_card_that_the_bank_declines_says_why_and_sends_no_code(street: Street, bank: Bank) -> None:
    bank.declines[NUMBER] = "the phone is not the reserved one"
    with pytest.raises(BankDeclined, match="reserved"):
        await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    assert bank.messages == {}


async def test_bind_with_a_bank_that_is_away_records_nothing(street: Street, bank: Bank) -> None:
    bank.faults["bind"] = [away]
    with pytest.raises(BankAway):
        await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    bank.faults["sms"] = [away]
    with pytest.raises(BankAway):
        await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    assert await street.sql.fetchval("SELECT count(*) FROM card_challenges") == 0
    await street.sender.bind_card(NUMBER, HOLDER, PHONE)  # not too soon: no code was sent


# --- how often the bank is asked ------------------------------------------------------------------------------


async def test_bindings_of_a_user_that_the_bank_declines_have_a_bound_a_day(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    numbers = [card_number(serial=serial) for serial in range(11)]
    bank.declines = dict.fromkeys(numbers, "no such card")
    for number in numbers[:10]:
        with pytest.raises(BankDeclined):
            await street.sender.bind_card(number, HOLDER, PHONE)
    with pytest.raises(LimitReached, match="10 bindings of yours were declined in 24 hours; the next in 1440 min"):
        await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    assert [one.number for one in bank.asks] == numbers[:10]
    await street.ben.bind_card(NUMBER, HOLDER, PHONE)  # others are not bounded by it
    turn_clock(24 * 60 * MINUTE_MS + MINUTE_MS)
    with pytest.raises(BankDeclined):
        await street.sender.bind_card(numbers[10], HOLDER, PHONE)
    assert await street.sql.fetchval("SELECT count(*) FROM bind_attempts") == 1  # those of a day ago are gone


async def test_bindings_of_one_number_that_the_bank_declines_have_a_bound_a_day_over_all_users(
    street: Street, bank: Bank
) -> None:
    bank.declines[NUMBER] = "the phone is not the reserved one"
    for one in range(10):
        with pytest.raises(BankDeclined):
            await (street.sender if one % 2 else street.ben).bind_card(NUMBER, HOLDER, f"1380000{one:04}")
    del bank.declines[NUMBER]
    with pytest.raises(LimitReached, match="10 bindings with this number"):
        await street.carl.bind_card(NUMBER, HOLDER, PHONE)
    assert len(bank.asks) == 10
    await street.carl.bind_card(OTHER_NUMBER, HOLDER, PHONE)


async def test_bindings_at_once_are_counted_before_the_bank_is_asked(street: Street, bank: Bank) -> None:
    bank.declines[NUMBER] = "the phone is not the reserved one"
    results = await asyncio.gather(
        *(user.bind_card(NUMBER, HOLDER, PHONE) for user in (street.sender, street.ben) for _ in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, BankDeclined) for one in results) == 10
    assert sum(isinstance(one, LimitReached) for one in results) == 6
    assert len(bank.asks) == 10


async def test_binding_waits_for_another_one_with_its_number(street: Street, bank: Bank) -> None:
    mac = CardSecrets(SEED_KEYS, bytes).number_mac(NUMBER)
    bank.declines[NUMBER] = "the phone is not the reserved one"
    lock = "SELECT pg_advisory_xact_lock(hashtextextended(encode($1::bytea, 'hex'), x'62696e64'::bigint))"
    rows = "INSERT INTO bind_attempts SELECT 9007199254742000 + n, 2, $1, $2 FROM generate_series(1, 10) AS n"
    async with street.sql.transaction():  # ten attempts of Ben that are not committed yet
        await street.sql.execute(lock, mac)
        await street.sql.execute(rows, mac, time.time_ns() // 10**6)
        attempt = asyncio.create_task(street.sender.bind_card(NUMBER, HOLDER, PHONE))
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with asyncio.timeout(PATIENCE_S):
            while not attempt.done() and not await street.sql.fetchval(waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    with pytest.raises(LimitReached, match="with this number"):
        await attempt
    assert bank.asks == []


async def test_binding_that_is_not_declined_is_not_counted(street: Street, bank: Bank) -> None:
    for _ in range(12):
        bank.faults["bind"] = [away]
        with pytest.raises(BankAway):
            await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    assert await street.sql.fetchval("SELECT count(*) FROM bind_attempts") == 0


async def test_binding_is_counted_also_if_its_server_ends_while_the_bank_is_asked(
    street: Street, bank: Bank
) -> None:
    asked, goes_on = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        asked.set()
        await goes_on.wait()

    bank.faults["bind"] = [lambda done: hang()]
    attempt = asyncio.create_task(street.sender.bind_card(NUMBER, HOLDER, PHONE))
    async with asyncio.timeout(PATIENCE_S):
        await asked.wait()
    assert await street.sql.fetchval("SELECT user_id FROM bind_attempts") == 1
    attempt.cancel()
    goes_on.set()  # or the server would drain for half a minute


async def test_attempts_to_bind_are_counted_by_a_secret_of_the_number(street: Street, bank: Bank) -> None:
    bank.declines = {NUMBER: "no such card", OTHER_NUMBER: "no such card"}
    for number in (NUMBER, OTHER_NUMBER):
        with pytest.raises(BankDeclined):
            await street.sender.bind_card(number, HOLDER, PHONE)
    first, second = await street.sql.fetch("SELECT number_mac FROM bind_attempts ORDER BY attempt_id")
    assert first["number_mac"] == CardSecrets(SEED_KEYS, bytes).number_mac(NUMBER)
    assert first["number_mac"] != second["number_mac"]
    another_key = CardSecrets({"k": bytes(32)}, bytes)
    assert first["number_mac"] != another_key.number_mac(NUMBER)


# --- codes ----------------------------------------------------------------------------------------------------


async def test_code_that_is_wrong_five_times_is_spent_and_each_attempt_is_told(street: Street, bank: Bank) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    wrong = "000000" if bank.code != "000000" else "111111"
    left = []
    for _ in range(5):
        with pytest.raises(CodeWrong) as refused:
            await street.sender.confirm_card(offered.challenge_id, wrong, PASSWORD)
        left.append(refused.value.attempts_left)
    assert left == [4, 3, 2, 1, 0]
    with pytest.raises(CodeSpent):
        await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)
    assert (await street.sender.cards()).cards == []


async def test_code_attempts_at_once_are_counted_before_they_are_compared(street: Street, bank: Bank) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    wrong = [f"{int(bank.code) + n + 1:06}"[-6:] for n in range(12)]
    results = await asyncio.gather(
        *(street.sender.confirm_card(offered.challenge_id, code, PASSWORD) for code in wrong),
        return_exceptions=True,
    )
    assert sum(isinstance(one, CodeWrong) for one in results) == 5
    assert sum(isinstance(one, CodeSpent) for one in results) == 7


async def test_code_of_five_minutes_ago_is_spent_and_another_one_fits(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    first = bank.code
    turn_clock(5 * MINUTE_MS)
    with pytest.raises(CodeSpent):
        await street.sender.confirm_card(offered.challenge_id, first, PASSWORD)
    again = await street.sender.send_code_again(offered.challenge_id)
    assert again.phone == "138****1234"
    assert again.expires_at_ms >= offered.expires_at_ms + 5 * MINUTE_MS
    assert len(bank.messages) == 2
    await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)


async def test_code_sent_again_after_a_minute_replaces_the_first_and_attempts_go_on(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    first = bank.code
    with pytest.raises(CodeTooSoon) as refused:
        await street.sender.send_code_again(offered.challenge_id)
    assert 0 < refused.value.retry_after_ms <= MINUTE_MS
    for _ in range(3):
        with pytest.raises(CodeWrong):
            await street.sender.confirm_card(offered.challenge_id, "x", PASSWORD)
    turn_clock(MINUTE_MS)
    await street.sender.send_code_again(offered.challenge_id)
    if bank.code != first:
        with pytest.raises(CodeWrong) as wrong:
            await street.sender.confirm_card(offered.challenge_id, first, PASSWORD)
        assert wrong.value.attempts_left == 1
    await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)
    turn_clock(2 * MINUTE_MS)
    with pytest.raises(CodeSpent):
        await street.sender.send_code_again(offered.challenge_id)


async def test_codes_for_one_card_pause_a_minute_for_all_users(street: Street, turn_clock: Turn) -> None:
    await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    with pytest.raises(CodeTooSoon):
        await street.ben.bind_card(NUMBER, HOLDER, PHONE)
    await street.ben.bind_card(OTHER_NUMBER, HOLDER, PHONE)
    turn_clock(MINUTE_MS)
    await street.ben.bind_card(NUMBER, HOLDER, PHONE)


async def test_codes_for_one_card_have_a_bound_a_day(street: Street, turn_clock: Turn) -> None:
    for minute in range(20):
        turn_clock(minute * MINUTE_MS)
        await (street.sender if minute % 2 else street.ben).bind_card(NUMBER, HOLDER, PHONE)
    turn_clock(20 * MINUTE_MS)
    with pytest.raises(LimitReached):
        await street.carl.bind_card(NUMBER, HOLDER, PHONE)
    turn_clock(24 * 60 * MINUTE_MS + 60 * MINUTE_MS)
    await street.carl.bind_card(NUMBER, HOLDER, PHONE)


async def test_codes_that_are_sent_again_have_the_same_bound_a_day(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    for minute in range(1, 20):
        turn_clock(minute * MINUTE_MS)
        await street.sender.send_code_again(offered.challenge_id)
    turn_clock(20 * MINUTE_MS)
    with pytest.raises(LimitReached, match="20 codes in 24 hours"):
        await street.sender.send_code_again(offered.challenge_id)
    with pytest.raises(LimitReached):
        await street.ben.bind_card(NUMBER, HOLDER, PHONE)  # to the same phone
    assert len(bank.messages) == 20
    await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)


async def test_code_of_a_day_ago_is_not_sent_again(street: Street, bank: Bank, turn_clock: Turn) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    turn_clock(24 * 60 * MINUTE_MS + 1)
    with pytest.raises(CodeSpent):
        await street.sender.send_code_again(offered.challenge_id)
    assert len(bank.messages) == 1


async def test_code_that_is_sent_again_pauses_for_a_code_of_another_user(street: Street, turn_clock: Turn) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    turn_clock(MINUTE_MS)
    await street.ben.bind_card(NUMBER, HOLDER, PHONE)
    with pytest.raises(CodeTooSoon):
        await street.sender.send_code_again(offered.challenge_id)
    turn_clock(2 * MINUTE_MS)
    await street.sender.send_code_again(offered.challenge_id)


async def test_code_used_by_two_confirmations_at_once_binds_one_card(street: Street, bank: Bank) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    results = await asyncio.gather(
        *(street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["CardLine", "CodeSpent"]
    assert len((await street.sender.cards()).cards) == 1


async def test_code_of_another_user_is_unknown(street: Street, bank: Bank) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    with pytest.raises(CodeSpent):
        await street.ben.confirm_card(offered.challenge_id, bank.code, PASSWORD)
    await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)


async def test_confirmation_with_a_bank_that_is_away_may_use_the_code_again(street: Street, bank: Bank) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    bank.faults["confirm"] = [away]
    with pytest.raises(BankAway):
        await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)
    assert not (await street.sender.cards()).has_password
    await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)


async def test_card_of_another_holder_is_taken_and_of_the_same_holder_is_shared(
    street: Street, turn_clock: Turn
) -> None:
    await street.bound()
    turn_clock(MINUTE_MS)
    with pytest.raises(CardTaken):
        await street.ben.bind_card(NUMBER, "李小红", PHONE)
    await street.bound(street.ben, holder="王 小明")
    assert len((await street.ben.cards()).cards) == 1


async def test_card_bound_by_two_holders_at_once_is_taken_by_one(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    first = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    first_code = bank.code
    turn_clock(MINUTE_MS)
    second = await street.ben.bind_card(NUMBER, "李小红", PHONE)
    results = await asyncio.gather(
        street.sender.confirm_card(first.challenge_id, first_code, PASSWORD),
        street.ben.confirm_card(second.challenge_id, bank.code, PASSWORD),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["CardLine", "CardTaken"]


async def test_card_that_is_bound_again_keeps_its_id_and_gets_the_new_token(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    card = await street.bound()
    turn_clock(MINUTE_MS)
    again = await street.bound()
    assert again.card_id == card.card_id
    await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    assert len((await street.sender.cards()).cards) == 1


async def test_eleventh_card_is_over_the_limit(street: Street) -> None:
    for n in range(10):
        await street.bound(number=number_of(n))
    with pytest.raises(LimitReached):
        await street.sender.bind_card(number_of(10), HOLDER, PHONE)


async def test_eleventh_card_confirmed_at_once_with_the_tenth_is_over_the_limit(street: Street, bank: Bank) -> None:
    for n in range(9):
        await street.bound(number=number_of(n))
    offers = []
    for n in (9, 10):
        offered = await street.sender.bind_card(number_of(n), HOLDER, PHONE)
        offers.append((offered.challenge_id, bank.code))
    confirming = []
    async with street.sql.transaction(), asyncio.timeout(PATIENCE_S):
        await street.sql.execute("LOCK TABLE cards IN SHARE MODE")  # it can be read: both count, and wait
        confirming = [asyncio.create_task(street.sender.confirm_card(*offer, PASSWORD)) for offer in offers]
        while await street.sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    results = await asyncio.gather(*confirming, return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["CardLine", "LimitReached"]


async def test_second_card_needs_the_password_that_the_first_has_set(street: Street, bank: Bank) -> None:
    await street.bound()
    offered = await street.sender.bind_card(OTHER_NUMBER, HOLDER, PHONE)
    assert not offered.sets_password
    with pytest.raises(PasswordWrong):
        await street.sender.confirm_card(offered.challenge_id, bank.code, "111111")
    await street.sender.confirm_card(offered.challenge_id, bank.code, PASSWORD)


async def test_confirmation_without_six_digits_uses_no_code(street: Street, bank: Bank) -> None:
    offered = await street.sender.bind_card(NUMBER, HOLDER, PHONE)
    for password in ("", "12345", "1234567", "12345a", "１２３４５６"):
        with pytest.raises(PasswordNeeded):
            await street.sender.confirm_card(offered.challenge_id, bank.code, password)
    assert await street.sql.fetchval("SELECT attempts FROM card_challenges") == 0


async def test_unbound_card_is_unbound_at_the_bank_and_pays_nothing(street: Street, bank: Bank) -> None:
    card = await street.bound()
    with pytest.raises(PasswordWrong):
        await street.sender.unbind_card(card.card_id, "111111")
    bank.faults["unbind"] = [away]
    with pytest.raises(BankAway):
        await street.sender.unbind_card(card.card_id, PASSWORD)
    await street.sender.unbind_card(card.card_id, PASSWORD)
    await street.sender.unbind_card(card.card_id, PASSWORD)  # again is harmless
    assert len(bank.unbound) == 1
    listed = await street.sender.cards()
    assert (listed.cards, listed.has_password) == ([], False)
    with pytest.raises(BadCard):
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    with pytest.raises(BadCard):
        await street.ben.unbind_card(card.card_id, PASSWORD)


async def test_card_of_another_user_pays_nothing(street: Street, bank: Bank) -> None:
    card = await street.bound()
    await street.bound(street.ben, OTHER_NUMBER)
    with pytest.raises(BadCard):
        await street.ben.top_up_by_card(card.card_id, 100, PASSWORD)
    with pytest.raises(BadCard):
        await street.ben.ask_password_reset(card.card_id)
    assert bank.orders == {}


async def test_server_without_a_bank_takes_no_cards(
    make_street: MakeStreet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "_gateways", lambda *_: {})
    street = await make_street()
    for refused in (
        street.sender.bind_card(NUMBER, HOLDER, PHONE),
        street.sender.top_up_by_card(1, 100),
        street.sender.withdraw_to_card(1, 100),
        street.send(card_id=1),
    ):
        with pytest.raises(BadCard):
            await refused
    assert (await street.sender.cards()).cards == []
    await street.send("from the wallet")


async def test_card_of_a_bank_that_is_not_configured_any_more_can_be_unbound_and_pays_nothing(
    make_street: MakeStreet, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await make_street()
    cards = [await first.bound(), await first.bound(number=OTHER_NUMBER)]
    monkeypatch.setattr(assembly, "_gateways", lambda *_: {})
    second = await make_street(server__node=1)
    for asked in (second.sender.ask_password_reset(cards[0].card_id), second.send("x", card_id=cards[0].card_id)):
        with pytest.raises((BankAway, BadCard)):
            await asked
    await second.sender.unbind_card(cards[0].card_id, PASSWORD)
    await second.backend.forget_user(1)
    assert (await second.sender.cards()).cards == []
    assert bank.unbound == []


async def test_keys_of_seals_may_be_replaced_while_cards_are_bound(
    street: Street, bank: Bank, discrepancies: AuditBooks
) -> None:
    card = await street.bound()
    cards = street.server.app.services.cards
    cards.secrets.use_keys({**SEED_KEYS, "new": b"n" * 32})
    assert await cards.service.seal_all() == 1
    assert await cards.service.seal_all() == 0
    await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)  # also renews the pepper
    cards.secrets.use_keys({"new": b"n" * 32})
    await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    assert [result for _, result in bank.done("charge")] == ["succeeded"] * 2
    assert await discrepancies() == []


def number_of(n: int) -> str:
    """A number with its check digit."""
    body = f"62220212345{n:04}"
    for digit in "0123456789":
        total = 0
        for place, one in enumerate(reversed(body + digit)):
            value = int(one) * (2 if place % 2 else 1)
            total += value - 9 if value > 9 else value
        if total % 10 == 0:
            return body + digit
    raise AssertionError
