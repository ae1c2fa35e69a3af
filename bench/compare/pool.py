"""A large pool: how soon its campaign starts on a server, what memory it takes, whether its draws keep the odds.

The start is what the chat backend and a user see: from the request that makes the campaign to the first win. A
small campaign is made before, so that what the server loads once does not count. The draws are those of the pool
itself, number by number: they are pure, so no server takes part. χ² compares how many fell into each band with
its quota.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Final, NamedTuple

from cyclopts import Parameter
from rich.console import Console

from bench.load.generator_pool import BenchFailed
from bench.load.target import Target, own_server
from bench.load.usage import rss_mb
from bench.report.files import check_folder, write_json
from bench.report.screen import Screen
from client_sim.sdk.client import Client
from protocol import tokens
from server.cli.shared.numbers import Count, Seed
from server.core.campaigns.deck import Band, BandDeck
from server.core.campaigns.pool import Pool
from server.core.campaigns.proof import BandTally, chi_square
from server.loop import run as run_loop

BACKEND, SPONSOR, USER = 0, 1, 2
SHARES: Final = 100_000_000
DRAWS: Final = 10_000_000
SMALL: Final = 10_000  # shares of the campaign before; the rarest band has one
BANDS: Final = (
    Band(200, 499, 850_000),
    Band(500, 1_999, 100_000),
    Band(2_000, 5_000, 49_900),
    Band(61_800, 61_800, 100),
)
PART: Final = 10_000  # numbers drawn at once
SHOWN_S: Final = 1.0  # between two lines of progress
START_MOST_S: Final = 1.0
MEMORY_MOST_MIB: Final = 64.0
# χ² that one seed in ten thousand exceeds, by degrees of freedom.
CHI_MOST: Final = {1: 15.14, 2: 18.42, 3: 21.11, 4: 23.51, 5: 25.74}
WINDOW_MS: Final = 3_600_000
WAIT_S: Final = 60.0  # for the first win
TOKEN_END_S: Final = 4_000_000_000
MB_IN_MIB: Final = 1e6 / 2**20


class Start(NamedTuple):
    """How a campaign started: seconds until it was made, and until its first win; memory of the server, in MiB."""

    made_s: float
    won_s: float
    memory_mib: float


class Drawn(NamedTuple):
    """So many draws, by band, and how long they took."""

    bands: list[BandTally]
    seconds: float


async def start(target: Target, shares: int) -> Start:
    """Start a campaign of so many shares. Raises BenchFailed, ClientError."""

    def client(user_id: int) -> Client:
        return Client(target.url, str(tokens.mint(user_id, TOKEN_END_S, target.key_id, target.key)))

    async with client(BACKEND) as backend, client(USER) as user:
        await backend.put_sponsor(SPONSOR, "bench")
        await _started(backend, user, SMALL)
        before_mb = rss_mb(target.pids.server)
        made_s, won_s = await _started(backend, user, shares)
        return Start(made_s, won_s, (rss_mb(target.pids.server) - before_mb) * MB_IN_MIB)


async def _started(backend: Client, user: Client, shares: int) -> tuple[float, float]:
    """Make a campaign of which all shares are due, and win one: seconds until either."""
    budget_fen, now_ms = BandDeck(shares, list(BANDS)).total_fen, time.time_ns() // 1_000_000
    await backend.top_up(SPONSOR, budget_fen, f"pool {shares}")
    window = now_ms - WINDOW_MS, now_ms + WINDOW_MS
    began_s = perf_counter()
    made = await backend.create_campaign(SPONSOR, f"{shares} shares", *window, shares, budget_fen, BANDS)
    made_s = perf_counter() - began_s
    while (await user.shake(made.campaign_id)).result != "won":
        if perf_counter() - began_s > WAIT_S:
            raise BenchFailed(f"the first share of {shares:,} was not won within {WAIT_S:g} s")
        await asyncio.sleep(0.01)
    return made_s, perf_counter() - began_s


def draw(shares: int, draws: int, seed: int) -> Iterator[tuple[int, Drawn]]:
    """Draw the first numbers of a pool; after each part how many are drawn, and how they fall into the bands."""
    deck = BandDeck(shares, list(BANDS))
    pool = Pool(deck, sha256(f"bench pool {seed}".encode()).digest())
    seen, began_s = Counter[int](), perf_counter()
    for first in range(0, draws, PART):
        count = min(PART, draws - first)
        seen.update(pool.amounts(first, count))
        yield first + count, Drawn(_tallies(deck, seen, first + count), perf_counter() - began_s)


def _tallies(deck: BandDeck, seen: Counter[int], drawn: int) -> list[BandTally]:
    found = []
    for band, quota in zip(deck.bands, deck.quotas, strict=True):
        won = sum(count for amount, count in seen.items() if band.low_fen <= amount <= band.high_fen)
        found.append(BandTally(band.low_fen, band.high_fen, quota, won, drawn * quota / deck.numbers))
    return found


def figures_of(started: Start, drawn: Drawn, shares: int) -> dict[str, Any]:
    """All figures, and whether each is within its bound. `valid`: every draw fell into a band."""
    draws = sum(band.won for band in drawn.bands)
    chi = chi_square(drawn.bands, shares)
    return {
        "shares": shares,
        "start": started._asdict(),
        "draws": draws,
        "draw_s": drawn.seconds,
        "bands": [band._asdict() for band in drawn.bands],
        "chi_square": round(chi, 3),
        "within": {
            "start": started.won_s <= START_MOST_S,
            "memory": started.memory_mib <= MEMORY_MOST_MIB,
            "chi_square": chi <= CHI_MOST[len(drawn.bands) - 1],
        },
        "valid": abs(sum(band.expected for band in drawn.bands) - draws) < 0.5,
    }


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The verdict."""
    words = {name: "within" if holds else "NOT within" for name, holds in figures["within"].items()}
    begun, degrees = figures["start"], len(figures["bands"]) - 1
    bands = [
        f"  {band['low_fen']:>6,} to {band['high_fen']:>6,} fen  {band['won']:>10,} of {band['quota']:>10,}, "
        f"expected {band['expected']:,.1f}"
        for band in figures["bands"]
    ]
    return [
        f"start   {figures['shares']:,} shares: made in {begun['made_s']:.3f} s, "
        f"first win after {begun['won_s']:.3f} s, {words['start']} {START_MOST_S:g} s; "
        f"{begun['memory_mib']:.1f} MiB more, {words['memory']} {MEMORY_MOST_MIB:g} MiB",
        f"draws   {figures['draws']:,} in {figures['draw_s']:.1f} s",
        *bands,
        f"χ²      {figures['chi_square']:.2f}, degrees of freedom {degrees}, "
        f"{words['chi_square']} {CHI_MOST[degrees]}",
    ]


