"""Users with cards: they bind, pay packets, top up, withdraw, transfer, and repeat each request under its key."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from server.core.cards import texts
from server.core.kinds import PacketKind
from server.core.packet_request import Payer
from server.services.cards.secrets import CardContent, CardSecrets
from storage.postgres.cards.cards import CardRow
from storage.postgres.cards.payers import Password
from tests.sim.bank import check
from tests.sim.bank.bank import BankCard, SimBank
from tests.sim.bank.hashing import hashed
from tests.sim.bank.plan import AGAIN, GATEWAY
from tests.sim.plan import GROUP, SEED_KEYS

if TYPE_CHECKING:
    from tests.sim.server import SimServer
    from tests.sim.world import World

RETRIES = 12
PHONE = "13800001234"
CODE = re.compile(r"\d{6}")
FIRST_CARD = 2**53 + 10**6  # ids of cards that were bound before


class KeyedRequest(NamedTuple):
    """What a user asks for under a key. `other`: the receiver of a transfer."""

    what: str  # top_up, withdraw, refund, transfer, pay
    user_id: int
    key: str
    amount_fen: int
    other_id: int = 0
    card_id: int = 0
    password: str | None = ""
    of_number: int = 0  # the charge that a refund gives back


class Customers:
    """The users of a world who have cards, or will."""

    def __init__(self, world: World, bank: SimBank) -> None:
        assert world.plan.bank is not None
        self._world, self._bank, self._plan = world, bank, world.plan.bank
        self.rng = random.Random(f"customers {world.seed}")
        self.card_of: dict[int, int] = {}  # of users who know that they have one
        self.outcomes: dict[KeyedRequest, list[tuple[str, Any]]] = {}
        self.bound: list[tuple[int, int]] = []  # (user, card) as the servers confirmed it
        self.confirmed: Counter[int] = Counter()  # by challenge
        self._keys = 0

    @staticmethod
    def password_of(user_id: int) -> str:
        """What the user chooses, and types."""
        return f"{user_id:06}"

    def bank_card(self, user_id: int) -> BankCard:
        """The card that the bank has given a user."""
        number = f"62129900{user_id:07}"
        number += next(digit for digit in "0123456789" if texts._has_check_digit(number + digit))
        return self._bank.cards.setdefault(number, BankCard(number, f"user {user_id}", PHONE))

    # --- begin ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Some users have a card, the others may bind one; all of them act."""
        for user_id in range(1, self._world.plan.users + 1):
            self.bank_card(user_id)
            if user_id <= self._plan.holders:
                self._has_card(user_id)
            self._world.spawn(self._act_for(user_id))

    def _has_card(self, user_id: int) -> None:
        """As if the user had bound the card a day ago."""
        card, secrets = self.bank_card(user_id), CardSecrets(SEED_KEYS, self.rng.randbytes)
        token, card_id = f"token {user_id}", FIRST_CARD + user_id
        self._bank.tokens[token] = card
        sealed = secrets.seal(CardContent(token, card.holder, "138****1234"), card_id)
        about = card_id, user_id, GATEWAY, card.card_ref, "测试银行", card.number[-4:]
        self._world.tables.cards[card_id] = CardRow(*about, *sealed, 0, None)
        secret = secrets.peppered(secrets.key_id, user_id, self.password_of(user_id))
        password = Password(hashed(secret), secrets.key_id)
        self._world.tables.put_password(user_id, password, only_first=False)
        self.card_of[user_id] = card_id

    async def _act_for(self, user_id: int) -> None:
        world = self._world
        while True:
            await asyncio.sleep(self.rng.expovariate(1 / self._plan.acts_s))
            if world.loop.time() >= world.plan.length_s:
                return
            if user_id in self.card_of:
                several = self.rng.choice((1, 1, 1, 1, 4))  # at once, for what is counted under a lock
                acts = self.rng.choices(ACTS, k=several) if self.rng.random() < 0.98 else [Customers._unbind]
                await asyncio.gather(*(act(self, user_id) for act in acts))
            else:
                await self._bind(user_id)

    def _next_key(self) -> str:
        self._keys += 1
        return f"{check.CARD_KEY}{self._keys}"

    # --- cards ------------------------------------------------------------------------------------------------

    async def _bind(self, user_id: int) -> None:
        """Ask for a code, read it on the phone, confirm: once or twice, at any server."""
        world, card = self._world, self.bank_card(user_id)
        server = self.rng.choice(world.servers)
        if not await server.admits(user_id):
            return
        work = server.running.cards.service.bind(user_id, card.number, card.holder, card.phone)
        outcome, offered = await world.call(server, work, "bind", user_id)
        if outcome != "ok":
            return
        challenge_id = offered.code.challenge_id
        code = CODE.search(self._bank.texts[f"{challenge_id}-1"])
        assert code is not None
        copies = self.rng.choice((1, 1, 2))
        await asyncio.gather(*(self._confirm(user_id, challenge_id, code.group()) for _ in range(copies)))
        await self._look_at_cards(user_id)

    async def _confirm(self, user_id: int, challenge_id: int, code: str) -> None:
        for _ in range(3):
            server = self.rng.choice(self._world.servers)
            if await server.admits(user_id):
                service, password = server.running.cards.service, self.password_of(user_id)
                work = service.confirm(user_id, challenge_id, code, password)
                outcome, card = await self._world.call(server, work, "confirm", user_id)
                if outcome == "ok":
                    self.bound.append((user_id, card.card_id))
                    self.confirmed[challenge_id] += 1
                if outcome not in AGAIN:
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 1.0))

    async def _look_at_cards(self, user_id: int) -> None:
        server = self.rng.choice(self._world.servers)
        if await server.admits(user_id):
            work = server.running.cards.service.bound(user_id)
            outcome, cards = await self._world.call(server, work, "cards", user_id)
            if outcome == "ok" and cards:
                self.card_of[user_id] = cards[0].card_id

    async def _unbind(self, user_id: int) -> None:
        server, card_id = self.rng.choice(self._world.servers), self.card_of[user_id]
        if await server.admits(user_id):
            work = server.running.cards.service.unbind(user_id, card_id, self.password_of(user_id))
            outcome, _ = await self._world.call(server, work, "unbind", user_id)
            if outcome == "ok":
                del self.card_of[user_id]

    # --- payments ---------------------------------------------------------------------------------------------

    async def _pay_packet(self, user_id: int) -> None:
        """A packet to the group or to another user, paid by the card."""
        world, rng = self._world, self.rng
        shares, kind = rng.randint(1, 4), rng.choice((PacketKind.LUCKY, PacketKind.EQUAL, PacketKind.PERSONAL))
        is_personal = kind is PacketKind.PERSONAL
        target = self._other(user_id) if is_personal else GROUP
        key, fen = self._next_key(), rng.choice((shares * 3, shares * 100, 4_000))
        packet_request = (user_id, key, kind, target, fen, 1 if is_personal else shares, "")
        world.sent[user_id, key] = []
        payer = Payer(self.card_of[user_id], self._typed(user_id))
        copies = rng.choice((1, 1, 2))
        await asyncio.gather(*(world.send_packet(packet_request, payer) for _ in range(copies)))

    def _typed(self, user_id: int) -> str:
        """The password; sometimes a wrong one."""
        return self.password_of(user_id) if self.rng.random() < 0.95 else check.WRONG

    def _other(self, user_id: int) -> int:
        return self.rng.choice([one for one in range(1, self._world.plan.users + 1) if one != user_id])

    async def _top_up(self, user_id: int) -> None:
        await self._keyed("top_up", user_id)

    async def _withdraw(self, user_id: int) -> None:
        await self._keyed("withdraw", user_id)

    async def _transfer(self, user_id: int) -> None:
        await self._keyed("transfer", user_id, self._other(user_id))

    async def _pay(self, user_id: int) -> None:
        await self._keyed("pay", user_id)

    async def _refund(self, user_id: int) -> None:
        """The chat backend gives a top-up of the user back to its card, or a part of it, or more than it was."""
        if not self._top_ups(user_id):
            await self._top_up(user_id)
        if charges := self._top_ups(user_id):
            await self._keyed("refund", user_id, of_number=self.rng.choice(charges))

    def _top_ups(self, user_id: int) -> list[int]:
        """The numbers of the top-ups that a user was told to be made."""
        mine = [said for one, said in self.outcomes.items() if (one.user_id, one.what) == (user_id, "top_up")]
        return [result.number for said in mine for outcome, result in said if outcome == "ok"]

    async def _close(self, user_id: int) -> None:
        await self._world.bank_side.close_one(self.rng.choice(self._world.servers))

    async def _keyed(self, what: str, user_id: int, other_id: int = 0, of_number: int = 0) -> None:
        fen = self.rng.choice((1, 250, 3_000))
        card_id = self.card_of[user_id] if what in ("top_up", "withdraw") else 0
        password = None if what in ("pay", "refund") else self._typed(user_id)
        request = KeyedRequest(what, user_id, self._next_key(), fen, other_id, card_id, password, of_number)
        self.outcomes[request] = []
        copies = self.rng.choice((1, 1, 2))
        await asyncio.gather(*(self._repeat(request) for _ in range(copies)))

    async def _repeat(self, request: KeyedRequest) -> None:
        """Ask until the answer is final, or the user gives up."""
        world = self._world
        for _ in range(RETRIES):
            server = self.rng.choice(world.servers)
            if await server.admits(request.user_id):
                outcome = await world.call(server, WORK[request.what](server, request), *request[:4])
                self.outcomes[request].append(outcome)
                check.answer_is_true(world, request, outcome)
                if outcome[0] not in AGAIN and not is_open(outcome):
                    return
            await asyncio.sleep(self.rng.uniform(0.05, 1.5))


