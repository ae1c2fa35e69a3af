"""The port of a gateway: what payments ask of another book, be it a bank or the wallet of a chat backend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from server.core.payments import Evidence, Order
from server.core.signed_requests import SignedHeaders

if TYPE_CHECKING:
    from server.config import Config

FEN_MAX: Final = 10**12


class GatewayAway(Exception):
    """A call about a card got no answer that proves anything. It may be repeated with the same request id."""


class CardDeclined(Exception):
    """The bank does not take this card; the message is its reason, for the user."""


class NoStatement(Exception):
    """There is no statement of this day yet, or what came is not one; the message says why."""


class Unproven(Exception):
    """What came is not signed for this, now; the message says why."""


class Capabilities(NamedTuple):
    """What a gateway can do. Amounts are those of one payment, in fen."""

    takes_cards: bool = False  # it is a CardGateway, and an order needs the token of a card
    takes_payouts: bool = True
    takes_refunds: bool = False  # it is a CardGateway, and gives charges back to their cards
    amount_fen_min: int = 1
    amount_fen_max: int = FEN_MAX
    has_statements: bool = False
    is_asked: bool = True  # False: it knows nothing by itself, an operator concludes its payments


class Gateway(Protocol):
    """Calls to another book. Each returns evidence and raises nothing that the other side could cause.

    A call may be repeated with the same number: the other book does each number once, and answers the same again.
    """

    @property
    def name(self) -> str:
        """The name that payments are recorded with."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, and with which amounts."""
        ...

    @property
    def patience_s(self) -> float:
        """The longest that a call takes."""
        ...

    @property
    def is_away(self) -> bool:
        """The last calls got no answer: a new one would probably get none."""
        ...

    async def charge(self, order: Order) -> Evidence:
        """Take money of the user there."""
        ...

    async def payout(self, order: Order) -> Evidence:
        """Give money to the user there."""
        ...

    async def query(self, order: Order) -> Evidence:
        """What has become of a number."""
        ...

    async def cancel(self, order: Order) -> Evidence:
        """Ask never to do a number: FAILED if that is acknowledged, else what has become of it."""
        ...

    def use_config(self, config: Config) -> None:
        """Calls from now on are signed and verified with the keys of this config."""
        ...

    async def close(self) -> None:
        """Close all connections, for good: a later call is not made, and its outcome is unknown."""
        ...


class CardAsk(NamedTuple):
    """A card to bind. The number of the card is not kept, and not shown: `repr` hides all that is personal."""

    request_id: str
    number: str
    holder: str
    phone: str

    def __repr__(self) -> str:
        return f"CardAsk(request_id={self.request_id!r})"


class CardOffer(NamedTuple):
    """A card that the bank knows and that fits its holder. `card_ref`: its stable name for this merchant."""

    binding: str
    bank: str
    last4: str
    card_ref: str


class BankStatement(NamedTuple):
    """The statement of a Beijing day: the bytes of NAME.csv and of NAME.csv.sig. `issue` 2 replaces issue 1."""

    day: date
    issue: int
    csv: bytes
    signature: bytes


class CardGateway(Gateway, Protocol):
    """A bank: cards are bound, and orders name their token. Calls about cards raise GatewayAway."""

    async def bind(self, ask: CardAsk) -> CardOffer:
        """Begin to bind a card. Raises CardDeclined."""
        ...

    async def confirm(self, binding: str) -> str:
        """End it: the token of the card, the same one when repeated. Raises CardDeclined."""
        ...

    async def send_code(self, request_id: str, to: str, text: str) -> None:
        """Send a text to the phone that is reserved with the card of a binding or a token, once per request id."""
        ...

    async def unbind(self, token: str) -> None:
        """The token is used no more. What is unbound already stays so."""
        ...

    async def refund(self, order: Order) -> Evidence:
        """Give a charge, or a part of it, back to its card, whether it is still bound or not."""
        ...

    async def statement(self, day: date) -> BankStatement:
        """The newest statement of a Beijing day, its signature not yet checked. Raises NoStatement."""
        ...


class BankNotice(NamedTuple):
    """What another book tells by itself about a payment. Its signature was right; `claim`: what that says."""

    number: int
    body: bytes
    claim: SignedHeaders


class NoticeGateway(Gateway, Protocol):
    """A gateway whose other side tells by itself what has become of a number."""

    def read_notice(self, path: str, headers: Mapping[str, str], body: bytes) -> BankNotice:
        """A request of the other side to this path. Raises Unproven: then it is as if it had not come.

        That its nonce is accepted once is up to the caller.
        """
        ...

    def evidence_of(self, notice: BankNotice, order: Order) -> Evidence:
        """What a notice says about the order that has its number."""
        ...
