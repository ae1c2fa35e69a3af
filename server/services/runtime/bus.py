"""The bus: events and replies travel over it from the services to whatever follows them, without awaiting.

Handlers are called at once, in the order in which they were subscribed. Nothing is queued: a handler that must wait
keeps what it was told and wakes its own loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import count
from typing import Any, Final, Protocol, TypeAlias

from server.core.campaigns.shakes import Shook
from server.core.decisions import Decision
from server.core.refusals import Reason

LOCAL: Final = 0  # in place of a session: the reply is for a handler of this process
Outcome: TypeAlias = Decision | Reason | Shook


class Addressed(Protocol):
    """A request that knows where its reply goes: the number of a session, and the request's seq there."""

    answered: bool

    @property
    def session(self) -> int: ...
    @property
    def seq(self) -> int: ...


Handler: TypeAlias = Callable[[Any, Collection[int]], None]  # an event, and the users whom it concerns
Deliver: TypeAlias = Callable[[Any, Outcome], None]  # a request, and what became of it
Online: TypeAlias = Callable[[], Collection[int]]  # the users who have a client
Awaits: TypeAlias = Callable[[type, Collection[int]], bool]  # whether a client would receive such an event


class Bus:
    """Carries events to their subscribers, and replies to sessions or to handlers of this process."""

    def __init__(self) -> None:
        self._handlers: defaultdict[type, list[Handler]] = defaultdict(list)
        self._deliver: Deliver = _drop
        self._awaits: Awaits = _always
        self._online: Online = tuple
        self._expected: dict[int, Callable[[Outcome], None]] = {}
        self._seqs = count(1)

    def subscribe(self, handler: Handler, *events: type) -> None:
        """Call `handler` with every event of these classes and its audience."""
        for event in events:
            self._handlers[event].append(handler)

    def publish(self, event: object, audience: Collection[int] = ()) -> None:
        """Tell all subscribers of this class of event."""
        for handler in self._handlers.get(type(event), ()):
            handler(event, audience)

    def deliver_replies(self, deliver: Deliver) -> None:
        """Hand replies for sessions to `deliver`; without it they are dropped."""
        self._deliver = deliver

    def know_clients(self, awaits: Awaits, online: Online) -> None:
        """Ask `awaits` which events a client would receive (without it: every one), and `online` whose they are."""
        self._awaits, self._online = awaits, online

    def is_awaited(self, event: type, audience: Collection[int]) -> bool:
        """Whether a client of this audience would receive an event of this class now: it may be costly to make."""
        return self._awaits(event, audience)

    def online(self) -> Collection[int]:
        """The users who have a client of this process; one that logs in counts."""
        return self._online()

    def expect(self, on_reply: Callable[[Outcome], None]) -> int:
        """The seq of a request with the session LOCAL, whose reply goes to `on_reply`."""
        seq = next(self._seqs)
        self._expected[seq] = on_reply
        return seq

    def reply(self, request: Addressed, outcome: Outcome) -> None:
        """Send the reply to where the request came from, once: a second reply is dropped."""
        if request.answered:
            return
        request.answered = True
        if request.session == LOCAL:
            self._expected.pop(request.seq)(outcome)
        else:
            self._deliver(request, outcome)


def _drop(request: Addressed, outcome: Outcome) -> None:
    """There is no socket in this process."""


def _always(event: type, audience: Collection[int]) -> bool:
    """There is no socket in this process, and perhaps another subscriber."""
    return True
