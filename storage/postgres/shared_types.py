"""What a type of PostgreSQL consists of is asked once in a process, not once in each session.

asyncpg asks a new session what `bigint[]` is when the session first meets it. The answer costs PostgreSQL 20 ms of
processor time, more than everything else that a session needs to begin, and after a failover all sessions begin at
once. Built-in types are the same in every database, so the first answer serves all sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import asyncpg

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection

HAND_ASSIGNED_BELOW: Final = 10_000  # such numbers of types never change between servers and versions
_answers: Final[dict[tuple[int, ...], list[asyncpg.Record]]] = {}  # by the types of one question


class _NoStatement(NamedTuple):
    """As asyncpg sees it, types were asked by a statement with a name: none of its own was replaced by it."""

    name: str = "shared_types"


class SharedTypesConnection(_Connection):
    """A connection that looks for built-in types in the answers of earlier connections.

    It replaces a private method of asyncpg. If a version does without that method, types are asked as before, and
    `tests/storage/test_shared_types.py` fails.
    """

    __slots__ = ()

    async def _introspect_types(self, typeoids: list[int], timeout: float | None) -> tuple[Any, Any]:
        asked = tuple(typeoids)
        if asked in _answers:
            return _answers[asked], _NoStatement()
        rows, statement = await super()._introspect_types(asked, timeout)  # type: ignore[misc]
        if all(row["oid"] < HAND_ASSIGNED_BELOW for row in rows):
            _answers[asked] = rows
        return rows, statement
