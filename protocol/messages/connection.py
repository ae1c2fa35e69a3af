"""The connection itself: greeting, login, heartbeat, goodbye, and the refusal of any request."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from protocol.messages.base import FEATURES_MAX, Int64, Message, UserId
from protocol.money_unit import YUAN, MoneyUnit


class Hello(Message, tag=1):
    """The server's first words. `limits` maps the names in docs/protocol.md to numbers."""

    version: int
    nonce: bytes
    durability: str
    ping_interval_ms: int
    pong_timeout_ms: int
    now_ms: int
    limits: dict[str, int]


class Goodbye(Message, tag=2):
    """The server's last words before it closes. See codes.Close."""

    code: int
    name: str
    reconnect: bool
    detail: str
    reconnect_after_ms: int = 0


class Ping(Message, tag=3):
    """Are you there? From either side; answered by Pong with the same seq."""


class Pong(Message, tag=4):
    """The answer to Ping."""


class Login(Message, tag=10):
    """The user, and the proof that the client holds the token: HMAC-SHA256(token's MAC, nonce of the hello).

    `issued_at_s` is 0 for a token of version 1.
    """

    user_id: UserId
    expires_at_s: Int64
    key_id: str
    proof: bytes
    features: Annotated[list[str], Meta(max_length=FEATURES_MAX)] = msgspec.field(default_factory=list)
    issued_at_s: Int64 = 0


class StreamPosition(msgspec.Struct, array_like=True, gc=False):
    """Where one stream of messages stands. A stream is a group or, under the user's own id, their inbox."""

    stream_id: int
    name: str
    owner_id: int
    last_message: int


class Welcome(Message, tag=110):
    """Login accepted: the user's balance and every stream they can catch up on; `arriving_fen` as in Balance.

    `money_unit`: what clients show amounts in.
    """

    user_id: int
    balance_fen: int
    places: list[StreamPosition]
    balance_version: int = 0
    arriving_fen: int = 0
    money_unit: MoneyUnit = YUAN


class Refused(Message, tag=200):
    """A request was refused. See codes.Refusal; `detail` is for the developer, not for the screen."""

    code: int
    name: str
    temporary: bool
    retry_after_ms: int
    detail: str = ""
