"""Transcripts of plain mode with a bank: each branch of the send form, each refusal, and what stays secret."""

from __future__ import annotations

import re

import asyncpg
import pytest

from client_sim.bank.books import CARD_FEN, account_of
from client_sim.bank.faults import Fault, card_number
from client_sim.bank.server import BankServer
from client_sim.chat.money import payments
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from tests.bank.conftest import BankBooksAgree, StartWithBank
from tests.bank.talker import HOLDER, PASSWORD, PHONE, Talker, strings_in
from tests.conftest import Connect, Server, StartServer, Turn

Sql = asyncpg.Connection
ME, OTHER = "小梅", "阿强"
NUMBER, SECOND = card_number(), card_number(serial=2)
WRONG, NEW = "111111", "135791"
SENT = r"sent packet=\d+ kind=lucky total_fen=300 shares=2"
OFFER = rf"code_sent bank=测试银行 last4={NUMBER[-4:]} phone=138\*\*\*\*1234 expires_at_ms=\d+ sets_password=yes"


@pytest.fixture
async def server(start_with_bank: StartWithBank) -> Server:
    """A server with a bank."""
    return await start_with_bank()


@pytest.fixture
async def group_id(server: Server, connect: Connect) -> int:
    """A group of both users, who have nothing."""
    return await make_group(server, connect)


async def make_group(server: Server, connect: Connect) -> int:
    backend = await connect(server, 0)
    await backend.put_users({user_id_of(name): name for name in (ME, OTHER)})
    other = await connect(server, user_id_of(OTHER))
    group_id = await other.create_group("一家人")
    await backend.change_members(group_id, 1, joined=[user_id_of(ME)])
    return group_id


@pytest.fixture
async def money(server: Server, connect: Connect) -> Client:
    """The chat backend, which tops up."""
    return await connect(server, 0)


def fen_of_card(bank: BankServer, number: str = NUMBER) -> int:
    return bank.books.fen(account_of(number))


# --- the branches of the send form ------------------------------------------------------------------------------


async def test_send_without_a_card_is_paid_from_the_wallet_without_a_password(
    server: Server, bank: BankServer, group_id: int, money: Client
) -> None:
    await money.top_up(user_id_of(ME), 1_000)
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2 恭喜发财", "/wallet")
        await me.see(SENT, "wallet balance_fen=700 arriving_fen=0 takes_cards=yes cards=0")
        assert "checkout" not in me.out.getvalue()


async def test_send_with_a_short_wallet_binds_a_card_and_pays_the_same_packet(
    server: Server, bank: BankServer, group_id: int, money: Client, bank_books_agree: BankBooksAgree
) -> None:
    await money.top_up(user_id_of(ME), 299)
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2 恭喜发财")
        await me.see(
            "checkout what=packet amount_fen=300 balance_fen=299",
            'way way=wallet bank="" last4="" short=yes password=no',
            'way way=new bank="" last4="" short=no password=no',
        )
        me.type(f"/bind {NUMBER} {PHONE} {HOLDER}")
        await me.see(OFFER)
        me.type(f"/code {await me.code()} {PASSWORD} {PASSWORD}")
        await me.see(rf"bound card=\d+ bank=测试银行 last4={NUMBER[-4:]}", SENT)
        await me.find("packet group=.* kind=lucky shares=2 state=open greeting=恭喜发财")
        first, second = me.client.asked
        assert (first.card_id, second.card_id > 0) == (0, True)
        assert (first.key, first.client_seed) == (second.key, second.client_seed)
        me.type("/pay")
        await me.see('bad why=nothing_to_pay verb=pay text=""')
        me.type("/balance")
        await me.see("balance reason=asked balance_fen=299 .*")
    assert fen_of_card(bank) == CARD_FEN - 300
    await bank_books_agree()


