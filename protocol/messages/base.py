"""What all messages share: the kinds of numbers, and the class that they derive from."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

VERSION: Final = 2
USER_ID_MAX: Final = 2**53 - 1
ID_MAX: Final = 2**63 - 1
INT64_MAX: Final = 2**63 - 1
REPLY_OFFSET: Final = 100
FEATURES_MAX: Final = 16
REMINDERS: Final = "reminders"  # a feature: the client reads ClaimsReminder, FinishReminder and RefundReminder
AVATARS: Final = "avatars"  # a feature: Members and Names tell the pictures of users, too
MEMBERS_MAX: Final = 1_000  # members told, put or changed in one message
NAMES_MAX: Final = 100  # as many as there are lines on a page

Seq = Annotated[int, Meta(ge=0, le=2**32 - 1)]
UserId = Annotated[int, Meta(ge=0, le=USER_ID_MAX)]  # 0 is the chat backend itself
Person = Annotated[int, Meta(ge=1, le=USER_ID_MAX)]  # a user, not the chat backend
Id = Annotated[int, Meta(ge=1, le=ID_MAX)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=INT64_MAX)]  # any number a column can hold; rules judge the rest


class Message(msgspec.Struct, array_like=True, gc=False):
    """What all messages share: a kind (the tag) and a sequence number."""

    seq: Seq
