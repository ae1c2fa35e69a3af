"""Pay passwords: six digits, counted attempts, a lock, a reset by a code."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

import pytest

from client_sim.sdk import (
    CodeSpent,
    CodeWrong,
    LimitReached,
    Overloaded,
    PasswordLocked,
    PasswordNeeded,
    PasswordWrong,
)
from server.core.refusals import Reason, RequestRefused
from server.loop import NICE_MAX
from server.services.cards import passwords
from server.services.cards.passwords import NICER, PasswordService
from server.services.cards.recently_right import RecentlyRight
from storage.errors import StoreUnavailable
from tests.cards.conftest import OTHER_NUMBER, PASSWORD, Bank, MakeStreet, Street
from tests.conftest import PATIENCE_S, SEED_KEYS, Turn
from tests.services.conftest import until

MINUTE_MS = 60_000
LOCK_MS = 3 * 3_600_000
OF_THE_PROGRAM = {name: getattr(passwords, name) for name in ("TIME_COST", "MEMORY_KIB")}  # of its hashes


async def test_password_wrong_tells_the_attempts_left_and_the_fifth_locks(street: Street, bank: Bank) -> None:
    card = await street.bound()
    left = []
    for _ in range(4):
        with pytest.raises(PasswordWrong) as refused:
            await street.sender.top_up_by_card(card.card_id, 100, "111111")
        left.append(refused.value.attempts_left)
    assert left == [4, 3, 2, 1]
    for password in ("111111", PASSWORD):  # the right one too
        with pytest.raises(PasswordLocked) as locked:
            await street.sender.top_up_by_card(card.card_id, 100, password)
    assert 0 < locked.value.locked_until_ms - street.server.app._clock.now_ms() <= LOCK_MS
    assert locked.value.temporary
    assert bank.orders == {}


async def test_password_right_after_four_wrong_ones_counts_from_the_beginning(street: Street) -> None:
    card = await street.bound()
    for _ in range(2):
        for _ in range(4):
            with pytest.raises(PasswordWrong):
                await street.sender.top_up_by_card(card.card_id, 100, "111111")
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)


async def test_password_attempts_at_once_cannot_be_more_than_five(street: Street, bank: Bank) -> None:
    card = await street.bound()
    guesses = [f"{n:06}" for n in range(30)]
    results = await asyncio.gather(
        *(street.sender.top_up_by_card(card.card_id, 100, guess) for guess in guesses), return_exceptions=True
    )
    compared = [one for one in results if isinstance(one, PasswordWrong)]
    locked = [one for one in results if isinstance(one, PasswordLocked)]
    assert len(compared) == 4
    assert len(locked) == 26  # the fifth was compared, and locks
    assert await street.sql.fetchval("SELECT failures FROM payers WHERE user_id = 1") == 5
    assert bank.orders == {}


async def test_password_attempts_at_once_at_many_servers_cannot_be_more_than_five(street: Street) -> None:
    await street.bound()
    cards = street.server.app.services.cards
    store, now_ms = street.server.app.stores.payers, street.server.app._clock.now_ms
    many = [
        PasswordService(store, cards.secrets, passwords.Hashing(), RecentlyRight(os.urandom), now_ms)
        for _ in range(12)
    ]
    results = await asyncio.gather(*(one.check(1, f"{n:06}") for n, one in enumerate(many)), return_exceptions=True)
    reasons = [one.reason for one in results if isinstance(one, RequestRefused)]
    assert sorted(reasons) == [Reason.PASSWORD_LOCKED] * 8 + [Reason.PASSWORD_WRONG] * 4
    assert await street.sql.fetchval("SELECT failures FROM payers WHERE user_id = 1") == 5


async def test_password_that_is_right_in_many_payments_at_once_does_not_lock(street: Street, bank: Bank) -> None:
    card = await street.bound()
    await asyncio.gather(*(street.sender.top_up_by_card(card.card_id, 100, PASSWORD) for _ in range(12)))
    assert bank.done("charge") == [(100, "succeeded")] * 12


async def test_password_attempt_is_counted_also_if_its_server_is_killed_while_comparing(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await street.bound()
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def hangs(*_: object) -> bool:
        begun.set()
        await goes_on.wait()
        return False

    monkeypatch.setattr(passwords.Hashing, "fits", hangs)
    asking = asyncio.create_task(street.sender.top_up_by_card(card.card_id, 100, PASSWORD))
    await asyncio.wait_for(begun.wait(), 30)
    asking.cancel()
    assert await street.sql.fetchval("SELECT failures FROM payers WHERE user_id = 1") == 1
    goes_on.set()  # or the server would drain for half a minute


async def test_password_that_is_right_is_not_counted_while_its_record_gets_no_reply(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise five payments in an outage would lock a user who has typed the right password each time."""
    await street.bound()
    service = street.server.app.services.cards.passwords
    real, is_away = service._store.fitted, True

    async def fitted(*asked: Any) -> bool:
        if is_away:
            raise StoreUnavailable("no answer")
        return await real(*asked)

    monkeypatch.setattr(service._store, "fitted", fitted)
    for _ in range(6):
        with pytest.raises(StoreUnavailable):
            await service.check(1, PASSWORD)
    assert tuple(await street.sql.fetchrow("SELECT failures, locked_until_ms FROM payers")) == (1, 0)
    is_away = False

    async def is_recorded() -> bool:  # also if the user asks for nothing more
        return bool(await street.sql.fetchval("SELECT failures = 0 FROM payers"))

    await until(is_recorded)
    await service.check(1, PASSWORD)


