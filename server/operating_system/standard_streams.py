"""Standard input, output and error that are closed or cannot be written to: a command goes on without them."""

from __future__ import annotations

import os
import sys
from typing import Final

STREAMS: Final = 3


def open_missing() -> None:
    """Open what is closed on nothing, before a socket or a file of ours gets its number."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor < STREAMS:  # the system gives the lowest free number
        os.set_inheritable(descriptor, True)
        descriptor = os.dup(descriptor)
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  until the end
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115


def tell(text: str) -> str:
    """Print a line; why it could not be printed, or an empty text.

    What cannot be written is dropped: Python would try it again at the end, and then return an error.
    """
    try:
        print(text, flush=True)
    except (OSError, ValueError) as error:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return str(error)
    return ""
