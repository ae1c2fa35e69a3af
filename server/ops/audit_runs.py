"""Audits while the server runs: each in a process of its own at the lowest priority, one at a time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import structs
from msgspec.structs import replace

from server.embedded.run import die_with
from server.ops.samples.sample import AuditFault, AuditResult
from server.services.money.audit_results import AuditResults, AuditRow, row_of
from server.services.money.audit_sets import audit_sets_at
from server.services.runtime.store_errors import StoreRefused, StoreUnavailable

AUDIT_S_MAX: Final = 600.0
DSN_VARIABLE: Final = "HONGBAO_AUDIT_DSN"  # not on the command line, which every user of the machine can read
NICE: Final = 19
STORE_TIMEOUT_S: Final = 10.0


class AuditRuns:
    """Starts audits. Keeps the last result of any program, and separately the fault of a later audit of its own."""

    def __init__(
        self,
        postgres_dsns: Sequence[str],
        results: AuditResults,
        seed_keys: Callable[[], Mapping[str, bytes]],
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
        smallest: str,
    ) -> None:
        """`postgres_dsns`: of all sets. `now_s` is a monotonic clock.

        `smallest`: what an amount counts, as people say it.
        """
        self._results = results
        self._seed_keys = seed_keys
        self._dsns = postgres_dsns
        self._now_ms = now_ms
        self._now_s = now_s
        self._smallest = smallest
        self.nice = NICE  # of the audit process: the lowest priority
        self._task: asyncio.Task[None] | None = None
        self.last: AuditResult | None = None
        self.fault: AuditFault | None = None

    @property
    def running(self) -> bool:
        """An audit is in progress."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Start an audit, unless one is in progress."""
        if not self.running:
            self._task = asyncio.get_running_loop().create_task(self._audit())

    async def close(self) -> None:
        """Cancel the audit in progress."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _audit(self) -> None:
        began_s = self._now_s()
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            str(self.nice),
            self._smallest,
            env=os.environ | {DSN_VARIABLE: "\n".join(self._dsns)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with(os.getpid(), signal.SIGKILL),
        )
        try:
            async with asyncio.timeout(AUDIT_S_MAX):
                output, _ = await child.communicate(msgspec.json.encode(self._seed_keys()))
            outcome: AuditResult | AuditFault = (
                msgspec.json.decode(output, type=AuditFault)
                if child.returncode
                else msgspec.json.decode(output, type=AuditResult)
            )
        except TimeoutError:
            outcome = AuditFault(0, f"no result within {AUDIT_S_MAX:.0f} s")
        except msgspec.DecodeError:
            outcome = AuditFault(0, "the audit process ended without a result")
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        await self._keep(outcome, round(self._now_s() - began_s, 3))

    async def _keep(self, outcome: AuditResult | AuditFault, took_s: float) -> None:
        if isinstance(outcome, AuditFault):
            self.fault = replace(outcome, at_ms=self._now_ms())
        else:
            # the server's time is the database's, carried on: it holds if the result cannot be stored
            result = replace(outcome, at_ms=self._now_ms(), took_s=took_s)
            with suppress(StoreUnavailable):  # then other servers do not see it
                result = AuditResult(*await self._results.keep(AuditRow(*structs.astuple(result))))
            self._learn(result)

    async def look(self) -> None:
        """Learn the newest result of another program, such as `hongbao audit`. Raises StoreUnavailable."""
        row = await self._results.newest()
        if row is not None:
            self._learn(AuditResult(*row))

    def _learn(self, result: AuditResult) -> None:
        if self.last is None or result.at_ms > self.last.at_ms:
            self.last = result
            if self.fault is not None and self.fault.at_ms <= result.at_ms:
                self.fault = None


async def _run(dsns: Sequence[str], seed_keys: Mapping[str, bytes], smallest: str) -> AuditResult | AuditFault:
    """Its time and duration are added by the parent process."""
    try:
        return AuditResult(*row_of(0.0, await audit_sets_at(dsns, STORE_TIMEOUT_S, seed_keys, smallest)))
    except (StoreUnavailable, StoreRefused) as error:
        return AuditFault(0, str(error))


if __name__ == "__main__":
    os.nice(int(sys.argv[1]))
    keys = msgspec.json.decode(sys.stdin.buffer.read(), type=dict[str, bytes])
    outcome = asyncio.run(_run(os.environ[DSN_VARIABLE].split("\n"), keys, sys.argv[2]))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))
    sys.exit(isinstance(outcome, AuditFault))  # the exit code tells the parent which of both it reads
