"""How much the server does at once: requests of a read, claims of a batch, messages of a frame to a peer.

Each read, batch and frame has a price of its own: a server that makes more of them for the same work costs more.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from server.ops.socket.status_socket import ask

ANSWER_S = 30.0


class WorkState(NamedTuple):
    """Counters of a server since it began."""

    requests: int
    reads: int
    claims: int
    batches: int
    forwarded: int
    messages: int
    frames: int

    def since(self, before: WorkState) -> WorkState:
        """What was done after `before` was read."""
        return WorkState(*(now - then for now, then in zip(self, before, strict=True)))

    @property
    def sizes(self) -> dict[str, float]:
        """What came together on average; 0 of what there was none of. `forwarded_part`: of all requests."""
        return {
            "requests_per_read": _mean(self.requests, self.reads),
            "claims_per_batch": _mean(self.claims, self.batches),
            "messages_per_frame": _mean(self.messages, self.frames),
            "forwarded_part": round(self.forwarded / self.requests, 3) if self.requests else 0.0,
        }


async def work_state(status: Path | None) -> WorkState | None:
    """Ask the server; None without a status socket or an answer, and of a version that counts no reads."""
    if status is None:
        return None
    with suppress(OSError, ValueError, LookupError, TimeoutError):
        reply: dict[str, Any] = await ask(status, "status", timeout_s=ANSWER_S)
        commit, peers = reply["commit"], reply.get("peers", {})
        return WorkState(
            sum(reply["requests"].values()),
            reply["reads"],
            commit["claims"],
            commit["batches"],
            *(peers.get(name, 0) for name in ("forwarded", "messages", "frames")),
        )
    return None


def _mean(total: int, number: int) -> float:
    return round(total / number, 1) if number else 0.0
