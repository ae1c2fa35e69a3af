"""Passwords that were right a short while ago: which payments need no argon2id, and which do all the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeAlias

import argon2
import pytest

from server.core.refusals import Reason, RequestRefused
from server.services.cards import passwords
from server.services.cards.passwords import Hashing, PasswordService
from server.services.cards.recently_right import RecentlyRight
from server.services.cards.secrets import CardSecrets
from storage.errors import StoreUnavailable
from storage.postgres.cards.payers import Password, PayerStore
from storage.postgres.database import Database
from tests.cards.conftest import Sql

ANNA, BEN = 1, 2
RIGHT, WRONG, OTHER = "246810", "111111", "135791"
HASH, RENEWED_HASH, SECRET = "$argon2id$a", "$argon2id$b", b"s" * 32
NOW_MS, TEN_MINUTES_MS = 1_800_000_000_000, 600_000
KEY, NEWER_KEY = b"k" * 32, b"n" * 32
OF_THE_PROGRAM = {name: getattr(passwords, name) for name in ("TIME_COST", "MEMORY_KIB")}


def key_of_zeros(size: int) -> bytes:
    return bytes(size)


@pytest.fixture
def recent() -> RecentlyRight:
    """Anna was right just now."""
    recent = RecentlyRight(key_of_zeros)
    recent.remember(ANNA, HASH, SECRET, NOW_MS)
    return recent


# --- the memory -------------------------------------------------------------------------------------------------


def test_memory_knows_what_fitted_and_nothing_else(recent: RecentlyRight) -> None:
    assert recent.knows(ANNA, HASH, SECRET, NOW_MS)
    assert not recent.knows(ANNA, RENEWED_HASH, SECRET, NOW_MS)
    assert not recent.knows(ANNA, HASH, b"t" * 32, NOW_MS)
    assert not recent.knows(BEN, HASH, SECRET, NOW_MS)
    assert not RecentlyRight(key_of_zeros).knows(ANNA, HASH, SECRET, NOW_MS)


@pytest.mark.parametrize(("after_ms", "is_known"), [(0, True), (599_999, True), (600_000, False), (-1, False)])
def test_memory_of_a_password_ends_ten_minutes_after_it_was_compared(
    recent: RecentlyRight, after_ms: int, is_known: bool
) -> None:
    assert recent.knows(ANNA, HASH, SECRET, NOW_MS + after_ms) is is_known


def test_memory_of_a_password_is_not_prolonged_by_its_use(recent: RecentlyRight) -> None:
    for minute in range(10):
        assert recent.knows(ANNA, HASH, SECRET, NOW_MS + minute * 60_000)
    assert not recent.knows(ANNA, HASH, SECRET, NOW_MS + 600_000)


def test_memory_of_a_password_begins_again_when_it_is_compared_again(recent: RecentlyRight) -> None:
    recent.remember(ANNA, RENEWED_HASH, SECRET, NOW_MS + 300_000)
    assert len(recent) == 1
    assert not recent.knows(ANNA, HASH, SECRET, NOW_MS + 300_000)
    assert recent.knows(ANNA, RENEWED_HASH, SECRET, NOW_MS + 899_999)


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    recent = RecentlyRight(key_of_zeros, users_max=3)
    for user_id in (1, 2, 3, 1, 4):  # the first one again: then the second is the oldest
        recent.remember(user_id, HASH, SECRET, NOW_MS)
    assert len(recent) == 3
    assert [recent.knows(user_id, HASH, SECRET, NOW_MS) for user_id in (1, 2, 3, 4)] == [True, False, True, True]


def test_memory_of_passwords_that_have_ended_goes_a_little_at_a_time() -> None:
    recent = RecentlyRight(key_of_zeros)
    for user_id in range(1, 6):
        recent.remember(user_id, HASH, SECRET, NOW_MS)
    sizes = []
    for user_id in range(6, 11):
        recent.remember(user_id, HASH, SECRET, NOW_MS + 600_000)
        sizes.append(len(recent))
    assert sizes == [4, 3, 3, 4, 5]
    assert all(recent.knows(user_id, HASH, SECRET, NOW_MS + 600_000) for user_id in range(6, 11))


def test_memory_of_a_password_stays_if_one_that_was_compared_before_is_remembered_later(
    recent: RecentlyRight,
) -> None:
    """Between the two its hash was renewed."""
    recent.remember(BEN, HASH, SECRET, NOW_MS - 20)
    assert recent.knows(ANNA, HASH, SECRET, NOW_MS)
    assert recent.knows(BEN, HASH, SECRET, NOW_MS)


def test_memory_holds_a_mac_under_its_own_key_and_no_secret() -> None:
    asked: list[int] = []

    def made(size: int) -> bytes:
        asked.append(size)
        return KEY

    recent = RecentlyRight(made)
    assert asked == []  # a server that compares no password draws nothing
    for _ in range(2):
        recent.remember(ANNA, HASH, SECRET, NOW_MS)
    assert asked == [32]
    (right,) = recent._of.values()
    # printf '$argon2id$a\0ssssssssssssssssssssssssssssssss' | openssl dgst -sha256 -mac HMAC -macopt key:kkkk…
    assert right.mac.hex() == "ab9c595ecfa084181a894be33e5731a6af9f240fec9cdf10e103617fa23aee76"
    assert SECRET not in repr(vars(recent)).encode()


# --- the service ------------------------------------------------------------------------------------------------


class CountingHashing(Hashing):
    """Argon2id that counts how often it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.compared = self.made = 0

    async def make(self, secret: bytes) -> str:
        self.made += 1
        return await super().make(secret)

    async def fits(self, password_hash: str, secret: bytes) -> bool:
        self.compared += 1
        return await super().fits(password_hash, secret)


