"""The characters of simulated users: a table of habits in plain values, and what follows from them and a seed.

What a user does unasked, and how a user reacts to each packet, is drawn from a seed and from nothing else. So the
seed decides which user does what, when and how fast; the outcome depends on the network as well.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

SEEDS = 2**64  # as many seeds for the choices within one act
REACTION_MOST = 3.0  # a reaction takes at most this many times the median
LATE_PART_MOST = 0.05  # of the run: a user who waits for a moment is at most this late

AMOUNTS_FEN = (166, 188, 288, 520, 600, 666, 888, 999, 1314, 1688, 1888)
SHARE_AMOUNTS_FEN = (10, 20, 66, 88, 100, 166)


class Reaction(NamedTuple):
    """How soon a user reacts: the median in seconds, and the factor around it for two thirds of all times."""

    median_s: float
    spread: float

    def draw_s(self, rng: Random) -> float:
        """One time in seconds. Human reactions are skewed: seldom much faster, sometimes much slower."""
        drawn_s = rng.lognormvariate(math.log(self.median_s), math.log(self.spread))
        return min(drawn_s, self.median_s * REACTION_MOST)


@dataclass(frozen=True, slots=True)
class Giving:
    """What a user sends: weights of kinds, totals of lucky and personal packets, amounts of one equal share."""

    kinds: Mapping[str, float]
    amounts_fen: tuple[int, ...] = AMOUNTS_FEN
    share_amounts_fen: tuple[int, ...] = SHARE_AMOUNTS_FEN
    shares: tuple[int, int] = (1, 10)  # least and most, and at most the number of members


@dataclass(frozen=True, slots=True)
class Character:
    """Habits. Times are seconds as (least, most), chances are from 0 to 1, acts have weights.

    The acts are those of acts.ACTS.
    """

    act_every_s: tuple[float, float]
    acts: Mapping[str, float]
    reaction: Reaction  # between the arrival of a packet and the tap on it
    taps: float = 0.95  # the chance that a packet is tapped
    opens: float = 1.0  # … that a tapped packet is opened
    opens_twice: float = 0.0
    looks: float = 0.3  # … that the open page is looked at first
    reads: float = 0.2  # … that the result page is looked at afterwards
    passes_on: float = 0.7  # … that a user who opened a fission packet passes it on
    continues_chain: float = 0.0  # … that a user with the best luck sends the next packet (接龙)
    sends_at: float | None = None  # the part of the run at which the user sends one packet in any case
    slows_in_large_groups: bool = True
    away_s: tuple[float, float] = (0.3, 2.5)
    giving: Giving = Giving({"lucky": 6, "equal": 2, "personal": 2})
    wallet_fen: int = 20_000
    card: float = 0.0  # the chance that a user binds a card, where there is a bank
    pays_by_card: float = 0.6  # … that a user with a card pays a packet by it


AWAKE = Reaction(0.6, 1.8)
DROWSY = Reaction(2.0, 1.8)
NEVER = (1.0, 1.0)
PEOPLE = Reaction(3.0, 1.4)  # beside a person, users take so long to notice a packet: the person has a chance then

CHARACTERS: dict[str, Character] = {
    "normal": Character((1.0, 3.0), {"say": 1, "send": 1, "schedule": 0.2}, AWAKE, card=0.4),
    "fast": Character((1.5, 4.0), {"say": 1}, Reaction(0.25, 1.3), taps=1.0, looks=0.0),
    "sleeper": Character((3.0, 6.0), {"say": 1}, DROWSY, opens=0.3),
    "talker": Character((0.5, 1.5), {"say": 1}, AWAKE, reads=0.5),
    "giver": Character(
        (1.0, 2.0),
        {"send": 1},
        AWAKE,
        taps=0.5,
        reads=0.5,
        giving=Giving({"lucky": 6, "equal": 2, "personal": 2, "exclusive": 2, "password": 2}),
        card=1.0,
        pays_by_card=0.8,
    ),
    "chain": Character(
        (10.0, 24.0),
        {"say": 4, "send": 1},
        Reaction(0.5, 1.5),
        continues_chain=0.75,
        giving=Giving({"lucky": 1}, shares=(2, 3)),
    ),
    "bot": Character(NEVER, {}, Reaction(0.004, 1.5), taps=1.0, looks=0.0, reads=0.0),
    "greedy": Character(
        (0.4, 1.2), {"try_foreign": 5, "send": 1}, Reaction(0.05, 1.5), taps=1.0, opens_twice=0.5, looks=0.0
    ),
    "wanderer": Character((1.0, 3.0), {"say": 1, "send": 1, "lose_network": 1, "restart": 1}, AWAKE, card=0.5),
    "onlooker": Character(NEVER, {}, AWAKE, taps=0.0),  # acts only when a scenario makes it act
    "celebrant": Character((2.0, 6.0), {"say": 1}, Reaction(0.4, 1.5), sends_at=0.5, card=0.5),
    "elder": Character(
        (6.0, 16.0),
        {"send": 3, "say": 1, "schedule": 1},
        DROWSY,
        giving=Giving({"personal": 4, "fission": 1, "lucky": 1}),
        card=0.5,
    ),
    "colleague": Character(
        (1.5, 4.0), {"say": 4, "send": 1}, AWAKE, giving=Giving({"equal": 2, "lucky": 1}), card=0.5
    ),
    "boss": Character(
        (0.8, 1.6),
        {"send": 1},
        DROWSY,
        taps=0.0,
        slows_in_large_groups=False,
        giving=Giving({"equal": 9, "lucky": 1}, (8800, 18800), (200, 500, 666, 888), (10, 20)),
        wallet_fen=1_000_000,
    ),
    "sponsor": Character(
        (1.0, 2.0),
        {"send": 1},
        AWAKE,
        taps=0.0,
        slows_in_large_groups=False,
        giving=Giving({"lucky": 1}, (28800, 58800, 88800), shares=(30, 60)),
        wallet_fen=2_000_000,
    ),
}


class Step(NamedTuple):
    """One act of a plan: when, which one, and the seed for the choices within it."""

    at_s: float
    act: str
    seed: int


def plan(character: Character, rng: Random, seconds: float, pace: float = 1.0) -> Iterator[Step]:
    """What a user does unasked within `seconds`; `pace` stretches the time between two acts.

    The steps are drawn while they are read, so a run may be of any length.
    """
    steps = heapq.merge(_fixed_send(character, Random(rng.randrange(SEEDS)), seconds), _acts(character, rng, pace))
    for step in steps:
        if step.at_s >= seconds:
            break
        yield step


def _fixed_send(character: Character, rng: Random, seconds: float) -> Iterator[Step]:
    if character.sends_at is not None:
        late_s = min(character.reaction.draw_s(rng), LATE_PART_MOST * seconds)
        yield Step(character.sends_at * seconds + late_s, "send", rng.randrange(SEEDS))


def _acts(character: Character, rng: Random, pace: float) -> Iterator[Step]:
    least_s, most_s = character.act_every_s
    at_s = rng.uniform(0.0, most_s) * pace  # the first act at a random time: users do not act in step
    while character.acts:
        (act,) = rng.choices(list(character.acts), list(character.acts.values()))
        yield Step(at_s, act, rng.randrange(SEEDS))
        at_s += rng.uniform(least_s, most_s) * pace


class Response(NamedTuple):
    """The reaction to one packet: whether and how soon it is tapped, and what follows the tap."""

    taps: bool
    after_s: float
    looks: bool
    opens: bool
    twice: bool
    reads: bool
    passes_on: bool


def respond(character: Character, rng: Random) -> Response:
    """The reaction to the next packet that a user receives."""
    after_s = character.reaction.draw_s(rng)
    chances = (character.looks, character.opens, character.opens_twice, character.reads, character.passes_on)
    return Response(rng.random() < character.taps, after_s, *(rng.random() < chance for chance in chances))
