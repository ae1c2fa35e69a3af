"""Who answers a command of the status socket: the supervisor, all workers, or one of them.

OWN commands are about the server as a whole. EVERY worker answers those that have a function in `answers.MERGES`:
each has connections and counters of its own. All others are about the records, which one worker reads as well as
any: the first that serves, so that what it keeps in memory (an audit that runs, an import) is found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from protocol.money_unit import MoneyUnit
from server import logs
from server.ops.samples.sampler import Sampler
from server.ops.socket.arguments import no_arguments, seconds_in
from server.ops.socket.command_texts import TEXTS
from server.ops.socket.status_socket import PEER, Answer, Run, ask, forwarding
from server.ops.status import rates_of, status_of
from server.workers.answers import MERGES
from server.workers.process import WorkerProcess
from server.workers.samples import WorkerSamples
from server.workers.worker import KeptWorker

ANSWER_S: Final = 60.0  # the status socket itself gives up much sooner
NONE_SERVES: Final = "no worker serves now"


class SupervisorCommands:
    """The functions behind the commands."""

    def __init__(
        self,
        workers: Sequence[KeptWorker],
        samples: WorkerSamples,
        sampler: Sampler,
        money: MoneyUnit,
        *,
        drain: Callable[[], None],
        reload: Callable[[], Awaitable[Answer]],
        restart: Callable[[], Answer],
        restart_state: Callable[[], Mapping[str, object]],
    ) -> None:
        self._workers = workers
        self._samples, self._sampler, self._money = samples, sampler, money
        self._drain, self._reload, self._restart, self._restart_state = drain, reload, restart, restart_state

    def runs(self) -> dict[str, Run]:
        """The functions by the names of their commands, one for each row of TEXTS."""
        own: dict[str, Run] = {
            "status": self.status,
            "rates": self.rates,
            "stores": self.stores,
            "log-level": self.log_level,
            "drain": self.drain,
            "reload": self.reload,
            "restart": self.restart,
        }
        every: dict[str, Run] = {name: partial(self.every, name) for name in MERGES}
        one: dict[str, Run] = {name: partial(self.one, name) for name in TEXTS}
        return {**one, **every, **own}

    # --- of the server as a whole -----------------------------------------------------------------------------

    async def status(self, words: list[str]) -> Answer:
        no_arguments(words)
        await self._samples.collect()
        answer = status_of(self._sampler.now(), self._samples.judge(), self._money)
        return {**answer, **self._restart_state(), "workers": self._samples.rows()}

    async def rates(self, words: list[str]) -> Answer:
        return rates_of(self._sampler, seconds_in(words))

    async def drain(self, words: list[str]) -> Answer:
        no_arguments(words)
        self._drain()
        return {"draining": True}

    async def reload(self, words: list[str]) -> Answer:
        no_arguments(words)
        return await self._reload()

    async def restart(self, words: list[str]) -> Answer:
        no_arguments(words)
        return self._restart()

    # --- of workers -------------------------------------------------------------------------------------------

    async def stores(self, words: list[str]) -> Answer:
        """How fast they answer one worker, and whether they take the writes of all."""
        answer = await self.one("stores", words)
        states = {name: msgspec.structs.asdict(state) for name, state in self._sampler.fresh.stores.items()}
        return answer if "error" in answer else {name: {**answer.get(name, {}), **states[name]} for name in states}

    async def log_level(self, words: list[str]) -> Answer:
        answer = await self.every("log-level", words)
        if "error" not in answer:
            logs.set_level(words[0])
        return answer

    async def one(self, name: str, words: list[str]) -> dict[str, Any]:
        """The answer of the first worker that serves."""
        serving = self._serving()
        return {"error": NONE_SERVES} if not serving else await ask_worker(serving[0], name, words)

    async def every(self, name: str, words: list[str]) -> Answer:
        """The answers of all workers that serve, as one. An error counts only if all say it."""
        serving = self._serving()
        if not serving:
            return {"error": NONE_SERVES}
        answers = await asyncio.gather(*(ask_worker(one, name, words) for one in serving))
        found = {one.number: answer for one, answer in zip(serving, answers, strict=True) if "error" not in answer}
        return MERGES[name](words, found) if found else answers[0]

    def _serving(self) -> list[WorkerProcess]:
        """The processes that can be asked: those that hang are not waited for."""
        states = [(worker.state, worker.process) for worker in self._workers]
        return [process for state, process in states if state == "serving" and process is not None]


async def ask_worker(process: WorkerProcess, name: str, words: Sequence[str]) -> dict[str, Any]:
    """The answer of a worker to the command that is being run, in the name of the process that has given it."""
    try:
        return await ask(process.status, forwarding(PEER.get(), " ".join((name, *words))), ANSWER_S)
    except (OSError, ValueError) as error:
        return {"error": f"worker {process.number} ended before its answer ({error})"}
