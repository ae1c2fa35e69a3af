"""What payments cost opens: the same load of opens with payments by card beside it and without, in turns.

One server with a bank takes both. A pair of turns is one with payments and one without, in changing order, so that
a machine that becomes slower or faster meets both alike. What is compared is what users notice of opens: the rate
that was answered, and the p99. Bank, payers and generators are processes of the same machine and use its cores.
Then payments run alone, at a bank whose replies get lost (see payment_answers.py).
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from cyclopts import Parameter
from rich.console import Console

from bench.chaos.payments.history import DONE, PaymentHistory
from bench.chaos.payments.workload import PaymentWorkload
from bench.compare import payment_answers
from bench.load.generator_pool import BenchFailed
from bench.load.run import run
from bench.load.run_spec import RunSpec
from bench.load.target import Target, own_server
from bench.report.files import check_folder
from bench.report.screen import Screen
from bench.scenarios import SCENARIOS
from client_sim.bank.desk import BankDesk
from client_sim.bank.keys import load_keyring
from client_sim.bank.run import KEYS_FILE
from client_sim.bank.server import MERCHANT_NAME
from protocol import tokens
from server.cli.shared.demo_bank import DemoBank
from server.cli.shared.numbers import Count, Rate, Seconds, Seed, Several
from server.loop import run as run_loop

OPENS_PER_S: Final = 2_000.0
PAYMENTS_PER_S: Final = 5.0
FAULTED: Final = 200  # payments at a bank whose replies get lost
CONNECTIONS: Final = 1_000
PAYERS: Final = 25
MANY: Final = 1_000_000  # payments of a turn: more than it has time for
WITHIN: Final = 0.03
TOKEN_END_S: Final = 4_000_000_000
LAST_S: Final = 30.0
SECTIONS: Final = """
[http_api]
address = "127.0.0.1:0"

[payments]
day_limit_fen = 0

