"""Signed calls to a bank: one POST each, to a checked address. Only what the bank has signed is returned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from server.core.webhooks.addresses import Network
from server.gateways.away import AwayDetector
from server.gateways.bank.signing import BankKeys, SignedPart, signed_headers, verify_reply
from server.gateways.port import Unproven
from server.outgoing_http import CLOSED, GuardedSessions, in_words, read_whole

BANK_SECTION: Final = "bank"
CALLS_MAX: Final = 64  # in flight
REPLY_BYTES_MAX: Final = 16 << 10
PLAIN_HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "hongbao"}


class BankCalls:
    """Makes calls. `keys` may be replaced while calls are in flight."""

    def __init__(
        self,
        url: str,
        keys: BankKeys,
        timeout_s: float,
        allowed: Sequence[Network],
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`allowed`: private networks that calls may go to."""
        self._url = url.rstrip("/")
        self._path = urlsplit(self._url).path
        self.keys = keys
        self.timeout_s = timeout_s
        self._allowed = allowed
        self._now_ms, self._random_bytes = now_ms, random_bytes
        self.away = AwayDetector(now_s)
        self._sessions: GuardedSessions | None = None  # opened with the first call
        self._is_closed = False

    async def post(
        self,
        verb: str,
        call: msgspec.Struct,
        bytes_max: int = REPLY_BYTES_MAX,
        timeout_s: float | None = None,
    ) -> bytes:
        """The signed body of the reply to a call. Raises Unproven, whatever else came, or nothing."""
        if self._is_closed:
            raise Unproven(CLOSED)
        keys = self.keys  # of this call: those that sign its reply are among them
        nonce, body = self._random_bytes(16).hex(), msgspec.json.encode(call)
        part = SignedPart("POST", f"{self._path}/{verb}", body)
        headers = signed_headers(keys, part, self._now_ms() // 1000, nonce)
        patience_s = timeout_s or self.timeout_s
        try:
            async with self._session().post(
                f"{self._url}/{verb}",
                data=body,
                headers={**PLAIN_HEADERS, **headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=patience_s),
            ) as response:
                answer = await read_whole(response, bytes_max)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self.away.unanswered()
            raise Unproven(in_words(error, patience_s)) from None
        self.away.answered()
        if answer is None:
            raise Unproven("the reply is too long")
        if response.status != 200:
            raise Unproven(f"HTTP status {response.status}")
        verify_reply(keys, response.headers, part._replace(body=answer), nonce, self._now_ms() / 1000)
        return answer

    def _session(self) -> aiohttp.ClientSession:
        if self._sessions is None:
            most = {"most": CALLS_MAX, "most_of_host": CALLS_MAX}
            self._sessions = GuardedSessions(BANK_SECTION, self._allowed, self.timeout_s, **most)
        return self._sessions.of(self._url)

    async def close(self) -> None:
        """Close all connections, for good: a later call is not made."""
        sessions, self._sessions, self._is_closed = self._sessions, None, True
        if sessions is not None:
            await sessions.close()
