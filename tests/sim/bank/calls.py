"""The calls of one server to the bank: the real gateway, and below it a wire with faults in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.clock import Clock
from server.gateways.away import AwayDetector
from server.gateways.bank.calls import REPLY_BYTES_MAX, BankCalls
from server.gateways.bank.gateway import BankGateway
from server.gateways.bank.signing import BANK_NONCE_HEADER, SignedPart, signed_headers, verify_reply
from server.gateways.port import Capabilities, Unproven
from storage.errors import StoreUnavailable
from tests.sim.bank.bank import KEYS
from tests.sim.bank.plan import MERCHANT
from tests.sim.faults import TIMEOUT_S

if TYPE_CHECKING:
    from tests.sim.bank.side import BankSide


class SimBankCalls(BankCalls):
    """As the real calls, without sockets. A call that is in flight when its server dies still arrives."""

    def __init__(self, side: BankSide, clock: Clock) -> None:
        self._side, self._clock = side, clock
        self.keys, self.timeout_s = KEYS, TIMEOUT_S
        self.away = AwayDetector(clock.elapsed_s)

    async def post(
        self,
        verb: str,
        call: msgspec.Struct,
        bytes_max: int = REPLY_BYTES_MAX,
        timeout_s: float | None = None,
    ) -> bytes:
        bank, nonce = self._side.bank, self._clock.random_bytes(16).hex()
        part = SignedPart("POST", f"/{verb}", msgspec.json.encode(call))
        headers = signed_headers(self.keys, part, self._clock.now_ms() // 1000, nonce)

        def arrives() -> Any:
            answer = bank.answer(verb, call)
            signed = bank.signed(part._replace(body=answer.body), nonce=headers[BANK_NONCE_HEADER])
            return answer, signed

        try:
            answer, signed = await self._side.wire.call(verb, arrives)
        except StoreUnavailable as error:
            self.away.unanswered()
            raise Unproven(str(error)) from None
        self.away.answered()
        if answer.status != 200:
            raise Unproven(f"HTTP status {answer.status}")
        verify_reply(self.keys, signed, part._replace(body=answer.body), nonce, self._clock.now_ms() / 1000)
        return bytes(answer.body)

    async def close(self) -> None:
        """Nothing is open."""


class SimBankGateway(BankGateway):
    """The real gateway. A world ends before the bank's first statement."""

    capabilities = Capabilities(takes_cards=True, takes_refunds=True)


def gateway_of(side: BankSide, clock: Clock) -> SimBankGateway:
    """The gateway of one server."""
    return SimBankGateway(SimBankCalls(side, clock), MERCHANT, clock.now_ms)
