"""Requests that the server makes to others over HTTP: only to addresses that are allowed, however a name resolves.

Only what sends something imports this module, because it imports aiohttp's client.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from server.core.webhooks.addresses import Network, why_not

HEAD_BYTES_MAX: Final = 8 << 10
KEEPALIVE_S: Final = 4.0  # below the 5 s after which many servers close
CLOSED: Final = "this server is ending: the call was not made"
RESOLVER_THREADS: Final = 32  # of our own: a name server that hangs must hold up nothing else


class AddressRefused(OSError):
    """The address is one that requests must not go to."""


class OwnResolver(AbstractResolver):
    """Resolves names in threads of its own. Addresses are checked when they are connected to."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, f"{name}-names")

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


class GuardedSessions:
    """Two sessions: one for https, and one for http, because http may go to fewer addresses."""

    def __init__(
        self, section: str, allowed: Sequence[Network], timeout_s: float, *, most: int, most_of_host: int
    ) -> None:
        """`allowed`: private networks that requests may go to, as this section of the config lists them."""
        self._resolver = OwnResolver(section)
        self._limits = most, most_of_host
        self._timeout_s = timeout_s
        self._sessions = {
            scheme: self._session(partial(_checked_socket, allowed, scheme == "https", section))
            for scheme in ("https", "http")
        }

    def of(self, url: str) -> aiohttp.ClientSession:
        """The session for this URL."""
        return self._sessions[url.partition(":")[0]]

    def _session(self, socket_factory: Callable[[Any], socket.socket]) -> aiohttp.ClientSession:
        most, most_of_host = self._limits
        connector = aiohttp.TCPConnector(
            ssl=ssl.create_default_context(),  # not that of aiohttp, which is as old as the process
            limit=most,
            limit_per_host=most_of_host,
            use_dns_cache=False,
            resolver=self._resolver,
            keepalive_timeout=KEEPALIVE_S,
            socket_factory=socket_factory,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        await self._resolver.close()


def _checked_socket(allowed: Sequence[Network], encrypted: bool, section: str, place: Any) -> socket.socket:
    """A socket for one address, which aiohttp then connects to it. Raises AddressRefused.

    Here every connection passes, whether its address came from a name or stood in the URL.
    """
    family, kind, proto, _, address = place
    if why := why_not(str(address[0]), allowed, encrypted=encrypted, section=section):
        raise AddressRefused(why)
    return socket.socket(family, kind, proto)


async def read_whole(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The whole body of a response, or None if it has `most` bytes or more; then its connection ends."""
    pieces, left = [], most
    while left > 0 and (piece := await response.content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        response.close()
        return None
    return b"".join(pieces)


def in_words(error: Exception, timeout_s: float) -> str:
    """Why there was no answer, in a few words; never what the other side sent."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return f"TLS failed: {_why_no_tls(error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return str(error.os_error.strerror or error.os_error)[:200]
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed without an answer"
    return type(error).__name__


def _why_no_tls(error: Exception) -> str:
    """What OpenSSL says of a certificate or a handshake; aiohttp keeps it inside of its own errors."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    return str(getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or type(cause).__name__)
