"""Pay passwords. They have six digits: what protects them is that attempts are counted, and a secret pepper."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import structlog

from server.core.cards import attempts as rules
from server.core.cards.attempts import Attempts
from server.core.refusals import Reason, RequestRefused
from server.loop import lower_thread_priority
from server.services.cards.recently_right import RecentlyRight
from server.services.cards.secrets import CardSecrets
from server.services.runtime.look_again import look_again
from server.services.runtime.outage_log import OutageLog
from server.services.seeds.seals import Unsealable
from storage.errors import StoreUnavailable
from storage.postgres.cards.payers import Password, PayerStore, Tries

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LOG = structlog.get_logger()
Result = TypeVar("Result")
THREADS: Final = 2
LOOK_S: Final = 60.0
NICER: Final = 5  # than the loop: where processors are short, opens go before passwords, which still get a third
WAITING_MAX: Final = 128  # attempts; more are refused: each may take a thread for about 15 ms
COMPARED_MAX: Final = 2  # hashes for one attempt: the second one if another attempt has renewed the first meanwhile
# Of the sets that OWASP names as equal minima for argon2id, the one that costs least here: 14 ms in place of 18 of
# (2, 19,456), which older hashes have. A million passwords are tried soon at any cost: the pepper counts.
TIME_COST: Final = 5
MEMORY_KIB: Final = 7_168


class Hashing:
    """Argon2id in a few threads of its own, with a lower priority, so that the loop goes on meanwhile."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(
            THREADS, "passwords", initializer=lower_thread_priority, initargs=(NICER,)
        )
        self._hasher: PasswordHasher | None = None

    async def make(self, secret: bytes) -> str:
        """The hash of a secret."""
        return await self._run(partial(self._argon2().hash, secret))

    async def fits(self, password_hash: str, secret: bytes) -> bool:
        """Whether a secret has this hash."""
        return await self._run(partial(self._verify, password_hash, secret))

    def is_old(self, password_hash: str) -> bool:
        """Whether a hash was made with other parameters than a new one would be."""
        return self._argon2().check_needs_rehash(password_hash)

    def _verify(self, password_hash: str, secret: bytes) -> bool:
        from argon2.exceptions import VerifyMismatchError

        try:
            return self._argon2().verify(password_hash, secret)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _argon2(self) -> PasswordHasher:
        # importing it takes time and memory: not for servers without cards
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=1)
        return self._hasher


class _Fit(NamedTuple):
    """An attempt was right: the password that it was compared with, and what takes its place."""

    compared: Password
    renewed: Password | None = None


