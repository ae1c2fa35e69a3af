"""The bank of a world: books of its own, each number done once, and what it does wrong on request of the seed.

It knows nothing of the tables. Its replies and notices are bytes of the protocol (docs/bank.md), and signed.
"""

from __future__ import annotations

import base64
import hmac
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from server.gateways.bank.replies import CardReply, OrderReply
from server.gateways.bank.signing import (
    BANK_NONCE_HEADER,
    BANK_SIGNATURE_HEADER,
    SERIAL_HEADER,
    TIME_HEADER,
    BankKeys,
    SignedPart,
    text_of,
)
from tests.sim.bank.plan import CARD_FEN, CONTRADICTIONS, GATEWAY, HONEST, MERCHANT, NOTICES

if TYPE_CHECKING:
    from tests.sim.world import World

NOTICE_PATH = f"/bank/{GATEWAY}/notice"
REMINDS_S = (0.5, 2.0)  # a notice that was not taken comes again
RIGHT, FORGED = b"the bank's", b"someone's"  # keys: HMAC stands for ed25519, which would be most of a world's time
REASON = "insufficient funds"


def _sign(key: bytes) -> Callable[[bytes], bytes]:
    return lambda text: hmac.digest(key, text, "sha256")


KEYS = BankKeys(own={"m1": _sign(b"ours")}, bank={"b1": lambda text, given: given == _sign(RIGHT)(text)})


class Answer(NamedTuple):
    """What the bank sends: a status, and a body that it signs unless the status is another one than 200."""

    status: int
    body: bytes = b""


ERROR = Answer(500)


@dataclass
class BankCard:
    """A card in the books of the bank, and whose it is."""

    number: str
    holder: str
    phone: str
    fen: int = CARD_FEN

    @property
    def card_ref(self) -> str:
        """Its stable name for the merchant."""
        return f"ref-{self.number[-4:]}"


@dataclass
class BankOrder:
    """An order at the bank. `said`: each definite result that it has given, in order."""

    number: int
    kind: str
    card: BankCard
    amount_fen: int
    what: str
    of: BankOrder | None = None  # the charge that a refund gives back
    state: str = "new"
    said: list[str] = field(default_factory=list)
    told: int = 0  # notices that still have to be taken

    @property
    def is_over(self) -> bool:
        """Nothing more happens to it."""
        return self.state in ("succeeded", "failed", "closed") and not self.told

    @property
    def contradicts(self) -> bool:
        """The bank has said one thing and then another."""
        return self.what == "wrong_amount" or len(self.said) > 1


class Notice(NamedTuple):
    """A notice in flight. `replays`: it is sent a second time, as it was, to the process that has taken it."""

    order: BankOrder
    body: bytes
    headers: dict[str, str] | None = None
    is_forged: bool = False
    replays: bool = False
    is_replay: bool = False
    taken_by: object = None


