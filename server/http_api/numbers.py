"""Ids in JSON: strings of digits, because programs in JavaScript read large numbers inexactly."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from protocol.messages.base import ID_MAX, USER_ID_MAX

DIGITS: Final = re.compile(r"[1-9][0-9]{0,18}")


class IdKind(type):
    """An id is a plain int once it is decoded: messages and statements know no other one."""

    def __instancecheck__(cls, value: object) -> bool:
        return type(value) is int


class Id(int, metaclass=IdKind):
    """The id of a packet, a group, a chat or a stream, in a shape."""

    most: int = ID_MAX
    schema: ClassVar[dict[str, str]] = {"type": "string", "pattern": "^[1-9][0-9]{0,18}$"}


class UserId(Id):
    """The id of a user, not of the chat backend, in a shape."""

    most = USER_ID_MAX
    schema: ClassVar[dict[str, str]] = {"type": "string", "pattern": "^[1-9][0-9]{0,15}$"}


def decode(kind: type, value: Any) -> Any:
    """For msgspec: an id out of its text. Raises ValueError."""
    if not issubclass(kind, Id):
        raise NotImplementedError(kind)
    if type(value) is not str or not DIGITS.fullmatch(value) or int(value) > kind.most:
        raise ValueError(f'an id is expected: a text with a whole number from 1 to {kind.most}, such as "7"')
    return int(value)


def schema(kind: type) -> dict[str, Any]:
    """For msgspec: the JSON schema of an id."""
    if not issubclass(kind, Id):
        raise NotImplementedError(kind)
    return dict(kind.schema)