class Place:
    """The pay passwords at one server, whose clock stands."""

    def __init__(self, store: PayerStore, keys: dict[str, bytes]) -> None:
        self.store, self.now_ms = store, NOW_MS
        self.secrets, self.hashing = CardSecrets(keys, os.urandom), CountingHashing()
        self.recent = RecentlyRight(os.urandom)
        self.service = PasswordService(store, self.secrets, self.hashing, self.recent, lambda: self.now_ms)

    @property
    def used(self) -> tuple[int, int]:
        """How many hashes were compared, and made, since this was read last."""
        used = self.hashing.compared, self.hashing.made
        self.hashing.compared = self.hashing.made = 0
        return used

    async def set(self, user_id: int = ANNA, password: str = RIGHT) -> None:
        await self.service.replace(user_id, await self.service.hashed(user_id, password))

    async def refusal(self, password: str, user_id: int = ANNA) -> Reason | None:
        try:
            await self.service.check(user_id, password)
        except RequestRefused as refused:
            return refused.reason
        return None


MakePlace: TypeAlias = Callable[..., Place]


@pytest.fixture
def make_place(database: Database) -> MakePlace:
    """Makes servers of one record."""
    return lambda keys=None: Place(PayerStore(database), keys or {"a": KEY})


@pytest.fixture
async def place(make_place: MakePlace) -> Place:
    """One server; Anna has a password, and has paid with it."""
    place = make_place()
    await place.set()
    await place.service.check(ANNA, RIGHT)
    assert place.used == (1, 1)
    return place


async def failures(sql: Sql, user_id: int = ANNA) -> int:
    return int(await sql.fetchval("SELECT failures FROM payers WHERE user_id = $1", user_id))


async def test_password_that_was_right_is_not_compared_by_argon2id_again(place: Place, sql: Sql) -> None:
    for _ in range(7):  # more than the attempts that may fail
        assert await place.refusal(RIGHT) is None
    assert place.used == (0, 0)
    assert await failures(sql) == 0


async def test_password_of_the_memory_is_compared_again_after_ten_minutes(place: Place) -> None:
    for after_ms, used in ((599_999, (0, 0)), (600_000, (1, 0)), (1_199_999, (0, 0)), (1_200_000, (1, 0))):
        place.now_ms = NOW_MS + after_ms
        assert await place.refusal(RIGHT) is None
        assert place.used == used


async def test_password_that_is_wrong_after_a_right_one_is_counted_and_refused(place: Place, sql: Sql) -> None:
    for count in range(1, 5):
        assert await place.refusal(WRONG) is Reason.PASSWORD_WRONG
        assert await failures(sql) == count
    assert place.used == (4, 0)
    assert await place.refusal(RIGHT) is None
    assert place.used == (0, 0)
    assert await failures(sql) == 0


async def test_password_of_the_memory_is_refused_while_locked(place: Place) -> None:
    for _ in range(4):
        assert await place.refusal(WRONG) is Reason.PASSWORD_WRONG
    for password in (WRONG, RIGHT, RIGHT):
        assert await place.refusal(password) is Reason.PASSWORD_LOCKED
    assert place.used == (5, 0)


