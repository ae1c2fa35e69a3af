"""The methods of `Client` on cards, the pay password, and the payments that users ask for."""

from __future__ import annotations

from client_sim.sdk.ask import Requests
from protocol import messages


class CardMethods(Requests):
    """Over TLS or from the same machine only: otherwise they raise NeedsTls.

    Requests with a code or a new password are not repeated automatically: they raise ConnectionLost if in flight.
    Then ask for the `cards`.
    """

    async def bind_card(self, number: str, holder: str, phone: str) -> messages.CardOffered:
        """Ask the bank about a card; it sends a code to the phone that it has of the card, which must be `phone`.

        Raises BadCard, CardTaken, CodeTooSoon, LimitReached, BankDeclined, BankAway.
        """
        return await self._ask(messages.BindCard(0, number, holder, phone), messages.CardOffered)

    async def confirm_card(self, challenge_id: int, code: str, password: str) -> messages.CardLine:
        """Bind the card of a challenge by its code. `password`: six digits, with the first card my new pay
        password, with others the present one.

        Raises CodeWrong, CodeSpent, CardTaken, LimitReached, PasswordNeeded, PasswordWrong, PasswordLocked,
        BankDeclined, BankAway (the code may be used again).
        """
        return (await self._ask(messages.ConfirmCard(0, challenge_id, code, password), messages.CardBound)).card

    async def send_code_again(self, challenge_id: int) -> messages.CodeSentAgain:
        """Another code for a challenge. Raises CodeTooSoon, CodeSpent, BankAway."""
        return await self._ask(messages.SendCodeAgain(0, challenge_id), messages.CodeSentAgain)

    async def cards(self) -> messages.Cards:
        """My cards, the oldest first, and whether I have a pay password."""
        return await self._ask(messages.GetCards(0), messages.Cards)

    async def unbind_card(self, card_id: int, password: str) -> None:
        """Use a card no more; again is harmless. With the last one the pay password ends.

        Raises BadCard, PasswordNeeded, PasswordWrong, PasswordLocked, BankAway.
        """
        await self._ask(messages.UnbindCard(0, card_id, password), messages.CardUnbound)

    async def set_password(self, password: str, new_password: str) -> None:
        """Replace the pay password. Raises PasswordNeeded (there is none), PasswordWrong, PasswordLocked."""
        await self._ask(messages.SetPassword(0, password, new_password), messages.PasswordSet)

    async def ask_password_reset(self, card_id: int) -> messages.ResetCodeSent:
        """Send a code to the phone of a card of mine. Raises BadCard, CodeTooSoon, LimitReached, BankAway."""
        return await self._ask(messages.AskPasswordReset(0, card_id), messages.ResetCodeSent)

    async def reset_password(self, challenge_id: int, code: str, new_password: str) -> None:
        """Set the pay password by that code; this also ends a lock. Raises CodeWrong, CodeSpent, BadCard."""
        await self._ask(messages.ResetPassword(0, challenge_id, code, new_password), messages.PasswordReset)

    async def top_up_by_card(
        self, card_id: int, amount_fen: int, password: str = "", key: str | None = None
    ) -> messages.ToppedUpByCard:
        """Move money from a card of mine into my wallet. For `key` see `send_packet`.

        Raises BadCard, PasswordNeeded, PasswordWrong, PasswordLocked, LimitReached, BadAmount, KeyReused,
        BankDeclined, BankUnknown, BankAway.
        """
        request = messages.TopUpByCard(0, "", card_id, amount_fen, password)
        return await self._ask_with_key(request, key, messages.ToppedUpByCard)

    async def withdraw_to_card(
        self, card_id: int, amount_fen: int, password: str = "", key: str | None = None
    ) -> messages.WithdrawnToCard:
        """Move money from my wallet to a card of mine. It leaves the wallet at once; `state` says whether the bank
        has it. It comes back only if the bank proves that it will not do it: then a repetition raises BankDeclined.

        Raises NotEnoughMoney, BadCard, PasswordNeeded, PasswordWrong, PasswordLocked, LimitReached, BadAmount,
        KeyReused, BankDeclined, BankAway.
        """
        request = messages.WithdrawToCard(0, "", card_id, amount_fen, password)
        return await self._ask_with_key(request, key, messages.WithdrawnToCard)

    async def transfer(
        self, user_id: int, amount_fen: int, text: str = "", password: str = "", key: str | None = None
    ) -> messages.Transferred:
        """Move money from my wallet to another user, who sees `text`. For `key` see `send_packet`.

        Raises NotEnoughMoney, NoSuchUser, Banned, BadAmount, KeyReused, LimitReached, PasswordNeeded,
        PasswordWrong, PasswordLocked, Refusal (bad_target, bad_text).
        """
        request = messages.Transfer(0, "", user_id, amount_fen, text, password)
        return await self._ask_with_key(request, key, messages.Transferred)
