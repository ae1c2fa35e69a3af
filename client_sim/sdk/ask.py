"""How the parts of the SDK send a request: functions that they are handed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from protocol import messages

Reply = TypeVar("Reply", bound=messages.Message)
WithKey = (  # requests that move money
    messages.SendPacket
    | messages.TopUp
    | messages.Withdraw
    | messages.TopUpByCard
    | messages.WithdrawToCard
    | messages.Transfer
    | messages.Pay
    | messages.RefundToCard
    | messages.CreateCampaign
)


class Ask(Protocol):
    """Sends a request; the future holds its reply. `reply` only says of which type."""

    def __call__(self, request: messages.Message, reply: type[Reply]) -> asyncio.Future[Reply]: ...


class AskWithKey(Protocol):
    """Sends a request that moves money, with this idempotency key; None: the SDK makes one."""

    def __call__(self, request: WithKey, key: str | None, reply: type[Reply]) -> Awaitable[Reply]: ...


class Requests:
    """What the methods of `Client` need to send requests, for the modules that hold them by subject."""

    _ask: Ask
    _ask_with_key: AskWithKey