"""
WITH, WITHOUT = "with", "without"


class Turn(NamedTuple):
    """One run of opens. `payments`: those that were made meanwhile."""

    side: str
    rate_per_s: float
    p50_ms: float
    p99_ms: float
    payments: int
    valid: bool


class Payers:
    """Pays at a rate while it is asked to."""

    def __init__(self, workload: PaymentWorkload, history: PaymentHistory, rate_per_s: float) -> None:
        self._workload, self._history, self._rate_per_s = workload, history, rate_per_s

    @asynccontextmanager
    async def paying(self) -> AsyncIterator[None]:
        """Payments begin all the time inside, and have ended afterwards."""
        first = self._workload.begun
        task = asyncio.create_task(self._workload.run(MANY, self._rate_per_s, first))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._workload.wait_for_answers(LAST_S)

    @property
    def made(self) -> int:
        """Payments that were told as made."""
        return sum(op.answer == DONE for op in self._history.ops)


class Sizes(NamedTuple):
    """How much is measured. `payers`: users who pay. `faulted`: payments at a bank whose replies get lost."""

    pairs: int
    payers: int
    pay_per_s: float
    faulted: int


async def play(target: Target, bank: DemoBank, spec: RunSpec, sizes: Sizes, screen: Screen) -> dict[str, Any]:
    """All turns and what follows; the figures. Raises BenchFailed, ServerFailed, StoreUnavailable, ClientError."""
    history, desk = PaymentHistory(), BankDesk(bank.url)

    def mint(user_id: int) -> str:
        return str(tokens.mint(user_id, TOKEN_END_S, target.key_id, target.key))

    workload = PaymentWorkload(target.url, mint, sizes.payers, spec.seed, history)
    payers = Payers(workload, history, sizes.pay_per_s)
    turns: list[Turn] = []
    await bank.open_desk(target.http_url, share=0.0)
    try:
        await workload.prepare(desk)
        screen.say(f"{sizes.payers:,} users have cards")
        for pair in range(sizes.pairs):
            for side in (WITH, WITHOUT) if pair % 2 else (WITHOUT, WITH):
                turns.append(await _turn(side, target, spec, payers, screen))
                screen.say(_line(turns[-1]))
        screen.say(f"{sizes.faulted:,} payments at a bank whose replies get lost")
        answers = await payment_answers.measure(target, bank, workload, sizes.faulted, sizes.pay_per_s)
    finally:
        await workload.close()
        await desk.close()
    return figures_of(turns, answers)


async def _turn(side: str, target: Target, spec: RunSpec, payers: Payers, screen: Screen) -> Turn:
    before = payers.made
    if side == WITH:
        async with payers.paying():
            figures = await run(target, spec, screen)
    else:
        figures = await run(target, spec, screen)
    latency = figures["latency_ms"]
    return Turn(
        side, figures["rate_per_s"], latency["p50"], latency["p99"], payers.made - before, bool(figures["valid"])
    )


def figures_of(turns: list[Turn], answers: dict[str, Any]) -> dict[str, Any]:
    """Medians of both sides, what they are to each other, and the figures of payment_answers."""
    sides = {side: [one for one in turns if one.side == side] for side in (WITH, WITHOUT)}
    medians = {
        side: {
            name: round(statistics.median(getattr(one, name) for one in those), 3)
            for name in ("rate_per_s", "p50_ms", "p99_ms")
        }
        for side, those in sides.items()
    }
    ratios = {name: round(medians[WITH][name] / medians[WITHOUT][name], 4) for name in medians[WITH]}
    return {
        "turns": [one._asdict() for one in turns],
        "median": medians,
        "ratio": ratios,
        "payments": sum(one.payments for one in turns),
        **answers,
        "rate_is_within": ratios["rate_per_s"] >= 1 - WITHIN,
        "p99_is_within": ratios["p99_ms"] <= 1 + WITHIN,
        "valid": all(one.valid for one in turns) and not answers["left"],
    }


def _line(turn: Turn) -> str:
    return (
        f"  {turn.side:>7} payments  {turn.rate_per_s:>8,.0f} opens/s  p50 {turn.p50_ms:.2f} ms"
        f"  p99 {turn.p99_ms:.2f} ms  {turn.payments} payments"
    )


def lines_of(figures: dict[str, Any]) -> list[str]:
    """The verdict."""
    ratio, median = figures["ratio"], figures["median"]
    words = {True: "within", False: "NOT within"}
    return [
        f"rate  {median[WITH]['rate_per_s']:,.0f} with, {median[WITHOUT]['rate_per_s']:,.0f} without: "
        f"{ratio['rate_per_s']:.3f}, {words[figures['rate_is_within']]} {WITHIN:.0%}",
        f"p99   {median[WITH]['p99_ms']:.2f} ms with, {median[WITHOUT]['p99_ms']:.2f} ms without: "
        f"{ratio['p99_ms']:.3f}, {words[figures['p99_is_within']]} {WITHIN:.0%}",
        *payment_answers.lines_of(figures),
        f"{figures['payments']:,} payments beside opens; "
        f"money verdict: {'holds' if figures['valid'] else 'INVALID'}",
    ]


def command(
    *,
    rate: Annotated[Rate, Parameter(help="opens that begin per second")] = OPENS_PER_S,
    payments: Annotated[Rate, Parameter(help="payments that begin per second")] = PAYMENTS_PER_S,
    payers: Annotated[Several, Parameter(help="users who pay: their first payments cost argon2id")] = PAYERS,
    seconds: Annotated[Seconds, Parameter(help="of each turn")] = 5.0,
    pairs: Annotated[Count, Parameter(help="turns with payments, and as many without")] = 4,
    faulted: Annotated[Count, Parameter(help="payments at a bank whose replies get lost, afterwards")] = FAULTED,
    connections: Annotated[Count, Parameter(help="users who open")] = CONNECTIONS,
    seed: Annotated[Seed, Parameter(help="the same seed gives the same arrivals")] = 1,
    json_file: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """Opens with payments by card beside them and without, in turns: their rate and p99 should stay within 3 %.

    Then payments alone, while replies of the bank get lost: how soon an unknown outcome is known (p99 at most
    60 s), and how soon a notice is acknowledged (p99 at most 50 ms).

    Exit 1 if the books do not hold, or an outcome stays unknown. The figures are printed: they mean little on a
    machine that others use.

    Example: hongbao bench payments --pairs 6 --json payments.json
    """
    check_folder(json_file)
    screen = Screen(Console())
    spec = RunSpec("opens", connections, rate_per_s=rate, seconds=seconds, seed=seed)
    with tempfile.TemporaryDirectory(prefix="hongbao-bench-bank-") as folder:
        bank = DemoBank(Path(folder), seed)
        section = load_keyring(bank.folder / KEYS_FILE).config_lines(bank.url, MERCHANT_NAME)
        server = own_server("postgres", SCENARIOS["opens"].limits, screen.say, sections=SECTIONS + section)
        with bank, server as target:
            if not target.http_url:
                raise BenchFailed("the server has no HTTP API, which takes the notices of the bank")
            figures = run_loop(play(target, bank, spec, Sizes(pairs, payers, payments, faulted), screen))
    for line in lines_of(figures):
        screen.say(line)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))
    return 0 if figures["valid"] else 1
