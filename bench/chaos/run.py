"""One run of chaos: a cluster, a workload and a nemesis; then the end of all faults, and the auditor."""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import asyncpg

from bench.chaos import auditor, report
from bench.chaos.faults import FAULTS, Cluster, Fault
from bench.chaos.history import History
from bench.chaos.nemesis import Nemesis
from bench.chaos.proxy import Proxy
from bench.chaos.sets import books as books_of_sets
from bench.chaos.sets.faults import with_sets
from bench.chaos.sets.processes import further_sets
from bench.chaos.shaking import ShakingCrowd, plan_of
from bench.chaos.supervisor import SupervisedProcess, free_port, supervised_server, supervised_stores
from bench.chaos.workers.faults import WITH_WORKERS
from bench.chaos.workers.operator import ChaosOperator
from bench.chaos.workers.processes import WorkersUnderChaos
from bench.chaos.workload import Workload
from bench.load.generator_pool import BenchFailed
from bench.load.target import raise_file_limit
from protocol import tokens
from server import config as config_module
from server.embedded.sockets import addresses
from server.embedded.stores import POSTGRES, POSTGRES_SOCKET, VALKEY, VALKEY_SOCKET
from server.services.money.audit_sets import audit_sets_at
from server.tasks import end_all
from server.workers.sizing import postgres_connections
from storage.errors import StoreUnavailable

TOKEN_END_S: Final = 4_000_000_000
ANSWER_TIMEOUT_S: Final = 60.0  # after the last fault, for every request
SETTLE_TIMEOUT_S: Final = 60.0
AUDIT_TIMEOUT_S: Final = 60.0
PROGRESS_INTERVAL_S: Final = 2.0
POLL_S: Final = 0.2

CONFIG: Final = """\
[auth]
keys = {{ chaos = "{key}" }}

[limits]
requests_per_s = 1000000.0
requests_burst = 1000000.0
packet_lifetime_s = 8.0
ticket_lifetime_s = 5.0

[refunds]
interval_s = 0.5

[server]
owners = {owners}
"""


class Beside(NamedTuple):
    """What stands beside the server of a run: sections of its config, options, a bank; and its workers."""

    sections: str = ""
    words: tuple[str, ...] = ()
    bank: SupervisedProcess | None = None
    workers: int = 1
    sets: int = 1


ALONE: Final = Beside()


class ChaosSpec(NamedTuple):
    seconds: float
    kills: int
    seed: int
    durability: str  # postgres, redis
    claims_per_s: float
    users: int
    workers: int = 1
    sets: int = 1

    @property
    def beside(self) -> Beside:
        """What the server of the run is started with."""
        return Beside(workers=self.workers, sets=self.sets)


