"""Figures of the worker on duty, for the seconds in which another worker takes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from server.ops.samples.sample import Figures, OpenPayments, Sample

KEPT_S: Final = 15.0  # longer than it takes until another worker has read all of them


def _payments(sample: Sample) -> OpenPayments | None:
    return sample.payments if sample.payments is not None and sample.payments.is_read else None


READ: Final[dict[str, Callable[[Sample], Any]]] = {
    "figures": lambda sample: sample.figures,
    "payments": _payments,
    "bank": lambda sample: sample.bank,
    "queues": lambda sample: sample.webhooks.queues or None,
}


def without_figures(sample: Sample) -> Sample:
    """The sample of a worker that is not on duty: what it has read was the duty of another time."""
    payments = None if sample.payments is None else replace(sample.payments, is_read=False)
    return replace(sample, figures=None, payments=payments, bank=None, webhooks=replace(sample.webhooks, queues={}))


class KeptFigures:
    """The last figures that a worker has read, each with its time."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, float]] = {}

    def filled(self, whole: Sample, now_s: float) -> Sample:
        """The sample of the server, with kept figures in place of those that no worker knows now."""
        found = {name: self._newest(name, read(whole), now_s) for name, read in READ.items()}
        queues = found.pop("queues") or {}
        changes = {name: value for name, value in found.items() if value is not None}
        return replace(whole, **changes, webhooks=replace(whole.webhooks, queues=queues))

    @property
    def backlog(self) -> Figures | None:
        """The last figures about the settlement queue; None before the first."""
        kept: tuple[Figures | None, float] = self._kept.get("figures", (None, 0.0))
        return kept[0]

    def _newest(self, name: str, value: Any, now_s: float) -> Any:
        if value is not None:
            self._kept[name] = value, now_s
        kept, at_s = self._kept.get(name, (None, 0.0))
        return kept if now_s - at_s < KEPT_S else None
