"""Seals secrets under keys that are not in the database: a dump of it predicts no seed and signs no webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12


class Unsealable(Exception):
    """A secret is sealed under a key that this server does not have, or its seal was changed."""


class SeedsSealed(Unsealable):
    """The secret of a tree cannot be unsealed."""


class Seals:
    """AES-256-GCM under keys of 32 bytes by id; the last one seals, all unseal. Without a key nothing unseals."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.key_id = next(reversed(self._ciphers), "")

    def __contains__(self, key_id: object) -> bool:
        return key_id in self._ciphers

    def seal_at(self, secret: bytes, place: bytes, nonce: bytes) -> bytes:
        """A secret, sealed for this place alone. `nonce`: NONCE_BYTES random bytes."""
        return nonce + self._ciphers[self.key_id].encrypt(nonce, secret, place)

    def unseal_at(self, key_id: str, sealed: bytes, place: bytes) -> bytes:
        """The inverse. Raises Unsealable."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise Unsealable(f"it is sealed with key {key_id}, which is not in the key file")
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except InvalidTag:
            raise Unsealable("its seal was changed") from None

    def seal(self, secret: bytes, user_id: int, number: int, nonce: bytes) -> bytes:
        """The secret of a tree, sealed for this user and number alone. `nonce`: NONCE_BYTES random bytes."""
        return self.seal_at(secret, _place(user_id, number), nonce)

    def unseal(self, key_id: str, sealed: bytes, user_id: int, number: int) -> bytes:
        """The inverse. Raises SeedsSealed."""
        if key_id not in self:
            raise SeedsSealed(f"seeds of user {user_id} are sealed with key {key_id}, which is not in the key file")
        try:
            return self.unseal_at(key_id, sealed, _place(user_id, number))
        except Unsealable:
            raise SeedsSealed(f"the seal of tree {number} of user {user_id} was changed") from None


def _place(user_id: int, number: int) -> bytes:
    return user_id.to_bytes(8, "big") + number.to_bytes(8, "big")
