"""`hongbao bill`: packets in a sponsor's name, by bill number or for an event, as a chat backend sends them."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any, Final

import cyclopts
from cyclopts import Parameter

from client_sim.sdk.client import Client
from client_sim.sdk.errors import NotAllowed
from client_sim.sdk.methods.campaign_errors import NotASponsor
from protocol import messages
from server.cli.enterprise.bill_list import newest_bills
from server.cli.shared.answers import print_answer
from server.cli.shared.as_backend import AS_BACKEND, BackendOptions
from server.cli.shared.numbers import Count, Fen, Whole
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.replies import AsJson, fields_of, print_reply
from server.cli.shared.resources import CommandFailed, WrongOptions, with_records
from server.cli.shared.streams import console
from server.cli.shared.users import User
from server.cli.shared.words import Text
from server.clock import Clock
from server.config import load
from server.core.enterprise.bills import BillStatus
from server.core.enterprise.events import EventKind
from server.instance import unit_of
from storage.postgres.database import Database

CLIENT_SEED_BYTES: Final = 32
FAILED: Final = 1  # the exit code when no packet was sent
NOTHING: Final = 0
Greeting = Annotated[str, Parameter(help="to the receiver (default: as of packets)")]

bill_cli = cyclopts.App(
    name="bill",
    help="Send packets in a sponsor's name, report events of users, and show how far they are.",
    result_action="return_value",
)


@bill_cli.command
def send(
    sponsor: User,
    number: Text,
    user: User,
    amount: Fen,
    /,
    *,
    greeting: Greeting = "",
    scene: str = "",
    as_json: AsJson = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Send a packet to a user in a sponsor's name, once per bill number; exit 1 if no packet was sent.

    The same command again finds the packet. A bill that has FAILED is tried again.

    Example: hongbao bill send 888 order-4711 1001 2000 --greeting "感谢关注"

    Parameters
    ----------
    sponsor
        the sponsor's user id (`hongbao campaign sponsor` makes one)
    number
        your number of the bill: 1 to 32 letters, digits, - and _, unique for the sponsor
    user
        who receives the packet: an id, or a name as in `hongbao chat --as NAME`
    amount
        in the smallest unit of money: 2000 is 20.00 with two decimals
    scene
        one of enterprise.scenes in the config, for an amount that is smaller or larger than usual
    """

    async def work(backend: Client) -> dict[str, Any]:
        try:
            seed = secrets.token_bytes(CLIENT_SEED_BYTES)
            sent = await backend.send_bill(sponsor, number, user, amount, greeting, scene, seed)
            return _shown(sent, as_json)
        except NotASponsor:
            raise _no_sponsor(sponsor) from None

    return _code(print_reply(server, work, as_json))


@bill_cli.default
@bill_cli.command
def show(sponsor: User, number: Text, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """Show how far a bill is.

    SENDING, SENT, FAILED (with the reason), RECEIVED, RFUND_ING (it has expired) or REFUND (the money is back).

    Example: hongbao bill show 888 order-4711
    """

    async def work(backend: Client) -> dict[str, Any]:
        try:
            return _shown(await backend.bill(sponsor, number), as_json)
        except NotAllowed:
            raise CommandFailed(f"sponsor {sponsor} has no bill {number!r}") from None

    print_reply(server, work, as_json)
    return 0


@bill_cli.command(name="list")
def list_bills(
    sponsor: User,
    /,
    *,
    status: BillStatus | None = None,
    most: Count = 20,
    as_json: AsJson = False,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """List the newest bills of a sponsor from the records, also those of events.

    Example: hongbao bill list 888 --status FAILED

    Parameters
    ----------
    status
        only bills that are so far
    most
        length of the list
    """
    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        bills = await newest_bills(database, sponsor, status, most, Clock().now_ms())
        if as_json:
            print(json.dumps({"bills": bills}, ensure_ascii=False))
        else:
            print_answer(console(), {"bills": bills}, unit_of(data, settings))
        return 0

    return with_records(settings, data, work)


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

    async def work(backend: Client) -> dict[str, Any]:
        try:
            found = await backend.report_event(sponsor, known_as, kind, user)
        except NotASponsor:
            raise _no_sponsor(sponsor) from None
        if not found.bill_number:
            return {"sponsor_id": sponsor, "user_id": user, "status": f"nothing is given for {kind}"}
        return _shown(found, as_json)

    return _code(print_reply(server, work, as_json))


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
            return fields_of(await backend.set_event_range(sponsor, kind, low, high, greeting))
        except NotASponsor:
            raise _no_sponsor(sponsor) from None

    print_reply(server, work, as_json)
    return 0


def _no_sponsor(sponsor: int) -> CommandFailed:
    return CommandFailed(f"user {sponsor} is no sponsor; make one with: hongbao campaign sponsor {sponsor} NAME")


def _shown(bill: messages.BillSent, as_json: bool) -> dict[str, Any]:
    """All fields of a bill; for people without those that have no value yet."""
    return {name: value for name, value in fields_of(bill).items() if as_json or value not in (0, "")}


def _code(answer: dict[str, Any]) -> int:
    return FAILED if answer["status"] == BillStatus.FAILED else 0
