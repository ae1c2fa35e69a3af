"""Why a use case did not happen. The values are the wire's names; limits.Fault adds those a request can break."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A refusal that is not a broken limit."""

    NOT_ALLOWED = "not_allowed"
    NOT_A_MEMBER = "not_a_member"
    NO_SUCH_GROUP = "no_such_group"
    GROUP_FULL = "group_full"
    TOO_MANY_GROUPS = "too_many_groups"
    OWNER_STAYS = "owner_stays"
    NOT_OWNER = "not_owner"
    KICKED = "kicked"
    KEY_REUSED = "key_reused"
    NOT_ENOUGH_MONEY = "not_enough_money"
    NOT_FINISHED = "not_finished"
    FINISHED = "finished"
    STORE_UNAVAILABLE = "store_unavailable"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


class RequestRefused(Exception):
    """A use case did not happen, and nothing of it was recorded (STORE_UNAVAILABLE: or it is not known)."""

    def __init__(self, reason: Reason, detail: str = "", retry_after_ms: int | None = None) -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.detail = detail
        self.retry_after_ms = retry_after_ms
