"""`hongbao campaign`: sponsors and campaigns on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.cli.campaigns.terms import band_of
from server.core.campaigns.deck import Band
from tests.server.serving import here


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("200-499:85%", Band(200, 499, 850_000)),
        ("61800:0.01%", Band(61_800, 61_800, 100)),
        ("61800:0.0001%", Band(61_800, 61_800, 1)),
        ("1:100%", Band(1, 1, 1_000_000)),
    ],
)
def test_band_is_amounts_and_their_part(text: str, band: Band) -> None:
    assert band_of(text) == band


CREATE = ("create", 888, "除夕", "--shares", 1000)
WRONG: dict[str, tuple[tuple[object, ...], int, str]] = {
    "no percent": ((*CREATE, "--band", "200-499:85"), 2, "'200-499:85' must look like 200-499:85% or 61800:0.01%"),
    "too fine": ((*CREATE, "--band", "5:0.00001%"), 2, "'5:0.00001%' is finer than a part per million (0.0001%)"),
    "no amounts": (CREATE, 2, "give the amounts: --band for each of a table, or --draws"),
    "draws without a budget": ((*CREATE, "--draws", "200-900"), 2, "--draws needs a --budget"),
    "draws of one amount": ((*CREATE, "--draws", "200"), 2, "'200' must look like 200-20000, in fen"),
    "not 100 %": ((*CREATE, "--band", "5:99%"), 1, "bands: the probabilities are 1000000 ppm together, got 990000"),
    "an empty band": (
        (*CREATE, "--band", "5:99.99%", "--band", "61800:0.01%"),
        1,
        "bands: band 2 (61800 to 61800, 100 ppm) has no number of 1000; 10000 numbers are enough",
    ),
    "no time": ((*CREATE, "--band", "5:100%", "--start", "20:00"), 2, "'20:00' is not a time such as"),
    "no server": ((*CREATE, "--band", "5:100%"), 1, "no server runs on"),
}


@pytest.mark.parametrize(("words", "code", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_campaign_is_refused_in_one_line(
    tmp_path: Path, words: tuple[object, ...], code: int, expected: str
) -> None:
    found = here("campaign", *words, "--data", tmp_path)
    assert (found.code, found.stdout) == (code, "")
    assert found.stderr.startswith("hongbao: ")
    assert expected in found.stderr
    assert found.stderr.count("\n") == 1
