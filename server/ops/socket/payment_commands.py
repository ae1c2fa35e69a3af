"""Commands of the status socket that change payments; the name of the system user is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from server.ops.samples.observed_parts import ObservedParts
from server.ops.socket.arguments import one_id
from server.ops.socket.command_texts import CONCLUDE
from server.ops.socket.status_socket import PEER, Answer, BadArguments, peer_name
from server.services.payments.conclusions import ConclusionService, NotConcluded

REASON_MAX: Final = 200


class PaymentCommands:
    """The functions behind the commands. Raise BadArguments, StoreUnavailable."""

    def __init__(self, parts: ObservedParts) -> None:
        self._payments = parts.services.payments

    async def conclude(self, words: list[str]) -> Answer:
        """Confirm or decline a payment that is made by hand, or have a number closed at its bank."""
        number, do = one_id(words[:1]), self._action(words[1:])
        if self._payments.conclusions is None:
            return {"error": "this server has no gateway"}
        try:
            return {"payment": str(number), "state": await do(self._payments.conclusions, number)}
        except NotConcluded as error:
            return {"error": str(error)}

    def _action(self, words: list[str]) -> Callable[[ConclusionService, int], Awaitable[str]]:
        reason, operator = " ".join(words[1:]), peer_name(PEER.get())
        match words[:1]:
            case ["confirm"] if not reason:
                return lambda service, number: service.confirm(number, operator)
            case ["close"] if not reason:
                return lambda service, number: service.close(number)
            case ["decline"] if 0 < len(reason) <= REASON_MAX and reason.isprintable():
                return lambda service, number: service.decline(number, operator, reason)
        raise BadArguments(f"the arguments are {CONCLUDE}, with a reason of up to {REASON_MAX} characters")
