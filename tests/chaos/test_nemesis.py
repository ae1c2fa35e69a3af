"""The drawn faults, the figures and texts of a run, and the proxy."""

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

NO_CLUSTER: Any = SimpleNamespace()


def nemesis(seed: int, durability: str = "postgres") -> Nemesis:
    return Nemesis(NO_CLUSTER, History(), seed, 60.0, durability)


def test_deck_of_a_seed_is_always_the_same() -> None:
    first, same, other = (nemesis(seed).deck(40) for seed in (1, 1, 2))
    assert [one.name for one in first] == [one.name for one in same] != [one.name for one in other]


def test_deck_contains_every_fault() -> None:
    assert {one.name for one in nemesis(3).deck(60)} == {one.name for one in FAULTS}
    assert sum(bool(one.killed) for one in nemesis(3).deck(60)) == 60


def test_deck_with_durability_redis_never_flushes_redis() -> None:
    assert not any("flush" in one.name for seed in range(20) for one in nemesis(seed, "redis").deck(30))


async def test_missing_kills_follow_in_overtime(monkeypatch: pytest.MonkeyPatch) -> None:
    injecting, hits = Nemesis(NO_CLUSTER, History(), 5, 0.4, "postgres"), iter([False] * 2 + [True] * 100)

    async def inject_one(fault: Fault) -> None:
        injecting.kills[fault.killed] += bool(fault.killed) and next(hits)

    monkeypatch.setattr(injecting, "_inject_one", inject_one)
    monkeypatch.setattr(injecting, "duration_s", lambda: 0.001)
    await injecting.inject(6)
    assert injecting.kills.total() == 6


async def test_overtime_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    injecting = Nemesis(NO_CLUSTER, History(), 5, 0.2, "postgres")

    async def miss(fault: Fault) -> None:
        injecting.missed[fault.name] += 1

    monkeypatch.setattr(injecting, "_inject_one", miss)
    monkeypatch.setattr(nemesis_module, "OVERTIME_S", 0.05)
    monkeypatch.setattr(injecting, "duration_s", lambda: 0.001)
    await asyncio.wait_for(injecting.inject(3), 5)
    assert injecting.missed.total() > 3


def figures_of_run(lost: list[str]) -> dict[str, Any]:
    history, injecting = History(), nemesis(1)
    history.add(Op(2, 9, "open", 1.0, 2.0, "won", 0, 100))
    injecting.kills["server"] = 2
    injecting.recovery_s += [0.1, 0.2, 0.9]
    about = {"tier": "postgres", "seed": 1, "seconds": 60.0, "kills_asked": 2, "sends_left_out": 0, "alarms": []}
    return report.figures(history, injecting, Findings(lost, [], []), ["wrong books"][: len(lost)], about)


def test_figures_name_lost_records() -> None:
    figures = figures_of_run(["packet 9: gone"])
    assert (figures["lost"], figures["discrepancies"], figures["bound_95"]) == (1, 2, None)
    assert figures["named"] == ["packet 9: gone", "hongbao audit: wrong books"]
    assert figures["kills"] == {"server": 2, "all": 2}
    assert figures["recovery_s"] == {"p50": 0.2, "max": 0.9}


def test_figures_without_a_loss_have_the_bound() -> None:
    assert (figures_of_run([])["discrepancies"], figures_of_run([])["bound_95"]) == (0, 3.0)


def test_total_adds_several_runs(tmp_path: Path) -> None:
    files = [tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "good too.json"]
    for file, lost in zip(files, ([], ["packet 9: gone"], []), strict=True):
        file.write_text(json.dumps(figures_of_run(lost)))
    both, good = report.total_of(files), report.total_of(files[::2])
    assert both["kills"] == {"server": 6, "all": 6}
    assert (both["acked_claims"], both["lost"], both["discrepancies"], both["bound_95"]) == (3, 1, 2, None)
    assert both["named"] == ["packet 9: gone", "hongbao audit: wrong books"]
    assert both["recovery_s"] == {"p50": 0.2, "max": 0.9}
    assert good["bound_95"] == 1.5


def test_sum_command_fails_if_one_run_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, lost, code in ("good", [], 0), ("bad", ["packet 9: gone"], 1):
        (tmp_path / name).write_text(json.dumps(figures_of_run(lost)))
        with pytest.raises(SystemExit) as ended:
            main.main(["chaos", "--sum", str(tmp_path / "good"), str(tmp_path / name)])
        assert ended.value.code == code
        assert f"chaos: {'DOES NOT HOLD' if code else 'holds'}" in capsys.readouterr().out


def test_show_prints_the_verdict_and_losses() -> None:
    for lost, words in ([], "chaos: holds"), (["packet 9: gone"], "DOES NOT HOLD"):
        console = Console(record=True, width=200)
        report.show(console, figures_of_run(lost))
        text = console.export_text()
        assert words in text
        assert all(line in text for line in lost)


def test_alarms_are_the_error_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    of_the_library = 'Future exception was never retrieved ... exception=ConnectionDoesNotExistError("closed")'
    fine = ['{"level": "info"}', f'{{"level": "error", "says": "{of_the_library}"}}']
    bad = [
        '{"level": "error", "says": "Future exception was never retrieved"}',
        "Traceback (most recent call last):",
    ]
    log.write_text("\n".join([*fine, *bad]))
    assert report.alarms(log) == bad


async def test_stalled_proxy_keeps_bytes_until_flow(tmp_path: Path) -> None:
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


async def test_proxy_without_a_store_closes_connections(tmp_path: Path) -> None:
    proxy = await Proxy(tmp_path / "proxy", tmp_path / "none").heal()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "proxy")
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    await proxy.cut()
