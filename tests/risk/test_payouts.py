"""Money that leaves by a gateway is held back, too: payouts to a host wallet, withdrawals to cards, pays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from client_sim.sdk.errors import Refusal
from server.services.risk.engine import CHECK_AGAIN_MS
from tests.cards import conftest as cards
from tests.cards.conftest import PASSWORD, MakeStreet, bank, make_street
from tests.conftest import Turn
from tests.payments.conftest import (
    BEN,
    AgreeBooks,
    HostWallet,
    MakeRoom,
    StartWithHost,
    books_agree,
    host,
    make_room,
    start_with_host,
)
from tests.risk.test_effects import NEVER_BY_ITSELF, Meet, grown_up, judge, refused
from tests.risk.test_path import rules_file
from tests.services.conftest import until

__all__ = ["bank", "books_agree", "host", "make_room", "make_street", "start_with_host"]
NEW = '[[rules]]\nname = "new"\nwhen = "account_age_s < 86400"\nthen = "deny"\nsays = "new"\n'
LIMIT = NEW.replace('"deny"', '"limit"\nsend_fen_a_day = 1000')


async def test_payout_waits_in_the_wallet_and_goes_out_when_the_verdict_ends(
    start_with_host: StartWithHost,
    make_room: MakeRoom,
    host: HostWallet,
    books_agree: AgreeBooks,
    turn_clock: Turn,
) -> None:
    server = await start_with_host(risk__mode="on", risk__interval_s=NEVER_BY_ITSELF)
    room = await make_room(server)
    await room.sql.execute("UPDATE users SET known_at_ms = 0 WHERE user_id <> $1", BEN)
    await room.sql.execute("DELETE FROM risk_verdicts")
    before_fen = host.fen(BEN)
    opened = await room.ben.open(await room.send("k"))

    async def is_credited() -> bool:
        return (
            await room.sql.fetchval("SELECT balance_fen FROM wallets WHERE user_id = $1", BEN) == opened.amount_fen
        )

    await until(is_credited)
    payouts = server.app.services.payments.payouts
    assert payouts is not None
    await payouts.order([BEN])
    assert host.orders("payout") == []
    assert await room.ben.balance() == opened.amount_fen
    await grown_up(room.sql)
    turn_clock(CHECK_AGAIN_MS + 1)
    await judge(server)

    async def is_paid() -> bool:
        await payouts.order([BEN])
        await room.hurry()
        paid = "SELECT count(*) FROM payments WHERE kind = 'payout' AND state = 'succeeded'"
        return await room.sql.fetchval(paid) == 1

    await until(is_paid)
    assert host.fen(BEN) == before_fen + opened.amount_fen
    await books_agree()


async def test_denied_user_neither_withdraws_to_a_card_nor_pays(
    make_street: MakeStreet,
    tmp_path: Path,
    turn_clock: Turn,
) -> None:
    street = await make_street(
        risk__mode="on", risk__rules=rules_file(tmp_path, NEW), risk__interval_s=NEVER_BY_ITSELF
    )
    card = await street.bound()
    out = street.sender.withdraw_to_card(card.card_id, 400, PASSWORD, key="out")
    assert await refused(out) == ("not_allowed", "new")
    assert await refused(street.backend.pay(cards.SENDER, 100, "tea", key="tea")) == ("not_allowed", "new")
    await grown_up(street.sql)
    turn_clock(CHECK_AGAIN_MS + 1)
    await judge(street.server)
    assert (await street.sender.withdraw_to_card(card.card_id, 400, PASSWORD, key="out")).amount_fen == 400
    paid = await street.backend.pay(cards.SENDER, 100, "tea", key="tea")
    await street.sql.execute("UPDATE users SET known_at_ms = 4000000000000")
    await street.sql.execute("INSERT INTO risk_activity VALUES ($1)", cards.SENDER)
    await judge(street.server)

    async def is_denied() -> bool:
        found = await street.server.app.services.risk.held.verdict(cards.SENDER)  # type: ignore[union-attr]
        return found.holds_sends

    await until(is_denied)
    assert (await street.sender.withdraw_to_card(card.card_id, 400, key="out")).amount_fen == 400
    assert (await street.backend.pay(cards.SENDER, 100, "tea", key="tea")).at_ms == paid.at_ms


async def test_two_packets_by_card_at_once_do_not_pass_the_limit_of_a_day_together(
    make_street: MakeStreet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = await make_street(
        risk__mode="on", risk__rules=rules_file(tmp_path, LIMIT), risk__interval_s=NEVER_BY_ITSELF
    )
    card = await street.bound()
    met = Meet(monkeypatch, 2)  # before the charges, and again when both have succeeded
    both = (street.send(key, 800, card_id=card.card_id, password=PASSWORD) for key in ("a", "b"))
    sent = await asyncio.gather(*both, return_exceptions=True)
    (lost,) = [one for one in sent if isinstance(one, Refusal)]
    assert (lost.name, met.count) == ("limit", 4)
    assert await street.sql.fetchval("SELECT sum(total_fen) FROM packets") == 800
    charged = "SELECT count(*), sum(amount_fen) FROM payments WHERE state = 'succeeded'"
    assert tuple(await street.sql.fetchrow(charged) or ()) == (
        2,
        1_600,
    )  # the money of the other one is in the wallet