async def run(spec: ChaosSpec, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures of one run on fresh stores, which are removed. Raises BenchFailed, ClientError, EmbeddedError."""
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="hongbao-chaos-") as folder:
        data = Path(folder)
        async with cluster_of(data, spec.durability, spec.beside) as (cluster, url, key):

            def mint(user_id: int) -> str:
                return str(tokens.mint(user_id, TOKEN_END_S, "chaos", key))

            history, operator = History(), ChaosOperator(data / "server")
            faults: Sequence[Fault] = FAULTS
            server = cluster.server
            if spec.workers > 1:
                history.tries_again = True
                under_chaos = WorkersUnderChaos(lambda: server.pid, history.hot_packets)
                faults, cluster = WITH_WORKERS, cluster._replace(workers=under_chaos)
            if spec.sets > 1:
                faults = with_sets(faults)
            workload = Workload(url, mint, spec.users, spec.seed, history)
            plan = plan_of(spec.seconds, spec.users, spec.durability)
            crowd = ShakingCrowd(workload.backend, workload.users, spec.seed, plan, history)
            nemesis = Nemesis(cluster, history, spec.seed, spec.seconds, spec.durability, faults)
            await _inject(spec, workload, crowd, nemesis, operator, history, say)
            await wait_until_settled(*cluster.dsns)
            nemesis.stuck += cluster.failed_starts
            say("the auditor reads the logs and the books")
            seed_keys = config_module.load_seed_keys(config_module.Config(), data / "server", may_make=False)
            findings, audited = await audit_books(cluster.dsns, seed_keys, history, nemesis.stuck)
        about = {
            "tier": spec.durability,
            "seed": spec.seed,
            "seconds": spec.seconds,
            "kills_asked": spec.kills,
            "claims_per_s": spec.claims_per_s,
            "sends_left_out": workload.not_sent,
            "users": spec.users,
            "workers": spec.workers,
            "sets": spec.sets,
            "operator_restarts": operator.restarts,
            "server_starts": cluster.server.starts,
            "timeouts": workload.timeouts,
            "alarms": report.alarms(data / "server" / "server.log")[: report.NAMED_MAX],
        }
        return report.figures(history, nemesis, findings, audited, about)


async def _inject(
    spec: ChaosSpec,
    workload: Workload,
    crowd: ShakingCrowd,
    nemesis: Nemesis,
    operator: ChaosOperator,
    history: History,
    say: Callable[[str], None],
) -> None:
    """Workload, shakes and faults side by side; then, without faults, the campaign ends and all is answered."""
    await workload.prepare()
    await crowd.prepare()
    say(f"{spec.users} users are in; {spec.seconds:g} s of chaos, {spec.kills} kills, seed {spec.seed}")
    began_s = perf_counter()

    async def show_progress() -> None:
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL_S)
            line = report.progress(perf_counter() - began_s, history, nemesis, workload.waiting)
            say(f"{line}  {operator.words()}" if spec.workers > 1 else line)

    beside = [asyncio.create_task(show_progress())]
    if spec.workers > 1:
        beside.append(asyncio.create_task(operator.run()))
    try:
        async with asyncio.TaskGroup() as work:
            injecting = work.create_task(nemesis.inject(spec.kills))
            work.create_task(workload.run(spec.claims_per_s, injecting.done))
            work.create_task(crowd.run(injecting.done))
        await nemesis.end_all()
        nemesis.stuck += await crowd.end(ANSWER_TIMEOUT_S)
        nemesis.stuck += await last_answers(workload)
    finally:
        await end_all(beside)


async def last_answers(workload: Workload) -> list[str]:
    """Wait for the answers to all requests, and close; a line if some never came."""
    unanswered = await workload.wait_for_answers(ANSWER_TIMEOUT_S)
    await workload.close()
    text = f"{unanswered} requests without an answer {ANSWER_TIMEOUT_S:g} s after the last fault"
    return [text] if unanswered else []


async def wait_until_settled(*dsns: str) -> None:
    """Wait until all money has arrived, in all sets; the auditor names the rest."""
    deadline_s = perf_counter() + SETTLE_TIMEOUT_S
    while perf_counter() < deadline_s:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError):
            if await books_of_sets.unsettled(dsns) == 0:
                return
        await asyncio.sleep(POLL_S)


async def audit_books(
    dsns: Sequence[str], seed_keys: Mapping[str, bytes], history: History, stuck: Sequence[str]
) -> tuple[auditor.Findings, list[str]]:
    """The findings of the auditor in all sets, and those of the project's own audit. Raises BenchFailed."""
    try:
        books = await books_of_sets.read(dsns, seed_keys)
        audited = await audit_sets_at(dsns, AUDIT_TIMEOUT_S, seed_keys)
    except (OSError, asyncpg.PostgresError, StoreUnavailable) as error:
        raise BenchFailed(f"PostgreSQL did not start again: {'; '.join(stuck) or error}") from error
    findings = await asyncio.to_thread(auditor.judge, history, books.joined)
    findings.others.extend(books_of_sets.misplaced(books))
    return findings, [line for one in audited.findings for line in one.discrepancies]


@asynccontextmanager
async def cluster_of(
    data: Path, durability: str, beside: Beside = ALONE
) -> AsyncIterator[tuple[Cluster, str, bytes]]:
    """Fresh stores, a proxy before each, and a server; with its url and the key of its tokens."""
    async with AsyncExitStack() as undo:
        os.chmod(data, 0o711)  # the stores' user has to pass
        connections = postgres_connections(config_module.Config(), beside.workers)
        stores, sockets = await undo.enter_async_context(supervised_stores(data / "stores", None, connections))
        proxies = data / "proxies"
        proxies.mkdir(mode=0o700)
        names = (VALKEY_SOCKET, POSTGRES_SOCKET)
        to_valkey, to_postgres = [await Proxy(proxies / name, sockets / name).heal() for name in names]
        for proxy in (to_valkey, to_postgres):
            undo.push_async_callback(proxy.cut)
        sets = None
        if beside.sets > 1:
            sets = await undo.enter_async_context(further_sets(data, beside.sets - 1, connections))
        folder, key, port = data / "server", secrets.token_bytes(16), free_port()
        folder.mkdir(mode=0o700)
        config = folder / "chaos.toml"
        further = sets.section() if sets is not None else ""
        config.write_text(CONFIG.format(key=key.hex(), owners=beside.workers) + beside.sections + further)
        config.chmod(0o600)
        postgres_url, redis_url = addresses(proxies)
        words = ("--config", str(config), "--port", str(port), "--durability", durability, *beside.words)
        words = (*words, "--workers", str(beside.workers))
        server = supervised_server(folder, *words, "--postgres", postgres_url, "--redis", redis_url)
        for process in (beside.bank, server):
            if process is not None:
                await undo.enter_async_context(process.supervised())
        processes = (server, stores[VALKEY.name], stores[POSTGRES.name])
        places = *addresses(sockets), data / "stores" / VALKEY.name
        targets = Cluster(*processes, to_valkey, to_postgres, *places, beside.bank, sets=sets)
        yield targets, f"tcp://127.0.0.1:{port}", key
