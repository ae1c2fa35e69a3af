"""The host wallet as a gateway: one signed POST per call, to a checked address; only a signed reply is evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp

from server.core.payments import Evidence, Order, Verdict
from server.core.signed_requests import SignedContent, sign
from server.core.webhooks.addresses import Network, networks_of
from server.gateways.away import AwayDetector
from server.gateways.host import replies
from server.gateways.port import Capabilities, Unproven
from server.outgoing_http import CLOSED, GuardedSessions, in_words, read_whole

if TYPE_CHECKING:
    from server.clock import Clock
    from server.config import Config

SECTION: Final = "host_wallet"
IN_FLIGHT_MAX: Final = 64
ANSWER_BYTES_MAX: Final = 16 << 10
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "hongbao"}


class HostGateway:
    """Calls to a host wallet; implements the port of gateways."""

    name = "host"
    capabilities = Capabilities()

    def __init__(
        self,
        url: str,
        keys: Mapping[str, bytes],
        timeout_s: float,
        allowed: Sequence[Network],
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """`keys` verify replies, the last one signs calls. `allowed`: private networks that calls may go to."""
        self._url = url.rstrip("/")
        self._path = urlsplit(self._url).path
        self._timeout_s = timeout_s
        self._keys = keys
        self._now_ms, self._random_bytes = now_ms, random_bytes
        self._allowed = allowed
        self._sessions: GuardedSessions | None = None  # opened with the first call
        self._is_closed = False
        self._away = AwayDetector(now_s)

    @property
    def patience_s(self) -> float:
        """The longest that a call takes."""
        return self._timeout_s

    @property
    def is_away(self) -> bool:
        """The last calls got no answer, and it is not time yet to try again."""
        return self._away.is_away

    def use_config(self, config: Config) -> None:
        """Calls from now on are signed and verified with the keys of this config, if it still has some.

        Without the section the gateway goes on until the restart.
        """
        self._keys = _keys(config) or self._keys

    async def charge(self, order: Order) -> Evidence:
        """Take money out of the user's wallet there."""
        return await self._call("charge", order)

    async def payout(self, order: Order) -> Evidence:
        """Put money into the user's wallet there."""
        return await self._call("payout", order)

    async def query(self, order: Order) -> Evidence:
        """What has become of a number there."""
        return await self._call("query", order)

    async def cancel(self, order: Order) -> Evidence:
        """A host wallet has no such call: what has become of the number is found out by queries."""
        return Evidence("close", Verdict.UNKNOWN, "a host wallet cannot cancel")

    async def close(self) -> None:
        """Close all connections, for good: a later call is not made."""
        sessions, self._sessions, self._is_closed = self._sessions, None, True
        if sessions is not None:
            await sessions.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._sessions is None:
            most = {"most": IN_FLIGHT_MAX, "most_of_host": IN_FLIGHT_MAX}
            self._sessions = GuardedSessions(SECTION, self._allowed, self._timeout_s, **most)
        return self._sessions.of(self._url)

    async def _call(self, verb: str, order: Order) -> Evidence:
        if self._is_closed:
            return Evidence(verb, Verdict.UNKNOWN, CLOSED)
        keys = self._keys  # of this call: those that sign its reply are among them
        key_id, nonce, body = list(keys)[-1], self._random_bytes(16).hex(), replies.body_of(order)
        content = SignedContent("POST", f"{self._path}/{verb}", str(order.number), body)
        headers = sign(keys[key_id], key_id, self._now_ms() // 1000, nonce, content)
        headers["Idempotency-Key"] = str(order.number)
        try:
            url = f"{self._url}/{verb}"
            async with self._session().post(
                url, data=body, headers={**HEADERS, **headers}, allow_redirects=False
            ) as response:
                answer = await read_whole(response, ANSWER_BYTES_MAX)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._away.unanswered()
            return Evidence(verb, Verdict.UNKNOWN, in_words(error, self._timeout_s))
        self._away.answered()
        if response.status != 200 or answer is None:
            detail = f"HTTP status {response.status}" if answer is not None else "the reply is too long"
            return Evidence(verb, Verdict.UNKNOWN, detail)
        try:
            told = content._replace(body=answer)
            replies.verify(keys, response.headers, nonce, told, self._now_ms() / 1000)
        except Unproven as error:
            return Evidence(verb, Verdict.UNKNOWN, str(error))
        return replies.evidence_of(verb, order, answer)


def gateway_of(config: Config, clock: Clock) -> HostGateway:
    """The gateway that the config asks for. Made inside a running loop."""
    section = config.host_wallet
    return HostGateway(
        section.url,
        _keys(config),
        section.timeout_s,
        networks_of(section.allow_private),
        clock.now_ms,
        clock.elapsed_s,
        clock.random_bytes,
    )


def _keys(config: Config) -> dict[str, bytes]:
    return {key_id: bytes.fromhex(text) for key_id, text in config.host_wallet.keys.items()}
