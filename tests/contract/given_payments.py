"""Literal payments, cards, codes and orders of the contract of their stores."""

from __future__ import annotations

from server.core.ledger import IN_TRANSIT, TransferKind
from storage.postgres.cards.bind_attempts import BindAttemptRow
from storage.postgres.cards.cards import CardRow
from storage.postgres.cards.challenges import ChallengeRow
from storage.postgres.cards.payers import DayLimit, Password
from storage.postgres.money.payments import PaidPacket, PaymentChange, PaymentRow
from storage.postgres.money.wallet_orders import WalletOrderRow
from storage.postgres.money.wallets import TransferRow
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, SENT_MS, debit_of, packet, streams_of
from tests.seeds import SeedsInPlain

FIRST_ID = 9_007_199_254_742_000
CARD_ID = FIRST_ID + 500
NO_LIMIT = DayLimit(0, 0)
CALLED_MS, HEARD_MS, AGAIN_MS = 1_100, 1_200, 5_000
PASSWORD, OTHER_PASSWORD = Password("a hash", "k1"), Password("another hash", "k1")


def charge(
    number: int, fen: int = 900, user_id: int = ANNA, key: str = "", content: str | None = None
) -> PaymentRow:
    """A charge as a server hands it to the store; a top-up unless there is a `content`."""
    about = FIRST_ID + number, "bank", "charge", user_id, fen, key or f"c{number}", content
    return PaymentRow(*about, "created", 0, 0, AGAIN_MS, SENT_MS, SENT_MS, "", None, CARD_ID)


def withdrawal(number: int, fen: int = 300, user_id: int = ANNA, key: str = "") -> PaymentRow:
    """The same of a withdrawal."""
    return charge(number, fen, user_id, key or f"w{number}")._replace(kind="payout")


def card_refund(number: int, fen: int, of: PaymentRow, key: str = "") -> PaymentRow:
    """The same of a refund of a charge to its card."""
    row = charge(number, fen, of.user_id, key or f"r{number}")
    return row._replace(kind="refund", of_number=of.number)


def out_of_wallet(row: PaymentRow) -> TransferRow:
    """The transfer at the begin of a withdrawal, or of a refund to a card."""
    kind = TransferKind.PAYOUT if row.of_number is None else TransferKind.CARD_REFUND
    move = row.user_id, IN_TRANSIT, kind, str(row.number), row.amount_fen, row.created_at_ms
    return TransferRow(*move)


def into_wallet(row: PaymentRow, kind: TransferKind = TransferKind.CHARGE) -> TransferRow:
    """The transfer at the end of a charge, or of a withdrawal that failed."""
    debit = 0 if kind is TransferKind.CHARGE else IN_TRANSIT
    return TransferRow(debit, row.user_id, kind, str(row.number), row.amount_fen, HEARD_MS)


def submitted(row: PaymentRow) -> PaymentChange:
    """An attempt begins."""
    told = "submit", "submitted", "", "submitted", ""
    return PaymentChange(row.number, row.version, CALLED_MS, *told, AGAIN_MS + 1, is_attempt=True, is_break=False)


def ended(row: PaymentRow, state: str, transfer: TransferRow | None = None, credits: bool = False) -> PaymentChange:
    """Evidence ends a payment."""
    told = "charge", state, "said so", state, "" if state == "succeeded" else "said so"
    return PaymentChange(
        row.number, row.version, HEARD_MS, *told, AGAIN_MS + 2, False, False, transfer, credits_user=credits
    )


def paid_packet(number: int, sender: int = ANNA) -> PaidPacket:
    """The packet that a charge of 900 fen pays; its key is that of the charge."""
    row = packet(number, sender=sender, key=f"c{number}")
    return PaidPacket(row, debit_of, streams_of, SeedsInPlain, {})


def card(number: int, user_id: int = ANNA, card_ref: str = "ref-1", sealed: bytes | None = b"sealed") -> CardRow:
    """A bound card."""
    return CardRow(FIRST_ID + number, user_id, "bank", card_ref, "a bank", "0011", sealed, "k1", SENT_MS, None)


def challenge(
    number: int, user_id: int = ANNA, card_ref: str = "ref-1", at_ms: int = SENT_MS, sends: int = 1
) -> ChallengeRow:
    """A code that is being sent."""
    about = FIRST_ID + number, user_id, "bind", None, "bank", card_ref, "a bank", "0011", b"sealed", "k1"
    return ChallengeRow(*about, b"mac", "k1", 0, sends, at_ms, at_ms + 300_000, None, at_ms)


def bind_attempt(number: int, user_id: int = ANNA, mac: bytes = b"mac-1", at_ms: int = SENT_MS) -> BindAttemptRow:
    """An attempt to bind a card that begins."""
    return BindAttemptRow(FIRST_ID + number, user_id, mac, at_ms)


def order(
    key: str, fen: int = 200, user_id: int = ANNA, other_id: int = BEN, at_ms: int = SENT_MS
) -> WalletOrderRow:
    """A transfer; a pay if there is no other user."""
    kind = TransferKind.TRANSFER if other_id else TransferKind.PAY
    return WalletOrderRow(user_id, kind, key, other_id, fen, "for lunch", at_ms)


async def add_card(stores: Stores, row: CardRow, most: int = 10, password: Password | None = None) -> CardRow:
    """Record a card; one that the user has already keeps its id."""
    return await stores.cards.add(
        lambda same: row if same is None else row._replace(card_id=same.card_id),
        most,
        lambda other: False,
        password,
    )