def is_open(outcome: tuple[str, Any]) -> bool:
    """A withdrawal that is answered with a state which may change."""
    return getattr(outcome[1], "state", "") in ("created", "submitted", "unknown")


def _by_card(name: str) -> Callable[[SimServer, KeyedRequest], Awaitable[Any]]:
    def work(server: SimServer, one: KeyedRequest) -> Awaitable[Any]:
        by_card = server.running.payments.by_card
        made: Awaitable[Any] = getattr(by_card, name)(
            one.user_id, one.key, one.card_id, one.amount_fen, one.password
        )
        return made

    return work


async def _refund_to_card(server: SimServer, one: KeyedRequest) -> Any:
    refunds = server.running.payments.card_refunds
    assert refunds is not None
    _, made = await refunds.refund(one.of_number, one.key, one.amount_fen)
    return made


WORK: dict[str, Callable[[Any, KeyedRequest], Awaitable[Any]]] = {
    "top_up": _by_card("top_up"),
    "withdraw": _by_card("withdraw"),
    "refund": _refund_to_card,
    "transfer": lambda server, one: server.running.orders.transfer(
        one.user_id, one.other_id, one.amount_fen, one.key, "", one.password
    ),
    "pay": lambda server, one: server.running.orders.pay(one.user_id, one.amount_fen, one.key, ""),
}
ACTS = (
    Customers._pay_packet,
    Customers._pay_packet,
    Customers._pay_packet,
    Customers._top_up,
    Customers._top_up,
    Customers._withdraw,
    Customers._withdraw,
    Customers._refund,
    Customers._refund,
    Customers._refund,
    Customers._transfer,
    Customers._pay,
    Customers._close,
)
