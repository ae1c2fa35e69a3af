"""What can go wrong for a client, as exceptions. Every one says whether to try again, and when."""

from __future__ import annotations

from typing import ClassVar

from protocol import codes, messages


class ClientError(Exception):
    """Any failure of a request. `temporary`: the same request may succeed later, after `retry_after_ms`.

    `name` is stable and meant for logs and counters.
    """

    name: str = "failed"
    temporary: bool = False
    retry_after_ms: int = 0


class ConnectionLost(ClientError):
    """The connection ended before the reply came. Whether the request was carried out is not known."""

    name = "connection_lost"
    temporary = True

    def __init__(self, why: str, retry_after_ms: int = 0) -> None:
        super().__init__(why)
        self.retry_after_ms = retry_after_ms  # as a goodbye may have said


class ClientClosed(ClientError):
    """The app closed this client. Whether a request in flight was carried out is not known."""

    name = "client_closed"


class TimedOut(ClientError):
    """No reply in time. Whether the request was carried out is not known; asking again is safe (see Client)."""

    name = "timed_out"
    temporary = True


class Busy(ClientError):
    """A grab was told `busy`, again and again until patience ran out: more tickets are out than can be served."""

    name = "busy"
    temporary = True

    def __init__(self, packet_id: int, retry_after_ms: int) -> None:
        super().__init__(f"packet {packet_id} is busy")
        self.retry_after_ms = retry_after_ms


class ConnectionRefusedForGood(ClientError):
    """The server closed and said not to come back before the cause is mended, a token that expired for example."""

    def __init__(self, code: int, name: str, detail: str) -> None:
        super().__init__(f"{code} {name}: {detail}".removesuffix(": "))
        self.code = code
        self.name = name
        self.detail = detail


class Refusal(ClientError):
    """The server refused one request. `code` and `name` are those of codes.Refusal; `detail` is for developers.

    A refusal that an app wants to tell apart has a class of its own; `CODE` ties it to its number.
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
    """More requests per second than one user may make."""

    CODE = codes.Refusal.RATE_LIMITED


class Forbidden(Refusal):
    """Only the chat backend (user 0) may ask this."""

    CODE = codes.Refusal.FORBIDDEN


class NotAllowed(Refusal):
    """There is no such packet, or it is not for this user."""

    CODE = codes.Refusal.NOT_ALLOWED


class NotAMember(Refusal):
    """The user is not in that group."""

    CODE = codes.Refusal.NOT_A_MEMBER


class NoSuchGroup(Refusal):
    """There is no group with that id."""

    CODE = codes.Refusal.NO_SUCH_GROUP


class GroupFull(Refusal):
    """The group has as many members as it may have."""

    CODE = codes.Refusal.GROUP_FULL


class BadAmount(Refusal):
    """An amount under or over its limit."""

    CODE = codes.Refusal.BAD_AMOUNT


class BadShares(Refusal):
    """A number of shares under or over its limit; there may be no more shares than members."""

    CODE = codes.Refusal.BAD_SHARES


class KeyReused(Refusal):
    """The idempotency key was used before with other content."""

    CODE = codes.Refusal.KEY_REUSED


class NotEnoughMoney(Refusal):
    """The wallet holds less than the amount."""

    CODE = codes.Refusal.NOT_ENOUGH_MONEY


class NoTicket(Refusal):
    """The ticket has lapsed or was never given: grab again. `Client.open` does so by itself."""

    CODE = codes.Refusal.NO_TICKET


class NotFinished(Refusal):
    """The packet can still be opened, so its seed stays secret."""

    CODE = codes.Refusal.NOT_FINISHED


class Finished(Refusal):
    """The packet is finished or expired: nothing is left to be sent again."""

    CODE = codes.Refusal.FINISHED


class NotOwner(Refusal):
    """Only the owner of the group may ask this."""

    CODE = codes.Refusal.NOT_OWNER


class KickedOut(Refusal):
    """The owner threw this user out of the group."""

    CODE = codes.Refusal.KICKED


class StoreUnavailable(Refusal):
    """A store of the server is away. Whether the request was carried out is told by asking again."""

    CODE = codes.Refusal.STORE_UNAVAILABLE


class Overloaded(Refusal):
    """Too much work is waiting at the server already."""

    CODE = codes.Refusal.OVERLOADED


REFUSALS: dict[int, type[Refusal]] = {int(kind.CODE): kind for kind in Refusal.__subclasses__()}


def refusal_of(refused: messages.Refused) -> Refusal:
    """The exception that stands for a refusal on the wire; plain `Refusal` if it has no class of its own."""
    return REFUSALS.get(refused.code, Refusal)(refused)
