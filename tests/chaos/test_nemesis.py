"""Which faults are drawn, and what is told of a run."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from bench.chaos import nemesis as nemesis_module
from bench.chaos import report
from bench.chaos.auditor import Findings
from bench.chaos.faults import FAULTS, Fault
from bench.chaos.history import History, Op
from bench.chaos.nemesis import Nemesis
from bench.chaos.proxy import Proxy
from server.cli import main

NOWHERE: Any = SimpleNamespace()


def nemesis(seed: int, tier: str = "postgres") -> Nemesis:
    return Nemesis(NOWHERE, History(), seed, 60.0, tier)


def test_the_same_seed_draws_the_same_faults() -> None:
    first, same, other = (nemesis(seed).deck(40) for seed in (1, 1, 2))
    assert [one.name for one in first] == [one.name for one in same] != [one.name for one in other]


def test_every_fault_comes_before_any_comes_too_often() -> None:
    assert {one.name for one in nemesis(3).deck(60)} == {one.name for one in FAULTS}
    assert sum(bool(one.killed) for one in nemesis(3).deck(60)) == 60


def test_redis_is_not_flushed_where_it_keeps_the_books() -> None:
    assert not any("flush" in one.name for seed in range(20) for one in nemesis(seed, "redis").deck(30))


async def test_kills_that_found_nothing_are_made_up_for_in_overtime(monkeypatch: pytest.MonkeyPatch) -> None:
    raging, hits = Nemesis(NOWHERE, History(), 5, 0.4, "postgres"), iter([False] * 2 + [True] * 100)

    async def strike(fault: Fault) -> None:
        raging.kills[fault.killed] += bool(fault.killed) and next(hits)

    monkeypatch.setattr(raging, "_strike", strike)
    monkeypatch.setattr(raging, "length_s", lambda: 0.001)
    await raging.inject(6)
    assert raging.kills.total() == 6


async def test_overtime_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    raging = Nemesis(NOWHERE, History(), 5, 0.2, "postgres")

    async def miss(fault: Fault) -> None:
        raging.missed[fault.name] += 1

    monkeypatch.setattr(raging, "_strike", miss)
    monkeypatch.setattr(nemesis_module, "OVERTIME_S", 0.05)
    monkeypatch.setattr(raging, "length_s", lambda: 0.001)
    await asyncio.wait_for(raging.inject(3), 5)
    assert raging.missed.total() > 3


def told(lost: list[str]) -> dict[str, Any]:
    history, raging = History(), nemesis(1)
    history.done(Op(2, 9, "open", 1.0, 2.0, "won", 0, 100))
    raging.kills["server"] = 2
    raging.recovery_s += [0.1, 0.2, 0.9]
    about = {"tier": "postgres", "seed": 1, "seconds": 60.0, "kills_asked": 2, "sends_left_out": 0, "alarms": []}
    return report.figures(history, raging, Findings(lost, [], []), ["the books lie"][: len(lost)], about)


def test_the_figures_name_what_is_lost() -> None:
    figures = told(["packet 9: gone"])
    assert (figures["lost"], figures["discrepancies"], figures["bound_95"]) == (1, 2, None)
    assert figures["named"] == ["packet 9: gone", "hongbao audit: the books lie"]
    assert figures["kills"] == {"server": 2, "all": 2}
    assert figures["recovery_s"] == {"p50": 0.2, "max": 0.9}


def test_the_figures_of_a_good_run_have_the_bound() -> None:
    assert (told([])["discrepancies"], told([])["bound_95"]) == (0, 3.0)


def test_several_runs_add_up(tmp_path: Path) -> None:
    files = [tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "good too.json"]
    for file, lost in zip(files, ([], ["packet 9: gone"], []), strict=True):
        file.write_text(json.dumps(told(lost)))
    both, good = report.total_of(files), report.total_of(files[::2])
    assert both["kills"] == {"server": 6, "all": 6}
    assert (both["acked_claims"], both["lost"], both["discrepancies"], both["bound_95"]) == (3, 1, 2, None)
    assert both["named"] == ["packet 9: gone", "hongbao audit: the books lie"]
    assert both["recovery_s"] == {"p50": 0.2, "max": 0.9}
    assert good["bound_95"] == 1.5


def test_the_sum_is_shown_and_fails_if_one_run_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, lost, code in ("good", [], 0), ("bad", ["packet 9: gone"], 1):
        (tmp_path / name).write_text(json.dumps(told(lost)))
        with pytest.raises(SystemExit) as ended:
            main.main(["chaos", "--sum", str(tmp_path / "good"), str(tmp_path / name)])
        assert ended.value.code == code
        assert f"chaos: {'DOES NOT HOLD' if code else 'holds'}" in capsys.readouterr().out


def test_the_verdict_is_shown() -> None:
    for lost, words in ([], "chaos: holds"), (["packet 9: gone"], "DOES NOT HOLD"):
        console = Console(record=True, width=200)
        report.show(console, told(lost))
        text = console.export_text()
        assert words in text
        assert all(line in text for line in lost)


def test_alarms_are_what_should_not_be_in_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    of_the_library = 'Future exception was never retrieved ... exception=ConnectionDoesNotExistError("closed")'
    fine = ['{"level": "info"}', f'{{"level": "error", "says": "{of_the_library}"}}']
    bad = [
        '{"level": "error", "says": "Future exception was never retrieved"}',
        "Traceback (most recent call last):",
    ]
    log.write_text("\n".join([*fine, *bad]))
    assert report.alarms(log) == bad


async def test_a_stalled_proxy_keeps_the_bytes_until_they_flow(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    store = await asyncio.start_unix_server(echo, tmp_path / "store")
    proxy = await Proxy(tmp_path / "proxy", tmp_path / "store").heal()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "proxy")
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    proxy.stall()
    writer.write(b"two")
    await asyncio.sleep(0.05)
    assert not reader._buffer  # type: ignore[attr-defined]
    proxy.flow()
    assert await reader.readexactly(3) == b"two"
    await proxy.cut()
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    store.close()


async def test_a_proxy_before_nothing_hangs_up(tmp_path: Path) -> None:
    proxy = await Proxy(tmp_path / "proxy", tmp_path / "nobody").heal()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "proxy")
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    await proxy.cut()
