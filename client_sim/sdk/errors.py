"""The exceptions of the SDK. Each says whether a retry may succeed, and when."""

from __future__ import annotations

import os
import re
import socket
import ssl
from functools import cache
from typing import ClassVar

from protocol import codes, messages


class ClientError(Exception):
    """Any failure of a request. `temporary`: the same request may succeed after `retry_after_ms`.

    `name` is stable, for logs and counters.
    """

    name: str = "failed"
    temporary: bool = False
    retry_after_ms: int = 0


class ConnectionLost(ClientError):
    """The connection ended before the reply came. Whether the request was carried out is unknown."""

    name = "connection_lost"
    temporary = True

    def __init__(self, why: str, retry_after_ms: int = 0) -> None:
        super().__init__(why)
        self.retry_after_ms = retry_after_ms  # from the goodbye, if there was one


class ClientClosed(ClientError):
    """The app closed this client. Whether a request in flight was carried out is unknown."""

    name = "client_closed"


class MalformedToken(ClientError, ValueError):
    """The text is not a token."""

    name = "malformed_token"


class MalformedUrl(ClientError, ValueError):
    """The text is not the url of a server."""

    name = "malformed_url"


class TimedOut(ClientError):
    """No reply in time. Whether the request was carried out is unknown; a retry is safe (see Client)."""

    name = "timed_out"
    temporary = True


class Busy(ClientError):
    """Every grab was answered `busy` until `patience_s` had passed: more tickets are out than can be served."""

    name = "busy"
    temporary = True

    def __init__(self, packet_id: int, retry_after_ms: int) -> None:
        super().__init__(f"packet {packet_id} is busy")
        self.retry_after_ms = retry_after_ms


class ConnectionRefusedForGood(ClientError):
    """The server closed the connection: do not reconnect before the cause is fixed.

    `name` is the cause: "token_expired" or "token_revoked" (get a new token from the chat backend), "banned", ….
    """

    def __init__(self, code: int, name: str, detail: str) -> None:
        super().__init__(f"{code} {name}: {detail}".removesuffix(": "))
        self.code = code
        self.name = name
        self.detail = detail


class Refusal(ClientError):
    """The server refused one request. `code` and `name` are those of codes.Refusal; `detail` is for developers.

    Refusals that an app handles in different ways have classes of their own; `CODE` is their number.
    """

    CODE: ClassVar[codes.Refusal]

    def __init__(self, refused: messages.Refused) -> None:
        super().__init__(f"{refused.code} {refused.name}: {refused.detail}".removesuffix(": "))
        self.code = refused.code
        self.name = refused.name
        self.temporary = refused.temporary
        self.retry_after_ms = refused.retry_after_ms
        self.detail = refused.detail


class RateLimited(Refusal):
    """The user made more requests per second than allowed."""

    CODE = codes.Refusal.RATE_LIMITED


class Forbidden(Refusal):
    """Only the chat backend (user 0) may make this request."""

    CODE = codes.Refusal.FORBIDDEN


class NotAllowed(Refusal):
    """There is no such packet, or it is not for this user."""

    CODE = codes.Refusal.NOT_ALLOWED


class NotAMember(Refusal):
    """The user is not a member of that group."""

    CODE = codes.Refusal.NOT_A_MEMBER


class NoSuchGroup(Refusal):
    """There is no group with that id. Only the chat backend is told so; others are told NotAMember."""

    CODE = codes.Refusal.NO_SUCH_GROUP


class GroupFull(Refusal):
    """The group has as many members as it may have."""

    CODE = codes.Refusal.GROUP_FULL


class BadInvite(Refusal):
    """No group has this invite code, or it is not the code of that group."""

    CODE = codes.Refusal.BAD_INVITE


class NoSuchUser(Refusal):
    """The server does not know that user, or the user is banned."""

    CODE = codes.Refusal.NO_SUCH_USER


class NameTaken(Refusal):
    """Another user has this name, or one that looks the same."""

    CODE = codes.Refusal.NAME_TAKEN


class BackendDecides(Refusal):
    """On this server the chat backend decides about groups and names, or has the texts; the users do not."""

    CODE = codes.Refusal.BACKEND_DECIDES


class BadPass(Refusal):
    """The pass has expired, is for another user or group, or is not signed with a key of the server."""

    CODE = codes.Refusal.BAD_PASS


class Banned(Refusal):
    """The chat backend has banned this user."""

    CODE = codes.Refusal.BANNED


class BadLink(Refusal):
    """The link to a packet's page has expired, was revoked, or is not signed with a key of the server."""

    CODE = codes.Refusal.BAD_LINK


class BadAmount(Refusal):
    """The amount is below or above its limit."""

    CODE = codes.Refusal.BAD_AMOUNT


class BadShares(Refusal):
    """The number of shares is below or above its limit, which is at most the number of members."""

    CODE = codes.Refusal.BAD_SHARES


class BadSeed(Refusal):
    """A client seed has 16 to 32 bytes."""

    CODE = codes.Refusal.BAD_SEED


class KeyReused(Refusal):
    """The idempotency key was used before, with other content."""

    CODE = codes.Refusal.KEY_REUSED


class NotEnoughMoney(Refusal):
    """The wallet holds less than the amount."""

    CODE = codes.Refusal.NOT_ENOUGH_MONEY


class NoTicket(Refusal):
    """The ticket has lapsed or does not exist: grab again. `Client.open` does this by itself."""

    CODE = codes.Refusal.NO_TICKET


class NotFinished(Refusal):
    """The packet can still be opened, so its seed is secret."""

    CODE = codes.Refusal.NOT_FINISHED


class Finished(Refusal):
    """The packet is finished or expired, so it cannot be sent again."""

    CODE = codes.Refusal.FINISHED


class NotOwner(Refusal):
    """Only the owner of the group may make this request."""

    CODE = codes.Refusal.NOT_OWNER


class KickedOut(Refusal):
    """The owner removed this user from the group: joining again is not possible."""

    CODE = codes.Refusal.KICKED


class StoreUnavailable(Refusal):
    """A store of the server does not respond. A retry tells whether the request was carried out."""

    CODE = codes.Refusal.STORE_UNAVAILABLE


class Overloaded(Refusal):
    """Too many requests wait at the server."""

    CODE = codes.Refusal.OVERLOADED


class BankDeclined(Refusal):
    """The bank or host wallet has declined; `detail` says why. Another try needs another key."""

    CODE = codes.Refusal.BANK_DECLINED


class BankUnknown(Refusal):
    """It is not known yet whether the bank or host wallet has paid. Ask again with the same key."""

    CODE = codes.Refusal.BANK_UNKNOWN


class BankAway(Refusal):
    """The bank or host wallet does not respond. Nothing was recorded."""

    CODE = codes.Refusal.BANK_AWAY


def refusal_of(refused: messages.Refused) -> Refusal:
    """The exception for a refusal on the wire; `Refusal` itself if the code has no class."""
    return _refusals().get(refused.code, Refusal)(refused)


@cache
def _refusals() -> dict[int, type[Refusal]]:
    """All of them are imported before one is received: those on cards stand in a module of their own."""
    return {int(kind.CODE): kind for kind in Refusal.__subclasses__()}


def in_words(error: OSError) -> str:
    """Why there is no connection, without numbers of errors: "connection refused"."""
    if isinstance(error, TimeoutError):
        return "no response"
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return re.sub(r"\[Errno -?\d+\] ?", "", str(error)) or "no response"
    return os.strerror(error.errno).lower()
