"""In place of argon2id, whose threads have no place in virtual time."""

from __future__ import annotations

import asyncio
import hmac

HASHING_S = 0.02


def hashed(secret: bytes) -> str:
    """The hash of a secret."""
    return hmac.digest(b"argon2id", secret, "sha256").hex()


class SimHashing:
    """As Hashing of the services."""

    async def make(self, secret: bytes) -> str:
        await asyncio.sleep(HASHING_S)
        return hashed(secret)

    async def fits(self, password_hash: str, secret: bytes) -> bool:
        return password_hash == await self.make(secret)

    def is_old(self, password_hash: str) -> bool:
        return False