async def test_password_of_the_memory_is_counted_before_it_is_looked_for(
    place: Place, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So one whose server is killed before it is recorded has been counted."""

    async def is_away(*_: object) -> bool:
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(place.store, "fitted", is_away)
    with pytest.raises(StoreUnavailable):
        await place.service.check(ANNA, RIGHT)
    assert place.used == (0, 0)
    assert await failures(sql) == 1


@pytest.mark.parametrize("new", [OTHER, RIGHT])
async def test_password_that_was_changed_at_another_server_is_compared_again(
    place: Place, make_place: MakePlace, new: str
) -> None:
    """By its hash alone, so it is also if the user has chosen the same one again."""
    await make_place().set(password=new)
    assert await place.refusal(RIGHT) is (None if new == RIGHT else Reason.PASSWORD_WRONG)
    assert place.used == (1, 0)
    assert await place.refusal(new) is None


async def test_password_that_was_changed_at_this_server_is_compared_again(place: Place) -> None:
    await place.service.change(ANNA, RIGHT, OTHER)
    assert place.used == (0, 1)
    assert await place.refusal(RIGHT) is Reason.PASSWORD_WRONG
    assert await place.refusal(OTHER) is None
    assert place.used == (2, 0)


async def test_password_that_was_erased_is_needed_although_it_is_in_the_memory(place: Place, sql: Sql) -> None:
    await sql.execute("UPDATE payers SET password_hash = NULL")
    assert await place.refusal(RIGHT) is Reason.PASSWORD_NEEDED


async def test_password_of_another_user_who_has_the_same_is_compared(place: Place) -> None:
    await place.set(BEN)
    assert await place.refusal(RIGHT, BEN) is None
    assert place.used == (1, 1)
    assert await place.refusal(OTHER, BEN) is Reason.PASSWORD_WRONG


async def test_password_of_the_memory_does_not_fit_with_another_pepper(place: Place) -> None:
    place.secrets.use_keys({"a": NEWER_KEY})
    assert await place.refusal(RIGHT) is Reason.PASSWORD_WRONG
    assert place.used == (1, 0)


async def test_password_of_the_memory_is_refused_if_its_pepper_is_gone(place: Place) -> None:
    place.secrets.use_keys({"b": NEWER_KEY})
    assert await place.refusal(RIGHT) is Reason.PASSWORD_NEEDED
    assert place.used == (0, 0)


async def test_password_of_the_memory_gets_the_new_pepper(place: Place) -> None:
    place.secrets.use_keys({"a": KEY, "b": NEWER_KEY})
    assert place.secrets.key_id == "b"
    uses = []
    for _ in range(3):
        assert await place.refusal(RIGHT) is None
        uses.append(place.used)
    assert uses == [(0, 1), (1, 0), (0, 0)]  # the new hash was made without a comparison
    password = await place.store.password(ANNA)
    assert password is not None
    assert password.pepper_id == "b"


# --- hashes of before -------------------------------------------------------------------------------------------


async def set_old_hash(place: Place) -> None:
    """Anna's password has the hash that it would have had before."""
    before = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
    secret = place.secrets.peppered("a", ANNA, RIGHT)
    await place.service.replace(ANNA, Password(before.hash(secret), "a"))


async def hash_of(sql: Sql) -> str:
    return str(await sql.fetchval("SELECT password_hash FROM payers WHERE user_id = $1", ANNA))


async def test_hash_with_the_parameters_of_before_is_renewed_by_a_right_attempt(
    make_place: MakePlace, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in OF_THE_PROGRAM.items():
        monkeypatch.setattr(passwords, name, value)
    place = make_place()
    await set_old_hash(place)
    assert await place.refusal(WRONG) is Reason.PASSWORD_WRONG
    assert (await hash_of(sql)).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert place.used == (1, 0)
    uses = []
    for _ in range(2):
        assert await place.refusal(RIGHT) is None
        uses.append(place.used)
    assert uses == [(1, 1), (0, 0)]
    assert (await hash_of(sql)).startswith("$argon2id$v=19$m=7168,t=5,p=1$")
    assert await failures(sql) == 0
    assert await make_place().refusal(RIGHT) is None
    assert await make_place().refusal(WRONG) is Reason.PASSWORD_WRONG


async def test_hash_that_was_renewed_at_another_server_meanwhile_fits(
    make_place: MakePlace, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two payments of a user at two servers: each compares the old hash, and one of them replaces it."""
    place, other = make_place(), make_place()
    await set_old_hash(place)
    fits = place.hashing.fits

    async def renewed_meanwhile(password_hash: str, secret: bytes) -> bool:
        did_fit = await fits(password_hash, secret)
        if password_hash.startswith("$argon2id$v=19$m=19456,"):
            await other.service.check(ANNA, RIGHT)
        return did_fit

    monkeypatch.setattr(place.hashing, "fits", renewed_meanwhile)
    assert await place.refusal(RIGHT) is None
    assert place.used == (2, 1)
    assert await failures(sql) == 0
