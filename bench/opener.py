"""A connection that only measures: prebuilt frames out, replies in, the time between the two. No SDK in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

from protocol import messages
from protocol.framing import FrameSplitter, frame
from protocol.messages import Message
from protocol.tokens import Token

FRAME_BYTES_MAX = 1 << 20

Answered = Callable[[int, Message, float], None]  # user, reply, milliseconds


class Opener(asyncio.Protocol):
    """One user's connection. `ready` is done when the server has said welcome."""

    def __init__(self, token: Token) -> None:
        self.user_id = token.user_id
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._token = token
        self._splitter = FrameSplitter(FRAME_BYTES_MAX)
        self._transport: asyncio.Transport
        self._sent_at_s: dict[int, float] = {}
        self._waiting: list[bytes] = []
        self._next_seq = 1
        self._answered: Answered
        self._done: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the hello."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for this connection hears of its end."""
        for future in (self.ready, getattr(self, "_done", self.ready)):
            if not future.done():
                future.set_exception(error or ConnectionError(f"the server left user {self.user_id}"))

    def data_received(self, data: bytes) -> None:
        """Hand on replies; pushes cost what they cost and are dropped."""
        payloads: list[bytes] = []
        self._splitter.take(data, payloads)
        now_s = time.perf_counter()
        for payload in payloads:
            message: Message = messages.decode_from_server(payload)
            if message.seq and message.seq in self._sent_at_s:
                self._reply(message, now_s)
            else:
                self._greet(message)

    def _greet(self, message: Message) -> None:
        match message:
            case messages.Hello():
                token = self._token
                proof = token.proof(message.nonce)
                self._write(messages.Login(0, token.user_id, token.expires_at_s, token.key_id, proof))
            case messages.Welcome():
                self.ready.set_result(None)
            case messages.Ping():
                self._write(messages.Pong(message.seq))

    def _write(self, message: Message) -> None:
        self._transport.write(frame(messages.encode(message)))

    def ask_all(self, requests: Sequence[Message], depth: int, answered: Answered) -> asyncio.Future[None]:
        """Send all requests, at most `depth` in flight; done when the last one is answered (closed loop)."""
        self._done = asyncio.get_running_loop().create_future()
        self._answered = answered
        self._next_seq = 1
        for seq, request in enumerate(requests, 1):
            request.seq = seq
        self._waiting = [frame(messages.encode(request)) for request in reversed(requests)]
        if not requests:
            self._done.set_result(None)
        for _ in range(min(depth, len(requests))):
            self._send_next()
        return self._done

    def _send_next(self) -> None:
        self._sent_at_s[self._next_seq] = time.perf_counter()
        self._next_seq += 1
        self._transport.write(self._waiting.pop())

    def _reply(self, message: Message, now_s: float) -> None:
        took_ms = (now_s - self._sent_at_s.pop(message.seq)) * 1000
        self._answered(self.user_id, message, took_ms)
        if self._waiting:
            self._send_next()
        elif not self._sent_at_s and not self._done.done():
            self._done.set_result(None)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()
