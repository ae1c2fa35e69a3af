"""The journal played again, with packets, pools and wallets of its own: the second opinion on the tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.sim.bank.check import wallet_changes

if TYPE_CHECKING:
    from tests.sim.world import World

FREE, LEASED, WON = 0, 1, 2  # what became of a number of a pool


class Replay:
    """What follows from the entries of a journal, one after the other. `wrong`: what cannot be."""

    def __init__(self, wallets: dict[int, int]) -> None:
        self.wallets: Counter[int] = Counter(wallets)
        self.wrong: list[str] = []
        self.left_fen: dict[int, int] = {}  # of packets, and of the pools of campaigns
        self.owner: dict[int, int] = {}  # whose a refund is: of a packet the sender, of a lease its campaign
        self.holds: dict[int, dict[int, int]] = defaultdict(dict)
        self.credited: Counter[tuple[int, int]] = Counter()
        self.over: set[int] = set()  # packets that were paid back, campaigns whose rest went back
        self.keys: Counter[tuple[int, str]] = Counter()
        self.ended: dict[int, str] = {}  # scheduled packets, and how they ended to wait
        self.numbers: dict[int, dict[int, int]] = defaultdict(dict)  # of each pool
        self.leases: dict[int, tuple[int, int, int]] = {}  # campaign, first number, numbers
        self.leased_fen: Counter[int] = Counter()  # by campaign, as the next two
        self.returned_fen: Counter[int] = Counter()
        self.won_fen: Counter[int] = Counter()

    def play(self, journal: list[tuple[Any, ...]]) -> None:
        for what, *words in journal:
            entry = ENTRIES.get(what)
            if entry is None:
                self.wallets.update(wallet_changes(what, words))
            else:
                entry(self, *words)

    # --- packets ----------------------------------------------------------------------------------------------

    def send(self, packet_id: int, user_id: int, key: str, fen: int) -> None:
        self.left_fen[packet_id], self.owner[packet_id] = fen, user_id
        self.wallets[user_id] -= fen
        self.keys[user_id, key] += 1

    def claim(self, packet_id: int, index: int, user_id: int, fen: int, _: int) -> None:
        if packet_id in self.over:
            self.wrong.append(f"{packet_id}: claim {index} after the refund")
        if user_id in self.holds[packet_id] or index != len(self.holds[packet_id]):
            self.wrong.append(f"{packet_id}: claim {index} of {user_id} on top of {self.holds[packet_id]}")
        self.holds[packet_id][user_id] = fen
        self.left_fen[packet_id] -= fen
        if packet_id in self.leases:
            campaign_id, first, _ = self.leases[packet_id]
            self.won_fen[campaign_id] += fen
            self.turn(campaign_id, first + index, LEASED, WON)

    def refund(self, packet_id: int, fen: int) -> None:
        if packet_id in self.over:
            self.wrong.append(f"{packet_id} was refunded twice")
        self.over.add(packet_id)
        self.left_fen[packet_id] -= fen
        self.wallets[self.owner[packet_id]] += fen

    def credit(self, packet_id: int, user_id: int, fen: int) -> None:
        self.credited[packet_id, user_id] += 1
        self.wallets[user_id] += fen
        if self.holds[packet_id].get(user_id) != fen:
            held = self.holds[packet_id].get(user_id)
            self.wrong.append(f"{packet_id}: {user_id} was credited {fen}, claimed {held}")

    def end_waiting(self, what: str, packet_id: int, barred: bool = False) -> None:
        if barred:
            self.wrong.append(f"{packet_id} was {what} although its sender may not send it any more")
        if packet_id in self.ended:
            self.wrong.append(f"{packet_id} was {what} after it was {self.ended[packet_id]}")
        if self.holds[packet_id]:
            self.wrong.append(f"{packet_id} was {what} with the claims {self.holds[packet_id]}")
        self.ended[packet_id] = what

    # --- campaigns --------------------------------------------------------------------------------------------

    def campaign(self, campaign_id: int, sponsor_id: int, key: str, fen: int) -> None:
        self.send(campaign_id, sponsor_id, key, fen)

    def lease(self, packet_id: int, campaign_id: int, first: int, numbers: int, fen: int) -> None:
        self.leases[packet_id] = campaign_id, first, numbers
        self.left_fen[packet_id], self.owner[packet_id] = fen, campaign_id
        self.left_fen[campaign_id] -= fen
        self.leased_fen[campaign_id] += fen
        if campaign_id in self.over or self.left_fen[campaign_id] < 0:
            self.wrong.append(f"lease {packet_id} of {fen} fen is more than campaign {campaign_id} has")
        for number in range(first, first + numbers):
            self.turn(campaign_id, number, FREE, LEASED)

    def lease_returned(self, packet_id: int, rest: int, fen: int) -> None:
        campaign_id, first, numbers = self.leases[packet_id]
        if packet_id in self.over:
            self.wrong.append(f"lease {packet_id} was returned twice")
        self.over.add(packet_id)
        self.left_fen[packet_id] -= fen
        self.left_fen[campaign_id] += fen
        self.returned_fen[campaign_id] += fen
        for number in range(first + numbers - rest, first + numbers):
            self.turn(campaign_id, number, LEASED, FREE)

    def turn(self, campaign_id: int, number: int, before: int, after: int) -> None:
        """A number of a pool becomes leased, won, or free again."""
        found = self.numbers[campaign_id].get(number, FREE)
        if found != before:
            names = ("free", "leased", "won")
            self.wrong.append(f"campaign {campaign_id}: number {number} is {names[found]}, becomes {names[after]}")
        self.numbers[campaign_id][number] = after

    def campaign_returned(self, campaign_id: int, fen: int) -> None:
        self.refund(campaign_id, fen)
        if LEASED in self.numbers[campaign_id].values():
            self.wrong.append(f"the rest of campaign {campaign_id} went back while numbers were leased")


ENTRIES: dict[str, Callable[..., None]] = {
    "send": Replay.send,
    "claim": Replay.claim,
    "refund": Replay.refund,
    "credit": Replay.credit,
    "posted": lambda one, packet_id, barred: one.end_waiting("posted", packet_id, barred),
    "cancelled": lambda one, packet_id: one.end_waiting("cancelled", packet_id),
    "returned": lambda one, packet_id: one.end_waiting("returned", packet_id),
    "campaign": Replay.campaign,
    "lease": Replay.lease,
    "lease_returned": Replay.lease_returned,
    "campaign_returned": Replay.campaign_returned,
    "campaign_ended": lambda one, campaign_id, at_s: None,
    "published": lambda one, campaign_id, told, left: None,
}


def replayed(world: World) -> Replay:
    """The whole journal of a world."""
    replay = Replay(world.funds)
    replay.play(world.tables.journal)
    return replay


def journal_agrees_with_tables(world: World) -> list[str]:
    """Replay the journal, and compare the result with the tables."""
    replay = replayed(world)
    wrong, wallets = replay.wrong, replay.wallets
    owed = {(packet_id, user_id): 1 for packet_id, users in replay.holds.items() for user_id in users}
    if dict(replay.credited) != owed:
        wrong.append(f"settled are {dict(replay.credited)}, owed {owed}")
    wrong += [f"{packet_id}: {fen} fen are left over" for packet_id, fen in replay.left_fen.items() if fen]
    wrong += [f"{key} was debited {times} times" for key, times in replay.keys.items() if times > 1]
    if {user: fen for user, fen in world.tables.wallets.items() if fen} != {u: f for u, f in wallets.items() if f}:
        wrong.append("the wallets do not follow from the journal")
    if any(fen < 0 for fen in world.tables.wallets.values()):
        wrong.append("a wallet is below zero")
    return wrong
