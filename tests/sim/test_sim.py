"""More than a hundred worlds without a violation; a seed gives the same world again; each defect is found."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.sim.bank.check import CARD_KEY
from tests.sim.bank.plan import CONTRADICTIONS, HONEST, NOTICES
from tests.sim.defects import DEFECTS
from tests.sim.loop import SimLoop, Stuck
from tests.sim.plan import WITH_SETS, Plan, plan_of
from tests.sim.sets.spread_defects import SPREAD_DEFECTS
from tests.sim.world import World, kept_plan

CHUNKS, CHUNK = 8, 15
# Worlds that have found a fault: of a server (the first five), or of the checks, which said more than the rule.
FOUND = (190, 1498, 2530, 2850, 10_192, 1508, 3606, 3632, 4781)
# The seed that found a defect before comes first: most worlds do not meet the defect. One that is out of date only
# costs time, up to half a minute: `python -m pytest tests/sim --durations 20` shows which.
SEED_FOR_MOST = 5
SEED_OF_DEFECT = {
    "RecordIgnoresTheClosing": 171,
    "MirrorDoesNotClose": 31,
    "SettlesTwice": 10,
    "RefundSkipsTheRedrive": 86,
    "RefundsOfOthersAreTold": 428,
    "RefundsInDoubtAreForgotten": 41,
    "ReloadForgetsTickets": 26,
    "TicketsAreTakenEarly": 45,
    "LeasesAreIgnored": 10,
    "TimeFollowsEveryProbe": 8,
    "TimeIsThatOfTheMachine": 8,
    "ClosingIgnoresTheAnswer": 73,
    "NoncesAreForgotten": 13,
    "FailedPayoutStaysInTransit": 73,
    "SilentPayoutIsReturned": 28,
    "SilenceIsFailure": 55,
    "NoticesAreNotVerified": 13,
    "BreaksAreNotRecorded": 13,
    "AmountsAreNotCompared": 82,
    "FoundOrdersAreTold": 258,
    "CodesAreUsedTwice": 24,
    "PasswordsAreNotProven": 34,
    "DayLimitIsCountedBefore": 535,
    "CancelIgnoresThePost": 0,
    "CancelPaysNothingBack": 63,
    "CancelledPacketIsPosted": 16,
    "PostedBeforeItsTime": 63,
    "WaitingPacketIsOpened": 63,
    "BarredSendersPost": 475,
    "NamesAreIgnored": 0,
    "NamesAreForgotten": 0,
    "WordsAreNotNeeded": 2,
    "WordsAreForgotten": 16,
    "AttemptsAreNotCounted": 175,
    "WordsAreSaidTwice": 16,
    "AdmissionsAreNotFollowed": 16,
    "FriendsWhoAreInAreNotTold": 1_245,
    "FriendsOpenFirst": 16,
    "BillDayIsCountedBefore": 81,
    "BillsForgetTheirKey": 0,
    "NumbersAreLeasedTwice": 3,
    "RestIsLeasedTwice": 188,
    "RestIsForgotten": 3,
    "LeaseIsTakenAfterTheEnd": 7,
    "RestGoesBackEarly": 3,
    "RestGoesBackTwice": 4,
    "CampaignForgetsItsKey": 7,
    "CampaignEndsByTheWrongClock": 333,
    "LimitIsNotRecorded": 131,
    "LimitIsForgotten": 249,
    "WinsAreToldEarly": 3,
    "ReclaimSkipsTheRedrive": 483,
    "PauseIsNotFollowed": 10,
    "GroupIsIgnored": 20,
    "LeftIsTooSmall": 3,
    "DeadServersAreNotMissed": 3,
    "FailedRefundStaysInTransit": 61,
    "SilentRefundIsReturned": 60,
    "LostRequestsAreForgotten": 22,
    "LostRequestsAreServedTwice": 1,
    "LostBalancesAreNotTold": 29,
    "LostPostsAreNotTold": 22,
    "GapsEndBeforeTheCut": 22,
    "FramesAreNotCounted": 27,
    "NewPeersHearOfNoUsers": 1,
    "UsersWhoLeftAreKept": 19,
    "OwnersAreNotLearned": 1,
    "SubscriptionsStay": 607,
    "FollowersAreToldAgain": 363,
    "AwaySetCountsAsRecorded": 10_000,
    "GapsAreHealedInOneSet": 10_001,
    "UsersArePlacedTwice": 10_000,
    "CreditsOfOtherSetsAreNotTold": 10_003,
    "ClaimsLeaveBeforeTheyArrive": 10_000,
}
WITH_OWNERS_LINKS_AND_SETS = {one.__name__ for one in SPREAD_DEFECTS}
ERRORS_OF_THE_DEFECT = ("AttributeError", "NameError", "TypeError")  # it breaks itself, and nothing was found
WITH_A_BANK, WITH_KINDS_AND_CAMPAIGNS, WITH_PEERS = 13, 282, 317
WITH_A_RETURN = 475  # one of a hundred: a sender was barred when the time of a scheduled packet came
PACKETS = ("send", "claim", "credit", "refund")
PAYMENTS = ("charge", "payout", "paid_out", "payout_returned", "card_refund", "card_refund_returned", "order")
SCHEDULED = ("posted", "cancelled", "returned")
CAMPAIGNS = ("campaign", "lease", "lease_returned", "published", "campaign_ended", "campaign_returned")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "chunk",
    [0, *(pytest.param(chunk, marks=pytest.mark.long) for chunk in range(1, CHUNKS))],
)
def test_world_has_no_violation(chunk: int) -> None:
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        found = World(seed).run()
        assert not found, f"seed {seed}: {found[0]}\nreplay: python -m tests.sim {seed} --trace"


SETS_CHUNK = 6  # of worlds with owners, links and sets, which take longer


@pytest.mark.parametrize("chunk", [0, *(pytest.param(chunk, marks=pytest.mark.long) for chunk in range(1, 20))])
def test_world_with_owners_links_and_sets_has_no_violation(chunk: int) -> None:
    for seed in range(WITH_SETS + chunk * SETS_CHUNK, WITH_SETS + (chunk + 1) * SETS_CHUNK):
        found = World(seed).run()
        assert not found, f"seed {seed}: {found[0]}\nreplay: python -m tests.sim {seed} --trace"


@pytest.mark.parametrize("seed", FOUND)
def test_world_that_has_found_a_fault_has_no_violation(seed: int) -> None:
    found = World(seed).run()
    assert not found, f"{found[0]}\nreplay: python -m tests.sim {seed} --trace"


REPLAYS = """
import sys
from tests.sim.__main__ import replay
for seed in sys.argv[1:]:
    replay(int(seed), None, None, trace=True)
