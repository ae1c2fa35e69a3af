"""Figures of the worker on duty, while another worker takes over."""

from __future__ import annotations

from server.ops.samples.sample import BankFigures, Figures, OpenPayments, WebhookFigures, WebhookQueue
from server.workers.kept_figures import KEPT_S, KeptFigures, without_figures
from tests.ops.samples import sample

QUEUES = {"shop": WebhookQueue("enabled", 3, 4.0)}
READ = sample(
    figures=Figures(1, 2, 3, 4),
    payments=OpenPayments({"unknown": 5}, {"unknown": 6.0}, 7, ("bank",)),
    bank=BankFigures({"bank": 8.0}),
    webhooks=WebhookFigures({"delivered": 9}, 10, QUEUES),
)


def test_worker_without_duty_tells_what_it_has_counted_itself() -> None:
    found = without_figures(READ)
    assert (found.figures, found.bank, found.webhooks) == (None, None, WebhookFigures({"delivered": 9}, 10))
    assert found.payments is not None
    assert (found.payments.is_read, found.payments.away) == (False, ("bank",))
    assert without_figures(sample()).payments is None


def test_figures_stay_until_the_next_worker_has_read_them() -> None:
    kept = KeptFigures()
    assert kept.filled(READ, 100.0) == READ
    taking_over = without_figures(READ)
    assert kept.filled(taking_over, 100.0 + KEPT_S - 1) == READ
    newer = Figures(0, 0, None, 4)
    found = kept.filled(sample(figures=newer), 100.0 + KEPT_S - 1)
    assert (found.figures, found.bank) == (newer, READ.bank)


def test_figures_that_no_worker_reads_any_more_are_not_known() -> None:
    kept = KeptFigures()
    kept.filled(READ, 100.0)
    silent = without_figures(READ)
    assert kept.filled(silent, 100.0 + KEPT_S) == silent
    assert kept.backlog == Figures(1, 2, 3, 4)  # health goes on to judge by the last that is known


def test_figures_of_a_server_without_gateway_and_endpoints_stay_away() -> None:
    assert KeptFigures().filled(sample(), 100.0) == sample()
