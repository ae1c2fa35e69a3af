"""A short real run: a server and its stores are killed under load, and no money is lost."""

from __future__ import annotations

from typing import Any

import pytest

from bench.chaos import run as run_module
from bench.chaos.payments import run as payments_run
from bench.chaos.payments.run import PaymentChaosSpec
from bench.chaos.run import ChaosSpec, run
from server.cli import main


@pytest.mark.long
@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_run_with_kills_holds(durability: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CONFIG", run_module.CONFIG.replace("lifetime_s = 8.0", "lifetime_s = 3.0"))
    lines: list[str] = []
    figures: dict[str, Any] = await run(ChaosSpec(5.0, 3, 11, durability, 300.0, 50), lines.append)
    assert figures["named"] == []
    assert figures["alarms"] == []
    assert figures["kills"]["all"] >= 1
    assert figures["acked_claims"] > 100
    assert figures["unknown"] == 0
    assert figures["acked_wins"] > 20
    assert figures["shakes"]["won"] > 0
    assert lines


@pytest.mark.long
@pytest.mark.parametrize(("sets", "seed"), [(1, 3), (2, 19)])
async def test_run_of_payments_with_kills_of_both_sides_holds(
    sets: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "CONFIG", run_module.CONFIG.replace("lifetime_s = 8.0", "lifetime_s = 3.0"))
    figures = await payments_run.run(PaymentChaosSpec(200, 8.0, 4, seed, "postgres", 25, sets), lambda line: None)
    assert figures["named"] == []
    assert figures["alarms"] == []
    assert figures["kills"]["bank"] >= 1
    assert figures["kills"]["server"] >= 1
    assert ("postmaster of a further set" in figures["kills"]) == (sets > 1)
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert sum(figures["states"].values()) > 100
    assert figures["unknown_resolved_s"]["count"] > 10
    assert sum(count for fault, count in figures["bank_faults"].items() if fault != "none") > 20
    assert figures["statement_rows"] > 100


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--seconds", "0"], 2),
        (["--users", "3"], 1),
        (["--json", "nowhere/chaos.json"], 1),
        (["--sum", "nowhere.json"], 1),
        (["--payments", "0"], 2),
        (["--payments", "10", "--seconds", "5"], 1),
        (["--payments", "10", "--workers", "3"], 1),
        (["--soak", "10s", "--workers", "3"], 1),
        (["--soak", "10s", "--sets", "2"], 1),
        (["--sets", "0"], 2),
        (["--workers", "0"], 2),
    ],
)
def test_wrong_arguments_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["chaos", *words])
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith("hongbao: ")