def _drawn(shares: int, draws: int, seed: int) -> Drawn:
    """All draws, with a line of progress that is written over, for people."""
    shown_s, drawn = 0.0, Drawn([], 0.0)
    for count, drawn in draw(shares, draws, seed):
        if sys.stderr.isatty() and (drawn.seconds - shown_s >= SHOWN_S or count == draws):
            shown_s, end = drawn.seconds, "\n" if count == draws else ""
            rate = count / max(drawn.seconds, 1e-9)
            line = f"\r{count:>12,} of {draws:,} draws  {rate:,.0f}/s  χ² {chi_square(drawn.bands, shares):.2f}  "
            print(line, end=end, file=sys.stderr, flush=True)
    return drawn


def command(
    *,
    shares: Annotated[Count, Parameter(help="of the pool")] = SHARES,
    draws: Annotated[Count, Parameter(help="numbers that are drawn for χ²")] = DRAWS,
    seed: Annotated[Seed, Parameter(help="the same seed gives the same draws")] = 1,
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """A pool of 100 million shares: how soon its campaign starts, its memory, and χ² of 10 million draws by band.

    Exit 1 if it starts too late, takes too much memory, or if χ² is larger than one seed in ten thousand gives.

    Example: hongbao bench pool --json pool.json
    """
    check_folder(json_file)
    if draws > shares:
        raise ValueError(f"a pool of {shares:,} shares has no {draws:,} numbers")
    screen = Screen(Console())
    with own_server("postgres", {}, screen.say) as ours:
        started = run_loop(start(ours, shares))
    figures = figures_of(started, _drawn(shares, draws, seed), shares)
    for line in lines_of(figures):
        screen.say(line)
    write_json(figures, json_file)
    return 0 if figures["valid"] and all(figures["within"].values()) else 1
