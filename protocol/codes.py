"""Every refusal and every close of the protocol, as two tables.

A refusal answers one request and leaves the connection open. A close ends the connection; the range of its
number says what a client should do: 3000-3499 reconnect (with jitter), 3500-3999 do not, fix the cause first.
The numbers are stable: a number is never given a second meaning.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Refusal(IntEnum):
    """Why a request was refused. The member's name, in lower case, is the name on the wire."""

    BAD_REQUEST = 100
    UNKNOWN_REQUEST = 101
    RATE_LIMITED = 102
    FORBIDDEN = 103
    OUT_OF_ORDER = 104

    NOT_ALLOWED = 200
    NOT_A_MEMBER = 201
    NO_SUCH_GROUP = 202
    GROUP_FULL = 203
    BAD_NAME = 204
    BAD_TEXT = 205
    OWNER_STAYS = 206
    TOO_MANY_GROUPS = 207
    NOT_OWNER = 208
    KICKED = 209
    BAD_INVITE = 210
    NO_SUCH_USER = 211
    NAME_TAKEN = 212
    BACKEND_DECIDES = 213
    BAD_PASS = 214
    BANNED = 215
    BAD_LINK = 216
    BAD_RECEIVERS = 220
    WORDS_NEEDED = 221
    WORDS_WRONG = 222
    WORDS_SPENT = 223
    BAD_WORDS = 224
    NO_SUCH_CAMPAIGN = 230
    NOT_A_SPONSOR = 231
    BAD_CAMPAIGN = 232
    BAD_BUDGET = 233
    CAMPAIGN_OVER = 234
    TOO_DEEP = 240
    BAD_SCENE = 241

    BAD_AMOUNT = 300
    BAD_SHARES = 301
    BAD_GREETING = 302
    BAD_KEY = 303
    BAD_TARGET = 304
    KEY_REUSED = 305
    NOT_ENOUGH_MONEY = 306
    BAD_SEED = 307

    NO_TICKET = 400
    NOT_FINISHED = 401
    FINISHED = 402
    ALREADY_POSTED = 403
    BAD_TIME = 404

    STORE_UNAVAILABLE = 500
    OVERLOADED = 501
    INTERNAL = 502

    BANK_DECLINED = 600
    BANK_UNKNOWN = 601
    BANK_AWAY = 602

    BAD_CARD = 610
    CARD_TAKEN = 611
    CODE_WRONG = 612
    CODE_SPENT = 613
    CODE_TOO_SOON = 614
    PASSWORD_WRONG = 615
    PASSWORD_LOCKED = 616
    PASSWORD_NEEDED = 617
    LIMIT = 618
    NEEDS_TLS = 619


class RefusalRow(NamedTuple):
    """What a client may do about a refusal."""

    temporary: bool
    retry_after_ms: int
    meaning: str


