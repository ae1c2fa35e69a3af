"""How the parts of the SDK send a request: a function that they are handed."""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeVar

from protocol import messages

Reply = TypeVar("Reply", bound=messages.Message)


class Ask(Protocol):
    """Sends a request; the future holds its reply. `reply` only says of which type."""

    def __call__(self, request: messages.Message, reply: type[Reply]) -> asyncio.Future[Reply]: ...