class SimBank:
    """One process without faults of its own: it never crashes, but its wire does."""

    def __init__(self, world: World) -> None:
        assert world.plan.bank is not None
        self._world, self._plan = world, world.plan.bank
        self.rng = random.Random(f"bank {world.seed}")
        self.cards: dict[str, BankCard] = {}
        self.tokens: dict[str, BankCard] = {}
        self.unbound: set[str] = set()
        self.bindings: dict[str, BankCard] = {}
        self.texts: dict[str, str] = {}  # messages to phones by request id
        self.orders: dict[int, BankOrder] = {}
        self.closed: set[int] = set()  # numbers that are never done, also if they arrive later
        self.refused: set[int] = set()  # numbers that came without a card, or after they were closed
        self.seen: Counter[str] = Counter()  # what it has done about orders, and how it has told of them
        self.is_calm = False
        self._nonces = 0

    # --- calls ------------------------------------------------------------------------------------------------

    def answer(self, verb: str, call: Any) -> Answer:
        """Do what a call asks for, at one moment."""
        if verb in ("pay", "payout"):
            return self._order(int(call.number), "charge" if verb == "pay" else "payout", call)
        if verb == "refund":
            return self._refund(int(call.number), int(call.of), call.amount_fen)
        if verb in ("query", "close"):
            return self._asked(int(call.number), closes=verb == "close")
        return Answer(200, msgspec.json.encode(self._card_call(verb, call)))

    def _card_call(self, verb: str, call: Any) -> CardReply:
        if verb == "cards":
            card = self.cards.get(call.number)
            if card is None or (card.holder, card.phone) != (call.holder, call.phone):
                return CardReply("declined", reason="not a card of this holder and phone")
            self.bindings[f"binding-{call.request_id}"] = card
            return CardReply("offered", f"binding-{call.request_id}", "测试银行", card.number[-4:], card.card_ref)
        if verb == "cards/confirm":
            token = f"token of {call.binding}"
            self.tokens[token] = self.bindings[call.binding]
            return CardReply("bound", token=token)
        if verb == "cards/unbind":
            self.unbound.add(call.token)
            return CardReply("unbound")
        self.texts[call.request_id] = call.text
        return CardReply("sent")

    def _order(self, number: int, kind: str, call: Any) -> Answer:
        order = self.orders.get(number)
        if order is None:
            card = self.tokens.get(call.token)
            if number in self.closed or card is None:
                self.refused.add(number)
                return self._said(number, kind, call.amount_fen, "failed", "closed" if card else "no such card")
            order = self.orders[number] = BankOrder(number, kind, card, call.amount_fen, self._drawn())
            if call.token in self.unbound:
                order.what = "declined"
            return self._begin(order)
        return self._repeat(order)

    def _refund(self, number: int, of: int, amount_fen: int) -> Answer:
        """Give a charge back to its card, bound or not; never more than it was."""
        order, charge = self.orders.get(number), self.orders.get(of)
        if order is not None:
            return self._repeat(order)
        if number in self.closed or charge is None:
            self.refused.add(number)
            return self._said(number, "refund", amount_fen, "failed", "closed" if charge else "no such charge")
        order = self.orders[number] = BankOrder(number, "refund", charge.card, amount_fen, self._drawn(), charge)
        return self._begin(order)

    def _drawn(self) -> str:
        if self.is_calm or self.rng.random() >= self._plan.fault_rate + self._plan.contradicts:
            return HONEST[0]
        share = self._plan.contradicts / (self._plan.fault_rate + self._plan.contradicts)
        return self.rng.choice(CONTRADICTIONS if self.rng.random() < share else HONEST[1:])

    def _begin(self, order: BankOrder) -> Answer:
        """The first time that a number arrives."""
        what = order.what
        self._world.trace("bank", order.number, order.kind, order.amount_fen, what)
        self.seen[what] += 1
        if what == "error_before":
            del self.orders[order.number]
            return ERROR
        if what == "rejected_then_done" or what.startswith("processing"):
            self._later(self._end, order, what.endswith("done"))
            return ERROR if what == "rejected_then_done" else self._reply(order, "processing")
        self._end(order, not what.startswith("declined"))
        if what == "error_after":
            return ERROR
        if what in ("declined_then_done", "done_then_declined"):
            self._later(self._turn, order)
        return self._reply(order, "complete" if what == "unknown_code" else order.state)

    def _repeat(self, order: BankOrder) -> Answer:
        """The same number again: the same answer, however late."""
        if order.state == "new":
            return ERROR if order.what == "rejected_then_done" else self._reply(order, "processing")
        return self._reply(order, order.state)

    def _asked(self, number: int, closes: bool) -> Answer:
        """A query, or the wish that a number is never done."""
        order = self.orders.get(number)
        if order is not None and (order.state != "new" or order.what.startswith("processing")):
            return self._reply(order, {"new": "processing"}.get(order.state, order.state))
        if not closes:
            return self._said(number, "", 0, "not_found")
        if order is not None:  # it was about to be done
            order.state = "closed"
        self.closed.add(number)
        self.seen["closed"] += 1
        return self._said(number, "", 0, "closed")

    # --- books ------------------------------------------------------------------------------------------------

    def _end(self, order: BankOrder, succeeds: bool) -> None:
        """Do an order, or decline it, and tell of it."""
        if order.state == "new":
            self._set(order, succeeds and self._is_possible(order))
            self._tell(order)

    def _turn(self, order: BankOrder) -> None:
        """The bank does the contrary of what it has said, and tells of it."""
        if order.state == "succeeded":
            self._move(order, -1)
            self._set(order, False)
        elif self._is_possible(order):
            self._set(order, True)
        self._notice(order, order.state)

    def _is_possible(self, order: BankOrder) -> bool:
        """The money is there, and a refund is of a charge and not more than is left of it."""
        if order.of is None:
            return order.kind == "payout" or order.card.fen >= order.amount_fen
        given_fen = sum(
            one.amount_fen for one in self.orders.values() if one.of is order.of and one.state == "succeeded"
        )
        return order.of.state == "succeeded" and given_fen + order.amount_fen <= order.of.amount_fen

    def _set(self, order: BankOrder, succeeds: bool) -> None:
        order.state = "succeeded" if succeeds else "failed"
        order.said.append(order.state)
        if succeeds:
            self._move(order, 1)

    def _move(self, order: BankOrder, sign: int) -> None:
        order.card.fen += sign * (-order.amount_fen if order.kind == "charge" else order.amount_fen)

    def _later(self, what: Callable[..., None], order: BankOrder, *arguments: Any) -> None:
        order.told += 1  # it is not over

        def now() -> None:
            order.told -= 1
            what(order, *arguments)

        self._world.loop.call_later(self.rng.uniform(0.1, self._plan.later_s), now)

    # --- notices ----------------------------------------------------------------------------------------------

    def _tell(self, order: BankOrder) -> None:
        """Notices of an order that has just ended."""
        how = "once" if self.is_calm else self.rng.choice(NOTICES)
        self.seen[how] += 1
        if order.what == "wrong_amount":
            self._notice(order, order.state, amount_fen=order.amount_fen + 1)
        if how == "none":
            return
        if how == "forged":
            said = "failed" if order.state == "succeeded" else "succeeded"
            self._send(Notice(order, self._reply(order, said).body, is_forged=True))
            return
        first_s = {"first": 0.0, "late": self._plan.later_s}.get(how, 0.1)
        self._notice(order, order.state, first_s, replays=how == "replayed")
        if how == "twice":
            self._notice(order, order.state)
        if how == "reordered":
            self._notice(order, "processing", 0.5)

    def _notice(
        self, order: BankOrder, result: str, after_s: float = 0.1, amount_fen: int = 0, replays: bool = False
    ) -> None:
        """Tell of a result until a server has taken it."""
        order.told += 1
        body = self._said(order.number, order.kind, amount_fen or order.amount_fen, result).body
        notice = Notice(order, body, replays=replays)
        self._world.loop.call_later(self.rng.uniform(0.0, after_s), self._send, notice)

    def _send(self, notice: Notice) -> None:
        """One attempt at a notice, signed now."""
        key = FORGED if notice.is_forged else RIGHT
        headers = self.signed(SignedPart("POST", NOTICE_PATH, notice.body), key)
        self._world.bank_side.deliver(notice._replace(headers=headers))

    def taken(self, notice: Notice) -> None:
        """A server has answered a notice with 200; an attacker may send the same again."""
        notice.order.told -= 1
        if notice.replays:
            self._world.bank_side.deliver(notice._replace(is_replay=True))

    def not_taken(self, notice: Notice) -> None:
        """No server has: it is signed again, and sent again."""
        self._world.loop.call_later(self.rng.uniform(*REMINDS_S), self._send, notice)

    # --- bytes ------------------------------------------------------------------------------------------------

    def _reply(self, order: BankOrder, result: str) -> Answer:
        result = "failed" if result == "closed" else result
        return self._said(order.number, order.kind, order.amount_fen, result, REASON if result == "failed" else "")

    def _said(self, number: int, kind: str, amount_fen: int, result: str, reason: str = "") -> Answer:
        merchant = MERCHANT if kind else ""
        reply = OrderReply(merchant, str(number), kind, amount_fen, result, reason, f"B{number}")
        return Answer(200, msgspec.json.encode(reply))

    def signed(self, part: SignedPart, key: bytes = RIGHT, nonce: str = "") -> dict[str, str]:
        """The headers of a reply to the call with this nonce, or of a notice."""
        self._nonces += 1
        time_s, nonce = int(self._world.true_ms() // 1000), nonce or f"{self._nonces:032x}"
        return {
            SERIAL_HEADER: "b1",
            TIME_HEADER: str(time_s),
            BANK_NONCE_HEADER: nonce,
            BANK_SIGNATURE_HEADER: base64.b64encode(_sign(key)(text_of(part, time_s, nonce))).decode(),
        }

    def is_done(self) -> bool:
        """Nothing is in flight any more."""
        return all(order.is_over for order in self.orders.values())
