"""Sponsors and campaigns over HTTP: made once per key, changed, reported; what is left returns once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.cases import each
from tests.conftest import PATIENCE_S
from tests.http_api.client import Api

CAMPAIGNS = "/v1/campaigns"
BANDS = [{"low_fen": 200, "high_fen": 299, "ppm": 900_000}, {"low_fen": 300, "high_fen": 500, "ppm": 100_000}]
HOUR_MS = 3_600_000
BUDGET_FEN = 26_310


@pytest.fixture
async def api(api: Api) -> Api:
    """The chat backend, with the sponsor 700 who has 1,000.00 yuan."""
    made = await api.ok("PUT", "/v1/sponsors/700", {"name": "某超市"})
    assert (made["user_id"], made["name"], made["balance_fen"]) == ("700", "某超市", 0)
    assert [len(tree["root"]) for tree in made["trees"]] == [64, 64]
    await api.ok("POST", "/v1/wallets/700/top-up", {"amount_fen": 100_000}, key="t")
    return api


def spring(**changes: Any) -> dict[str, Any]:
    """A campaign of 100 shares that begins in an hour."""
    now_ms = time.time_ns() // 1_000_000
    times = {"starts_at_ms": now_ms + HOUR_MS, "ends_at_ms": now_ms + 2 * HOUR_MS}
    about = {"sponsor_id": "700", "name": "spring", "shares": 100, "budget_fen": BUDGET_FEN, "bands": BANDS}
    return {**times, **about, **changes}


async def test_campaign_is_made_once_per_key_and_pays_at_once(api: Api) -> None:
    body = spring(client_seed="ab" * 16, per_user_limit=2, greeting="恭喜", cover="tiger", highlighted=True)
    made = await api.ok("POST", CAMPAIGNS, body, key="c1")
    assert {name: made[name] for name in body if name not in ("bands", "client_seed")} == {
        name: value for name, value in body.items() if name not in ("bands", "client_seed")
    }
    assert (made["state"], made["at_most_left"], made["sponsor_name"]) == ("scheduled", 100, "某超市")
    assert len(made["commitment"]) == 64
    assert await api.ok("POST", CAMPAIGNS, body, key="c1") == made
    assert (await api.ok("GET", "/v1/users/700"))["balance_fen"] == 100_000 - BUDGET_FEN
    other = await api("POST", CAMPAIGNS, body | {"name": "summer"}, key="c1")
    assert (other.status, other.code) == (409, "key_reused")


async def test_campaign_is_paused_resumed_and_ended_and_the_rest_returns_once(api: Api) -> None:
    made = await api.ok("POST", CAMPAIGNS, spring(), key="c1")
    one = f"{CAMPAIGNS}/{made['campaign_id']}"
    assert [(await api.ok("POST", f"{one}/{verb}"))["state"] for verb in ("pause", "pause", "resume", "end")] == [
        "paused",
        "paused",
        "scheduled",
        "ended",
    ]
    late = await api("POST", f"{one}/resume")
    assert (late.status, late.code) == (409, "campaign_over")
    async with asyncio.timeout(PATIENCE_S):
        while True:
            report = await api.ok("GET", f"{one}/report")
            if "seed" in report:
                break
            await asyncio.sleep(0.05)
    assert (report["won_shares"], report["left_fen"], report["returned_fen"]) == (0, BUDGET_FEN, BUDGET_FEN)
    assert report["deck"] == "hongbao deck 1\nbands 100\n200 299 900000\n300 500 100000\n"
    assert (await api.ok("GET", one))["returned_fen"] == BUDGET_FEN
    assert (await api.ok("GET", "/v1/users/700"))["balance_fen"] == 100_000


async def test_campaigns_are_listed_newest_first(api: Api) -> None:
    ids = [(await api.ok("POST", CAMPAIGNS, spring(), key=f"c{n}"))["campaign_id"] for n in range(3)]
    page = await api.ok("GET", CAMPAIGNS)
    assert [one["campaign_id"] for one in page["campaigns"]] == ids[::-1]
    older = await api.ok("GET", f"{CAMPAIGNS}?cursor={ids[1]}")
    assert [one["campaign_id"] for one in older["campaigns"]] == ids[:1]


async def test_campaign_of_a_group_is_named_by_the_id_of_the_backend(api: Api) -> None:
    group = await api.ok("PUT", "/v1/groups/family", {"name": "一家人"})
    asked = spring(group="family")
    made = await api.ok("POST", CAMPAIGNS, asked, key="c1")
    assert made["group_id"] == group["group_id"]
    assert "event_kind" not in made
    unknown = await api("POST", CAMPAIGNS, spring(group="strangers"), key="c2")
    assert (unknown.status, unknown.code) == (404, "no_such_group")
    await api.ok("DELETE", "/v1/groups/family")
    again = await api.ok("POST", CAMPAIGNS, asked, key="c1")
    assert again["campaign_id"] == made["campaign_id"]
    deleted = await api("POST", CAMPAIGNS, asked, key="c2")
    assert (deleted.status, deleted.code) == (404, "no_such_group")


DRAWS = {"scheme": "draws", "share_fen_min": 200, "share_fen_max": 900, "bands": []}
REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "no sponsor": ({"sponsor_id": "7"}, 409, "not_a_sponsor", ""),
    "another budget": (
        {"budget_fen": 1},
        422,
        "bad_budget",
        f"budget_fen: 1, the shares need {BUDGET_FEN}",
    ),
    "parts that are not all": (
        {"bands": BANDS[:1]},
        422,
        "bad_campaign",
        "bands: the probabilities are 1000000 ppm together, got 900000",
    ),
    "draws out of their limits": (
        {**DRAWS, "budget_fen": 5},
        422,
        "bad_budget",
        "budget_fen: 20000 to 90000 (100 numbers of 200 to 900, 0 planted with 0), got 5",
    ),
    "too expensive": (
        {**DRAWS, "share_fen_max": 9000, "budget_fen": 200_000},
        409,
        "not_enough_money",
        "balance_fen of user 700 is 100000, needed are 200000",
    ),
    "no end": ({"ends_at_ms": 1}, 422, "bad_campaign", "ends_at_ms: "),
}


@each(("changes", "status", "code", "detail"), REFUSED.values())
async def test_campaign_that_cannot_be_is_refused_with_the_reason(
    api: Api, changes: dict[str, Any], status: int, code: str, detail: str
) -> None:
    refused = await api("POST", CAMPAIGNS, spring(**changes), key="c1")
    assert (refused.status, refused.code) == (status, code)
    assert refused.json.get("detail", "").startswith(detail)
    assert (await api.ok("GET", "/v1/users/700"))["balance_fen"] == 100_000


async def test_campaign_for_followers_says_so_and_is_for_no_group_at_once(api: Api) -> None:
    made = await api.ok("POST", CAMPAIGNS, spring(event_kind="follow"), key="c1")
    assert (made["event_kind"], "group_id" in made) == ("follow", False)
    other = await api("POST", CAMPAIGNS, spring(event_kind="sign_up"), key="c1")
    assert (other.status, other.code) == (409, "key_reused")
    group = await api.ok("PUT", "/v1/groups/family", {"name": "一家人"})
    both = await api("POST", CAMPAIGNS, spring(event_kind="follow", group_id=group["group_id"]), key="c2")
    assert (both.status, both.code) == (422, "bad_campaign")
    assert (await api("POST", CAMPAIGNS, spring(event_kind="leave"), key="c3")).code == "bad_request"


async def test_campaign_that_does_not_exist_is_not_found(api: Api) -> None:
    for method, path in (("GET", ""), ("POST", "/end"), ("GET", "/report")):
        missing = await api(method, f"{CAMPAIGNS}/5{path}")
        assert (missing.status, missing.code) == (404, "no_such_campaign")
