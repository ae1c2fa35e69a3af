"""The sender: one HTTP request per attempt, to a checked address, within 10 seconds; no answer is trusted.

Only this module imports aiohttp's client, and only once there is something to send.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from server.core.webhooks.addresses import Network, why_not
from server.core.webhooks.flow import ALL_MAX, ENDPOINT_MAX

TIMEOUT_S: Final = 10.0  # for name, connection, request and answer together
ANSWER_BYTES_MAX: Final = 16 << 10
HEAD_BYTES_MAX: Final = 8 << 10
KEEPALIVE_S: Final = 4.0  # below the 5 s after which many servers close
RESOLVER_THREADS: Final = 32  # of our own: a name server that hangs must hold up nothing else
GONE: Final = 410
HEADERS: Final = {"Content-Type": "application/json", "User-Agent": "hongbao-webhooks"}


class Attempt(NamedTuple):
    """What became of one request. `status` 0: no answer, `error` says why."""

    status: int
    error: str

    @property
    def is_delivered(self) -> bool:
        """The receiver has accepted it."""
        return 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The receiver wants no more."""
        return self.status == GONE


class AddressRefused(OSError):
    """The address of an endpoint is one that webhooks must not go to."""


class OwnResolver(AbstractResolver):
    """Resolves names in threads of its own. Addresses are checked when they are connected to."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, "webhook-names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=of_family,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for of_family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Start no more; a thread that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Sender:
    """Sends requests. A session for https, and one for http, because http may go to fewer addresses."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        """`allowed`: private networks that webhooks may go to."""
        self._resolver = OwnResolver()
        self._sessions = {
            scheme: self._session(partial(_checked_socket, allowed, scheme == "https"))
            for scheme in ("https", "http")
        }

    def _session(self, socket_factory: Callable[[Any], socket.socket]) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=ssl.create_default_context(),  # not that of aiohttp, which is as old as the process
            limit=ALL_MAX,
            limit_per_host=ENDPOINT_MAX,
            use_dns_cache=False,
            resolver=self._resolver,
            keepalive_timeout=KEEPALIVE_S,
            socket_factory=socket_factory,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )

    @staticmethod
    def without_answer(error: str) -> Attempt:
        """An attempt that was not made."""
        return Attempt(0, error)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """One attempt. Raises nothing that a receiver could cause."""
        session = self._sessions[url.partition(":")[0]]
        try:
            async with session.post(
                url, data=body, headers={**HEADERS, **headers}, allow_redirects=False
            ) as response:
                await _read(response)
                return Attempt(response.status, "")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Attempt(0, _in_words(error))

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        await self._resolver.close()


def _checked_socket(allowed: Sequence[Network], encrypted: bool, place: Any) -> socket.socket:
    """A socket for one address, which aiohttp then connects to it. Raises AddressRefused.

    Here every connection passes, whether its address came from a name or stood in the URL.
    """
    family, kind, proto, _, address = place
    if why := why_not(str(address[0]), allowed, encrypted=encrypted):
        raise AddressRefused(why)
    return socket.socket(family, kind, proto)


async def _read(response: aiohttp.ClientResponse) -> None:
    """Read the answer so that the connection can be used again; one that is too long ends its connection."""
    left = ANSWER_BYTES_MAX
    while left > 0 and (piece := await response.content.read(left)):
        left -= len(piece)
    if left <= 0:
        response.close()


def _in_words(error: Exception) -> str:
    """Why there was no answer, in a few words; never what the receiver sent."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:g} s"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "TLS failed: " + getattr(error, "verify_message", "") or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error.strerror or error.os_error)[:200]
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    return type(error).__name__