async def test_send_with_a_card_asks_for_way_and_password_and_pays_from_the_wallet(
    server: Server, bank: BankServer, group_id: int, money: Client
) -> None:
    await money.top_up(user_id_of(ME), 1_000)
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(NUMBER)
        me.type("/send 3 2 恭喜发财")
        await me.see(
            "checkout what=packet amount_fen=300 balance_fen=1000",
            'way way=wallet bank="" last4="" short=no password=yes',
            rf"way way=1 bank=测试银行 last4={NUMBER[-4:]} short=no password=yes",
            'way way=new bank="" last4="" short=no password=no',
        )
        me.type("/pay wallet")
        await me.see("refused name=password_needed temporary=no .*")
        me.type(f"/pay wallet {WRONG}")
        await me.see('refused name=password_wrong temporary=no detail="attempts left: 4"')
        me.type(f"/pay wallet {PASSWORD}")
        await me.see(SENT)
        await me.find("packet .* greeting=恭喜发财")
        assert len({(one.key, one.client_seed) for one in me.client.asked}) == 1
        me.type("/balance")
        await me.see("balance reason=asked balance_fen=700 .*")
    assert fen_of_card(bank) == CARD_FEN


@pytest.mark.parametrize("way", ["1", NUMBER[-4:]])
async def test_send_by_a_card_leaves_the_wallet_alone(
    server: Server, bank: BankServer, group_id: int, money: Client, way: str
) -> None:
    await money.top_up(user_id_of(ME), 1_000)
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(NUMBER)
        me.type("/equal 1.50 2 新年快乐", f"/pay {way} {PASSWORD}", "/balance")
        await me.see(
            "checkout what=packet amount_fen=300 balance_fen=1000",
            r"sent packet=\d+ kind=equal total_fen=300 shares=2",
            "balance reason=asked balance_fen=1000 .*",
        )
    assert fen_of_card(bank) == CARD_FEN - 300


async def test_send_with_a_card_may_bind_another_one_that_pays(
    server: Server, bank: BankServer, group_id: int
) -> None:
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(NUMBER)
        me.type("/send 3 2", "/pay new")
        await me.see("checkout .*", "card_needed what=packet amount_fen=300")
        me.type(f"/bind {SECOND} {PHONE} {HOLDER}")
        await me.see(r"code_sent .* sets_password=no")
        me.type(f"/code {await me.code()} {PASSWORD}")
        await me.see("bound .*", SENT)
    assert (fen_of_card(bank), fen_of_card(bank, SECOND)) == (CARD_FEN, CARD_FEN - 300)


async def test_send_to_one_user_has_amount_and_greeting_only(
    server: Server, bank: BankServer, group_id: int
) -> None:
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(NUMBER)
        personal = r"sent packet=\d+ kind=personal total_fen=520 shares=1"
        me.type(f"/to {OTHER} 5.20 爱你", f"/pay 1 {PASSWORD}")
        await me.see("checkout what=packet amount_fen=520 .*", personal)
        me.type(f"/chat {OTHER}", "/send 5.20 1 爱你", f"/pay 1 {PASSWORD}")
        await me.see("here .*", "checkout what=packet amount_fen=520 .*", personal)


async def test_payment_that_is_cancelled_is_not_paid_by_the_next_card(
    server: Server, bank: BankServer, group_id: int
) -> None:
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2", "/pay cancel", "/pay")
        await me.see("checkout .*", "cancelled what=packet amount_fen=300", "bad why=nothing_to_pay .*")
        await me.bind(NUMBER)
        me.type("/records sent")
        await me.see("records direction=sent .* count=0 .*")
    assert fen_of_card(bank) == CARD_FEN


# --- the wallet -------------------------------------------------------------------------------------------------


async def test_wallet_commands_top_up_withdraw_and_transfer(
    server: Server, bank: BankServer, group_id: int, bank_books_agree: BankBooksAgree
) -> None:
    async with Talker(server, bank, ME, group_id) as me, Talker(server, bank, OTHER, group_id) as other:
        me.type("/topup 50")
        await me.see(
            "checkout what=topup amount_fen=5000 balance_fen=0",
            'way way=new bank="" last4="" short=no password=no',
        )
        await me.bind(NUMBER)
        await me.see(r"topped_up payment=\d+ state=succeeded amount_fen=5000")
        me.type("/withdraw 20", f"/pay 1 {PASSWORD}")
        await me.see("checkout what=withdraw .*", r"withdrawn payment=\d+ state=\w+ amount_fen=2000")
        me.type(f"/transfer {OTHER} 10 谢谢", f"/pay wallet {PASSWORD}")
        await me.see(
            "checkout what=transfer .*",
            "way way=wallet .* password=yes",
            rf"transferred user={user_id_of(OTHER)} name={OTHER} amount_fen=1000",
        )
        await other.see("balance reason=transfer balance_fen=1000 change_fen=1000 .*")
        other.type(f"/transfer {ME} 4", "/withdraw 1")  # without a card: at once, and nothing to withdraw to
        await other.see(
            "transferred .* amount_fen=400",
            "checkout what=withdraw .*",
            "way way=new .*",
        )
        me.type("/cards", "/wallet")
        masked = rf"bank=测试银行 last4={NUMBER[-4:]} holder=\*\*明 phone=138\*\*\*\*1234"
        await me.see(
            rf"card way=1 card=\d+ {masked} at_ms=\d+",
            "cards count=1 takes_cards=yes password=yes",
            "wallet balance_fen=2400 arriving_fen=0 takes_cards=yes cards=1",
        )
        me.type(f"/unbind 1 {WRONG}", f"/unbind 1 {PASSWORD}", "/cards")
        await me.see("refused name=password_wrong .*", "unbound .*", "cards count=0 takes_cards=yes password=no")
    assert fen_of_card(bank) == CARD_FEN - 5_000 + 2_000
    await bank_books_agree()