async def test_password_lock_of_a_right_attempt_ends_when_it_is_recorded(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    await street.bound()
    service = street.server.app.services.cards.passwords
    for _ in range(4):
        with pytest.raises(RequestRefused):
            await service.check(1, "000000")
    real, outages = service._store.fitted, 1

    async def fitted(*asked: Any) -> bool:
        nonlocal outages
        outages -= 1
        if outages >= 0:
            raise StoreUnavailable("no answer")
        return await real(*asked)

    monkeypatch.setattr(service._store, "fitted", fitted)
    with pytest.raises(StoreUnavailable):
        await service.check(1, PASSWORD)  # the fifth: it locks until it is known to be right
    await service.check(1, PASSWORD)
    with pytest.raises(RequestRefused, match="attempts left: 4"):
        await service.check(1, "000000")


async def test_password_lock_ends_after_three_hours(street: Street, turn_clock: Turn) -> None:
    card = await street.bound()
    for n in range(5):
        with pytest.raises(PasswordLocked if n == 4 else PasswordWrong):
            await street.sender.top_up_by_card(card.card_id, 100, "111111")
    turn_clock(LOCK_MS - 60_000)
    with pytest.raises(PasswordLocked):
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    turn_clock(LOCK_MS + 1_000)
    with pytest.raises(PasswordWrong) as refused:
        await street.sender.top_up_by_card(card.card_id, 100, "111111")
    assert refused.value.attempts_left == 4
    await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)


async def test_password_of_another_server_counts_too(make_street: MakeStreet) -> None:
    street = await make_street()
    card = await street.bound()
    for _ in range(4):
        with pytest.raises(PasswordWrong):
            await street.sender.top_up_by_card(card.card_id, 100, "111111")
    second = await make_street(server__node=1)
    with pytest.raises(PasswordLocked):
        await second.sender.top_up_by_card(card.card_id, 100, "111111")


