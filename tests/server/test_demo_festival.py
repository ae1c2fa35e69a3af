"""`hongbao demo --festival`: a crowd shakes, the number left falls, and everything is proved at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import data_folder
from tests.server.serving import here
from tests.server.test_cli import process


@pytest.fixture
def data(cluster: Path) -> Iterator[Path]:
    """A folder for private stores, which need a short path that every user may pass."""
    with data_folder(cluster) as folder:
        yield folder


@pytest.mark.long
def test_festival_ends_with_proof_odds_and_audit(data: Path) -> None:
    home = data / "new"
    words = ("--users", 40, "--seconds", 6, "--seed", 3, "--lang", "zh")
    shown = process("demo", "--festival", *words, "--data", home)
    assert shown.code == 0, shown.stdout + shown.stderr
    falling = [int(left) for left in re.findall(r"至多还剩 (\d+) 个", shown.stdout)]
    assert falling == sorted(falling, reverse=True)
    for expected in ("没有一个被摇到两次", "χ² < ", "chi-square of the bands", "verify: ok (", "audit: ok ("):
        assert expected in shown.stdout
    assert "✗" not in shown.stdout
    campaign_id = re.search(r"^campaign (\d+):", shown.stdout, re.MULTILINE)
    assert campaign_id is not None
    again = here("verify", campaign_id[1], "--data", home)
    assert again.stdout.splitlines()[-1] in shown.stdout.splitlines()


@pytest.mark.parametrize("other", ["--join", "--http", "--phone"])
def test_festival_is_not_played_with_a_person_or_over_http(tmp_path: Path, other: str) -> None:
    refused = here("demo", "--festival", other, "--data", tmp_path)
    assert (refused.code, refused.stderr) == (2, "hongbao: give --festival without --join, --phone and --http\n")
