"""The parameters of a world, drawn from its seed, and the config of its servers."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import NamedTuple

from server import config
from tests.sim.bank.plan import BankPlan, bank_plan
from tests.sim.campaigns.plan import CampaignPlan, campaign_plan
from tests.sim.faults import Rates
from tests.sim.kinds.plan import ATTEMPTS_MAX, BILL_FEN_A_DAY, BILLS_A_DAY, DEPTH_MAX, KindsPlan, kinds_plan
from tests.sim.peers.plan import PeersPlan, peers_plan, some_peers
from tests.sim.sets.plan import SetsPlan, sets_plan

GROUP = 2**53 + 77
OWNER = 1
INVITE = "SIMSIMSIMSIMSIMS"
SEED_KEYS = {"sim": bytes(32)}
TOKEN_KEYS = {"sim": bytes(range(32))}
START_FEN = 20_000
SPONSOR = 700
SPONSOR_FEN = 1_000_000
# These worlds have found defects before there were other kinds and campaigns: they are as they were.
EARLIER = frozenset({5, 8, 13, 15, 26, 31, 32, 38, 45, 86, 134, 171, 186})
WITH_SETS = 10_000  # the first seed whose world has owners, links and sets; those below are as they were


class Plan(NamedTuple):
    """The parameters of a world, drawn from its seed."""

    durability: str
    users: int
    packets: int
    lifetime_s: float
    rates: Rates
    nemesis_s: float  # mean time between faults of the nemesis
    length_s: float
    skew_ms: int  # difference of the servers' times at their start
    hoarders: int  # members who grab and never open
    per_share: int  # tickets per unopened share
    churn_s: float  # mean time between changes of members and bans
    clocks_jump: bool  # the nemesis sets clocks, that of the database too
    bank: BankPlan | None = None
    kinds: KindsPlan | None = None
    campaigns: CampaignPlan | None = None
    peers: PeersPlan | None = None
    sets: SetsPlan | None = None

    @property
    def has_sponsor(self) -> bool:
        """A sponsor, with money, who gives bills or campaigns."""
        return self.kinds is not None or self.campaigns is not None

    @property
    def members(self) -> range:
        """All users of the group; the hoarders are the last ones."""
        return range(1, self.users + self.hoarders + 1)


def plan_of(seed: int) -> Plan:
    """The plan of a seed. Its parts have a randomness of their own: worlds without them are as they were."""
    drawn = plan(random.Random(f"plan {seed}"))
    if seed >= WITH_SETS:
        peers, sets = some_peers(random.Random(f"peers plan {seed}")), sets_plan(random.Random(f"sets plan {seed}"))
        return drawn._replace(peers=peers, sets=sets, packets=3 * drawn.packets)  # of more than one set at a time
    bank = bank_plan(random.Random(f"bank plan {seed}"), drawn.users)
    if seed in EARLIER:
        return drawn._replace(bank=bank)
    kinds = kinds_plan(random.Random(f"kinds plan {seed}"))
    campaigns = campaign_plan(random.Random(f"campaign plan {seed}"))
    others = bank, kinds, campaigns
    peers = peers_plan(random.Random(f"peers plan {seed}")) if others == (None, None, None) else None
    drawn = drawn._replace(bank=bank, kinds=kinds, campaigns=campaigns, peers=peers)
    return drawn._replace(packets=max(1, drawn.packets // 2)) if drawn.has_sponsor else drawn


def plan(rng: random.Random) -> Plan:
    """Draw a plan: quiet worlds find defects that faults would hide, wild worlds find the others."""
    fault_rate_max = rng.choice((0.0, 0.02, 0.08, 0.2))
    return Plan(
        durability=rng.choice(("postgres", "redis")),
        users=rng.randint(4, 12),
        packets=rng.randint(2, 6),
        lifetime_s=rng.choice((1.0, 2.0, 4.0, 20.0)),
        rates=Rates(
            *(rng.uniform(0.0, fault_rate_max) for _ in range(4)), latency_s=rng.choice((0.002, 0.02, 0.3))
        ),
        nemesis_s=rng.choice((0.5, 2.0, 1e6)),
        length_s=rng.choice((4.0, 10.0)),
        skew_ms=rng.choice((0, 5, 400)),
        hoarders=rng.choice((0, 3, 10)),
        per_share=rng.choice((1, 4)),
        churn_s=rng.choice((0.2, 1.0, 1e6, 1e6)),
        clocks_jump=rng.random() < 0.4,
    )


@lru_cache(maxsize=16)
def settings(durability: str, lifetime_s: float, per_share: int, day_limit_fen: int, node: int) -> config.Config:
    """The config of one server."""
    values = {
        "server.node": node,
        "stores.durability": durability,
        "limits.packet_lifetime_s": lifetime_s,
        "limits.ticket_lifetime_s": 4.0,
        "limits.ticket_grace_s": 1.0,
        "limits.tickets_per_share": per_share,
        "refunds.interval_s": 0.2,
        "settlement.idle_s": 1.0,
        "settlement.batch_max": 7,
        "payments.day_limit_fen": day_limit_fen,
        "limits.words_attempts_max": ATTEMPTS_MAX,
        "limits.pass_on_depth_max": DEPTH_MAX,
        "enterprise.user_packets_a_day": BILLS_A_DAY,
        "enterprise.user_fen_a_day": BILL_FEN_A_DAY,
    }
    return config.load(None, values, environment={})
