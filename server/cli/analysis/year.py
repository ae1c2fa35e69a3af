"""`hongbao year`: the year of a user as a page in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from server.cli.shared.numbers import whole
from server.cli.shared.options import DATA, ConfigOption, DataOption, LanguageOption, PostgresOption
from server.cli.shared.resources import CommandFailed, all_sets, with_records
from server.cli.shared.users import User
from server.cli.shared.words import FilePath, language_of_place
from server.clock import Clock
from server.config import load
from server.core.beijing_year import year_of
from server.instance import unit_of
from server.report_page.year_page import year_page
from server.services.analysis.year import year_of_user
from storage.postgres.database import Database


def year(
    user: User,
    /,
    *,
    of_year: Annotated[
        int | None,
        Parameter(name="--year", converter=whole, validator=Number(gte=1, lte=9998), help="default: this year"),
    ] = None,
    out: Annotated[
        FilePath | None, Parameter(name="--out", help="file to write (default: year-USER-YEAR.html)")
    ] = None,
    lang: LanguageOption = None,
    data: DataOption = DATA,
    config: ConfigOption = None,
    postgres: PostgresOption = None,
) -> int:
    """Write the year of a user as one page: sent, received, best luck, fastest open, generous to whom.

    The page is for this user: it names other users who opened the user's packets, or whose packets the user opened.

    Example: hongbao year 1001 --year 2026 --lang zh

    Parameters
    ----------
    user
        id of your chat app, or a name
    """
    settings = load(config, {"stores.postgres": postgres})

    async def work(database: Database) -> int:
        asked = of_year or year_of(Clock().now_ms())
        async with all_sets(database, settings) as sets:
            found = await year_of_user(sets, user, asked)
        file = out or Path(f"year-{user}-{asked}.html")
        html = year_page(found, lang or language_of_place(), unit_of(data, settings))
        try:
            file.write_text(html, encoding="utf-8")
        except OSError as error:
            raise CommandFailed(f"{file}: {(error.strerror or str(error)).lower()}") from None
        print(f"page: {file}")
        return 0

    return with_records(settings, data, work)
