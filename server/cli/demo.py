"""`hongbao demo`: a private server and a crowd of simulated users, then a proof: one packet verified, all audited.

A person may join: the crowd then acts at a pace that people can follow, until that person leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from cyclopts import Parameter
from rich.console import Console

from client_sim.languages import Language, language_of_environment
from client_sim.sdk.names import user_id_of
from client_sim.sim import scenarios
from client_sim.sim.characters import PEOPLE, Reaction
from client_sim.sim.crowd import Crowd
from client_sim.sim.words import words
from server.cli.demos.festival import ShakingCrowd, celebrate
from server.cli.demos.playing import audited, played, records_of
from server.cli.shared.audit_report import print_proof
from server.cli.shared.crowd_options import CROWD, CrowdOptions
from server.cli.shared.demo_bank import (
    DemoBank,
    card_hint,
    cards_for_people,
    may_have_bank,
    print_books,
    settled,
)
from server.cli.shared.demo_http import http_words, offer
from server.cli.shared.demo_web import (
    NO_PHONES,
    SEATS,
    People,
    PhoneOptions,
    environment_for,
    proxy_for,
)
from server.cli.shared.options import DATA, DataOption, LanguageOption
from server.cli.shared.resources import WrongOptions, mint
from server.cli.shared.simulated_books import AnyBooks, check_books, dsn_of_server
from server.cli.shared.streams import console as output
from server.cli.shared.users import UserName
from server.clock import Clock
from server.config import found_seed_keys, load
from server.config.money import money_unit
from server.instance import running
from server.loop import run
from server.process import ServerProcess
from server.services.seeds.service import proof_of
from storage.postgres.database import Database
from storage.postgres.packets.packets import PacketStore

SCENARIO: Final = "crowd"
A_DAY_S: Final = 24 * 3600.0
JOINED_PACE: Final = 8.0  # a packet every few seconds in a group of ten


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

    It prints a link to the app for browsers, and a card of the bank that you can bind there; with --phone a QR code
    lets phones in, until you press Enter.

    With --festival a sponsor gives money to users who shake (摇一摇); then all wins are proved from the seed.
    It goes on while you shake, too: by its link, with --phone or with --join. It has no bank.

    The users and their money stay in the books, so it refuses a data folder with other users or money.

    Example: hongbao demo --users 300 --groups 20 --seconds 30

    Parameters
    ----------
    join
        take part yourself
    http
        print a curl line that sends a packet which the crowd opens (not in the festival)
    festival
        let all users shake for a sponsor's money, some of them bots
    name
        your name or user id with --join
    """
    people = _checked_people(People(name if join else "", http, phones.phone, phones.address, phones.tls))
    language = lang or language_of_environment()
    if festival:
        shaking = ShakingCrowd(crowd.users, crowd.seconds, crowd.seed, language)
        return 0 if celebrate(data, shaking, people, any_books=any_books) else 1
    size = CrowdSize(crowd.users, crowd.groups, crowd.seconds, crowd.seed, language=language)
    if people.sets_pace:
        size = joined_size(crowd.users, crowd.groups, crowd.seed)._replace(language=language)
    return 0 if _demonstrate(data, size, people, any_books=any_books) else 1


def _checked_people(people: People) -> People:
    """The same people. Raises WrongOptions, ValueError before anything starts."""
    if people.guest and people.phone:
        raise WrongOptions("give --join or --phone, not both")
    if people.guest:
        user_id_of(people.guest)
    return people


def _demonstrate(data: Path, size: CrowdSize, people: People, *, any_books: bool) -> bool:
    """Run bank, server and crowd; true if every check holds."""
    console = output()
    console.print(words(size.language, "demo", data=data), highlight=False)
    with ExitStack() as undo:
        bank = undo.enter_context(DemoBank(data, size.seed)) if may_have_bank(load(None, {}), data) else None
        people = people._replace(proxy=undo.enter_context(proxy_for(people, data)))
        cards = cards_for_people(SEATS if people.phone else 1, Clock().now_ms() / 1000)
        environment = dict(environment_for(people))
        if bank is not None:
            environment |= {**bank.environment, **card_hint(cards, bank.url)}
        server = undo.enter_context(ServerProcess(data, *http_words(data, people.listens), environment=environment))
        if not any_books:
            run(check_books(dsn_of_server(load(None, {}), data, None), data))
        if bank is not None:
            run(_open_bank(bank, cards, data, size.language, console))
        return run(_play(server, bank, data, size, people, console))


def joined_size(users: int, groups: int, seed: int) -> CrowdSize:
    """A crowd that a person can keep up with: packets every few seconds, and users who notice them as people do."""
    return CrowdSize(users, groups, A_DAY_S, seed, JOINED_PACE, PEOPLE)


async def _play(
    server: ServerProcess, bank: DemoBank | None, data: Path, size: CrowdSize, people: People, console: Console
) -> bool:
    """Run the crowd, then prove the records; true if every check holds."""
    settings = load(None, {})
    url = "" if bank is None else bank.url
    crowd = scenarios.prepare(
        SCENARIO, server.url, lambda user_id: mint(settings, data, user_id), bank=url, **size._asdict()
    )
    offers = [offer(crowd, data, console)] if people.http else []
    summary = await played(SCENARIO, crowd, people, server, data, console, offers)
    is_proved = await _prove(console, data, crowd, bank)
    return summary.ok and is_proved


async def _open_bank(bank: DemoBank, cards: Sequence[str], data: Path, language: str, console: Console) -> None:
    """Have the bank tell the server of payments; say where its admin page is, and which cards people can bind."""
    found = running(data)
    await bank.open_desk("" if found is None else found.http_api)
    console.print(words(language, "demo_bank", url=bank.url), highlight=False)
    said = words(language, "demo_card" if len(cards) == 1 else "demo_cards", card=cards[0])
    console.print(said, highlight=False)


async def _prove(console: Console, data: Path, crowd: Crowd, bank: DemoBank | None) -> bool:
    """Verify the finished packet that was shown, compare both books, audit the records; true if all hold."""
    async with records_of(data) as database:
        best = crowd.best_packet()
        is_fair = best is not None and await _verify(console, database, data, best.packet_id)
        settings = load(None, {})
        money = money_unit(settings)
        agrees = bank is None or print_books(console, await settled(database), bank.journal(), money)
        keys = found_seed_keys(settings, data)
        return await audited(console, database, keys, money) and is_fair and agrees


async def _verify(console: Console, database: Database, data: Path, packet_id: int) -> bool:
    rows, claims = await PacketStore(database).load([packet_id])
    console.print(f"\n$ hongbao verify {packet_id}", highlight=False)
    settings = load(None, {})
    proof = await proof_of(database, rows[packet_id], found_seed_keys(settings, data))
    return print_proof(console, rows[packet_id], claims[packet_id], Clock().now_ms(), money_unit(settings), proof)
