"""`hongbao campaign`: sponsors and campaigns on the command line."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol import messages
from server.cli.campaigns.report import report_of
from server.cli.campaigns.terms import band_of
from server.core.campaigns.deck import Band
from server.process import ServerProcess
from tests.clusters import data_folder
from tests.conftest import PATIENCE_S
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
    "draws of one amount": (
        (*CREATE, "--draws", "200"),
        2,
        "'200' must look like 200-20000, in the smallest unit of money",
    ),
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


# --- with a server ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(cluster: Path) -> Iterator[Path]:
    """The data folder of a running server, with the sponsor 888 who has 100,000.00 yuan."""
    with data_folder(cluster) as folder, ServerProcess(folder):
        shown = done(folder, "sponsor", 888, "招财银行")
        assert shown["user_id"] == 888
        assert here("topup", 888, 10_000_000, "--data", folder).code == 0
        yield folder


def done(data: Path, *words: object) -> dict[str, Any]:
    """The answer of `hongbao campaign`."""
    ended = here("campaign", *words, "--json", "--data", data)
    assert (ended.code, ended.stderr) == (0, "")
    return json.loads(ended.stdout)  # type: ignore[no-any-return]


BANDS = ("--band", "200-499:95%", "--band", "500-1999:5%")


def test_campaign_is_made_once_per_key_shown_changed_and_ended(data: Path) -> None:
    words = ("create", 888, "除夕", "--shares", 1000, *BANDS, "--start", "2027-02-16T20:00", "--key", "eve")
    made = done(data, *words)
    assert made["budget_fen"] == 393_650
    assert len(made["client_seed"]) == 64
    assert done(data, *words)["campaign_id"] == made["campaign_id"]
    shown = done(data, "show", made["campaign_id"])
    assert (shown["name"], shown["sponsor_name"], shown["state"]) == ("除夕", "招财银行", "scheduled")
    assert (shown["starts_at_ms"], shown["ends_at_ms"]) == (1_802_779_200_000, 1_802_865_600_000)
    assert (shown["shares"], shown["at_most_left"], shown["commitment"]) == (1000, 1000, made["commitment"])
    assert done(data, "pause", made["campaign_id"])["state"] == "paused"
    assert done(data, "resume", made["campaign_id"])["state"] == "scheduled"
    assert done(data, "end", made["campaign_id"])["state"] == "ended"
    late = here("campaign", "resume", made["campaign_id"], "--data", data)
    assert (late.code, late.stderr) == (1, "hongbao: 234 campaign_over\n")


def test_campaign_of_draws_has_planted_bands(data: Path) -> None:
    words = ("--shares", 1000, "--draws", "200-900", "--band", "61800:0.1%", "--budget", 561_800)
    made = done(data, "create", 888, "抽", *words, "--per-user", 3, "--greeting", "恭喜", "--highlighted")
    shown = done(data, "show", made["campaign_id"])
    assert (shown["per_user_limit"], shown["greeting"], shown["highlighted"]) == (3, "恭喜", True)
    assert made["campaign_id"] in [line["campaign_id"] for line in done(data, "list")["campaigns"]]
    assert len(done(data, "list", "--most", 1)["campaigns"]) == 1


def test_campaign_for_followers_says_so(data: Path) -> None:
    words = ("create", 888, "关注", "--shares", 10, "--band", "200:100%", "--event", "follow")
    made = done(data, *words, "--start", "2027-02-16T20:00")
    assert done(data, "show", made["campaign_id"])["event_kind"] == "follow"


def test_report_is_a_table_of_what_was_spent_and_what_is_left(data: Path) -> None:
    made = done(data, "create", 888, "十", "--shares", 10, "--band", "200:100%", "--start", "2027-02-16T20:00")
    shown = here("campaign", "report", made["campaign_id"], "--data", data)
    assert shown.code == 0
    lines = dict(re.findall(r"^(.+?)  +(.+)$", shown.stdout, re.MULTILINE))
    assert (lines["budget"], lines["won shares"], lines["left"]) == ("20.00 yuan", "0", "20.00 yuan")
    assert lines["state"] == "scheduled"


def test_proof_of_a_campaign_that_is_over_is_written_and_verified(data: Path, tmp_path: Path) -> None:
    made = done(data, "create", 888, "十", "--shares", 10, "--band", "200:100%", "--start", "2027-02-16T20:00")
    campaign_id, file = made["campaign_id"], tmp_path / "proof.json"
    early = here("campaign", "proof", campaign_id, file, "--data", data)
    assert (early.code, early.stdout, file.exists()) == (1, "", False)
    assert early.stderr.startswith(f"hongbao: campaign {campaign_id} is not over: its seed stays secret")
    done(data, "end", campaign_id)
    deadline_s = time.monotonic() + PATIENCE_S
    while not done(data, "report", campaign_id)["seed"]:
        assert time.monotonic() < deadline_s
    written = here("campaign", "proof", campaign_id, file, "--data", data)
    assert (written.code, written.stdout) == (0, f"{file}: 0 of 10 numbers won\n")
    checked = here("verify", file)
    assert checked.stdout.splitlines()[-1] == "verify: ok (0 numbers, each once, follow from seed and deck)"
    assert here("verify", campaign_id, "--data", data).stdout == checked.stdout


SHOWN = messages.CampaignReportShown(
    0,
    messages.CampaignLine(
        5, "除夕", 888, "招财银行", "", "", "running", 0, 7_200_000, 1000, 0, 0, 5, 1, False, 0, b""
    ),
    *(400_000, 300, 100_000, 250, 700, 300_000, 0, 9_000, 5, 0, 2),
    [messages.HourLine(0, 6_000, 200, 60_000), messages.HourLine(3_600_000, 3_000, 0, 0)],
)


def test_report_has_what_was_left_and_what_a_share_has_cost_hour_by_hour() -> None:
    made = report_of(SHOWN)
    assert (made["spent_percent"], made["cost_per_winner_fen"], made["cost_per_share_fen"]) == (25.0, 400, 333)
    assert list(made)[-1] == "hours"
    assert made["hours"] == [
        {
            "at_ms": 0,
            "shakes": 6_000,
            "won_shares": 200,
            "won_fen": 60_000,
            "cost_per_share_fen": 300,
            "left_fen": 340_000,
        },
        {
            "at_ms": 3_600_000,
            "shakes": 3_000,
            "won_shares": 0,
            "won_fen": 0,
            "cost_per_share_fen": None,
            "left_fen": 340_000,
        },
    ]


def test_report_without_wins_names_no_cost() -> None:
    made = report_of(msgspec.structs.replace(SHOWN, won_shares=0, won_fen=0, winners=0, hours=[]))
    assert (made["spent_percent"], made["hours"]) == (0.0, [])
    assert not {"cost_per_winner_fen", "cost_per_share_fen"} & made.keys()


REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "no sponsor": (("create", 5, "x", "--shares", 1000, *BANDS), "231 not_a_sponsor"),
    "a budget that does not fit": (
        ("create", 888, "x", "--shares", 1000, *BANDS, "--budget", 5000),
        "233 bad_budget: budget_fen: 5000, the shares need 393650",
    ),
    "not enough money": (
        ("create", 888, "x", "--shares", 10, "--band", "10000000:100%"),
        "306 not_enough_money",
    ),
    "no campaign": (("show", 5), "230 no_such_campaign"),
    "no group": (("create", 888, "x", "--shares", 1000, *BANDS, "--group", 2**60), "202 no_such_group"),
}


@pytest.mark.parametrize(("words", "expected"), REFUSED.values(), ids=REFUSED)
def test_refusal_of_the_server_is_one_line(data: Path, words: tuple[object, ...], expected: str) -> None:
    refused = here("campaign", *words, "--data", data)
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"hongbao: {expected}")
    assert refused.stderr.count("\n") == 1
