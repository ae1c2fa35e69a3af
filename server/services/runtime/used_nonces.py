"""Signed requests and notices are accepted once, by all servers of a database together, also after a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from server.core.limits import Limits
from server.core.signed_requests import WINDOW_S, SignedHeaders, Unauthorized
from server.services.runtime.batching import Batcher
from storage.postgres.used_nonces import NonceMark, UsedNonceStore

BATCH_MAX: Final = 1_000
FORGET_S: Final = 10  # between two deletions
# What is older cannot be accepted; the rest is room for clocks of servers that differ.
KEPT_S: Final = 3 * WINDOW_S
MARK_BYTES: Final = 16


def mark_of(signer: str, claim: SignedHeaders) -> NonceMark:
    """A nonce as it is kept. `signer`: whose keys have signed it; key ids of others are different keys."""
    text = "\n".join((signer, claim.key_id, claim.nonce))
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return NonceMark(claim.timestamp_s, digest[:MARK_BYTES])


class UsedNonces:
    """Accepts each nonce once. Call it only for what is signed: others could use up nonces, and fill the table."""

    def __init__(self, store: UsedNonceStore, limits: Limits, now_ms: Callable[[], int]) -> None:
        self._store, self._now_ms = store, now_ms
        self._forgotten_at_s = 0
        self.batcher: Batcher[NonceMark, bool] = Batcher(self._use, BATCH_MAX, limits)

    async def accept(self, signer: str, claim: SignedHeaders) -> None:
        """Use up a nonce, together with others that come now.

        Raises Unauthorized if it was used before, RequestRefused.
        """
        _check(await self.batcher.submit(mark_of(signer, claim)))

    async def accept_alone(self, signer: str, claim: SignedHeaders) -> None:
        """Use up a nonce, by itself. Raises Unauthorized if it was used before, StoreUnavailable."""
        (is_new,) = await self._use([mark_of(signer, claim)])
        _check(is_new)

    async def _use(self, marks: list[NonceMark]) -> list[bool]:
        now_s = self._now_ms() // 1000
        if abs(now_s - self._forgotten_at_s) >= FORGET_S:
            self._forgotten_at_s = now_s
            await self._store.forget(now_s - KEPT_S)
        return await self._store.use(marks)


def _check(is_new: bool) -> None:
    if not is_new:
        raise Unauthorized("the nonce was used before; each request has a new one, a repetition too")
