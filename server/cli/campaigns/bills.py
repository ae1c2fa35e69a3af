"""`hongbao bill`: packets in a sponsor's name, sent and looked up over the wire as a chat backend does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import cyclopts
from cyclopts import Parameter

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NotAllowed
from client_sim.sdk.methods.campaign_errors import NotASponsor
from protocol import messages
from server.cli.campaigns.answers import AsJson, fields, print_from_backend
from server.cli.shared.as_backend import AS_BACKEND, BackendOptions
from server.cli.shared.numbers import Count, Fen, Id, Whole
from server.cli.shared.resources import CommandFailed, WrongOptions
from server.cli.shared.users import User
from server.cli.shared.words import Text
from server.core.enterprise.bills import BillStatus
from server.core.enterprise.events import EventKind

FAILED: Final = 1  # the exit code when no packet was sent
NOTHING: Final = 0
Greeting = Annotated[str, Parameter(help="to the receiver (default: as of packets)")]
KINDS: Final = {"lucky": messages.ENTERPRISE_LUCKY, "equal": messages.ENTERPRISE_EQUAL}
SHOWN: Final = {"user_id", "group_id", "packet_id", "sent_at_ms", "received_at_ms", "refunded_fen", "reason"}
LISTED: Final = (
    "bill_number",
    "user_id",
    "group_id",
    "amount_fen",
    "shares",
    "status",
    "opened_fen",
    "refunded_fen",
)

bill_cli = cyclopts.App(
    name="bill",
    help="Send packets in a sponsor's name, report events of users, and show how far they are.",
    result_action="return_value",
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class BillTerms:
    """For whom a bill is, and how its packet is shared."""

    user: Annotated[User | None, Parameter(help="the user who gets it, by id or name")] = None
    group: Annotated[Id | None, Parameter(help="the group whose members may open it, by its id here")] = None
    shares: Annotated[Count, Parameter(help="how many members of the group may open it")] = 1
    kind: Annotated[
        Literal["lucky", "equal"], Parameter(help="the amounts of a group's shares: drawn, or even")
    ] = "lucky"
    greeting: Annotated[Text | None, Parameter(help="what receivers read")] = None
    scene: Annotated[
        Text | None, Parameter(help="one of enterprise.scenes, for shares that are smaller or larger than usual")
    ] = None

    async def sent(self, backend: Client, sponsor: int, number: str, amount_fen: int) -> messages.BillSent:
        """Send the packet. Raises ClientError."""
        about = self.greeting or "", self.scene or ""
        if self.user is not None:
            return await backend.send_bill(sponsor, number, self.user, amount_fen, *about)
        assert self.group is not None
        shares = KINDS[self.kind], amount_fen, self.shares
        return await backend.send_group_bill(sponsor, number, self.group, *shares, *about)


NO_TERMS: Final = BillTerms()


@bill_cli.command
def send(
    sponsor: User,
    number: Text,
    amount: Fen,
    /,
    terms: BillTerms = NO_TERMS,
    *,
    as_json: AsJson = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Send a packet in a sponsor's name, once per bill number; exit 1 if it has failed.

    The same number with the same content finds the packet, and tries again if it has failed.

    Example: hongbao bill send 888 B-1 8800 --group 251234567890123456 --shares 10

    Parameters
    ----------
    sponsor
        the sponsor's user id
    number
        your number of the bill (1 to 32 letters, digits, - and _)
    amount
        the whole packet, in the smallest unit of money
    """
    if (terms.user is None) == (terms.group is None):
        raise WrongOptions("give either --user or --group")

    async def work(backend: Client) -> dict[str, Any]:
        sent = await terms.sent(backend, sponsor, number, amount)
        if sent.status == "FAILED":
            raise CommandFailed(f"bill {number} of sponsor {sponsor} has failed: {sent.reason}")
        return _shown(sent)

    return print_from_backend(server, work, as_json)


