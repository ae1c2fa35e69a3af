"""The login of a connection: judge the proof, join the hub, answer with the welcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from protocol import codes, messages, tokens
from protocol.money_unit import MoneyUnit
from server import logs
from server.clock import Clock
from server.core.refusals import RequestRefused
from server.net.hub import Hub
from server.net.session import ClientSession
from server.services.chat.login import LoginService, LoginVerdict, Profile

ACCEPTED: Final = LoginVerdict.ACCEPTED
CLOSES: Final = {
    LoginVerdict.REFUSED: codes.Close.LOGIN_REFUSED,
    LoginVerdict.FROM_LATER: codes.Close.LOGIN_REFUSED,
    LoginVerdict.EXPIRED: codes.Close.TOKEN_EXPIRED,
    LoginVerdict.OLD_VERSION: codes.Close.TOKEN_EXPIRED,
    LoginVerdict.BANNED: codes.Close.BANNED,
    LoginVerdict.REVOKED: codes.Close.TOKEN_REVOKED,
    LoginVerdict.SPONSOR: codes.Close.LOGIN_REFUSED,
}
DETAILS: Final = {
    LoginVerdict.SPONSOR: "the user is a sponsor: no client logs in as one",
    LoginVerdict.OLD_VERSION: "this server accepts tokens with a time of issue only",
    LoginVerdict.FROM_LATER: "the token was issued more than 60 seconds ahead of this server's clock",
}


class LoginHandler:
    """Serves logins."""

    def __init__(
        self,
        login: LoginService,
        hub: Hub,
        clock: Clock,
        money: MoneyUnit,
        noted: Callable[[], Awaitable[None]],
    ) -> None:
        """`noted` returns when other servers push here what happens to a user who has just joined the hub."""
        self._noted = noted
        self._login = login
        self._hub = hub
        self._clock = clock
        self._money = money
        self.under_way = 0  # logins that wait for a profile

    def begin(self, session: ClientSession, login: messages.Login) -> None:
        """Welcome the user, or close the connection with a code that says why."""
        if self._joins(session, login):
            self._go_on(session, login)

    async def serve(self, session: ClientSession, login: messages.Login) -> None:
        """The same, once other servers know the user."""
        if self._joins(session, login):
            await self._noted()
            self._go_on(session, login)

    def _joins(self, session: ClientSession, login: messages.Login) -> bool:
        """Judge the login; from now on the connection is told what happens to its user. False: it is closed."""
        verdict = self._judge(session, login)
        if verdict is not ACCEPTED:
            self._refuse(session, login, verdict)
            return False
        if not self._hub.join(login.user_id, session, session.now_s()):
            session.close(codes.Close.TOO_MANY_CONNECTIONS, "of this user")
            return False
        session.holds_pushes = True
        session.features = frozenset(login.features)
        session.user_id, session.issued_at_s = login.user_id, login.issued_at_s
        return True

    def _go_on(self, session: ClientSession, login: messages.Login) -> None:
        self.under_way += 1
        self._ask(partial(self._found, session, login), session, login)

    def _ask(
        self, on_profile: Callable[[Profile | Exception], None], session: ClientSession, login: messages.Login
    ) -> None:
        try:
            self._login.find_profile(login.user_id, on_profile)
        except RequestRefused as refused:
            self.under_way -= 1
            self._give_up(session, login, refused)

    def _found(self, session: ClientSession, login: messages.Login, profile: Profile | Exception) -> None:
        if not isinstance(profile, Exception) and self._is_overtaken(login, profile):
            self._ask(partial(self._end, session, login), session, login)
        else:
            self._end(session, login, profile)

    def _end(self, session: ClientSession, login: messages.Login, profile: Profile | Exception) -> None:
        self.under_way -= 1
        if isinstance(profile, Exception):
            self._give_up(session, login, profile)
        else:
            self._welcome(session, login, profile)

    def _is_overtaken(self, login: messages.Login, profile: Profile) -> bool:
        """The wallet has changed while it was read: it is read once more."""
        return self._hub.newest(login.user_id, profile.holding.balance) != profile.holding.balance

    def _welcome(self, session: ClientSession, login: messages.Login, profile: Profile) -> None:
        # read after this connection had joined the hub: a later ban finds it there
        verdict = self._login.admits(profile, login.issued_at_s)
        if verdict is not ACCEPTED:
            self._refuse(session, login, verdict)
            return
        streams = [
            messages.StreamPosition(one.stream_id, one.name, one.owner_id, one.last_message)
            for one in profile.streams
        ]
        balance = self._hub.newest(login.user_id, profile.holding.balance)
        arriving_fen = profile.holding.arriving_fen
        welcome = messages.Welcome(
            login.seq, login.user_id, balance.fen, streams, balance.version, arriving_fen, self._money
        )
        self._hub.welcomes(login.user_id, balance)
        session.welcome(welcome, session.now_s(), 0.5 + self._clock.random_part() / 2)

    def _give_up(self, session: ClientSession, login: messages.Login, error: Exception) -> None:
        logs.debug("login_failed", connection=session.number, user_id=login.user_id, reason=str(error))
        session.close(codes.Close.STORES_AWAY)

    def _refuse(self, session: ClientSession, login: messages.Login, verdict: LoginVerdict) -> None:
        reason = verdict.name.lower()
        logs.debug("login_refused", connection=session.number, user_id=login.user_id, reason=reason)
        session.close(CLOSES[verdict], DETAILS.get(verdict, ""))

    def _judge(self, session: ClientSession, login: messages.Login) -> LoginVerdict:
        def expected(key: bytes) -> bytes:
            parts = (login.user_id, login.expires_at_s, login.key_id, key, login.issued_at_s)
            return tokens.mint(*parts).proof(session.connection.nonce)

        return self._login.judge(login.key_id, login.issued_at_s, login.expires_at_s, login.proof, expected)
