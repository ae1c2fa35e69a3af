"""Refusals: why a request did not happen. One table of reasons; each has a code on the wire of the same name."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """The value of a member is its name on the wire (protocol.codes.Refusal has a code for each)."""

    # The request itself is wrong: it breaks a limit.
    BAD_AMOUNT = "bad_amount"
    BAD_SHARES = "bad_shares"
    BAD_GREETING = "bad_greeting"
    BAD_KEY = "bad_key"
    BAD_TARGET = "bad_target"
    BAD_NAME = "bad_name"
    BAD_TEXT = "bad_text"
    BAD_REQUEST = "bad_request"
    BAD_SEED = "bad_seed"
    BAD_CAMPAIGN = "bad_campaign"
    BAD_BUDGET = "bad_budget"
    BAD_RECEIVERS = "bad_receivers"
    BAD_WORDS = "bad_words"
    BAD_TIME = "bad_time"
    # The request is well formed, but the state of things does not allow it.
    NOT_ALLOWED = "not_allowed"
    NOT_A_MEMBER = "not_a_member"
    NO_SUCH_GROUP = "no_such_group"
    GROUP_FULL = "group_full"
    TOO_MANY_GROUPS = "too_many_groups"
    OWNER_STAYS = "owner_stays"
    NOT_OWNER = "not_owner"
    KICKED = "kicked"
    BAD_INVITE = "bad_invite"
    BAD_PASS = "bad_pass"
    BAD_LINK = "bad_link"
    TOO_DEEP = "too_deep"
    BAD_SCENE = "bad_scene"
    NO_SUCH_USER = "no_such_user"
    NAME_TAKEN = "name_taken"
    BACKEND_DECIDES = "backend_decides"
    BANNED = "banned"
    KEY_REUSED = "key_reused"
    NOT_ENOUGH_MONEY = "not_enough_money"
    WORDS_NEEDED = "words_needed"
    WORDS_WRONG = "words_wrong"
    WORDS_SPENT = "words_spent"
    NOT_FINISHED = "not_finished"
    FINISHED = "finished"
    ALREADY_POSTED = "already_posted"
    BANK_DECLINED = "bank_declined"
    BAD_CARD = "bad_card"
    CARD_TAKEN = "card_taken"
    CODE_WRONG = "code_wrong"
    CODE_SPENT = "code_spent"
    PASSWORD_WRONG = "password_wrong"
    PASSWORD_NEEDED = "password_needed"
    LIMIT = "limit"
    NEEDS_TLS = "needs_tls"
    NO_SUCH_CAMPAIGN = "no_such_campaign"
    NOT_A_SPONSOR = "not_a_sponsor"
    CAMPAIGN_OVER = "campaign_over"
    # The server cannot serve it now.
    STORE_UNAVAILABLE = "store_unavailable"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"
    BANK_UNKNOWN = "bank_unknown"
    BANK_AWAY = "bank_away"
    CODE_TOO_SOON = "code_too_soon"
    PASSWORD_LOCKED = "password_locked"


SET_AWAY: Final = "PostgreSQL: the set that has the user gives no answer"


class RequestRefused(Exception):
    """A request did not happen, and nothing of it was recorded (STORE_UNAVAILABLE: or the outcome is unknown).

    `detail` is for people: the limit in words, or the cause. `retry_after_ms` is set for temporary reasons only.
    """

    def __init__(self, reason: Reason, detail: str = "", retry_after_ms: int | None = None) -> None:
        super().__init__(detail or reason.value)
        self.reason = reason
        self.detail = detail
        self.retry_after_ms = retry_after_ms
