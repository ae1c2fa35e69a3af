"""The books of the demo's bank against those of the server: what does not agree is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server.cli.shared.demo_bank import JournalLine, OurLine, differences, may_have_bank
from server.config import Config, load

OURS = [
    OurLine("1", "charge", 300, "succeeded", True),
    OurLine("2", "payout", 100, "succeeded", False),
    OurLine("3", "charge", 50, "failed", True),
    OurLine("4", "charge", 60, "failed", False),  # never sent
]
THEIRS = [
    JournalLine("1", "charge", 300, "succeeded", 300, 1, "reply_lost"),
    JournalLine("2", "payout", 100, "succeeded", 100, 1, "none"),
    JournalLine("3", "charge", 50, "failed", 0, 0, "none"),
]


def test_books_that_agree_have_no_differences() -> None:
    assert differences(OURS, THEIRS) == []


Fault = Callable[[list[OurLine], list[JournalLine]], None]
FAULTS: dict[str, tuple[Fault, str]] = {
    "only ours": (lambda ours, theirs: theirs.remove(THEIRS[0]), "payment 1: hongbao has"),
    "only theirs": (lambda ours, theirs: ours.remove(OURS[1]), "payment 2: only the bank has it"),
    "amount": (lambda ours, theirs: theirs.insert(0, theirs.pop(0)._replace(fen=301)), "payment 1: hongbao has"),
    "state": (lambda ours, theirs: theirs.append(theirs.pop()._replace(result="succeeded")), "payment 3: hongbao"),
    "posted twice": (
        lambda ours, theirs: theirs.insert(0, theirs.pop(0)._replace(postings=2)),
        "posted it 2 times",
    ),
    "posted though failed": (lambda ours, theirs: theirs.append(theirs.pop()._replace(postings=1)), "it 1 times"),
}


@pytest.mark.parametrize(("fault", "named"), FAULTS.values(), ids=FAULTS)
def test_each_difference_is_named(fault: Fault, named: str) -> None:
    ours, theirs = list(OURS), list(THEIRS)
    fault(ours, theirs)
    (found,) = differences(ours, theirs)
    assert named in found


@pytest.mark.parametrize(
    ("settings", "may"),
    [
        ({}, True),
        ({"money.unit": "积分/points", "money.symbol": "", "money.decimals": "0"}, False),
        ({"manual.enabled": "true"}, False),
    ],
    ids=["yuan", "points", "by hand"],
)
def test_demo_has_a_bank_for_money_alone(settings: dict[str, str], may: bool, tmp_path: Path) -> None:
    config: Config = load(None, settings, {})
    assert may_have_bank(config, tmp_path) is may