async def test_first_packet_that_is_received_points_to_the_wallet_once(
    server: Server, bank: BankServer, group_id: int, money: Client, connect: Connect
) -> None:
    await money.top_up(user_id_of(OTHER), 1_000)
    other = await connect(server, user_id_of(OTHER))
    async with Talker(server, bank, ME, group_id) as me:
        for _ in range(2):
            await other.send_packet("equal", group_id, 100, 1)
            await me.see("packet .* kind=equal .*")
            me.type("/open")
            await me.see("balance reason=claim .*")
            await other.say(group_id, "next")
            await me.see("text .* text=next")  # pushes are taken in one after another
        first = re.findall(r"^first_packet packet=\d+ amount_fen=100$", me.out.getvalue(), re.MULTILINE)
        assert len(first) == 1
    async with Talker(server, bank, ME, group_id) as me:
        await other.send_packet("equal", group_id, 100, 1)
        await me.see("packet .* kind=equal .*")
        me.type("/open")
        await me.see("balance reason=claim .*")
        await other.say(group_id, "next")
        await me.see("text .* text=next")
        assert "first_packet" not in me.out.getvalue()


# --- refusals ---------------------------------------------------------------------------------------------------


async def test_card_that_cannot_be_bound_says_why_and_the_packet_still_waits(
    server: Server, bank: BankServer, group_id: int
) -> None:
    blocked = card_number(Fault.CARD_REFUSED)
    mistyped = f"{NUMBER[:-1]}{(int(NUMBER[-1]) + 1) % 10}"
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2", f"/bind {mistyped} {PHONE} {HOLDER}", f"/bind {blocked} {PHONE} {HOLDER}")
        await me.see("checkout .*", "refused name=bad_card .*", 'refused name=bank_declined .* detail=".*blocked"')
        me.type("/bind", "/bind 1", f"/code {WRONG} {PASSWORD} {PASSWORD}")
        await me.see("bad why=missing verb=bind .*", "bad why=missing verb=bind .*", "bad why=no_code_sent .*")
        await me.bind(NUMBER)
        await me.see(SENT)


async def test_card_of_another_holder_is_taken(
    server: Server, bank: BankServer, group_id: int, turn_clock: Turn
) -> None:
    async with Talker(server, bank, OTHER, group_id) as other, Talker(server, bank, ME, group_id) as me:
        await other.bind(NUMBER)
        turn_clock(61_000)
        bank.books.db.execute("UPDATE cards SET holder = '李四'")  # the bank has given it to another holder
        me.type(f"/bind {NUMBER} {PHONE} 李四")
        await me.see("refused name=card_taken temporary=no .*")


async def test_codes_that_are_wrong_spent_or_too_soon_say_so(
    server: Server, bank: BankServer, group_id: int, turn_clock: Turn
) -> None:
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2", f"/bind {NUMBER} {PHONE} {HOLDER}")
        await me.see("checkout .*", OFFER)
        me.type("/code")
        await me.see("refused name=code_too_soon .*")
        wrong = f"{(int(await me.code()) + 1) % 1_000_000:06}"
        me.type(f"/code {wrong} {PASSWORD} {WRONG}")
        await me.see('bad why=passwords_differ verb=code text=""')  # which costs no attempt
        for left in (4, 3, 2, 1, 0):
            me.type(f"/code {wrong} {PASSWORD} {PASSWORD}")
            await me.see(f'refused name=code_wrong temporary=no detail="attempts left: {left}"')
        me.type(f"/code {await me.code()} {PASSWORD} {PASSWORD}")
        await me.see("refused name=code_spent .*")
        turn_clock(61_000)
        await me.bind(NUMBER)
        await me.see(SENT)