REFUSALS: dict[Refusal, RefusalRow] = {
    Refusal.BAD_REQUEST: RefusalRow(False, 0, "a field is missing or has the wrong type; the detail names it"),
    Refusal.UNKNOWN_REQUEST: RefusalRow(False, 0, "this server does not know a request of that kind"),
    Refusal.RATE_LIMITED: RefusalRow(True, 1000, "more requests per second than one user may make"),
    Refusal.FORBIDDEN: RefusalRow(False, 0, "only the chat backend (user 0) may ask this"),
    Refusal.OUT_OF_ORDER: RefusalRow(False, 0, "logged in already; one connection belongs to one user"),
    Refusal.NOT_ALLOWED: RefusalRow(False, 0, "no such packet, or not for this user"),
    Refusal.NOT_A_MEMBER: RefusalRow(False, 0, "the user is not in that group"),
    Refusal.NO_SUCH_GROUP: RefusalRow(False, 0, "there is no group with that id"),
    Refusal.GROUP_FULL: RefusalRow(False, 0, "the group has as many members as it may have"),
    Refusal.BAD_NAME: RefusalRow(False, 0, "the name of a group has 1 to 64 bytes, that of a user at most 64"),
    Refusal.BAD_TEXT: RefusalRow(False, 0, "a text has 1 to 2,000 bytes"),
    Refusal.OWNER_STAYS: RefusalRow(False, 0, "the owner cannot leave their own group"),
    Refusal.TOO_MANY_GROUPS: RefusalRow(
        False, 0, "the user is in as many groups as one user may be, or the packet in as many as it may"
    ),
    Refusal.NOT_OWNER: RefusalRow(False, 0, "only the owner of the group may ask this"),
    Refusal.KICKED: RefusalRow(False, 0, "the owner removed the user from that group"),
    Refusal.BAD_INVITE: RefusalRow(False, 0, "no group has this invite code, or it is not that group's"),
    Refusal.NO_SUCH_USER: RefusalRow(False, 0, "this server does not know the user, or the user is banned"),
    Refusal.NAME_TAKEN: RefusalRow(False, 0, "another user has this name, or one that looks the same"),
    Refusal.BACKEND_DECIDES: RefusalRow(
        False, 0, "on this server the chat backend decides about groups and names, or has the texts, not the users"
    ),
    Refusal.BAD_PASS: RefusalRow(
        False, 0, "the pass is not signed with a key of this server, is for another user or group, or has expired"
    ),
    Refusal.BANNED: RefusalRow(False, 0, "the chat backend has banned the user"),
    Refusal.BAD_LINK: RefusalRow(
        False,
        0,
        "the link to a packet or to its page is not signed with a key of this server, has expired or was revoked",
    ),
    Refusal.BAD_RECEIVERS: RefusalRow(
        False, 0, "an exclusive packet names 1 to 500 members of its group, each once, not its sender"
    ),
    Refusal.WORDS_NEEDED: RefusalRow(False, 0, "the packet is opened by saying its words: say them first"),
    Refusal.WORDS_WRONG: RefusalRow(False, 0, "the words do not fit; the detail says how many attempts are left"),
    Refusal.WORDS_SPENT: RefusalRow(
        False, 0, "the user has tried other words too often: none are accepted any more"
    ),
    Refusal.BAD_WORDS: RefusalRow(
        False, 0, "the words of a packet have 1 to 60 bytes, on one line; other kinds have none"
    ),
    Refusal.NO_SUCH_CAMPAIGN: RefusalRow(False, 0, "no such campaign, or not for this user"),
    Refusal.NOT_A_SPONSOR: RefusalRow(False, 0, "the user is not a sponsor"),
    Refusal.BAD_CAMPAIGN: RefusalRow(
        False, 0, "times, shares or amounts of a campaign that cannot be; the detail names it"
    ),
    Refusal.BAD_BUDGET: RefusalRow(
        False, 0, "the budget does not fit the amounts; the detail names the one that fits"
    ),
    Refusal.CAMPAIGN_OVER: RefusalRow(False, 0, "the campaign has ended: it cannot be paused or resumed"),
    Refusal.TOO_DEEP: RefusalRow(
        False, 0, "the packet has been passed on from friend to friend as far as it may be"
    ),
    Refusal.BAD_SCENE: RefusalRow(False, 0, "the scene of a bill is none of those in the config"),
    Refusal.BAD_AMOUNT: RefusalRow(False, 0, "an amount under or over its limit; the detail names the limit"),
    Refusal.BAD_SHARES: RefusalRow(
        False, 0, "a number of shares under or over its limit; the detail names the limit"
    ),
    Refusal.BAD_GREETING: RefusalRow(False, 0, "the greeting is longer than it may be"),
    Refusal.BAD_KEY: RefusalRow(False, 0, "an idempotency key has 1 to 64 bytes"),
    Refusal.BAD_TARGET: RefusalRow(False, 0, "the kind of packet and its target do not fit together"),
    Refusal.KEY_REUSED: RefusalRow(False, 0, "the idempotency key was used before with other content"),
    Refusal.NOT_ENOUGH_MONEY: RefusalRow(False, 0, "the wallet holds less than the amount"),
    Refusal.BAD_SEED: RefusalRow(False, 0, "a client seed has 16 to 32 bytes, or none"),
    Refusal.NO_TICKET: RefusalRow(True, 0, "the ticket has lapsed, was taken, or was never given: grab again"),
    Refusal.NOT_FINISHED: RefusalRow(True, 1000, "the seed stays secret until the packet is finished or refunded"),
    Refusal.FINISHED: RefusalRow(False, 0, "the packet is finished or expired: nothing is left to be sent again"),
    Refusal.ALREADY_POSTED: RefusalRow(False, 0, "the packet was posted at its time: it cannot be cancelled"),
    Refusal.BAD_TIME: RefusalRow(False, 0, "a packet is scheduled for a later time, at most 30 days ahead"),
    Refusal.STORE_UNAVAILABLE: RefusalRow(
        True, 500, "a store is away; whether it happened is told by asking again"
    ),
    Refusal.OVERLOADED: RefusalRow(True, 500, "too much work is waiting already"),
    Refusal.INTERNAL: RefusalRow(True, 1000, "a defect of the server, logged there; nothing was lost"),
    Refusal.BANK_DECLINED: RefusalRow(
        False, 0, "the bank or wallet that was to pay has declined; another try needs another key"
    ),
    Refusal.BANK_UNKNOWN: RefusalRow(
        True, 1000, "whether the bank or wallet has paid is not known yet: ask again with the same key"
    ),
    Refusal.BANK_AWAY: RefusalRow(True, 5000, "the bank or wallet does not respond; nothing was recorded"),
    Refusal.BAD_CARD: RefusalRow(
        False, 0, "the number, holder or phone cannot be those of a card, or the user has no such card"
    ),
    Refusal.CARD_TAKEN: RefusalRow(False, 0, "another user has bound this card, under another name"),
    Refusal.CODE_WRONG: RefusalRow(False, 0, "the code does not fit; the detail says how many attempts are left"),
    Refusal.CODE_SPENT: RefusalRow(
        False, 0, "the code was used, has expired, or was tried too often: ask for another one"
    ),
    Refusal.CODE_TOO_SOON: RefusalRow(True, 60_000, "a code was sent less than a minute ago"),
    Refusal.PASSWORD_WRONG: RefusalRow(
        False, 0, "the pay password does not fit; the detail says how many attempts are left"
    ),
    Refusal.PASSWORD_LOCKED: RefusalRow(
        True, 3 * 3_600_000, "too many wrong pay passwords; the detail says until when none is accepted"
    ),
    Refusal.PASSWORD_NEEDED: RefusalRow(False, 0, "this needs the pay password, six digits"),
    Refusal.LIMIT: RefusalRow(
        False, 0, "over a limit of payments, cards, codes or scheduled packets; the detail names it"
    ),
    Refusal.NEEDS_TLS: RefusalRow(False, 0, "cards and passwords are taken over TLS or from this machine only"),
}


