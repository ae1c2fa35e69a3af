"""One run: a server, its stores and a bank; payments at a rate, kills on either side, healing, the auditor."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import asyncpg

from bench.chaos import report as chaos_report
from bench.chaos.faults import WITH_BANK
from bench.chaos.nemesis import Nemesis
from bench.chaos.payments import auditor, books, report
from bench.chaos.payments.history import PaymentHistory
from bench.chaos.payments.workload import PaymentWorkload
from bench.chaos.run import PROGRESS_INTERVAL_S, TOKEN_END_S, Beside, cluster_of
from bench.chaos.sets.faults import with_sets
from bench.chaos.supervisor import free_port, supervised_command
from bench.load.generator_pool import BenchFailed
from bench.load.setup import Say
from bench.load.target import raise_file_limit
from client_sim.bank.books import BankBooks as BankFile
from client_sim.bank.desk import BankDesk, NoBank
from client_sim.bank.keys import load_keyring
from client_sim.bank.run import KEYS_FILE
from client_sim.bank.server import MERCHANT_NAME
from protocol import tokens
from server import config as config_module
from server.services.money.audit_sets import audit_sets_at
from storage.errors import StoreUnavailable

FAULT_SHARE: Final = 0.3  # of the orders at the bank
BANK_TIMEOUT_S: Final = 3.0
# What takes its time at the bank: a late reply is later than the server waits.
BANK_TIMES: Final = {"late": 4.5, "processing": 2.0, "not-found": 5.0, "notice-late": 5.0}
CALM_SHARE: Final = 0.1  # of the payments: before the first kill
CALM_MAX_S: Final = 20.0
ANSWERS_S: Final = 180.0  # after the last fault, for every request
RESOLVE_TIMEOUT_S: Final = 300.0  # after the last fault, for all that is unknown
READY_TIMEOUT_S: Final = 60.0
AUDIT_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.2
SECTIONS: Final = """
[payments]
day_limit_fen = 0

[bank]
timeout_s = {timeout_s}
"""


class PaymentChaosSpec(NamedTuple):
    """Payments at a rate, by users with cards, and how many kills."""

    payments: int
    rate_per_s: float
    kills: int
    seed: int
    durability: str
    users: int
    sets: int = 1

    @property
    def seconds(self) -> float:
        """How long the payments take."""
        return self.payments / self.rate_per_s

    @property
    def calm_s(self) -> float:
        """How long there is no kill at the begin."""
        return min(CALM_MAX_S, self.seconds * CALM_SHARE)


class Bench(NamedTuple):
    """What one run has."""

    workload: PaymentWorkload
    nemesis: Nemesis
    history: PaymentHistory
    bank: BankDesk


async def run(spec: PaymentChaosSpec, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures of one run on fresh stores, which are removed. Raises BenchFailed, ClientError, EmbeddedError."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="hongbao-chaos-") as folder:
        data = Path(folder)
        beside, bank_url = _bank(data / "bank", spec.seed, spec.sets)
        async with cluster_of(data, spec.durability, beside) as (cluster, url, key):

            def mint(user_id: int) -> str:
                return str(tokens.mint(user_id, TOKEN_END_S, "chaos", key))

            history = PaymentHistory()
            workload = PaymentWorkload(url, mint, spec.users, spec.seed, history)
            faulty_s = spec.seconds - spec.calm_s
            faults = with_sets(WITH_BANK) if spec.sets > 1 else WITH_BANK
            nemesis = Nemesis(cluster, history, spec.seed, faulty_s, spec.durability, faults)
            bench = Bench(workload, nemesis, history, BankDesk(bank_url))
            calm_until_s = await _inject(spec, bench, say)
            say("waiting until all that is unknown is resolved")
            await _wait_until_resolved(cluster.dsns, data / "bank" / "bank.db")
            nemesis.stuck += cluster.failed_starts
            say("the auditor reads the logs and both books")
            about = _about(spec, data) | {"calm_until_s": calm_until_s, "server_starts": cluster.server.starts}
            return await _judge(bench, cluster.dsns, data, about)


def _bank(folder: Path, seed: int, sets: int) -> tuple[Beside, str]:
    """A bank that is not started yet, and the server's config for it; its URL."""
    folder.mkdir(mode=0o700, parents=True)
    bank_port, http_port = free_port(), free_port()
    bank_url, http_url = f"http://127.0.0.1:{bank_port}", f"http://127.0.0.1:{http_port}"
    times = [word for name, value in BANK_TIMES.items() for word in (f"--{name}", str(value))]
    faults = ["--faults", str(FAULT_SHARE), "--seed", str(seed), *times]
    words = ["--no-fsync", "--data", str(folder), "--port", str(bank_port), "--http-api", http_url, *faults]
    section = load_keyring(folder / KEYS_FILE).config_lines(bank_url, MERCHANT_NAME).removeprefix("[bank]\n")
    sections = SECTIONS.format(timeout_s=BANK_TIMEOUT_S) + section
    bank = supervised_command(folder / "bank.log", "bank", *words)
    return Beside(sections, ("--http-api", f"127.0.0.1:{http_port}"), bank, sets=sets), bank_url


