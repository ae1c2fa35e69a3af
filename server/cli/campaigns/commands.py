"""`hongbao campaign`: sponsors and their campaigns, made and changed over the wire as a chat backend does."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable
from typing import Any, Final

import cyclopts

from client_sim.sdk.client import Client
from protocol import messages
from server.cli.campaigns.answers import AsJson, fields, print_from_backend
from server.cli.campaigns.report import report_of
from server.cli.campaigns.terms import CampaignTerms
from server.cli.shared.as_backend import AS_BACKEND, BackendOptions
from server.cli.shared.numbers import Count, Id
from server.cli.shared.options import DATA, ConfigOption, DataOption, PostgresOption
from server.cli.shared.pool_report import recorded_proof
from server.cli.shared.resources import all_sets, with_records
from server.cli.shared.users import User
from server.cli.shared.words import FilePath, Text
from server.config import found_seed_keys, load
from server.core.campaigns.proof import to_json
from storage.postgres.database import Database

CLIENT_SEED_BYTES: Final = 32
LISTED: Final = (
    "campaign_id",
    "name",
    "sponsor_name",
    "state",
    "starts_at_ms",
    "ends_at_ms",
    "shares",
    "at_most_left",
)

campaign_cli = cyclopts.App(
    name="campaign",
    help="Make sponsors and campaigns, change them, and show what they spend.",
    result_action="return_value",
)


@campaign_cli.command
def sponsor(user: User, name: Text, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """Make a user a sponsor; no client can log in as one. Pay into the wallet with `hongbao topup`.

    Again is harmless. The server seeds of the sponsor's next campaigns are committed to with this.

    Example: hongbao campaign sponsor 888 "招财银行"

    Parameters
    ----------
    name
        what winners read (1 to 64 bytes)
    """

    async def work(backend: Client) -> dict[str, Any]:
        return fields(await backend.put_sponsor(user, name), drop=("trees",))

    return print_from_backend(server, work, as_json)


@campaign_cli.command
def create(
    sponsor: User,
    name: Text,
    /,
    terms: CampaignTerms,
    *,
    key: Text | None = None,
    as_json: AsJson = False,
    server: BackendOptions = AS_BACKEND,
) -> int:
    """Make a campaign of a sponsor; its whole budget leaves the sponsor's wallet at once.

    The amounts are a table of bands, whose sum is the budget, or with --draws they are drawn, and bands are planted
    among them. What is left when the campaign is over goes back to the sponsor.

    Example: hongbao campaign create 888 "除夕摇红包" --shares 10000 --band 200-499:95% --band 500-1999:5%

    Parameters
    ----------
    sponsor
        the sponsor's user id
    name
        what users read (1 to 64 bytes)
    key
        idempotency key: with the same one nothing is made twice (default: a new one)
    """
    budget_fen, client_seed = terms.budget_fen(), secrets.token_bytes(CLIENT_SEED_BYTES)
    content = sponsor, name, *terms.times_ms(), terms.shares, budget_fen, terms.bands

    async def work(backend: Client) -> dict[str, Any]:
        made = await backend.create_campaign(*content, key=key, client_seed=client_seed, **terms.others())
        return fields(made) | {"client_seed": client_seed.hex()}

    return print_from_backend(server, work, as_json)


@campaign_cli.default
@campaign_cli.command(name="list")
def list_campaigns(*, most: Count = 20, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """List the newest campaigns.

    Example: hongbao campaign list --most 50

    Parameters
    ----------
    most
        length of the list
    """

    async def work(backend: Client) -> dict[str, Any]:
        lines: list[messages.CampaignLine] = []
        more = True
        while more and len(lines) < most:
            page = await backend.campaigns(lines[-1].campaign_id if lines else 0)
            lines, more = lines + page.campaigns, page.more and bool(page.campaigns)
        return {"campaigns": [{one: getattr(line, one) for one in LISTED} for line in lines[:most]]}

    return print_from_backend(server, work, as_json)


@campaign_cli.command
def show(campaign_id: Id, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """Show a campaign as its users see it.

    Example: hongbao campaign show 251234567890123456
    """

    async def work(backend: Client) -> dict[str, Any]:
        return fields((await backend.campaign(campaign_id, "en")).campaign)

    return print_from_backend(server, work, as_json)


@campaign_cli.command
def report(campaign_id: Id, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """Show what a campaign has spent and what is left, by hour, and the cost per winner and per share.

    Example: hongbao campaign report 251234567890123456
    """

    async def work(backend: Client) -> dict[str, Any]:
        return report_of(await backend.campaign_report(campaign_id))

    return print_from_backend(server, work, as_json)


@campaign_cli.command
def pause(campaign_id: Id, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """Pause a campaign: shakes win nothing until it is resumed; its end stays where it is.

    Example: hongbao campaign pause 251234567890123456
    """
    return print_from_backend(server, lambda backend: _change(backend.pause_campaign(campaign_id)), as_json)


@campaign_cli.command
def resume(campaign_id: Id, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """Go on with a paused campaign.

    Example: hongbao campaign resume 251234567890123456
    """
    return print_from_backend(server, lambda backend: _change(backend.resume_campaign(campaign_id)), as_json)


@campaign_cli.command
def end(campaign_id: Id, /, *, as_json: AsJson = False, server: BackendOptions = AS_BACKEND) -> int:
    """End a campaign now; what is left goes back to the sponsor, once.

    Example: hongbao campaign end 251234567890123456
    """
    return print_from_backend(server, lambda backend: _change(backend.end_campaign(campaign_id)), as_json)


@campaign_cli.command
def proof(
    campaign_id: Id,
    file: FilePath,
    /,
    *,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Write the proof of a campaign that is over to a file, to be published: seed, deck, all numbers that were won.

    Users check it with `hongbao verify FILE`, docs/verify_pool.py or docs/verify_pool.mjs. It names no user.

    Example: hongbao campaign proof 251234567890123456 proof.json

    Parameters
    ----------
    file
        the file to write
    """
    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        async with all_sets(database, settings) as sets:
            found = await recorded_proof(sets, campaign_id, found_seed_keys(settings, data))
        file.write_text(to_json(found), "utf-8")
        print(f"{file}: {len(found.wins):,} of {found.deck.numbers:,} numbers won")
        return 0

    return with_records(settings, data, work)


async def _change(changed: Awaitable[messages.CampaignChanged]) -> dict[str, Any]:
    return fields(await changed)
