"""Events to other services over NATS: delivered once a stream has stored them, with the headers of a webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from server.core.webhooks.nats import base_of
from server.services.runtime.nats_connection import NatsAway, NatsConnection
from server.services.webhooks.attempt import Attempt

STORED: Final = 200
ID: Final = "webhook-id"
DEDUPLICATED_BY: Final = "Nats-Msg-Id"  # a stream drops a message with an id that it has


class NatsSender:
    """Sends to subjects. Without a connection it only says so."""

    def __init__(self, connection: NatsConnection | None, keep_s: float) -> None:
        """`keep_s`: for so long a stream that is made here keeps events."""
        self._connection = connection
        self._keep_s = keep_s

    async def post(self, url: str, event: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """One attempt. `event`: its type, the last words of the subject."""
        if self._connection is None:
            return Attempt(0, "this server has no [nats] url in its config")
        base, with_id = base_of(url), {**headers, DEDUPLICATED_BY: headers[ID]}
        try:
            await self._connection.store(base, f"{base}.{event}", body, with_id, self._keep_s)
        except NatsAway as error:
            return Attempt(0, str(error))
        return Attempt(STORED, "")
