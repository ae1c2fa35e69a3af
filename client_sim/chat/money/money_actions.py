"""The commands on money, for plain mode: the wallet, records, statement, payments. Each raises ClientError."""

from __future__ import annotations

from client_sim.chat import packet_requests
from client_sim.chat.commands import BadCommand
from client_sim.chat.money import card_requests, payments
from client_sim.chat.money.checkout import NEW_CARD, TOP_UP, TRANSFER, WITHDRAWAL, Order, way_named, ways_of
from client_sim.chat.session import Fields, Session
from client_sim.chat.users import find_user


async def records(session: Session, direction: str, year: int) -> None:
    """One event for the sums of a year, then one for each packet."""
    shown = await packet_requests.records(session, direction, year)
    years = ",".join(map(str, shown.years))
    sums: Fields = {"count": shown.count, "total_fen": shown.total_fen, "best_lucks": shown.best_lucks}
    session.emit("records", direction=direction, year=shown.year, years=years, **sums, more=shown.more)
    for one in shown.lines:
        other: Fields = {"user": one.user_id, "name": one.name, "amount_fen": one.amount_fen}
        count: Fields = {"shares": one.shares, "opened": one.opened, "state": one.state}
        about: Fields = {"kind": one.packet_kind, "at_ms": one.at_ms, **other, **count}
        session.emit("record", packet=one.packet_id, **about, best=one.is_best)


async def statement(session: Session) -> None:
    """One event for each of the newest changes of the wallet."""
    for one in (await packet_requests.statement(session)).lines:
        fen: Fields = {"change_fen": one.change_fen, "balance_fen": one.balance_fen}
        other: Fields = {"user": one.other_id, "name": one.other_name, "packet": one.packet_id}
        session.emit("entry", reason=one.reason, at_ms=one.at_ms, **fen, **other)


async def wallet(session: Session) -> None:
    """What is in the wallet and arriving, and whether there are cards."""
    found = await session.client.wallet()
    payer = await card_requests.learn(session)
    fen: Fields = {"balance_fen": found.balance_fen, "arriving_fen": found.arriving_fen}
    session.take_wallet(found.balance_fen, found.arriving_fen, 0, "wallet")
    session.emit("wallet", **fen, takes_cards=payer.takes_cards, cards=len(payer.cards))


async def top_up(session: Session, amount_fen: int) -> None:
    """Money from a card into the wallet."""
    await payments.begin(session, Order(TOP_UP, amount_fen, amount_fen))


async def withdraw(session: Session, amount_fen: int) -> None:
    """Money from the wallet to a card."""
    await payments.begin(session, Order(WITHDRAWAL, amount_fen, amount_fen))


async def transfer(session: Session, user: str, amount_fen: int, text: str) -> None:
    """Money from the wallet to another user."""
    user_id = await find_user(session, user)
    await payments.begin(session, Order(TRANSFER, amount_fen, amount_fen, user_id, text=text))


async def money_form(session: Session, what: str) -> None:
    """There is no form in a pipe."""
    raise BadCommand("missing", what, "amount_fen")


async def pay(session: Session, way: str, password: str) -> None:
    """Pay what the last `checkout` asked for. `way`: wallet, the place or last digits of a card, new, cancel."""
    payment = session.desk.payment
    if payment is None:
        raise BadCommand("nothing_to_pay", "pay")
    if way == "cancel":
        session.desk.payment = None
        session.emit("cancelled", what=payment.order.what, amount_fen=payment.order.total_fen)
        return
    ways = ways_of(payment.order, await card_requests.learn(session), session.model.balance_fen)
    chosen = way_named(ways, way)
    if chosen is None:
        raise BadCommand("no_such_way", "pay", "…")  # the word may be a password that was typed first
    if chosen.name == NEW_CARD:
        payment.waits_for_card = True
        session.emit("card_needed", what=payment.order.what, amount_fen=payment.order.total_fen)
        return
    await payments.pay(session, payment, chosen.card_id, password)
