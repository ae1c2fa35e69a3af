"""`hongbao replay`: write the page of a packet that is over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from client_sim.languages import language_of_environment
from protocol.money_unit import MoneyUnit
from server.cli.replay.page import replay_page, told_of
from server.cli.shared.numbers import Id
from server.cli.shared.options import DATA, ConfigOption, DataOption, LanguageOption, PostgresOption
from server.cli.shared.resources import CommandFailed, WrongOptions, all_sets, with_records
from server.cli.shared.words import FilePath
from server.clock import Clock
from server.config import found_seed_keys, load
from server.core.pages import OVER
from server.core.texts import Language
from server.instance import unit_of
from server.services.packets.stored_state import claim_of, is_lease, state_of, terms_of
from server.services.seeds.service import packet_seed_of, proof_of
from storage.postgres.chat.users import UserStore
from storage.postgres.database import Database
from storage.postgres.packets.packets import ClaimRow, PacketRow, PacketStore

Names = Annotated[bool, Parameter(negative=(), help="show the names of users; needs web.replay_names")]
Html = Annotated[bool, Parameter(negative=(), help="one HTML file: the only form that there is")]


def replay(
    packet: Id,
    /,
    *,
    html: Html = True,
    out: FilePath | None = None,
    names: Names = False,
    lang: LanguageOption = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Write the race for a packet as one HTML file, which computes every share again for its reader.

    The file needs no network and can be passed on. It shows when each share was opened, whose was the best, and the
    proof. Without --names users are told by their place alone.

    Example: hongbao replay 251234567890123456 --out race.html

    Parameters
    ----------
    packet
        the id of a packet that is finished or refunded
    out
        the file (default: packet-ID.html)
    """
    settings = load(config, {"stores.postgres": postgres})
    if names and not settings.web.replay_names:
        raise WrongOptions("--names needs web.replay_names = true in the config: users must have agreed to it")
    language = Language(lang or language_of_environment())

    async def work(database: Database) -> int:
        async with all_sets(database, settings) as sets:
            for one in sets:
                rows, claims = await PacketStore(one).load([packet])
                if packet in rows and not is_lease(rows[packet]):
                    known = await _names(sets[0], rows[packet], claims[packet]) if names else {}
                    seed_keys, money = found_seed_keys(settings, data), unit_of(data, settings)
                    told = await _told(one, rows[packet], claims[packet], seed_keys, known, money)
                    _write(replay_page(told, language), out or Path(f"packet-{packet}.html"))
                    return 0
        raise CommandFailed(f"there is no packet {packet}")

    return with_records(settings, data, work)


async def _told(
    database: Database,
    row: PacketRow,
    claims: list[ClaimRow],
    seed_keys: Mapping[str, bytes],
    names: Mapping[int, str],
    money: MoneyUnit,
) -> dict[str, Any]:
    """What the page is told. Raises CommandFailed while the seed is secret."""
    state = state_of(row, Clock().now_ms())
    if state not in OVER:
        secret = "its seed stays secret until it is finished or refunded"
        raise CommandFailed(f"packet {row.packet_id} is {state}: {secret}")
    terms, proof = terms_of(row), await proof_of(database, row, seed_keys)
    if proof is not None:
        terms = terms._replace(seed=packet_seed_of(row, proof.server_seed))
    elif row.seed_index is not None:
        raise CommandFailed("the seed of the packet cannot be unsealed: the seed key is missing")
    return told_of(terms, state, [claim_of(one) for one in claims], proof, names, money)


async def _names(database: Database, row: PacketRow, claims: list[ClaimRow]) -> dict[int, str]:
    return await UserStore(database).names([row.sender_id, *(one.user_id for one in claims)])


def _write(page: bytes, path: Path) -> None:
    try:
        path.write_bytes(page)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be written: {error.strerror}") from None
    print(path)
