"""Nonces of signed requests: each is accepted once, by one of all servers, and forgotten when it is too old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from server.core.limits import Limits
from server.core.refusals import Reason, RequestRefused
from server.core.signed_requests import WINDOW_S, SignedHeaders, Unauthorized
from server.services.runtime.used_nonces import FORGET_S, KEPT_S, UsedNonces
from server.tasks import end_all
from storage.errors import StoreUnavailable
from storage.postgres.database import Database
from storage.postgres.used_nonces import NonceMark, UsedNonceStore
from tests.reconciliation.books import Sql

NOW_S = 1_800_000_000
SIGNER = "http_api"


class Times:
    """The time of the servers of a test."""

    now_s = NOW_S

    def now_ms(self) -> int:
        return self.now_s * 1000


def claim(nonce: str, at_s: int = NOW_S, key_id: str = "k1") -> SignedHeaders:
    return SignedHeaders(key_id, at_s, nonce, "")


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def nonces(database: Database, times: Times) -> Callable[[], UsedNonces]:
    """A server that has just started."""
    return lambda: UsedNonces(UsedNonceStore(database), Limits(), times.now_ms)


async def is_accepted(server: UsedNonces, one: SignedHeaders, signer: str = SIGNER) -> bool:
    try:
        await server.accept_alone(signer, one)
    except Unauthorized:
        return False
    return True


async def test_nonce_is_accepted_once_by_all_servers_and_after_a_restart(nonces: Callable[[], UsedNonces]) -> None:
    first, second = nonces(), nonces()
    assert await is_accepted(first, claim("a"))
    assert [await is_accepted(one, claim("a")) for one in (first, second, nonces())] == [False] * 3
    assert await is_accepted(second, claim("b"))


async def test_nonce_of_another_signer_or_key_is_another_one(nonces: Callable[[], UsedNonces]) -> None:
    server = nonces()
    others = [(SIGNER, claim("a")), ("bank", claim("a")), (SIGNER, claim("a", key_id="k2")), (SIGNER, claim("b"))]
    assert [await is_accepted(server, one, signer) for signer, one in others] == [True] * 4
    assert [await is_accepted(server, one, signer) for signer, one in others] == [False] * 4


async def test_nonce_that_comes_twice_at_once_is_accepted_once(
    nonces: Callable[[], UsedNonces], database: Database
) -> None:
    """In one batch, in two batches of one server, and at two servers."""
    mark = NonceMark(NOW_S, b"m" * 16)
    assert await UsedNonceStore(database).use([mark, mark]) == [True, False]
    servers = [nonces(), nonces()]
    loops = [asyncio.create_task(one.batcher.run()) for one in servers]
    asked = [one.accept(SIGNER, claim("a")) for one in servers for _ in range(20)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    await end_all(loops)
    assert sorted(type(one).__name__ for one in told) == ["NoneType"] + ["Unauthorized"] * 39


async def test_servers_with_the_same_nonces_in_another_order_do_not_block_each_other(
    nonces: Callable[[], UsedNonces], database: Database
) -> None:
    store = UsedNonceStore(database)
    marks = [NonceMark(NOW_S + number % 7, number.to_bytes(16, "big")) for number in range(500)]
    one, other = await asyncio.gather(store.use(marks), store.use(marks[::-1]))
    assert [is_new + was_new for is_new, was_new in zip(one, other[::-1], strict=True)] == [1] * 500


async def test_nonce_is_kept_for_as_long_as_its_time_is_accepted(
    nonces: Callable[[], UsedNonces], times: Times, sql: Sql
) -> None:
    """Signed by a clock that is 300 s ahead; the request is accepted until 300 s after that time."""
    server, ahead = nonces(), claim("a", NOW_S + WINDOW_S)
    assert await is_accepted(server, ahead)
    for later_s in (FORGET_S, WINDOW_S, 2 * WINDOW_S):
        times.now_s = NOW_S + later_s
        assert not await is_accepted(server, ahead)
    assert await is_accepted(server, claim("b", NOW_S + WINDOW_S))  # a new one of that time
    times.now_s = NOW_S + WINDOW_S + KEPT_S + 1
    assert await is_accepted(server, claim("c", times.now_s))
    assert await sql.fetchval("SELECT count(*) FROM used_nonces") == 1


async def test_nonces_that_were_forgotten_stay_refused_when_the_clock_is_set_back(
    nonces: Callable[[], UsedNonces], times: Times, sql: Sql
) -> None:
    assert await is_accepted(nonces(), claim("a"))
    times.now_s = NOW_S + KEPT_S + 1
    assert await is_accepted(nonces(), claim("b", times.now_s))
    assert await sql.fetchval("SELECT count(*) FROM used_nonces WHERE time_s = $1", NOW_S) == 0
    times.now_s = NOW_S
    assert not await is_accepted(nonces(), claim("a"))


async def test_clock_that_was_ahead_for_a_while_refuses_nothing_afterwards(
    nonces: Callable[[], UsedNonces], times: Times
) -> None:
    server = nonces()
    assert await is_accepted(server, claim("a"))
    times.now_s = NOW_S + 86_400
    assert await is_accepted(server, claim("b", times.now_s))
    times.now_s = NOW_S + FORGET_S
    assert await is_accepted(server, claim("c", times.now_s))
    assert not await is_accepted(server, claim("a"))


async def test_nonce_without_the_records_is_not_accepted(
    nonces: Callable[[], UsedNonces], database: Database
) -> None:
    server = nonces()
    await database.close()
    with pytest.raises(StoreUnavailable):
        await server.accept_alone(SIGNER, claim("a"))
    loop = asyncio.create_task(server.batcher.run())
    with pytest.raises(RequestRefused) as refused:
        await server.accept(SIGNER, claim("a"))
    assert refused.value.reason is Reason.STORE_UNAVAILABLE
    await end_all([loop])
