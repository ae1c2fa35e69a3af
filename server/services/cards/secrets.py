"""What of cards, codes and passwords is in the database makes no sense without a key that is not there.

The keys are those that seal seeds. From each of them others are made, so that none has two uses.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from server.services.seeds.seals import NONCE_BYTES, Seals, Unsealable

CODES: Final = b"hongbao codes to phones"
PASSWORDS: Final = b"hongbao pay passwords"
NUMBERS: Final = b"hongbao numbers of cards"


class CardContent(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed of a card. `token`: the bank's, or with a challenge its binding. `phone` is masked."""

    token: str
    holder: str
    phone: str

    def __repr__(self) -> str:
        return "CardContent(…)"


class SealedContent(NamedTuple):
    """A content as it is recorded, and under which key."""

    data: bytes
    key_id: str


class CardSecrets:
    """Seals contents, and makes the MACs of codes and numbers and the peppers of passwords."""

    def __init__(self, keys: Mapping[str, bytes], random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self.use_keys(keys)

    def use_keys(self, keys: Mapping[str, bytes]) -> None:
        """Seal and unseal with these keys from now on."""
        self._keys = dict(keys)
        self._seals = Seals(keys)

    @property
    def key_id(self) -> str:
        """The key that seals now."""
        return self._seals.key_id

    def seal(self, content: CardContent, place_id: int) -> SealedContent:
        """The content, for the card or challenge with this id alone."""
        nonce = self._random_bytes(NONCE_BYTES)
        sealed = self._seals.seal_at(msgspec.msgpack.encode(content), _place(place_id), nonce)
        return SealedContent(sealed, self._seals.key_id)

    def unseal(self, sealed: bytes, key_id: str, place_id: int) -> CardContent:
        """The inverse. Raises Unsealable."""
        return msgspec.msgpack.decode(self._seals.unseal_at(key_id, sealed, _place(place_id)), type=CardContent)

    def code_mac(self, key_id: str, challenge_id: int, code: str) -> bytes:
        """What is recorded of a code. Raises Unsealable."""
        return hmac.digest(self._made(key_id, CODES), challenge_id.to_bytes(8, "big") + code.encode(), "sha256")

    def peppered(self, key_id: str, user_id: int, password: str) -> bytes:
        """What is hashed of a password. Raises Unsealable."""
        return hmac.digest(self._made(key_id, PASSWORDS), user_id.to_bytes(8, "big") + password.encode(), "sha256")

    def number_mac(self, number: str) -> bytes:
        """By what attempts to bind a card are counted, under the key that seals now: its number is not recorded."""
        return hmac.digest(self._made(self.key_id, NUMBERS), number.encode(), "sha256")

    def _made(self, key_id: str, use: bytes) -> bytes:
        if key_id not in self._keys:
            raise Unsealable(f"it was made with key {key_id}, which is not in the key file")
        return hmac.digest(self._keys[key_id], use, "sha256")


def _place(place_id: int) -> bytes:
    return b"card " + place_id.to_bytes(8, "big")
