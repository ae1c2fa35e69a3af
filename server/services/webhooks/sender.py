"""The sender: one HTTP request per attempt, to a checked address, within 10 seconds; no answer is trusted.

Only this module imports aiohttp's client, and only once there is something to send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import aiohttp

from server.core.webhooks.addresses import Network
from server.core.webhooks.flow import ALL_MAX, ENDPOINT_MAX
from server.outgoing_http import GuardedSessions, in_words
from server.services.webhooks.attempt import Attempt

TIMEOUT_S: Final = 10.0  # for name, connection, request and answer together
ANSWER_BYTES_MAX: Final = 16 << 10
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "hongbao-webhooks"}


class Sender:
    """Sends requests."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        """`allowed`: private networks that webhooks may go to."""
        self._sessions = GuardedSessions("webhooks", allowed, TIMEOUT_S, most=ALL_MAX, most_of_host=ENDPOINT_MAX)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """One attempt. Raises nothing that a receiver could cause."""
        try:
            async with self._sessions.of(url).post(
                url, data=body, headers={**HEADERS, **headers}, allow_redirects=False
            ) as response:
                await _read(response)
                return Attempt(response.status, "")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Attempt(0, in_words(error, TIMEOUT_S))

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()


async def _read(response: aiohttp.ClientResponse) -> None:
    """Read the answer so that the connection can be used again; one that is too long ends its connection."""
    left = ANSWER_BYTES_MAX
    while left > 0 and (piece := await response.content.read(left)):
        left -= len(piece)
    if left <= 0:
        response.close()
