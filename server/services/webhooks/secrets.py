"""Secrets of webhooks, sealed under the keys that seal seeds: a dump of the database holds none that can sign."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

import structlog

from server.services.seeds.seals import NONCE_BYTES, Seals, Unsealable
from storage.postgres.webhooks.endpoints import EndpointRow, EndpointStore, NoSecret, Sealed

LOG = structlog.get_logger()


class WebhookSecrets:
    """Seals and unseals the secrets of endpoints. Without a key it records them open, for a server to seal."""

    def __init__(
        self, store: EndpointStore, keys: Mapping[str, bytes], random_bytes: Callable[[int], bytes]
    ) -> None:
        self._store = store
        self._random_bytes = random_bytes
        self.use_keys(keys)

    def use_keys(self, keys: Mapping[str, bytes]) -> None:
        """Seal and unseal with these keys from now on."""
        self._seals = Seals(keys)

    def seal(self, secret: bytes, name: str) -> Sealed:
        """The secret as it is recorded for the endpoint of this name alone."""
        if not self._seals.key_id:
            return Sealed(secret, "")
        nonce = self._random_bytes(NONCE_BYTES)
        return Sealed(self._seals.seal_at(secret, _place(name), nonce), self._seals.key_id)

    def unseal(self, sealed: Sealed, name: str) -> bytes:
        """The inverse. Raises Unsealable."""
        return self._seals.unseal_at(sealed.key_id, sealed.data, _place(name)) if sealed.key_id else sealed.data

    def valid(self, endpoint: EndpointRow, now_ms: int) -> list[bytes]:
        """Those that sign now, the newest first. Raises Unsealable if that is the present one."""
        keys = [self.unseal(endpoint.secrets.current, endpoint.name)]
        for one in endpoint.secrets.valid(now_ms)[1:]:
            try:
                keys.append(self.unseal(one, endpoint.name))
            except Unsealable:
                LOG.warning("webhook_secret_cannot_be_unsealed", endpoint=endpoint.name, which="the one before")
        return keys

    def replacing(self, name: str, secret: bytes | None) -> Callable[[EndpointRow | None], Sealed | None]:
        """What to record for an endpoint once its row is locked; None: it keeps the secret that it has.

        Raises NoSecret if it has none.
        """

        def choose(before: EndpointRow | None) -> Sealed | None:
            if secret is None:
                if before is None:
                    raise NoSecret
                return None
            if before is not None and self._is(before, secret):
                return None
            return self.seal(secret, name)

        return choose

    def _is(self, endpoint: EndpointRow, secret: bytes) -> bool:
        try:
            return hmac.compare_digest(self.unseal(endpoint.secrets.current, endpoint.name), secret)
        except Unsealable:
            return False

    async def seal_all(self) -> int:
        """Seal what is not sealed under the newest key; how many secrets. Raises StoreUnavailable.

        Each is replaced in one statement, only if it is still the same: deliveries go on meanwhile.
        """
        if not self._seals.key_id:
            return 0
        replaced = 0
        for endpoint in await self._store.not_sealed_with(self._seals.key_id):
            for one in endpoint.secrets.recorded:
                if one.key_id == self._seals.key_id:
                    continue
                try:
                    again = self.seal(self.unseal(one, endpoint.name), endpoint.name)
                except Unsealable as error:
                    LOG.warning("webhook_secret_cannot_be_unsealed", endpoint=endpoint.name, why=str(error))
                    continue
                replaced += await self._store.seal_again(endpoint.endpoint_id, one, again)
        return replaced


def _place(name: str) -> bytes:
    return b"webhook " + name.encode()
