"""Sightings: on which device and from which address a user was seen, as the chat backend tells it.

A client could name any device, so clients are not asked: the backend knows its own, or has them attested.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from server.core.refusals import Reason, RequestRefused
from server.core.risk.marks import BadMark, MarkKind, address_mark, device_mark

if TYPE_CHECKING:
    from storage.postgres.risk.risk import RiskStore


class SeenUsers(NamedTuple):
    """How many users were seen on a device in 30 days, and at an address in 24 hours; 0: none was told."""

    of_device: int
    of_address: int


class SightingService:
    """Use case: a user was seen."""

    def __init__(self, store: RiskStore, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms

    async def see(self, user_id: int, device: str, address: str) -> SeenUsers:
        """Record it; again is harmless. An empty text: not told.

        Raises RequestRefused (BAD_REQUEST), StoreUnavailable.
        """
        marks: dict[int, str] = {}
        if not (device or address):
            raise RequestRefused(Reason.BAD_REQUEST, "device: it is needed, or an address is")
        try:
            marks |= {MarkKind.DEVICE: device_mark(device)} if device else {}
        except BadMark as error:
            raise RequestRefused(Reason.BAD_REQUEST, f"device: {error}") from None
        try:
            marks |= {MarkKind.ADDRESS: address_mark(address)} if address else {}
        except BadMark as error:
            raise RequestRefused(Reason.BAD_REQUEST, f"address: {error}") from None
        users = await self._store.see(user_id, marks, self._now_ms())
        return SeenUsers(users.get(MarkKind.DEVICE, 0), users.get(MarkKind.ADDRESS, 0))
