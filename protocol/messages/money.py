"""Wallets: balances, and money that the chat backend moves in and out."""

from __future__ import annotations

import msgspec

from protocol.messages.base import Int64, Message, Person

__all__ = [
    "Balance",
    "BalanceChanged",
    "Entries",
    "EntryLine",
    "GetBalance",
    "GetEntries",
    "GetStatement",
    "StatementLine",
    "StatementPage",
    "TopUp",
    "ToppedUp",
    "Withdraw",
    "Withdrawn",
]


class GetBalance(Message, tag=24):
    """What is in my wallet."""


class Balance(Message, tag=124):
    """`arriving_fen`: the user's shares that are recorded and not in the wallet yet."""

    balance_fen: int
    arriving_fen: int = 0


class TopUp(Message, tag=25):
    """Chat backend only: money comes in from outside. The same key with the same content moves nothing twice.

    `known_only`: a user that the server does not know is refused (no_such_user). Without it the user is known from
    then on.
    """

    key: str
    user_id: Person
    amount_fen: Int64
    known_only: bool = False


class ToppedUp(Message, tag=125):
    user_id: int
    balance_fen: int


class Withdraw(Message, tag=26):
    """Chat backend only: money leaves to the outside. Keyed like TopUp."""

    key: str
    user_id: Person
    amount_fen: Int64


class Withdrawn(Message, tag=126):
    user_id: int
    balance_fen: int


class BalanceChanged(Message, tag=65):
    """Push: your wallet changed. `reason` is top_up, withdraw, send, claim, refund, transfer or pay.

    With cards or a host wallet also charge, payout, payout_returned, card_refund or card_refund_returned; with a
    bank correction.
    """

    balance_fen: int
    change_fen: int
    reason: str
    version: int = 0


class GetEntries(Message, tag=36):
    """The changes of my wallet after a version of it, oldest first."""

    after_version: Int64


class GetStatement(Message, tag=48):
    """My statement: the changes of my wallet before a version of it (0: the newest ones), newest first."""

    before_version: Int64 = 0


class StatementLine(msgspec.Struct, array_like=True, gc=False):
    """One change of a wallet, and the balance after it.

    `other_id` and `other_name`: whom a claim came from; where a packet was sent, a user or a group, also when the
    rest of it came back; the other user of a transfer; 0 and "" for money from and to the outside. Without a packet
    `packet_id` is 0 and `packet_kind` "". `text`: of a transfer or a pay; of a payment by card the card.
    """

    version: int
    at_ms: int
    reason: str
    change_fen: int
    balance_fen: int
    packet_id: int
    packet_kind: str
    other_id: int
    other_name: str
    text: str = ""


class StatementPage(Message, tag=148):
    """If there are `more`, ask on before the version of the last one."""

    lines: list[StatementLine]
    more: bool


class EntryLine(msgspec.Struct, array_like=True, gc=False):
    """One change. `version` counts a wallet's changes; `packet_id` is 0 where no packet moved the money."""

    version: int
    at_ms: int
    reason: str
    change_fen: int
    balance_fen: int
    packet_id: int


class Entries(Message, tag=136):
    """If there are `more`, ask on after the last one."""

    entries: list[EntryLine]
    more: bool
