"""What must hold in a world with a bank: answers when they are given, and both books at the end.

The checks at the end trust neither book: what wallets hold is counted from the money that is on the cards at the
bank, and orders of both books are compared number by number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from server.core.beijing_year import day_begin_ms
from server.core.payments import ENDED
from server.services.cards.secrets import CardSecrets
from tests.sim.bank.plan import CARD_FEN
from tests.sim.plan import GROUP, SEED_KEYS, START_FEN

if TYPE_CHECKING:
    from server.core.packet_request import PacketRequest
    from tests.sim.bank.customers import KeyedRequest
    from tests.sim.world import World

OUTSIDE, IN_TRANSIT = 0, -2
WRONG = "999999"  # no user's password
CARD_KEY = "card key "  # keys of packets that a card pays begin so
# Refusals of a request that has recorded nothing.
NOTHING = {
    "not_enough_money",
    "limit",
    "bad_card",
    "bank_away",
    "overloaded",
    "password_needed",
    "password_wrong",
    "password_locked",
    "banned",
    "no_such_user",
    "not_a_member",
}
# What a transfer of a payment does to the wallet.
SIGNS = {
    "charge": 1,
    "payout": -1,
    "payout_returned": 1,
    "card_refund": -1,
    "card_refund_returned": 1,
    "paid_out": 0,
}
KINDS = {"top_up": "charge", "withdraw": "payout", "refund": "refund"}
# Why the books refuse the packet of a charge that has succeeded: its sender, or its receiver, is banned.
REFUSED_BY_BOOKS = ("banned", "no_such_user")


def wallet_changes(what: str, words: list[Any]) -> dict[int, int]:
    """What an entry of the journal about payments and orders changes in wallets."""
    if what == "order":
        user_id, other_id, _, fen = words
        return {user_id: -fen, other_id: fen} if other_id else {user_id: -fen}
    _, user_id, fen = words
    return {user_id: fen * SIGNS[what]}


# --- when an answer is given --------------------------------------------------------------------------------------


def answer_is_true(world: World, one: KeyedRequest, outcome: tuple[str, Any]) -> None:
    """An answer must be true when it is given."""
    said, result = outcome
    tables = world.tables
    if said == "ok" and one.password == WRONG and _needs_password(world, one):
        world.report(f"{one} was answered although the password is wrong")
    if one.what in ("transfer", "pay"):
        order = tables.orders.get((one.user_id, 13 if one.what == "transfer" else 14, one.key))
        if said == "ok" and (order is None or order.amount_fen != one.amount_fen):
            world.report(f"{one} was confirmed, recorded is {order}")
        return
    row = tables.keyed_payment(KINDS[one.what], one.user_id, one.key)
    told = None if said != "ok" else (result.number, result.state if result.state in ENDED else "")
    if told is not None and (row is None or told != (row.number, row.state if told[1] else "")):
        world.report(f"{one} was answered with {result}, recorded is {row}")
    elif said == "bank_declined" and (row is None or row.state != "failed"):
        world.report(f"{one} was declined, recorded is {row}")


def may_be_barred(versions: list[frozenset[int]], request: PacketRequest, reason: str) -> bool:
    """Why a packet may not be sent to its group any more, at one of these versions of its members."""
    rules: dict[str, Callable[[frozenset[int]], bool]] = {
        "not_a_member": lambda members: request.sender_id not in members,
        "bad_shares": lambda members: request.shares > len(members),
        "bad_receivers": lambda members: not members.issuperset(request.only_for),
    }
    return request.target_id == GROUP and reason in rules and any(map(rules[reason], versions))


# --- at the end ---------------------------------------------------------------------------------------------------


def payments_have_ended(world: World) -> list[str]:
    """The bank is healthy again, so nothing is open, and nothing is in transit."""
    open_ones = [one for one in world.tables.payments.values() if one.state not in ENDED]
    transit_fen = sum(
        row.amount_fen * ((row.credit_account == IN_TRANSIT) - (row.debit_account == IN_TRANSIT))
        for row in world.tables.transfers.values()
    )
    wrong = [f"{one.number} is {one.state}, tried {one.attempts} times" for one in open_ones]
    return wrong + ([f"{transit_fen} fen are in transit"] if transit_fen else [])


def books_agree(world: World) -> list[str]:
    """Order by order. Where the bank has contradicted itself, the contradiction is a break."""
    bank, wrong = world.bank_side.bank, []
    ours = world.tables.payments
    for number in sorted(ours.keys() | bank.orders.keys()):
        row, order = ours.get(number), bank.orders.get(number)
        if row is None or order is None:
            if row is None or row.state != "failed" or number not in bank.closed | bank.refused:
                wrong.append(f"{number}: ours {row}, the bank's {order}")
            continue
        state = "succeeded" if order.state == "succeeded" else "failed"
        card = world.tables.cards[row.card_id or 0]
        same = (
            row.kind == order.kind and row.amount_fen == order.amount_fen and card.card_ref == order.card.card_ref
        )
        breaks = [one for one in world.tables.evidence[number] if one.is_break]
        if not same or (row.state != state and not (breaks and order.contradicts)):
            wrong.append(f"{number}: ours {row}, the bank's {order}")
        if breaks and not order.contradicts:
            wrong.append(f"{number}: {breaks} although the bank never contradicted itself: {order}")
        if order.what == "wrong_amount" and not breaks:
            wrong.append(f"{number}: a notice of another amount is no break")
    return wrong


def no_user_lost_or_gained(world: World) -> list[str]:
    """What users hold in the wallet and on the card is what they had, and what others gave them."""
    side, held, disputed = world.bank_side, Counter[int](), set()
    for what, *words in world.tables.journal:
        if what == "send":
            held[words[1]] -= words[3]
        elif what == "refund":
            held[world.tables.packets[words[0]].sender_id] += words[1]
        elif what == "credit":
            held[words[1]] += words[2]
        elif what == "order":
            held.update(wallet_changes(what, words))
    for number, order in side.bank.orders.items():
        if order.contradicts and number in world.tables.payments:
            disputed.add(world.tables.payments[number].user_id)
    wrong = []
    for user_id in range(1, world.plan.users + 1):
        now_fen = world.tables.wallets[user_id] + side.customers.bank_card(user_id).fen
        due_fen = START_FEN + CARD_FEN + held[user_id]
        if now_fen != due_fen and user_id not in disputed:
            wrong.append(f"user {user_id} has {now_fen} fen in wallet and on card, due are {due_fen}")
    return wrong


def charges_paid_their_packets(world: World) -> list[str]:
    """A packet that a card pays is there exactly if the charge has succeeded and its sender may send it."""
    tables, wrong = world.tables, []
    paid = {}
    for row in tables.payments.values():
        packet = tables.sent_before(row.user_id, row.key or "") if row.content is not None else None
        if packet is not None:
            paid[packet.packet_id] = row
        if row.content is None:
            wrong += [f"{row} is a top-up with a packet"] * (row.packet_id is not None)
        elif row.state != "succeeded":
            wrong += [f"{row} sent {packet}"] * (packet is not None)
        elif packet is None or packet.packet_id != row.packet_id or packet.total_fen != row.amount_fen:
            refused = row.reason in REFUSED_BY_BOOKS and tables.unsent.get(row.number) == row.reason
            barred = refused or (row.user_id, row.key, row.reason) in world.bank_side.barred
            if row.packet_id is not None or packet is not None or not barred:
                wrong.append(f"{row} sent {packet}")
    for (_, key), packet_id in tables.by_key.items():
        if key.startswith(CARD_KEY) and packet_id not in paid:
            wrong.append(f"packet {packet_id} of {key} was not paid by a card")
    return wrong


def keys_have_one_answer(world: World) -> list[str]:
    """The same key gives the same answer; refusals that record nothing have recorded nothing."""
    keys = Counter((row.kind, row.user_id, row.key) for row in world.tables.payments.values())
    wrong = [f"{key} has {times} payments" for key, times in keys.items() if times > 1]
    for one, outcomes in world.bank_side.customers.outcomes.items():
        words = {said for said, _ in outcomes}
        results = [result for said, result in outcomes if said == "ok"]
        final = {str(getattr(result, "state", "succeeded")) for result in results} & set(ENDED)
        final |= {"failed"} & {"failed" if said == "bank_declined" else "" for said, _ in outcomes}
        numbers = {getattr(result, "number", 0) for result in results}
        if len(final) > 1 or len(numbers) > 1:
            wrong.append(f"{one} received {outcomes}")
        if {"internal", "key_reused"} & words:
            wrong.append(f"{one} received {words}")
        if words and words <= NOTHING and _stands(world, one):
            wrong.append(f"{one} received {words} and yet is recorded")
        if one.password == WRONG and _needs_password(world, one) and _stands(world, one):
            wrong.append(f"{one} is recorded without the password")
    return wrong


def _needs_password(world: World, one: KeyedRequest) -> bool:
    """Users without a card have no password; in these worlds one whose unbinding got no reply binds none again."""
    return bool(world.tables.bound_cards(one.user_id))


def _stands(world: World, one: KeyedRequest) -> bool:
    if one.what in ("transfer", "pay"):
        return (one.user_id, 13 if one.what == "transfer" else 14, one.key) in world.tables.orders
    return world.tables.keyed_payment(KINDS[one.what], one.user_id, one.key) is not None


def audit_holds(world: World) -> list[str]:
    """The check `payments` of `hongbao audit`, over the simulated tables."""
    tables = world.tables
    expected: Counter[tuple[Any, ...]] = Counter()
    wrong = []
    for row in tables.payments.values():
        number, fen = str(row.number), row.amount_fen
        if row.kind == "payout":
            expected[row.user_id, IN_TRANSIT, 10, number, fen] += 1
        if row.kind == "refund":
            expected[row.user_id, IN_TRANSIT, 16, number, fen] += 1
        if (row.kind, row.state) == ("refund", "failed"):
            expected[IN_TRANSIT, row.user_id, 17, number, fen] += 1
        if row.kind != "charge" and row.state == "succeeded":
            expected[IN_TRANSIT, OUTSIDE, 11, number, fen] += 1
        if (row.kind, row.state) == ("payout", "failed"):
            expected[IN_TRANSIT, row.user_id, 12, number, fen] += 1
        if (row.kind, row.state) == ("charge", "succeeded"):
            expected[OUTSIDE, row.user_id, 9, number, fen] += 1
        heard = tables.evidence[row.number]
        if [one.version for one in heard] != list(range(1, row.version + 1)):
            wrong.append(f"{row} has the evidence {heard}")
        elif row.state != (heard[-1].state if heard else "created"):
            wrong.append(f"{row} is not what its evidence says: {heard[-1:]}")
        card = tables.cards.get(row.card_id or 0)
        if card is None or (card.user_id, card.gateway) != (row.user_id, row.gateway):
            wrong.append(f"{row} names a card that is not the user's")
    for order in tables.orders.values():
        expected[order.user_id, order.other_id, order.kind, order.key, order.amount_fen] += 1
    booked = Counter(row[:5] for row in tables.transfers.values() if 9 <= row.kind <= 14 or row.kind in (16, 17))
    return wrong + [f"transfers: due are {expected - booked}, more are {booked - expected}"] * (expected != booked)


def charges_are_given_back_once(world: World) -> list[str]:
    """All refunds of a charge are of its user and card, and not more than the charge."""
    payments, wrong = world.tables.payments, []
    given: Counter[int] = Counter()
    for row in payments.values():
        if row.kind == "refund":
            charge = payments[row.of_number or 0]
            given[charge.number] += row.amount_fen * (row.state != "failed")
            about = charge.kind, charge.state, charge.user_id, charge.card_id
            if about != ("charge", "succeeded", row.user_id, row.card_id):
                wrong.append(f"{row} gives back {charge}")
    return wrong + [
        f"{payments[number]} was given back with {fen} fen"
        for number, fen in given.items()
        if fen > payments[number].amount_fen
    ]


def day_limit_holds(world: World) -> list[str]:
    """No user has paid more in a Beijing day than the config says."""
    limit_fen = world.plan.bank.day_limit_fen
    spent: defaultdict[tuple[int, int], int] = defaultdict(int)
    for row in world.tables.payments.values():
        if row.state != "failed" and row.kind != "refund":
            spent[row.user_id, day_begin_ms(row.created_at_ms)] += row.amount_fen
    for order in world.tables.orders.values():
        if order.other_id:
            spent[order.user_id, day_begin_ms(order.at_ms)] += order.amount_fen
    return [f"user {one[0]} paid {fen} fen a day" for one, fen in spent.items() if limit_fen and fen > limit_fen]


def cards_are_those_of_the_bank(world: World) -> list[str]:
    """A card that was confirmed is recorded, and has a token that the bank gave for the card of this user."""
    side, wrong = world.bank_side, []
    secrets = CardSecrets(SEED_KEYS, lambda size: bytes(size))
    for user_id, card_id in side.customers.bound:
        row = world.tables.cards.get(card_id)
        if row is None or row.user_id != user_id or row.sealed is None:
            wrong.append(f"card {card_id} of user {user_id} was confirmed, recorded is {row}")
            continue
        token = secrets.unseal(row.sealed, row.key_id, card_id).token
        if side.bank.tokens.get(token) is not side.customers.bank_card(user_id):
            wrong.append(f"card {card_id} of user {user_id} has a token of another card")
    return wrong + [f"the code of {one} was used {n} times" for one, n in side.customers.confirmed.items() if n > 1]


RULES = (
    payments_have_ended,
    books_agree,
    no_user_lost_or_gained,
    charges_paid_their_packets,
    keys_have_one_answer,
    audit_holds,
    charges_are_given_back_once,
    day_limit_holds,
    cards_are_those_of_the_bank,
)
