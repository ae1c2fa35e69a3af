"""A session as the server sees it, whether its socket is here (`SocketSession`) or at another server."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from protocol import codes, messages
from protocol.connection import ServerConnection
from protocol.framing import Frame
from server.net.address_limits import Address


class ReadControl(Protocol):
    """Reading from the client: it can be slowed down."""

    @property
    def backpressure(self) -> bool:
        """The client does not take what was written to it."""

    def pause_for(self, for_s: float, /) -> None:
        """Read nothing for so many seconds."""

    async def wait_until_taken(self, within_s: float, /) -> None:
        """Until the client has taken what was written to it, or is gone; at most so long."""


class Session(Protocol):
    """A connection of a client.

    `user_id` is -1 until its login was accepted; `number` is below 0 if its socket is at another server.
    """

    number: int
    user_id: int
    features: Collection[str]  # what the client understands, as its login said
    unmetered: int  # requests over the limit among what is being served
    holds_pushes: bool  # from joining the hub until the welcome, so that nothing is missed between the two

    @property
    def frame(self) -> Frame:
        """Puts into a frame what is encoded once for many."""

    @property
    def reading(self) -> ReadControl:
        """Slows the client down."""

    @property
    def transport(self) -> Any:
        """The socket, or what stands for it."""

    @property
    def is_private(self) -> bool:
        """Others cannot read it."""

    def now_s(self) -> float:
        """The clock of the loop."""

    def reply(self, message: messages.Message, /) -> int:
        """Queue a message. Returns its bytes."""

    def refuse(
        self, seq: int, refusal: codes.Refusal, detail: str = "", retry_after_ms: int | None = None, /
    ) -> None:
        """Queue the refusal of a request."""

    def push(self, framed: bytes, can_wait: bool) -> None:
        """Queue a frame that was encoded once for many; one that can wait leaves with the next that cannot."""


class ClientSession(Session, Protocol):
    """A connection whose socket is here, as the login and operators see it."""

    issued_at_s: int  # its token, as the login said
    requests: int  # so many have come

    @property
    def connection(self) -> ServerConnection:
        """Its state, without the socket."""

    @property
    def address(self) -> Address:
        """What limits of an address count."""

    @property
    def is_proxied(self) -> bool:
        """A trusted proxy has told where its client is."""

    @property
    def since_s(self) -> float:
        """When it was made, by the clock of the loop."""

    @property
    def heard_s(self) -> float:
        """When bytes of its client came last."""

    def welcome(self, message: messages.Welcome, now_s: float, first_ping: float, /) -> None:
        """The login was accepted: the welcome, then what happened meanwhile."""

    def close(self, code: codes.Close, detail: str = "", reconnect_after_ms: int = 0) -> None:
        """Tell the reason, then disconnect. A refused login counts against the address."""
