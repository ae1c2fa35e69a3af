"""Idempotency keys: made here, and kept while the outcome of their request is unknown."""

from __future__ import annotations

import secrets
from collections.abc import Hashable


class IdempotencyKeys:
    """The keys of requests whose outcome is unknown, by their content.

    A send that timed out may have moved money. If the app sends the same content again, that is a retry: it gets
    the same key, and money moves once. Two equal sends in flight at once have two keys: they are two packets.
    """

    __slots__ = ("_unsettled",)

    def __init__(self) -> None:
        self._unsettled: dict[Hashable, list[str]] = {}

    def take(self, content: Hashable) -> str:
        """The key of an earlier request with this content and an unknown outcome, otherwise a new key."""
        kept = self._unsettled.get(content)
        if not kept:
            return secrets.token_hex(16)
        key = kept.pop(0)
        if not kept:
            del self._unsettled[content]
        return key

    def keep(self, content: Hashable, key: str) -> None:
        """The outcome of the request with this key is unknown."""
        self._unsettled.setdefault(content, []).append(key)
