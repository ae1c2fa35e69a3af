"""The client's side of a connection, without its socket: it trusts the server that it chose, and raises."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from protocol import messages
from protocol.framing import FrameSplitter, Framing
from protocol.tokens import Token

FROM_SERVER_BYTES_MAX = 1 << 20


class ClientConnection:
    """The client's side: the hello is answered with a login, pings with pongs; the rest is the caller's."""

    __slots__ = ("_features", "_framing", "_out", "_token", "goodbye", "hello", "welcome")

    def __init__(self, token: Token, features: Sequence[str] = (), framing: Framing | None = None) -> None:
        """`features`: what the caller understands (see Login). `framing`: that of TCP if it is None."""
        self._features = features
        self._framing: Framing = framing or FrameSplitter(0)
        self._framing.frame_bytes_max = FROM_SERVER_BYTES_MAX
        self._out: list[bytes] = [self._framing.take_control()]
        self._token = token
        self.hello: messages.Hello | None = None
        self.welcome: messages.Welcome | None = None
        self.goodbye: messages.Goodbye | None = None

    def receive_data(self, data: bytes) -> list[messages.Message]:
        """The replies and pushes that these bytes complete. Raises FramingError, msgspec.DecodeError."""
        payloads: list[bytes] = []
        framing = self._framing
        framing.take(data, payloads)
        while framing.unread:
            framing.take(b"", payloads)
        if framing.control:
            self._out.append(framing.take_control())
        received: list[messages.Message] = []
        for payload in payloads:
            message = _known(payload)
            match message:
                case None:
                    continue
                case messages.Hello():
                    self.hello = message
                    self.send(self._token.login(message.nonce, features=self._features))
                case messages.Ping():
                    self.send(messages.Pong(message.seq))
                case messages.Goodbye():
                    self.goodbye = message
                case messages.Welcome():
                    self.welcome = message
                case _:
                    received.append(message)
        return received

    def send(self, message: messages.Message) -> None:
        """Queue one message."""
        self._out.append(self._framing.frame(messages.encode(message)))

    @property
    def ended(self) -> bool:
        """The server has ended the connection."""
        return self.goodbye is not None or self._framing.ended

    def end(self) -> None:
        """Queue what tells the server that the client goes, where the framing has such a thing."""
        self._out.append(self._framing.end(1000, ""))

    def data_to_send(self) -> bytes:
        """All that is queued, once."""
        data = b"".join(self._out)
        self._out.clear()
        return data


def _known(payload: bytes) -> messages.Message | None:
    """What the server says; None if it is newer than we are and says something that we do not know."""
    try:
        message: messages.Message = messages.decode_from_server(payload)
    except msgspec.ValidationError:
        kind, _ = messages.decode_envelope(payload)
        if kind in messages.KINDS_FROM_SERVER:
            raise
        return None
    return message
