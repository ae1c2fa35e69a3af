"""Double entry: every movement of money is one transfer from one account to another, made once, never changed.

An account is a number: 0 is the outside world, a user's id is their wallet, a packet's id is the money in that
packet (see ids). The kind of a transfer says between what sort of accounts it runs.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from server.core import ids

OUTSIDE = ids.BACKEND


class WalletBalance(NamedTuple):
    """What is in a wallet. `version` counts its changes: the balance with the higher version is newer."""

    fen: int
    version: int


EMPTY = WalletBalance(0, 0)  # a wallet that nothing was ever paid into


class Account(StrEnum):
    """The three sorts of account."""

    OUTSIDE = "outside"
    WALLET = "wallet"
    PACKET = "packet"


class TransferKind(IntEnum):
    """What moved money. The numbers stand in the records and are never reused."""

    TOP_UP = 1
    WITHDRAW = 2
    SEND = 3
    CLAIM = 4
    REFUND = 5


class AccountPair(NamedTuple):
    """From where to where."""

    debit: Account
    credit: Account


DIRECTIONS: dict[TransferKind, AccountPair] = {
    TransferKind.TOP_UP: AccountPair(Account.OUTSIDE, Account.WALLET),
    TransferKind.WITHDRAW: AccountPair(Account.WALLET, Account.OUTSIDE),
    TransferKind.SEND: AccountPair(Account.WALLET, Account.PACKET),
    TransferKind.CLAIM: AccountPair(Account.PACKET, Account.WALLET),
    TransferKind.REFUND: AccountPair(Account.PACKET, Account.WALLET),
}


def sort_of(account: int) -> Account:
    """Which sort of account a number names."""
    if account == OUTSIDE:
        return Account.OUTSIDE
    return Account.WALLET if ids.is_user(account) else Account.PACKET
