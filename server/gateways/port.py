"""The port of a gateway: what payments ask of another book, be it a bank or the wallet of a chat backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from server.core.payments import Evidence, Order


class Gateway(Protocol):
    """Calls to another book. Each returns evidence and raises nothing that the other side could cause.

    A call may be repeated with the same number: the other book does each number once, and answers the same again.
    """

    @property
    def name(self) -> str:
        """The name that payments are recorded with."""
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

    def use_keys(self, keys: Mapping[str, bytes]) -> None:
        """Calls from now on are signed and verified with these keys; the last one signs."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
