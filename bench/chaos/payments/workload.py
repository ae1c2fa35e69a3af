"""The workload: users with cards who pay in all ways at a rate, ask until they have an answer, and keep logs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final

from bench.chaos.payments import history as log
from bench.chaos.payments.history import PaymentHistory, PaymentOp
from bench.chaos.workload import CONNECT_TIMEOUT_S, FIRST_USER, GROUP_MEMBERS, Mint, new_client, until_answered
from bench.load.load import arrivals
from client_sim.bank.desk import BankDesk
from client_sim.bank.faults import Fault, card_number
from client_sim.sdk.client import Client
from client_sim.sdk.errors import TimedOut
from protocol import messages

PASSWORD: Final = "135790"
FUNDS_FEN: Final = 1_000_000
WAITING_MAX: Final = 150  # unanswered requests; beyond it no new ones begin
BINDING_MAX: Final = 4  # users who bind a card at the same time
AMOUNTS_FEN: Final = (1, 66, 100, 188, 300, 520, 888)
KINDS: Final = {log.PACKET: 8, log.TOP_UP: 5, log.WITHDRAWAL: 4, log.REFUND: 2, log.TRANSFER: 2, log.PAY: 1}
BY_BACKEND: Final = (log.PAY, log.REFUND)
TICK_S: Final = 0.01
LOOK_S: Final = 0.5


class PaymentWorkload:
    """Makes payments. Each has a number from 0, and all of it is drawn from the seed and that number.

    Only which top-up a refund gives back depends on those that were made before; without one it is a top-up.
    """

    def __init__(self, url: str, mint: Mint, users: int, seed: int, history: PaymentHistory) -> None:
        self._seed, self._history = seed, history
        self._backend = new_client(url, mint(0))
        ids = range(FIRST_USER, FIRST_USER + users)
        self._users = {user_id: new_client(url, mint(user_id)) for user_id in ids}
        self._groups: dict[int, int] = {}
        self._cards: dict[int, int] = {}
        self._charges: list[PaymentOp] = []  # top-ups that may be given back
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers: list[asyncio.Task[None]] = []
        self.begun = 0

    @property
    def waiting(self) -> int:
        """Payments without a final answer."""
        return len(self._tasks)

    async def prepare(self, bank: BankDesk) -> None:
        """Connect, get money, bind cards, form groups; before the first fault. Raises ClientError, NoBank."""
        await self._backend.connect(CONNECT_TIMEOUT_S)
        gate = asyncio.Semaphore(BINDING_MAX)

        async def enter(user_id: int, client: Client) -> None:
            async with gate:
                await client.connect(CONNECT_TIMEOUT_S)
                self._readers.append(asyncio.create_task(_read_pushes(client)))
                await self._backend.top_up(user_id, FUNDS_FEN, f"funds-{user_id}")
                self._history.funds[user_id] = FUNDS_FEN
                self._cards[user_id] = await self._bind(user_id, client, bank)

        await asyncio.gather(*(enter(*user) for user in self._users.items()))
        ids = list(self._users)
        for first in range(0, len(ids), GROUP_MEMBERS):
            members = ids[first : first + GROUP_MEMBERS]
            group_id = await self._backend.put_group(f"group {first}", "chaos", members[0])
            await self._backend.sync_members(group_id, 1, members)
            self._groups |= dict.fromkeys(members, group_id)

    async def _bind(self, user_id: int, client: Client, bank: BankDesk) -> int:
        number, phone = card_number(Fault.NONE, user_id), f"139{user_id:08d}"
        offered = await client.bind_card(number, f"用户{user_id}", phone)
        self._history.cards[user_id] = number
        try:
            return (await client.confirm_card(offered.challenge_id, await bank.code(phone), PASSWORD)).card_id
        except TimedOut:  # on a machine with too much to do; the SDK does not repeat a code
            return await _bound(client)

    async def run(self, payments: int, rate_per_s: float, first: int = 0) -> None:
        """Begin so many payments, from number `first` on, at their moments or as soon as there is room."""
        began_s = perf_counter()
        moments_s = arrivals(self._seed + first, rate_per_s, payments / rate_per_s)
        for number, moment_s in enumerate(moments_s, first):
            await asyncio.sleep(max(0.0, began_s + moment_s - perf_counter()))
            while len(self._tasks) >= WAITING_MAX:
                await asyncio.wait(set(self._tasks), timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._pay(number))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self.begun += 1

    async def wait_for_answers(self, timeout_s: float) -> int:
        """Wait until every request is answered; the number that is not, which the log calls unknown."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)
        unanswered = set(self._tasks)
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*unanswered, return_exceptions=True)
        return len(unanswered)

    async def close(self) -> None:
        """Disconnect all users."""
        for client in (self._backend, *self._users.values()):
            await client.close()
        await asyncio.gather(*self._readers, return_exceptions=True)

    # --- one payment --------------------------------------------------------------------------------------------

    async def _pay(self, number: int) -> None:
        draw = random.Random(f"payment {self._seed} {number}")
        (kind,) = draw.choices(list(KINDS), list(KINDS.values()))
        user_id, other = draw.sample(list(self._users), 2)
        if kind == log.REFUND and not self._charges:
            kind = log.TOP_UP
        op = PaymentOp(user_id, f"{kind}-{self._seed}-{number}", kind, draw.choice(AMOUNTS_FEN))
        if kind == log.TRANSFER:
            op = op._replace(to_user=other)
        if kind == log.REFUND:
            op = self._refund(op, draw)
        last: list[str] = []
        client, try_s = self._backend if kind in BY_BACKEND else self._users[user_id], 0.0
        try:
            answered = await until_answered(client, lambda: self._ask(op), last.append)
            op, try_s = op._replace(answer=answered.name or log.DONE, tries=answered.tries), answered.try_s
            op = _told(op, answered.reply)
            if kind == log.TOP_UP and op.answer == log.DONE:
                self._charges.append(op)
        finally:
            self._history.add(op._replace(last_refusal=last[-1] if last else ""), try_s)

    def _refund(self, op: PaymentOp, draw: random.Random) -> PaymentOp:
        """Of a top-up that was made, all or a part; a part leaves it to further refunds, which may be too much."""
        charge = draw.choice(self._charges)
        fen = draw.choice((charge.amount_fen, max(1, charge.amount_fen // 2)))
        if fen == charge.amount_fen and draw.random() < 0.5:
            self._charges.remove(charge)
        return op._replace(user_id=charge.user_id, amount_fen=fen, of_number=charge.number)

    def _ask(self, op: PaymentOp) -> Awaitable[Any]:
        client, card_id, fen = self._users[op.user_id], self._cards[op.user_id], op.amount_fen
        asks: dict[str, Callable[[], Awaitable[Any]]] = {
            log.PACKET: lambda: client.send_packet(
                "lucky", self._groups[op.user_id], fen, 1, "chaos", op.key, card_id=card_id, password=PASSWORD
            ),
            log.TOP_UP: lambda: client.top_up_by_card(card_id, fen, PASSWORD, op.key),
            log.WITHDRAWAL: lambda: client.withdraw_to_card(card_id, fen, PASSWORD, op.key),
            log.REFUND: lambda: self._backend.refund_to_card(op.of_number, fen, op.key),
            log.TRANSFER: lambda: client.transfer(op.to_user, fen, "chaos", PASSWORD, op.key),
            log.PAY: lambda: self._backend.pay(op.user_id, fen, "chaos", op.key),
        }
        return asks[op.kind]()


def _told(op: PaymentOp, reply: Any) -> PaymentOp:
    """With what the reply names: the packet, or the number of the payment."""
    if isinstance(reply, messages.PacketSent):
        return op._replace(number=reply.packet_id)
    if isinstance(reply, messages.ToppedUpByCard):
        return op._replace(number=reply.payment_id)
    if isinstance(reply, messages.WithdrawnToCard | messages.RefundedToCard):
        return op._replace(number=reply.payment_id, state=reply.state)
    return op


async def _bound(client: Client) -> int:
    """The first card of a user, once it is bound. Raises TimedOut, ClientError."""
    ends_s = perf_counter() + CONNECT_TIMEOUT_S
    while not (cards := (await client.cards()).cards):
        if perf_counter() > ends_s:
            raise TimedOut("the card is not bound")
        await asyncio.sleep(LOOK_S)
    return cards[0].card_id


async def _read_pushes(client: Client) -> None:
    async for _ in client.pushes():
        pass
