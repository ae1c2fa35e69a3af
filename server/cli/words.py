"""Words on a command line: texts that must not be empty, paths, users.

An empty word is mostly an unset variable of a script (`--key "$ORDER"`). It is an error: to take the default
instead would move money twice, or on another server.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token


def filled(_: Any, tokens: Sequence[Token]) -> str:
    """A text with something in it. Raises ValueError, one line."""
    word = tokens[0].value
    if not word.strip():
        raise ValueError("it is empty: is a variable unset?")
    return word


def path(kind: Any, tokens: Sequence[Token]) -> Path:
    """A path. Raises ValueError for an empty word, which Python would take for the current folder."""
    return Path(filled(kind, tokens))


FILLED: Final = Parameter(converter=filled)
PATH: Final = Parameter(converter=path)
Text = Annotated[str, FILLED]
FilePath = Annotated[Path, PATH]
