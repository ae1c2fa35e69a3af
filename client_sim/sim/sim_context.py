"""What all users of a crowd share: the server's address, names, the witness, and the ticker of the screen."""

from __future__ import annotations

import secrets
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from client_sim.bank.desk import BankDesk
from client_sim.sdk.client import Client
from client_sim.sdk.money import YUAN, MoneyUnit
from client_sim.sim.books import Order
from client_sim.sim.shakes.book import ShakeBook
from client_sim.sim.witness import Witness
from client_sim.sim.words import PACKETS, words
from protocol import messages

_NAMES = (
    "Lin 小梅 Wei 阿强 Mei 老王 Jun 小雨 Fang 阿明 Tao 小燕 Hua 大山 Ling 阿珍 Bo 小虎 Yan 老李 Qing 小芳 "
    "Kai 阿杰 Xia 小龙 Rui 阿丽 Peng 小满 Yun 老张 Zhen 小鱼 Hao 阿花 Min 小北 Lei 阿宝 Nan 小桃 Shan 老陈 "
    "Dan 阿福 Ping 小禾 Yu 大刘 Jing 阿秋 Chen 小叶 Ran 老周 Xin 阿琴 Gang 小舟 Ying 阿贵 Zhi 小莲"
)
NAMES = _NAMES.split()

USERS_MOST = 100_000  # each seed has its own range of user ids, so two crowds have no user in common
SEEDS_MOST = 10**9
RECENT_PACKETS = 200
TICKER_LINES = 50


def now_ms() -> int:
    """The version of a member list: the chat backend's clock."""
    return time.time_ns() // 1_000_000


def user_id_at(seed: int, index: int) -> int:
    """The id of the user with this index, from 0, in the crowd of this seed."""
    return (1 + seed % SEEDS_MOST) * USERS_MOST + index


def index_of(user_id: int) -> int:
    """The index of a user in their crowd."""
    return user_id % USERS_MOST


def name_of(user_id: int) -> str:
    """A short name. After the last name of the list come Lin2, 小梅2, …."""
    turn, place = divmod(index_of(user_id), len(NAMES))
    return f"{NAMES[place]}{turn + 1}" if turn else NAMES[place]


@dataclass(slots=True)
class Group:
    """A group and its members."""

    name: str
    member_ids: list[int]  # the first one owns it
    relay_times: int = 0  # the rule 接龙 of the group; 0: none
    external_id: str = field(default_factory=lambda: f"sim-{secrets.token_hex(8)}")  # a new group in each run
    group_id: int = 0  # given by the server


class SeenPacket(NamedTuple):
    """A packet that was sent lately."""

    packet_id: int
    order: Order


@dataclass(slots=True)
class SimContext:
    """One for a whole crowd. `mint` makes the token of a user id, as the chat backend would.

    `language`: zh or en, of what users say and of what is shown.
    """

    url: str
    mint: Callable[[int], str]
    language: str = "en"
    money: MoneyUnit = YUAN  # once the chat backend has connected: that of the server
    guests: dict[int, str] = field(default_factory=dict)  # names of people who are not part of the crowd
    witness: Witness = field(default_factory=Witness)
    bank: BankDesk | None = None  # where users bind their cards
    payments: Counter[str] = field(default_factory=Counter)  # by card, as users were answered
    shakes: ShakeBook = field(default_factory=ShakeBook)  # the campaign of now, which is the last of the rounds
    rounds: list[ShakeBook] = field(default_factory=list)
    has_company: bool = False  # guests are there: a crowd that shakes goes on until they leave
    recent: deque[SeenPacket] = field(default_factory=lambda: deque(maxlen=RECENT_PACKETS))
    ticker: deque[str] = field(default_factory=lambda: deque(maxlen=TICKER_LINES))

    def client(self, user_id: int, positions: dict[int, int] | None = None) -> Client:
        """A client of that user, not connected yet."""
        return Client(self.url, self.mint(user_id), positions=positions)

    def words(self, key: str, **fields: object) -> str:
        """A text in the language of the run."""
        return words(self.language, key, **fields)

    def amount(self, amount_fen: int) -> str:
        """An amount with its unit."""
        return self.money.short(self.language, amount_fen)

    def show(self, key: str, **fields: object) -> None:
        """Append a line to the ticker."""
        self.ticker.append(self.words(key, **fields))

    def record_send(self, order: Order, sent: messages.PacketSent) -> None:
        """A packet was sent."""
        self.witness.record_send(order, sent)
        self.recent.append(SeenPacket(sent.packet_id, order))
        kind = PACKETS[order.kind].in_language(self.language)
        about = {"sender": name_of(order.sender_id), "amount": self.amount(sent.total_fen), "kind": kind}
        if order.send_at_ms:
            self.show("scheduled", **about)
        elif order.kind in ("personal", "fission"):
            self.show("sent_to", receiver=name_of(order.target_id), **about)
        else:
            self.show("sent", **about)

    def record_open(self, user_id: int, opened: messages.Opened, took_ms: float) -> None:
        """An open was answered."""
        self.witness.record_open(user_id, opened, took_ms)
        if opened.answer == "won":
            self.show("won", name=name_of(user_id), amount=self.amount(opened.amount_fen))

    def show_finish(self, finished: messages.PacketFinished) -> None:
        """The last share of a packet was opened."""
        if finished.best_user_id:
            best, amount = name_of(finished.best_user_id), self.amount(finished.best_amount_fen)
            self.show("finished", best=best, amount=amount)
