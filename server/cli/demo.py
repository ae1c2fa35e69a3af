"""`hongbao demo`: a private server and a crowd of simulated users, then a proof: one packet verified, all audited.

A person may join: the crowd then acts at a pace that people can follow, until that person leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from cyclopts import Parameter
from rich.console import Console

from client_sim.chat.run import chat
from client_sim.languages import Language, language_of_environment
from client_sim.sdk.names import user_id_of
from client_sim.sim import scenarios, screen
from client_sim.sim.characters import PEOPLE, Reaction
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import now_ms
from client_sim.sim.summary import Summary
from client_sim.sim.words import words
from protocol.money_unit import MoneyUnit
from server import embedded
from server.cli.shared.audit_report import print_audit, print_proof
from server.cli.shared.crowd_options import CROWD, CrowdOptions
from server.cli.shared.demo_bank import DemoBank, may_have_bank, print_books, settled
from server.cli.shared.demo_http import ended, http_words, offer
from server.cli.shared.demo_web import (
    NO_PHONES,
    People,
    PhoneOptions,
    environment_for,
    let_phones_in,
    proxy_for,
    show_link,
)
from server.cli.shared.options import DATA, DataOption, LanguageOption
from server.cli.shared.pool_report import print_pool, recorded_proof
from server.cli.shared.resources import WrongOptions, mint, opened
from server.cli.shared.simulated_books import AnyBooks, check_books, dsn_of_server
from server.cli.shared.streams import console as output
from server.cli.shared.users import UserName
from server.clock import Clock
from server.config import found_seed_keys, load
from server.config.money import money_unit
from server.instance import running
from server.loop import run
from server.process import ServerProcess
from server.services.money.audit import audit
from server.services.seeds.service import proof_of
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore

SCENARIO: Final = "crowd"
FESTIVAL: Final = "shake"
GROUP_MOST: Final = 500  # users in a group
CHECK_S: Final = 0.5  # how often the demo checks that its server still runs
TIMEOUT_S: Final = 10.0
A_DAY_S: Final = 24 * 3600.0
JOINED_PACE: Final = 8.0  # a packet every few seconds in a group of ten
PURSE_FEN: Final = 20_000


class CrowdSize(NamedTuple):
    """How many users in how many groups, for how long, how fast, the seed that draws them, and their language."""

    users: int
    groups: int
    seconds: float
    seed: int
    pace: float = 1.0
    notice: Reaction | None = None
    language: Language = "en"


def demo(
    *,
    crowd: CrowdOptions = CROWD,
    join: bool = False,
    http: bool = False,
    festival: bool = False,
    phones: PhoneOptions = NO_PHONES,
    name: Annotated[UserName, Parameter(name="--as")] = "me",
    lang: LanguageOption = None,
    any_books: AnyBooks = False,
    data: DataOption = DATA,
) -> int:
    """Run a server with simulated users for a while, then verify a packet and audit; exit 1 if a check fails.

    A simulated bank runs beside it (not with points). Some users pay by its cards; a third of its answers get lost
    or are wrong. At the end both books are compared, number by number.

    With --join you are a member of one of the groups, with money in the wallet, until you quit: in a terminal
    as with `hongbao chat`, in a pipe as with `hongbao chat --plain`.

    It prints a link to the app for browsers; with --phone a QR code lets phones in, until you press Enter.

    With --festival a sponsor gives money to users who shake (摇一摇); then all wins are proved from the seed.

    The users and their money stay in the books, so it refuses a data folder with other users or money.

    Example: hongbao demo --users 300 --groups 20 --seconds 30

    Parameters
    ----------
    join
        take part yourself
    http
        print a curl line that sends a packet which the crowd opens
    festival
        let all users shake for a sponsor's money, some of them bots
    name
        your name or user id with --join
    """
    people = People(name if join else "", http, phones.phone, phones.address, phones.tls)
    language = lang or language_of_environment()
    size = CrowdSize(crowd.users, crowd.groups, crowd.seconds, crowd.seed, language=language)
    if not festival:
        return 0 if _demonstrate(data, _with_people(size, people), people, any_books=any_books) else 1
    if people.sets_pace or http:
        raise WrongOptions("give --festival without --join, --phone and --http")
    return 0 if _celebrate(data, size._replace(groups=-(-size.users // GROUP_MOST)), any_books=any_books) else 1


def _with_people(size: CrowdSize, people: People) -> CrowdSize:
    """The crowd that people join; the same if there are none."""
    if not people.sets_pace:
        return size
    if people.guest and people.phone:
        raise WrongOptions("give --join or --phone, not both")
    if people.guest:
        user_id_of(people.guest)  # an invalid name is an error before anything starts
    return joined_size(size.users, size.groups, size.seed)._replace(language=size.language)


def _celebrate(data: Path, size: CrowdSize, *, any_books: bool) -> bool:
    """Run server and crowd in a campaign, then prove it; true if every check holds."""
    console, settings = output(), load(None, {})
    console.print(words(size.language, "demo", data=data), highlight=False)
    with ServerProcess(data) as server:
        if not any_books:
            run(check_books(dsn_of_server(settings, data, None), data))
        return run(_festival(server, data, size, console))


async def _festival(server: ServerProcess, data: Path, size: CrowdSize, console: Console) -> bool:
    settings = load(None, {})
    crowd = scenarios.prepare(FESTIVAL, server.url, partial(mint, settings, data), **size._asdict())
    summary = await _checked(screen.present(FESTIVAL, crowd, console), server)
    async with records_of(data) as database:
        keys, money = found_seed_keys(settings, data), money_unit(settings)
        console.print()
        proof = await recorded_proof([database], crowd.context.shakes.campaign_id, keys)
        is_fair = print_pool(console, proof, money)
        return await _audit(console, database, keys, money) and is_fair and summary.ok


def _demonstrate(data: Path, size: CrowdSize, people: People, *, any_books: bool) -> bool:
    """Run bank, server and crowd; true if every check holds."""
    console = output()
    console.print(words(size.language, "demo", data=data), highlight=False)
    with ExitStack() as undo:
        bank = undo.enter_context(DemoBank(data, size.seed)) if may_have_bank(load(None, {}), data) else None
        people = people._replace(proxy=undo.enter_context(proxy_for(people, data)))
        environment = {**environment_for(people), **({} if bank is None else bank.environment)}
        server = undo.enter_context(ServerProcess(data, *http_words(data, people.listens), environment=environment))
        if not any_books:
            run(check_books(dsn_of_server(load(None, {}), data, None), data))
        return run(_play(server, bank, data, size, people, console))


def joined_size(users: int, groups: int, seed: int) -> CrowdSize:
    """A crowd that a person can keep up with: packets every few seconds, and users who notice them as people do."""
    return CrowdSize(users, groups, A_DAY_S, seed, JOINED_PACE, PEOPLE)


async def _play(
    server: ServerProcess, bank: DemoBank | None, data: Path, size: CrowdSize, people: People, console: Console
) -> bool:
    """Run the crowd, then prove the records; true if every check holds."""
    settings = load(None, {})
    if bank is not None:
        await _open_bank(bank, data, size.language, console)
    url = "" if bank is None else bank.url
    crowd = scenarios.prepare(
        SCENARIO, server.url, lambda user_id: mint(settings, data, user_id), bank=url, **size._asdict()
    )
    offers = [offer(crowd, data, console)] if people.http else []
    if people.guest:
        playing = _joined(crowd, partial(_chat_in, crowd, people.guest), console)
    elif people.phone:
        playing = _joined(crowd, partial(let_phones_in, crowd, data, console, size.language, people.proxy), console)
    else:
        playing = screen.present(SCENARIO, crowd, console)
        offers.append(show_link(crowd, data, console, size.language))
    offering = [asyncio.create_task(one) for one in offers]
    try:
        summary = await _checked(playing, server)
    finally:
        for one in offering:
            await ended(one)
    is_proved = await _prove(console, data, crowd, bank)
    return summary.ok and is_proved


async def _open_bank(bank: DemoBank, data: Path, language: str, console: Console) -> None:
    """Have the bank tell the server of payments, and say where its admin page is."""
    found = running(data)
    await bank.open_desk("" if found is None else found.http_api)
    console.print(words(language, "demo_bank", url=bank.url), highlight=False)


async def _checked(playing: Coroutine[Any, Any, Summary], server: ServerProcess) -> Summary:
    """Run the crowd to its end. Raises ServerFailed if the server ends first."""
    task = asyncio.create_task(playing)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=CHECK_S)
            server.check()
    except BaseException:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        raise
    return task.result()


async def _joined(crowd: Crowd, visit: Callable[[], Awaitable[None]], console: Console) -> Summary:
    """Run the crowd while people are in its largest group, until they leave: then `visit` returns."""
    console.print(crowd.context.words("connecting", users=len(crowd.users)), highlight=False)
    playing = asyncio.create_task(scenarios.perform(SCENARIO, crowd))
    begun = asyncio.create_task(crowd.begun.wait())
    try:
        await asyncio.wait([playing, begun], return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            await visit()
            console.print(crowd.context.words("leaving"), highlight=False)
        crowd.end()
        summary = await playing
    finally:
        begun.cancel()
        playing.cancel()
        await asyncio.wait([playing, begun])
    screen.print_report(console, crowd, summary)
    return summary


async def _chat_in(crowd: Crowd, guest: str) -> None:
    """Chat as a guest with money in the largest group of the crowd, until the guest leaves."""
    user_id, context = user_id_of(guest), crowd.context
    context.guests[user_id] = guest
    await crowd.give(user_id, PURSE_FEN)
    group_id = crowd.largest_group().group_id
    await crowd.backend.change_members(group_id, now_ms(), joined=[user_id])
    code = await chat(context.url, context.mint(user_id), guest, group_id, context.language)
    crowd.witness.expect(code == 0, f"the chat of {guest} ends with 0, not {code}")


async def _prove(console: Console, data: Path, crowd: Crowd, bank: DemoBank | None) -> bool:
    """Verify the finished packet that was shown, compare both books, audit the records; true if all hold."""
    async with records_of(data) as database:
        best = crowd.best_packet()
        is_fair = best is not None and await _verify(console, database, data, best.packet_id)
        settings = load(None, {})
        money = money_unit(settings)
        agrees = bank is None or print_books(console, await settled(database), bank.journal(), money)
        keys = found_seed_keys(settings, data)
        return await _audit(console, database, keys, money) and is_fair and agrees


async def _audit(console: Console, database: Database, keys: Mapping[str, bytes], money: MoneyUnit) -> bool:
    """Audit the records and print it; true if all is accounted for."""
    found = await audit(database, keys, money.smallest)
    console.print()
    print_audit(console, found, money)
    return found.ok


@asynccontextmanager
async def records_of(data: Path) -> AsyncIterator[Database]:
    """The records of the server of the demo. Raises EmbeddedError if its stores have stopped."""
    stores = embedded.running(data)
    if stores is None:
        raise embedded.EmbeddedError(f"the stores under {data} have stopped")
    async with opened(stores.postgres_dsn, TIMEOUT_S) as database:
        yield database


async def _verify(console: Console, database: Database, data: Path, packet_id: int) -> bool:
    rows, claims = await PacketStore(database).load([packet_id])
    console.print(f"\n$ hongbao verify {packet_id}", highlight=False)
    settings = load(None, {})
    proof = await proof_of(database, rows[packet_id], found_seed_keys(settings, data))
    return print_proof(console, rows[packet_id], claims[packet_id], Clock().now_ms(), money_unit(settings), proof)
