"""A proxy with TLS for the phones in a room: what they ask for goes on to the server on this machine.

A page has motion sensors only over TLS, and the server takes cards only so. The certificate is made here, so a
phone warns of it, once: there is one address for the page and its WebSocket, because browsers ask about each
address by itself. TLS ends here, and the server behind it listens on loopback, for simulated users too.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from server.net.addresses import cannot_listen, shown
from server.net.local_certificate import make_certificate

NAME: Final = "hongbao demo"
LIFETIME: Final = timedelta(days=7)
WEBSOCKET: Final = "/ws"
HEAD_BYTES_MAX: Final = 8_192
HEAD_END: Final = b"\r\n\r\n"
HEAD_S: Final = 10.0  # for the first request of a connection, and for the handshake before it
CONNECTIONS_MAX: Final = 400  # a browser opens up to six
CHUNK: Final = 1 << 16
BACKLOG: Final = 100


class PhoneProxy:
    """Inside `with` the address is taken; inside `serving` phones are let in."""

    def __init__(self, host: str, port: int = 0) -> None:
        """`host`: the address of this machine that phones reach, or a name of it. Raises OSError."""
        made = make_certificate(NAME, LIFETIME, [host])
        self.fingerprint = made.digest.hex(":").upper()
        self.certificate = made.pem
        self._tls = made.server_context(ssl.TLSVersion.TLSv1_2)
        self._socket = _bound(host, port)
        self.address = shown(host, self._socket.getsockname()[1])
        self._pages, self._websocket = ("", 0), ("", 0)
        self._open: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        """Where the page comes from."""
        return f"https://{self.address}"

    @property
    def websocket_url(self) -> str:
        """Where the page connects."""
        return f"wss://{self.address}{WEBSOCKET}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    @asynccontextmanager
    async def serving(self, pages: str, websocket: str) -> AsyncIterator[None]:
        """Let phones in. `pages`, `websocket`: the urls of the server on this machine, without TLS."""
        self._pages, self._websocket = _place(pages), _place(websocket)
        listening = await asyncio.start_server(
            self._accept,
            sock=self._socket,
            ssl=self._tls,
            ssl_handshake_timeout=HEAD_S,
            limit=HEAD_BYTES_MAX,
            backlog=BACKLOG,
        )
        try:
            yield
        finally:
            listening.close()
            for one in self._open:
                one.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, phone: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        if len(self._open) >= CONNECTIONS_MAX:
            answer.close()
            return
        task = asyncio.create_task(self._serve(phone, answer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, phone: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
                await self._pass_on(phone, answer)
        finally:
            answer.close()

    async def _pass_on(self, phone: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Everything of a connection goes to the place that its first request is for."""
        async with asyncio.timeout(HEAD_S):
            head = await phone.readuntil(HEAD_END)
        is_upgrade = head.split(b" ", 2)[1:2] == [WEBSOCKET.encode()]
        place = self._websocket if is_upgrade else self._pages
        server, ask = await asyncio.open_connection(*place)
        try:
            ask.write(_with_peer(head, answer) if is_upgrade else head)
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(phone, ask))
                both.create_task(_copy(server, answer))
        except* (OSError, EOFError):
            pass  # one side has broken off: so does the other
        finally:
            ask.close()


def _bound(host: str, port: int) -> socket.socket:
    """A socket at this address. Raises OSError."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
        try:
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise cannot_listen(host, port, error, where="--address") from error
    return bound


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def _with_peer(head: bytes, phone: asyncio.StreamWriter) -> bytes:
    """The request, and who asks: limits are those of the phone, and cards are taken over TLS alone."""
    peer = str(phone.get_extra_info("peername")[0]).partition("%")[0]
    told = f"\r\nX-Forwarded-For: {peer}\r\nX-Forwarded-Proto: https"
    return head.removesuffix(HEAD_END) + told.encode() + HEAD_END


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """All bytes, as they come; then the end."""
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()
    target.close()
