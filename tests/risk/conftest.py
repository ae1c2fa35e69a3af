"""The fixtures of the tests of services that these tests use, too."""

from tests.services.conftest import books_balance, party

__all__ = ["books_balance", "party"]
