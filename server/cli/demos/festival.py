"""`hongbao demo --festival`: a crowd shakes for a sponsor's money, and people may shake among them.

People come by a link, by the code for phones, or in this terminal. While they are there, one campaign follows
another; what they have won is proved at the end as all else is.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console

from client_sim.sdk.names import user_id_of
from client_sim.sim import scenarios
from client_sim.sim.crowd import Crowd
from client_sim.sim.words import words
from server.cli.demos.playing import audited, played, records_of
from server.cli.shared.demo_http import http_words
from server.cli.shared.demo_web import (
    GUEST,
    People,
    environment_for,
    proxy_for,
)
from server.cli.shared.pool_report import print_pool, recorded_proof
from server.cli.shared.resources import WrongOptions, mint
from server.cli.shared.simulated_books import check_books, dsn_of_server
from server.cli.shared.streams import console as output
from server.config import found_seed_keys, load
from server.config.money import money_unit
from server.instance import running
from server.loop import run
from server.ops.socket.status_socket import ask
from server.process import ServerProcess

FESTIVAL: Final = "shake"
GROUP_MOST: Final = 360  # users in a group of 500: a fifth of them are in a second one, too, and people come
LOOK_S: Final = 0.2  # how often the demo looks for the person of the link
AWAY_S: Final = 10.0  # a page that is loaded again, or a phone that changes its network, is not away


class ShakingCrowd(NamedTuple):
    """How many users, how long they shake if no person comes, the seed that draws them, and their language."""

    users: int
    seconds: float
    seed: int
    language: str

    @property
    def groups(self) -> int:
        """How many groups they need."""
        return -(-self.users // GROUP_MOST)


def celebrate(data: Path, size: ShakingCrowd, people: People, *, any_books: bool) -> bool:
    """Run server and crowd in campaigns, then prove them; true if every check holds. Raises WrongOptions."""
    if people.http:
        raise WrongOptions("give --festival or --http, not both: the crowd shakes and opens no packets")
    console, settings = output(), load(None, {})
    console.print(words(size.language, "demo", data=data), highlight=False)
    with ExitStack() as undo:
        people = people._replace(proxy=undo.enter_context(proxy_for(people, data)))
        listens = http_words(data, people.listens)
        server = undo.enter_context(ServerProcess(data, *listens, environment=environment_for(people)))
        if not any_books:
            run(check_books(dsn_of_server(settings, data, None), data))
        return run(_festival(server, data, size, people, console))


async def _festival(
    server: ServerProcess, data: Path, size: ShakingCrowd, people: People, console: Console
) -> bool:
    settings = load(None, {})
    crowd = scenarios.prepare(
        FESTIVAL,
        server.url,
        partial(mint, settings, data),
        users=size.users,
        groups=size.groups,
        seconds=size.seconds,
        seed=size.seed,
        language=size.language,
    )
    crowd.context.has_company = people.sets_pace
    beside = [] if people.sets_pace else [_look_for_company(crowd, data)]
    summary = await played(FESTIVAL, crowd, people, server, data, console, beside, to_shake=True)
    return await _prove(console, data, crowd) and summary.ok


async def _look_for_company(crowd: Crowd, data: Path) -> None:
    """Tell the crowd whether the person of the link is there."""
    user_id, seen_s = user_id_of(GUEST), float("-inf")
    await crowd.begun.wait()
    while True:
        if await _is_connected(data, user_id):
            seen_s = time.monotonic()
        crowd.context.has_company = time.monotonic() - seen_s < AWAY_S
        await asyncio.sleep(LOOK_S)


async def _is_connected(data: Path, user_id: int) -> bool:
    """Whether a user has a connection; not, if the server does not say."""
    found = running(data)
    if found is None:
        return False
    try:
        return bool((await ask(found.status, f"user {user_id}")).get("connections"))
    except (OSError, TimeoutError, ValueError):
        return False


async def _prove(console: Console, data: Path, crowd: Crowd) -> bool:
    """Prove all campaigns, the last one in full, then audit the records; true if all hold."""
    settings, rounds = load(None, {}), crowd.context.rounds
    keys, money = found_seed_keys(settings, data), money_unit(settings)
    is_fair = bool(rounds)
    async with records_of(data) as database:
        console.print()
        for book in rounds:
            proof = await recorded_proof([database], book.campaign_id, keys)
            is_fair &= print_pool(console, proof, money, in_full=book is rounds[-1])
        return await audited(console, database, keys, money) and is_fair