async def _inject(spec: PaymentChaosSpec, bench: Bench, say: Say) -> float:
    """Payments, and after a calm part faults beside them, then the last answers; when the calm part ended."""
    try:
        await _wait_until_ready(bench.bank)
        await bench.workload.prepare(bench.bank)
    except BaseException:
        await bench.workload.close()
        raise
    finally:
        await bench.bank.close()
    say(f"{spec.users} users have cards; {spec.payments:,} payments, {spec.kills} kills, seed {spec.seed}")
    began_s, calm_until_s = perf_counter(), time.time() + spec.calm_s
    nemesis, workload = bench.nemesis, bench.workload

    async def show_progress() -> None:
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            say(
                f"{perf_counter() - began_s:4.0f} s  {workload.begun:>7,} begun  {bench.history.done:>7,} made"
                f"  {nemesis.kills.total():>4} kills  {workload.waiting:>4} waiting  {nemesis.now}"
            )

    async def inject() -> None:
        await asyncio.sleep(spec.calm_s)
        await nemesis.inject(spec.kills)

    progress = asyncio.create_task(show_progress())
    try:
        async with asyncio.TaskGroup() as work:
            work.create_task(inject())
            work.create_task(workload.run(spec.payments, spec.rate_per_s))
        await nemesis.end_all()
        unanswered = await workload.wait_for_answers(ANSWERS_S)
        if unanswered:
            nemesis.stuck.append(f"{unanswered} requests without an answer {ANSWERS_S:g} s after the last fault")
    finally:
        progress.cancel()
        await workload.close()
    return calm_until_s


async def _wait_until_ready(bank: BankDesk) -> None:
    ends_s = perf_counter() + READY_TIMEOUT_S
    while True:
        try:
            await bank.state()
            return
        except NoBank as error:
            if perf_counter() > ends_s:
                raise BenchFailed(str(error)) from error
        await asyncio.sleep(POLL_S)


async def _wait_until_resolved(dsns: Sequence[str], bank_file: Path) -> None:
    """Wait until no payment is open and the bank has told all; the auditor names the rest."""
    ends_s = perf_counter() + RESOLVE_TIMEOUT_S
    while perf_counter() < ends_s:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError):
            if await books.unsettled(dsns) == 0 and books.untold(bank_file) == 0:
                return
        await asyncio.sleep(POLL_S)


def _about(spec: PaymentChaosSpec, data: Path) -> dict[str, Any]:
    log = chaos_report.alarms(data / "server" / "server.log")
    return {
        "durability": spec.durability,
        "seed": spec.seed,
        "seconds": round(spec.seconds, 1),
        "kills_asked": spec.kills,
        "payments_asked": spec.payments,
        "rate_per_s": spec.rate_per_s,
        "users": spec.users,
        "sets": spec.sets,
        "alarms": log[: chaos_report.NAMED_MAX],
    }


async def _judge(bench: Bench, dsns: Sequence[str], data: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The figures, with what the auditor and both sides' own audits have found. Raises BenchFailed."""
    seed_keys = config_module.load_seed_keys(config_module.Config(), data / "server", may_make=False)
    try:
        each = [await books.read_ours(dsn) for dsn in dsns]
        bank = await books.read_bank(data / "bank" / "bank.db", bench.bank.url)
        audited = await audit_sets_at(dsns, AUDIT_TIMEOUT_S, seed_keys)
    except (OSError, asyncpg.PostgresError, sqlite3.Error, StoreUnavailable) as error:
        raise BenchFailed(f"the books cannot be read: {'; '.join(bench.nemesis.stuck) or error}") from error
    ours = books.joined(each)
    findings = await asyncio.to_thread(auditor.judge, bench.history, ours, bank)
    others = [
        *bench.nemesis.stuck,
        *books.misplaced(each),
        *(f"hongbao audit: {line}" for one in audited.findings for line in one.discrepancies),
        *(f"the bank's books: {line}" for line in BankFile(data / "bank" / "bank.db").discrepancies()),
    ]
    return report.figures(bench.history, bench.nemesis, findings, others, ours, bank, about)
