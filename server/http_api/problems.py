"""Errors as problem documents (RFC 9457). The codes are those of the wire (protocol/codes.py)."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec

from protocol.codes import REFUSALS, Refusal
from server.core.refusals import RequestRefused
from server.http_api.shapes.base import ProblemDocument
from server.refusal_codes import CODES, PUBLIC_DETAILS

CONTENT_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:hongbao:refusal:"

STATUSES: Final[dict[Refusal, int]] = {
    Refusal.BAD_REQUEST: 400,
    Refusal.UNKNOWN_REQUEST: 404,
    Refusal.RATE_LIMITED: 429,
    Refusal.FORBIDDEN: 401,
    Refusal.OUT_OF_ORDER: 400,
    Refusal.NOT_ALLOWED: 403,
    Refusal.NOT_A_MEMBER: 403,
    Refusal.NO_SUCH_GROUP: 404,
    Refusal.GROUP_FULL: 409,
    Refusal.BAD_NAME: 422,
    Refusal.BAD_TEXT: 422,
    Refusal.OWNER_STAYS: 409,
    Refusal.TOO_MANY_GROUPS: 409,
    Refusal.NOT_OWNER: 403,
    Refusal.KICKED: 403,
    Refusal.BAD_INVITE: 403,
    Refusal.NO_SUCH_USER: 404,
    Refusal.NAME_TAKEN: 409,
    Refusal.BACKEND_DECIDES: 403,
    Refusal.BAD_PASS: 403,
    Refusal.BANNED: 403,
    Refusal.BAD_LINK: 401,
    Refusal.NO_SUCH_CAMPAIGN: 404,
    Refusal.NOT_A_SPONSOR: 409,
    Refusal.BAD_CAMPAIGN: 422,
    Refusal.BAD_BUDGET: 422,
    Refusal.CAMPAIGN_OVER: 409,
    Refusal.TOO_DEEP: 409,
    Refusal.BAD_RECEIVERS: 422,
    Refusal.WORDS_NEEDED: 403,
    Refusal.WORDS_WRONG: 403,
    Refusal.WORDS_SPENT: 403,
    Refusal.BAD_WORDS: 422,
    Refusal.BAD_SCENE: 422,
    Refusal.BAD_AMOUNT: 422,
    Refusal.BAD_SHARES: 422,
    Refusal.BAD_GREETING: 422,
    Refusal.BAD_KEY: 400,
    Refusal.BAD_TARGET: 422,
    Refusal.KEY_REUSED: 409,
    Refusal.NOT_ENOUGH_MONEY: 409,
    Refusal.BAD_SEED: 422,
    Refusal.NO_TICKET: 409,
    Refusal.NOT_FINISHED: 409,
    Refusal.FINISHED: 409,
    Refusal.ALREADY_POSTED: 409,
    Refusal.BAD_TIME: 422,
    Refusal.STORE_UNAVAILABLE: 503,
    Refusal.OVERLOADED: 503,
    Refusal.INTERNAL: 500,
    Refusal.BANK_DECLINED: 402,
    Refusal.BANK_UNKNOWN: 503,
    Refusal.BANK_AWAY: 503,
    Refusal.BAD_CARD: 422,
    Refusal.CARD_TAKEN: 409,
    Refusal.CODE_WRONG: 403,
    Refusal.CODE_SPENT: 409,
    Refusal.CODE_TOO_SOON: 429,
    Refusal.PASSWORD_WRONG: 403,
    Refusal.PASSWORD_LOCKED: 403,
    Refusal.PASSWORD_NEEDED: 403,
    Refusal.LIMIT: 409,
    Refusal.NEEDS_TLS: 403,
}

# Where the meaning of the code on the wire is not what it means here.
TITLES: Final[dict[tuple[Refusal, int], str]] = {
    (Refusal.BAD_REQUEST, 400): "the path, the query or the body is wrong; the detail names the place",
    (Refusal.BAD_REQUEST, 408): "the body came too slowly",
    (Refusal.BAD_REQUEST, 413): "the body is too large",
    (Refusal.BAD_REQUEST, 415): "the body must be JSON in UTF-8, not compressed",
    (Refusal.UNKNOWN_REQUEST, 404): "there is no such path",
    (Refusal.UNKNOWN_REQUEST, 405): "this path does not have that method",
    (Refusal.FORBIDDEN, 401): "the request is not shown to be one of the chat backend; the detail says why",
    (Refusal.BAD_KEY, 400): "the request needs an Idempotency-Key of 1 to 64 printable ASCII characters",
    (Refusal.NOT_ALLOWED, 404): "there is no such packet or payment",
}


# Rules name a field as the wire does. Where HTTP has another name for it:
FIELDS: Final = {"external_id": "group", "packet_kind": "kind"}


class Rendered(NamedTuple):
    """A problem as an HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str]


class Problem(Exception):
    """A request is refused. `status` replaces that of the code where HTTP has a closer one (405, 413, 415).

    `pointer` is a JSON pointer (RFC 6901) into the body. `headers` go with the response.
    """

    def __init__(
        self,
        code: Refusal,
        detail: str = "",
        *,
        status: int | None = None,
        pointer: str | None = None,
        retry_after_ms: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or code.name)
        self.code = code
        self.detail = PUBLIC_DETAILS.get(code, detail)
        self.status = STATUSES[code] if status is None else status
        self.pointer = pointer
        self.retry_after_ms = retry_after_ms
        self.headers = headers or {}

    def rendered(self) -> Rendered:
        """The document, and a Retry-After header if a repetition may succeed."""
        row, headers = REFUSALS[self.code], dict(self.headers)
        wait_ms = row.retry_after_ms if self.retry_after_ms is None else self.retry_after_ms
        if row.temporary:
            headers["Retry-After"] = str(max(1, math.ceil(wait_ms / 1000)))
        document = ProblemDocument(
            type=TYPE + self.code.name.lower(),
            title=TITLES.get((self.code, self.status), row.meaning),
            status=self.status,
            code=self.code.name.lower(),
            temporary=row.temporary,
            detail=self.detail or msgspec.UNSET,
            pointer=msgspec.UNSET if self.pointer is None else self.pointer,
            retry_after_ms=wait_ms if row.temporary else msgspec.UNSET,
        )
        return Rendered(self.status, msgspec.json.encode(document), headers)


def refused(refusal: RequestRefused, retry_after_ms: int | None) -> Problem:
    """The problem that a refusal of the services is."""
    field, colon, words = refusal.detail.partition(": ")
    detail = f"{FIELDS.get(field, field)}{colon}{words}"
    return Problem(CODES[refusal.reason], detail, retry_after_ms=retry_after_ms)