class Close(IntEnum):
    """Why the server ended a connection."""

    SHUTTING_DOWN = 3000
    SLOW_READER = 3001
    PING_TIMEOUT = 3002
    TOO_MANY_CONNECTIONS = 3003
    LOGIN_TIMEOUT = 3004
    STORES_AWAY = 3005
    TOO_MANY_FAILED_LOGINS = 3006
    BY_OPERATOR = 3007

    BAD_FRAME = 3500
    FRAME_TOO_LARGE = 3501
    LOGIN_EXPECTED = 3502
    LOGIN_REFUSED = 3503
    TOKEN_EXPIRED = 3504
    BANNED = 3505
    TOKEN_REVOKED = 3506


CLOSES: dict[Close, str] = {
    Close.SHUTTING_DOWN: "the server is going down; come back in a moment",
    Close.SLOW_READER: "the client read so slowly that its outgoing buffer was full",
    Close.PING_TIMEOUT: "no answer to a ping in time",
    Close.TOO_MANY_CONNECTIONS: "the server, or this user or address, has as many connections as it may",
    Close.LOGIN_TIMEOUT: "no login in time",
    Close.STORES_AWAY: "the stores did not answer, so the login could not be served",
    Close.TOO_MANY_FAILED_LOGINS: "too many logins from this address have failed lately",
    Close.BY_OPERATOR: "an operator ended this user's connections; come back",
    Close.BAD_FRAME: "the frame is not one MessagePack array that begins with two whole numbers",
    Close.FRAME_TOO_LARGE: "the frame announces more bytes than are allowed at this stage",
    Close.LOGIN_EXPECTED: "the first request must be a login",
    Close.LOGIN_REFUSED: "the proof does not fit the token, or the key id is unknown",
    Close.TOKEN_EXPIRED: "the token has expired; ask the chat backend for a new one",
    Close.BANNED: "the chat backend has banned this user",
    Close.TOKEN_REVOKED: "the chat backend has revoked this token; ask it for a new one",
}

LAST_RECONNECT_CODE = 3499


def should_reconnect(code: int) -> bool:
    """What the number range of a close code tells a client to do."""
    return code <= LAST_RECONNECT_CODE
