"""Who simulated people are: a table of characters, each a set of habits in plain values.

What a person does of their own accord, and how they meet the packets that appear, is drawn here from a seed and
from nothing else. So a seed says who does what, when, and how fast; what comes of it depends on the network, too.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

DICE = 2**64  # as many seeds for what one act chooses
REACTION_MOST = 3.0  # nobody takes longer than this many times their median
STROKE_LATE_PART = 0.05  # of the evening: who waits for a moment does not miss it

AMOUNTS_FEN = (166, 188, 288, 520, 600, 666, 888, 999, 1314, 1688, 1888)
SHARE_AMOUNTS_FEN = (10, 20, 66, 88, 100, 166)


class Reaction(NamedTuple):
    """How soon somebody reacts: the median in seconds, and the factor around it within which two thirds lie."""

    median_s: float
    spread: float

    def draw_s(self, dice: Random) -> float:
        """One time, in seconds. Reactions of people are skewed: seldom much faster, sometimes much slower."""
        drawn_s = dice.lognormvariate(math.log(self.median_s), math.log(self.spread))
        return min(drawn_s, self.median_s * REACTION_MOST)


@dataclass(frozen=True, slots=True)
class Giving:
    """What somebody sends: kinds by how often, totals of lucky and personal packets, amounts of one equal share."""

    kinds: Mapping[str, float]
    amounts_fen: tuple[int, ...] = AMOUNTS_FEN
    share_amounts_fen: tuple[int, ...] = SHARE_AMOUNTS_FEN
    shares: tuple[int, int] = (1, 10)  # least and most; never more than there are people


@dataclass(frozen=True, slots=True)
class Character:
    """Habits. Times in seconds as (least, most), chances from 0 to 1, acts by how often they are chosen.

    Acts are those of user.ACTS.
    """

    act_every_s: tuple[float, float]
    acts: Mapping[str, float]
    reaction: Reaction  # between the appearance of a packet and the tap on it
    taps: float = 0.95  # the chance that a packet is tapped at all
    opens: float = 1.0  # … that what was tapped is opened, too
    opens_twice: float = 0.0
    looks: float = 0.3  # … that the open page is looked at first
    reads: float = 0.2  # … that the result page is looked at afterwards
    passes_on: float = 0.0  # … that having had the best luck they send the next packet (接龙)
    stroke: float | None = None  # the part of the evening at which they send one packet in any case
    in_turn: bool = True  # acts less often in a large group
    away_s: tuple[float, float] = (0.3, 2.5)
    giving: Giving = Giving({"lucky": 6, "equal": 2, "personal": 2})
    pocket_fen: int = 20_000


AWAKE = Reaction(0.6, 1.8)
DROWSY = Reaction(2.0, 1.8)
NEVER = (1.0, 1.0)

CHARACTERS: dict[str, Character] = {
    "normal": Character((1.0, 3.0), {"say": 1, "send": 1}, AWAKE),
    "fast": Character((1.5, 4.0), {"say": 1}, Reaction(0.25, 1.3), taps=1.0, looks=0.0),
    "sleeper": Character((3.0, 6.0), {"say": 1}, DROWSY, opens=0.3),
    "talker": Character((0.5, 1.5), {"say": 1}, AWAKE, reads=0.5),
    "giver": Character((1.0, 2.0), {"send": 1}, AWAKE, taps=0.5, reads=0.5),
    "chain": Character(
        (10.0, 24.0),
        {"say": 4, "send": 1},
        Reaction(0.5, 1.5),
        passes_on=0.75,
        giving=Giving({"lucky": 1}, shares=(2, 3)),
    ),
    "bot": Character(NEVER, {}, Reaction(0.004, 1.5), taps=1.0, looks=0.0, reads=0.0),
    "greedy": Character(
        (0.4, 1.2), {"snoop": 5, "send": 1}, Reaction(0.05, 1.5), taps=1.0, opens_twice=0.5, looks=0.0
    ),
    "wanderer": Character((1.0, 3.0), {"say": 1, "send": 1, "tunnel": 1, "restart": 1}, AWAKE),
    "onlooker": Character(NEVER, {}, AWAKE, taps=0.0),  # does nothing unless a scenario says so
    "celebrant": Character((2.0, 6.0), {"say": 1}, Reaction(0.4, 1.5), stroke=0.5),
    "elder": Character((6.0, 16.0), {"send": 3, "say": 1}, DROWSY, giving=Giving({"personal": 3, "lucky": 1})),
    "colleague": Character((1.5, 4.0), {"say": 4, "send": 1}, AWAKE, giving=Giving({"equal": 2, "lucky": 1})),
    "boss": Character(
        (0.8, 1.6),
        {"send": 1},
        DROWSY,
        taps=0.0,
        in_turn=False,
        giving=Giving({"equal": 9, "lucky": 1}, (8800, 18800), (200, 500, 666, 888), (10, 20)),
        pocket_fen=1_000_000,
    ),
    "sponsor": Character(
        (1.0, 2.0),
        {"send": 1},
        AWAKE,
        taps=0.0,
        in_turn=False,
        giving=Giving({"lucky": 1}, (28800, 58800, 88800), shares=(30, 60)),
        pocket_fen=2_000_000,
    ),
}


class Step(NamedTuple):
    """One act of a plan: when, which, and the seed of all that it chooses by itself."""

    at_s: float
    act: str
    dice: int


def plan(character: Character, dice: Random, seconds: float, pace: float = 1.0) -> Iterator[Step]:
    """What somebody does of their own accord within `seconds`; `pace` stretches the time between two acts.

    Drawn as it is read, so that an evening may be as long as one likes.
    """
    steps = heapq.merge(_strokes(character, Random(dice.randrange(DICE)), seconds), _habit(character, dice, pace))
    for step in steps:
        if step.at_s >= seconds:
            break
        yield step


def _strokes(character: Character, dice: Random, seconds: float) -> Iterator[Step]:
    if character.stroke is not None:
        late_s = min(character.reaction.draw_s(dice), STROKE_LATE_PART * seconds)
        yield Step(character.stroke * seconds + late_s, "send", dice.randrange(DICE))


def _habit(character: Character, dice: Random, pace: float) -> Iterator[Step]:
    least_s, most_s = character.act_every_s
    at_s = dice.uniform(0.0, most_s) * pace  # the first act at any time: nobody acts in step
    while character.acts:
        (act,) = dice.choices(list(character.acts), list(character.acts.values()))
        yield Step(at_s, act, dice.randrange(DICE))
        at_s += dice.uniform(least_s, most_s) * pace


class Response(NamedTuple):
    """How one packet is met: whether and how soon it is tapped, and what follows the tap."""

    taps: bool
    after_s: float
    looks: bool
    opens: bool
    twice: bool
    reads: bool


def respond(character: Character, dice: Random) -> Response:
    """How the next packet is met that appears before somebody."""
    after_s = character.reaction.draw_s(dice)
    chances = (character.looks, character.opens, character.opens_twice, character.reads)
    return Response(dice.random() < character.taps, after_s, *(dice.random() < chance for chance in chances))
