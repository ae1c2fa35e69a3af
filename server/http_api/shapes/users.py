"""Requests and replies on users."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from server.http_api.shapes.base import (
    Fen,
    IdText,
    Reply,
    Request,
)


class UserPutBody(Request):
    """A user who exists, and the name that others see; empty: none."""

    name: str = ""


class UserPutReply(Reply):
    """A user and their name."""

    user_id: IdText
    name: str


class UserReply(Reply):
    """A user. `arriving_fen`: shares that are recorded and not in the wallet yet."""

    user_id: IdText
    name: str
    banned: bool
    balance_fen: Fen
    arriving_fen: Fen


class UserBanReply(Reply):
    """Whether a user is banned."""

    user_id: IdText
    banned: bool


class TokensRevokedReply(Reply):
    """Tokens of the user are accepted if they were issued at `tokens_from_s` (seconds since 1970) or later."""

    user_id: IdText
    tokens_from_s: int


class TokenBody(Request):
    """How long the token holds, in seconds; without it: as the config says."""

    lifetime_s: Annotated[int, Meta(ge=1, le=10 * 366 * 86_400)] | UnsetType = UNSET


class TokenReply(Reply):
    """A login token for the user's client."""

    user_id: IdText
    token: str
    expires_at_s: int
