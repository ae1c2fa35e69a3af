"""Cards of users: bound by a code to the phone that the bank has, listed, unbound, forgotten.

The number of a card is in memory for the one call to the bank that names it, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import structlog

from server.core.cards import texts as rules
from server.core.cards.attempts import check_password
from server.core.cards.issuers import bank_of
from server.core.refusals import Reason, RequestRefused
from server.gateways.port import CardAsk, CardDeclined, CardGateway, Gateway, GatewayAway
from server.services.cards.bind_attempts import BindAttempts
from server.services.cards.codes import BIND, RESET, AboutCard, CodeService, SentCode
from server.services.cards.passwords import PasswordService
from server.services.cards.secrets import CardContent, CardSecrets
from server.services.seeds.seals import Unsealable
from storage.postgres.cards.cards import CardRow, CardStore, CardTaken, TooManyCards
from storage.postgres.cards.payers import Password

if TYPE_CHECKING:
    from server.clock import Clock
    from server.core.ids import IdMaker
    from storage.postgres.cards.challenges import ChallengeRow
    from storage.postgres.money.payments import PaymentRow

LOG = structlog.get_logger()
SEAL_BATCH: Final = 500


class BoundCard(NamedTuple):
    """A card as its user may see it. `holder` and `phone` are masked."""

    card_id: int
    bank: str
    last4: str
    holder: str
    phone: str
    bound_at_ms: int


class OfferedCard(NamedTuple):
    """A card that the bank would bind; a code was sent to its phone."""

    code: SentCode
    bank: str
    last4: str
    needs_new_password: bool  # the user has no pay password yet: the confirmation sets it


class CardService:
    """Use cases on cards. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: CardStore,
        gateways: Mapping[str, Gateway],
        bind_attempts: BindAttempts,
        codes: CodeService,
        passwords: PasswordService,
        secrets: CardSecrets,
        ids: IdMaker,
        clock: Clock,
        *,
        keeps_password: bool,
    ) -> None:
        """`keeps_password`: a user without cards has a pay password, too."""
        self._store = store
        self._gateways = {
            name: cast("CardGateway", one) for name, one in gateways.items() if one.capabilities.takes_cards
        }
        self._bind_attempts = bind_attempts
        self._codes, self._passwords, self._secrets = codes, passwords, secrets
        self._ids, self._clock = ids, clock
        self._keeps_password = keeps_password

    # --- bind -------------------------------------------------------------------------------------------------

    async def bind(self, user_id: int, number: str, holder: str, phone: str) -> OfferedCard:
        """Ask the bank about a card, and let it send a code to the phone that it has."""
        digits, holder, phone = rules.card_number(number), rules.holder_name(holder), rules.phone_number(phone)
        if not self._gateways:
            raise RequestRefused(Reason.BAD_CARD, "number: this server takes no cards")
        name, gateway = next(iter(self._gateways.items()))
        if gateway.is_away:
            raise RequestRefused(Reason.BANK_AWAY)
        challenge_id = self._ids.next(self._clock.now_ms())
        ask = CardAsk(str(challenge_id), digits, holder, phone)
        offer = await self._bind_attempts.offer(gateway, user_id, ask)
        bank = offer.bank or bank_of(digits)  # the bank knows better than any table
        bound = await self._store.bound(user_id)
        if sum((one.gateway, one.card_ref) != (name, offer.card_ref) for one in bound) >= rules.CARDS_MAX:
            raise _too_many()
        others = await self._store.of_others(user_id, name, offer.card_ref)
        if not all(self._is_of(one, holder) for one in others):
            raise RequestRefused(Reason.CARD_TAKEN)
        content = CardContent(offer.binding, holder, rules.masked_phone(phone))
        about = AboutCard(name, offer.card_ref, bank, offer.last4, content)
        sent = await self._codes.send(gateway, challenge_id, user_id, BIND, about)
        return OfferedCard(sent, bank, offer.last4, not await self._passwords.is_set(user_id))

    async def confirm(self, user_id: int, challenge_id: int, code: str, password: str) -> BoundCard:
        """Bind the card of a challenge by its code. The first card sets the pay password, others need it.

        Otherwise a stolen phone could bind a card of its own, and reset the password by it.
        """
        check_password(password)
        is_first = not await self._passwords.is_set(user_id)
        if not is_first:
            await self._passwords.check(user_id, password)
        row = await self._codes.use(challenge_id, user_id, BIND, code)
        content = self._codes.content(row)
        first = await self._passwords.hashed(user_id, password) if is_first else None
        try:
            token = await self._gateway(row.gateway).confirm(content.token)
        except GatewayAway:
            await self._codes.release(row)
            raise RequestRefused(Reason.BANK_AWAY) from None
        except CardDeclined as declined:
            raise RequestRefused(Reason.BANK_DECLINED, str(declined)) from None
        return self._shown(await self._add(row, CardContent(token, content.holder, content.phone), first))

    async def _add(self, row: ChallengeRow, content: CardContent, first: Password | None) -> CardRow:
        now_ms = self._clock.now_ms()
        new_id = self._ids.next(now_ms)

        def made(same: CardRow | None) -> CardRow:
            """A card that is bound already keeps its id, and gets the new token."""
            card_id, bound_at_ms = (new_id, now_ms) if same is None else (same.card_id, same.bound_at_ms)
            about = row.user_id, row.gateway, row.card_ref, row.bank, row.last4
            return CardRow(card_id, *about, *self._secrets.seal(content, card_id), bound_at_ms, None)

        try:
            return await self._store.add(
                made, rules.CARDS_MAX, lambda other: self._is_of(other, content.holder), first
            )
        except CardTaken:
            raise RequestRefused(Reason.CARD_TAKEN) from None
        except TooManyCards:
            raise _too_many() from None

    def _is_of(self, card: CardRow, holder: str) -> bool:
        """Whether another user's card has the same holder, who then has two accounts."""
        try:
            return rules.is_same_holder(self._content(card).holder, holder)
        except Unsealable:
            return False

    # --- codes ------------------------------------------------------------------------------------------------

    async def send_again(self, user_id: int, challenge_id: int) -> SentCode:
        """Another code for a challenge, a minute after the last one."""
        return await self._codes.send_again(self._gateway, challenge_id, user_id)

    async def ask_reset(self, user_id: int, card_id: int) -> SentCode:
        """Send a code to the phone of a bound card, by which the pay password may be set again."""
        card = await self.usable(user_id, card_id)
        about = AboutCard(card.gateway, card.card_ref, card.bank, card.last4, self._opened(card), card_id)
        challenge_id = self._ids.next(self._clock.now_ms())
        return await self._codes.send(self._gateway(card.gateway), challenge_id, user_id, RESET, about)

    async def reset_password(self, user_id: int, challenge_id: int, code: str, new: str) -> None:
        """Set the pay password by a code. The card must still be the user's."""
        check_password(new)
        row = await self._codes.use(challenge_id, user_id, RESET, code)
        assert row.card_id is not None
        await self.usable(user_id, row.card_id)
        await self._passwords.replace(user_id, await self._passwords.hashed(user_id, new))

    # --- the cards of a user ----------------------------------------------------------------------------------

    async def bound(self, user_id: int) -> list[BoundCard]:
        """The cards of a user, the oldest first."""
        return [self._shown(card) for card in await self._store.bound(user_id)]

    async def usable(self, user_id: int, card_id: int) -> CardRow:
        """A card that the user has now."""
        card = await self._store.get(card_id)
        if card is None or card.user_id != user_id or card.unbound_at_ms is not None:
            raise RequestRefused(Reason.BAD_CARD, "card_id: the user has no such card")
        return card

    async def unbind(self, user_id: int, card_id: int, password: str | None) -> None:
        """The user has the card no more; the bank is told first. `password` None: the chat backend asks for it.

        Again is harmless. With the last card the pay password ends.
        """
        card = await self._store.get(card_id)
        if card is None or card.user_id != user_id:
            raise RequestRefused(Reason.BAD_CARD, "card_id: the user has no such card")
        if card.unbound_at_ms is not None:
            return
        if password is not None:
            await self._passwords.check(user_id, password)
        await self._unbind_at_bank(card)
        await self._store.unbind(user_id, card_id, self._clock.now_ms(), keeps_password=self._keeps_password)

    async def forget(self, user_id: int) -> None:
        """Unbind all cards of a user, and erase names, phones, tokens and the password. The books stay."""
        cards = await self._store.all_of(user_id)
        for card in cards:
            if card.unbound_at_ms is None:
                await self._unbind_at_bank(card)
        if not await self._store.forget(user_id, self._clock.now_ms()):
            raise RequestRefused(Reason.BANK_UNKNOWN, "a payment of the user has not ended yet")

    async def _unbind_at_bank(self, card: CardRow) -> None:
        try:
            content = self._content(card)
        except Unsealable:
            return  # its token cannot be used any more
        gateway = self._gateways.get(card.gateway)
        if gateway is None:  # its section is no longer in the config, and may never be again
            LOG.warning("card_is_unbound_here_alone", card_id=card.card_id, gateway=card.gateway)
            return
        try:
            await gateway.unbind(content.token)
        except GatewayAway:
            raise RequestRefused(Reason.BANK_AWAY) from None
        except CardDeclined as declined:  # the bank does not know the token any more
            LOG.warning("card_was_unbound_at_the_bank", card_id=card.card_id, why=str(declined))

    # --- seals ------------------------------------------------------------------------------------------------

    async def token_of(self, payment: PaymentRow) -> str:
        """The token of the card that pays or is paid; "" without a card, or if it cannot be unsealed any more.

        A refund names its charge instead.
        """
        if payment.card_id is None or payment.of_number is not None:
            return ""
        card = await self._store.get(payment.card_id)
        if card is None:
            return ""
        try:
            return self._content(card).token
        except Unsealable as error:
            LOG.error("card_cannot_be_unsealed", card_id=card.card_id, why=str(error))
            return ""

    async def seal_all(self) -> int:
        """Seal what is sealed under an older key again; how many cards. Raises StoreUnavailable.

        The passwords of the same time keep their old pepper until each is used next.
        """
        replaced, after = 0, 0
        while cards := await self._store.sealed_otherwise(self._secrets.key_id, after, SEAL_BATCH):
            after = cards[-1].card_id
            again: dict[CardRow, bytes] = {}
            for card in cards:
                try:
                    again[card] = self._secrets.seal(self._content(card), card.card_id).data
                except Unsealable as error:
                    LOG.warning("card_cannot_be_unsealed", card_id=card.card_id, why=str(error))
            replaced += await self._store.seal_again(list(again), list(again.values()), self._secrets.key_id)
        if replaced:
            LOG.info("cards_sealed", count=replaced)
        return replaced

    def _content(self, card: CardRow) -> CardContent:
        if card.sealed is None:
            raise Unsealable("it was forgotten")
        return self._secrets.unseal(card.sealed, card.key_id, card.card_id)

    def _opened(self, card: CardRow) -> CardContent:
        try:
            return self._content(card)
        except Unsealable as error:
            LOG.error("card_cannot_be_unsealed", card_id=card.card_id, why=str(error))
            raise RequestRefused(
                Reason.BAD_CARD, "card_id: the card cannot be used any more, bind it again"
            ) from None

    def _shown(self, card: CardRow) -> BoundCard:
        try:
            content = self._content(card)
        except Unsealable:
            content = CardContent("", "*", "")
        holder = rules.masked_name(content.holder)
        return BoundCard(card.card_id, card.bank, card.last4, holder, content.phone, card.bound_at_ms)

    def _gateway(self, name: str) -> CardGateway:
        """Raises RequestRefused: its section is no longer in the config."""
        if name not in self._gateways:
            raise RequestRefused(Reason.BANK_AWAY)
        return self._gateways[name]


def _too_many() -> RequestRefused:
    return RequestRefused(Reason.LIMIT, f"{rules.CARDS_MAX} cards a user")