async def test_code_that_is_sent_again_binds(
    server: Server, bank: BankServer, group_id: int, turn_clock: Turn
) -> None:
    async with Talker(server, bank, ME, group_id) as me:
        me.type(f"/bind {NUMBER} {PHONE} {HOLDER}")
        await me.see(OFFER)
        turn_clock(61_000)
        me.type("/code")
        await me.see(OFFER)
        assert len(bank.books.inbox(PHONE)) == 2
        me.type(f"/code {await me.code()} {PASSWORD} {PASSWORD}")
        await me.see("bound .*")


async def test_password_that_is_wrong_five_times_is_locked_until_it_is_reset(
    server: Server, bank: BankServer, group_id: int, turn_clock: Turn
) -> None:
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(NUMBER)
        me.type("/send 3 2", "/pay 1")
        await me.see("checkout .*", "refused name=password_needed .*")
        for left in (4, 3, 2, 1):
            me.type(f"/pay 1 {WRONG}")
            await me.see(f'refused name=password_wrong .* detail="attempts left: {left}"')
        me.type(f"/pay 1 {WRONG}", f"/pay 1 {PASSWORD}")
        locked = r'refused name=password_locked .* detail="locked until: \d{13}"'
        await me.see(locked, locked)
        assert fen_of_card(bank) == CARD_FEN
        turn_clock(61_000)
        me.type(f"/reset 123456 {NEW} {NEW}", "/reset")
        await me.see("bad why=no_reset_code .*", "code_sent .*")
        me.type(f"/reset {await me.code()} {NEW} {WRONG}", f"/reset {await me.code()} {NEW} {NEW}")
        await me.see("bad why=passwords_differ verb=reset .*", "password_set")
        me.type(f"/pay 1 {NEW}", f"/password {NEW} {PASSWORD} {PASSWORD}")
        await me.see(SENT, "password_set")


async def test_card_without_money_is_declined_and_another_try_is_another_payment(
    server: Server, bank: BankServer, group_id: int, bank_books_agree: BankBooksAgree
) -> None:
    empty = card_number(Fault.NO_MONEY)
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(NUMBER)
        me.type(f"/bind {empty} {PHONE} {HOLDER}")
        await me.see("code_sent .*")
        me.type(f"/code {await me.code()} {PASSWORD}")
        await me.see("bound .*")
        me.type("/send 3 2", f"/pay 2 {PASSWORD}", f"/pay 1 {PASSWORD}")
        await me.see("checkout .*", 'refused name=bank_declined temporary=no detail="insufficient funds"', SENT)
        first, second = me.client.asked
        assert first.key != second.key
    assert fen_of_card(bank) == CARD_FEN - 300
    await bank_books_agree()


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.PROCESSING])
async def test_payment_whose_outcome_is_unknown_is_asked_about_with_the_same_key(
    server: Server, bank: BankServer, group_id: int, bank_books_agree: BankBooksAgree, fault: Fault
) -> None:
    bank.notices.url = ""  # otherwise the notice could come before the answer
    number = card_number(fault)
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2")
        await me.see("checkout .*")
        await me.bind(number)
        await me.see("unknown_yet what=packet amount_fen=300", SENT)
        assert len({(one.key, one.client_seed) for one in me.client.asked}) == 1
        assert len(me.client.asked) >= 3
    assert fen_of_card(bank, number) == CARD_FEN - 300
    await bank_books_agree()


