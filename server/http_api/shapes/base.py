"""What all shapes share: the kinds of values, requests, replies, and the problem document."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocol.messages.people import VERSION_MAX
from server.core.kinds import PacketKind
from server.http_api.wording import RULE

IdText = Annotated[str, Meta(pattern="^[1-9][0-9]{0,18}$")]
StreamText = Annotated[str, Meta(description="a group, a one-to-one chat, or the user's own id: their inbox")]
FEN: Final = "fen (0.01 yuan)"  # another unit of money takes its place in the OpenAPI document
INT64: Final = 2**63 - 1
Fen = Annotated[int, Meta(ge=0, le=INT64, description=FEN)]
FenChange = Annotated[int, Meta(ge=-INT64 - 1, le=INT64, description=FEN)]
NARROWER: Final = "narrower"  # in an extra_json_schema: what the OpenAPI document says in place of the shape
Count = Annotated[int, Meta(ge=0)]
Ms = Annotated[int, Meta(description="milliseconds since 1970 (UTC)")]
GroupText = Annotated[str, Meta(description="the id of a group in the chat backend: 1 to 64 bytes of UTF-8")]
Version = Annotated[
    int, Meta(ge=1, le=VERSION_MAX, description="grows with each change, for example a clock in milliseconds")
]
SyncVersion = Annotated[int, Meta(ge=0, le=VERSION_MAX, description="as Version; 0 forgets all recorded versions")]
Cursor = Annotated[str, Meta(max_length=64, description="next_cursor of the page before; none: the first page")]
Kind: TypeAlias = PacketKind
SentKind: TypeAlias = Literal["lucky", "equal", "personal", "fission", "exclusive", "password"]  # by users
Answer: TypeAlias = Literal["won", "claimed", "gone", "expired", "busy"]
Seed = Annotated[
    str,
    Meta(
        pattern="^([0-9a-f]{2})*$",
        description="16 to 32 random bytes in hex, from the sender's client or the chat backend; without them the "
        "shares are not provably fair against the operator of the server",
        extra={RULE: "16 to 32 bytes in hex, 0 to 9 and a to f"},
        extra_json_schema={NARROWER: {"pattern": "^([0-9a-f]{32}([0-9a-f]{2}){0,16})?$"}},
    ),
]


def asked(least: int, most: int, description: str) -> Meta:
    """A number of a request. The bounds are for readers: what is out of them, or of the limits of the config, is
    refused by a rule with a code of its own, so the shape takes all that the wire can hold.
    """
    bounds = {"minimum": least, "maximum": most}
    return Meta(ge=-INT64 - 1, le=INT64, description=description, extra_json_schema={NARROWER: bounds})


class Request(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body or the query of a request."""


class Reply(msgspec.Struct, omit_defaults=True, gc=False):
    """The body of a reply."""


class ProblemDocument(Reply):
    """Why a request was refused (RFC 9457). `code` is stable; `temporary`: the same request may succeed later."""

    type: str
    title: str
    status: int
    code: str
    temporary: bool
    detail: str | UnsetType = UNSET
    pointer: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


class PageQuery(Request):
    """Where a page begins."""

    cursor: Cursor = ""
