"""Send with money from elsewhere: a packet that the sender's wallet cannot pay is paid by a charge, as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.core.ids import IdMaker
from server.core.limits import Limits
from server.core.packet import Terms
from server.core.packet_request import PacketRequest
from server.core.payments import PaymentKind, PaymentState
from server.core.refusals import Reason, RequestRefused
from server.gateways.port import Gateway
from server.services.packets.send import SendService
from server.services.payments.evidence import content_of, request_in
from server.services.payments.service import PaymentService
from storage.postgres.money.payments import PaymentRow

if TYPE_CHECKING:
    from server.clock import Clock

IN_FLIGHT_MAX: Final = 256  # charges; each holds a request
RETRY_MS: Final = (500, 30_000)


class PaidSendService:
    """The use case send, with the gateway behind the wallet. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        sends: SendService,
        payments: PaymentService,
        gateway: Gateway,
        limits: Limits,
        ids: IdMaker,
        clock: Clock,
        lease_ms: int,
    ) -> None:
        """`gateway`: what a wallet cannot pay is charged there."""
        self._sends, self._payments, self._gateway = sends, payments, gateway
        self._limits = limits
        self._ids, self._clock = ids, clock
        self._lease_ms = lease_ms

    async def send(self, one: PacketRequest) -> Terms:
        """As SendService.send. A packet that the wallet cannot pay is paid by a charge, once per key."""
        if not 1 <= len(one.key.encode()) <= self._limits.key_bytes_max or "\0" in one.key:
            return await self._sends.send(one)  # which refuses it
        payment = await self._payments.store.of_send(one.sender_id, one.key)
        if payment is None:
            try:
                return await self._sends.send(one)
            except RequestRefused as refused:
                if refused.reason is not Reason.NOT_ENOUGH_MONEY:
                    raise
            payment = await self._charge(one)
        return await self._answer(await self._payments.result(payment), one)

    async def _charge(self, one: PacketRequest) -> PaymentRow:
        """Record a charge, then make a first attempt at it."""
        if self._gateway.is_away:
            raise RequestRefused(Reason.BANK_AWAY)
        if self._payments.in_flight >= IN_FLIGHT_MAX:
            raise RequestRefused(Reason.OVERLOADED)
        now_ms = self._clock.now_ms()
        row = PaymentRow(
            number=self._ids.next(now_ms),
            gateway=self._gateway.name,
            kind=PaymentKind.CHARGE,
            user_id=one.sender_id,
            amount_fen=one.total_fen,
            key=one.key,
            content=content_of(one),
            state=PaymentState.CREATED,
            version=0,
            attempts=0,
            next_try_ms=now_ms + self._lease_ms,
            created_at_ms=now_ms,
            changed_at_ms=now_ms,
            reason="",
            packet_id=None,
        )
        payment, is_new = await self._payments.store.create_charge(row)
        return await self._payments.attempt(payment) if is_new else payment

    async def _answer(self, payment: PaymentRow, one: PacketRequest) -> Terms:
        """What has become of a send that is paid by a charge."""
        assert payment.content is not None
        if _content(request_in(payment.content)) != _content(one):
            raise RequestRefused(Reason.KEY_REUSED, "the key was used for a packet with other content")
        if payment.state == PaymentState.FAILED:
            raise RequestRefused(Reason.BANK_DECLINED, payment.reason)
        if payment.state != PaymentState.SUCCEEDED:
            least, most = RETRY_MS
            wait_ms = min(max(payment.next_try_ms - self._clock.now_ms(), least), most)
            raise RequestRefused(Reason.BANK_UNKNOWN, retry_after_ms=wait_ms)
        if payment.packet_id is None:
            raise RequestRefused(Reason(payment.reason), "the money that was charged is in the wallet")
        return await self._sends.send(one)  # which finds the packet by its key


def _content(one: PacketRequest) -> tuple[object, ...]:
    """What must be the same when a key is used again: all but the seed of the client, of which the first counts."""
    return one._replace(client_seed=b"")
