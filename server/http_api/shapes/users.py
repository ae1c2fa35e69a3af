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
from server.http_api.wording import RULE

AvatarUrl = Annotated[
    str,
    Meta(
        pattern=r"^(https?://[!-~]+)?$",
        max_length=1024,
        description="where the picture of a user is; empty: none",
        extra={RULE: "an http:// or https:// url, or an empty text"},
    ),
]


class UserPutBody(Request):
    """A user who exists, the name that others see, and their picture; empty: none."""

    name: str = ""
    avatar_url: AvatarUrl = ""


class UserPutReply(Reply):
    """A user as they are from now on."""

    user_id: IdText
    name: str
    avatar_url: str = ""


class UserReply(Reply):
    """A user. `arriving_fen`: shares that are recorded and not in the wallet yet."""

    user_id: IdText
    name: str
    banned: bool
    balance_fen: Fen
    arriving_fen: Fen
    avatar_url: str = ""


class UserBanReply(Reply):
    """Whether a user is banned."""

    user_id: IdText
    banned: bool


class UserForgottenReply(Reply):
    """What is personal of the user is erased."""

    user_id: IdText


class SightingBody(Request):
    """On which device a user was seen (any name for it), and at which address; one of them is enough."""

    device: Annotated[str, Meta(max_length=200)] = ""
    address: Annotated[str, Meta(max_length=45)] = ""


class SightingReply(Reply):
    """How many users were seen on the device in 30 days, and at the address in 24 hours; 0: none was told."""

    user_id: IdText
    device_users: int
    address_users: int


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
