"""Users on a command line: an id of your chat app, or a name, which stands for an id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from client_sim.sdk.names import user_id_of
from server.cli.shared.resources import CommandFailed


def user_id(_: Any, tokens: Sequence[Token]) -> int:
    """The id of a user. Raises ValueError, one line."""
    return user_id_of(tokens[0].value)


def user_ids(_: Any, tokens: Sequence[Token]) -> list[int]:
    """The ids of several users. Raises ValueError, one line."""
    return [user_id_of(token.value) for token in tokens]


def user_name(_: Any, tokens: Sequence[Token]) -> str:
    """An id or a name, as it was given. Raises ValueError, one line."""
    user_id_of(tokens[0].value)
    return tokens[0].value


User = Annotated[int, Parameter(converter=user_id)]
Users = Annotated[list[int], Parameter(converter=user_ids, negative=())]
UserName = Annotated[str, Parameter(converter=user_name)]


def ids_of_lines(lines: Sequence[str]) -> list[int]:
    """The ids of users in the lines of a file. Raises CommandFailed for a line that is not a user."""
    found = []
    for line in filter(str.strip, lines):
        try:
            found.append(user_id_of(line))
        except ValueError as error:
            raise CommandFailed(f"{line.strip()!r} is not a user: {error}") from None
    return found
