"""All statements of the customer's documents, in the order of the documents."""

from __future__ import annotations

from typing import Final

from tests.customer.backend import BACKEND
from tests.customer.payments import PAYMENTS
from tests.customer.row import Row
from tests.customer.screens import SCREENS
from tests.customer.wishes import WISHES

ROWS: Final[tuple[Row, ...]] = (*WISHES, *SCREENS, *BACKEND, *PAYMENTS)
