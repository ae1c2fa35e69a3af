"""Cards and pay passwords, and the payments that users ask for.

Numbers of cards, names, phones, codes and passwords travel over TLS or from the same machine only, and `repr` hides
them.
"""

from __future__ import annotations

import msgspec

from protocol.messages.base import Id, Int64, Message, Person

__all__ = [
    "AskPasswordReset",
    "BindCard",
    "CardBound",
    "CardLine",
    "CardOffered",
    "CardUnbound",
    "Cards",
    "CodeSentAgain",
    "ConfirmCard",
    "ForgetUser",
    "GetCards",
    "Paid",
    "PasswordReset",
    "PasswordSet",
    "Pay",
    "RefundToCard",
    "RefundedToCard",
    "ResetCodeSent",
    "ResetPassword",
    "SendCodeAgain",
    "SetPassword",
    "TopUpByCard",
    "ToppedUpByCard",
    "Transfer",
    "Transferred",
    "UnbindCard",
    "UserForgotten",
    "WithdrawToCard",
    "WithdrawnToCard",
]


class BindCard(Message, tag=50):
    """Bind a card of mine: the bank sends a code to `phone`, which is the one that it has of the card."""

    number: str
    holder: str
    phone: str

    def __repr__(self) -> str:
        return f"BindCard(seq={self.seq}, …)"


class CardOffered(Message, tag=150):
    """A code was sent to `phone`, which is masked. `sets_password`: ConfirmCard sets my pay password."""

    challenge_id: int
    bank: str
    last4: str
    phone: str
    expires_at_ms: int
    sets_password: bool


class ConfirmCard(Message, tag=51):
    """The code of a challenge, and six digits: with the first card my new pay password, else the present one."""

    challenge_id: Id
    code: str
    password: str

    def __repr__(self) -> str:
        return f"ConfirmCard(seq={self.seq}, challenge_id={self.challenge_id}, …)"


class CardLine(msgspec.Struct, array_like=True, gc=False):
    """A card. `holder` and `phone` are masked."""

    card_id: int
    bank: str
    last4: str
    holder: str
    phone: str
    bound_at_ms: int


class CardBound(Message, tag=151):
    card: CardLine


class SendCodeAgain(Message, tag=52):
    """Another code for a challenge, a minute after the last one at the earliest."""

    challenge_id: Id


class CodeSentAgain(Message, tag=152):
    phone: str
    expires_at_ms: int


class GetCards(Message, tag=53):
    """My cards, and whether I have a pay password."""


class Cards(Message, tag=153):
    """`takes_cards`: this server has a bank, so cards can be bound. `needs_password`: my wallet pays only with the
    pay password.
    """

    cards: list[CardLine]
    has_password: bool
    takes_cards: bool = True
    needs_password: bool = True


class UnbindCard(Message, tag=54):
    """I do not want to use a card any more. With the last one the pay password ends."""

    card_id: Id
    password: str

    def __repr__(self) -> str:
        return f"UnbindCard(seq={self.seq}, card_id={self.card_id}, …)"


class CardUnbound(Message, tag=154):
    card_id: int


class SetPassword(Message, tag=55):
    """Another pay password in place of the present one."""

    password: str
    new_password: str

    def __repr__(self) -> str:
        return f"SetPassword(seq={self.seq}, …)"


class PasswordSet(Message, tag=155):
    """The pay password is the new one."""


class AskPasswordReset(Message, tag=56):
    """Send a code to the phone of a card of mine, by which I set the pay password again."""

    card_id: Id


class ResetCodeSent(Message, tag=156):
    challenge_id: int
    phone: str
    expires_at_ms: int


class ResetPassword(Message, tag=57):
    """Set the pay password by a code; this also ends a lock."""

    challenge_id: Id
    code: str
    new_password: str

    def __repr__(self) -> str:
        return f"ResetPassword(seq={self.seq}, challenge_id={self.challenge_id}, …)"


class PasswordReset(Message, tag=157):
    """The pay password is the new one."""


class TopUpByCard(Message, tag=58):
    """Money from a card into my wallet. `card_id` 0: by the gateway that needs no card, if there is one."""

    key: str
    card_id: Int64
    amount_fen: Int64
    password: str = ""

    def __repr__(self) -> str:
        return f"TopUpByCard(seq={self.seq}, card_id={self.card_id}, amount_fen={self.amount_fen}, …)"


class ToppedUpByCard(Message, tag=158):
    """`state` is succeeded; without a card also created, submitted or unknown: people conclude it."""

    payment_id: int
    state: str
    amount_fen: int


class WithdrawToCard(Message, tag=59):
    """Money from my wallet to a card. It leaves the wallet at once. `card_id` as in TopUpByCard."""

    key: str
    card_id: Int64
    amount_fen: Int64
    password: str = ""

    def __repr__(self) -> str:
        return f"WithdrawToCard(seq={self.seq}, card_id={self.card_id}, amount_fen={self.amount_fen}, …)"


class WithdrawnToCard(Message, tag=159):
    """`state` is succeeded, or created, submitted or unknown while the money is in transit."""

    payment_id: int
    state: str
    amount_fen: int


class Transfer(Message, tag=72):
    """Money from my wallet to another user (转账)."""

    key: str
    user_id: Person
    amount_fen: Int64
    text: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Transfer(seq={self.seq}, user_id={self.user_id}, amount_fen={self.amount_fen}, …)"


class Transferred(Message, tag=172):
    user_id: int
    amount_fen: int
    at_ms: int


class Pay(Message, tag=73):
    """Chat backend only: a user pays from the wallet for what the text says (消费)."""

    key: str
    user_id: Person
    amount_fen: Int64
    text: str = ""


class Paid(Message, tag=173):
    user_id: int
    amount_fen: int
    at_ms: int


class RefundToCard(Message, tag=98):
    """Chat backend only: give a charge, or a part of it, from its user's wallet back to its card (原路退款)."""

    key: str
    payment_id: Id
    amount_fen: Int64


class RefundedToCard(Message, tag=198):
    """`state` is succeeded, or created, submitted or unknown while the money is in transit."""

    payment_id: int
    state: str
    amount_fen: int


class ForgetUser(Message, tag=74):
    """Chat backend only: erase the name, the picture, the cards and the pay password of a user. The books stay."""

    user_id: Person


class UserForgotten(Message, tag=174):
    user_id: int
