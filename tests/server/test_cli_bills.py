"""`hongbao bill`: packets in a sponsor's name on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.process import ServerProcess
from tests.clusters import data_folder
from tests.server.serving import here


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server, with the sponsor 888, and the users 11 and 12."""
    with data_folder(cluster) as folder, ServerProcess(folder):
        for words in (
            ("campaign", "sponsor", 888, "招财银行"),
            ("topup", 888, 100_000),
            ("topup", 11, 1, "--create"),
            ("topup", 12, 1, "--create"),
        ):
            assert here(*words, "--data", folder).code == 0
        yield folder


@pytest.fixture(scope="module")
def group_id(data: Path) -> int:
    """A group of both users."""
    put = here("group", "put", "family", "Family", "--data", data)
    assert put.code == 0, put.stderr
    group_id = int(put.stdout)
    assert here("group", "add", group_id, 11, 12, "--data", data).code == 0
    return group_id


def done(data: Path, *words: object) -> dict[str, Any]:
    """The answer of `hongbao bill`."""
    ended = here("bill", *words, "--json", "--data", data)
    assert (ended.code, ended.stderr) == (0, "")
    return json.loads(ended.stdout)  # type: ignore[no-any-return]


def failure(data: Path, *words: object) -> tuple[int, str]:
    """Exit code and line of a command that fails."""
    ended = here("bill", *words, "--data", data)
    assert ended.stdout == ""
    return ended.code, ended.stderr


def test_bill_to_a_user_is_sent_once_per_number(data: Path) -> None:
    words = ("send", 888, "B-1", 888, "--user", 11, "--greeting", "恭喜")
    sent = done(data, *words)
    assert (sent["status"], sent["user_id"], sent["amount_fen"], sent["shares"]) == ("SENT", 11, 888, 1)
    assert done(data, *words) == sent == done(data, "show", 888, "B-1")
    assert "group_id" not in sent
    code, line = failure(data, "send", 888, "B-1", 889, "--user", 11)
    assert (code, "key_reused" in line) == (1, True)


def test_bill_to_a_group_has_shares_and_is_listed(data: Path, group_id: int) -> None:
    sent = done(data, "send", 888, "G-1", 600, "--group", group_id, "--shares", 2, "--kind", "equal")
    assert (sent["group_id"], sent["packet_kind"], sent["shares"]) == (group_id, "enterprise_equal", 2)
    lucky = done(data, "send", 888, "G-2", 600, "--group", group_id, "--shares", 2)
    assert lucky["packet_kind"] == "enterprise_lucky"
    lines = done(data, "list", 888, "--most", 2)["bills"]
    assert [(one["bill_number"], one["status"]) for one in lines] == [("G-2", "SENT"), ("G-1", "SENT")]
    shown = here("bill", "show", 888, "G-1", "--data", data)
    assert "6.00 yuan" in shown.stdout


def test_what_is_wrong_is_said_in_one_line(data: Path, group_id: int) -> None:
    assert failure(data, "show", 888, "none") == (1, "hongbao: sponsor 888 has no bill none\n")
    neither = (2, "hongbao: give either --user or --group\n")
    assert failure(data, "send", 888, "B-9", 888) == neither
    assert failure(data, "send", 888, "B-9", 888, "--user", 11, "--group", group_id) == neither
    many = failure(data, "send", 888, "G-9", 600, "--group", group_id, "--shares", 3)
    assert many == (1, "hongbao: bill G-9 of sponsor 888 has failed: bad_shares\n")
    assert done(data, "show", 888, "G-9")["reason"] == "bad_shares"