class PasswordService:
    """Use cases on pay passwords. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: PayerStore,
        secrets: CardSecrets,
        hashing: Hashing,
        recent: RecentlyRight,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._secrets, self._hashing, self._recent = secrets, hashing, recent
        self._now_ms = now_ms
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # by user
        self._fits: dict[int, _Fit] = {}  # by user: right attempts that are not recorded yet
        self._wake = asyncio.Event()
        self._outage_log = OutageLog("right_passwords_wait")
        self.waiting = 0

    @asynccontextmanager
    async def _turn(self, user_id: int) -> AsyncIterator[None]:
        """The attempts of a user at this server are made one after the other, and too many are refused uncounted.

        So several payments at once, each with the right password, do not lock: each ends the count before it.
        """
        if self.waiting >= WAITING_MAX:
            raise RequestRefused(Reason.OVERLOADED)
        turn = self._turns.setdefault(user_id, asyncio.Lock())
        self.waiting += 1
        try:
            async with turn:
                yield
        finally:
            self.waiting -= 1

    async def is_set(self, user_id: int) -> bool:
        """Whether a user has a pay password."""
        return await self._store.password(user_id) is not None

    async def check(self, user_id: int, password: str) -> None:
        """Refuse unless this is the user's pay password. The attempt is counted before it is compared."""
        rules.check_password(password)
        async with self._turn(user_id):
            await self._check(user_id, password)

    async def _check(self, user_id: int, password: str) -> None:
        await self._record_fit(user_id)
        attempt = await self._store.attempt(user_id, self._counted)
        if attempt is None:
            raise RequestRefused(Reason.PASSWORD_NEEDED, "there is no pay password yet: bind a card")
        compared: Password | None = attempt.password
        for _ in range(COMPARED_MAX):
            if compared is None or not await self._is_right(user_id, compared, password):
                break
            if await self._record_fit(user_id):
                return
            compared = await self._store.password(user_id)
        raise rules.password_wrong(Attempts(*attempt.tries), self._now_ms())

    def _counted(self, tries: Tries) -> Tries:
        return Tries(*rules.password_attempted(Attempts(*tries), self._now_ms()))

    async def _record_fit(self, user_id: int) -> bool:
        """End the count of tries, if an attempt was right. False: none was, or there is another password by now.

        If the store is away it stays to be done: the attempt was counted, and five outages would lock the user.
        """
        fit = self._fits.get(user_id)
        if fit is None:
            return False
        try:
            is_recorded = await self._store.fitted(user_id, fit.compared, fit.renewed)
        except StoreUnavailable:
            self._wake.set()
            raise
        if self._fits.get(user_id) is fit:
            del self._fits[user_id]
        return is_recorded

    async def run(self) -> None:
        """Record right attempts that the store did not take. Never ends; to be supervised."""
        await look_again(self._look, self._wake, self._outage_log)

    async def _look(self) -> float:
        for user_id in list(self._fits):
            await self._record_fit(user_id)
        return LOOK_S

    async def _is_right(self, user_id: int, compared: Password, password: str) -> bool:
        """Whether a password has this hash. If so, `_fits` notes it, with a new hash in place of an old one.

        The memory of right passwords is asked first, and told of what it did not know.
        """
        secret = self._peppered(user_id, compared, password)
        is_known = self._recent.knows(user_id, compared.password_hash, secret, self._now_ms())
        if not is_known and not await self._hashing.fits(compared.password_hash, secret):
            return False
        compared_ms = self._now_ms()
        self._fits[user_id] = _Fit(compared)
        standing, key_id = compared, self._secrets.key_id
        if compared.pepper_id != key_id or self._hashing.is_old(compared.password_hash):
            secret = self._secrets.peppered(key_id, user_id, password)
            standing = Password(await self._hashing.make(secret), key_id)
            self._fits[user_id] = _Fit(compared, standing)
        if not is_known:
            self._recent.remember(user_id, standing.password_hash, secret, compared_ms)
        return True

    def _peppered(self, user_id: int, compared: Password, password: str) -> bytes:
        try:
            return self._secrets.peppered(compared.pepper_id, user_id, password)
        except Unsealable as error:
            LOG.error("pay_password_cannot_be_checked", user_id=user_id, why=str(error))
            detail = "the pay password cannot be checked any more: reset it by a code"
            raise RequestRefused(Reason.PASSWORD_NEEDED, detail) from None

    async def hashed(self, user_id: int, password: str) -> Password:
        """A new password as it is recorded. Raises RequestRefused unless it has six digits."""
        rules.check_password(password)
        key_id = self._secrets.key_id
        secret = self._secrets.peppered(key_id, user_id, password)
        return Password(await self._hashing.make(secret), key_id)

    async def change(self, user_id: int, password: str, new: str) -> None:
        """Replace the pay password by another one, by the present one."""
        rules.check_password(new)
        await self.check(user_id, password)
        await self._store.put(user_id, await self.hashed(user_id, new))

    async def set_first(self, user_id: int, new: str) -> None:
        """Give a user without a pay password one."""
        if not await self._store.put(user_id, await self.hashed(user_id, new), only_first=True):
            raise RequestRefused(Reason.PASSWORD_NEEDED, "there is a pay password already")

    async def replace(self, user_id: int, new: Password) -> None:
        """The password that a code has allowed; it also lifts a lock."""
        await self._store.put(user_id, new)
