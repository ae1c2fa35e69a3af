"""Stop a process with all its children, and let them go on: what a store that does not answer looks like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Inside, the process and its children are stopped (SIGSTOP). A frozen postmaster alone would stop no session.

    The parent comes first, so that it makes no further child. A child may end by itself meanwhile.
    """
    parent = psutil.Process(pid)
    parent.suspend()
    family = [parent]
    try:
        family += parent.children(recursive=True)
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        yield
    finally:
        for one in reversed(family):
            with suppress(psutil.NoSuchProcess):
                one.resume()
