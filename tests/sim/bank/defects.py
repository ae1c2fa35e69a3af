"""Deliberate defects of payments and cards: worlds with a bank must find each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from server.core.payments import Evidence, Verdict
from server.core.signed_requests import SignedHeaders
from server.gateways.bank import replies
from server.gateways.bank.signing import BANK_NONCE_HEADER
from server.gateways.port import BankNotice
from storage.errors import Unanswered
from storage.postgres.cards.payers import DayLimit
from storage.postgres.money.wallet_orders import Ordered
from tests.sim.bank.plan import GATEWAY
from tests.sim.defect import Defect, forget_transactions

if TYPE_CHECKING:
    from tests.sim.world import World

UNLIMITED: Final = DayLimit(0, 0)


class BankDefect(Defect):
    """Worlds without a bank are as they are."""

    def break_stores(self, world: World) -> None:
        if world.bank_side is not None:
            self.break_tables(world.tables)

    def break_tables(self, tables: Any) -> None:
        """Called in a world with a bank."""

    def break_server(self, server: Any) -> None:
        if server.world.bank_side is not None:
            self.break_services(server.services)

    def break_services(self, services: Any) -> None:
        """Called in a world with a bank."""


class SilenceIsFailure(BankDefect):
    """A charge without a proven answer counts as failed."""

    method = "charge"

    def break_services(self, services: Any) -> None:
        gateway = services.payments.attempts.gateways[GATEWAY]
        real = getattr(gateway, self.method)

        async def call(order: Any) -> Evidence:
            evidence: Evidence = await real(order)
            return self.replaced(evidence)

        setattr(gateway, self.method, call)

    def replaced(self, evidence: Evidence) -> Evidence:
        """What the services get instead."""
        is_known = evidence.verdict is not Verdict.UNKNOWN
        return evidence if is_known else evidence._replace(verdict=Verdict.FAILED)


class SilentPayoutIsReturned(SilenceIsFailure):
    """A payout without a proven answer goes back into the wallet, and perhaps to the card, too."""

    method = "payout"


class NotFoundIsFailure(SilenceIsFailure):
    """A number that the bank does not know yet has failed."""

    method = "query"

    def replaced(self, evidence: Evidence) -> Evidence:
        is_found = evidence.verdict is not Verdict.NOT_FOUND
        return evidence if is_found else evidence._replace(verdict=Verdict.FAILED)


class ClosingIgnoresTheAnswer(SilenceIsFailure):
    """A number that an operator has closed has failed, whatever the bank says."""

    method = "cancel"

    def replaced(self, evidence: Evidence) -> Evidence:
        return evidence._replace(verdict=Verdict.FAILED)


class AmountsAreNotCompared(BankDefect):
    """A notice of another amount counts as one of this amount."""

    def break_services(self, services: Any) -> None:
        def trust(notice: BankNotice, order: Any) -> Evidence:
            reply = replies.decoded(notice.body, replies.OrderReply)
            return Evidence("notice", replies.BANK_RESULTS[reply.result])

        services.payments.attempts.gateways[GATEWAY].evidence_of = trust


class NoticesAreNotVerified(BankDefect):
    """A notice needs no signature."""

    def break_services(self, services: Any) -> None:
        def read(path: str, headers: Any, body: bytes) -> BankNotice:
            claim = SignedHeaders("", 0, headers[BANK_NONCE_HEADER], "")
            return BankNotice(int(replies.decoded(body, replies.OrderReply).number), body, claim)

        services.payments.attempts.gateways[GATEWAY].read_notice = read


class NoncesAreForgotten(BankDefect):
    """A notice is taken as often as it is replayed."""

    def break_services(self, services: Any) -> None:
        async def accept(marks: Any) -> list[bool]:
            return [True for _ in marks]

        services.nonces._store.use = accept


class PaymentIgnoresTheVersion(BankDefect):
    """Evidence is applied to whatever version a payment has."""

    def break_tables(self, tables: Any) -> None:
        tables.fits_payment = lambda change: change.number in tables.payments


class ChargeForgetsItsKey(BankDefect):
    """A charge whose first reply was lost, or that came twice at once, is made twice."""

    def break_tables(self, tables: Any) -> None:
        tables.add_charge = lambda row, day: (tables.insert_payment(row), True)


class BreaksAreNotRecorded(BankDefect):
    """What contradicts the end of a payment leaves no trace for people."""

    def break_tables(self, tables: Any) -> None:
        apply: Callable[..., Any] = tables.apply_change
        tables.apply_change = lambda change, packet: apply(change._replace(is_break=False), packet)


class PaidPacketIsNotSent(BankDefect):
    """The money of a charge comes in, and its packet is forgotten."""

    def break_tables(self, tables: Any) -> None:
        apply: Callable[..., Any] = tables.apply_change
        tables.apply_change = lambda change, packet: apply(change, None)


class FailedPayoutStaysInTransit(BankDefect):
    """A payout that failed does not come back."""

    def break_tables(self, tables: Any) -> None:
        apply: Callable[..., Any] = tables.apply_change

        def keep(change: Any, packet: Any) -> Any:
            returns = change.transfer is not None and change.transfer.kind == 12
            return apply(change._replace(transfer=None, credits_user=False) if returns else change, packet)

        tables.apply_change = keep


class FailedRefundStaysInTransit(BankDefect):
    """A refund that the bank declined does not come back into the wallet."""

    def break_tables(self, tables: Any) -> None:
        apply: Callable[..., Any] = tables.apply_change

        def keep(change: Any, packet: Any) -> Any:
            returns = change.transfer is not None and change.transfer.kind == 17
            return apply(change._replace(transfer=None, credits_user=False) if returns else change, packet)

        tables.apply_change = keep


class SilentRefundIsReturned(SilenceIsFailure):
    """A refund without a proven answer goes back into the wallet, and perhaps to the card, too."""

    method = "refund"


class NothingIsAskedAgain(BankDefect):
    """A payment whose outcome is unknown is left alone."""

    def break_tables(self, tables: Any) -> None:
        def none(gateway: str, now_ms: int, besides: Sequence[int], most: int) -> list[Any]:
            return []

        tables.due_payments = none


class DayLimitIsCountedBefore(BankDefect):
    """The limit of a day is counted before the transaction that records the payment."""

    def break_services(self, services: Any) -> None:
        store = services.payments.by_card._store
        real = store.charge

        async def charge(row: Any, day: DayLimit) -> Any:
            store._tables.check_day(row.user_id, row.amount_fen, day)
            return await real(row, UNLIMITED)

        store.charge = charge


class CodesAreUsedTwice(BankDefect):
    """Two confirmations at the same time with the same right code both get it."""

    def break_tables(self, tables: Any) -> None:
        real = tables.change_challenge

        def change(challenge_id: int, user_id: int, change: Callable[[Any], Any]) -> Any:
            return real(challenge_id, user_id, lambda row: change(row._replace(used_at_ms=None)))

        tables.change_challenge, tables.use_challenge = change, lambda challenge_id, at_ms: True


class PasswordsAreNotProven(BankDefect):
    """A payment by card needs no right password."""

    def break_services(self, services: Any) -> None:
        async def trust(user_id: int, password: str | None) -> None:
            return

        services.cards.authorisation.prove = trust


class FoundOrdersAreTold(BankDefect):
    """An order that a request has found, and whose reply is lost, is taken for one that it has made."""

    def break_services(self, services: Any) -> None:
        store = services.orders._store
        real = store.move

        async def move(order: Any, day: DayLimit | None, cap_fen: int | None = None) -> Any:
            try:
                return await real(order, day, cap_fen)
            except Unanswered as error:
                raise Unanswered(error, [Ordered(order, {}, 0)]) from error

        store.move = move
        forget_transactions(store._tables)


BANK_DEFECTS: tuple[type[Defect], ...] = (
    SilenceIsFailure,
    SilentPayoutIsReturned,
    NotFoundIsFailure,
    ClosingIgnoresTheAnswer,
    AmountsAreNotCompared,
    NoticesAreNotVerified,
    NoncesAreForgotten,
    PaymentIgnoresTheVersion,
    ChargeForgetsItsKey,
    BreaksAreNotRecorded,
    PaidPacketIsNotSent,
    FailedPayoutStaysInTransit,
    FailedRefundStaysInTransit,
    SilentRefundIsReturned,
    NothingIsAskedAgain,
    DayLimitIsCountedBefore,
    CodesAreUsedTwice,
    PasswordsAreNotProven,
    FoundOrdersAreTold,
)
