"""Codes of six digits to the phone that the bank has of a card: sent, sent again, and used once."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from server.core.cards import attempts
from server.core.cards.attempts import Challenge
from server.core.refusals import Reason, RequestRefused
from server.gateways.port import CardDeclined, CardGateway, GatewayAway
from server.services.cards.secrets import CardContent, CardSecrets
from server.services.seeds.seals import Unsealable
from storage.postgres.cards.challenges import ChallengeRow, ChallengeStore, Sends

BIND: Final = "bind"
RESET: Final = "reset"
TEXTS: Final = {
    BIND: "验证码 {code}，用于绑定尾号 {last4} 的银行卡，5 分钟内有效。请勿告诉他人。",
    RESET: "验证码 {code}，用于重设支付密码，5 分钟内有效。请勿告诉他人。",
}


class AboutCard(NamedTuple):
    """The card whose phone gets a code. `card_id`: of a bound one."""

    gateway: str
    card_ref: str
    bank: str
    last4: str
    content: CardContent
    card_id: int | None = None


class SentCode(NamedTuple):
    """A code that was sent. `phone` is masked."""

    challenge_id: int
    phone: str
    expires_at_ms: int


class CodeService:
    """Codes of users. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: ChallengeStore,
        secrets: CardSecrets,
        now_ms: Callable[[], int],
        random_number: Callable[[], int],
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._now_ms, self._random_number = now_ms, random_number

    async def send(
        self, gateway: CardGateway, challenge_id: int, user_id: int, purpose: str, card: AboutCard
    ) -> SentCode:
        """Record a challenge, then send its code."""
        now_ms, code = self._now_ms(), self._code()
        sealed = self._secrets.seal(card.content, challenge_id)
        key_id = self._secrets.key_id
        first = attempts.first_code(now_ms)
        row = ChallengeRow(
            challenge_id=challenge_id,
            user_id=user_id,
            purpose=purpose,
            card_id=card.card_id,
            gateway=card.gateway,
            card_ref=card.card_ref,
            bank=card.bank,
            last4=card.last4,
            sealed=sealed.data,
            key_id=sealed.key_id,
            code_mac=self._secrets.code_mac(key_id, challenge_id, code),
            mac_key_id=key_id,
            attempts=first.attempts,
            sends=first.sends,
            sent_at_ms=first.sent_at_ms,
            expires_at_ms=first.expires_at_ms,
            used_at_ms=None,
            created_at_ms=now_ms,
        )
        await self._store.add(row, lambda sends: _judge(sends, now_ms))
        try:
            await self._transmit(gateway, row, code, card.content.token)
        except RequestRefused:
            await self._store.remove(challenge_id)
            raise
        return SentCode(challenge_id, card.content.phone, row.expires_at_ms)

    async def send_again(self, gateways: Callable[[str], CardGateway], challenge_id: int, user_id: int) -> SentCode:
        """Another code for the same challenge, which counts as any code that is sent. Its attempts go on."""
        now_ms, code = self._now_ms(), self._code()
        key_id = self._secrets.key_id

        def renewed(row: ChallengeRow) -> ChallengeRow:
            if row.created_at_ms < now_ms - attempts.DAY_MS:  # its codes are not counted any more
                raise _unknown()
            after = attempts.code_sent(_challenge(row), now_ms)
            mac = self._secrets.code_mac(key_id, challenge_id, code)
            return row._replace(code_mac=mac, mac_key_id=key_id, **after._asdict())

        asked = challenge_id, user_id, now_ms
        row = await self._store.send_again(*asked, renewed, lambda sends: _judge(sends, now_ms))
        if row is None:
            raise _unknown()
        content = self.content(row)
        await self._transmit(gateways(row.gateway), row, code, content.token)
        return SentCode(challenge_id, content.phone, row.expires_at_ms)

    async def use(self, challenge_id: int, user_id: int, purpose: str, code: str) -> ChallengeRow:
        """Use a code up: of several requests with the same right code one gets here. The attempt counts first."""
        now_ms = self._now_ms()

        def attempted(row: ChallengeRow) -> ChallengeRow:
            if row.purpose != purpose:
                raise _unknown()
            return row._replace(**attempts.code_attempted(_challenge(row), now_ms)._asdict())

        row = await self._store.change(challenge_id, user_id, attempted)
        if row is None:
            raise _unknown()
        if not hmac.compare_digest(self._mac_of(row, code), row.code_mac):
            raise attempts.code_wrong(_challenge(row))
        if not await self._store.use(challenge_id, now_ms):
            raise RequestRefused(Reason.CODE_SPENT, attempts.SPENT[attempts.ChallengeState.USED])
        return row._replace(used_at_ms=now_ms)

    async def release(self, row: ChallengeRow) -> None:
        """What a used code was for could not be done: it may be used again."""
        assert row.used_at_ms is not None
        await self._store.release(row.challenge_id, row.used_at_ms)

    def content(self, row: ChallengeRow) -> CardContent:
        """What is sealed with a challenge. Raises RequestRefused if it cannot be unsealed."""
        assert row.sealed is not None
        try:
            return self._secrets.unseal(row.sealed, row.key_id, row.challenge_id)
        except Unsealable:
            raise _unknown() from None

    def _mac_of(self, row: ChallengeRow, code: str) -> bytes:
        try:
            return self._secrets.code_mac(row.mac_key_id, row.challenge_id, code)
        except Unsealable:
            raise _unknown() from None

    def _code(self) -> str:
        return f"{self._random_number() % 10**6:06}"

    async def _transmit(self, gateway: CardGateway, row: ChallengeRow, code: str, to: str) -> None:
        """Once per number of sends: a repeated call sends no second message."""
        text = TEXTS[row.purpose].format(code=code, last4=row.last4)
        try:
            await gateway.send_code(f"{row.challenge_id}-{row.sends}", to, text)
        except GatewayAway:
            raise RequestRefused(Reason.BANK_AWAY) from None
        except CardDeclined as declined:
            raise RequestRefused(Reason.BANK_DECLINED, str(declined)) from None


def _judge(sends: Sends, now_ms: int) -> None:
    """Refuse a code that would follow too many others."""
    if max(sends.of_user, sends.of_card) >= attempts.CODES_OF_DAY_MAX:
        raise RequestRefused(Reason.LIMIT, f"{attempts.CODES_OF_DAY_MAX} codes in 24 hours")
    attempts.check_pause(sends.last_at_ms, now_ms)


def _challenge(row: ChallengeRow) -> Challenge:
    return Challenge(row.attempts, row.sends, row.sent_at_ms, row.expires_at_ms, row.used_at_ms)


def _unknown() -> RequestRefused:
    return RequestRefused(Reason.CODE_SPENT, "there is no such code: ask for another one")
