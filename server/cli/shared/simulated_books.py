"""Which books simulated users may add money to: those that a simulation made, or any if the caller says so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from server import embedded
from server.cli.shared.resources import CommandFailed, opened
from server.config import Config
from server.instance import running
from storage.postgres.facts import claim_for_simulation

AnyBooks = Annotated[
    bool,
    Parameter(negative=(), help="add simulated users and money also to books that no simulation made"),
]


def dsn_of_server(settings: Config, data: Path, url: str | None) -> str | None:
    """The database of the server that is meant; None: it is not known here."""
    found = running(data)
    if found is None or (url is not None and url not in (found.url, found.websocket)):
        return None
    if settings.stores.postgres:
        return settings.stores.postgres
    stores = embedded.running(data)
    return None if stores is None else stores.postgres_dsn


async def check_books(dsn: str | None, where: object) -> None:
    """Raises CommandFailed unless these are books of a simulation, or empty: then they become such."""
    if dsn is None:
        raise CommandFailed(
            f"it is not known here which books the server at {where} keeps, and a simulation adds users and money "
            "to them; if that is meant, add --any-books"
        )
    async with opened(dsn) as database:
        if not await claim_for_simulation(database):
            raise CommandFailed(
                f"the books of {where} have users or money that no simulation made (or one of an older version): "
                f"name a new folder with --data, move this one away (stop its server, then: mv DATA DATA.old), or "
                "add --any-books to put simulated users and money into these books"
            )
