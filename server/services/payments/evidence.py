"""All evidence about payments enters here: one function changes a payment and moves its money."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import structlog

from server.core import ledger, payments
from server.core.kinds import PacketKind
from server.core.ledger import TransferKind, WalletBalance
from server.core.packet_request import PacketRequest
from server.core.payments import ENDED, Evidence, PaymentKind, PaymentState, Verdict
from server.core.refusals import Reason, RequestRefused
from server.services.packets.send import SendService, send_transfer, streams
from server.services.runtime.bus import Bus
from server.services.runtime.events import BalanceChange
from server.services.seeds.service import SeedService
from storage.errors import StoreUnavailable
from storage.postgres.money.payments import AppliedChange, PaidPacket, PaymentChange, PaymentRow, PaymentStore
from storage.postgres.money.wallets import TransferRow
from storage.postgres.packets.packets import PacketRow

if TYPE_CHECKING:
    from server.clock import Clock

LOG = structlog.get_logger()
NOT_NOW: Final = (Reason.STORE_UNAVAILABLE, Reason.OVERLOADED, Reason.INTERNAL)  # says nothing about the sender
TRIES_MAX: Final = 20  # against other writers of the same payment; each has changed it once
# The money that moves at the end of a payment: from, to, kind; None: the user's wallet.
MOVES: Final = {
    (PaymentKind.CHARGE, PaymentState.SUCCEEDED): (ledger.OUTSIDE, None, TransferKind.CHARGE),
    (PaymentKind.PAYOUT, PaymentState.SUCCEEDED): (ledger.IN_TRANSIT, ledger.OUTSIDE, TransferKind.PAID_OUT),
    (PaymentKind.PAYOUT, PaymentState.FAILED): (ledger.IN_TRANSIT, None, TransferKind.PAYOUT_RETURNED),
    (PaymentKind.REFUND, PaymentState.SUCCEEDED): (ledger.IN_TRANSIT, ledger.OUTSIDE, TransferKind.PAID_OUT),
    (PaymentKind.REFUND, PaymentState.FAILED): (ledger.IN_TRANSIT, None, TransferKind.CARD_REFUND_RETURNED),
}


class PayoutEnded(NamedTuple):
    """A payout to a user has ended, so the next one may be ordered."""

    user_id: int


class EvidenceService:
    """Applies evidence. Raises StoreUnavailable: then the payment is asked again when its lease ends."""

    def __init__(
        self,
        store: PaymentStore,
        sends: SendService,
        seeds: SeedService,
        clock: Clock,
        bus: Bus,
        lease_ms: int,
        is_current: Callable[[], bool],
    ) -> None:
        """`lease_ms`: so long an attempt may take before another server may begin one.

        `is_current`: the server knows who may send now, as far as other servers have changed that.
        """
        self._store, self._sends, self._seeds = store, sends, seeds
        self._clock, self._bus = clock, bus
        self._lease_ms, self._is_current = lease_ms, is_current

    async def begin(self, payment: PaymentRow) -> PaymentRow | None:
        """Begin an attempt; None: another writer has changed the payment since it was read, or it has ended."""
        if payment.state in ENDED:
            return None
        applied = await self._apply_once(payment, Evidence("submit", Verdict.SUBMITTED))
        return None if applied is None else applied.payment

    async def apply(self, payment: PaymentRow, evidence: Evidence) -> PaymentRow:
        """Apply evidence to a payment, whatever other writers have applied meanwhile; the payment after it."""
        for _ in range(TRIES_MAX):
            if not payments.is_new(PaymentState(payment.state), evidence.verdict):
                return payment
            applied = await self._apply_once(payment, evidence)
            if applied is not None:
                return applied.payment
            found = await self._store.get(payment.number)
            assert found is not None
            payment = found
        raise StoreUnavailable(f"payment {payment.number} is changed all the time")

    async def _apply_once(self, payment: PaymentRow, evidence: Evidence) -> AppliedChange | None:
        change = self._change(payment, evidence)
        packet, tries = None, self._seeds.for_packets()
        comes_in = change.transfer is not None and change.transfer.kind == TransferKind.CHARGE
        if comes_in and payment.content is not None:  # without one it is a top-up: the money stays in the wallet
            prepared = await self._packet_of(payment)
            if isinstance(prepared, PacketRow):
                caps = await self._sends.gate.send_caps((payment.user_id,))
                packet = PaidPacket(prepared, send_transfer, streams, tries.begin, caps)
            else:
                change = change._replace(reason=prepared)
        try:
            applied = await self._store.apply(change, packet)
        except StoreUnavailable:
            if packet is not None:
                self._sends.in_doubt.add([packet.row])  # if it has committed, its packet is told
            raise
        if applied is not None:
            self._tell(payment, change, applied, tries.keep())
        return applied

    def _change(self, payment: PaymentRow, evidence: Evidence) -> PaymentChange:
        """What a piece of evidence does to this version of a payment."""
        step = payments.step(PaymentState(payment.state), evidence.verdict)
        now_ms = self._clock.now_ms()
        begins = evidence.verdict is Verdict.SUBMITTED
        goes_on = begins or evidence.verdict is Verdict.NOT_FOUND  # after which the order is sent again
        wait_ms = self._lease_ms if goes_on else payments.wait_ms(payment.attempts, self._clock.random_part())
        change = PaymentChange(
            payment.number,
            payment.version,
            now_ms,
            evidence.source,
            evidence.verdict,
            evidence.detail,
            step.state,
            evidence.detail if step.ends and step.state is PaymentState.FAILED else payment.reason,
            now_ms + wait_ms,
            begins,
            step.is_break,
        )
        move = MOVES.get((PaymentKind(payment.kind), step.state)) if step.ends else None
        if move is None:
            return change
        debit, credit, kind = move
        account = payment.user_id if credit is None else credit
        transfer = TransferRow(debit, account, kind, str(payment.number), payment.amount_fen, now_ms)
        return change._replace(transfer=transfer, credits_user=credit is None)

    async def _packet_of(self, payment: PaymentRow) -> PacketRow | str:
        """The packet that a charge pays, in the set of the charge; or why its sender may not send it any more.

        A bank answers, or tells by itself, at any time: also while another server may have removed the sender.
        """
        if not self._is_current():
            raise StoreUnavailable("whether the sender may send is not known: other servers may have changed it")
        assert payment.content is not None
        request = request_in(payment.content)
        try:
            checked = await self._sends.checked(request)
            return self._sends.row(checked, self._clock.now_ms(), self._store.set_of(payment.number))
        except RequestRefused as refused:
            if refused.reason in NOT_NOW:
                raise StoreUnavailable(f"whether the sender may send is not known: {refused}") from None
            return refused.reason.value

    def _tell(
        self, before: PaymentRow, change: PaymentChange, applied: AppliedChange, seeds: Mapping[int, bytes]
    ) -> None:
        """After the commit: the log, the new balance and the packet."""
        if change.is_break:
            LOG.error("payment_break", number=change.number, says=change.verdict, state=change.state)
        elif change.state in ENDED and before.state not in ENDED:
            LOG.debug("payment_ended", number=change.number, kind=before.kind, state=change.state)
            if before.kind == PaymentKind.PAYOUT:
                self._bus.publish(PayoutEnded(before.user_id))
        if applied.balance is not None and change.transfer is not None:
            kind = TransferKind(change.transfer.kind).name.lower()
            event = BalanceChange(before.user_id, WalletBalance(*applied.balance), before.amount_fen, kind)
            self._bus.publish(event, (before.user_id,))
        if applied.sent is not None:
            self._sends.sent(applied.sent, seeds)


class _Content(msgspec.Struct, frozen=True):
    """A send as JSON: its sender and key stand in the payment, too."""

    sender_id: int
    key: str
    kind: PacketKind
    target_id: int
    amount_fen: int
    shares: int
    greeting: str
    client_seed: str
    only_for: tuple[int, ...] = ()
    words: str = ""
    send_at_ms: int = 0


def content_of(request: PacketRequest) -> str:
    """A send as it is kept with its charge, as the sender asked for it."""
    kept = _Content(*request[:7], request.client_seed.hex(), request.only_for, request.words, request.send_at_ms)
    return msgspec.json.encode(kept).decode()


def request_in(content: str) -> PacketRequest:
    """The inverse of `content_of`."""
    kept = msgspec.json.decode(content, type=_Content)
    first = kept.sender_id, kept.key, kept.kind, kept.target_id, kept.amount_fen, kept.shares, kept.greeting
    request = PacketRequest(*first, bytes.fromhex(kept.client_seed))
    return request._replace(only_for=kept.only_for, words=kept.words, send_at_ms=kept.send_at_ms)