"""


def traces_of_another_process(seeds: Sequence[int], hash_seed: str) -> list[str]:
    """To start a process costs more than a world."""
    command = [sys.executable, "-c", REPLAYS, *map(str, seeds)]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.split("✓ no violation")


def test_seed_gives_the_same_world_in_every_process() -> None:
    seeds = 2, WITH_A_BANK, WITH_KINDS_AND_CAMPAIGNS, WITH_PEERS, WITH_SETS
    first, second = (traces_of_another_process(seeds, hash_seed) for hash_seed in ("1", "2"))
    assert len(first) == len(second) == len(seeds) + 1
    for trace, again in zip(first[:-1], second[:-1], strict=True):
        assert len(trace.splitlines()) > 100
        assert trace == again


def more_friends(plan: Plan) -> Plan:
    """More packets that are passed on, and more replies that are lost, in worlds with other kinds of packets."""
    if plan.kinds is None:
        return plan
    rates = plan.rates._replace(fails_before=0.05, fails_after=0.15)
    return plan._replace(rates=rates, kinds=plan.kinds._replace(packets=20, friends=6))


CHANGE_FOR_DEFECT = {"FriendsWhoAreInAreNotTold": more_friends}  # few of the usual plans find them
# No seed that was tried finds them with the present server: 10,000 for the first, 900 for the second. Their rules
# have planted faults on real stores: tests/mutants.
TOO_RARE = {"FailedBillsAreSent", "OwnerServesWithoutALease"}


@pytest.mark.parametrize("name", sorted(DEFECTS.keys() - TOO_RARE))
@pytest.mark.long
@pytest.mark.pure
def test_simulator_finds_each_defect(name: str) -> None:
    change = CHANGE_FOR_DEFECT.get(name, kept_plan)
    first = WITH_SETS if name in WITH_OWNERS_LINKS_AND_SETS else 0
    seeds = (SEED_OF_DEFECT.get(name, SEED_FOR_MOST), *range(first, first + 300))
    runs = ((seed, World(seed, DEFECTS[name](), change=change).run()) for seed in seeds)
    seed, found = next((run for run in runs if run[1]), (-1, []))
    assert found
    assert not World(seed, change=change).run(), f"seed {seed} fails without the defect, too"
    assert not [line for line in found if any(error in line for error in ERRORS_OF_THE_DEFECT)]


def test_loop_time_jumps_to_the_next_timer() -> None:
    loop = SimLoop()
    loop.run_until_complete(asyncio.sleep(86_400.0))
    assert loop.time() == pytest.approx(86_400.0)
    loop.close()


def test_loop_without_a_timer_raises_stuck() -> None:
    loop = SimLoop()
    waits = loop.create_task(asyncio.Event().wait())
    with pytest.raises(Stuck):
        loop.run_until_complete(waits)
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(waits)
    loop.close()


UNAVAILABLE = "store_unavailable"


@pytest.mark.long
def test_worlds_cover_both_durabilities_and_all_answers() -> None:
    """Packets are finished and refunded, and users receive every kind of answer, in the first worlds or soon."""
    wanted = {
        "durability": {"postgres", "redis"},
        "change": {*PACKETS, *PAYMENTS, *SCHEDULED, *CAMPAIGNS},
        "membership": {"join", "leave", "remove", "change", "sync", "ban"},
        "answer": {"ticket", "won", "claimed", "gone", "expired", "not_allowed", "busy", "no_ticket", UNAVAILABLE}
        | {"words_needed"},
    }
    seen: dict[str, set[str]] = {what: set() for what in wanted}
    for seed in (WITH_A_RETURN, *range(300)):  # 40, as a rule: an open whose ticket has lapsed is rare
        world = World(seed)
        world.run()
        seen["durability"].add(world.plan.durability)
        seen["change"] |= {entry[0] for entry in world.tables.journal}
        seen["membership"] |= set(world.churn.replied)
        seen["answer"] |= {str(one.answer) for one in world.answers}
        if all(seen[what] >= wanted[what] for what in wanted):
            break
    assert {what: wanted[what] - seen[what] for what in wanted} == {what: set() for what in wanted}
    assert (seen["change"], seen["membership"]) == (wanted["change"], wanted["membership"])


@pytest.mark.long
def test_worlds_cover_what_users_do_with_kinds_and_campaigns() -> None:
    """Every kind of answer, in the first worlds or soon."""
    wanted = {
        "kinds": {
            *("cancel ok", "cancel already_posted", "say ok", "say words_wrong", "say words_spent"),
            *("link ok", "show ok", "bill ok", "bill limit", "bill is SENT", "bill is RECEIVED"),
        },
        "campaigns": {"won", "nothing", "rest", "limit", "ended", "pause ok", "resume ok", "end ok"}
        | {"no_such_campaign", UNAVAILABLE},
    }
    seen: dict[str, set[str]] = {what: set() for what in wanted}
    for seed in range(500):
        plan = plan_of(seed)
        if plan.kinds is None and plan.campaigns is None:
            continue
        world = World(seed)
        world.run()
        seen["kinds"] |= set(world.kinds_side.seen) if world.kinds_side is not None else set()
        seen["campaigns"] |= set(world.campaign_side.seen) if world.campaign_side is not None else set()
        if all(seen[what] >= wanted[what] for what in wanted):
            break
    assert {what: wanted[what] - seen[what] for what in wanted} == {what: set() for what in wanted}


@pytest.mark.long
def test_worlds_with_peers_cover_what_happens_between_servers() -> None:
    """Forwarded requests, links that are cut and lose frames, and every answer, in the first worlds or soon."""
    wanted = {
        "seen": {"forwarded", "served", "cut", "freeze", "leave", "lost frame", "moved on", "page"},
        "answer": {"ticket", "won", "claimed", "gone", "expired", "not_allowed", "busy", "no_ticket"},
    }
    seen: dict[str, set[str]] = {what: set() for what in wanted}
    for seed in range(600):
        if plan_of(seed).peers is None:
            continue
        world = World(seed)
        world.run()
        assert world.peers_side is not None
        seen["seen"] |= set(world.peers_side.seen)
        seen["answer"] |= {str(one.answer) for one in world.answers}
        if all(seen[what] >= wanted[what] for what in wanted):
            break
    assert {what: wanted[what] - seen[what] for what in wanted} == {what: set() for what in wanted}


@pytest.mark.long
def test_worlds_with_owners_links_and_sets_cover_what_happens_to_one_set() -> None:
    """Credits between two commits, a further set that is down or stands still, in the first worlds or soon."""
    wanted = {"between commits", "restart", "freeze"}
    seen, peers = set[str](), set[str]()
    for seed in range(WITH_SETS, WITH_SETS + 60):
        world = World(seed)
        world.run()
        assert world.sets_side is not None
        assert world.peers_side is not None
        seen |= {what for what, times in world.sets_side.seen.items() if times}
        peers |= set(world.peers_side.seen)
        if seen >= wanted and peers >= {"forwarded", "cut"}:
            break
    assert wanted - seen == set()
    assert {"forwarded", "cut"} - peers == set()


@pytest.mark.long
def test_worlds_with_a_bank_cover_what_a_bank_and_users_do() -> None:
    """Every fault of the bank, every way of its notices, and every kind of answer, in the first worlds or soon."""
    wanted = {
        "bank": {*HONEST, *CONTRADICTIONS, *NOTICES, "closed"},
        "top_up": {"ok", "bank_declined", "bank_unknown", "bank_away", "limit", "password_wrong"},
        "withdraw": {"ok", "bank_declined", "bank_away", "limit", "password_wrong"},
        "refund": {"ok", "bank_declined", "bank_away", "limit"},
        "transfer": {"ok", "limit", "password_wrong"},
        "pay": {"ok"},
        "packet": {"ok", "bank_declined", "bank_unknown", "limit", "password_wrong"},
        "kept": {"not_a_member"},  # the sender was removed before the charge succeeded
        "bound": {"yes"},
    }
    seen: dict[str, set[str]] = {what: set() for what in wanted}
    for seed in range(1_000):
        if plan_of(seed).bank is None:
            continue
        world = World(seed)
        world.run()
        customers = world.bank_side.customers
        seen["bank"] |= set(world.bank_side.bank.seen)
        for request, outcomes in customers.outcomes.items():
            seen[request.what] |= {said for said, _ in outcomes}
        for (_, key), sends in world.sent.items():
            seen["packet"] |= {said for said, _ in sends if key.startswith(CARD_KEY)}
        seen["kept"] |= {row.reason for row in world.tables.payments.values() if row.state == "succeeded"}
        seen["bound"] |= {"yes"} if customers.bound else set()
        if all(seen[what] >= wanted[what] for what in wanted):
            break
    assert {what: wanted[what] - seen[what] for what in wanted} == {what: set() for what in wanted}