async def test_payment_that_is_unknown_stays_the_same_one_after_another_card_was_tried_and_it_is_typed_again(
    server: Server,
    bank: BankServer,
    group_id: int,
    bank_books_agree: BankBooksAgree,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bank.notices.url = ""
    lost = card_number(Fault.REPLY_LOST)
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(lost)
        me.type(f"/bind {SECOND} {PHONE} {HOLDER}")
        await me.see("code_sent .*")
        me.type(f"/code {await me.code()} {PASSWORD}")
        await me.see("bound .*")
        monkeypatch.setattr(payments, "UNKNOWN_PATIENCE_S", 0.0)
        me.type("/send 3 2", f"/pay 1 {PASSWORD}", f"/pay 2 {PASSWORD}")
        await me.see("checkout .*", "refused name=bank_unknown .*", "refused name=key_reused .*")
        monkeypatch.undo()
        me.type("/send 3 2", f"/pay 1 {PASSWORD}")
        await me.see("checkout .*", SENT)
        assert len({(one.key, one.client_seed) for one in me.client.asked}) == 1
    assert (fen_of_card(bank, lost), fen_of_card(bank, SECOND)) == (CARD_FEN - 300, CARD_FEN)
    await bank_books_agree()


async def test_bank_that_is_away_takes_no_card_and_the_packet_still_waits(
    server: Server, bank: BankServer, group_id: int
) -> None:
    port = int(bank.url.rpartition(":")[2])
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2")
        await me.see("checkout .*")
        await bank.stop()
        me.type(f"/bind {NUMBER} {PHONE} {HOLDER}")
        await me.see("refused name=bank_away temporary=yes .*")
        await bank.start(port=port)
        await me.bind(NUMBER)
        await me.see(SENT)


async def test_amount_over_the_limit_of_a_day_is_refused(
    start_with_bank: StartWithBank, bank: BankServer, connect: Connect
) -> None:
    server = await start_with_bank(payments__day_limit_fen=500)
    group_id = await make_group(server, connect)
    async with Talker(server, bank, ME, group_id) as me:
        await me.bind(NUMBER)
        me.type("/send 3 2", f"/pay 1 {PASSWORD}", "/send 2.01 2", f"/pay 1 {PASSWORD}")
        await me.see(SENT, 'refused name=limit temporary=no detail="at most 500 fen a day, 300 are paid"')


async def test_first_password_of_a_user_without_a_card_is_set_where_all_need_one(
    start_with_bank: StartWithBank, bank: BankServer, connect: Connect
) -> None:
    server = await start_with_bank(payments__wallet_password="always")
    group_id = await make_group(server, connect)
    await (await connect(server, 0)).top_up(user_id_of(ME), 1_000)
    async with Talker(server, bank, ME, group_id) as me:
        me.type(
            "/send 3 2", f"/pay wallet {PASSWORD}", f"/password {PASSWORD} {PASSWORD}", f"/pay wallet {PASSWORD}"
        )
        await me.see("checkout .*", "refused name=password_needed .*", "password_set", SENT)


# --- what is not there ------------------------------------------------------------------------------------------


async def test_server_without_a_bank_offers_no_cards(
    start_server: StartServer, bank: BankServer, connect: Connect
) -> None:
    server = await start_server()
    group_id = await make_group(server, connect)
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2", "/topup 5", "/withdraw 5", "/cards", f"/bind {NUMBER} {PHONE} {HOLDER}", "/wallet")
        await me.see(
            "refused name=not_enough_money .*",
            'bad why=no_cards_here verb=topup text=""',
            'bad why=no_cards_here verb=withdraw text=""',
            "cards count=0 takes_cards=no password=no",
            'bad why=no_cards_here verb=bind text=""',
            "wallet balance_fen=0 arriving_fen=0 takes_cards=no cards=0",
        )
        assert "checkout" not in me.out.getvalue()


async def test_numbers_codes_and_passwords_stay_nowhere(
    server: Server, bank: BankServer, group_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    async with Talker(server, bank, ME, group_id) as me:
        me.type("/send 3 2")
        await me.see("checkout .*")
        await me.bind(NUMBER)
        await me.see(SENT)
        code = await me.code()
        me.type(f"/send 3 2 {'x' * 200}", f"/pay 1 {PASSWORD}")
        await me.see("refused name=bad_greeting .*")
        me.type(f"/pay {PASSWORD}", f"/code {code} {PASSWORD} {PASSWORD} {NUMBER}", f"/unbind 7 {PASSWORD}")
        await me.see("bad why=no_such_way .*", "bad why=not_understood .*", "bad why=no_such_card .*")
        secrets = (NUMBER, code, PASSWORD, PHONE, HOLDER)
        kept = [text for part in (me.session.model, me.session.desk) for text in strings_in(part)]
        kept += [me.out.getvalue(), caplog.text]
        assert ME in kept
        assert [secret for secret in secrets if any(secret in text for text in kept)] == []
