"""What the users of a crowd have in common: where the server is, their names, what is going on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from client_sim.sdk.client import Client
from client_sim.sdk.money import yuan
from client_sim.sim.books import Order
from client_sim.sim.witness import Witness
from protocol import messages

_NAMES = (
    "Lin 小梅 Wei 阿强 Mei 老王 Jun 小雨 Fang 阿明 Tao 小燕 Hua 大山 Ling 阿珍 Bo 小虎 Yan 老李 Qing 小芳 "
    "Kai 阿杰 Xia 小龙 Rui 阿丽 Peng 小满 Yun 老张 Zhen 小鱼 Hao 阿花 Min 小北 Lei 阿宝 Nan 小桃 Shan 老陈 "
    "Dan 阿福 Ping 小禾 Yu 大刘 Jing 阿秋 Chen 小叶 Ran 老周 Xin 阿琴 Gang 小舟 Ying 阿贵 Zhi 小莲"
)
NAMES = _NAMES.split()

USERS_MOST = 100_000  # each seed has as many user ids of its own, so that two crowds do not meet
SEEDS_MOST = 10**9
RECENT_PACKETS = 200
TICKER_LINES = 50

KIND_NAMES = {"lucky": "拼手气红包", "equal": "普通红包", "personal": "个人红包"}


def user_id_of(seed: int, place: int) -> int:
    """The id of the user at a place, from 0, in the crowd of that seed."""
    return (1 + seed % SEEDS_MOST) * USERS_MOST + place


def place_of(user_id: int) -> int:
    """The user's place in their crowd."""
    return user_id % USERS_MOST


def name_of(user_id: int) -> str:
    """A short name; when the names run out, the next users are called Lin2, 小梅2, …."""
    turn, place = divmod(place_of(user_id), len(NAMES))
    return f"{NAMES[place]}{turn + 1}" if turn else NAMES[place]


@dataclass(slots=True)
class Group:
    """A group and who is in it."""

    name: str
    member_ids: list[int]  # the first one owns it
    group_id: int = 0  # given by the server


class SeenPacket(NamedTuple):
    """A packet that people talk about."""

    packet_id: int
    order: Order


@dataclass(slots=True)
class SimContext:
    """One for a whole crowd. `mint` makes the token of a user, as the chat backend would."""

    url: str
    mint: Callable[[int], str]
    guests: dict[int, str] = field(default_factory=dict)  # names of people who are not of the crowd
    witness: Witness = field(default_factory=Witness)
    recent: deque[SeenPacket] = field(default_factory=lambda: deque(maxlen=RECENT_PACKETS))
    ticker: deque[str] = field(default_factory=lambda: deque(maxlen=TICKER_LINES))

    def client(self, user_id: int, positions: dict[int, int] | None = None) -> Client:
        """A client of that user, not yet connected."""
        return Client(self.url, self.mint(user_id), positions=positions)

    def tell(self, line: str) -> None:
        """Something that people on the square would talk about."""
        self.ticker.append(line)

    def tell_sent(self, order: Order, sent: messages.PacketSent) -> None:
        """A packet is out."""
        self.witness.was_sent(order, sent)
        self.recent.append(SeenPacket(sent.packet_id, order))
        receiver = f"给 {name_of(order.target_id)} " if order.kind == "personal" else ""
        self.tell(f"{name_of(order.sender_id)} {receiver}发了 {yuan(sent.total_fen)} 元 {KIND_NAMES[order.kind]}")

    def tell_opened(self, user_id: int, opened: messages.Opened, took_ms: float) -> None:
        """Somebody opened a packet, or came too late."""
        self.witness.was_opened(user_id, opened, took_ms)
        if opened.answer == "won":
            self.tell(f"{name_of(user_id)} 抢到 {yuan(opened.amount_fen)} 元")

    def tell_finished(self, finished: messages.PacketFinished) -> None:
        """The last share of a packet is opened."""
        if finished.best_user_id:
            self.tell(f"红包派完了,手气最佳 {name_of(finished.best_user_id)} {yuan(finished.best_amount_fen)} 元")
