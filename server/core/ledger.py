"""Double entry: every movement of money is one transfer from one account to another, made once, never changed.

An account is a number, and its size tells its type: a user's id is their wallet, a packet's id is the money in that
packet, a campaign's id the money in its pool (see ids); 0 and below are accounts of the system, whose types stand
in a table of the database: 0 is the outside world. The kind of a transfer says between which types of account it
runs.

A transfer that must wait for an answer from elsewhere is two: PENDING keeps the money back, and then either POSTED
moves it or VOIDED lets it go. The second bears the accounts and the key of the first, which is how it cites it.
A payout goes through the account in transit instead: it leaves the wallet at once. The key of a payment's transfers
is its number.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from server.core import ids

OUTSIDE: Final = ids.BACKEND
IN_TRANSIT: Final = -2  # has left a wallet, and is not known to have arrived outside
MOVE_FEN_MAX: Final = 10**12  # ten thousand million yuan at once: more is a mistake
OPENING: Final = 0  # the kind of the first entry of a wallet that is older than the entries; no transfer has it


class WalletBalance(NamedTuple):
    """What is in a wallet. `version` counts its changes: the balance with the higher version is newer."""

    fen: int
    version: int


class Holding(NamedTuple):
    """What a user has, and what is arriving: shares that are recorded and not in the wallet yet; of one moment."""

    balance: WalletBalance
    arriving_fen: int


EMPTY = WalletBalance(0, 0)  # a wallet that nothing was ever paid into


class Account(StrEnum):
    """The types of account; the values of the system's own stand in the records."""

    WALLET = "wallet"
    PACKET = "packet"
    POOL = "pool"  # the money in a campaign; its account is the campaign's id
    OUTSIDE = "outside"
    CLEARING = "clearing"
    IN_TRANSIT = "in_transit"
    SUSPENSE = "suspense"
    SPONSOR = "sponsor"
    CORRECTIONS = "corrections"


class TransferKind(IntEnum):
    """What moved money. The numbers stand in the records and are never reused."""

    TOP_UP = 1
    WITHDRAW = 2
    SEND = 3
    CLAIM = 4
    REFUND = 5
    PENDING = 6
    POSTED = 7
    VOIDED = 8
    CHARGE = 9  # a payment: from outside, for a packet or as a top-up
    PAYOUT = 10  # a payment: to the outside, in transit until that is proven
    PAID_OUT = 11
    PAYOUT_RETURNED = 12
    TRANSFER = 13  # from a user to another one
    PAY = 14  # to the outside, as the chat backend orders
    CORRECTION = 15  # of what differs from the books of a bank; approved by two users of the system
    CARD_REFUND = 16  # a payment: back to the card of a charge, in transit until that is proven
    CARD_REFUND_RETURNED = 17
    CAMPAIGN = 18  # a sponsor pays for a campaign
    LEASE = 19  # some of its shares become a packet
    LEASE_RETURNED = 20  # those of the packet that were not won
    CAMPAIGN_RETURNED = 21  # what is left of a campaign that is over
    HANDED_OVER = 22  # a claim that is credited in another set of PostgreSQL; its key is the user
    SENT_TO_SET = 23  # what a transfer or a correction brings a user of another set leaves for that set
    CAME_FROM_SET = 24  # it arrives there; the transfer itself (13, 15) stands in both


# Beside a transfer (13, 15) that stands in two sets: what it brought passes on there. The wallet of a user is in
# one set, so no statement of a user has them.
BETWEEN_SETS: Final = (TransferKind.SENT_TO_SET, TransferKind.CAME_FROM_SET)
MOVES_NOTHING: Final = (TransferKind.PENDING, TransferKind.VOIDED)


class AccountPair(NamedTuple):
    """From where to where."""

    debit: Account
    credit: Account


# What a correction may run between: the money of a packet follows from its claims, that of sponsors from campaigns.
SYSTEM_ACCOUNTS: Final = {
    Account.OUTSIDE: OUTSIDE,
    Account.CLEARING: -1,
    Account.IN_TRANSIT: IN_TRANSIT,
    Account.SUSPENSE: -3,
    Account.CORRECTIONS: -4,
}
CORRECTABLE: Final = (Account.WALLET, *SYSTEM_ACCOUNTS)
_PENDING = (AccountPair(Account.WALLET, Account.OUTSIDE), AccountPair(Account.WALLET, Account.IN_TRANSIT))
DIRECTIONS: Final[dict[TransferKind, tuple[AccountPair, ...]]] = {
    TransferKind.TOP_UP: (AccountPair(Account.OUTSIDE, Account.WALLET),),
    TransferKind.WITHDRAW: (AccountPair(Account.WALLET, Account.OUTSIDE),),
    TransferKind.SEND: (AccountPair(Account.WALLET, Account.PACKET),),
    TransferKind.CLAIM: (AccountPair(Account.PACKET, Account.WALLET),),
    TransferKind.REFUND: (AccountPair(Account.PACKET, Account.WALLET),),
    TransferKind.PENDING: _PENDING,
    TransferKind.POSTED: _PENDING,
    TransferKind.VOIDED: _PENDING,
    TransferKind.CHARGE: (AccountPair(Account.OUTSIDE, Account.WALLET),),
    TransferKind.PAYOUT: (AccountPair(Account.WALLET, Account.IN_TRANSIT),),
    TransferKind.PAID_OUT: (AccountPair(Account.IN_TRANSIT, Account.OUTSIDE),),
    TransferKind.PAYOUT_RETURNED: (AccountPair(Account.IN_TRANSIT, Account.WALLET),),
    TransferKind.TRANSFER: (AccountPair(Account.WALLET, Account.WALLET),),
    TransferKind.PAY: (AccountPair(Account.WALLET, Account.OUTSIDE),),
    TransferKind.CARD_REFUND: (AccountPair(Account.WALLET, Account.IN_TRANSIT),),
    TransferKind.CARD_REFUND_RETURNED: (AccountPair(Account.IN_TRANSIT, Account.WALLET),),
    TransferKind.CAMPAIGN: (AccountPair(Account.WALLET, Account.POOL),),
    TransferKind.LEASE: (AccountPair(Account.POOL, Account.PACKET),),
    TransferKind.LEASE_RETURNED: (AccountPair(Account.PACKET, Account.POOL),),
    TransferKind.CAMPAIGN_RETURNED: (AccountPair(Account.POOL, Account.WALLET),),
    TransferKind.HANDED_OVER: (AccountPair(Account.PACKET, Account.IN_TRANSIT),),
    TransferKind.SENT_TO_SET: (AccountPair(Account.WALLET, Account.IN_TRANSIT),),
    TransferKind.CAME_FROM_SET: (AccountPair(Account.IN_TRANSIT, Account.WALLET),),
    TransferKind.CORRECTION: tuple(
        AccountPair(debit, credit)
        for debit in CORRECTABLE
        for credit in CORRECTABLE
        if debit is not credit or debit is Account.WALLET
    ),
}


def reason_of(kind: int) -> str:
    """The word of the wire for what changed a wallet."""
    return "opening" if kind == OPENING else TransferKind(kind).name.lower()
