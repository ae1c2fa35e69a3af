"""What the chat backend may ask for: every field that is wrong is named."""

from __future__ import annotations

from typing import Any

import pytest

from server.core.campaigns.deck import Band
from server.core.campaigns.terms import CampaignRequest, Stage, Wanted, checked, lease_shares, stage_of
from server.core.limits import Limits
from server.core.refusals import RequestRefused

NOW_MS = 1_800_000_000_000
GOOD = CampaignRequest(
    key="k",
    sponsor_id=1,
    name="spring",
    starts_at_ms=NOW_MS,
    ends_at_ms=NOW_MS + 1_000,
    shares=100,
    budget_fen=24_950,
    scheme="bands",
    bands=[Band(200, 299, 1_000_000)],
    share_fen_min=0,
    share_fen_max=0,
    per_user_limit=1,
    greeting="",
    cover="",
    group_id=0,
    highlighted=False,
    client_seed=b"",
)
DRAWS = GOOD._replace(scheme="draws", bands=[Band(61_800, 61_800, 10_000)], share_fen_min=200, share_fen_max=300)


def test_campaign_of_bands_or_draws_has_its_deck() -> None:
    assert (checked(GOOD, Limits(), NOW_MS).total_fen, checked(GOOD, Limits(), NOW_MS).numbers) == (24_950, 100)
    drawn = checked(DRAWS._replace(budget_fen=61_800 + 99 * 250), Limits(), NOW_MS)
    assert (drawn.total_fen, drawn.largest_fen) == (86_550, 61_800)


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"key": ""}, "bad_key", "key: 0 bytes, allowed are 1 to 64"),
        ({"name": ""}, "bad_name", "name: 0 bytes, allowed are 1 to 64"),
        ({"greeting": "x" * 129}, "bad_greeting", "greeting: 129 bytes, allowed are 0 to 128"),
        ({"cover": "x" * 65}, "bad_campaign", "cover: 65 bytes, allowed are 0 to 64"),
        ({"client_seed": b"x"}, "bad_seed", "client_seed: 16 to 32 bytes"),
        ({"ends_at_ms": NOW_MS}, "bad_campaign", f"ends_at_ms: {NOW_MS} ms, allowed are {NOW_MS + 1} to"),
        ({"starts_at_ms": 0, "ends_at_ms": 1}, "bad_campaign", f"ends_at_ms: 1 ms, allowed are {NOW_MS} to"),
        ({"per_user_limit": 0}, "bad_campaign", "per_user_limit: 0, allowed are 1 to 100"),
        ({"shares": 0}, "bad_campaign", "shares: "),
        ({"bands": []}, "bad_campaign", "bands: "),
        ({"bands": [Band(1, 2, 5)]}, "bad_campaign", "bands: the probabilities are 1000000 ppm together, got 5"),
        ({"budget_fen": 24_951}, "bad_budget", "budget_fen: 24951, the shares need 24950"),
        ({"scheme": "luck"}, "bad_campaign", "scheme: bands or draws, not 'luck'"),
        (
            {"bands": [Band(2**32, 2**32, 1_000_000)], "budget_fen": 100 * 2**32},
            "bad_campaign",
            "share_fen_max: 4294967296, allowed are 1 to 4294967295",
        ),
    ],
)
def test_field_that_is_wrong_is_named(changes: dict[str, Any], reason: str, detail: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        checked(GOOD._replace(**changes), Limits(), NOW_MS)
    assert (refused.value.reason, refused.value.detail[: len(detail)]) == (reason, detail)


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"bands": [Band(1, 2, 5)]}, "bad_campaign", "bands: band 1 (1 to 2, 5 ppm) has no number of 100"),
        ({"share_fen_min": 0}, "bad_campaign", "share_fen_min: "),
        ({"bands": [Band(61_800, 61_800, 1)]}, "bad_campaign", "bands: "),
        ({"budget_fen": 1_000}, "bad_budget", "budget_fen: 81600 to 91500"),
    ],
)
def test_draws_that_cannot_be_are_refused(changes: dict[str, Any], reason: str, detail: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        checked(DRAWS._replace(**changes), Limits(), NOW_MS)
    assert (refused.value.reason, refused.value.detail[: len(detail)]) == (reason, detail)


def test_stage_follows_from_what_is_wanted_and_the_time() -> None:
    at = [stage_of(Wanted.OPEN, now_ms, 10, 20) for now_ms in (9, 10, 19, 20)]
    assert at == [Stage.SCHEDULED, Stage.RUNNING, Stage.RUNNING, Stage.ENDED]
    assert stage_of(Wanted.PAUSED, 15, 10, 20) is Stage.PAUSED
    assert stage_of(Wanted.PAUSED, 20, 10, 20) is stage_of(Wanted.ENDED, 5, 10, 20) is Stage.ENDED


def test_lease_is_small_enough_that_a_user_who_may_win_often_finds_another_one() -> None:
    assert [lease_shares(*one) for one in ((1, 1), (100, 1), (100, 3), (10**8, 1), (10**8, 100))] == [
        1,
        12,
        4,
        4_096,
        4_096,
    ]
