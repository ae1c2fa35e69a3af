"""A short attack. The long one is `python -m tests.fuzz --frames 1000000 --seed 1`."""

from __future__ import annotations

import os
from pathlib import Path

import msgpack
import pytest

from server.loop import run
from tests.clusters import data_folder
from tests.fuzz.attack import Attack, attack, faults_in
from tests.fuzz.grammar import Frame, Grammar, World
from tests.fuzz.result import Bounds, rows

FRAMES = (2_000, 15_000)
SEED = 11
# The machine that tests run on may have other work.
PATIENT = Bounds(single_ms=5_000, honest_p99_ms=5_000)
RECORDED = [Frame("Ping", b"\0\0\0\x03\x92\x03\x07")]


def some_world() -> World:
    return World([1, 2, 3], groups=[2**53 + 1], packets=[2**53 + 2])


def test_grammar_makes_the_same_frames_from_the_same_seed() -> None:
    one, same, other = (Grammar(seed, some_world(), RECORDED) for seed in ("1 0", "1 0", "2 0"))
    frames = [one.any() for _ in range(2_000)]
    assert frames == [same.any() for _ in range(2_000)]
    assert frames != [other.any() for _ in range(2_000)]


def test_frames_have_the_length_and_seq_that_they_declare() -> None:
    grammar = Grammar("1", some_world(), RECORDED)
    for one in (grammar.any() for _ in range(5_000)):
        if one.keeps_step:
            assert int.from_bytes(one.data[:4], "big") == len(one.data) - 4, one
        if one.seq:
            assert msgpack.unpackb(one.data[4:], strict_map_key=False)[1] == one.seq


def test_report_marks_every_broken_bound(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text('{"event": "request_failed", "level": "error"}\nfine\nTraceback (most recent call last):\n')
    assert len(faults_in(log)) == 2
    found = Attack("tcp://127.0.0.1:1", {"k": b"k"}, os.getpid(), 1, 1).found
    found.crashes, found.faults, found.hanging, found.worst_ms, found.rss_end = 1, ["fault"], 1, 1e6, 2**40
    broken = {row.name for row in rows(found, Bounds()) if not row.holds}
    assert broken == {
        "crashes",
        "unhandled exceptions",
        "frames without an answer",
        "worst single frame",
        "memory growth",
        "honest p99 during",
    }


@pytest.mark.parametrize("frames", [FRAMES[0], pytest.param(FRAMES[1], marks=pytest.mark.long)])
def test_server_withstands_a_short_attack(cluster: Path, frames: int) -> None:
    """Always the same frames: `make fuzz` looks for others."""
    with data_folder(cluster) as folder:
        found = run(attack(folder, frames, SEED, print))
    assert [row for row in rows(found, PATIENT) if not row.holds] == [], found
    assert {"bad_request", "bad_frame", "forbidden", "login_expected"} <= found.counts.keys()