async def test_password_is_reset_by_a_code_to_a_bound_card_also_while_locked(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    card = await street.bound()
    for n in range(5):
        with pytest.raises(PasswordLocked if n == 4 else PasswordWrong):
            await street.sender.top_up_by_card(card.card_id, 100, "111111")
    turn_clock(MINUTE_MS)
    sent = await street.sender.ask_password_reset(card.card_id)
    assert sent.phone == "138****1234"
    assert list(bank.messages.values())[-1][0] in bank.fen  # to the token of the card
    with pytest.raises(CodeWrong):
        await street.sender.reset_password(sent.challenge_id, "x", "135791")
    with pytest.raises(PasswordNeeded):
        await street.sender.reset_password(sent.challenge_id, bank.code, "13579")
    await street.sender.reset_password(sent.challenge_id, bank.code, "135791")
    with pytest.raises(CodeSpent):
        await street.sender.reset_password(sent.challenge_id, bank.code, "000000")
    with pytest.raises(PasswordWrong):
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    await street.sender.top_up_by_card(card.card_id, 100, "135791")


async def test_code_for_a_reset_used_twice_at_once_sets_one_password(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    card = await street.bound()
    turn_clock(MINUTE_MS)
    sent = await street.sender.ask_password_reset(card.card_id)
    results = await asyncio.gather(
        street.sender.reset_password(sent.challenge_id, bank.code, "111111"),
        street.sender.reset_password(sent.challenge_id, bank.code, "222222"),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["CodeSpent", "NoneType"]
    set_to = "111111" if results[0] is None else "222222"
    await street.sender.top_up_by_card(card.card_id, 100, set_to)


async def test_code_to_bind_resets_no_password_and_the_other_way_round(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    card = await street.bound()
    offered = await street.sender.bind_card(OTHER_NUMBER, "王小明", "13900001234")
    with pytest.raises(CodeSpent):
        await street.sender.reset_password(offered.challenge_id, bank.code, "135791")
    turn_clock(MINUTE_MS)
    sent = await street.sender.ask_password_reset(card.card_id)
    with pytest.raises(CodeSpent):
        await street.sender.confirm_card(sent.challenge_id, bank.code, PASSWORD)


async def test_code_for_a_card_that_was_unbound_meanwhile_resets_nothing(
    street: Street, bank: Bank, turn_clock: Turn
) -> None:
    card = await street.bound()
    await street.bound(number=OTHER_NUMBER)
    turn_clock(MINUTE_MS)
    sent = await street.sender.ask_password_reset(card.card_id)
    await street.sender.unbind_card(card.card_id, PASSWORD)
    with pytest.raises(Exception, match="bad_card"):
        await street.sender.reset_password(sent.challenge_id, bank.code, "135791")


async def test_password_is_changed_by_the_present_one(street: Street) -> None:
    card = await street.bound()
    with pytest.raises(PasswordWrong):
        await street.sender.set_password("111111", "135791")
    with pytest.raises(PasswordNeeded):
        await street.sender.set_password(PASSWORD, "1357")
    await street.sender.set_password(PASSWORD, "135791")
    await street.sender.top_up_by_card(card.card_id, 100, "135791")
    with pytest.raises(PasswordNeeded):
        await street.ben.set_password("", "135791")  # who has none: the first card sets it


async def test_password_replaced_while_it_was_compared_does_not_fit(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await street.bound()
    service = street.server.app.services.cards.passwords
    fits = passwords.Hashing.fits

    async def replaced_meanwhile(hashing: passwords.Hashing, password_hash: str, secret: bytes) -> bool:
        did_fit = await fits(hashing, password_hash, secret)
        await service._store.put(1, await service.hashed(1, "135791"))
        return did_fit

    monkeypatch.setattr(passwords.Hashing, "fits", replaced_meanwhile)
    with pytest.raises(PasswordWrong):
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)


async def test_password_hashes_say_argon2id_and_differ_for_equal_passwords(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OF_THE_PROGRAM.items():
        monkeypatch.setattr(passwords, name, value)
    await street.bound()
    await street.bound(street.ben, OTHER_NUMBER)
    hashes = [row[0] for row in await street.sql.fetch("SELECT password_hash FROM payers ORDER BY user_id")]
    assert all(one.startswith("$argon2id$v=19$m=7168,t=5,p=1$") for one in hashes)
    assert hashes[0] != hashes[1]


async def test_password_needs_the_pepper_that_is_not_in_the_database(street: Street) -> None:
    import argon2

    card = await street.bound()
    (stored,) = [row[0] for row in await street.sql.fetch("SELECT password_hash FROM payers")]
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(stored, PASSWORD)
    street.server.app.services.cards.secrets.use_keys({"other": b"o" * 32})
    with pytest.raises(PasswordNeeded, match="reset it by a code"):
        await street.sender.top_up_by_card(card.card_id, 100, PASSWORD)
    street.server.app.services.cards.secrets.use_keys(SEED_KEYS)


async def test_passwords_beyond_the_bound_are_refused_and_not_counted(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = await street.bound()
    monkeypatch.setattr(passwords, "WAITING_MAX", 0)
    with pytest.raises(Overloaded):
        await street.sender.top_up_by_card(card.card_id, 100, "111111")
    assert await street.sql.fetchval("SELECT failures FROM payers WHERE user_id = 1") == 0


async def test_loop_goes_on_while_a_password_is_hashed(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    card = await street.bound()
    begun, may_end = threading.Event(), threading.Event()
    verify = passwords.Hashing._verify

    def slow(hashing: passwords.Hashing, password_hash: str, secret: bytes) -> bool:
        begun.set()
        assert may_end.wait(PATIENCE_S)
        return verify(hashing, password_hash, secret)

    monkeypatch.setattr(passwords.Hashing, "_verify", slow)
    paying = asyncio.create_task(street.sender.top_up_by_card(card.card_id, 100, PASSWORD))
    assert await asyncio.to_thread(begun.wait, PATIENCE_S)
    assert await street.ben.balance() == 50_000  # another user is served meanwhile
    assert not paying.done()
    may_end.set()
    await paying


@pytest.mark.parametrize(("rule", "needed"), [("never", False), ("card", True), ("always", True)])
async def test_wallet_payments_need_the_password_as_the_config_says(
    make_street: MakeStreet, rule: str, needed: bool
) -> None:
    street = await make_street(payments__wallet_password=rule)
    if rule == "always":
        with pytest.raises(PasswordNeeded):
            await street.ben.transfer(3, 10)
        await street.ben.set_password("", "135791")
        with pytest.raises(PasswordNeeded):
            await street.ben.set_password("", "000000")  # only the first one
        await street.ben.transfer(3, 10, password="135791")
    else:
        await street.ben.transfer(3, 10)  # no card: no password
    if rule == "always":
        await street.sender.set_password("", PASSWORD)
    await street.bound()
    if needed:
        for asked in (street.send("k"), street.sender.transfer(2, 10, key="t")):
            with pytest.raises(PasswordNeeded):
                await asked
        with pytest.raises(PasswordWrong):
            await street.send("k", password="111111")
    await street.send("k", password=PASSWORD if needed else "")
    await street.send("k", password="")  # it was allowed: asked again it needs no password
    await street.sender.transfer(2, 10, key="t", password=PASSWORD if needed else "")
    await street.sender.transfer(2, 10, key="t")


async def test_codes_of_a_user_have_a_bound_a_day_over_all_cards(street: Street, turn_clock: Turn) -> None:
    card = await street.bound()
    for minute in range(1, 20):
        turn_clock(minute * MINUTE_MS)
        await street.sender.ask_password_reset(card.card_id)
    turn_clock(20 * MINUTE_MS)
    with pytest.raises(LimitReached):
        await street.sender.bind_card(OTHER_NUMBER, "王小明", "13900001234")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority of its own")
async def test_passwords_are_hashed_at_a_lower_priority_than_the_loop_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "NICER", NICER)
    hashing, own = passwords.Hashing(), os.getpriority(os.PRIO_PROCESS, 0)
    of_thread = await hashing._run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert of_thread == min(own + NICER, NICE_MAX)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own