@bill_cli.command
def show(sponsor: User, number: Text, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """Show a bill: how far it is, and what was opened of it and came back.

    Example: hongbao bill show 888 B-1

    Parameters
    ----------
    number
        the number of the bill
    """

    async def work(backend: Client) -> dict[str, Any]:
        try:
            return _shown(await backend.bill(sponsor, number))
        except NotAllowed:
            raise CommandFailed(f"sponsor {sponsor} has no bill {number}") from None

    return print_from_backend(server, work, as_json)


@bill_cli.command(name="list")
def list_bills(
    sponsor: User, /, *, most: Count = 20, as_json: AsJson = False, server: BackendOptions = AS_BACKEND
) -> int:
    """List the newest bills of a sponsor.

    Example: hongbao bill list 888 --most 50

    Parameters
    ----------
    sponsor
        the sponsor's user id
    most
        length of the list
    """

    async def work(backend: Client) -> dict[str, Any]:
        lines: list[messages.BillLine] = []
        cursor, more = "", True
        while more and len(lines) < most:
            page = await backend.bills(sponsor, cursor)
            lines, cursor = lines + page.bills, page.next_cursor
            more = bool(cursor)
        return {"bills": [{one: getattr(line, one) for one in LISTED} for line in lines[:most]]}

    return print_from_backend(server, work, as_json)


def _shown(bill: messages.BillSent) -> dict[str, Any]:
    """The fields of a bill, without those that are not known yet."""
    return {name: value for name, value in fields(bill).items() if value or name not in SHOWN}


@bill_cli.command
def event(
    sponsor: User,
    kind: EventKind,
    user: User,
    /,
    *,
    event_id: Annotated[Text | None, Parameter(name="--id")] = None,
    as_json: AsJson = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Report that a user has followed a sponsor or signed up: they get one packet, if the sponsor gives something.

    Exit 1 if the packet could not be sent.

    Example: hongbao bill event 888 follow 1001 --id follow-8821

    Parameters
    ----------
    kind
        follow or sign_up
    user
        who did it: an id, or a name as in `hongbao chat --as NAME`
    event_id
        your id of the event, 1 to 64 characters: with the same one nothing is given twice (default: one of kind and
        user)
    """
    known_as = event_id or f"{kind}-{user}"
    given: list[str] = []

    async def work(backend: Client) -> dict[str, Any]:
        try:
            found = await backend.report_event(sponsor, known_as, kind, user)
        except NotASponsor:
            raise _no_sponsor(sponsor) from None
        if not found.bill_number:
            return {"sponsor_id": sponsor, "user_id": user, "status": f"nothing is given for {kind}"}
        given.append(found.status)
        return _given(found, as_json)

    print_from_backend(server, work, as_json)
    return FAILED if BillStatus.FAILED in given else 0


@bill_cli.command(name="range")
def event_range(
    sponsor: User,
    kind: EventKind,
    low: Whole,
    high: Whole,
    /,
    *,
    greeting: Greeting = "",
    as_json: AsJson = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Say what a sponsor gives to each user who follows it or signs up: an amount in a range; 0 0 for nothing.

    The amounts follow from a seed that the answer commits to; the seed of the range before is revealed.

    Example: hongbao bill range 888 follow 200 500

    Parameters
    ----------
    low
        the smallest amount, in the smallest unit of money
    high
        the largest amount
    """
    if (low == NOTHING) != (high == NOTHING) or low > high:
        raise WrongOptions("give the smallest and the largest amount, or 0 0 for nothing")

    async def work(backend: Client) -> dict[str, Any]:
        try:
            return fields(await backend.set_event_range(sponsor, kind, low, high, greeting))
        except NotASponsor:
            raise _no_sponsor(sponsor) from None

    return print_from_backend(server, work, as_json)


def _no_sponsor(sponsor: int) -> CommandFailed:
    return CommandFailed(f"user {sponsor} is no sponsor; make one with: hongbao campaign sponsor {sponsor} NAME")


def _given(bill: messages.BillSent, as_json: bool) -> dict[str, Any]:
    """All fields of a bill; for people without those that have no value yet."""
    return {name: value for name, value in fields(bill).items() if as_json or value not in (0, "")}
