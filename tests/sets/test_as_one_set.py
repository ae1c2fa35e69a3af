"""The tests of cards and payments once more, on a server whose users are all in the second of two sets.

What they read of payments and wallets is in set 1; cards and users are in set 0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest

from server.services.money.audit_sets import audit_sets_at
from tests.cards import conftest as cards_conftest
from tests.cards import test_card_refunds, test_payments_by_card, test_transfers
from tests.conftest import SEED_KEYS, StartServer
from tests.payments import conftest as payments_conftest
from tests.payments import test_host_wallet
from tests.payments.conftest import AgreeBooks, HostWallet, check_both_books
from tests.sets.conftest import Sql

pytestmark = pytest.mark.long
KEPT = ("discrepancies", "sql", "books_agree")  # fixtures of this folder
LEFT_OUT = (
    "test_planted_discrepancy_of_payments_is_named",  # in a card, in set 0
    "test_two_servers_that_apply_the_same_success_move_the_money_once",  # too many connections
    "test_two_servers_asked_for_the_same_key_charge_once",  # for the PostgreSQL of the tests
    "test_books_agree_after_many_packets_with_faults_and_a_killed_server",
)


def _take(module: ModuleType) -> None:
    """The tests and fixtures of a module, as if they stood here."""
    for name, value in vars(module).items():
        is_fixture = type(value).__name__ == "FixtureFunctionDefinition"
        if name not in KEPT + LEFT_OUT and (is_fixture or (name.startswith("test_") and callable(value))):
            globals()[name] = value


for _module in (cards_conftest, test_payments_by_card, test_card_refunds, test_transfers):
    _take(_module)
for _module in (payments_conftest, test_host_wallet):
    _take(_module)


@pytest.fixture
def start_server(start_server: StartServer, other_dsn: str) -> Callable[..., Awaitable[Any]]:
    """Starts servers with two sets."""

    async def start(**overrides: Any) -> Any:
        return await start_server(**{"stores__postgres_sets": (other_dsn,), **overrides})

    return start


@pytest.fixture
def sql(other_sql: Sql) -> Sql:
    """The records of the users of these tests."""
    return other_sql


@pytest.fixture
def books_agree(postgres_dsn: str, other_dsn: str, host: HostWallet, sql: Sql) -> AgreeBooks:
    """The books of both sets and those of the host are right and agree."""

    async def check() -> None:
        await check_both_books(await audit_sets_at([postgres_dsn, other_dsn], 10, SEED_KEYS), host, sql)

    return check
