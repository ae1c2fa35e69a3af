"""The audit while the server runs: in a process of its own at the lowest priority, one at a time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from server.embedded.run import die_with
from server.ops.samples.sample import AuditFault, AuditResult
from server.services.money.audit import Report, audit
from storage.errors import StoreRefused, StoreUnavailable
from storage.postgres.database import Database

AUDIT_S_MAX: Final = 600.0
TOLD_MAX: Final = 100  # discrepancies
DSN_VARIABLE: Final = "HONGBAO_AUDIT_DSN"  # not on the command line, which everybody can read
NICE: Final = 19
STORE_TIMEOUT_S: Final = 10.0


class AuditRuns:
    """Starts audits; keeps what the last one has found, and apart from it why one since then could not be done."""

    def __init__(self, postgres_dsn: str, now_ms: Callable[[], int], now_s: Callable[[], float]) -> None:
        """`now_s` is a clock that never jumps."""
        self._dsn = postgres_dsn
        self._now_ms = now_ms
        self._now_s = now_s
        self._task: asyncio.Task[None] | None = None
        self.last: AuditResult | None = None
        self.fault: AuditFault | None = None

    @property
    def running(self) -> bool:
        """One is under way."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin one, unless one is under way."""
        if not self.running:
            self._task = asyncio.get_running_loop().create_task(self._audit())

    async def close(self) -> None:
        """Break off what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _audit(self) -> None:
        began_s = self._now_s()
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            env=os.environ | {DSN_VARIABLE: self._dsn},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with(os.getpid(), signal.SIGKILL),
        )
        try:
            async with asyncio.timeout(AUDIT_S_MAX):
                told, _ = await child.communicate()
            ended: AuditResult | AuditFault = (
                msgspec.json.decode(told, type=AuditFault)
                if child.returncode
                else msgspec.json.decode(told, type=AuditResult)
            )
        except TimeoutError:
            ended = AuditFault(0, f"no result within {AUDIT_S_MAX:.0f} s")
        except msgspec.DecodeError:
            ended = AuditFault(0, "it ended without a word")
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        self._keep(ended, round(self._now_s() - began_s, 3))

    def _keep(self, ended: AuditResult | AuditFault, took_s: float) -> None:
        if isinstance(ended, AuditFault):
            self.fault = replace(ended, at_ms=self._now_ms())
        else:
            self.last, self.fault = replace(ended, at_ms=self._now_ms(), took_s=took_s), None


async def _work(dsn: str) -> AuditResult | AuditFault:
    database = Database(dsn, pool_max=1, timeout_s=STORE_TIMEOUT_S)
    try:
        await database.open()
        try:
            return told(await audit(database))
        finally:
            await database.close()
    except (StoreUnavailable, StoreRefused) as error:
        return AuditFault(0, str(error))


def told(report: Report) -> AuditResult:
    """A report as it is kept: what it found, and how much it looked at."""
    found = [f"{finding.name}: {line}" for finding in report.findings for line in finding.discrepancies]
    sums = report.sums
    checked = (
        f"{len(report.findings)} checks, {sums.packets:,} packets, {sums.claims:,} claims, "
        f"{sums.transfers:,} transfers, {sums.wallets:,} wallets"
    )
    return AuditResult(0, 0.0, len(found), tuple(found[:TOLD_MAX]), checked)


if __name__ == "__main__":
    os.nice(NICE)
    ended = asyncio.run(_work(os.environ[DSN_VARIABLE]))
    sys.stdout.buffer.write(msgspec.json.encode(ended))
    sys.exit(isinstance(ended, AuditFault))  # by this it is known what was told
