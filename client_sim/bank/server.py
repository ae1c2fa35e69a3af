"""The bank as a server: checks the signature of each call, does it in one transaction, and signs the reply."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from client_sim.bank.bills import Bills
from client_sim.bank.books import BankBooks, BankCard, BankRefuses
from client_sim.bank.faults import BANK_NAME, Fault, FaultPlan
from client_sim.bank.keys import BankKeyring
from client_sim.bank.notices import NoticeSender
from client_sim.bank.orders import BankOrders, Timing

MERCHANT_NAME: Final = "hongbao"
BODY_BYTES_MAX: Final = 16 << 10
SETTLE_S: Final = 0.1
NO_FAULTS: Final = FaultPlan()
TIMING: Final = Timing()
CUT: Final = (Fault.REPLY_LOST, Fault.QUERY_CONTRADICTS, Fault.NOTICE_REORDERED)
ORDERS: Final = ("/pay", "/payout", "/refund")  # calls about which something may go wrong
Answer = dict[str, Any]


class BankServer:
    """The bank. `ahead_s` sets the time of its books ahead; signatures have the real time."""

    def __init__(
        self,
        books: BankBooks,
        keys: BankKeyring,
        *,
        merchant: str = MERCHANT_NAME,
        notice_url: str = "",
        plan: FaultPlan = NO_FAULTS,
        timing: Timing = TIMING,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self.books, self.keys, self.merchant = books, keys, merchant
        self.ahead_s = 0.0
        self._wall_s = wall_s
        self.orders = BankOrders(books, merchant, plan, timing)
        self.bills = Bills(books, merchant, keys, plan)
        self.notices = NoticeSender(books, keys, notice_url, wall_s, self.now_s)
        self._lost: set[str] = set()  # numbers whose first call was lost
        self._calls: Mapping[str, Callable[[Answer], Answer]] = {
            "/cards": self._offer,
            "/cards/confirm": self._confirm,
            "/cards/unbind": self._unbind,
            "/sms": self._sms,
            "/pay": partial(self._order, "charge"),
            "/payout": partial(self._order, "payout"),
            "/query": self._query,
            "/close": self._close,
            "/refund": self._refund,
            "/bill": self._bill,
        }
        self._server = web.Server(self._serve, access_log=None)
        self._listening: asyncio.Server | None = None
        self._loops: list[asyncio.Task[None]] = []
        self.pages: Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]] | None = None
        self.url = ""

    def use(self, plan: FaultPlan) -> None:
        """Orders and statements from now on follow this plan."""
        self.orders.plan = self.bills.plan = plan

    def now_s(self) -> float:
        """The time of the books."""
        return self._wall_s() + self.ahead_s

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; `url` says where. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._server, host, port)
        self.url = f"http://{host}:{self._listening.sockets[0].getsockname()[1]}"
        self._loops = [loop.create_task(self.notices.run()), loop.create_task(self._settle())]

    async def stop(self) -> None:
        """End. What is not told is told after the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
        await self._server.shutdown(0.1)
        await self.notices.close()

    async def _settle(self) -> None:
        while True:
            with self.books.transaction():
                self.orders.settle(self.now_s())
            await asyncio.sleep(SETTLE_S)

    # --- one call -----------------------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.pages is not None and (page := await self.pages(request)) is not None:
            return page
        call = self._calls.get(request.path)
        if call is None or request.method != "POST":
            return web.Response(status=404)
        body = await request.read()
        headers, at_s = request.headers, self._wall_s()
        if len(body) > BODY_BYTES_MAX or not self.keys.is_of_merchant("POST", request.path, headers, body, at_s):
            return web.Response(status=401)
        try:
            asked = json.loads(body)
            if asked["merchant"] != self.merchant:
                return web.Response(status=401)
            if self._is_lost(request.path, asked):
                return _cut(request)
            answer = self._do(call, request, asked)
        except (KeyError, TypeError, ValueError):
            return web.Response(status=400)
        if answer is None:
            return web.Response(status=401)
        return await self._reply(request, asked, answer)

    def _do(self, call: Callable[[Answer], Answer], request: web.BaseRequest, asked: Answer) -> Answer | None:
        """What a call is answered with, once it is on the disk. None: its nonce was used before."""
        serial, stamp = request.headers["Bank-Serial"], int(request.headers["Bank-Time"])
        number = str(asked.get("number", "")) if request.path != "/cards" else ""
        with self.books.transaction():
            if not self.books.is_new_nonce(serial, request.headers["Bank-Nonce"], stamp):
                return None
            try:
                answer = call(asked)
            except BankRefuses as error:
                answer = {"result": "declined", "reason": str(error)}
            self.books.note(self.now_s(), request.path, number, f"{answer['result']} {answer.get('reason', '')}")
        return answer

    def _is_lost(self, path: str, asked: Answer) -> bool:
        """Whether this call is lost before it arrives: the first one of an order with this fault."""
        if path not in ORDERS or asked["number"] in self._lost or self.orders.find(asked["number"]):
            return False
        card = self._card_of(path, asked)
        is_lost = card is not None and self.orders.fault_of_next(Fault(card.fault)) is Fault.CALL_LOST
        if is_lost:
            self._lost.add(asked["number"])
        return is_lost

    def _card_of(self, path: str, asked: Answer) -> BankCard | None:
        if path != "/refund":
            return self.books.card_of(asked["token"])
        charge = self.orders.find(asked["of"])
        return None if charge is None else self.books.card_of_charge(charge["token"])

    async def _reply(self, request: web.BaseRequest, asked: Answer, answer: Answer) -> web.StreamResponse:
        """The reply, if the fault of its order lets it leave."""
        order = self.orders.find(asked["number"]) if request.path in ORDERS else None
        if order is not None:
            fault, is_first = Fault(order["fault"]), order["calls"] == 1
            if order["seen_s"] > self.now_s() or (is_first and fault is Fault.ERROR_AFTER_COMMIT):
                return web.Response(status=500)
            if is_first and fault in CUT:
                return _cut(request)
            if is_first and fault is Fault.REPLY_LATE:
                await asyncio.sleep(self.orders.timing.reply_late_s)
            if is_first and fault is Fault.UNKNOWN_CODE:
                answer = {**answer, "result": "accepted_17"}
            if is_first and fault is Fault.NOTICE_FIRST:
                await self.notices.send_now(order["number"])
        body = json.dumps(answer, ensure_ascii=False).encode()
        nonce = request.headers["Bank-Nonce"]
        headers = self.keys.signed_headers("POST", request.path, int(self._wall_s()), nonce, body)
        return web.Response(body=body, headers=headers, content_type="application/json")

    # --- what the calls do --------------------------------------------------------------------------------------

    def _offer(self, asked: Answer) -> Answer:
        personal = asked["number"], asked["holder"], asked["phone"]
        binding, card = self.books.offer(asked["request_id"], *personal)
        shown = {"bank": BANK_NAME, "last4": card.number[-4:], "card_ref": card.ref}
        return {"result": "offered", "binding": binding, **shown, "reason": ""}

    def _confirm(self, asked: Answer) -> Answer:
        return {"result": "bound", "token": self.books.confirm(asked["binding"]), "reason": ""}

    def _unbind(self, asked: Answer) -> Answer:
        self.books.unbind(asked["token"])
        return {"result": "unbound", "reason": ""}

    def _sms(self, asked: Answer) -> Answer:
        self.books.send(asked["request_id"], asked["to"], asked["text"], self.now_s())
        return {"result": "sent", "reason": ""}

    def _order(self, kind: str, asked: Answer) -> Answer:
        number, token, fen = _number(asked["number"]), str(asked["token"]), _fen(asked["amount_fen"])
        return self.orders.body(self.orders.do(number, kind, token, fen, self.now_s()))

    def _query(self, asked: Answer) -> Answer:
        order = self.orders.find(_number(asked["number"]))
        if order is None or not order["kind"] or order["seen_s"] > self.now_s():
            return self.orders.not_found(asked["number"])
        body = self.orders.body(order)
        if order["fault"] == Fault.QUERY_CONTRADICTS and order["result"] == "succeeded":
            return {**body, "result": "failed", "reason": "no such charge"}
        return body

    def _close(self, asked: Answer) -> Answer:
        return self.orders.close(_number(asked["number"]), self.now_s())

    def _refund(self, asked: Answer) -> Answer:
        number, of, fen = _number(asked["number"]), _number(asked["of"]), _fen(asked["amount_fen"])
        return self.orders.body(self.orders.refund(number, of, fen, self.now_s()))

    def _bill(self, asked: Answer) -> Answer:
        bill = self.bills.bill(date.fromisoformat(asked["day"]), self.now_s())
        return {"result": "missing", "reason": "not ready yet"} if bill is None else bill.body(self.merchant)


def _number(value: object) -> str:
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19):
        raise ValueError("a number is a text of digits")
    return value


def _fen(value: object) -> int:
    if not (type(value) is int and 0 < value <= 10**12):
        raise ValueError("an amount is a whole number of fen")
    return value


def _cut(request: web.BaseRequest) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def open_books(folder: Path, *, waits_for_disk: bool = True) -> BankBooks:
    """The books in a folder, which is made. Raises OSError, sqlite3.Error."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(OSError):
        folder.chmod(0o700)
    return BankBooks(folder / "bank.db", waits_for_disk=waits_for_disk)
