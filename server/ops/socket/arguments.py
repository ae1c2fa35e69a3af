"""The arguments of commands: words after the name. What does not fit raises BadArguments."""

from __future__ import annotations

from typing import Final

from server.ops.socket.command_texts import SECONDS_MAX
from server.ops.socket.status_socket import BadArguments

ID_MAX: Final = 2**63 - 1
SECONDS: Final = 10


def no_arguments(words: list[str]) -> None:
    """Raises BadArguments if there are any."""
    if words:
        raise BadArguments("this command has no arguments")


def one_id(words: list[str]) -> int:
    """The one argument, an id."""
    if len(words) != 1:
        raise BadArguments("the only argument is an id")
    return integer(words[0], 0, ID_MAX)


def integer(word: str, least: int, most: int) -> int:
    """A whole number within bounds."""
    if word.isascii() and word.isdecimal() and len(word) < 20 and least <= int(word) <= most:
        return int(word)
    raise BadArguments(f"expected a whole number from {least} to {most}, got {word[:40]!r}")


def seconds_in(words: list[str]) -> int:
    """The time over which rates are wanted."""
    return integer(options_in(words, seconds=str(SECONDS))["seconds"], 1, SECONDS_MAX)


def options_in(words: list[str], **defaults: str) -> dict[str, str]:
    """`--name value` pairs over these defaults."""
    names, values = words[::2], words[1::2]
    if len(names) != len(values) or any(name not in [f"--{known}" for known in defaults] for name in names):
        raise BadArguments("the arguments are " + " and ".join(f"--{known} VALUE" for known in defaults))
    return defaults | {name[2:]: value for name, value in zip(names, values, strict=True)}
