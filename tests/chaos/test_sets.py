"""Chaos of a server with several sets: what the nemesis hits, what the auditor names, and a short real run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench.chaos import auditor, report
from bench.chaos import run as run_module
from bench.chaos.audited_books import AuditedBooks, AuditedClaim, AuditedTransfer
from bench.chaos.auditor import CLAIM, REFUND, SEND, TOP_UP, Findings
from bench.chaos.faults import FAULTS, Cluster
from bench.chaos.history import History
from bench.chaos.nemesis import Nemesis
from bench.chaos.run import ChaosSpec, run
from bench.chaos.sets.books import HANDED_OVER, BooksOfSets, misplaced
from bench.chaos.sets.faults import OF_POSTGRES, _hit_a_set, with_sets
from bench.chaos.sets.processes import FurtherSet, SetsUnderChaos
from bench.chaos.workers.faults import WITH_WORKERS
from tests.chaos.test_auditor import EXPIRED, FIRST, SECOND, SENT, history_of_run

NO_CLUSTER: Any = SimpleNamespace()


def further(number: int) -> FurtherSet:
    named: Any = SimpleNamespace(name=f"process {number}")
    return FurtherSet(named, named, f"postgresql:///set{number}", f"postgresql:///proxied{number}")


def test_each_fault_of_postgresql_hits_a_further_set_too() -> None:
    deck = Nemesis(NO_CLUSTER, History(), 3, 60.0, "postgres", with_sets(WITH_WORKERS)).deck(80)
    drawn = {one.name for one in deck}
    assert drawn == {one.name for one in WITH_WORKERS} | {f"{name} (of a further set)" for name in OF_POSTGRES}
    killed = Counter(one.killed for one in deck if one.killed)
    assert killed["postmaster of a further set"] >= 4
    assert killed["backend of a further set"] >= 4
    assert {one.name for one in with_sets()} - {one.name for one in FAULTS} == drawn - {
        one.name for one in WITH_WORKERS
    }


async def test_strikes_hit_further_sets_in_turn() -> None:
    cluster: Any = Cluster(*[SimpleNamespace()] * 5, "postgresql:///set0", "", Path(), sets=None)
    cluster = cluster._replace(sets=SetsUnderChaos([further(1), further(2)]))
    hit: list[str] = []

    async def remember(one: Cluster, seconds: float) -> bool:
        assert one.to_postgres is one.postgres
        hit.append(one.postgres_dsn)
        return True

    for _ in range(3):
        assert await _hit_a_set(remember, cluster, 0.0)
    assert hit == ["postgresql:///set2", "postgresql:///set1", "postgresql:///set2"]
    assert cluster.dsns == ["postgresql:///set0", "postgresql:///set1", "postgresql:///set2"]
    assert "postgres_new_users = [0, 1, 2]" in cluster.sets.section()
    assert '"postgresql:///proxied1", "postgresql:///proxied2"' in cluster.sets.section()


def two_sets() -> BooksOfSets:
    """The run of `test_auditor`, with user 2 and nothing else in set 1."""
    home = AuditedBooks(
        [SENT, EXPIRED],
        [AuditedClaim(FIRST, 0, 2, 100), AuditedClaim(FIRST, 1, 3, 100), AuditedClaim(SECOND, 0, 2, 100)],
        [
            AuditedTransfer(0, 1, TOP_UP, "funds", 1_000),
            AuditedTransfer(1, FIRST, SEND, "", 200),
            AuditedTransfer(1, SECOND, SEND, "", 200),
            AuditedTransfer(FIRST, -101, HANDED_OVER, "2", 100),
            AuditedTransfer(FIRST, 3, CLAIM, "", 100),
            AuditedTransfer(SECOND, -101, HANDED_OVER, "2", 100),
            AuditedTransfer(SECOND, 1, REFUND, "", 100),
        ],
        {1: 700, 3: 100},
        0,
    )
    credits = [AuditedTransfer(FIRST, 2, CLAIM, "", 100), AuditedTransfer(SECOND, 2, CLAIM, "", 100)]
    return BooksOfSets([home, AuditedBooks([], [], credits, {2: 200}, 0)])


def lines_of(books: BooksOfSets) -> list[str]:
    return [*auditor.judge(history_of_run(), books.joined).all, *misplaced(books)]


def test_books_of_two_sets_that_agree_have_no_finding() -> None:
    assert lines_of(two_sets()) == []


def _never_handed_over(home: AuditedBooks, other: AuditedBooks) -> None:
    home.transfers.remove(AuditedTransfer(FIRST, -101, HANDED_OVER, "2", 100))


def _handed_over_twice(home: AuditedBooks, other: AuditedBooks) -> None:
    home.transfers.append(AuditedTransfer(FIRST, -101, HANDED_OVER, "2", 100))


def _other_amount_handed_over(home: AuditedBooks, other: AuditedBooks) -> None:
    home.transfers[3] = home.transfers[3]._replace(amount_fen=99)


def _handed_over_to_another_set(home: AuditedBooks, other: AuditedBooks) -> None:
    home.transfers[3] = home.transfers[3]._replace(credit=-102)


def _credit_missing(home: AuditedBooks, other: AuditedBooks) -> None:
    del other.transfers[0]


def _credited_in_both_sets(home: AuditedBooks, other: AuditedBooks) -> None:
    home.transfers.append(AuditedTransfer(FIRST, 2, CLAIM, "", 100))


def _credited_in_the_wrong_set(home: AuditedBooks, other: AuditedBooks) -> None:
    home.transfers.append(other.transfers.pop(0))


def _wallet_in_two_sets(home: AuditedBooks, other: AuditedBooks) -> None:
    home.wallets[2] = 0


def _packet_in_the_wrong_set(home: AuditedBooks, other: AuditedBooks) -> None:
    other.packets.append(home.packets.pop())


def _claim_in_the_wrong_set(home: AuditedBooks, other: AuditedBooks) -> None:
    other.claims.append(home.claims.pop())


@pytest.mark.parametrize(
    "plant",
    [
        _never_handed_over,
        _handed_over_twice,
        _other_amount_handed_over,
        _handed_over_to_another_set,
        _credit_missing,
        _credited_in_both_sets,
        _credited_in_the_wrong_set,
        _wallet_in_two_sets,
        _packet_in_the_wrong_set,
        _claim_in_the_wrong_set,
    ],
)
def test_contradiction_between_sets_is_named(plant: Callable[[AuditedBooks, AuditedBooks], None]) -> None:
    books = two_sets()
    plant(*books.each)
    assert lines_of(books)


def test_report_names_workers_and_sets() -> None:
    nemesis = Nemesis(NO_CLUSTER, History(), 1, 60.0, "postgres")
    identity = dict(zip(report.IDENTITY, ("postgres", 1, 60.0), strict=True))
    about = {**identity, "workers": 3, "sets": 2, "kills_asked": 0, "sends_left_out": 0, "alarms": []}
    console = Console(record=True, width=200)
    report.show(console, report.figures(History(), nemesis, Findings([], [], []), [], about))
    last = console.export_text().splitlines()[-1]
    assert last == "chaos: holds (durability postgres, seed 1, 60 s, 3 workers, 2 sets)"


@pytest.mark.long
async def test_run_with_workers_and_sets_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CONFIG", run_module.CONFIG.replace("lifetime_s = 8.0", "lifetime_s = 3.0"))
    lines: list[str] = []
    figures = await run(ChaosSpec(10.0, 8, 5, "postgres", 200.0, 50, workers=2, sets=2), lines.append)
    assert figures["named"] == []
    assert figures["alarms"] == []
    assert (figures["workers"], figures["sets"]) == (2, 2)
    assert figures["kills"]["all"] >= 3
    assert any(name.endswith("of a further set") for name in figures["kills"])
    assert figures["acked_claims"] > 100
    assert figures["acked_wins"] > 20
    assert figures["unknown"] == 0
