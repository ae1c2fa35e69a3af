"""`hongbao webhooks`: endpoints of webhooks, tests and replays, in the records, whether a server runs or not."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final, Literal, NoReturn, TypeAlias

import cyclopts
from cyclopts import Parameter

from server.cli.shared.answers import print_answer
from server.cli.shared.numbers import Hours, Id, PageLength
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.resources import CommandFailed, with_records
from server.cli.shared.streams import console
from server.cli.shared.webhook_rows import delivery_json, delivery_row, endpoint_json, endpoint_row, paused
from server.cli.shared.words import Text
from server.clock import Clock
from server.config import found_seed_keys, load
from server.core.refusals import RequestRefused
from server.core.webhooks import signing
from server.core.webhooks.addresses import networks_of
from server.core.webhooks.flow import PAUSE_S_MAX
from server.services.webhooks.secrets import WebhookSecrets
from server.services.webhooks.service import OVERLAP_S, DeliveryItem, WebhookService
from storage.postgres.database import Database
from storage.postgres.database_time import DatabaseTimeStore
from storage.postgres.webhooks.deliveries import DeliveryStore
from storage.postgres.webhooks.endpoints import EndpointStore

TEST_S: Final = 15.0  # for a server to take a test and for the receiver to answer
LOOK_S: Final = 0.2
PAUSE_MS_MAX: Final = int(PAUSE_S_MAX + TEST_S) * 1000  # and for the try after the pause

webhooks_cli = cyclopts.App(
    name="webhooks", help="Make and test webhooks, and deliver events again.", result_action="return_value"
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """Where the endpoints are recorded."""

    data: DataOption = DATA
    config: ConfigOption = None
    postgres: PostgresOption = None


DEFAULT: Final = RecordOptions()
JsonOption = Annotated[bool, Parameter(name="--json", negative=(), help="print the answer as JSON")]
DeliveryName: TypeAlias = Literal["waiting", "delivered", "failed"]
Types = Annotated[
    tuple[str, ...],
    Parameter(
        name="--type", help='a type of event that it wants; may be repeated; "all": every type, as without it'
    ),
]
ALL_TYPES: Final = ("all",)


@webhooks_cli.default
@webhooks_cli.command(name="list")
def list_endpoints(*, as_json: JsonOption = False, records: RecordOptions = DEFAULT) -> int:
    """List the endpoints with how deliveries to them go; no secret is shown.

    Example: hongbao webhooks list
    """

    async def work(webhooks: WebhookService) -> int:
        conditions, now_ms = await webhooks.conditions(), webhooks.now_ms()
        found = [(one, conditions[one.name]) for one in await webhooks.endpoints() if one.name in conditions]
        if as_json:
            print(json.dumps({"endpoints": [endpoint_json(*one) for one in found]}))
        elif found:
            print_answer(console(), {"endpoints": [endpoint_row(*one, now_ms) for one in found]})
        else:
            print("there is no endpoint: hongbao webhooks add NAME URL")
        return 0

    return _with_webhooks(records, work)


@webhooks_cli.command
def deliveries(
    name: Text | None = None,
    /,
    *,
    state: DeliveryName | None = None,
    most: PageLength = 20,
    as_json: JsonOption = False,
    records: RecordOptions = DEFAULT,
) -> int:
    """List the newest deliveries, to one endpoint or to all of them.

    Example: hongbao webhooks deliveries shop --state failed

    Parameters
    ----------
    state
        only those that wait, that were delivered, or that failed for good
    most
        length of the list
    """

    async def work(webhooks: WebhookService) -> int:
        found: list[tuple[str, DeliveryItem]] = []
        for one in [name] if name else [endpoint.name for endpoint in await webhooks.endpoints()]:
            page = await webhooks.deliveries(one, state=state or "")
            if page is None:
                _fail(one)
            found += [(one, line) for line in page.lines]
        found.sort(key=lambda one: (-one[1].event_id, one[0]))
        if as_json:
            print(json.dumps({"deliveries": [delivery_json(*one) for one in found[:most]]}))
        elif found:
            rows = [delivery_row(*one, webhooks.now_ms()) for one in found[:most]]
            print_answer(console(), {"deliveries": rows})
        else:
            print("there is no delivery")
        return 0

    return _with_webhooks(records, work)


@webhooks_cli.command
def add(name: Text, url: Text, /, *, types: Types = (), records: RecordOptions = DEFAULT) -> int:
    """Make an endpoint and print its secret, once; or change the URL of one, and its types if some are given.

    Example: hongbao webhooks add shop https://shop.example/hooks --type packet.sent --type packet.finished
    """
    secret = signing.text_of(os.urandom(signing.SECRET_BYTES))

    async def work(webhooks: WebhookService) -> int:
        before = await webhooks.endpoint(name)
        wanted = types or (before.types if before else ())
        put = await webhooks.put(name, url, () if wanted == ALL_TYPES else wanted, "" if before else secret)
        if put.warning:
            print(f"hongbao: {put.warning}", file=sys.stderr)
        print(f"{name} is enabled for {', '.join(put.types) or 'all types'}" if before else secret)
        return 0

    return _with_webhooks(records, work)


@webhooks_cli.command
def remove(name: Text, /, *, records: RecordOptions = DEFAULT) -> int:
    """Remove an endpoint, and all that waits for it.

    Example: hongbao webhooks remove shop
    """

    async def work(webhooks: WebhookService) -> int:
        if not await webhooks.remove(name):
            _fail(name)
        print(f"{name} is removed")
        return 0

    return _with_webhooks(records, work)


@webhooks_cli.command
def rotate(name: Text, /, *, hours: Hours = OVERLAP_S / 3600, records: RecordOptions = DEFAULT) -> int:
    """Replace the secret of an endpoint and print the new one, once; the old one signs beside it for a while.

    Example: hongbao webhooks rotate shop --hours 48

    Parameters
    ----------
    hours
        for how long the old secret signs beside the new one
    """
    secret = signing.text_of(os.urandom(signing.SECRET_BYTES))

    async def work(webhooks: WebhookService) -> int:
        if await webhooks.rotate(name, secret, hours * 3600) is None:
            _fail(name)
        print(secret)
        return 0

    return _with_webhooks(records, work)


@webhooks_cli.command(name="test")
def send_test(name: Text, /, *, records: RecordOptions = DEFAULT) -> int:
    """Send a test event to an endpoint through a running server; exit 1 if it does not arrive.

    Example: hongbao webhooks test shop
    """

    async def work(webhooks: WebhookService) -> int:
        endpoint = await webhooks.endpoint(name)
        if endpoint is not None and endpoint.state != "enabled":
            why = "gone: it answered 410" if endpoint.state == "gone" else endpoint.state
            raise CommandFailed(f"{name} is {why}; enable it: hongbao webhooks add {name} {endpoint.url}")
        event_id = await webhooks.test(name)
        if event_id is None:
            _fail(name)
        found: DeliveryItem | None = None
        for _ in range(int(TEST_S / LOOK_S)):
            found = await webhooks.delivery(name, event_id)
            if found is None or found.attempts:
                break
            await asyncio.sleep(LOOK_S)
        if found is None or not found.attempts:
            raise CommandFailed(await _why_not_sent(webhooks, name))
        if found.state != "delivered":
            raise CommandFailed(f"{name} did not accept it: {found.last_error or f'status {found.last_status}'}")
        print(f"{name} answered {found.last_status}")
        return 0

    return _with_webhooks(records, work)


@webhooks_cli.command
def replay(
    name: Text,
    /,
    *,
    event: Id | None = None,
    hours: Hours | None = None,
    failed: Annotated[bool, Parameter(negative=())] = False,
    records: RecordOptions = DEFAULT,
) -> int:
    """Deliver events to an endpoint again, with the ids that they had.

    Example: hongbao webhooks replay shop --hours 6 --failed

    Parameters
    ----------
    event
        one event, by its event_id
    hours
        all events of the last hours
    failed
        of these only the ones that did not arrive
    """
    if (event is None) == (hours is None):
        raise CommandFailed("give either --event or --hours")

    async def work(webhooks: WebhookService) -> int:
        if event is not None:
            replayed = await webhooks.replay(name, event_id=event)
        else:
            from_ms = webhooks.now_ms() - int((hours or 0) * 3_600_000)
            replayed = await webhooks.replay(name, from_ms=from_ms, only_failed=failed)
        if replayed is None:
            _fail(name)
        print(f"{replayed:,} deliveries to {name} will be made again")
        return 0

    return _with_webhooks(records, work)


async def _why_not_sent(webhooks: WebhookService, name: str) -> str:
    """Why a test has waited for so long: a pause after failures, which a server that runs ends by the next try."""
    condition, now_ms = (await webhooks.conditions()).get(name), webhooks.now_ms()
    if condition is not None and condition.failures and condition.last_at_ms + PAUSE_MS_MAX > now_ms:
        return paused(name, condition, now_ms)
    return f"no server has sent the test within {TEST_S:g} s: does one run? The test waits for it"


def _fail(name: str) -> NoReturn:
    raise CommandFailed(f"there is no endpoint {name}: hongbao webhooks list")


def _with_webhooks(records: RecordOptions, work: Callable[[WebhookService], Awaitable[int]]) -> int:
    """Run `work` on the records. Times are those of the database, as in servers. Raises CommandFailed."""
    settings = load(records.config, {"stores.postgres": records.postgres})

    async def opened(database: Database) -> int:
        clock, at_ms = Clock(), int(await DatabaseTimeStore(database).now_ms())
        began_s = clock.elapsed_s()
        allowed = networks_of(settings.webhooks.allow_private)
        queues = DeliveryStore(database, database.writer())
        endpoints = EndpointStore(database)
        secrets = WebhookSecrets(endpoints, found_seed_keys(settings, records.data), os.urandom)
        webhooks = WebhookService(
            endpoints,
            queues,
            secrets,
            allowed,
            lambda: at_ms + int((clock.elapsed_s() - began_s) * 1000),
            has_nats=bool(settings.nats.url),
        )
        try:
            return await work(webhooks)
        except RequestRefused as refused:
            needs_config = "allow_private" in refused.detail and records.config is None
            raise CommandFailed(refused.detail + (" (no --config was given)" if needs_config else "")) from None

    return with_records(settings, records.data, opened)
