"""The figures of a large pool: its start, its memory, and χ² of its draws."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.compare.pool import BANDS, CHI_MOST, Drawn, Start, draw, figures_of, lines_of
from server.cli import main
from server.core.campaigns.proof import BandTally, chi_square

GOOD = Start(0.1, 0.4, 1.5)


def last(shares: int, draws: int, seed: int = 1) -> Drawn:
    """How all draws fall into the bands."""
    *_, (count, drawn) = draw(shares, draws, seed)
    assert count == draws
    return drawn


def test_draws_of_a_whole_pool_are_its_quotas() -> None:
    drawn = last(20_000, 20_000)
    assert [band.won for band in drawn.bands] == [17_000, 2_000, 998, 2]
    assert chi_square(drawn.bands, 20_000) == 0.0


@pytest.mark.parametrize("seed", range(1, 6))
def test_chi_square_of_a_part_of_a_pool_is_that_of_chance(seed: int) -> None:
    drawn = last(1_000_000, 100_000, seed)
    assert 0.0 < chi_square(drawn.bands, 1_000_000) < CHI_MOST[len(BANDS) - 1]


def test_draws_of_another_seed_are_others_and_of_the_same_the_same() -> None:
    first, again, other = (last(1_000_000, 50_000, seed).bands for seed in (1, 1, 2))
    assert first == again != other


def test_figures_out_of_their_bounds_are_named() -> None:
    skewed = [
        band._replace(won=band.won + change)
        for band, change in zip(last(10**6, 10**5).bands, (-900, 900, 0, 0), strict=True)
    ]
    figures = figures_of(Start(0.9, 1.2, 70.0), Drawn(skewed, 1.0), 10**6)
    assert set(figures["within"].values()) == {False}
    assert figures["valid"]
    lines = lines_of(figures)
    assert [line.count("NOT within") for line in lines] == [2, 0, 0, 0, 0, 0, 1]
    assert "first win after 1.200 s, NOT within 1 s; 70.0 MiB more, NOT within 64 MiB" in lines[0]


def test_draw_that_is_in_no_band_makes_the_figures_invalid() -> None:
    lost = [BandTally(200, 499, 900, 89, 90.0), BandTally(500, 600, 100, 10, 10.0)]
    assert not figures_of(GOOD, Drawn(lost, 1.0), 1_000)["valid"]


def test_more_draws_than_shares_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["bench", "pool", "--shares", "10", "--draws", "11"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "hongbao: a pool of 10 shares has no 11 numbers\n"


@pytest.mark.long
def test_pool_of_a_hundred_million_starts_and_keeps_the_odds(tmp_path: Path) -> None:
    """χ² over 10 million draws, and the bound of memory; the time of the start is printed, not judged here."""
    file = tmp_path / "pool.json"
    with pytest.raises(SystemExit):
        main.main(["bench", "pool", "--json", str(file)])
    figures = json.loads(file.read_text())
    assert (figures["draws"], figures["valid"]) == (10_000_000, True)
    assert figures["within"]["chi_square"]
    assert figures["within"]["memory"]
