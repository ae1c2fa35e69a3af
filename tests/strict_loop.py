"""The loop of the tests: what a test leaves open fails that test."""

from __future__ import annotations

import asyncio
import warnings
from functools import wraps
from typing import Any
from weakref import WeakSet

import aiohttp
import uvloop


class StrictLoop(uvloop.Loop):
    """uvloop warns of each open socket and then closes it. A warning that is an error would leave it open instead,
    and then `close` would wait for its end for good; so the warnings are collected here and raised afterwards.

    A session of aiohttp warns when it is collected: in another test, which would fail in place of its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sessions: WeakSet[aiohttp.ClientSession] = WeakSet()

    def close(self) -> None:
        """Close the loop. Raises ResourceWarning with what was left open."""
        open_sessions = [one for one in self.sessions if not one.closed]
        left = [repr(one) for one in open_sessions]
        for session in open_sessions:
            self.run_until_complete(session.close())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            super().close()
        left += [str(one.message) for one in caught if one.category is ResourceWarning]
        if left:
            raise ResourceWarning(f"left open at the end of the loop: {left}")


def remember_sessions() -> None:
    """From now on a StrictLoop knows the sessions of aiohttp that are made in it."""
    begin = aiohttp.ClientSession.__init__

    @wraps(begin)
    def remembered(session: aiohttp.ClientSession, *args: Any, **options: Any) -> None:
        begin(session, *args, **options)
        if isinstance(loop := asyncio.get_running_loop(), StrictLoop):
            loop.sessions.add(session)

    aiohttp.ClientSession.__init__ = remembered  # type: ignore[method-assign]
