"""`hongbao sim`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from client_sim.languages import Language, language_of_environment
from client_sim.sim import scenarios, screen
from server.cli.shared.numbers import Count, Seconds, Seed
from server.cli.shared.options import DATA, ConfigOption, DataOption, LanguageOption, UrlOption
from server.cli.shared.resources import mint, url_of
from server.cli.shared.simulated_books import AnyBooks, check_books, dsn_of_server
from server.cli.shared.streams import console
from server.config import Config, load
from server.loop import run

Scenario = Literal["crowd", "rush", "greedy", "offline", "new_year", "office", "family", "campaign", "shake"]


class Size(TypedDict):
    """The size of a crowd; None: as the scenario needs."""

    users: int | None
    groups: int | None
    seconds: float | None
    seed: int


def sim(
    scenario: Scenario,
    *,
    users: Count | None = None,
    groups: Count | None = None,
    seconds: Seconds | None = None,
    seed: Seed = 1,
    lang: LanguageOption = None,
    any_books: AnyBooks = False,
    data: DataOption = DATA,
    config: ConfigOption = None,
    url: UrlOption = None,
    bank: str = "",
) -> int:
    """Run simulated users against a running server; exit 1 if a check fails.

    The users and their money stay in the books of that server, so it refuses books with other users or money.

    The checks: no reply or push contradicts another one, and the run has the shape that its scenario expects.

    Scenarios: crowd (a few groups of users with mixed habits), rush (one packet, all members open it at once),
    greedy (users who open twice and try packets of others), offline (users who disconnect and come back), new_year
    (all send at midnight), office (bosses send equal packets to all), family (the best luck sends the next packet),
    campaign (one sender gives to many, some of them bots), shake (all shake in a campaign, bots very fast).

    Example: hongbao sim rush --users 400 --seconds 10

    Parameters
    ----------
    scenario
        the scenario to run
    users
        number of users (default: as the scenario needs)
    groups
        number of groups (default: as the scenario needs)
    seconds
        length of the run (default: as the scenario needs)
    seed
        the same seed gives the same users with the same habits
    bank
        URL of the simulated bank (hongbao bank) of that server: some users then have cards and pay by them
    """
    size: Size = {"users": users, "groups": groups, "seconds": seconds, "seed": seed}
    place = Place(load(config, {}), data, url, bank)
    return run(_simulate(scenario, size, lang or language_of_environment(), place, any_books=any_books))


class Place(NamedTuple):
    """Where a crowd plays: the settings and folder of the server, its URL if it is given, that of its bank."""

    settings: Config
    data: Path
    url: str | None
    bank: str


async def _simulate(scenario: Scenario, size: Size, language: Language, place: Place, *, any_books: bool) -> int:
    settings, data, url, bank = place
    where = url or url_of(data)
    if not any_books:
        await check_books(dsn_of_server(settings, data, url), url or data)
    crowd = scenarios.prepare(scenario, where, partial(mint, settings, data), **size, language=language, bank=bank)
    return 0 if (await screen.present(scenario, crowd, console())).ok else 1
