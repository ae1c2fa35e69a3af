"""A row of the table of requests. Dispatch reads one for every request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias

from protocol.messages import Message
from server.net.routing import Owned
from server.net.session import Session

Ended: TypeAlias = Callable[[Message | Exception], None]  # gets the reply, or why the request is refused


class Row:
    """Who may ask, and what serves it: `now` or `later`.

    `now` never awaits. It gets the time at which the request arrived, and returns the reply, or None if that comes
    over the bus. The reply gets its seq and is encoded at once, so `now` may return the same message each time.
    `later` is a coroutine that returns the reply; a task is made for it. Before that `begin` is asked, if there is
    one: it takes a request that only has to wait for its batch, which costs no task, and hands the reply out once;
    or it returns False and has done nothing. It raises nothing. A `read` is charged by what it moves: in the lane
    it waits for a connection that reads may use; a batch has its own queue. `owned`: the owner of the packet or the
    user serves it, if there are several servers.
    """

    __slots__ = ("asked", "begin", "caller", "later", "now", "owned", "read")

    def __init__(
        self,
        caller: Literal["user", "backend", "anyone"],
        now: Callable[[Session, Any, int], Message | None] | None = None,
        later: Callable[[Session, Any], Awaitable[Message]] | None = None,
        read: Literal["", "lane", "batch"] = "",
        owned: Owned | None = None,
        begin: Callable[[Session, Any, Ended], bool] | None = None,
    ) -> None:
        self.caller = caller
        self.now = now
        self.later = later
        self.read = read
        self.owned = owned
        self.begin = begin
        self.asked = 0  # how many have come
