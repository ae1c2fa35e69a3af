"""`hongbao bill`: packets in a sponsor's name on the command line, by bill number and because of events."""

from __future__ import annotations

import json
import re
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


def test_bill_is_sent_once_and_shown_with_its_state(data: Path) -> None:
    sent = done(data, "send", SPONSOR, "B-1", 1001, 2000, "--greeting", "感谢关注")
    assert (sent["status"], sent["amount_fen"], sent["user_id"]) == ("SENT", 2000, 1001)
    assert done(data, "send", SPONSOR, "B-1", 1001, 2000, "--greeting", "感谢关注") == sent
    assert done(data, "show", SPONSOR, "B-1") == sent
    shown = here("bill", SPONSOR, "B-1", "--data", data)  # show is the default
    lines = dict(re.findall(r"^(.+?)  +(.+)$", shown.stdout, re.MULTILINE))
    assert (lines["status"], lines["amount"], lines["bill number"]) == ("SENT", "20.00 yuan", "B-1")
    assert "received" not in lines  # it has no time yet


def test_bill_that_cannot_be_paid_exits_with_1_and_names_the_reason(data: Path) -> None:
    failed = done(data, "send", POOR, "B-1", 1001, 2000, code=1)
    assert (failed["status"], failed["reason"], failed["packet_id"]) == ("FAILED", "not_enough_money", 0)
    assert done(data, "show", POOR, "B-1")["status"] == "FAILED"


def test_list_has_the_newest_bills_first_and_those_of_one_state(data: Path) -> None:
    for number in ("L-1", "L-2", "L-3"):
        done(data, "send", SPONSOR, number, 1002, 100)
    done(data, "send", POOR, "L-1", 1002, 100, code=1)
    listed = done(data, "list", SPONSOR, "--most", 3)["bills"]
    assert [one["bill_number"] for one in listed] == ["L-3", "L-2", "L-1"]
    assert {one["status"] for one in listed} == {"SENT"}
    assert done(data, "list", SPONSOR, "--status", "FAILED")["bills"] == []
    failed = done(data, "list", POOR, "--status", "FAILED")["bills"]
    assert {(one["reason"], one["packet_id"]) for one in failed} == {("not_enough_money", 0)}
    table = here("bill", "list", SPONSOR, "--data", data).stdout
    assert "L-3" in table
    assert "1.00 yuan" in table


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


REFUSED: dict[str, tuple[tuple[object, ...], int, str]] = {
    "no sponsor": (
        ("send", 5, "B-1", 1001, 2000),
        1,
        "user 5 is no sponsor; make one with: hongbao campaign sponsor 5 NAME",
    ),
    "no sponsor of an event": (("event", 5, "follow", 1001), 1, "user 5 is no sponsor"),
    "no such bill": (("show", SPONSOR, "B-9"), 1, "sponsor 888 has no bill 'B-9'"),
    "a number with a space": (("send", SPONSOR, "B 1", 1001, 2000), 1, "303 bad_key: bill_number"),
    "too small": (("send", SPONSOR, "B-2", 1001, 99), 1, "300 bad_amount: amount_fen"),
    "a scene of none": (("send", SPONSOR, "B-2", 1001, 99, "--scene", "x"), 1, "241 bad_scene: scene_id"),
    "a number used before": (("send", SPONSOR, "B-1", 1001, 2001), 1, "305 key_reused"),
    "a range with one end": (("range", SPONSOR, "follow", 0, 500), 2, "give the smallest and the largest amount"),
    "another event": (("event", SPONSOR, "unfollow", 1001), 2, "unfollow"),
}


@pytest.mark.parametrize(("words", "code", "expected"), REFUSED.values(), ids=REFUSED)
def test_refusal_is_one_line(data: Path, words: tuple[object, ...], code: int, expected: str) -> None:
    if expected.startswith("305"):
        done(data, "send", SPONSOR, "B-1", 1001, 2000, "--greeting", "感谢关注")
    refused = here("bill", *words, "--data", data)
    assert (refused.code, refused.stdout) == (code, "")
    assert refused.stderr.startswith("hongbao: ")
    assert expected in refused.stderr
    assert refused.stderr.count("\n") == 1
