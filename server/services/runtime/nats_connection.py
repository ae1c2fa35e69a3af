"""The connection of a process to NATS, made again for as long as the process runs. Its library is optional.

What is sent while NATS is away is refused at once, and what was sent before may be lost: a sender keeps what must
arrive, and finds out what was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

LOG = structlog.get_logger()
CONNECT_S: Final = 2
PING_S: Final = 1  # a server that is frozen or cut off is noticed after two or three of these
PINGS_MAX: Final = 2
AGAIN_S: Final = 0.5
STORE_S: Final = 5.0  # for the word that a message is stored
PENDING_BYTES: Final = 8 << 20
DUPLICATES_S: Final = 3_600.0  # for so long a stream that we make knows the ids of messages

Receive = Callable[[bytes], None]


class NatsAway(Exception):
    """A message was not taken; the text says why."""


def servers_of(url: str) -> list[str]:
    """The servers of a URL with several hosts, each with its scheme, user and password."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    return [f"{parts.scheme}://{f'{login}@' if login else ''}{host}" for host in hosts.split(",")]


class NatsConnection:
    """Connects while `run` runs. Listeners are told whether there is a connection."""

    def __init__(self, url: str) -> None:
        self._servers = servers_of(url)
        self._hosts = ", ".join(urlsplit(one).netloc.rpartition("@")[2] for one in self._servers)
        self._client: Any = None
        self._ended = asyncio.Event()
        self._is_up = self._was_said = False
        self._subjects: dict[str, Receive] = {}
        self._on_change: list[Callable[[], None]] = []
        self.losses = 0

    @property
    def is_up(self) -> bool:
        """What is sent now is taken, as far as is known."""
        return self._is_up

    @property
    def payload_max(self) -> int:
        """The largest message that is taken, in bytes."""
        return int(self._client.max_payload) if self._client is not None else 0

    def listen(self, subject: str, receive: Receive) -> None:
        """Call `receive` with each message on a subject; before `run`."""
        self._subjects[subject] = receive

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call `changed` when `is_up` is another than before."""
        self._on_change.append(changed)

    async def run(self) -> None:
        """Keep a connection. Never ends; to be supervised."""
        # importing the library takes time and memory: not for servers without NATS
        from nats.aio.client import Client
        from nats.errors import Error

        while True:
            self._ended.clear()
            client = self._client = Client()
            try:
                await self._connect(client)
                await self._ended.wait()
            except (OSError, TimeoutError, Error) as error:
                self._say_away(str(error) or type(error).__name__)
            finally:
                self._change(is_up=False)
                self._client = None
                with suppress(Exception):  # whatever it is: the connection is given up
                    await client.close()
            await asyncio.sleep(AGAIN_S)

    async def _connect(self, client: Any) -> None:
        await client.connect(
            servers=self._servers,
            name="hongbao",
            connect_timeout=CONNECT_S,
            reconnect_time_wait=AGAIN_S,
            max_reconnect_attempts=-1,
            ping_interval=PING_S,
            max_outstanding_pings=PINGS_MAX,
            pending_size=PENDING_BYTES,
            no_echo=True,
            error_cb=self._failed,
            disconnected_cb=self._disconnected,
            reconnected_cb=self._connected,
            closed_cb=self._closed,
        )
        for subject, receive in self._subjects.items():
            await client.subscribe(subject, cb=_calling(receive))
        await client.flush(CONNECT_S)
        await self._connected()

    async def _failed(self, error: Exception) -> None:
        if not self._is_up:
            self._say_away(str(error) or type(error).__name__)

    async def _disconnected(self) -> None:
        self.losses += self._is_up
        self._change(is_up=False)
        self._say_away("the connection was lost")

    async def _connected(self) -> None:
        self._was_said = False
        LOG.info("nats_up", servers=self._hosts)
        self._change(is_up=True)

    async def _closed(self) -> None:
        self._ended.set()

    def _say_away(self, why: str) -> None:
        """Once for each outage."""
        if not self._was_said:
            self._was_said = True
            LOG.warning("nats_away", servers=self._hosts, why=why)

    def _change(self, *, is_up: bool) -> None:
        if is_up != self._is_up:
            self._is_up = is_up
            for changed in self._on_change:
                changed()

    # --- sending ----------------------------------------------------------------------------------------------

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send to all who listen now; it may be lost. Raises NatsAway."""
        from nats.errors import Error

        if not self._is_up:
            raise NatsAway("NATS is away")
        try:
            await self._client.publish(subject, payload)
        except Error as error:
            raise NatsAway(str(error)) from None

    async def store(
        self, base: str, subject: str, payload: bytes, headers: Mapping[str, str], keep_s: float
    ) -> None:
        """Have a stream store a message; it drops one with a `Nats-Msg-Id` that it has. Raises NatsAway.

        If no stream takes the subject, one is made for all that begin with `base`, which keeps them for `keep_s`.
        """
        from nats.errors import Error
        from nats.js.errors import NoStreamResponseError

        if not self._is_up:
            raise NatsAway("NATS is away")
        stored = self._client.jetstream(timeout=STORE_S)
        try:
            try:
                await stored.publish(subject, payload, headers=dict(headers))
            except NoStreamResponseError:
                await self._make_stream(stored, base, keep_s)
                await stored.publish(subject, payload, headers=dict(headers))
        except (Error, OSError) as error:
            raise NatsAway(f"NATS: {str(error) or type(error).__name__}") from None

    async def _make_stream(self, stored: Any, base: str, keep_s: float) -> None:
        name = base.upper().replace(".", "-")
        await stored.add_stream(
            name=name, subjects=[f"{base}.>"], max_age=keep_s, duplicate_window=min(DUPLICATES_S, keep_s)
        )
        LOG.info("nats_stream_made", stream=name, subjects=f"{base}.>", keep_days=round(keep_s / 86_400, 1))


def _calling(receive: Receive) -> Callable[[Any], Awaitable[None]]:
    async def call(message: Any) -> None:
        receive(message.data)

    return call
