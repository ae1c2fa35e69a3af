"""Wallets: balances, and money that the chat backend moves in and out."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from protocol.messages.base import USER_ID_MAX, Int64, Message


class GetBalance(Message, tag=24):
    """What is in my wallet."""


class Balance(Message, tag=124):
    balance_fen: int


class TopUp(Message, tag=25):
    """Chat backend only: money comes in from outside. The same key with the same content moves nothing twice."""

    key: str
    user_id: Annotated[int, Meta(ge=1, le=USER_ID_MAX)]
    amount_fen: Int64


class ToppedUp(Message, tag=125):
    user_id: int
    balance_fen: int


class Withdraw(Message, tag=26):
    """Chat backend only: money leaves to the outside. Keyed like TopUp."""

    key: str
    user_id: Annotated[int, Meta(ge=1, le=USER_ID_MAX)]
    amount_fen: Int64


class Withdrawn(Message, tag=126):
    user_id: int
    balance_fen: int


class BalanceChanged(Message, tag=65):
    """Push: your wallet changed. `reason` is top_up, withdraw, send, claim or refund."""

    balance_fen: int
    change_fen: int
    reason: str
