"""Standard streams: output that every locale can show, and tables that are whole, also in a pipe."""

from __future__ import annotations

import codecs
import io
import re
import sys
from typing import IO, Any, Final

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

# What an encoding without these signs shows in their place.
PLAIN_SIGNS: Final = {"✓": "ok", "✔": "ok", "✗": "X", "✘": "X", "–": "-", "—": "-", "…": "...", "·": "-", "¥": "Y"}
WIDTH_MAX: Final = 10_000


def adapt_streams() -> None:
    """Let output never fail for its encoding. ASCII (the locale POSIX) becomes UTF-8, as in most programs."""
    codecs.register_error("hongbao.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding="utf-8" if is_ascii else None, errors="hongbao.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end]
    return "".join(PLAIN_SIGNS.get(sign, "?") for sign in unknown), error.end


def in_utf8(word: str) -> str:
    """A word of the command line as UTF-8, which a locale of ASCII hands over as single bytes."""
    try:
        return word.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError:
        return word


class Unpadded:
    """A text file that gets no spaces at the end of lines."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write without the spaces before each line break."""
        return self._file.write(re.sub(r" +(?=\n)", "", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def console() -> Console:
    """The standard output, for tables and colours; plain and unpadded in a pipe."""
    return Console() if sys.stdout.isatty() else Console(file=Unpadded(sys.stdout))  # type: ignore[arg-type]


def print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as it is: a terminal wraps its lines, and no id is ever cut."""
    wide = console.options.update(width=WIDTH_MAX)
    before, console.width = console.width, max(console.width, Measurement.get(console, wide, table).maximum)
    try:
        console.print(table)
    finally:
        console.width = before
