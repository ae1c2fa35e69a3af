"""`hongbao bill`: packets in a sponsor's name on the command line, by bill number and because of events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.process import ServerProcess
from tests.clusters import data_folder
from tests.server.serving import here

SPONSOR, POOR = 888, 889


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server, with a sponsor who has 1,000.00 yuan, one who has none, and a user."""
    with data_folder(cluster) as folder, ServerProcess(folder):
        for sponsor in (SPONSOR, POOR):
            assert here("campaign", "sponsor", sponsor, f"茶馆{sponsor}", "--data", folder).code == 0
        assert here("topup", SPONSOR, 100_000, "--data", folder).code == 0
        for user in (1001, 1002):
            assert here("topup", user, 1, "--create", "--data", folder).code == 0
        yield folder


def done(data: Path, *words: object, code: int = 0) -> dict[str, Any]:
    """The answer of `hongbao bill`."""
    ended = here("bill", *words, "--json", "--data", data)
    assert (ended.code, ended.stderr) == (code, "")
    return json.loads(ended.stdout)  # type: ignore[no-any-return]


def test_event_brings_one_packet_of_the_range_for_a_user(data: Path) -> None:
    assert done(data, "event", SPONSOR, "follow", 1001)["status"] == "nothing is given for follow"
    made = done(data, "range", SPONSOR, "follow", 200, 500, "--greeting", "谢谢关注")
    assert len(made["commitment"]) == 64
    first = done(data, "event", SPONSOR, "follow", 1001, "--id", "follow-1")
    assert first["status"] == "SENT"
    assert 200 <= first["amount_fen"] <= 500
    again = done(data, "event", SPONSOR, "follow", 1001, "--id", "follow-2")
    assert again["packet_id"] == first["packet_id"]
    assert done(data, "show", SPONSOR, first["bill_number"])["amount_fen"] == first["amount_fen"]
    ended = done(data, "range", SPONSOR, "follow", 0, 0)
    assert len(ended["revealed_seed"]) == 64
    assert done(data, "event", SPONSOR, "follow", 1002)["status"] == "nothing is given for follow"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("event", 5, "follow", 1001), 1, "user 5 is no sponsor"),
        (("range", SPONSOR, "follow", 0, 500), 2, "give the smallest and the largest amount"),
        (("event", SPONSOR, "unfollow", 1001), 2, "unfollow"),
    ],
)
def test_refusal_is_one_line(data: Path, words: tuple[object, ...], code: int, expected: str) -> None:
    if expected.startswith("305"):
        done(data, "send", SPONSOR, "B-1", 1001, 2000, "--greeting", "感谢关注")
    refused = here("bill", *words, "--data", data)
    assert (refused.code, refused.stdout) == (code, "")
    assert refused.stderr.startswith("hongbao: ")
    assert expected in refused.stderr
    assert refused.stderr.count("\n") == 1
