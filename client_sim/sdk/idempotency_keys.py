"""Idempotency keys: made here, and kept until it is known what became of the request they stand for."""

from __future__ import annotations

import secrets
from collections.abc import Hashable


class IdempotencyKeys:
    """The keys of requests whose outcome is unknown, by their content.

    A send that timed out may have moved money. If the app sends the same content again, that is its next try: it
    gets the same key, and money moves once. Two equal sends in flight at once have two keys: two packets.
    """

    __slots__ = ("_unsettled",)

    def __init__(self) -> None:
        self._unsettled: dict[Hashable, list[str]] = {}

    def take(self, content: Hashable) -> str:
        """The key of an earlier try with this content whose outcome is unknown, otherwise a new one."""
        kept = self._unsettled.get(content)
        if not kept:
            return secrets.token_hex(16)
        key = kept.pop(0)
        if not kept:
            del self._unsettled[content]
        return key

    def keep(self, content: Hashable, key: str) -> None:
        """The outcome of this try is unknown."""
        self._unsettled.setdefault(content, []).append(key)
