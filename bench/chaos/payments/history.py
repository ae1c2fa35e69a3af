"""What users asked and were told about payments: the auditor's own books."""

from __future__ import annotations

from typing import Final, NamedTuple

PACKET, TOP_UP, WITHDRAWAL, TRANSFER, PAY = "packet", "top_up", "withdrawal", "transfer", "pay"
REFUND: Final = "card_refund"  # of a top-up, as the chat backend orders
BY_BANK: Final = (PACKET, TOP_UP, WITHDRAWAL, REFUND)
DONE, UNKNOWN = "done", "unknown"


class PaymentOp(NamedTuple):
    """One payment, asked for under one key until the answer was final."""

    user_id: int
    key: str
    kind: str
    amount_fen: int
    answer: str = UNKNOWN  # done, the name of a refusal, or unknown: no final answer came
    number: int = 0  # of the payment, the packet or the transfer, as it was told
    state: str = ""  # of a withdrawal or a refund, as it was told last
    to_user: int = 0  # of a transfer
    of_number: int = 0  # the charge of a refund
    tries: int = 0
    last_refusal: str = ""  # the last one that was not final


class PaymentHistory:
    """The log of all users. `funds`: what the chat backend put into wallets at the begin, in fen by user."""

    def __init__(self) -> None:
        self.ops: list[PaymentOp] = []
        self.funds: dict[int, int] = {}
        self.cards: dict[int, str] = {}  # the card number of each user
        self.last_ack_s = 0.0  # the latest start of a try that was answered

    def add(self, op: PaymentOp, try_s: float) -> None:
        """A payment is over; its last try began at `try_s`."""
        self.ops.append(op)
        if op.answer == DONE:
            self.last_ack_s = max(self.last_ack_s, try_s)

    @property
    def done(self) -> int:
        """Payments that users were told to be made."""
        return sum(op.answer == DONE for op in self.ops)
