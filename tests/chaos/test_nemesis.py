"""Which faults are drawn, and what is told of a run."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from bench.chaos import report
from bench.chaos.auditor import Findings
from bench.chaos.history import History, Op
from bench.chaos.nemesis import FAULTS, Nemesis
from bench.chaos.proxy import Proxy

NOWHERE: Any = SimpleNamespace()


def nemesis(seed: int, tier: str = "postgres") -> Nemesis:
    return Nemesis(NOWHERE, History(), seed, 60.0, tier)


def test_the_same_seed_draws_the_same_faults() -> None:
    first, same, other = (nemesis(seed).deck(40) for seed in (1, 1, 2))
    assert [one.name for one in first] == [one.name for one in same] != [one.name for one in other]


def test_every_fault_comes_before_any_comes_too_often() -> None:
    assert {one.name for one in nemesis(3).deck(30)} == {one.name for one in FAULTS}
    assert sum(bool(one.killed) for one in nemesis(3).deck(30)) == 30


def test_redis_is_not_flushed_where_it_keeps_the_books() -> None:
    assert not any("flush" in one.name for seed in range(20) for one in nemesis(seed, "redis").deck(30))


def told(lost: list[str]) -> dict[str, Any]:
    history, raging = History(), nemesis(1)
    history.done(Op(2, 9, "open", 1.0, 2.0, "won", 0, 100))
    raging.kills["server"] = 2
    raging.recovery_s += [0.1, 0.2, 0.9]
    about = {"tier": "postgres", "seed": 1, "seconds": 60.0, "alarms": []}
    return report.figures(history, raging, Findings(lost, [], []), ["the books lie"][: len(lost)], about)


def test_the_figures_name_what_is_lost() -> None:
    figures = told(["packet 9: gone"])
    assert (figures["lost"], figures["discrepancies"], figures["loss_bound_95"]) == (1, 2, None)
    assert figures["named"] == ["packet 9: gone", "hongbao audit: the books lie"]
    assert figures["kills"] == {"server": 2, "all": 2}
    assert figures["recovery_s"] == {"p50": 0.2, "max": 0.9}


def test_the_figures_of_a_good_run_have_the_bound() -> None:
    assert (told([])["discrepancies"], told([])["loss_bound_95"]) == (0, 3.0)


def test_the_verdict_is_shown() -> None:
    for lost, words in ([], "chaos: holds"), (["packet 9: gone"], "DOES NOT HOLD"):
        console = Console(record=True, width=200)
        report.show(console, told(lost))
        text = console.export_text()
        assert words in text
        assert all(line in text for line in lost)


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
