"""Notices of banks on the listener of the HTTP API: `POST /bank/{gateway}/notice`.

They are signed by the bank and not by the chat backend, so they are no rows of the table of the API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from protocol.codes import Refusal
from server.gateways.port import Unproven
from server.http_api.problems import Problem
from server.services.payments.assembly import PaymentServices
from server.services.payments.notices import NoSuchNumber

NOTICE_PATH: Final = re.compile(r"/bank/([a-z0-9_-]{1,32})/notice")
NOTICE_NAME: Final = "POST /bank/{gateway}/notice"  # for metrics and logs
NOTICE_BYTES_MAX: Final = 16 << 10
TAKEN: Final = b'{"taken":true}'


class NoticeRequests:
    """Takes notices for the gateways of this server."""

    def __init__(self, payments: PaymentServices) -> None:
        self._payments = payments

    async def take(self, gateway: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """The body of the reply, once the evidence is committed. Raises Problem, StoreUnavailable.

        A notice that is not proven has no effect, and its answer says no more than that.
        """
        notices = self._payments.notices
        if notices is None or gateway not in notices:
            raise Problem(Refusal.UNKNOWN_REQUEST, "no such gateway takes notices here")
        try:
            await notices.take(gateway, path, headers, body)
        except Unproven as error:
            raise Problem(Refusal.FORBIDDEN, f"the notice is not proven: {error}") from None
        except NoSuchNumber:
            raise Problem(Refusal.NOT_ALLOWED, "there is no such payment", status=404) from None
        return TAKEN
