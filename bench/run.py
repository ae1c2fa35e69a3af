"""One bench run: a server of its own on fresh stores, the load, the money verdict, the figures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bench import opens, report
from bench.opens import Mint, Outcome
from bench.verdict import Verdict, judge
from server import embedded
from server.loop import run as run_loop
from server.process import ServerProcess
from storage.postgres.database import Database

TIMEOUT_S = 30.0
CONFIG = """[limits]
requests_per_s = 1000000.0
requests_burst = 1000000.0
ticket_lifetime_s = 600.0
groups_of_user_max = 1000000
"""  # bench users ask faster than people may and take tickets long before opening; one sender owns all groups


class Size(NamedTuple):
    """How much: users (a connection each), opens in flight on each, packets that each user opens."""

    connections: int
    depth: int
    packets: int


def run(
    console: Console,
    size: Size,
    durability: str,
    tokens_of: Callable[[Path], Mint],
    json_file: Path | None,
) -> int:
    """The whole run; 0 if the books agree with what the users were told. Raises ServerFailed, ClientError."""
    with tempfile.TemporaryDirectory(prefix="hongbao-bench-") as folder:
        data = Path(folder)
        data.chmod(0o711)  # for the stores' user to pass
        config = data / "bench.toml"
        config.write_text(CONFIG)
        console.print("config of this run:", CONFIG.strip(), sep="\n", highlight=False, markup=False)
        with ServerProcess(data, "--config", str(config), "--durability", durability) as server:
            outcome, judged = run_loop(_measure(console, server.url, size, tokens_of(data), data))
    figures = report.as_json(outcome, judged, durability)
    report.show(console, figures, judged)
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if judged.holds else 1


async def _measure(console: Console, url: str, size: Size, mint: Mint, data: Path) -> tuple[Outcome, Verdict]:
    outcome = await opens.run(url, mint, *size, console.print)
    stores = embedded.running(data)
    if stores is None:
        raise embedded.EmbeddedError(f"the stores under {data} are gone")
    database = Database(stores.postgres_dsn, pool_max=2, timeout_s=TIMEOUT_S)
    await database.open()
    try:
        return outcome, await judge(database, outcome)
    finally:
        await database.close()
