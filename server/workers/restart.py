"""The rolling restart: each worker in turn gets a successor on its sockets, so clients can always connect."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog

from server.reload import Reload, is_reloaded
from server.tasks import end_all
from server.workers.worker import KeptWorker, WorkerNotStarted

LOG = structlog.get_logger()
# What the supervisor itself holds: addresses, the number of workers, the operators' side, and with embedded stores
# their processes. A worker's successor cannot have other values.
HELD_KEYS: Final = ("server.", "ops.", "stores.", "websocket.listen", "http_api.address", "office.")


class RollingRestart:
    """Replaces all workers when an operator asks for it."""

    def __init__(self, workers: Sequence[KeptWorker], reload: Reload) -> None:
        self._workers = workers
        self._reload = reload
        self._task: asyncio.Task[None] | None = None
        self._replaced = 0
        self._why = ""

    def start(self) -> dict[str, Any]:
        """Begin, with the config as it is in its sources now; what of it needs a restart of the whole server."""
        if self.is_running:
            return {"error": "a restart is running already"}
        outcome = self._reload(lambda _: None, may_be_taken_over)
        if outcome.fault:
            return {"error": outcome.fault}
        self._replaced, self._why = 0, ""
        self._task = asyncio.create_task(self._run())
        return {
            "restarting": len(self._workers),
            "changed": outcome.changed,
            "needs_restart": outcome.needs_restart,
        }

    @property
    def is_running(self) -> bool:
        """Workers are being replaced."""
        return self._task is not None and not self._task.done()

    def state(self) -> dict[str, Any]:
        """The last restart, for `status`; nothing if there was none."""
        if self._task is None:
            return {}
        word = "running" if self.is_running else "failed" if self._why else "done"
        return {"restart": {"state": word, "replaced": self._replaced, "why": self._why}}

    async def cancel(self) -> None:
        """The server stops."""
        if self._task is not None:
            await end_all([self._task])

    async def _run(self) -> None:
        """Workers that do not serve come first: a failure at another one must not leave them as they are."""
        for worker in sorted(self._workers, key=lambda one: one.state == "serving"):
            LOG.info("worker_replaced_next", worker=worker.number)
            try:
                await worker.replace()
            except (WorkerNotStarted, OSError) as error:
                self._why = f"worker {worker.number} has no successor: {error}"
                LOG.error("restart_failed", why=self._why, replaced=self._replaced)
                return
            self._replaced += 1
        LOG.info("restarted", workers=self._replaced)


def may_be_taken_over(key: str) -> bool:
    """A new worker may have a new value of this key while the supervisor stays."""
    return is_reloaded(key) or not key.startswith(HELD_KEYS)
