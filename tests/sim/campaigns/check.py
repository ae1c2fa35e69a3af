"""What must hold of campaigns: answers to shakes when they are given, and pools and wins at the end.

Amounts are computed by the verifier of the documents, which uses no code of this project.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.core.campaigns.shakes import Result
from server.core.refusals import Reason
from storage.redis.mirror import parse
from tests.sim.clock import EPOCH_MS
from tests.sim.replay import replayed
from tests.sim.seeds import kind_of_pool, seed_of

if TYPE_CHECKING:
    from tests.sim.campaigns.side import Shake
    from tests.sim.world import World

CLOCKS_DIFFER_MS = 1_500
VERIFIER = Path(__file__).parents[3] / "docs" / "verify_pool.py"
NEED_AN_OPEN_CAMPAIGN = (Result.WON, Result.NOTHING)
NEED_THE_GROUP = (Result.WON, Result.NOTHING, Result.LIMIT)

# --- when an answer is given --------------------------------------------------------------------------------------


def durable_wins(world: World, campaign_id: int) -> dict[tuple[int, int], tuple[int, int]]:
    """(user, amount) by lease and index, of the wins that survive if every server dies now."""
    tables, found = world.tables, {}
    for packet_id, _ in tables.leases_of(campaign_id):
        claims = [(one.user_id, one.amount_fen) for one in tables.claims[packet_id]]
        if world.plan.durability == "redis" and tables.packets[packet_id].closed_at_ms is None:
            mirrored = [(one.user_id, one.amount_fen) for one in parse(world.logs.get(packet_id)).claims]
            claims = mirrored if mirrored[: len(claims)] == claims else claims
        found |= {(packet_id, index): claim for index, claim in enumerate(claims)}
    return found


def shake_is_answered_truly(world: World, one: Shake) -> None:
    """An answer must be true when it is given."""
    row = world.tables.campaigns[one.campaign_id]
    if one.result in (Result.WON, Result.LIMIT, Result.ENDED):
        wins = durable_wins(world, one.campaign_id)
        mine = sum(user_id == one.user_id for user_id, _ in wins.values())
        if one.win is not None and wins.get(one.win[:2]) != (one.user_id, one.win[2]):
            world.report(f"{one} is about a win that is not durable: {wins.get(one.win[:2])}")
        if one.result == Result.WON and one.win is None:
            world.report(f"{one} has no win")
        # what is being won counts: by other shakes that this process has not answered
        in_flight = world.campaign_side.open_shakes[one.process, one.campaign_id, one.user_id]
        if one.result == Result.LIMIT and mine + in_flight < row.per_user_limit:
            world.report(f"{one}, and the user has won {mine} of {row.per_user_limit}")
        is_over = row.state == "ended" or world.latest_ms() >= row.ends_at_ms
        if one.result == Result.ENDED and not is_over and len(wins) < row.shares:
            world.report(f"{one}, and {row.shares - len(wins)} shares are left of a campaign that is {row.state}")
    states = world.tables.states[one.campaign_id][one.version :]
    if one.result in NEED_AN_OPEN_CAMPAIGN and "open" not in states:
        world.report(f"{one}, and the campaign was {states}")
    check_group(world, one)
    if world.standing.must_be_banned(one.user_id, one.known):
        world.report(f"a banned user received {one}")


def check_group(world: World, one: Shake) -> None:
    """Members of its group may shake, if it has one; every server knows a campaign that was confirmed."""
    is_for_group = bool(world.tables.campaigns[one.campaign_id].group_id)
    standing = world.standing
    if is_for_group and one.result in NEED_THE_GROUP and not standing.may_be_member(one.user_id, one.known):
        world.report(f"a user who is not in the group received {one}")
    refused = one.result == Reason.NO_SUCH_CAMPAIGN
    if refused and one.version and (not is_for_group or standing.must_be_member(one.user_id, one.known)):
        world.report(f"{one}, which was confirmed")


def left_is_true(world: World, campaign_id: int, at_most_left: int) -> None:
    """The number of shares left that is told is not too small."""
    left = world.tables.campaigns[campaign_id].shares - len(durable_wins(world, campaign_id))
    if at_most_left < left:
        world.report(f"at most {at_most_left} shares of {campaign_id} are left, was told; there are {left}")


# --- at the end ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def verifier() -> Any:
    """The module that the documents have."""
    spec = importlib.util.spec_from_file_location("verify_pool", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def books_are_closed(world: World) -> list[str]:
    """Every campaign has ended, not before its time unless the backend did it, and its rest went back once."""
    tables = world.tables
    wrong: list[str] = []
    returns = Counter(words[0] for what, *words in tables.journal if what == "campaign_returned")
    wrong += [
        f"campaign {row.campaign_id} is {row.state}, its rest went back {returns[row.campaign_id]} times"
        for row in tables.campaigns.values()
        if row.closed_at_ms is None or returns[row.campaign_id] != 1
    ]
    for what, *words in tables.journal:
        if what == "campaign_ended":
            early_ms = tables.campaigns[words[0]].ends_at_ms - EPOCH_MS - words[1] * 1000
            if early_ms > CLOCKS_DIFFER_MS:
                wrong.append(f"campaign {words[0]} ended {early_ms:.0f} ms before its time")
        elif what == "published" and words[1] < words[2]:
            wrong.append(f"campaign {words[0]}: published were {words[1]} shares, {words[2]} were left")
    return wrong


def pools_are_given_away_once(world: World) -> list[str]:
    """Σ leased = Σ won + returned, and budget = Σ won + rest. (Numbers: see replay, which has them one by one.)"""
    replay, wrong = replayed(world), []
    for row in world.tables.campaigns.values():
        leased, returned, won = (
            counter[row.campaign_id] for counter in (replay.leased_fen, replay.returned_fen, replay.won_fen)
        )
        if leased != won + returned:
            wrong.append(f"campaign {row.campaign_id}: leased {leased}, won {won}, returned {returned} fen")
        if row.budget_fen != won + row.returned_fen:
            wrong.append(f"campaign {row.campaign_id}: {row.budget_fen} fen, won {won}, back {row.returned_fen}")
    return wrong


def numbers_have_the_amounts_of_the_seed(world: World) -> list[str]:
    """Every win is worth what the deck and the seed say."""
    tables, wrong = world.tables, []
    for row in tables.campaigns.values():
        seed = seed_of(world, row.pool_packet(kind_of_pool(row.deck)))
        pool = verifier().Pool(row.deck.decode(), seed)
        for packet_id, lease in tables.leases_of(row.campaign_id):
            for claim in tables.claims[packet_id]:
                due_fen = pool.amount(lease.first_number + claim.index)
                if claim.amount_fen != due_fen:
                    wrong.append(f"{claim} is worth {due_fen} fen by the seed of campaign {row.campaign_id}")
    return wrong


def wins_are_within_the_limit(world: World) -> list[str]:
    """Of users of one server at durability redis, if no server was killed; of all at durability postgres."""
    tables, side, wrong = world.tables, world.campaign_side, []
    won: Counter[tuple[int, int]] = Counter()
    for packet_id, lease in tables.leases.items():
        won.update((lease.campaign_id, claim.user_id) for claim in tables.claims[packet_id])
    if world.plan.durability == "redis":
        holds = side.plan.stays and world.starts == len(world.servers)
        won = Counter({key: len(told) for key, told in side.told.items()}) if holds else Counter()
    for (campaign_id, user_id), times in won.items():
        if times > tables.campaigns[campaign_id].per_user_limit:
            wrong.append(f"user {user_id} has won {times} shares of campaign {campaign_id}")
    return wrong


def told_wins_are_recorded(world: World) -> list[str]:
    """A win that a user was told of survived everything (I11), and no other user was told of it."""
    tables, wrong = world.tables, []
    holders: dict[tuple[int, int], int] = {}
    for (campaign_id, user_id), wins in world.campaign_side.told.items():
        for packet_id, index, fen in wins:
            claims = tables.claims[packet_id]
            claim = claims[index] if index < len(claims) else None
            if claim is None or (claim.user_id, claim.amount_fen) != (user_id, fen):
                wrong.append(
                    f"user {user_id} was told share {index} of {packet_id}, {fen} fen; recorded is {claim}"
                )
            if tables.leases[packet_id].campaign_id != campaign_id:
                wrong.append(f"user {user_id} won share {index} of {packet_id}, which is of another campaign")
            if holders.setdefault((packet_id, index), user_id) != user_id:
                wrong.append(f"share {index} of {packet_id} was told to two users")
    return wrong


def keys_made_one_campaign(world: World) -> list[str]:
    """A key made one campaign, despite retries at both servers."""
    wrong = []
    made = Counter(row.key for row in world.tables.campaigns.values())
    for key, outcomes in world.campaign_side.created.items():
        confirmed = {row.campaign_id for said, row in outcomes if said == "ok"}
        if len(confirmed) > 1 or made[key] > 1 or (confirmed and not made[key]):
            wrong.append(f"{key} made {made[key]} campaigns, confirmed were {sorted(confirmed)}")
        if {said for said, _ in outcomes} & {"internal", "key_reused", "not_a_sponsor", "bad_budget"}:
            wrong.append(f"{key} received {outcomes}")
    return wrong


RULES = (
    books_are_closed,
    pools_are_given_away_once,
    numbers_have_the_amounts_of_the_seed,
    wins_are_within_the_limit,
    told_wins_are_recorded,
    keys_made_one_campaign,
)
