"""Requests that wait for their replies."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from client_sim.sdk.errors import ClientError, TimedOut, refusal_of
from protocol import messages

SEQ_MAX = 2**32 - 1

# Sent twice, these would take effect twice: they carry no idempotency key. Or they use up a code or an attempt.
NOT_REPEATABLE = frozenset(
    {
        messages.Say,
        messages.CreateGroup,
        messages.SendAgain,
        messages.BindCard,
        messages.ConfirmCard,
        messages.SendCodeAgain,
        messages.SetPassword,
        messages.AskPasswordReset,
        messages.ResetPassword,
    }
)


class Pending(NamedTuple):
    """A request, the future of its reply, and the time of the loop at which it times out."""

    request: messages.Message
    reply: asyncio.Future[Any]
    deadline: float


class PendingRequests:
    """Numbers requests, matches replies to them, and fails those without a reply after `timeout_s`."""

    def __init__(self, timeout_s: float) -> None:
        self.asked = 0
        self.timeouts = 0
        self._timeout_s = timeout_s
        self._by_seq: dict[int, Pending] = {}  # in the order of their deadlines
        self._last_seq = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: messages.Message) -> asyncio.Future[Any]:
        """Give the request its `seq`; the future holds its reply."""
        loop = asyncio.get_running_loop()
        self._last_seq = request.seq = self._last_seq % SEQ_MAX + 1
        pending = Pending(request, loop.create_future(), loop.time() + self._timeout_s)
        self._by_seq[request.seq] = pending
        if self._timer is None:
            self._timer = loop.call_at(pending.deadline, self._expire)
        self.asked += 1
        return pending.reply

    def resolve(self, message: messages.Message) -> None:
        """A reply came. If its request has timed out or was cancelled, it is ignored."""
        pending = self._by_seq.pop(message.seq, None)
        if pending is None or pending.reply.done():
            return
        if isinstance(message, messages.Refused):
            pending.reply.set_exception(refusal_of(message))
        elif type(message) is messages.REQUESTS[type(pending.request)]:
            pending.reply.set_result(message)
        else:
            pending.reply.set_exception(ClientError(f"{message} is not a reply to {pending.request}"))

    def waiting(self) -> list[messages.Message]:
        """The requests whose replies are awaited, oldest first."""
        return [pending.request for pending in self._by_seq.values() if not pending.reply.done()]

    def fail_unrepeatable(self, error: ClientError) -> None:
        """The connection is lost: fail the requests that must not be sent a second time."""
        for seq, pending in list(self._by_seq.items()):
            if type(pending.request) in NOT_REPEATABLE:
                del self._by_seq[seq]
                _fail(pending, error)

    def fail_all(self, error: Exception) -> None:
        """The client has ended: fail every request."""
        if self._timer is not None:
            self._timer.cancel()
        for pending in self._by_seq.values():
            _fail(pending, error)
        self._by_seq.clear()

    def _expire(self) -> None:
        """One timer serves all requests: all have the same timeout, so the oldest is due first."""
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._by_seq:
            seq, pending = next(iter(self._by_seq.items()))
            if pending.deadline > loop.time():
                self._timer = loop.call_at(pending.deadline, self._expire)
                return
            del self._by_seq[seq]
            if not pending.reply.done():
                self.timeouts += 1
                pending.reply.set_exception(TimedOut(f"no reply to {pending.request}"))


def _fail(pending: Pending, error: Exception) -> None:
    if not pending.reply.done():
        pending.reply.set_exception(error)
