"""How a run is divided among generators, and how a command line becomes a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.cli import Options, spec_of
from bench.load.run_spec import RunSpec, part_of
from bench.load.target import Target, config_of


def test_parts_of_a_run_add_up_to_the_whole() -> None:
    run_spec = RunSpec("opens", connections=100, depth=4, requests=1001, generators=3)
    parts = [part_of(run_spec, number) for number in range(3)]
    assert [part.connections for part in parts] == [34, 33, 33]
    assert [part.requests for part in parts] == [334, 334, 333]
    assert [part.seed for part in parts] == [1000, 1001, 1002]
    opened = RunSpec("opens", connections=100, rate_per_s=900.0, seconds=2.0, generators=3)
    assert [(part_of(opened, number).rate_per_s, part_of(opened, number).operations) for number in range(3)] == [
        (300.0, 600)
    ] * 3


def test_generators_and_runs_never_share_users_or_keys() -> None:
    target = Target("tcp://127.0.0.1:1", "postgres", "k", b"\x01\x02")
    specs = [
        spec for _ in range(2) for spec in target.generator_specs(RunSpec("opens", connections=4, generators=2))
    ]
    assert [spec.first_user for spec in specs] == [2_000_000, 2_250_000, 4_000_000, 4_250_000]
    assert len({(spec.run_name, spec.number) for spec in specs}) == 4
    assert specs[0].key_hex == "0102"


def test_loop_is_open_unless_closed_is_given() -> None:
    run_spec = spec_of("opens", Options())
    assert (run_spec.is_open, run_spec.rate_per_s, run_spec.seconds, run_spec.operations) == (
        True,
        10_000,
        10.0,
        100_000,
    )
    run_spec = spec_of("opens", Options(closed=True, depth=8, connections=200))
    assert (run_spec.is_open, run_spec.depth, run_spec.connections, run_spec.operations) == (False, 8, 200, 60_000)
    run_spec = spec_of("send", Options(find_max=True, p99_ms=10.0, rate=500.0))
    assert (run_spec.rate_per_s, run_spec.seconds) == (500.0, 5.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(closed=True, rate=5.0), "--rate, --seconds.* only without --closed"),
        (Options(closed=True, find_max=True, p99_ms=1.0), "--rate, --seconds.* only without --closed"),
        (Options(depth=3), "--depth and --requests only with --closed"),
        (Options(find_max=True), "--find-max and --p99-ms belong together"),
        (Options(p99_ms=1.0), "--find-max and --p99-ms belong together"),
        (Options(rate=0.0), "rates, times and counts are above 0"),
        (Options(connections=-1), "rates, times and counts are above 0"),
        (Options(warmup_s=-1.0), "a warm-up takes 0 s or more"),
        (Options(warmup_s=10.0), "a warm-up of 10 s leaves nothing of 10 s to measure"),
        (Options(generators=9), "at most 8 generators"),
        (Options(generators=3, connections=2), "every generator needs a connection"),
        (Options(url="tcp://127.0.0.1:1", durability="redis"), "the server at --url has its own durability"),
        (Options(postgres="postgresql://"), "--postgres only with --url"),
        (Options(ca_file=Path("ca.pem")), "--ca-file only with --url tls:// or wss://"),
        (Options(ca_file=Path("ca.pem"), url="tcp://127.0.0.1:1"), "--ca-file only with --url tls:// or wss://"),
        (Options(ca_file=Path("ca.pem"), url="tls://127.0.0.1:1"), "there is no file ca.pem"),
    ],
)
def test_contradicting_options_are_refused_in_one_line(options: Options, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        spec_of("opens", options)
    assert spec_of("opens", replace(Options(), seed=2)).seed == 2


def test_config_contains_the_limits_of_the_scenario() -> None:
    assert config_of({"group_members_max": 5_000}) == (
        "[limits]\nrequests_per_s = 1000000.0\nrequests_burst = 1000000.0\nticket_lifetime_s = 600.0\n"
        "groups_of_user_max = 1000000\nconnections_of_address_max = 1000000\ngroup_members_max = 5000\n"
    )
